"""Laws of real solid harmonics and of U, the complex-to-real transformation."""

from __future__ import annotations

import numpy as np
import pytest
import sympy
from pyscf import gto
from pyscf.symm import sph

from linvop.angular.real_harmonics import (
    complex_from_real,
    solid_harmonic,
    solid_harmonic_terms,
    solid_harmonics,
)
from linvop.errors import InputError

X, Y, Z = sympy.symbols("x y z")
P_FROM_XYZ = [1, 2, 0]  # y, z, x: the only shell whose order differs from PySCF's


def _points(n=20, seed=0):
    return np.random.default_rng(seed).normal(size=(n, 3))


def _sphere_quadrature(degree):
    """Points and weights that integrate polynomials up to `degree` over the unit sphere."""
    z, w = np.polynomial.legendre.leggauss(degree // 2 + 1)
    phi = 2 * np.pi * np.arange(degree + 1) / (degree + 1)
    rho = np.sqrt(1 - z**2)[:, None]
    grid = np.broadcast_arrays(rho * np.cos(phi), rho * np.sin(phi), z[:, None])
    weights = np.broadcast_to(w[:, None] * (2 * np.pi / (degree + 1)), grid[0].shape)
    return np.stack(grid, -1).reshape(-1, 3), weights.ravel()


@pytest.mark.parametrize("l", range(7))
def test_values_are_those_of_pyscf(l):
    xyz = _points()
    expected = sph.multipoles(xyz, l, reorder_dipole=False)[l].T
    np.testing.assert_allclose(solid_harmonics(l, xyz), expected, rtol=0, atol=1e-12 * 4**l)
    unit = xyz / np.linalg.norm(xyz, axis=1)[:, None]
    expected = sph.real_sph_vec(xyz, l)[l].T
    np.testing.assert_allclose(solid_harmonics(l, unit), expected, rtol=0, atol=1e-13)


@pytest.mark.parametrize("l", range(5))
def test_components_stand_in_the_order_of_pyscf_aos_apart_from_p(l):
    mol = gto.M(atom="He", basis={"He": [[l, [0.7, 1.0]]]}, verbose=0)
    xyz = _points()
    ao = mol.eval_gto("GTOval_sph", xyz)
    if l == 1:
        ao = ao[:, P_FROM_XYZ]
    radial = ao / solid_harmonics(l, xyz)
    expected = radial[0, 0] * np.exp(-0.7 * ((xyz**2).sum(1) - (xyz[0] ** 2).sum()))
    np.testing.assert_allclose(radial, np.repeat(expected[:, None], 2 * l + 1, 1), rtol=1e-10)


def test_l1_is_y_z_x():
    xyz = _points()
    expected = np.sqrt(3 / (4 * np.pi)) * xyz[:, P_FROM_XYZ]
    np.testing.assert_allclose(solid_harmonics(1, xyz), expected, rtol=1e-14)


@pytest.mark.parametrize("l", range(6))
def test_exact_and_numerical_harmonics_agree(l):
    xyz = _points()
    exact = [sympy.lambdify((X, Y, Z), solid_harmonic(l, m)) for m in range(-l, l + 1)]
    expected = np.stack([np.broadcast_to(f(*xyz.T), len(xyz)) for f in exact], axis=1)
    np.testing.assert_allclose(solid_harmonics(l, xyz), expected, rtol=0, atol=1e-12 * 4**l)


@pytest.mark.parametrize("l", range(5))
def test_exact_harmonics_are_harmonic_and_homogeneous(l):
    for m in range(-l, l + 1):
        s = solid_harmonic(l, m)
        assert sympy.expand(sum(sympy.diff(s, q, 2) for q in (X, Y, Z))) == 0
        assert all(sum(powers) == l for powers in solid_harmonic_terms(l, m)[1])


def test_harmonics_are_orthonormal_on_the_sphere():
    points, weights = _sphere_quadrature(12)
    values = np.concatenate([solid_harmonics(l, points) for l in range(7)], axis=1)
    overlap = values.T @ (weights[:, None] * values)
    np.testing.assert_allclose(overlap, np.eye(49), rtol=0, atol=1e-13)


@pytest.mark.parametrize("l", range(5))
def test_complex_harmonics_are_those_of_condon_and_shortley(l):
    U = np.array(complex_from_real(l), dtype=complex)
    theta, phi = 0.7, 2.1
    r = np.array([[np.sin(theta) * np.cos(phi), np.sin(theta) * np.sin(phi), np.cos(theta)]])
    t, p = sympy.symbols("theta phi", real=True)
    expected = [
        complex(sympy.Ynm(l, m, t, p).expand(func=True).subs({t: theta, p: phi}).evalf())
        for m in range(-l, l + 1)
    ]
    np.testing.assert_allclose(U @ solid_harmonics(l, r)[0], expected, rtol=0, atol=1e-13)


@pytest.mark.parametrize("l", range(5))
def test_U_is_unitary_and_that_of_pyscf(l):
    U = complex_from_real(l)
    assert sympy.eye(2 * l + 1) == U * U.H
    # PySCF's matrix turns functions, Y = Y^c u: the conjugate of ours.
    expected = sph.sph_pure2real(l, reorder_p=False).conj()
    np.testing.assert_allclose(np.array(U, dtype=complex), expected, rtol=0, atol=1e-15)


def test_the_origin_and_no_points():
    assert solid_harmonics(0, np.zeros((1, 3))) == pytest.approx(1 / np.sqrt(4 * np.pi))
    assert not solid_harmonics(3, np.zeros((1, 3))).any()
    assert solid_harmonics(2, np.zeros((0, 3))).shape == (0, 5)


def test_bad_input_is_refused():
    with pytest.raises(InputError, match=r"expected shape \(n, 3\), got \(3,\)"):
        solid_harmonics(1, np.zeros(3))
    with pytest.raises(InputError, match=r"\(2, 3\): expected 0 <= \|m\| <= l"):
        solid_harmonic(2, 3)
    with pytest.raises(InputError, match="expected 0"):
        complex_from_real(-1)
