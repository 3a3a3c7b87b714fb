"""Laws of one reference calculation."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import scipy.linalg
from pyscf import gto, scf

from linvop.conventions import BOHR, HARTREE
from linvop.errors import ConvergenceError, InputError
from linvop.io.records import Record
from linvop.labelling.calculation import calculate
from linvop.labelling.settings import Settings

WATER = Record(
    numbers=np.array([8, 1, 1]),
    positions=np.array([[0.0, 0.1, 0.0], [0.1, 0.0, 1.02], [0.93, 0.0, -0.25]]),
)
# A radical whose ground state is not degenerate: in OH the direction of the hole is arbitrary.
WATER_CATION = replace(WATER, charge=1, multiplicity=2)
OH_CATION = Record(
    numbers=np.array([8, 1]),
    positions=np.array([[0.0, 0.0, 0.0], [0.3, 0.2, 0.95]]),
    charge=1,
    multiplicity=3,
)


def settings(**changes) -> Settings:
    return Settings(**{"method": "auto", "ao": "sto-3g", "grid_level": 2, **changes})


@pytest.mark.parametrize(
    ("structure", "method"),
    [(WATER, "rks"), (WATER_CATION, "uks"), (WATER, "rhf"), (OH_CATION, "uhf")],
)
def test_forces_are_minus_the_derivative_of_the_energy(structure, method):
    chosen = settings(method=method)
    record = calculate(structure, chosen)
    step, along = 1e-3, np.random.default_rng(0).normal(size=structure.positions.shape)

    def energy(x: float) -> float:
        moved = replace(structure, positions=structure.positions + x * along)
        return calculate(moved, replace(chosen, quantities=("energy",))).energy

    # Five points: the error is of fourth order in the step.
    slope = 8 * (energy(step) - energy(-step)) - energy(2 * step) + energy(-2 * step)
    expected = -slope / (12 * step)
    assert np.sum(record.forces * along) == pytest.approx(expected, abs=2e-6)
    np.testing.assert_allclose(record.forces.sum(axis=0), 0, atol=1e-8)


@pytest.mark.parametrize("structure", [WATER, WATER_CATION])
def test_what_is_stored_together_belongs_together(structure):
    record = calculate(structure, settings())
    channels = (2,) if structure.charge else ()
    n = len(record.overlap)
    assert record.fock.shape == record.density.shape == (*channels, n, n)
    assert record.orbital_energies.shape == record.occupations.shape == (*channels, n)
    for f, p, levels, occupations in zip(
        record.fock.reshape(-1, n, n),
        record.density.reshape(-1, n, n),
        record.orbital_energies.reshape(-1, n),
        record.occupations.reshape(-1, n),
        strict=True,
    ):
        values, c = scipy.linalg.eigh(f, record.overlap)
        np.testing.assert_allclose(levels, values * HARTREE, atol=1e-8)
        np.testing.assert_allclose((c * occupations) @ c.T, p, atol=1e-5)
        np.testing.assert_array_equal(f, f.T)
    electrons = np.sum(record.density * record.overlap)
    assert electrons == pytest.approx(structure.numbers.sum() - structure.charge, abs=1e-9)


def test_hartree_fock_energy_from_the_stored_matrices():
    """E = tr(P (h + F)) / 2 + E_nuc ties energy, Fock, density and AO order to one another."""
    record = calculate(WATER, settings(method="rhf"))
    mol = gto.M(
        atom=list(zip("OHH", (WATER.positions / BOHR).tolist(), strict=True)),
        unit="Bohr",
        basis="sto-3g",
    )
    core = scf.hf.get_hcore(mol)
    energy = 0.5 * np.sum(record.density * (core + record.fock)) + mol.energy_nuc()
    assert record.energy == pytest.approx(energy * HARTREE, abs=1e-7)
    np.testing.assert_allclose(record.overlap, mol.intor("int1e_ovlp"), atol=1e-12)


@pytest.mark.parametrize("structure", [WATER, OH_CATION])
def test_dipole_moves_and_turns_with_the_molecule(structure):
    chosen = settings(method="uhf", quantities=("dipole",))
    dipole = calculate(structure, chosen).dipole
    turn = scipy.spatial.transform.Rotation.from_rotvec([0.3, -1.1, 0.7]).as_matrix()
    moved = replace(structure, positions=structure.positions @ turn.T + [1.0, -2.0, 0.5])
    np.testing.assert_allclose(calculate(moved, chosen).dipole, turn @ dipole, atol=1e-6)


def test_dipole_is_minus_the_derivative_by_a_field():
    """Sign and unit: the dipole of HF theory equals that of PySCF, in e Angstrom."""
    record = calculate(WATER, settings(method="rhf", quantities=("dipole",)))
    mol = gto.M(
        atom=list(zip("OHH", (WATER.positions / BOHR).tolist(), strict=True)),
        unit="Bohr",
        basis="sto-3g",
        verbose=0,
    )

    def energy(field: float) -> float:
        mf = scf.RHF(mol)
        mf.conv_tol = 1e-12
        z = mol.intor("int1e_r")[2]
        mf.get_hcore = lambda *_: scf.hf.get_hcore(mol) + field * z
        nuclei = field * np.dot(mol.atom_charges(), mol.atom_coords()[:, 2])
        return mf.kernel() - nuclei  # E(f) = E(0) - mu f

    slope = -(energy(1e-3) - energy(-1e-3)) / 2e-3
    assert record.dipole[2] == pytest.approx(slope * BOHR, abs=1e-5)


def test_an_scf_that_does_not_converge_is_no_label():
    with pytest.raises(ConvergenceError, match="not converged in 2 cycles"):
        calculate(WATER, settings(max_cycle=2, retry=False))


def test_other_means_lead_to_the_same_state():
    plain = calculate(WATER, settings())
    helped = calculate(WATER, settings(max_cycle=5))
    with pytest.raises(ConvergenceError):  # so that something did help
        calculate(WATER, settings(max_cycle=5, retry=False))
    assert helped.energy == pytest.approx(plain.energy, abs=1e-7)
    np.testing.assert_allclose(helped.fock, plain.fock, atol=1e-5)


@pytest.mark.parametrize(
    ("bad", "message"),
    [
        ({"method": "ccsd"}, "method: expected one of"),
        ({"xc": "no-such-functional"}, "no-such-functional"),
        ({"ao": "no-such-basis"}, "no-such-basis"),
        ({"quantities": ("energy", "gap")}, "quantities: expected some of"),
        ({"conv_tol": 0.0}, "conv_tol"),
        ({"grid_level": 10}, "grid_level"),
        ({"max_cycle": 0}, "max_cycle"),
        ({"n_matrices": -1}, "n_matrices"),
    ],
)
def test_bad_settings_are_refused(bad, message):
    with pytest.raises(InputError, match=message):
        settings(**bad).check_species(["H"])


def test_a_set_for_effective_core_potentials_is_refused():
    with pytest.raises(InputError, match="effective core potential on I"):
        settings(ao="def2-svp").check_species(["H", "I"])
