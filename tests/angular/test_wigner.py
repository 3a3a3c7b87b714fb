"""Laws of rotation matrices, and of couplings under rotation and inversion."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
import sympy
from pyscf.symm import Dmatrix
from scipy.spatial.transform import Rotation

from linvop.angular.real_harmonics import solid_harmonics
from linvop.angular.tables import coupling_table
from linvop.angular.wigner import exact_rotation_matrix, rotation_matrix
from linvop.errors import InputError

PROPER = Rotation.random(3, random_state=11).as_matrix()
IMPROPER = -PROPER
PERMUTED = [1, 2, 0]


def _rational_rotation(w, x, y, z):
    """The rotation of an integer quaternion, exactly."""
    rows = [
        [w * w + x * x - y * y - z * z, 2 * (x * y - w * z), 2 * (x * z + w * y)],
        [2 * (x * y + w * z), w * w - x * x + y * y - z * z, 2 * (y * z - w * x)],
        [2 * (x * z - w * y), 2 * (y * z + w * x), w * w - x * x - y * y + z * z],
    ]
    return sympy.Matrix(rows) / (w * w + x * x + y * y + z * z)


@pytest.mark.parametrize("l", range(9))
@pytest.mark.parametrize("R", [PROPER[0], IMPROPER[0], np.diag([1.0, -1, 1]), np.eye(3)])
def test_harmonics_of_rotated_points_are_rotated_harmonics(l, R):
    r = np.random.default_rng(7).normal(size=(8, 3))
    r /= np.linalg.norm(r, axis=1)[:, None]
    expected = solid_harmonics(l, r) @ rotation_matrix(l, R).T
    np.testing.assert_allclose(solid_harmonics(l, r @ R.T), expected, rtol=0, atol=1e-13)


@pytest.mark.parametrize("l", range(7))
@pytest.mark.parametrize(("R1", "R2"), [(PROPER[0], PROPER[1]), (PROPER[1], IMPROPER[2])])
def test_products_of_rotations_are_products_of_matrices(l, R1, R2):
    D1, D2 = rotation_matrix(l, R1), rotation_matrix(l, R2)
    np.testing.assert_allclose(rotation_matrix(l, R1 @ R2), D1 @ D2, rtol=0, atol=1e-13)
    np.testing.assert_allclose(D1 @ D1.T, np.eye(2 * l + 1), rtol=0, atol=1e-13)
    np.testing.assert_allclose(rotation_matrix(l, R1.T), D1.T, rtol=0, atol=1e-13)


@pytest.mark.parametrize("l", range(7))
def test_inversion_multiplies_by_the_parity_of_l(l):
    np.testing.assert_allclose(
        rotation_matrix(l, -np.eye(3)), (-1) ** l * np.eye(2 * l + 1), atol=1e-15
    )


@pytest.mark.parametrize("l", range(6))
def test_matrices_are_those_of_pyscf(l):
    alpha, beta, gamma = 0.4, 1.1, -2.0
    R = Rotation.from_euler("ZYZ", [alpha, beta, gamma]).as_matrix()
    expected = Dmatrix.Dmatrix(l, alpha, beta, gamma)
    if l == 1:  # PySCF's p shells in AO matrices: x, y, z
        xyz = Dmatrix.Dmatrix(l, alpha, beta, gamma, reorder_p=True)
        np.testing.assert_allclose(xyz[np.ix_(PERMUTED, PERMUTED)], expected)
        np.testing.assert_allclose(xyz, R, rtol=0, atol=1e-14)
    np.testing.assert_allclose(rotation_matrix(l, R), expected, rtol=0, atol=1e-13)


@pytest.mark.parametrize("l", range(4))
@pytest.mark.parametrize("sign", [1, -1])
def test_exact_matrices_agree_and_are_exactly_orthogonal(l, sign):
    R = sign * _rational_rotation(1, 2, -3, 1)
    D = exact_rotation_matrix(l, R)
    assert (D * D.T).applyfunc(sympy.expand) == sympy.eye(2 * l + 1)
    numerical = rotation_matrix(l, np.array(R, dtype=float))
    np.testing.assert_allclose(numerical, np.array(D, dtype=float), rtol=0, atol=1e-14)


def test_exact_matrices_of_irrational_rotations():
    half, root = sympy.Rational(1, 2), sympy.sqrt(3) / 2
    R = sympy.Matrix([[half, -root, 0], [root, half, 0], [0, 0, 1]])
    D = exact_rotation_matrix(2, R)
    assert (D**6).applyfunc(sympy.expand) == sympy.eye(5)
    assert D[4, 4] == -half  # cos 2 (60 degrees)


@pytest.mark.parametrize(("l1", "l2"), list(itertools.product(range(5), repeat=2)))
@pytest.mark.parametrize("R", [PROPER[0], IMPROPER[1]])
def test_coupling_commutes_with_rotation_up_to_parity(l1, l2, R):
    rng = np.random.default_rng(7)
    a, b = rng.normal(size=2 * l1 + 1), rng.normal(size=2 * l2 + 1)
    rotated_a, rotated_b = rotation_matrix(l1, R) @ a, rotation_matrix(l2, R) @ b
    for lam in range(abs(l1 - l2), l1 + l2 + 1):
        C = coupling_table(l1, l2, lam)
        # D^lam holds the factor (-1)^lam of inversion; sigma is what pseudotensors add to it.
        sigma = (-1) ** (l1 + l2 + lam)
        factor = sigma if np.linalg.det(R) < 0 else 1
        expected = factor * rotation_matrix(lam, R) @ np.einsum("a,b,abm->m", a, b, C)
        coupled = np.einsum("a,b,abm->m", rotated_a, rotated_b, C)
        np.testing.assert_allclose(coupled, expected, rtol=0, atol=1e-12, err_msg=f"lam = {lam}")


def test_bad_input_is_refused():
    with pytest.raises(InputError, match=r"expected shape \(3, 3\), got \(2, 2\)"):
        rotation_matrix(1, np.eye(2))
    for R in (2 * np.eye(3), np.full((3, 3), np.nan)):
        with pytest.raises(InputError, match="expected an orthogonal matrix"):
            rotation_matrix(1, R)
    with pytest.raises(InputError, match="expected l >= 0"):
        rotation_matrix(-1, np.eye(3))
    with pytest.raises(InputError, match="expected an orthogonal"):
        exact_rotation_matrix(1, 2 * sympy.eye(3))
