"""E[P] and F[P]."""

from __future__ import annotations

import numpy as np
import pytest
from ase.build import molecule as named

from linvop.errors import InputError
from linvop.integrals import System
from linvop.observables.energy import check_functional, check_grid_level, evaluated


def state(case):
    return case.atoms.info["charge"], case.atoms.info["spin_mult"]


def test_converged_density_has_the_energy_and_fock_matrix_of_the_scf(case):
    energy, fock = evaluated(case.system, case.density, case.xc, state(case), 1)
    assert energy == pytest.approx(case.mf.e_tot, abs=1e-9)
    np.testing.assert_allclose(fock, case.fock, atol=1e-6)


def test_fock_matrix_is_the_derivative_of_the_energy(case):
    noise = np.random.default_rng(5).normal(size=case.density.shape)
    along = noise + np.swapaxes(noise, -1, -2)

    def energy(x):
        return evaluated(case.system, case.density + x * along, case.xc, state(case), 1)[0]

    step = 1e-4
    slope = (energy(step) - energy(-step)) / (2 * step)
    fock = evaluated(case.system, case.density, case.xc, state(case), 1)[1]
    assert slope == pytest.approx(np.sum(fock * along), rel=1e-5)


def test_functionals_that_pyscf_does_not_know():
    check_functional("b3lyp")
    for xc in ("", "  ", "pbee"):
        with pytest.raises(InputError, match="xc: "):
            check_functional(xc)
    with pytest.raises(InputError, match="expected the name of a functional, got 3"):
        check_functional(3)


def test_dispersion_that_cannot_be_computed_is_refused_by_name(monkeypatch):
    from pyscf.scf import dispersion

    monkeypatch.setattr(dispersion, "dftd3", None)
    with pytest.raises(InputError, match="d3bj of 'b3lyp-d3bj' needs the package pyscf-disp"):
        check_functional("b3lyp-d3bj")
    with pytest.raises(InputError, match="got 'd3nosuch' in 'pbe-d3nosuch'"):
        check_functional("pbe-d3nosuch")
    with pytest.raises(InputError, match="xc: PySCF does not know 'wb97x-d'"):
        check_functional("wb97x-d")
    monkeypatch.setattr(dispersion, "dftd3", object())
    check_functional("b3lyp-d3bj")


@pytest.mark.parametrize("level", [99, -1, None, "fine", 3.0, True])
def test_grid_levels_are_pyscfs(level):
    with pytest.raises(InputError, match="^grid_level: expected an integer from 0 to 9, got"):
        check_grid_level(level, "grid_level")
    atoms = named("H2O")
    P = 5 * np.eye(7)
    with pytest.raises(InputError, match="grid_level: expected an integer from 0 to 9"):
        evaluated(System.from_atoms(atoms, "sto-3g"), P, "pbe", (0, 1), level)


def test_the_functional_is_a_name():
    with pytest.raises(InputError, match="xc: expected the name of a functional, got 3"):
        evaluated(System.from_atoms(named("H2O"), "sto-3g"), np.eye(7), 3, (0, 1), 1)
