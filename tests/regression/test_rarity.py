from __future__ import annotations

import numpy as np
import pytest

from linvop.errors import InputError
from linvop.regression.problem import Problem
from linvop.regression.rarity import carriers, rarity_factor
from linvop.regression.relevance import relevance
from linvop.regression.ridge import Ridge


def _problem(A, **given):
    names = ("penalty", "constants", "groups", "weights")
    settings = dict.fromkeys(names) | {"n_components": 1} | given
    return Problem.checked(A, np.zeros(len(A)), **settings)


def _alike(m: int, n: int = 60) -> np.ndarray:
    """A column that m of n rows carry, with either sign."""
    column = np.zeros(n)
    column[:m] = np.where(np.arange(m) % 2, 1.0, -1.0)
    return column


@pytest.mark.parametrize("m", [1, 2, 7, 60])
def test_as_many_as_carry_a_column_alike(m):
    np.testing.assert_allclose(carriers(_problem(_alike(m)[:, None])), m, rtol=1e-13)


@pytest.mark.parametrize("m", [1, 10, 30, 59])
def test_next_to_a_constant_what_varies_is_carried(m):
    """Of n rows m have 1: the squares are (1 - f)^2 of those and f^2 of the others, f = m/n."""
    n, f = 60, m / 60
    D = np.r_[np.full(m, (1 - f) ** 2), np.full(n - m, f**2)]
    found = carriers(_problem((np.arange(n) < m).astype(float)[:, None], constants=np.ones((n, 1))))
    np.testing.assert_allclose(found, D.sum() ** 2 / (D**2).sum(), rtol=1e-12)


def test_what_constants_explain_does_not_hide_the_rare():
    """A number of atoms, and a bit that one structure alone has: the bit is what is fitted."""
    rng = np.random.default_rng(0)
    counts = rng.integers(1, 9, size=(60, 2)).astype(float)
    w = rng.uniform(0.5, 2.0, 60)
    bit = np.zeros(60)
    bit[7] = 1e-3
    A = np.stack([counts @ [1.0, 2.0] + bit, bit, counts[:, 0]], axis=1)
    n = carriers(_problem(A, constants=counts, weights=w))
    np.testing.assert_allclose(n[0], n[1], rtol=1e-6)
    assert n[1] < 1.5
    assert n[2] == 1.0  # nothing left of it


def test_carriers_do_not_know_units_order_or_blocks(monkeypatch):
    rng = np.random.default_rng(0)
    A, w = rng.normal(size=(30, 6)) ** 3 + 2.0, rng.uniform(0.1, 2.0, 30)
    groups, constants = rng.integers(0, 9, 30), rng.normal(size=(30, 2))
    n = carriers(_problem(A, weights=w, groups=groups, constants=constants))
    assert ((n >= 1) & (n <= 9)).all()
    order = rng.permutation(30)
    scaled = A[order] * 10.0 ** np.array([-200, -3, 0, 1, 30, 200.0])
    monkeypatch.setattr("linvop.regression.rarity._BLOCK_ENTRIES", 70)
    again = _problem(
        scaled, weights=3 * w[order], groups=groups[order], constants=5 * constants[order]
    )
    np.testing.assert_allclose(carriers(again), n, rtol=1e-10)


def test_components_and_copies_are_one_carrier():
    rng = np.random.default_rng(0)
    A = rng.normal(size=(20, 3, 4))
    turned = np.linalg.qr(rng.normal(size=(20, 3, 3)))[0] @ A  # each structure its own rotation
    groups = np.repeat(np.arange(20), 3)
    n = carriers(_problem(A.reshape(60, 4), groups=groups, n_components=3))
    again = carriers(_problem(turned.reshape(60, 4), groups=groups, n_components=3))
    np.testing.assert_allclose(again, n, rtol=1e-12)
    twice = _problem(
        np.concatenate([A, A]).reshape(120, 4), groups=np.tile(groups, 2), n_components=3
    )
    np.testing.assert_allclose(carriers(twice), n, rtol=1e-12)


def test_the_prior_of_a_column_is_what_it_is_said_to_be():
    rng = np.random.default_rng(0)
    A = np.stack([_alike(m) for m in (60, 10, 2)], axis=1) * rng.uniform(0.5, 2.0, 3)
    y = A @ rng.normal(size=3) + 0.1 * rng.normal(size=60)
    rho = rarity_factor(np.array([60.0, 10.0, 2.0]), 5.0)
    np.testing.assert_allclose(rho, [1.0, (1.5 * 12 / 13) ** 2, (3.5 * 12 / 13) ** 2], rtol=1e-13)
    given, spelled = Ridge(0.3, rarity=5.0).fit(A, y), Ridge(0.3).fit(A, y, penalty=rho)
    np.testing.assert_allclose(given.coef_, spelled.coef_, rtol=1e-10)
    found = [
        relevance(A, y, rarity=r, penalty=p, steps=3).tau
        for r, p in ((5.0, np.ones(3)), (0.0, rho))
    ]
    np.testing.assert_allclose(found[0], found[1], rtol=1e-9)


def test_a_very_large_rarity_is_a_number():
    A = np.stack([_alike(m) for m in (60, 10)], axis=1)
    y = A @ [1.0, 2.0] + np.arange(60.0)
    with np.errstate(all="raise"):
        limit = Ridge(0.3, rarity=1e200).fit(A, y)
    spelled = Ridge(0.3).fit(A, y, penalty=np.array([1.0, 36.0]))
    np.testing.assert_allclose(limit.coef_, spelled.coef_, rtol=1e-10)


@pytest.mark.parametrize(("size", "helps"), [(0.0, True), (0.2, True), (1.0, False)])
def test_it_helps_where_what_is_rare_matters_little(size, helps):
    """One in two has, a little, what no other has; new ones have it in full.

    With coefficients of the size of the others it is a wrong prior.
    """
    n, p, rare = 80, 120, 40
    widths = np.arange(1, p + 1) ** -1.0
    off = np.zeros((6, 2))
    for seed, errors in enumerate(off):
        rng = np.random.default_rng(seed)
        A = np.concatenate([widths * rng.normal(size=(n, p)), np.zeros((n, rare))], axis=1)
        A[np.arange(rare), p + np.arange(rare)] = 0.1
        c = np.concatenate([rng.normal(size=p), size * rng.normal(size=rare)])
        y = A @ c + 0.05 * rng.normal(size=n)
        new = np.concatenate([widths * rng.normal(size=(50, p)), rng.normal(size=(50, rare))], 1)
        for k, r in enumerate((0.0, 30.0)):
            errors[k] = np.sqrt(np.mean((Ridge(rarity=r).fit(A, y).predict(new) - new @ c) ** 2))
    mean = off.mean(axis=0)
    assert (mean[1] < 0.5 * mean[0]) if helps else (mean[1] > mean[0])


def test_pruning_keeps_the_common():
    """Columns of single structures are orthogonal: without rho the pivots would take them first."""
    rng = np.random.default_rng(0)
    common = rng.normal(size=(30, 40))
    A = np.concatenate([common, np.eye(30)[:, :20]], axis=1)
    y = common[:, :3].sum(axis=1) + 0.01 * rng.normal(size=30)
    kept = [Ridge(prune=1e-8, rarity=r).fit(A, y).selection_.kept[40:].sum() for r in (0.0, 30.0)]
    assert kept[1] == 0 < kept[0]


@pytest.mark.parametrize("bad", [-1.0, np.inf, "loo", True])
def test_bad_rarities_are_refused(bad):
    with pytest.raises(InputError, match="rarity: expected a number >= 0"):
        Ridge(rarity=bad)


def test_no_standard_deviations_of_what_is_not_believed():
    with pytest.raises(InputError, match="rarity: expected 0 with covariance, got 30"):
        Ridge(rarity=30.0, covariance=True)


def test_the_estimator_says_it():
    assert "rarity" not in repr(Ridge())
    assert eval(repr(Ridge(rarity=30.0)), {"Ridge": Ridge}).rarity == 30.0
