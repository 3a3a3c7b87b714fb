r"""Files of structures: what goes in comes out, and what is wrong is named."""

from __future__ import annotations

import gzip
import os
import warnings
from pathlib import Path

import ase.io
import numpy as np
import pytest
from ase import Atoms
from ase.calculators.singlepoint import SinglePointCalculator
from ase.units import Bohr, Hartree

from linvop.errors import InputError
from linvop.io.structures import labels, read, require_one_state, write

SHARED = Path(__file__).parents[2].parent / "shared" / "data"


def waters(n=3):
    rng = np.random.default_rng(0)
    frames = []
    for i in range(n):
        atoms = Atoms("OH2", positions=[[0, 0, 0], [0.96, 0, 0], [-0.24, 0.93, 0]])
        atoms.rattle(0.05, seed=i)
        alpha = rng.normal(size=(3, 3))
        results = {"energy": -2078.0 + i, "forces": rng.normal(size=(3, 3)), "dipole": [0, i, 1.0]}
        atoms.calc = SinglePointCalculator(atoms, **results)
        atoms.info |= {"polarizability": alpha + alpha.T, "tag": f"w{i}"}
        frames.append(atoms)
    return frames


@pytest.mark.parametrize("name", ["w.xyz", "w.extxyz", "w.xyz.gz", "w.traj", "w.json"])
def test_what_is_written_is_read(tmp_path, name):
    frames = waters()
    path = tmp_path / name
    if "xyz" in name:
        write(path, frames)
    else:
        ase.io.write(path, frames)
    found = read(path)
    assert len(found) == 3
    for a, b in zip(frames, found, strict=True):
        np.testing.assert_allclose(a.positions, b.positions, atol=1e-8)
        assert a.get_potential_energy() == pytest.approx(b.get_potential_energy(), abs=1e-8)
        np.testing.assert_allclose(a.get_forces(), b.get_forces(), atol=1e-8)
        np.testing.assert_allclose(a.get_dipole_moment(), b.get_dipole_moment(), atol=1e-8)
    if "xyz" in name:
        np.testing.assert_allclose(
            labels(found, "polarizability"), [a.info["polarizability"] for a in frames], atol=1e-8
        )


def test_writing_twice_gives_the_same_bytes_and_needs_force(tmp_path):
    path = tmp_path / "w.xyz.gz"
    write(path, waters())
    before = path.read_bytes()
    assert before[4:8] == bytes(4)  # gzip would put the time there
    with pytest.raises(InputError, match=r"w\.xyz\.gz exists; --force"):
        write(path, waters())
    write(path, waters(), force=True)
    assert path.read_bytes() == before
    assert os.listdir(tmp_path) == ["w.xyz.gz"]


def test_keys_and_units_bring_labels_to_their_place(tmp_path):
    path = tmp_path / "w.xyz"
    path.write_text(
        '1\nProperties=species:S:1:pos:R:3:grad:R:3 energy=-5.0 E_Ha=-76.0 mu="0 0 1" '
        'alpha="1 0 0 0 2 0 0 0 3" gap_Ha=0.5 free_energy=-5.1\nH 0 0 0 0 0 2\n'
    )
    frames = read(
        path,
        keys={
            "energy": "E_Ha",
            "forces": "grad",
            "dipole": "mu",
            "polarizability": "alpha",
            "gap": "gap_Ha",
        },
        units={
            "energy": "Hartree",
            "forces": "au",
            "dipole": "e*Bohr",
            "polarizability": "Bohr^3",
        },
    )
    (atoms,) = frames
    assert atoms.get_potential_energy() == pytest.approx(-76.0 * Hartree, rel=1e-6)
    np.testing.assert_allclose(atoms.get_forces(), [[0, 0, 2 * Hartree / Bohr]], rtol=1e-6)
    np.testing.assert_allclose(atoms.get_dipole_moment(), [0, 0, Bohr], rtol=1e-6)
    expected = np.diag([1, 2, 3]) * Bohr**2 / Hartree
    np.testing.assert_allclose(atoms.info["polarizability"], expected, rtol=1e-6)
    assert atoms.info["gap"] == 0.5
    assert atoms.calc.results["free_energy"] == -5.1
    assert float(labels(frames, "energy")[0]) == atoms.get_potential_energy()


def test_a_name_like_that_of_a_property_is_remarked(tmp_path):
    atoms = Atoms("He", info={"e": -2.9})
    write(tmp_path / "a.xyz", [atoms])
    with pytest.warns(UserWarning, match="'enrgy' is no property .*; is 'energy' meant?"):
        read(tmp_path / "a.xyz", keys={"enrgy": "e"})
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        read(tmp_path / "a.xyz", keys={"gap": "e"}, units={"gap": "eV"})


def test_a_unit_stated_in_the_file_is_used_once(tmp_path):
    path = tmp_path / "w.xyz"
    path.write_text("1\nenergy=-76.0 energy_unit=Hartree\nH 0 0 0\n")
    frames = read(path)
    assert frames[0].get_potential_energy() == pytest.approx(-76.0 * Hartree, rel=1e-6)
    assert float(labels(frames, "energy")[0]) == frames[0].get_potential_energy()
    write(tmp_path / "again.xyz", frames)
    again = read(tmp_path / "again.xyz")
    assert again[0].get_potential_energy() == pytest.approx(-76.0 * Hartree, rel=1e-6)


def test_labels_that_nobody_asked_for_may_be_absent_or_odd(tmp_path):
    path = tmp_path / "w.xyz"
    path.write_text("1\nenergy=-1.0\nH 0 0 0\n1\nenergy=nan\nH 0 0 0\n1\n\nH 0 0 0\n")
    assert len(read(path)) == 3
    with pytest.raises(InputError, match="frame 1: energy: expected finite"):
        read(path, units={"energy": "eV"})


def test_index():
    path = SHARED / "acenes" / "acenes_eq.xyz"
    if not path.exists():
        pytest.skip("the development data are not beside the repository")
    assert [len(read(path, index=i)) for i in (":", 0, "1:3", -1)] == [5, 1, 2, 1]
    with pytest.raises(InputError, match=r"acenes_eq\.xyz: index 7 of 5 structures"):
        read(path, index=7)


BAD = {
    "": "expected at least one structure, got none",
    "0\n\n": "frame 0: expected at least one atom",
    "1\n\nH 0 0 0\n2\n\nH 0 0 0\nQq 0 0 1\n": "frame 1, atom 1: unknown element 'Qq'",
    "1\n\nX 0 0 0\n": "frame 0, atom 0: unknown element",
    "2\n\nH 0 0 0\nH 0 nan 0\n": r"frame 0, atom 1: its position is \(0, nan, 0\)",
    "1\n\nH 0 0 -inf\n": "frame 0, atom 0: its position is",
    "1\n\nH 0 0 ****\n": r"frame 0, atom 0: expected a position, got '0 0 \*{4}'",
    "2\n\nH 0 0 0\nH 0 0 0.001\n": "frame 0, atoms 0 and 1: .* two atoms on one spot",
    "3\n\nH 0 0 0\nH 0 0 1\n": "frame 0: expected 3 atoms, the file ends after 2",
    "2\nProperties=species:S:1:pos:R:3:q:R:1\nH 0 0 0 1\nH 0 0 1\n": (
        "frame 0, atom 1: expected 5 columns, got 'H 0 0 1'"
    ),
    "one\n\nH 0 0 0\n": "frame 0: expected the number of atoms, got 'one'",
    '1\nLattice="9 0 0 0 9 0 0 0 9"\nH 0 0 0\n': "frame 0: expected a molecule, got a periodic",
    "1\nenergy=-38.0\nH 0 0 0\n1\nenergy=-1034.03\nH 0 0 0\n": "mixed units: frames 0 and 1",
}


@pytest.mark.parametrize("text", BAD, ids=range(len(BAD)))
@pytest.mark.parametrize("name", ["bad.xyz", "bad.xyz.gz"])
def test_bad_files_are_refused_by_frame_and_atom(tmp_path, text, name):
    path = tmp_path / name
    path.write_bytes(gzip.compress(text.encode()) if name.endswith("gz") else text.encode())
    with pytest.raises(InputError, match=BAD[text]) as caught:
        read(path)
    assert str(path) in str(caught.value)


def test_files_that_are_no_text(tmp_path):
    path = tmp_path / "a.xyz"
    with pytest.raises(InputError, match=r"a\.xyz: no such file"):
        read(path)
    path.write_bytes(b"\xff\xfe\x00\x01")
    with pytest.raises(InputError, match=r"a\.xyz: not a text file"):
        read(path)
    whole = gzip.compress(b"1\n\nH 0 0 0\n" * 100)
    (tmp_path / "a.xyz.gz").write_bytes(whole[:-9])
    with pytest.raises(InputError, match=r"a\.xyz\.gz: damaged gzip file"):
        read(tmp_path / "a.xyz.gz")
    (tmp_path / "a.unknown").write_text("?")
    with pytest.raises(InputError, match=r"a\.unknown: ASE cannot read it"):
        read(tmp_path / "a.unknown")


WATER_KEYS = {
    "keys": {"energy": "energy_Ha", "dipole": "dipole_au", "polarizability": "alpha_au"},
    "units": {"energy": "Hartree", "dipole": "au", "polarizability": "au"},
}
REAL = {
    "3bpa/train_300K.xyz": (500, {}, ("energy", "forces")),
    "acenes/acenes_eq.xyz": (5, {}, ()),
    "acetylacetone/test_dihedral.xyz": (45, {}, ("energy",)),
    "acetylacetone/train_300K.xyz": (500, {}, ("energy", "forces")),
    "ch4_degenerate/ch4_degenerate_pairs.xyz": (200, {}, ()),
    "charged_dimers/charge_charge_130.xyz": (130, {}, ("energy", "forces")),
    "qm7/qm7_7101.xyz.gz": (
        7101,
        {"keys": {"energy": "ae_pbe0_kcal"}, "units": {"energy": "kcal/mol"}},
        ("energy",),
    ),
    "random_methane/methane_100.xyz": (100, {}, ("energy", "forces")),
    "rmd17_ethanol/test.xyz": (1000, {}, ("energy", "forces")),
    "water_dimer/water_dimer_1000.xyz": (1000, WATER_KEYS, tuple(WATER_KEYS["keys"])),
    "water_dimer_curves/water_dimers_50x20.xyz": (1000, {}, ()),
    "water_monomer/water_monomer_1000.xyz": (1000, WATER_KEYS, tuple(WATER_KEYS["keys"])),
}


@pytest.mark.parametrize("name", REAL)
def test_real_files(name):
    n, options, properties = REAL[name]
    if not (SHARED / name).exists():
        pytest.skip("the development data are not beside the repository")
    frames = read(SHARED / name, **options)
    assert len(frames) == n
    assert require_one_state(frames) == (0, 1)
    for prop in properties:
        assert len(labels(frames, prop)) == n


def test_two_ways_to_the_same_energy():
    """The same label in Hartree under a foreign key and in eV under its own name."""
    path = SHARED / "random_methane" / "methane_100.xyz"
    if not path.exists():
        pytest.skip("the development data are not beside the repository")
    own = labels(read(path), "energy")
    keyed = labels(read(path, keys={"energy": "energy_Ha"}, units={"energy": "Ha"}), "energy")
    np.testing.assert_allclose(own, keyed, rtol=1e-6)


@pytest.mark.parametrize("text", ["abc", "*******", "1.0D+00"])
def test_text_among_forces_is_named(tmp_path, text):
    path = tmp_path / "w.xyz"
    rows = ["O 0 0 0 0.1 0.2 0.3", f"H 0 0 1 0.1 {text} 0.3", "H 0 1 0 0.1 0.2 0.3"]
    path.write_text("3\nProperties=species:S:1:pos:R:3:forces:R:3\n" + "\n".join(rows) + "\n")
    with pytest.raises(InputError, match=r"frame 0, atom 1: expected numbers as forces, got '0.1 "):
        read(path)
