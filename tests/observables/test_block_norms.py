"""Norms of blocks: they add up to the matrix's, and do not know where the molecule stands."""

from __future__ import annotations

import csv
from io import StringIO

import numpy as np
import pytest
from ase import Atoms
from scipy.spatial.transform import Rotation

from linvop.integrals import System, overlap, potential
from linvop.observables.block_norms import BlockNorms, block_norms, norms_csv, norms_of
from linvop.observables.lowdin import square_roots

METHANOL = Atoms(
    "COH4",
    [[0, 0, 0], [0, 0, 1.42], [1.0, 0, -0.4], [-0.5, 0.9, -0.4], [-0.5, -0.9, -0.4], [0.9, 0, 1.7]],
)


def measured(atoms: Atoms, orbitals: str = "ao", structure: int = 0) -> BlockNorms:
    system = System.from_atoms(atoms, "6-31g")
    V = potential(system)
    if orbitals == "lowdin":
        X = square_roots(overlap(system))[1]
        V = X @ V @ X
    return norms_of(V, system, name="V", orbitals=orbitals, unit="Hartree", structure=structure)


def test_norms_add_up_to_that_of_the_matrix():
    system = System.from_atoms(METHANOL, "6-31g")
    V = potential(system)
    found = measured(METHANOL)
    twice = np.where(found.atoms[:, 0] == found.atoms[:, 1], 1, 2)
    assert np.sum(twice * found.norm**2) == pytest.approx(np.sum(V**2), rel=1e-13)
    full = block_norms(V, system.layout)
    np.testing.assert_allclose(full, full.T, rtol=1e-12)
    # One block by hand: C carries [3s2p], O the same.
    assert full[0, 1] == pytest.approx(np.linalg.norm(V[:9, 9:18]), rel=1e-13)


@pytest.mark.parametrize("orbitals", ["ao", "lowdin"])
def test_motions_leave_norms_and_permutations_take_them_along(orbitals):
    here = measured(METHANOL, orbitals)
    moved = METHANOL.copy()
    moved.positions = moved.positions @ Rotation.random(rng=3).as_matrix().T + [1.0, -2.0, 0.5]
    np.testing.assert_allclose(measured(moved, orbitals).norm, here.norm, rtol=1e-9, atol=1e-11)
    order = [3, 1, 5, 0, 2, 4]
    swapped = measured(METHANOL[order], orbitals)
    table = {tuple(sorted(a)): n for a, n in zip(here.atoms.tolist(), here.norm, strict=True)}
    for (i, j), norm in zip(swapped.atoms, swapped.norm, strict=True):
        assert norm == pytest.approx(table[tuple(sorted((order[i], order[j])))], rel=1e-9)


def test_pairs_are_named_and_measured():
    found = measured(METHANOL)
    n = len(METHANOL)
    assert len(found.norm) == n * (n + 1) // 2
    names, counts = np.unique(found.pair, return_counts=True)
    assert dict(zip(names.tolist(), counts.tolist(), strict=True)) == {
        "C": 1, "C-O": 1, "H": 4, "H-C": 4, "H-H": 6, "H-O": 4, "O": 1,
    }  # fmt: skip
    for (i, j), d in zip(found.atoms, found.distance, strict=True):
        assert d == pytest.approx(METHANOL.get_distance(i, j), abs=1e-9)


def test_bins_keep_counts_and_squares():
    both = BlockNorms.joined([measured(METHANOL), measured(METHANOL[[0, 1, 2]], structure=1)])
    assert set(both.structure.tolist()) == {0, 1}
    rows = both.binned(0.5)
    assert sum(r["n"] for r in rows) == len(both.norm)
    whole = sum(r["n"] * r["rms"] ** 2 for r in rows)
    assert whole == pytest.approx(np.sum(both.norm**2), rel=1e-12)
    assert all(r["rms"] <= r["max"] * (1 + 1e-12) for r in rows)


def test_csv_has_every_block():
    found = measured(METHANOL)
    rows = list(csv.DictReader(StringIO(norms_csv([found, measured(METHANOL, "lowdin")]))))
    assert len(rows) == 2 * len(found.norm)
    assert {r["orbitals"] for r in rows} == {"ao", "lowdin"}
    np.testing.assert_allclose([float(r["norm"]) for r in rows[: len(found.norm)]], found.norm)
    assert rows[1]["pair"] == "C-O"
    assert rows[1]["distance_angstrom"] == "1.420000"
