from __future__ import annotations

import numpy as np
import pytest
from scipy.linalg import svd

from linvop.regression import factorisation
from linvop.regression.factorisation import Factorisation, HouseholderQR
from linvop.regression.projection import ConstantsProjection


@pytest.mark.parametrize(("m", "n"), [(700, 600), (300, 257), (40, 40), (90, 33), (5, 1)])
def test_householder_factors_are_orthogonal_and_triangular(m, n):
    rng = np.random.default_rng(0)
    F = rng.normal(size=(m, n)) * np.geomspace(1.0, 1e-9, n)
    qr = HouseholderQR(np.array(F, order="F"))
    R = qr.upper()
    product = np.zeros((m, n))
    product[:n] = R
    np.testing.assert_array_equal(R, np.triu(R))
    # column-wise backward stable: small columns keep their own digits
    error = np.linalg.norm(qr.apply(product) - F, axis=0)
    assert (error < 1e-13 * np.linalg.norm(F, axis=0)).all()
    X = rng.normal(size=(m, 7))
    np.testing.assert_allclose(qr.apply_transpose(qr.apply(X.copy())), X, atol=1e-12)


def test_the_transposed_view_is_factorised_in_its_memory():
    A = np.random.default_rng(0).normal(size=(300, 500))
    assert np.shares_memory(HouseholderQR(A.T)._F, A)


def test_the_primal_route_returns_the_memory_of_the_matrix():
    A = np.random.default_rng(0).normal(size=(700, 600))  # more columns than are made at a time
    before = A.copy()
    f = Factorisation(A)
    assert np.shares_memory(f.left, A)
    np.testing.assert_allclose((f.left * f.singular_values) @ f.right_times(np.eye(600)).T, before)


@pytest.mark.parametrize(("n", "p"), [(30, 50), (50, 30)])
def test_divide_and_conquer_that_fails_is_replaced_by_qr_iteration(n, p, monkeypatch):
    A = np.random.default_rng(3).normal(size=(n, p))
    expected = Factorisation(A.copy()).singular_values
    drivers = []

    def failing(R, *, lapack_driver, **options):
        drivers.append(lapack_driver)
        if lapack_driver == "gesdd":
            R[:] = np.nan  # overwritten on the way
            raise np.linalg.LinAlgError("SVD did not converge")
        return svd(R, lapack_driver=lapack_driver, **options)

    monkeypatch.setattr(factorisation, "svd", failing)
    f = Factorisation(A.copy())
    assert drivers == ["gesdd", "gesvd"]
    np.testing.assert_allclose(f.singular_values, expected, rtol=1e-12)
    V = f.right_times(np.eye(30))
    np.testing.assert_allclose((f.left * f.singular_values) @ V.T, A, atol=1e-12)


def test_zero_and_repeated_columns_are_harmless():
    F = np.random.default_rng(0).normal(size=(80, 50))
    F[:, 10:20], F[:, 30] = 0.0, F[:, 3]
    qr = HouseholderQR(np.array(F, order="F"))
    np.testing.assert_allclose(qr.apply(np.vstack([qr.upper(), np.zeros((30, 50))])), F, atol=1e-13)


@pytest.mark.parametrize(("n", "p"), [(30, 50), (50, 30), (40, 40), (1, 3), (3, 1)])
def test_primal_and_dual_give_the_same_decomposition(n, p):
    rng = np.random.default_rng(1)
    A = rng.normal(size=(n, p))
    f = Factorisation(A.copy())
    assert f.dual == (n <= p)
    s = f.singular_values
    np.testing.assert_allclose(s, np.linalg.svd(A, compute_uv=False), rtol=1e-12)
    V = f.right_times(np.eye(len(s)))
    np.testing.assert_allclose((f.left * s) @ V.T, A, atol=1e-12)
    np.testing.assert_allclose(f.left.T @ f.left, np.eye(len(s)), atol=1e-13)
    X = rng.normal(size=(n, 4))
    outside = X - f.left @ (f.left.T @ X)
    coordinates = f.complement(X)
    assert coordinates.shape == (n - len(s), 4)
    np.testing.assert_allclose(f.from_complement(coordinates), outside, atol=1e-12)


@pytest.mark.parametrize("unit", [1.0, 1e-9, 1e9])
def test_projection_removes_rank_deficient_constants(unit):
    rng = np.random.default_rng(2)
    hydrogens = rng.integers(0, 5, size=(40, 1)).astype(float)
    A0 = np.hstack([hydrogens, unit * np.ones((40, 1)), hydrogens + 3.0, np.zeros((40, 1))])
    projection = ConstantsProjection(A0)
    assert projection.rank == 2
    np.testing.assert_allclose(
        projection.rotate(A0.copy())[2:] / np.r_[1, unit, 1, 1], 0, atol=1e-13
    )
    X = rng.normal(size=(40, 3))
    np.testing.assert_allclose(projection.rotate_back(projection.rotate(X.copy())), X, atol=1e-14)
    b = projection.solve(projection.rotate(X.copy())[:2])
    fitted = A0 @ b
    span = np.hstack([hydrogens, np.ones((40, 1))])
    np.testing.assert_allclose(fitted, span @ np.linalg.pinv(span) @ X, atol=1e-12)
    # minimum norm: nothing of b in the null space (3 unit, 1, -unit, 0) and (0, 0, 0, 1) of A0
    np.testing.assert_array_equal(b[3], 0.0)
    # (up to the condition number of A0, of the order of the ratio of its units)
    null = np.array([unit, 3.0, -unit, 0.0]) / np.hypot(3.0, np.sqrt(2) * unit)
    np.testing.assert_allclose(null @ b, 0.0, atol=1e-7 * np.abs(b).max())
