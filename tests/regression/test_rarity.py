from __future__ import annotations

import numpy as np
import pytest

from linvop.errors import InputError
from linvop.regression.rarity import carriers, rarity_factor
from linvop.regression.relevance import relevance
from linvop.regression.ridge import Ridge


def _alike(m: int, n: int = 60) -> np.ndarray:
    """A column that m of n rows carry, with either sign."""
    column = np.zeros(n)
    column[:m] = np.where(np.arange(m) % 2, 1.0, -1.0)
    return column


@pytest.mark.parametrize("m", [1, 2, 7, 60])
def test_as_many_as_carry_a_column_alike(m):
    n = carriers(_alike(m)[:, None], np.ones(60), np.arange(60), False)
    np.testing.assert_allclose(n, m, rtol=1e-13)


def test_carriers_do_not_know_units_order_or_blocks(monkeypatch):
    rng = np.random.default_rng(0)
    A, w = rng.normal(size=(30, 6)) ** 3 + 2.0, rng.uniform(0.1, 2.0, 30)
    labels = rng.integers(0, 9, 30)
    n = carriers(A, w, labels, True)
    assert ((n >= 1) & (n <= 9)).all()
    order = rng.permutation(30)
    scaled = A[order] * 10.0 ** np.array([-200, -3, 0, 1, 30, 200.0])
    monkeypatch.setattr("linvop.regression.rarity._BLOCK_ENTRIES", 24)
    np.testing.assert_allclose(carriers(scaled, 3 * w[order], labels[order], True), n, rtol=1e-11)


def test_components_and_copies_are_one_carrier():
    rng = np.random.default_rng(0)
    A = rng.normal(size=(20, 3, 4))
    turned = np.linalg.qr(rng.normal(size=(20, 3, 3)))[0] @ A  # each structure its own rotation
    labels = np.repeat(np.arange(20), 3)
    n = carriers(A.reshape(60, 4), np.ones(60), labels, False)
    np.testing.assert_allclose(
        carriers(turned.reshape(60, 4), np.ones(60), labels, False), n, rtol=1e-12
    )
    twice = np.concatenate([A, A]).reshape(120, 4)
    np.testing.assert_allclose(
        carriers(twice, np.ones(120), np.concatenate([labels, labels]), False), n, rtol=1e-12
    )


def test_the_prior_of_a_column_is_what_it_is_said_to_be():
    rng = np.random.default_rng(0)
    A = np.stack([_alike(m) for m in (60, 10, 2)], axis=1) * rng.uniform(0.5, 2.0, 3)
    y = A @ rng.normal(size=3) + 0.1 * rng.normal(size=60)
    given = Ridge(0.3, rarity=5.0).fit(A, y)
    spelled = Ridge(0.3).fit(A, y, penalty=(1.0 + 5.0 / np.array([60.0, 10.0, 2.0])) ** 2)
    np.testing.assert_allclose(given.coef_, spelled.coef_, rtol=1e-10)
    found = [
        relevance(A, y, rarity=r, penalty=p, steps=3).tau
        for r, p in ((5.0, np.ones(3)), (0.0, rarity_factor(np.array([60.0, 10.0, 2.0]), 5.0)))
    ]
    np.testing.assert_allclose(found[0], found[1], rtol=1e-9)


def test_what_single_structures_carry_is_hardly_believed():
    """Molecules of which one in two has, a little, what no other has; new ones have it in full."""
    rng = np.random.default_rng(1)
    n, p, rare = 80, 120, 40
    size = np.arange(1, p + 1) ** -1.0
    A = np.concatenate([size * rng.normal(size=(n, p)), np.zeros((n, rare))], axis=1)
    A[np.arange(rare), p + np.arange(rare)] = 0.1
    c = np.concatenate([rng.normal(size=p), np.zeros(rare)])
    y = A @ c + 0.05 * rng.normal(size=n)
    new = np.concatenate([size * rng.normal(size=(50, p)), rng.normal(size=(50, rare))], axis=1)
    off = [
        float(np.sqrt(np.mean((Ridge(rarity=r).fit(A, y).predict(new) - new @ c) ** 2)))
        for r in (0.0, 30.0)
    ]
    assert off[1] < 0.5 * off[0], off


@pytest.mark.parametrize("bad", [-1.0, np.inf, "loo", True])
def test_bad_rarities_are_refused(bad):
    with pytest.raises(InputError, match="rarity"):
        Ridge(rarity=bad)


def test_the_law_of_the_estimator_shows():
    assert "rarity" not in repr(Ridge())
    assert eval(repr(Ridge(rarity=30.0)), {"Ridge": Ridge}).rarity == 30.0
