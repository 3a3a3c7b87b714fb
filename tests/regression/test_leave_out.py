from __future__ import annotations

import mpmath
import numpy as np
import pytest

from linvop.regression.ridge import RegularisationWarning, Ridge

GROUPS = {
    "scalar": np.arange(24),
    "threes": np.arange(24) // 3,
    "unequal": np.array([0, 1, 1, 2, 3, 3, 3, 4, 5, 5, 0, 6, 7, 8, 8, 8, 8, 8, 8, 8, 8, 8, 9, 2]),
}


def refit_residuals(A, A0, y, gamma, alpha, weights, groups):
    """Leave each group out and solve the augmented least squares without it."""
    p, k = A.shape[1], A0.shape[1]
    X = np.hstack([A / gamma, A0])
    bottom = np.hstack([np.sqrt(alpha) * np.eye(p), np.zeros((p, k))])
    residuals = np.empty(len(y))
    for group in np.unique(groups):
        out = groups == group
        root = np.sqrt(weights[~out])
        M = np.vstack([root[:, None] * X[~out], bottom])
        x = np.linalg.lstsq(M, np.concatenate([root * y[~out], np.zeros(p)]), rcond=1e-13)[0]
        residuals[out] = y[out] - X[out] @ x
    return residuals


@pytest.mark.parametrize("p", [6, 22, 60])
@pytest.mark.parametrize("kind", GROUPS)
@pytest.mark.parametrize("alpha", [1e-3, 10.0])
def test_closed_form_is_the_explicit_refit(p, kind, alpha):
    rng = np.random.default_rng(p)
    A = rng.normal(size=(24, p)) * 10.0 ** rng.uniform(-1, 1, p)
    y = rng.normal(size=24) + 40.0
    ones = np.ones((24, 1))
    A0 = np.hstack([ones, 2 * ones, rng.integers(1, 4, size=(24, 1))])
    w = rng.uniform(0.2, 3.0, 24)
    model = Ridge(alpha).fit(A, y, constants=A0, weights=w, groups=GROUPS[kind])
    mean = np.average(A, axis=0, weights=w)
    gamma = np.average((A - mean) ** 2, axis=0, weights=w) ** 0.25  # of all rows: fixed
    expected = refit_residuals(A, A0, y, gamma, alpha, w, GROUPS[kind])
    np.testing.assert_allclose(model.loo_residuals_, expected, rtol=1e-7, atol=1e-7)
    assert model.loo_rmse_ == pytest.approx(np.sqrt(np.average(expected**2, weights=w)), rel=1e-7)
    # the criterion, the attribute and the residuals are one error
    np.testing.assert_allclose(model.criterion_curve_[1], [model.loo_rmse_**2], rtol=1e-9)


@pytest.mark.parametrize(("n_components", "p"), [(3, 50), (5, 50), (3, 10), (9, 70)])
def test_tensor_rows_leave_together(n_components, p):
    rng = np.random.default_rng(3)
    n = 6 * n_components
    A, y = rng.normal(size=(n, p)), rng.normal(size=n)
    model = Ridge(0.1, column_scale=0.0).fit(A, y, n_components=n_components)
    expected = refit_residuals(
        A, np.zeros((n, 0)), y, np.ones(p), 0.1, np.ones(n), np.arange(n) // n_components
    )
    np.testing.assert_allclose(model.loo_residuals_, expected, rtol=1e-9, atol=1e-9)


def exact_loo(A, y, alpha, groups):
    """Explicit refits with 80 digits."""
    residuals = np.empty(len(y))
    with mpmath.workdps(80):
        M, t = mpmath.matrix(A.tolist()), mpmath.matrix(y.tolist())
        for group in np.unique(groups):
            kept, out = np.flatnonzero(groups != group), np.flatnonzero(groups == group)
            B = mpmath.matrix([[M[int(i), j] for j in range(A.shape[1])] for i in kept])
            z = mpmath.matrix([t[int(i)] for i in kept])
            K = B * B.T + mpmath.mpf(alpha) * mpmath.eye(len(kept))
            c = B.T * mpmath.lu_solve(K, z)
            for i in out:
                residuals[i] = float(t[int(i)] - sum(M[int(i), j] * c[j] for j in range(len(c))))
    return residuals


@pytest.mark.parametrize("difference", [0.0, 1e-7])
@pytest.mark.parametrize("p", [14, 9, 5])
def test_copies_in_a_group_keep_their_digits_at_tiny_alpha(difference, p):
    # One minus the leverage of the sum of two copies is about alpha, that of their difference
    # is 1: in one 2 x 2 block the former drowns in the rounding of the latter.
    rng = np.random.default_rng(11)
    A = rng.normal(size=(10, p))
    A[1] = A[0] + difference * rng.normal(size=p)
    noise = 1e-3 * rng.normal(size=10)
    noise[1] = noise[0]
    y = A @ np.ones(p) + noise
    groups = np.array([0, 0, 1, 2, 3, 4, 5, 6, 7, 8])
    alpha = 1e-16 * np.linalg.norm(A, 2) ** 2
    model = Ridge(alpha, column_scale=0.0).fit(A, y, groups=groups)
    np.testing.assert_allclose(
        model.loo_residuals_, exact_loo(A, y, alpha, groups), rtol=1e-4, atol=1e-8
    )


@pytest.mark.parametrize("size", [1, 2])
def test_leverage_of_one_to_rounding_keeps_its_digits(size):
    # Rows 1e9 times the others: one minus leverage is 1e-18 and cannot be had by subtraction.
    rng = np.random.default_rng(4)
    A = rng.normal(size=(12, 5))
    A[:2] *= 1e9
    y = A @ np.ones(5) + 1e-3 * rng.normal(size=12)
    groups = np.arange(12) // size
    model = Ridge(1e-8, column_scale=0.0).fit(A, y, groups=groups)
    expected = exact_loo(A, y, 1e-8, groups)
    assert np.abs(expected[0]) > 1e4  # the refit without it is far off
    np.testing.assert_allclose(model.loo_residuals_, expected, rtol=1e-3, atol=1e-6)


def test_a_copy_left_behind_gives_the_answer_away():
    rng = np.random.default_rng(5)
    A, y = rng.normal(size=(20, 40)), rng.normal(size=20)
    A, y = np.repeat(A, 2, axis=0), np.repeat(y, 2)
    apart = Ridge(1e-3).fit(A, y)
    together = Ridge(1e-3).fit(A, y, groups=np.arange(40) // 2)
    single = Ridge(1e-3 / 2).fit(A[::2], y[::2])
    assert apart.loo_rmse_ < 1e-3 * together.loo_rmse_
    # n copies of everything are the same problem at alpha / n
    assert together.loo_rmse_ == pytest.approx(single.loo_rmse_, rel=1e-9)


def test_copies_in_a_group_do_not_change_alpha_and_copies_apart_ruin_it():
    rng = np.random.default_rng(8)
    A = rng.normal(size=(30, 60)) * np.geomspace(1.0, 1e-2, 60)
    y = A[:, :4] @ np.ones(4) + 0.3 * rng.normal(size=30)
    twice = np.repeat(np.arange(30), 2)
    bounds = {"alpha_bounds": (1e-8, 1e4)}
    single = Ridge(**bounds).fit(A, y)
    together = Ridge(**bounds).fit(A[twice], y[twice], groups=twice)
    with pytest.warns(RegularisationWarning, match="lower bound"):
        apart = Ridge(**bounds).fit(A[twice], y[twice])
    assert together.alpha_ == pytest.approx(2.0 * single.alpha_, rel=1e-3)
    assert apart.alpha_ < 1e-4 * together.alpha_


def test_group_that_alone_determines_a_constant_is_left_out_of_the_error():
    rng = np.random.default_rng(2)
    A, y = rng.normal(size=(12, 20)), rng.normal(size=12)
    counts = np.c_[np.ones(12), np.eye(12)[:, 4]]
    with pytest.warns(RegularisationWarning, match="1 of 12 groups"):
        model = Ridge(0.1).fit(A, y, constants=counts)
    assert np.isnan(model.loo_residuals_).nonzero()[0].tolist() == [4]
    kept = np.delete(np.arange(12), 4)
    assert model.loo_rmse_ == pytest.approx(np.sqrt(np.mean(model.loo_residuals_[kept] ** 2)))
