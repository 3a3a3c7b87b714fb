from __future__ import annotations

import numpy as np
import pytest

from linvop.regression.damped import DampedRidge
from linvop.regression.ridge import Ridge


def problem(n: int, p: int):
    rng = np.random.default_rng(n)
    X = rng.normal(size=(n, p)) * np.geomspace(1, 1e-3, p)
    y = X @ rng.normal(size=p) + 0.1 * rng.normal(size=n)
    return X, y, rng.normal(size=p), rng.uniform(0, 3, p), np.arange(n) // 3


@pytest.mark.parametrize("shape", [(30, 12), (12, 30)])
@pytest.mark.parametrize(("alpha", "mu"), [(1e-2, 0.0), (1e-2, 3.0), (2.0, 1e-3)])
def test_solution_is_that_of_the_augmented_least_squares(shape, alpha, mu):
    X, y, zeta0, metric, groups = problem(*shape)
    eye, damping = np.eye(shape[1]), np.sqrt(mu * metric)
    rows = np.concatenate([X, np.sqrt(alpha) * eye, np.diag(damping)])
    right = np.concatenate([y, np.zeros(shape[1]), damping * zeta0])
    expected = np.linalg.lstsq(rows, right, rcond=None)[0]
    zeta, value = DampedRidge(X, y, zeta0, metric, groups).solve(alpha, mu)
    np.testing.assert_allclose(zeta, expected, atol=1e-10)
    assert value == pytest.approx(np.sum((y - X @ zeta) ** 2) + alpha * zeta @ zeta)


def test_leaving_out_is_that_of_the_ridge():
    X, y, zeta0, metric, groups = problem(30, 12)
    damped = DampedRidge(X, y, zeta0, metric, groups)
    ridge = Ridge(damped.best_alpha, column_scale=0.0).fit(X, y, groups=groups)
    np.testing.assert_allclose(damped.loo_residuals(damped.best_alpha), ridge.loo_residuals_)
    for factor in (0.1, 10.0):
        other = damped.loo_residuals(factor * damped.best_alpha)
        assert np.sum(other**2) >= np.sum(ridge.loo_residuals_**2)
