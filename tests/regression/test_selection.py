"""Exactly the dependent columns go, whatever their units and orientations."""

from __future__ import annotations

import numpy as np
import pytest

from linvop.errors import InputError
from linvop.regression.ridge import Ridge
from linvop.regression.selection import independent_columns


@pytest.fixture
def rng():
    return np.random.default_rng(12)


def dependent(rng, n, p, extra):
    """p independent columns of very different size, and sums of some of them."""
    A = rng.normal(size=(n, p)) * 10.0 ** rng.uniform(-9, 9, p)
    mix = np.zeros((p, extra))
    for k in range(extra):
        some = rng.choice(p, size=3, replace=False)
        mix[some, k] = rng.normal(size=3) / np.abs(A).max(axis=0)[some]
    return A, mix


def test_exactly_the_dependent_columns_go_and_predictions_stay(rng):
    A, mix = dependent(rng, 60, 12, 5)
    A0 = np.c_[np.ones(60), rng.integers(1, 4, 60)]
    order = rng.permutation(17)
    full = np.hstack([A, A @ mix + A0 @ rng.normal(size=(2, 5))])[:, order]
    cost = np.r_[np.ones(12), np.full(5, 3.0)][order]
    w = rng.uniform(0.5, 2.0, 60)
    names = [f"column {j}" for j in range(17)]
    found = independent_columns(full, penalty=cost, constants=A0, weights=w, labels=names)
    np.testing.assert_array_equal(found.kept, order < 12)
    assert [name for name, _ in found.dropped()] == [names[j] for j in np.flatnonzero(order >= 12)]
    assert max(residual for _, residual in found.dropped()) < 1e-13
    y = (A / np.abs(A).max(axis=0)) @ rng.normal(size=12) + 0.1 * rng.normal(size=60)
    whole = Ridge(1e-12, column_scale=1.0).fit(full, y, constants=A0, weights=w)
    pruned = Ridge(1e-12, column_scale=1.0).fit(full[:, found.kept], y, constants=A0, weights=w)
    np.testing.assert_allclose(
        whole.predict(full, A0), pruned.predict(full[:, found.kept], A0), atol=1e-8
    )


def test_units_and_rotations_change_no_decision(rng):
    A = rng.normal(size=(10, 3, 8))
    A = np.concatenate([A, A[..., :2] @ rng.normal(size=(2, 3))], axis=2)
    found = independent_columns(A.reshape(30, 11), n_components=3)
    assert found.kept.sum() == 8
    D = np.linalg.qr(rng.normal(size=(10, 3, 3)))[0]  # each structure turned by itself
    units = 10.0 ** rng.uniform(-100, 100, 11)
    turned = np.einsum("sij,sjp->sip", D, A).reshape(30, 11) * units
    np.testing.assert_array_equal(independent_columns(turned, n_components=3).kept, found.kept)


def test_tensor_columns_with_a_mean_are_not_centred(rng):
    A = 5.0 + 0.1 * rng.normal(size=(12, 3, 2))
    A[..., 1] = A[..., 0] + 1.0  # apart from a constant vector the same
    assert independent_columns(A.reshape(36, 2), n_components=3).kept.all()
    ones = np.ones((36, 1))
    assert independent_columns(A.reshape(36, 2), constants=ones).kept.sum() == 1


@pytest.mark.parametrize("tolerance", [1e-4, 1e-8])
def test_tolerance_is_relative_to_the_column(rng, tolerance):
    A = rng.normal(size=(40, 4)) * [1e-12, 1.0, 1.0, 1e12]
    for factor, n_kept in ((0.05, 4), (20.0, 5)):
        new = A[:, :1] + factor * tolerance * 1e-12 * rng.normal(size=(40, 1))
        found = independent_columns(np.hstack([A, new]), tolerance=tolerance)
        assert found.kept.sum() == n_kept
        if n_kept == 4:
            ((_, residual),) = found.dropped()
            assert 0.01 * tolerance < residual < tolerance


def test_of_copies_the_cheapest_stays_and_constants_go(rng):
    a = rng.normal(size=(20, 1))
    A = np.hstack([a, 7 * a, -a, np.full((20, 1), 3.0), np.zeros((20, 1))])
    found = independent_columns(A, penalty=[4.0, 1.0, 2.0, 1.0, 1.0], constants=np.ones((20, 1)))
    assert found.kept.tolist() == [False, True, False, False, False]
    assert [name for name, _ in found.dropped()] == ["0", "2", "3", "4"]


def test_no_more_columns_than_rows_stay(rng):
    found = independent_columns(rng.normal(size=(9, 30)), constants=np.ones((9, 1)))
    assert found.kept.sum() == 8
    assert (found.residuals[~found.kept] < 1e-13).all()


def test_bad_input_is_named(rng):
    A = rng.normal(size=(9, 3))
    for tolerance in (0.0, 1.0, -1.0, np.nan):
        with pytest.raises(InputError, match="tolerance: expected"):
            independent_columns(A, tolerance=tolerance)
    with pytest.raises(InputError, match="labels: expected 3, one a column, got 2"):
        independent_columns(A, labels=["a", "b"])
    with pytest.raises(InputError, match="a column that varies"):
        independent_columns(np.ones((9, 3)), constants=np.ones((9, 1)))
    with pytest.raises(InputError, match="not equivariant"):
        independent_columns(A, constants=np.ones((9, 1)), n_components=3)


def test_a_pruned_fit_is_that_of_the_columns_that_are_left():
    rng = np.random.default_rng(3)
    few = rng.normal(size=(60, 5))
    A = np.hstack([few, few @ rng.normal(size=(5, 4)), np.ones((60, 1))])
    y, constants = few @ np.arange(5.0) + 0.1 * rng.normal(size=60), np.ones((60, 1))
    pruned = Ridge(prune=1e-8, covariance=True).fit(A, y, constants=constants)
    kept = pruned.selection_.kept
    assert kept.sum() == 5
    alone = Ridge(covariance=True).fit(A[:, kept], y, constants=constants)
    np.testing.assert_allclose(pruned.coef_[kept], alone.coef_, rtol=1e-12)
    assert not pruned.coef_[~kept].any()
    for a, b in zip(
        pruned.predict(A, constants, std=True),
        alone.predict(A[:, kept], constants, std=True),
        strict=True,
    ):
        np.testing.assert_allclose(a, b, rtol=1e-10)
    assert pruned.report()["n_pruned"] == 4
    assert pruned.report()["n_constant_columns"] == 1
    assert eval(repr(pruned)).prune == 1e-8


@pytest.mark.parametrize("prune", [0.0, 1.0, True, "yes"])
def test_a_tolerance_that_means_nothing_is_refused(prune):
    with pytest.raises(InputError, match="^prune: expected None or a number"):
        Ridge(prune=prune).check()
