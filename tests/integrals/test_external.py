from __future__ import annotations

import numpy as np
import pytest
from pyscf import gto

import linvop.integrals
from linvop.conventions import BOHR
from linvop.errors import InputError
from linvop.integrals import System, overlap, point_charge_potential, potential, uniform_field
from linvop.orbitals.shells import AOBasis, Shell

CASES = [
    ("sto-3g", "OHHNC"),
    ("6-31g", "SPClF"),
    ("def2-svp", "KrBrSeH"),
    ("cc-pvtz", "OHC"),
    ("def2-tzvp", "FeHO"),
]
G_SHELLS = {
    "C": [[l, [1.1 - 0.1 * l, 1.0]] for l in range(5)],
    "H": [[0, [0.9, 0.4], [0.2, 0.7]], [1, [0.5, 1.0]]],
}


def symbols(text: str) -> list[str]:
    import re

    return re.findall("[A-Z][a-z]?", text)


def pair(ao, text: str):
    """The same molecule for linvop and for PySCF."""
    names = symbols(text)
    positions = np.random.default_rng(1).uniform(-2.5, 2.5, (len(names), 3))
    mol = gto.M(
        atom=list(zip(names, positions.tolist(), strict=True)),
        unit="Bohr",
        basis=ao,
        spin=None,
        verbose=0,
    )
    return System(tuple(mol.atom_charges().tolist()), positions, AOBasis(ao)), mol


@pytest.mark.parametrize(("ao", "text"), [*CASES, (G_SHELLS, "CHCH")], ids=str)
def test_v_and_s_are_pyscfs(ao, text):
    system, mol = pair(ao, text)
    V = mol.intor("int1e_nuc")
    np.testing.assert_allclose(potential(system), V, atol=1e-12 * np.abs(V).max())
    np.testing.assert_allclose(overlap(system), mol.intor("int1e_ovlp"), atol=1e-13)


def test_v_per_species_adds_up_and_absent_species_give_zero():
    system, mol = pair("6-31g", "OHHC")
    apart = potential(system, sources=["H", "C", "N", "O"])
    np.testing.assert_allclose(apart.sum(axis=0), potential(system), atol=1e-12)
    assert not apart[2].any()
    mol.set_rinv_origin(mol.atom_coord(3))
    np.testing.assert_allclose(apart[1], -6 * mol.intor("int1e_rinv"), atol=1e-12)
    with pytest.raises(InputError, match="O"):
        potential(system, sources=["H", "C"])


@pytest.mark.parametrize("zeta", [0.1, 0.3, 5.0])
def test_screened_v_is_point_minus_gaussian_nuclei(zeta):
    system, mol = pair("def2-svp", "OHHC")
    smeared = mol.copy()
    smeared.set_nuc_mod(list(range(4)), zeta)
    expected = mol.intor("int1e_nuc") - smeared.intor("int1e_nuc")
    found = potential(system, screening=zeta)
    np.testing.assert_allclose(found, expected, atol=1e-11)
    with pytest.raises(InputError, match="screening"):
        potential(system, screening=-zeta)


def test_screened_v_forgets_what_is_far():
    near = System((8, 1), np.array([[0, 0, 0], [0, 0, 1.8]]), AOBasis("6-31g"))
    n = near.layout.n_ao
    both = System((8, 1, 8), np.array([[0, 0, 0], [0, 0, 1.8], [0, 0, 40.0]]), near.ao)
    shift = np.abs(potential(both)[:n, :n] - potential(near)).max()
    screened = potential(both, screening=0.3)[:n, :n] - potential(near, screening=0.3)
    assert shift > 0.1
    assert np.abs(screened).max() < 1e-12


def test_point_charges_act_as_nuclei_do():
    system, _ = pair("6-31g", "OHH")
    charges = np.array(system.numbers, float)
    np.testing.assert_allclose(
        point_charge_potential(system, charges, system.positions), potential(system), atol=1e-12
    )
    away = np.array([[0.0, 0.0, 500.0]])
    V = point_charge_potential(system, np.array([2.0]), away)
    np.testing.assert_allclose(V, -2.0 / 500 * overlap(system), atol=1e-4)
    with pytest.raises(InputError, match="shape"):
        point_charge_potential(system, charges, away)
    with pytest.raises(InputError, match="finite"):
        point_charge_potential(system, np.array([np.nan]), away)


def test_uniform_field_is_that_of_far_charges():
    system, mol = pair("6-31g", "OHH")
    field = np.array([0.01, -0.02, 0.03])
    np.testing.assert_allclose(
        uniform_field(system, field), np.tensordot(field, mol.intor("int1e_r"), 1), atol=1e-13
    )
    # A charge -Q at -R z, large and far, and its opposite make a field along -z or +z.
    distance = 1e3
    charges = np.array([1.0, -1.0]) * 0.5 * distance**2
    V = point_charge_potential(system, charges, np.array([[0, 0, -distance], [0, 0, distance]]))
    np.testing.assert_allclose(V, uniform_field(system, np.array([0, 0, 1.0])), atol=2e-5)
    moved = uniform_field(system, field, origin=np.array([1.0, 2.0, 3.0]))
    shift = field @ np.array([1.0, 2.0, 3.0])
    np.testing.assert_allclose(
        moved, uniform_field(system, field) - shift * overlap(system), atol=1e-12
    )
    with pytest.raises(InputError, match="three finite"):
        uniform_field(system, np.array([1.0, 2.0]))


def test_chunks_of_points_change_nothing(monkeypatch):
    system, _ = pair("6-31g", "OHHC")
    whole = potential(system, sources=["H", "C", "O"])
    monkeypatch.setattr(linvop.integrals.system, "_POINTS_BYTES", 1.0)
    np.testing.assert_allclose(potential(system, sources=["H", "C", "O"]), whole, atol=1e-12)


def test_shells_from_objects_and_from_atoms():
    from ase import Atoms

    ao = {"H": (Shell(0, (0.9, 0.2), (0.4, 0.7)), Shell(1, (0.5,), (1.0,)))}
    atoms = Atoms("H2", positions=[[0, 0, 0], [0, 0, 0.74]])
    system = System.from_atoms(atoms, AOBasis(ao))
    np.testing.assert_allclose(system.positions, atoms.positions / BOHR)
    raw = {"H": [[0, [0.9, 0.4], [0.2, 0.7]], [1, [0.5, 1.0]]]}
    mol = gto.M(atom=f"H 0 0 0; H 0 0 {0.74 / BOHR}", unit="Bohr", basis=raw, verbose=0)
    np.testing.assert_allclose(potential(system), mol.intor("int1e_nuc"), atol=1e-12)
