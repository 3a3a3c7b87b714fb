"""Truncated matrices: nothing dropped changes nothing; what is dropped is what moves."""

from __future__ import annotations

import numpy as np
import pytest
from ase import Atoms

from linvop.integrals import System, overlap
from linvop.observables.analysis import analyse
from linvop.observables.lowdin import square_roots
from linvop.observables.truncation import SERIES, UNITS, Truncation, beyond, truncated
from linvop.orbitals.shells import AOBasis


def of_case(case, **settings) -> Truncation:
    return Truncation(
        case.atoms, AOBasis(case.ao), fock=case.fock, density=case.density, **settings
    )


def test_beyond_is_a_rule_of_atoms_and_keeps_the_cutoff_itself():
    atoms = Atoms("OHH", positions=[[0, 0, 0], [0, 0, 1.0], [0, 0, 4.0]])
    system = System.from_atoms(atoms, "6-31g")
    far = beyond(system, 3.5)
    assert far.shape == (13, 13)
    assert far[:9, 11:].all()  # O has [3s2p], each H [2s]; 4 Angstrom apart
    assert not far[:11, :11].any()
    assert not far[9:11, 11:].any()
    np.testing.assert_array_equal(far, far.T)
    assert not beyond(system, 4.0 + 1e-9).any()
    assert beyond(system, 0.5)[:9, 9:].all()
    assert not beyond(system, 0.5)[:9, :9].any()


def test_truncation_between_lowdin_orbitals_drops_those_elements(water):
    root, inverse = water.roots
    far = beyond(water.system, 1.2)
    assert far.any()
    cut = truncated(water.fock, far, inverse, root)
    between = inverse @ cut @ inverse
    whole = inverse @ water.fock @ inverse
    np.testing.assert_allclose(between, np.where(far, 0.0, whole), atol=1e-10)
    np.testing.assert_array_equal(cut, cut.T)
    np.testing.assert_array_equal(truncated(water.fock, far), np.where(far, 0.0, water.fock))


@pytest.mark.parametrize("orthogonal", [False, True])
def test_nothing_beyond_the_cutoff_moves_nothing(case, orthogonal):
    (found,) = of_case(case, orthogonal=orthogonal).changes([50.0]).values()
    assert set(found) == set(SERIES) - {"F, over known"}
    for series in found.values():
        assert set(series) <= set(UNITS)
        for quantity, change in series.items():
            assert np.abs(change).max() < 1e-6, quantity


def test_changes_are_those_of_the_truncated_matrices(water):
    cutoff = 1.2
    (found,) = of_case(water).changes([cutoff]).values()
    far = beyond(water.system, cutoff)
    F, P = (np.where(far, 0.0, M) for M in (water.fock, water.density))
    whole = analyse(water.atoms, fock=water.fock, ao=water.ao)
    ours = analyse(water.atoms, fock=F, ao=water.ao)
    occupied = (ours.orbital_energies - whole.orbital_energies)[:5]
    np.testing.assert_allclose(found["F"]["occupied orbital energies"], occupied, atol=1e-9)
    assert found["F"]["LUMO"] == pytest.approx(ours.lumo - whole.lumo)
    assert found["F"]["dipole"] == pytest.approx(np.linalg.norm(ours.dipole - whole.dipole))
    assert found["F"]["dropped norm"] == pytest.approx(
        np.linalg.norm(water.fock[far]) / np.linalg.norm(water.fock)
    )
    raw, mended = found["P, as it is"], found["P, purified"]
    lost = np.sum(P * water.overlap) - 10
    assert raw["electrons"] == pytest.approx(lost)
    # Lowdin charges of the truncated density answer for the electrons that it lost.
    assert np.sum(raw["lowdin charges"]) == pytest.approx(-lost)
    assert np.sum(mended["lowdin charges"]) == pytest.approx(0.0, abs=1e-9)
    pure = analyse(water.atoms, density=P, ao=water.ao)
    of_label = analyse(water.atoms, density=water.density, ao=water.ao)
    np.testing.assert_allclose(
        mended["lowdin charges"], pure.lowdin_charges - of_label.lowdin_charges, atol=1e-9
    )


def test_no_electron_is_lost_between_lowdin_orbitals(water):
    for found in of_case(water, orthogonal=True).changes([0.5, 1.2]).values():
        raw = found["P, as it is"]
        assert abs(raw["electrons"][0]) < 1e-9
        assert np.abs(raw["lowdin charges"]).max() < 1e-9  # they stand on site
        assert raw["dropped norm"][0] > 1e-3


def test_dropped_norms_are_of_the_matrix_that_is_cut(water):
    root, inverse = water.roots
    far = beyond(water.system, 1.2)
    (found,) = of_case(water, orthogonal=True).changes([1.2]).values()
    for name, matrix, T in (("F", water.fock, inverse), ("P, as it is", water.density, root)):
        between = T @ matrix @ T
        part = np.linalg.norm(between[far]) / np.linalg.norm(between)
        assert found[name]["dropped norm"][0] == pytest.approx(part, rel=1e-9)


def test_what_is_known_is_not_cut(water):
    """F over itself loses nothing, F over zero is F."""
    (kept,) = of_case(water, known=water.fock).changes([0.5]).values()
    assert all(np.abs(x).max() < 1e-6 for x in kept["F, over known"].values())
    (bare,) = of_case(water, known=np.zeros_like(water.fock)).changes([1.2]).values()
    for quantity, change in bare["F"].items():
        np.testing.assert_allclose(bare["F, over known"][quantity], change)


def test_a_functional_adds_energies_above_the_ground_state(water):
    """Of determinants: Hartree-Fock's is the lowest, whatever was cut."""
    (found,) = of_case(water, xc="hf").changes([1.2]).values()
    for name in ("F", "P, purified"):
        assert found[name]["energy"][0] > 1e-3
    assert "energy" in found["P, as it is"]
    assert len(found["P, purified"]["occupied orbital energies"]) == 5


def test_more_than_half_an_electron_may_be_lost(water):
    """`analyse` would refuse such a density as another molecule's; here that is the finding."""
    (found,) = of_case(water).changes([0.5]).values()
    assert found["P, as it is"]["electrons"][0] < -0.5
    assert found["P, purified"] is not None


def test_a_truncated_matrix_without_a_gap_has_no_properties():
    """Two equal atoms: without the block between them their two levels are one."""
    atoms = Atoms("H2", positions=[[0, 0, 0], [0, 0, 1.0]])
    root, _ = square_roots(overlap(System.from_atoms(atoms, "sto-3g")))
    F = root @ np.array([[-0.5, -0.3], [-0.3, -0.5]]) @ root
    one = Truncation(atoms, AOBasis("sto-3g"), fock=F, orthogonal=True)
    found = one.changes([0.5, 2.0])
    assert found[0.5]["F"] is None
    assert found[2.0]["F"] is not None
