"""The posterior in factored form is that of dense linear algebra; its scale is that of refits."""

from __future__ import annotations

import numpy as np
import pytest

from linvop.errors import InputError
from linvop.regression.ridge import Ridge
from linvop.regression.uncertainty import Posterior

SHAPES = [(24, 60), (24, 24), (24, 9)]


@pytest.fixture
def rng():
    return np.random.default_rng(5)


def gamma_of(A, weights, centred, penalty):
    mean = np.average(A, axis=0, weights=weights) if centred else 0.0
    return penalty * np.average((A - mean) ** 2, axis=0, weights=weights) ** 0.25


def dense_inverse(X, n_constants, alpha, weights):
    """``([A A0]^T W [A A0] + alpha diag(1, 0))^-1`` for columns already divided by Gamma."""
    prior = np.diag(np.r_[np.full(X.shape[1] - n_constants, alpha), np.zeros(n_constants)])
    return np.linalg.inv(X.T @ (weights[:, None] * X) + prior)


def unit_variance(model, variance):
    """``[a a0] M^-1 [a a0]^T`` of what the fitted model says."""
    found = model.report()
    return (variance - found["noise"] ** 2) / (found["sigma"] ** 2 * found["calibration"])


def problem(rng, n, p, m=1):
    A = rng.normal(size=(n, p)) * 10.0 ** rng.uniform(-1, 1, p)
    y = A[:, :3] @ rng.normal(size=3) + 0.3 * rng.normal(size=n)
    counts = np.c_[np.ones(n), rng.integers(1, 4, size=n)] if m == 1 else np.zeros((n, 0))
    w = np.repeat(rng.uniform(0.3, 3.0, n // m), m)
    return A, y, counts, w, rng.uniform(0.5, 3.0, p)


@pytest.mark.parametrize(("n", "p"), SHAPES)
@pytest.mark.parametrize("with_constants", [True, False])
def test_variance_is_that_of_the_explicit_inverse(rng, n, p, with_constants):
    A, y, A0, w, penalty = problem(rng, n, p)
    A0 = A0 if with_constants else A0[:, :0]
    alpha = 0.03
    model = Ridge(alpha, covariance=True)
    model.fit(A, y, constants=A0, weights=w, penalty=penalty, groups=np.arange(n) // 2)
    gamma = gamma_of(A, w, with_constants, penalty)
    new = rng.normal(size=(7, p)) * np.abs(A).max(axis=0)
    new[0] = A[0]
    new0 = np.c_[np.ones(7), np.arange(7)][:, : A0.shape[1]]
    inverse = dense_inverse(np.hstack([A / gamma, A0]), A0.shape[1], alpha, w)
    rows = np.hstack([new / gamma, new0])
    expected = np.einsum("ij,jk,ik->i", rows, inverse, rows)
    mean, std = model.predict(new, new0, std=True)
    np.testing.assert_allclose(unit_variance(model, std**2), expected, rtol=1e-5)
    np.testing.assert_array_equal(mean, model.predict(new, new0))


@pytest.mark.parametrize(("n", "p"), [(24, 60), (24, 9)])
def test_components_have_the_covariance_of_the_explicit_inverse(rng, n, p):
    A, y, _, w, _ = problem(rng, n, p, m=3)
    alpha = 0.5
    model = Ridge(alpha, covariance=True).fit(A, y, weights=w, n_components=3)
    gamma = gamma_of(A, w, False, np.ones(p))
    inverse = dense_inverse(A / gamma, 0, alpha, w)
    new = rng.normal(size=(6, p))
    C = model.posterior_.covariances(new, n_components=3)[..., 0]
    noise = model.report()["noise"] ** 2 * np.eye(3)
    scale = model.report()["sigma"] ** 2 * model.report()["calibration"]
    for block, rows in zip(C, (new / gamma).reshape(2, 3, p), strict=True):
        expected = rows @ inverse @ rows.T
        np.testing.assert_allclose((block - noise) / scale, expected, rtol=1e-5, atol=1e-9)
    D = np.linalg.qr(rng.normal(size=(3, 3)))[0]
    turned = np.einsum("ij,sjp->sip", D, new.reshape(2, 3, p)).reshape(6, p)
    np.testing.assert_allclose(
        model.posterior_.covariances(turned, n_components=3)[..., 0],
        D @ C @ D.T,
        rtol=1e-5,
        atol=1e-6 * np.abs(C).max(),
    )


@pytest.mark.parametrize(("n", "p"), SHAPES)
@pytest.mark.parametrize("m", [1, 3])
def test_scale_is_the_likeliest_for_explicit_refits(rng, n, p, m):
    A, y, A0, w, penalty = problem(rng, n, p, m)
    groups = np.repeat(rng.integers(0, 5, n // m), m)
    alpha = 0.1
    model = Ridge(alpha, covariance=True)
    model.fit(A, y, constants=A0, weights=w, penalty=penalty, groups=groups, n_components=m)
    gamma = gamma_of(A, w, m == 1, penalty)
    X = np.hstack([A / gamma, A0])
    square, v = np.empty(n), np.empty(n)
    for group in np.unique(groups):
        out = groups == group
        inverse = dense_inverse(X[~out], A0.shape[1], alpha, w[~out])
        residual = y[out] - X[out] @ inverse @ X[~out].T @ (w[~out] * y[~out])
        square[out] = w[out] * residual**2
        v[out] = w[out] * np.einsum("ij,jk,ik->i", X[out], inverse, X[out])
    square, v = (x.reshape(-1, m).sum(axis=1) for x in (square, v))
    found = model.report()
    noise, scale = m * found["noise"] ** 2, found["sigma"] ** 2 * found["calibration"]
    assert np.mean(square / (noise + scale * v)) == pytest.approx(1.0, rel=1e-6)

    def minus_log_likelihood(a, b):
        return np.mean(square / (a + b * v) + np.log(a + b * v))

    best = minus_log_likelihood(noise, scale)
    for a in (0.3, 0.9, 1.1, 3.0):
        for b in (0.3, 0.9, 1.1, 3.0):
            if noise > 2e-6 * scale * np.median(v) or a > 1:  # not below the bound
                assert minus_log_likelihood(a * noise, b * scale) >= best - 1e-7


def test_sigma_is_that_of_the_restricted_likelihood(rng):
    A, y, A0, w, penalty = problem(rng, 24, 40)
    alpha = 0.2
    model = Ridge(alpha, covariance=True).fit(A, y, constants=A0, weights=w, penalty=penalty)
    X = A / gamma_of(A, w, True, penalty)
    K = np.diag(1 / w) + X @ X.T / alpha
    inverse = np.linalg.inv(K)
    P = inverse - inverse @ A0 @ np.linalg.solve(A0.T @ inverse @ A0, A0.T @ inverse)
    assert model.report()["sigma"] ** 2 == pytest.approx(y @ P @ y / 22, rel=1e-8)


def test_data_drawn_from_the_prior_need_no_calibration():
    rng = np.random.default_rng(1)
    n, p, sigma, alpha = 600, 900, 0.3, 5.0
    A = rng.normal(size=(n, p)) * np.geomspace(1.0, 1e-2, p) * 10.0 ** rng.uniform(-1, 1, (n, 1))
    y = A @ (sigma / alpha**0.5 * rng.normal(size=p)) + sigma * rng.normal(size=n)
    train = slice(0, 300)
    model = Ridge("evidence", column_scale=0.0, covariance=True).fit(A[train], y[train])
    assert model.report()["sigma"] == pytest.approx(sigma, rel=0.2)
    assert model.report()["calibration"] == pytest.approx(1.0, abs=0.35)
    assert model.report()["noise"] == pytest.approx(sigma, rel=0.35)
    mean, std = model.predict(A[300:], std=True)
    z = (y[300:] - mean) / std
    assert np.mean(z**2) == pytest.approx(1.0, abs=0.2)
    assert np.mean(np.abs(z) < 1) == pytest.approx(0.683, abs=0.07)


def test_targets_share_the_directions_and_nothing_else(rng):
    A, y, A0, w, penalty = problem(rng, 24, 40)
    Y = np.c_[y, rng.normal(size=24), 1e3 * (A[:, 3] + rng.normal(size=24))]
    options = {"constants": A0, "weights": w, "penalty": penalty}
    solver = Ridge("evidence", alpha_bounds=(1e-3, 1e6), covariance=True)
    solver.fit(A, Y, **options)
    together = solver.predict(A[:5] + 1.0, A0[:5], std=True)[1]
    assert together.shape == (5, 3)
    for j, t in enumerate(Y.T):
        alone = Ridge("evidence", alpha_bounds=(1e-3, 1e6), covariance=True).fit(A, t, **options)
        std = alone.predict(A[:5] + 1.0, A0[:5], std=True)[1]
        np.testing.assert_allclose(together[:, j], std, rtol=5e-3)
        one = solver.posterior_.select(j)
        assert one.directions is solver.posterior_.directions
        np.testing.assert_allclose(
            one.covariances(A[:5] + 1.0, A0[:5])[:, 0, 0, 0] ** 0.5, together[:, j], rtol=1e-12
        )


def test_what_is_dropped_makes_variances_larger_by_a_percent_at_most(rng):
    A = rng.normal(size=(40, 30)) * np.geomspace(1, 1e-3, 30)
    y = A[:, 0] + 0.1 * rng.normal(size=40)
    alpha = 1.0
    model = Ridge(alpha, column_scale=0.0, covariance=True).fit(A, y)
    kept = len(model.posterior_.directions.singular_values)
    assert kept < 25
    assert model.posterior_.directions.right.dtype == np.float32
    inverse = dense_inverse(A, 0, alpha, np.ones(40))
    new = rng.normal(size=(50, 30)) * np.geomspace(1, 1e-3, 30) * 30
    exact = np.einsum("ij,jk,ik->i", new, inverse, new)
    ratio = unit_variance(model, model.posterior_.covariances(new)[:, 0, 0, 0]) / exact
    assert ratio.min() > 1 - 1e-5
    assert 1 + 1e-6 < ratio.max() < 1.01


def test_tiny_alpha_keeps_double_precision_and_its_digits(rng):
    A = rng.normal(size=(12, 30)) * np.geomspace(1, 1e-7, 30)
    y = A @ np.ones(30)
    alpha = 1e-13
    model = Ridge(alpha, column_scale=0.0, covariance=True).fit(A, y)
    assert model.posterior_.directions.right.dtype == np.float64
    # A training row is as uncertain as its noise lets it be: leverage times sigma^2.
    U, s, _ = np.linalg.svd(A, full_matrices=False)
    leverage = (U**2 * (s**2 / (s**2 + alpha))).sum(axis=1)
    found = unit_variance(model, model.posterior_.covariances(A)[:, 0, 0, 0])
    np.testing.assert_allclose(found, leverage, rtol=1e-3)


def test_constants_that_no_row_determines_are_infinitely_uncertain(rng):
    A, y = rng.normal(size=(24, 40)), rng.normal(size=24)
    n_waters = rng.integers(1, 4, 24).astype(float)
    A0 = np.c_[2 * n_waters, n_waters]  # counts of H and O
    model = Ridge(0.1, covariance=True).fit(A, y, constants=A0)
    _, std = model.predict(A[:3], np.array([[2.0, 1.0], [8.0, 4.0], [1.0, 1.0]]), std=True)
    assert np.isfinite(std[:2]).all()
    assert std[2] == np.inf


def test_columns_without_a_coefficient_add_nothing(rng):
    A, y, A0, w, penalty = problem(rng, 24, 12)
    A[:, 4], A[:, 7] = 1e5 / 3, A0 @ [1.0, 2.0]
    full = Ridge(0.1, covariance=True).fit(A, y, constants=A0, weights=w, penalty=penalty)
    kept = np.delete(np.arange(12), [4, 7])
    rest = Ridge(0.1, covariance=True)
    rest.fit(A[:, kept], y, constants=A0, weights=w, penalty=penalty[kept])
    new = A[:4] + rng.normal(size=(4, 12))
    np.testing.assert_allclose(
        full.predict(new, A0[:4], std=True)[1],
        rest.predict(new[:, kept], A0[:4], std=True)[1],
        rtol=1e-5,
    )


def test_copies_that_leave_together_are_no_confirmation(rng):
    A = rng.normal(size=(30, 50)) * np.geomspace(1, 1e-2, 50)
    y = A[:, :4] @ np.ones(4) + 0.3 * rng.normal(size=30)
    twice = np.repeat(np.arange(30), 2)
    single = Ridge(0.1, covariance=True).fit(A, y)
    together = Ridge(0.2, covariance=True).fit(A[twice], y[twice], groups=twice)
    apart = Ridge(0.2, covariance=True).fit(A[twice], y[twice])
    new = 3 * rng.normal(size=(10, 50)) * np.geomspace(1, 1e-2, 50)
    a, b, c = (m.predict(new, std=True)[1] for m in (single, together, apart))
    np.testing.assert_allclose(b, a, rtol=1e-4)
    assert (c < 0.8 * a).all()


def test_structures_without_features_count_as_noise_only(rng):
    A = rng.normal(size=(60, 3)) * rng.uniform(0.1, 10.0, 60)[:, None]
    A[:5] *= 1e-16
    y = A @ np.ones(3) + 1e-3 * rng.normal(size=60)
    model = Ridge(1e-6, covariance=True).fit(A, y)
    assert model.report()["noise"] == pytest.approx(1e-3, rel=0.5)
    assert model.predict(np.zeros((1, 3)), std=True)[1][0] == pytest.approx(model.report()["noise"])


def test_absent_and_bad_input_is_named(rng):
    A, y, A0, _, _ = problem(rng, 24, 9)
    plain = Ridge(0.1).fit(A, y, constants=A0)
    assert plain.posterior_ is None
    assert not {"sigma", "calibration"} & set(plain.report())
    with pytest.raises(InputError, match="covariance=True"):
        plain.predict(A, A0, std=True)
    with pytest.raises(InputError, match="covariance: expected True or False, got 1"):
        Ridge(0.1, covariance=1).fit(A, y)
    posterior = Ridge(0.1, covariance=True).fit(A, y, constants=A0).posterior_
    assert isinstance(posterior, Posterior)
    with pytest.raises(InputError, match=r"A: expected shape \(n \* 1, 9\)"):
        posterior.covariances(A[:, :4], A0)
    with pytest.raises(InputError, match=r"constants: expected shape \(24, 2\)"):
        posterior.covariances(A)
    assert repr(Ridge(0.1, covariance=True)).endswith("covariance=True)")
