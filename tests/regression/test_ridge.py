from __future__ import annotations

import warnings

import mpmath
import numpy as np
import pytest

from linvop.errors import InputError
from linvop.regression.ridge import RegularisationWarning, Ridge

SHAPES = [(24, 60), (24, 9), (24, 23)]


@pytest.fixture
def rng():
    return np.random.default_rng(7)


def gamma_of(A, weights, power, centred, penalty):
    mean = np.average(A, axis=0, weights=weights) if centred else 0.0
    return penalty * np.average((A - mean) ** 2, axis=0, weights=weights) ** (power / 2)


def augmented(A, A0, y, gamma, alpha, weights):
    """Coefficients and constants from lstsq on [w^1/2 A, w^1/2 A0; alpha^1/2 Gamma, 0]."""
    p, k = A.shape[1], A0.shape[1]
    root = np.sqrt(weights)[:, None]
    top = np.hstack([root * A / gamma, root * A0])
    bottom = np.hstack([np.sqrt(alpha) * np.eye(p), np.zeros((p, k))])
    right = np.vstack([root * y.reshape(len(y), -1), np.zeros((p, y.reshape(len(y), -1).shape[1]))])
    x = np.linalg.lstsq(np.vstack([top, bottom]), right, rcond=1e-13)[0]
    x[:p] /= gamma[:, None]
    return x.reshape(p + k, *y.shape[1:])


def design(rng, n, p):
    A = rng.normal(size=(n, p)) * 10.0 ** rng.uniform(-2, 2, p)
    A[:, 4:] *= 0.02
    signal = A[:, :4] @ (rng.normal(size=4) / np.abs(A[:, :4]).max(axis=0))
    y = 3.0 * signal + 0.5 * rng.normal(size=n) - 76.0
    counts = rng.integers(1, 5, size=(n, 1)).astype(float)
    A0 = np.hstack([counts, 2.0 * counts, np.ones((n, 1))])
    return A, y, A0, rng.uniform(0.3, 3.0, n), rng.uniform(0.5, 4.0, p)


@pytest.mark.parametrize(("n", "p"), SHAPES)
@pytest.mark.parametrize("power", [0.0, 0.5, 1.0])
def test_solution_is_that_of_the_augmented_least_squares(rng, n, p, power):
    A, y, A0, w, penalty = design(rng, n, p)
    alpha = 0.02
    model = Ridge(alpha, column_scale=power)
    model.fit(A, y, constants=A0, weights=w, penalty=penalty)
    gamma = gamma_of(A, w, power, True, penalty)
    x = augmented(A, A0, y, gamma, alpha, w)
    np.testing.assert_allclose(model.coef_ * gamma, x[:p] * gamma, rtol=1e-7, atol=1e-9)
    # A0 has rank 2 of 3: both take the minimum norm, hence equal constants.
    np.testing.assert_allclose(model.constants_, x[p:], rtol=1e-8)
    np.testing.assert_allclose(model.predict(A, A0), A @ x[:p] + A0 @ x[p:], rtol=1e-9)
    assert model.report()["rank_of_constants"] == 2


@pytest.mark.parametrize("criterion", ["loo", "gcv", "evidence"])
def test_targets_share_a_factorisation_and_nothing_else(rng, criterion):
    A, y, A0, w, penalty = design(rng, 24, 40)
    Y = np.stack([y, rng.normal(size=24), 1e3 * A[:, 3] + rng.normal(size=24)], axis=1)
    options = {"constants": A0, "weights": w, "penalty": penalty, "groups": np.arange(24) // 2}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RegularisationWarning)
        together = Ridge(criterion, alpha_bounds=(1e-4, 1e1)).fit(A, Y, **options)
        alone = [Ridge(criterion, alpha_bounds=(1e-4, 1e1)).fit(A, t, **options) for t in Y.T]
    for j, model in enumerate(alone):
        np.testing.assert_allclose(together.alpha_[j], model.alpha_, rtol=1e-6)
        np.testing.assert_allclose(together.coef_[:, j], model.coef_, rtol=1e-5, atol=1e-10)
        np.testing.assert_allclose(together.constants_[:, j], model.constants_, rtol=1e-6)
        np.testing.assert_allclose(together.loo_residuals_[:, j], model.loo_residuals_, rtol=1e-5)
        assert together.effective_dof_[j] == pytest.approx(model.effective_dof_, rel=1e-5)
    np.testing.assert_allclose(together.predict(A, A0).shape, Y.shape)


def test_alpha_of_loo_minimises_the_error_of_explicit_refits(rng):
    A, y, A0, w, penalty = design(rng, 24, 30)
    groups = rng.integers(0, 8, 24)
    options = {"constants": A0[:, 2:], "weights": w, "penalty": penalty, "groups": groups}
    best = Ridge().fit(A, y, **options)
    alphas = best.alpha_ * np.geomspace(1e-4, 1e4, 161)
    errors = [Ridge(alpha).fit(A, y, **options).loo_rmse_ for alpha in alphas]
    assert best.loo_rmse_ <= min(errors) * (1 + 1e-9)
    grid, values = best.criterion_curve_
    assert grid.shape == values.shape
    assert best.loo_rmse_**2 <= values.min()


@pytest.mark.parametrize(("n", "p"), SHAPES)
def test_evidence_is_stationary_and_is_the_marginal_likelihood(rng, n, p):
    A, y, A0, w, penalty = design(rng, n, p)
    model = Ridge("evidence").fit(A, y, constants=A0, weights=w, penalty=penalty)
    root = np.sqrt(w)[:, None]
    X = root * A / gamma_of(A, w, 0.5, True, penalty)
    null = np.linalg.svd(root * A0)[0][:, 2:]  # orthogonal to the constants, which have rank 2
    X, t = null.T @ X, null.T @ (root[:, 0] * y)

    def minus_log_likelihood(log_alpha):
        K = np.eye(n - 2) + X @ X.T / np.exp(log_alpha)
        square = t @ np.linalg.solve(K, t)
        return np.log(square / (n - 2)) + np.linalg.slogdet(K)[1] / (n - 2)

    x, h = np.log(model.alpha_), 1e-3
    gradient = (minus_log_likelihood(x + h) - minus_log_likelihood(x - h)) / (2 * h)
    curvature = minus_log_likelihood(x + h) + minus_log_likelihood(x - h)
    curvature = (curvature - 2 * minus_log_likelihood(x)) / h**2
    assert abs(gradient / curvature) < 1e-3
    grid, values = model.criterion_curve_
    top = grid > 1e-10 * grid[-1]  # the dense K is accurate only there
    dense = [minus_log_likelihood(np.log(a)) for a in grid[top]]
    np.testing.assert_allclose(values[top], dense, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize(("n", "p"), SHAPES)
def test_gcv_is_its_definition(rng, n, p):
    A, y, A0, w, penalty = design(rng, n, p)
    model = Ridge("gcv", alpha_bounds=(1e-5, 1e5))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RegularisationWarning)
        model.fit(A, y, constants=A0, weights=w, penalty=penalty)
    gamma = gamma_of(A, w, 0.5, True, penalty)
    root = np.sqrt(w)
    for alpha, value in zip(*model.criterion_curve_, strict=True):
        x = augmented(A, A0, np.eye(n) / root[:, None], gamma, alpha, w)
        H = root[:, None] * (np.hstack([A, A0]) @ x)
        r = root * y - H @ (root * y)
        assert value == pytest.approx(n * (r @ r) / (n - np.trace(H)) ** 2, rel=1e-5)


def test_effective_dof_is_the_trace_of_the_hat_matrix(rng):
    A, y, A0, w, penalty = design(rng, 24, 30)
    model = Ridge(0.3).fit(A, np.c_[y, y], constants=A0, weights=w, penalty=penalty)
    gamma = gamma_of(A, w, 0.5, True, penalty)
    x = augmented(A, A0, np.eye(24), gamma, 0.3, w)
    assert model.effective_dof_[1] == pytest.approx(np.trace(np.hstack([A, A0]) @ x), rel=1e-8)


@pytest.mark.parametrize(("n", "p", "rank"), [(24, 30, 24), (24, 30, 7), (30, 12, 12), (30, 12, 5)])
def test_condition_numbers_are_those_of_the_design_and_of_the_augmented_design(rng, n, p, rank):
    A = rng.normal(size=(n, rank)) @ (
        np.geomspace(1, 1e-3, rank)[:, None] * rng.normal(size=(rank, p))
    )
    alpha = 1e-3 * np.linalg.norm(A, 2) ** 2
    model = Ridge(alpha, column_scale=0.0).fit(A, A @ np.ones(p))
    s = np.linalg.svd(A, compute_uv=False)
    assert model.report()["rank"] == rank
    assert model.condition_number_ == pytest.approx(s[0] / s[rank - 1], rel=1e-6)
    augmented_rows = np.vstack([A, np.sqrt(alpha) * np.eye(p)])
    regularised = model.report()["regularised_condition_number"]
    assert regularised == pytest.approx(np.linalg.cond(augmented_rows), rel=1e-9)


def exact_ridge(A, y, alpha, digits=60):
    with mpmath.workdps(digits):
        M = mpmath.matrix(A.tolist())
        K = M.T * M + mpmath.mpf(alpha) * mpmath.eye(A.shape[1])
        c = mpmath.lu_solve(K, M.T * mpmath.matrix(y.tolist()))
        return np.array([float(x) for x in c])


@pytest.mark.parametrize(("n", "p"), [(9, 6), (6, 9)])
def test_accuracy_at_condition_number_1e12_where_normal_equations_fail(rng, n, p):
    r = min(n, p)
    U, V = np.linalg.qr(rng.normal(size=(n, r)))[0], np.linalg.qr(rng.normal(size=(p, r)))[0]
    A = (U * np.geomspace(1.0, 1e-12, r)) @ V.T
    y = A @ rng.normal(size=p)
    alpha = 1e-20
    exact = exact_ridge(A, y, alpha)
    c = Ridge(alpha, column_scale=0.0).fit(A, y).coef_
    normal = np.linalg.solve(A.T @ A + alpha * np.eye(p), A.T @ y)
    # The solution feels condition number s_max / alpha^1/2 = 1e10, not its square.
    assert np.linalg.norm(c - exact) < 1e-4 * np.linalg.norm(exact)
    assert np.linalg.norm(normal - exact) > 1e-2 * np.linalg.norm(exact)
    np.testing.assert_allclose(A @ c, y, atol=1e-9)


def test_standardised_predictions_do_not_depend_on_the_units_of_the_columns(rng):
    A, y, A0, w, _ = design(rng, 24, 40)
    units = 10.0 ** rng.uniform(-8, 8, 40)
    fits = [
        Ridge("evidence", column_scale=1.0).fit(X, y, constants=A0, weights=w)
        for X in (A, A * units)
    ]
    np.testing.assert_allclose(fits[0].alpha_, fits[1].alpha_, rtol=1e-4)
    a, b = fits[0].predict(A, A0), fits[1].predict(A * units, A0)
    np.testing.assert_allclose(a, b, atol=1e-6 * np.ptp(y))
    # and no scale is absolute: a common tiny unit changes nothing at any power
    small = Ridge().fit(1e-150 * A, y, constants=A0, weights=w)
    whole = Ridge().fit(A, y, constants=A0, weights=w)
    np.testing.assert_allclose(small.predict(1e-150 * A, A0), whole.predict(A, A0), rtol=1e-7)


def test_tensor_fit_turns_with_its_rows(rng):
    n_structures, p = 15, 25
    A = rng.normal(size=(n_structures, 3, p)) * np.geomspace(1.0, 1e-2, p)
    t = A[:, :, :3] @ np.ones(3) + 0.1 * rng.normal(size=(n_structures, 3))
    D = np.linalg.qr(rng.normal(size=(3, 3)))[0]
    turned_A, turned_t = np.einsum("ij,sjp->sip", D, A), t @ D.T
    a, b = (
        Ridge(alpha_bounds=(1e-6, 1e3)).fit(X.reshape(-1, p), z.reshape(-1), n_components=3)
        for X, z in ((A, t), (turned_A, turned_t))
    )
    np.testing.assert_allclose(a.alpha_, b.alpha_, rtol=1e-4)
    np.testing.assert_allclose(a.coef_, b.coef_, rtol=1e-4, atol=1e-6)
    np.testing.assert_allclose(
        a.loo_residuals_.reshape(-1, 3) @ D.T, b.loo_residuals_.reshape(-1, 3), atol=1e-4
    )


def test_integer_weights_are_repeated_rows(rng):
    A, y, A0, _, penalty = design(rng, 24, 40)
    counts = rng.integers(1, 4, 24)
    rows = np.repeat(np.arange(24), counts)
    a = Ridge("loo").fit(A, y, constants=A0, penalty=penalty, weights=counts)
    b = Ridge("loo").fit(A[rows], y[rows], constants=A0[rows], penalty=penalty, groups=rows)
    assert a.alpha_ == pytest.approx(b.alpha_, rel=1e-4)
    assert a.loo_rmse_ == pytest.approx(b.loo_rmse_, rel=1e-7)
    np.testing.assert_allclose(a.loo_residuals_[rows], b.loo_residuals_, rtol=1e-3, atol=1e-5)


def test_constant_columns_have_exactly_no_coefficient(rng):
    A, y, A0, w, penalty = design(rng, 24, 12)
    A[:, 4], A[:, 7] = 1e5 / 3, 0.0
    before = A.copy()
    model = Ridge(0.1).fit(A, y, constants=A0, weights=w, penalty=penalty)
    np.testing.assert_array_equal(A, before)
    assert model.report()["n_constant_columns"] == 2
    assert (model.coef_ == 0.0).nonzero()[0].tolist() == [4, 7]
    kept = np.delete(np.arange(12), [4, 7])
    rest = Ridge(0.1).fit(A[:, kept], y, constants=A0, weights=w, penalty=penalty[kept])
    np.testing.assert_allclose(model.coef_[kept], rest.coef_, rtol=1e-10)
    scratch = A.copy()
    again = Ridge(0.1).fit(scratch, y, constants=A0, weights=w, penalty=penalty, overwrite=True)
    np.testing.assert_array_equal(again.coef_, model.coef_)


@pytest.mark.parametrize("p", [40, 12])
@pytest.mark.parametrize("criterion", [0.1, "loo"])
def test_columns_explained_by_the_constants_have_exactly_no_coefficient(rng, p, criterion):
    A, y, A0, w, penalty = design(rng, 24, p)
    # Their rounding, multiplied as a column scale of 0 lets it be, is as large as the others.
    A[:, 2], A[:, 9] = 1e16 * A0[:, 0] / 7, A0 @ [0.0, 1e-6 / 3, -5.0]
    model = Ridge(criterion, column_scale=0.0)
    model.fit(A, y, constants=A0, weights=w, penalty=penalty)
    assert (model.coef_ == 0.0).nonzero()[0].tolist() == [2, 9]
    assert model.report()["n_constant_columns"] == 2
    kept = np.delete(np.arange(p), [2, 9])
    rest = Ridge(criterion, column_scale=0.0)
    rest.fit(A[:, kept], y, constants=A0, weights=w, penalty=penalty[kept])
    np.testing.assert_allclose(model.predict(A, A0), rest.predict(A[:, kept], A0), rtol=1e-6)
    np.testing.assert_allclose(model.constants_, rest.constants_, rtol=1e-5)
    with pytest.raises(InputError, match="next to the constants"):
        Ridge(criterion).fit(A[:, [2, 9]], y, constants=A0)


def test_without_constants_a_constant_column_counts(rng):
    A = np.hstack([rng.normal(size=(20, 3)), np.ones((20, 1))])
    model = Ridge(1e-10).fit(A, A @ [1.0, 2.0, 3.0, 4.0])
    np.testing.assert_allclose(model.coef_, [1.0, 2.0, 3.0, 4.0], rtol=1e-8)


def test_a_lower_bound_is_warned_of_only_where_less_would_pay(rng):
    # The target lies along a direction whose singular value is the root of the bound.
    U = np.linalg.qr(rng.normal(size=(40, 3)))[0]
    A = U * [1.0, 1e-5, 1e-9]
    with pytest.warns(RegularisationWarning, match="lower bound"):
        model = Ridge(column_scale=0.0).fit(A, U @ [1.0, 1.0, 1.0])
    assert model.report()["falls_at_lower_bound"] is True
    # Exact data, well conditioned: all small alphas are alike.
    A = rng.normal(size=(40, 5))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        model = Ridge().fit(A, A @ np.ones(5))
    assert model.report()["falls_at_lower_bound"] is False


@pytest.mark.parametrize(
    "model",
    [
        Ridge(),
        Ridge(0.1, column_scale=1.0),
        Ridge("gcv", alpha_bounds=(1e-9, 2.0), covariance=True),
        Ridge(np.float64(0.1), column_scale=np.int64(1), alpha_bounds=(np.float64(1e-9), 2)),
    ],
)
def test_repr_round_trips(model):
    assert vars(eval(repr(model), {"Ridge": Ridge})) == vars(model)


def test_bad_input_is_named(rng):
    A, y, A0, _, _ = design(rng, 24, 12)
    bad = A.copy()
    bad[5, 3] = np.nan
    cases = [
        ((bad, y), {}, "row 5, column 3"),
        ((A, y[:-1]), {}, r"y: expected shape \(24,\)"),
        ((A, np.full(24, 2.0)), {"constants": A0}, "zero variance in target 0"),
        ((A[:3], y[:3]), {"constants": A0[:3]}, "more than 3 rows"),
        ((A, y), {"n_components": 5}, "divisor of the 24 rows"),
        ((A, y), {"n_components": 3, "constants": A0}, "not equivariant"),
        ((A, y), {"weights": np.zeros(24)}, "weights: expected positive"),
        ((A, y), {"penalty": np.ones(3)}, r"penalty: expected shape \(12,\)"),
        ((A, y), {"groups": np.zeros(24, int)}, "at least 2 groups"),
        ((A, y), {"groups": np.arange(24), "n_components": 3}, "row 1 is not in the group"),
        ((np.ones((24, 2)), y), {"constants": A0}, "a column that varies"),
        ((1e-170 * A, y), {}, "squares are float64"),
        ((A + 1j, y), {}, "A: expected real numbers, got complex128"),
        ((A, ["a"] * 24), {}, "y: expected real numbers"),
        (([[1.0, 2.0], [3.0]], y[:2]), {}, "A: expected an array of numbers"),
        ((A, y), {"n_components": 3.0}, "divisor of the 24 rows, got 3.0"),
    ]
    for arguments, options, message in cases:
        with pytest.raises(InputError, match=message):
            Ridge(column_scale=0.0).fit(*arguments, **options)
    for parameter, values in {
        "alpha": ["cv", 0.0, np.nan, None, True, [1.0]],
        "alpha_bounds": [(1.0, 0.1), (0.0, 1.0), 5.0, "ab", (1.0, "b")],
        "column_scale": [-1, None, "x", np.inf],
    }.items():
        for value in values:
            with pytest.raises(InputError, match=f"^{parameter}: expected"):
                Ridge(**{parameter: value})
    with pytest.raises(InputError, match="fitted"):
        Ridge().predict(A)
    with pytest.raises(InputError, match=r"constants: expected shape \(24, 3\)"):
        Ridge(0.1).fit(A, y, constants=A0).predict(A)
