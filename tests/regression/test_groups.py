from __future__ import annotations

import gzip
import io
from pathlib import Path

import numpy as np
import pytest

from linvop.errors import InputError
from linvop.regression.groups import duplicate_groups, row_groups

DATA = Path(__file__).resolve().parents[2].parent / "shared" / "data"

QM7_COPIES = [(4727, 4733), (4727, 4734), (4728, 4735), (4780, 4783), (6595, 6598)]
QM7_COPIES += [(6921, 6925), (6941, 6942)]


def frames(path):
    if not path.exists():
        pytest.skip(f"{path.name} lies outside the repository and is not here")
    ase_io = pytest.importorskip("ase.io")
    text = path.read_bytes()
    if path.suffix == ".gz":
        text = gzip.decompress(text)
    return ase_io.read(io.StringIO(text.decode()), ":", format="extxyz")


def test_copies_are_found_whatever_their_pose_and_order():
    rng = np.random.default_rng(0)
    numbers, positions, origin = [], [], []
    for molecule in range(12):
        z = rng.permutation([1, 1, 1, 6, 7, 8, 8][: 4 + molecule % 3])
        r = 2.0 * rng.normal(size=(len(z), 3))
        for copy in range(1 + molecule % 4):
            order = rng.permutation(len(z))
            Q = np.linalg.qr(rng.normal(size=(3, 3)))[0]  # proper or not
            numbers.append(z[order])
            positions.append((r @ Q + copy * rng.normal(size=3))[order])
            origin.append(molecule)
    shuffle = rng.permutation(len(origin))
    groups = duplicate_groups([numbers[i] for i in shuffle], [positions[i] for i in shuffle])
    same = groups[:, None] == groups
    expected = np.array(origin)[shuffle][:, None] == np.array(origin)[shuffle]
    np.testing.assert_array_equal(same, expected)
    firsts = [int(np.flatnonzero(groups == g)[0]) for g in range(groups.max() + 1)]
    assert firsts == sorted(firsts)


def test_tolerance_is_a_distance_and_never_a_rounding_boundary():
    lengths = np.array([0.99995, 1.00004, 1.5, 1.50012, 1.50021, 2.0])
    positions = [np.array([[0.0, 0, 0], [d, 0, 0]]) for d in lengths]
    groups = duplicate_groups([np.array([1, 8])] * 6, positions, tolerance=1e-4)
    assert groups.tolist() == [0, 0, 1, 2, 2, 3]


def test_copies_of_copies_are_copies():
    positions = [np.array([[0.0, 0, 0], [d, 0, 0]]) for d in (1.5, 1.50016, 1.50008, 1.6)]
    groups = duplicate_groups([np.array([1, 8])] * 4, positions, tolerance=1e-4)
    assert groups.tolist() == [0, 0, 0, 1]


def test_every_distance_has_the_whole_tolerance():
    rng = np.random.default_rng(0)
    r = 3.0 * rng.normal(size=(12, 3))
    z = np.arange(1, 13)
    assert duplicate_groups([z, z], [r, r * (1 + 5e-6)], tolerance=1e-4).tolist() == [0, 0]
    assert duplicate_groups([z, z], [r, r * (1 + 5e-5)], tolerance=1e-4).tolist() == [0, 1]


def test_species_matter_and_single_atoms_are_copies():
    line = np.array([[0.0, 0, 0], [1, 0, 0], [3, 0, 0]])
    groups = duplicate_groups(
        [[1, 1, 8], [1, 8, 1], [8, 1, 1], [8], [8], [1]],
        [line, line, line, line[:1], line[1:2], line[:1]],
    )
    assert groups.tolist() == [0, 1, 2, 3, 3, 4]
    assert duplicate_groups([], []).shape == (0,)


def test_water_monomers_have_exactly_their_declared_copies():
    atoms = frames(DATA / "water_monomer" / "water_monomer_1000.xyz")
    copy_of = np.array([a.info["dup_of"] for a in atoms])
    groups = duplicate_groups([a.numbers for a in atoms], [a.positions for a in atoms])
    repeats = np.flatnonzero(copy_of >= 0)
    assert len(repeats) == 92
    np.testing.assert_array_equal(groups[repeats], groups[copy_of[repeats]])
    assert len(np.unique(groups)) == 1000 - 92


def test_qm7_copies_have_equal_energies_and_contain_the_declared_ones():
    atoms = frames(DATA / "qm7" / "qm7_7101.xyz.gz")
    groups = duplicate_groups([a.numbers for a in atoms], [a.positions for a in atoms])
    of = {a.info["qm7_id"]: g for a, g in zip(atoms, groups, strict=True)}
    assert all(of[a] == of[b] for a, b in QM7_COPIES)
    # Five more pairs agree to 1e-4 Angstrom that the source's list omits; energies confirm all.
    assert len(atoms) - len(np.unique(groups)) == 12
    energies = np.array([a.info["ae_pbe0_kcal"] for a in atoms])
    for group in np.flatnonzero(np.bincount(groups) > 1):
        assert np.ptp(energies[groups == group]) < 0.02


def test_row_groups():
    assert row_groups(None, 6, 3).tolist() == [0, 0, 0, 1, 1, 1]
    assert row_groups(np.array([7, 7, 2, 2, 7, 7]), 6, 2).tolist() == [0, 0, 1, 1, 0, 0]
    for groups, message in [(np.zeros(4, int), "one a row"), (np.zeros(6), "integers")]:
        with pytest.raises(InputError, match=message):
            row_groups(groups, 6, 2)


def test_bad_structures_are_named():
    with pytest.raises(InputError, match="structure 1"):
        duplicate_groups([[1], [1, 1]], [np.zeros((1, 3)), np.zeros((1, 3))])
    with pytest.raises(InputError, match=r"positions of structure 0.*row 0, column 2"):
        duplicate_groups([[1]], [np.array([[0, 0, np.inf]])])
    with pytest.raises(InputError, match="positions of 1 structures"):
        duplicate_groups([[1]], [])
