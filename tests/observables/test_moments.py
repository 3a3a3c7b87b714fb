"""Moments against PySCF, and about which point."""

from __future__ import annotations

import numpy as np

from linvop.conventions import BOHR
from linvop.integrals import System
from linvop.io.dipoles import centre_of_nuclear_charge
from linvop.observables.moments import dipole, quadrupole


def total(case):
    return case.density.sum(axis=0) if case.density.ndim == 3 else case.density


def test_those_of_pyscf_about_the_centre_of_nuclear_charge(case):
    R = centre_of_nuclear_charge(case.atoms.numbers, case.atoms.positions / BOHR)
    expected = case.mf.dip_moment(unit="AU", origin=R, verbose=0) * BOHR
    np.testing.assert_allclose(dipole(case.system, total(case)), expected, atol=1e-8)
    expected = case.mf.quad_moment(unit="AU", origin=R, verbose=0) * BOHR**2
    np.testing.assert_allclose(quadrupole(case.system, total(case)), expected, atol=1e-8)


def test_they_move_with_the_molecule_even_when_charged(case):
    moved = System(
        case.system.numbers, case.system.positions + np.array([1.0, -2.0, 3.0]), case.system.ao
    )
    for moment in (dipole, quadrupole):
        np.testing.assert_allclose(
            moment(moved, total(case)), moment(case.system, total(case)), atol=1e-9
        )


def test_quadrupole_is_symmetric_and_traceless(case):
    Q = quadrupole(case.system, total(case))
    np.testing.assert_allclose(Q, Q.T, atol=1e-12)
    assert abs(np.trace(Q)) < 1e-12
