"""Charges and bond orders."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from ase import Atoms

import linvop
from linvop.integrals import System
from linvop.observables.populations import lowdin_charges, mayer_bond_orders, mulliken_charges

from .conftest import converged


def spins(case):
    P = case.density
    return P if P.ndim == 3 else np.stack([P, P]) / 2


def test_mulliken_charges_are_those_of_pyscf(case):
    found = mulliken_charges(spins(case).sum(axis=0), case.overlap, case.system.layout)
    np.testing.assert_allclose(found, case.mf.mulliken_pop(verbose=0)[1], atol=1e-9)


def test_charges_add_up_to_that_of_the_molecule(case):
    P, layout = spins(case).sum(axis=0), case.system.layout
    for found in (
        mulliken_charges(P, case.overlap, layout),
        lowdin_charges(P, case.roots[0], layout),
    ):
        assert found.sum() == pytest.approx(case.atoms.info["charge"], abs=1e-9)


def test_lowdin_charges_are_mulliken_s_between_orthogonal_aos(case):
    root = case.roots[0]
    P = root @ spins(case).sum(axis=0) @ root
    np.testing.assert_allclose(
        lowdin_charges(spins(case).sum(axis=0), root, case.system.layout),
        mulliken_charges(P, np.eye(len(P)), case.system.layout),
    )


@pytest.mark.parametrize(
    ("formula", "distance", "order"), [("H2", 0.74, 1.0), ("N2", 1.10, 3.0), ("F2", 1.41, 1.0)]
)
def test_bond_orders_of_textbooks_in_a_minimal_basis(formula, distance, order):
    case = converged(Atoms(formula, [[0, 0, 0], [0, 0, distance]]), "sto-3g", "hf")
    found = mayer_bond_orders(spins(case), case.overlap, case.system.layout)
    assert found[0, 1] == pytest.approx(order, abs=1e-6 if formula == "H2" else 0.02)
    np.testing.assert_array_equal(np.diag(found), 0)


def test_bonds_and_lone_pairs_account_for_all_electrons(case):
    """Closed shells: the sum over all pairs of atoms, an atom with itself too, is 2 N."""
    if case.density.ndim == 3:
        pytest.skip("unpaired electrons are not in bonds")
    P, S = case.density, case.overlap
    found = mayer_bond_orders(spins(case), S, case.system.layout)
    offsets = case.system.layout.atom_offsets
    own = sum(np.sum((P @ S)[a:b, a:b] * (P @ S)[a:b, a:b].T) for a, b in pairwise(offsets))
    assert found.sum() + own == pytest.approx(2 * case.mf.mol.nelectron, abs=1e-8)


def test_separated_atoms_have_no_bond(cation):
    far = Atoms("OH2He", [*cation.atoms.positions, [50.0, 0.0, 0.0]])
    n = System.from_atoms(far, cation.ao).layout.n_ao
    P = np.zeros((2, n, n))
    P[:, :-2, :-2] = cation.density
    P[:, -2:, -2:] = converged(Atoms("He"), cation.ao, "hf").density / 2
    found = linvop.analyse(far, density=P, ao=cation.ao, charge=1, multiplicity=2)
    np.testing.assert_allclose(found.bond_orders[3], 0, atol=1e-12)
    assert found.mulliken_charges[3] == pytest.approx(0, abs=1e-9)
    assert found.bond_orders[0, 1:3].min() > 0.5
