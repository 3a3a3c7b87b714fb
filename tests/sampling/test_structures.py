"""Chains, clusters and dimers: formulas, bonds, distances."""

from __future__ import annotations

import numpy as np
import pytest
from ase.build import molecule

from linvop.errors import InputError
from linvop.sampling import acene, alkane, dissociation_curves, polyene, water_cluster


@pytest.mark.parametrize(
    ("atoms", "formula"),
    [
        (alkane(1), "CH4"),
        (alkane(6), "C6H14"),
        (polyene(2), "C2H4"),
        (polyene(10), "C10H12"),
        (acene(1), "C6H6"),
        (acene(3), "C14H10"),
        (water_cluster(5), "H10O5"),
    ],
)
def test_formulas_and_valences(atoms, formula):
    assert atoms.get_chemical_formula() == formula
    R = atoms.get_all_distances() + 9 * np.eye(len(atoms))
    z = atoms.numbers
    for i in np.flatnonzero(z == 1):
        assert (R[i] < 1.2).sum() == 1  # one bond, to no hydrogen
        assert R[i][z == 1].min() > 1.4
    carbons = np.flatnonzero(z == 6)
    wanted = 4 if formula in ("CH4", "C6H14") else 3
    assert all((R[i] < 1.6).sum() == wanted for i in carbons)


def test_planes_and_bond_lengths():
    for atoms in (polyene(8), acene(3)):
        assert np.abs(atoms.positions[:, 2]).max() == 0
    R = polyene(8).get_all_distances()
    assert [round(R[k, k + 1], 6) for k in range(4)] == [1.35, 1.45, 1.35, 1.45]
    R = acene(3).get_all_distances()[:14, :14] + 9 * np.eye(14)
    np.testing.assert_allclose(R[R < 1.6], 1.40)


def test_polyenes_and_acenes_that_are_none():
    for wrong in (lambda: polyene(3), lambda: polyene(0), lambda: acene(0)):
        with pytest.raises(InputError, match="expected"):
            wrong()


def test_curves_move_monomers_apart_and_nothing_else():
    ion = molecule("H2O")
    ion.info["charge"] = 1
    frames = dissociation_curves([molecule("H2O"), ion], [molecule("CH4")] * 2, (4.0, 7.0))
    assert [a.info["pair"] for a in frames] == [0, 0, 1, 1]
    assert [a.info["distance"] for a in frames] == [4.0, 7.0, 4.0, 7.0]
    assert [a.info.get("charge") for a in frames] == [None, None, 1, 1]
    near, far = frames[0].positions, frames[1].positions
    np.testing.assert_allclose(far[3:] - near[3:], [[0, 0, 1.5]] * 5)
    np.testing.assert_allclose(far[:3] - near[:3], [[0, 0, -1.5]] * 3)
    with pytest.raises(InputError, match="got 1 and 2"):
        dissociation_curves([ion], [ion, ion])
