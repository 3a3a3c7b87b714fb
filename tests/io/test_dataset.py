r"""A data set gives back what was put in, and takes no matrix for what it is not."""

from __future__ import annotations

import os
import shutil

import h5py
import numpy as np
import pytest
from ase import Atoms
from pyscf import dft

import linvop
from linvop.errors import FileFormatError, InputError
from linvop.integrals import System, molecule, overlap
from linvop.io.dataset import Dataset
from linvop.io.labels import labels
from linvop.io.records import Record, pack, unpack
from linvop.io.structures import read
from linvop.orbitals.order import from_m_order, to_m_order
from linvop.orbitals.shells import AOBasis

AO = "6-31g*"


def structures():
    """A water, a neon atom, a lithium hydride cation: 3, 1 and 2 atoms."""
    positions = np.array([[0, 0, 0.1], [0.96, 0, 0], [-0.24, 0.93, 0.2]])
    water = Atoms("OH2", positions=positions, info={"energy": -2078.0, "dipole": [0.1, 0.2, 0.3]})
    water.arrays["forces"] = positions - 1
    ion = Atoms("LiH", positions=[[0, 0, 0], [0.3, 0.2, 1.6]], info={"charge": 1})
    return [water, Atoms("Ne"), ion]


def density(s, n_electrons):
    """Some matrix with tr(P S) electrons, of one calculation with any Fock matrix a + b S."""
    trial = s @ s
    return trial * n_electrons / np.einsum("pq,qp", trial, s)


@pytest.fixture
def arrays():
    frames = structures()
    s = [overlap(System.from_atoms(a, AO)) for a in frames]
    p = [density(m, n) for m, n in zip(s, (10, 10, 3), strict=True)]
    p[2] = np.stack([p[2] * 2 / 3, p[2] / 3])
    f = [m - 2 * np.eye(len(m)) for m in s]
    f[2] = np.stack([f[2], 2 * f[2]])
    return {"frames": frames, "ao": AO, "overlap": s, "density": p, "fock": f}


def same(a: Record, b: Record):
    first, second = a.arrays(), b.arrays()
    assert first.keys() == second.keys()
    for name, value in first.items():
        np.testing.assert_array_equal(value, second[name], err_msg=name)


def test_pack_and_unpack_are_inverse():
    rng = np.random.default_rng(0)
    for shape in [(1, 1), (5, 5), (2, 4, 4)]:
        m = rng.normal(size=shape)
        m = m + np.swapaxes(m, -1, -2)
        np.testing.assert_array_equal(unpack(pack(m), 2 if m.ndim == 3 else 1), m)
    with pytest.raises(InputError, match="4 numbers are not 1 triangles"):
        unpack(np.zeros(4))


def test_round_trip_through_a_file(arrays, tmp_path):
    data = Dataset.from_arrays(**arrays, settings={"xc": "pbe"})
    data.write(tmp_path / "d.h5")
    again = Dataset.open(tmp_path / "d.h5")
    assert len(again) == 3
    assert again.settings == {"ao": AO, "xc": "pbe"}
    for i in range(3):
        same(data[i], again[i])
    assert again[2].density.shape == (2, *arrays["overlap"][2].shape)
    assert again[1].energy is None
    assert again[1].forces is None
    again.write(tmp_path / "e.h5")
    for a, b in zip(again, Dataset.open(tmp_path / "e.h5"), strict=True):
        same(a, b)


def test_labels_of_frames_are_found(arrays, tmp_path):
    Dataset.from_arrays(**arrays).write(tmp_path / "d.h5")
    for frames in (Dataset.open(tmp_path / "d.h5").frames(), read(tmp_path / "d.h5")):
        assert float(labels(frames[:1], "energy")[0]) == -2078.0
        np.testing.assert_array_equal(labels(frames[:1], "dipole")[0], [0.1, 0.2, 0.3])
        np.testing.assert_array_equal(labels(frames[:1], "forces")[0], frames[0].positions - 1)
        assert [a.info["charge"] for a in frames] == [0, 0, 1]
        assert [a.info["spin_mult"] for a in frames] == [1, 1, 2]


def test_choosing(arrays, tmp_path):
    whole = Dataset.from_arrays(**arrays)
    whole.write(tmp_path / "d.h5")
    for data in (whole, Dataset.open(tmp_path / "d.h5")):
        for part, indices in (
            (data[1:], [1, 2]),
            (data[[2, 0]], [2, 0]),
            (data[-2:][::-1], [2, 1]),
        ):
            assert [r.source_index for r in part] == indices
        assert [r.source_index for r in data.having("energy", "forces")] == [0]
        assert len(data.having("fock", "density")) == 3
        same(data[-1], data[2])
        with pytest.raises(IndexError, match="structure 3 of 3"):
            data[3]


def test_a_quantity_that_no_data_set_has_is_named(arrays, tmp_path):
    data = Dataset.from_arrays(**arrays)
    data.write(tmp_path / "d.h5")
    for d in (data, Dataset.open(tmp_path / "d.h5")):
        with pytest.raises(InputError, match=r"having: expected some of energy, .*got 'foo'"):
            d.having("energy", "foo")


def test_the_file_outlives_the_names_of_basis_sets(arrays, tmp_path):
    """Exponents travel with the data: the overlap is remade from the file alone."""
    Dataset.from_arrays(**arrays).write(tmp_path / "d.h5")
    data = Dataset.open(tmp_path / "d.h5")
    for record in data:
        s = overlap(System.from_atoms(record.atoms(), data.ao))
        np.testing.assert_allclose(s, record.overlap, atol=1e-14)


def test_general_contractions_keep_their_order(tmp_path):
    atoms = structures()[:1]
    s = [overlap(System.from_atoms(atoms[0], "cc-pvtz"))]
    Dataset.from_arrays(atoms, "cc-pvtz", overlap=s).write(tmp_path / "d.h5")
    data = Dataset.open(tmp_path / "d.h5")
    np.testing.assert_allclose(overlap(System.from_atoms(atoms[0], data.ao)), s[0], atol=1e-12)


def test_summary(arrays, tmp_path):
    Dataset.from_arrays(**arrays).write(tmp_path / "d.h5")
    summary = Dataset.open(tmp_path / "d.h5").summary()
    assert summary["n_structures"] == 3
    assert summary["n_atoms"] == [1, 3]
    assert summary["elements"] == ["H", "Li", "O", "Ne"]
    assert summary["charges"] == [0, 1]
    assert summary["quantities"]["energy"] == 1
    assert summary["quantities"]["fock"] == 3


def test_large_columns_are_written_in_pieces(tmp_path):
    """More numbers than are held at once come back in order."""
    n = 200
    frames = [Atoms("Ne", positions=[[0, 0, i]]) for i in range(n)]
    s = overlap(System.from_atoms(frames[0], "cc-pvqz"))
    focks = [i * np.eye(len(s)) for i in range(n)]
    data = Dataset.from_arrays(frames, "cc-pvqz", overlap=[s] * n, fock=focks)
    data.write(tmp_path / "d.h5")
    again = Dataset.open(tmp_path / "d.h5")
    for i in range(n):
        np.testing.assert_array_equal(again[i].fock, focks[i])
        np.testing.assert_array_equal(again[i].overlap, s)


def permuted(s):
    order = np.r_[1 : len(s), 0]
    return s[np.ix_(order, order)]


def signed(s):
    sign = np.where(np.arange(len(s)) % 2, -1.0, 1.0)
    return s * sign * sign[:, None]


@pytest.mark.parametrize(
    ("spoil", "reason"),
    [
        (lambda s, a: to_m_order(s, System.from_atoms(a, AO).layout), "p shells run y, z, x"),
        (lambda s, a: signed(s), "other signs"),
        (lambda s, a: permuted(s), "same functions in another order"),
        (lambda s, a: 2 * s, "not normalised"),
        (
            lambda s, a: overlap(System.from_atoms(Atoms(a.symbols, a.positions / 0.529), AO)),
            "geome",
        ),
    ],
)
def test_a_wrong_overlap_is_refused_with_the_likely_reason(arrays, spoil, reason):
    first = arrays["frames"][0]
    arrays["overlap"] = [spoil(arrays["overlap"][0], first), *arrays["overlap"][1:]]
    with pytest.raises(
        InputError, match=rf"frame 0: its overlap is not .* off by up to .*{reason}"
    ):
        Dataset.from_arrays(**arrays)


def test_the_right_order_is_the_only_one_that_passes(arrays):
    """What a program in m order hands over is accepted once it has been reordered."""
    layouts = [System.from_atoms(a, AO).layout for a in arrays["frames"]]
    for name in ("overlap", "fock", "density"):
        there = [to_m_order(m, x) for m, x in zip(arrays[name], layouts, strict=True)]
        arrays[name] = [from_m_order(m, x) for m, x in zip(there, layouts, strict=True)]
    Dataset.from_arrays(**arrays)


@pytest.mark.parametrize(
    ("name", "spoil", "message"),
    [
        ("overlap", lambda m: m[:-1, :-1], r"frame 0: overlap: expected .*\(18, 18\), got"),
        ("overlap", lambda m: m * np.nan, r"frame 0: overlap: expected finite"),
        ("fock", lambda m: m + 1j, r"frame 0: fock: expected real"),
        ("fock", lambda m: np.stack([m, m]), r"frame 0: .* spin channels"),
        ("density", lambda m: np.triu(m), r"frame 0: density: expected a symmetric"),
        ("density", lambda m: m / 2, r"frame 0: density: expected tr\(P S\) = 10 .*got 5"),
    ],
)
def test_bad_matrices(arrays, name, spoil, message):
    arrays[name][0] = spoil(arrays[name][0])
    with pytest.raises(InputError, match=message):
        Dataset.from_arrays(**arrays)


def test_operators_of_different_calculations_are_refused():
    """Labels of `linvop label` pass; a density of another geometry or of a few cycles does not."""
    labelled = Dataset.open(linvop.data.water()).having("fock", "density")[:3]
    frames = [r.atoms() for r in labelled]
    given = {name: [getattr(r, name) for r in labelled] for name in ("overlap", "fock", "density")}
    assert len(Dataset.from_arrays(frames, labelled.ao, **given)) == 3
    # A density of atoms 0.02 Angstrom away, made to fit its new overlap.
    moved = frames[1].copy()
    moved.positions[1] += [0.02, 0.0, 0.0]
    mf = dft.RKS(molecule(System.from_atoms(moved, labelled.ao)), xc="pbe")
    mf.grids.level = 1
    mf.kernel(dm0=given["density"][1])
    strange = mf.make_rdm1()
    strange *= 10 / np.sum(strange * given["overlap"][1])
    early = dft.RKS(molecule(System.from_atoms(frames[1], labelled.ao)), xc="pbe")
    early.grids.level, early.max_cycle = 1, 2
    early.kernel()
    message = r"frame 1: fock and density are not .* element of [0-9.e-]+ Hartree, .* at most 0.001"
    pairs = [(given["fock"][1], strange), (early.get_fock(), early.make_rdm1())]
    for fock, P in pairs:
        spoilt = {
            "overlap": given["overlap"][:2],
            "fock": [given["fock"][0], fock],
            "density": [given["density"][0], P],
        }
        with pytest.raises(InputError, match=message):
            Dataset.from_arrays(frames[:2], labelled.ao, **spoilt)
        allowed = Dataset.from_arrays(frames[:2], labelled.ao, **spoilt, allow_unconverged=True)
        np.testing.assert_allclose(allowed[1].density, P, atol=1e-12)
        del spoilt["fock"]  # nothing to be compared with
        Dataset.from_arrays(frames[:2], labelled.ao, **spoilt)


def test_each_spin_is_compared(arrays):
    noise = np.random.default_rng(0).normal(size=arrays["fock"][2][1].shape)
    arrays["fock"][2][1] += noise + noise.T
    with pytest.raises(InputError, match="frame 2: fock and density"):
        Dataset.from_arrays(**arrays)


def test_a_matrix_for_each_structure(arrays):
    with pytest.raises(InputError, match="fock: expected a matrix for each of 3 structures, got 2"):
        Dataset.from_arrays(**arrays | {"fock": arrays["fock"][:2]})


def test_failure_while_writing_loses_nothing(arrays, tmp_path):
    data = Dataset.from_arrays(**arrays)
    data.write(tmp_path / "d.h5")
    before = (tmp_path / "d.h5").read_bytes()

    class Broken(Dataset):
        def __iter__(self):
            yield self[0]
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        Broken(list(data), data.ao).write(tmp_path / "d.h5", force=True)
    assert (tmp_path / "d.h5").read_bytes() == before
    assert os.listdir(tmp_path) == ["d.h5"]
    with pytest.raises(InputError, match="exists"):
        data.write(tmp_path / "d.h5")
    with pytest.raises(InputError, match="expected at least one structure to write"):
        Dataset([], AOBasis(AO)).write(tmp_path / "none.h5")


def test_a_file_replaced_behind_its_back_is_noticed(arrays, tmp_path):
    data = Dataset.from_arrays(**arrays)
    data.write(tmp_path / "a.h5")
    data[1:].write(tmp_path / "b.h5")
    opened = Dataset.open(tmp_path / "a.h5")
    shutil.copy(tmp_path / "b.h5", tmp_path / "a.h5")
    with pytest.raises(FileFormatError, match="replaced by another file"):
        opened[0]


def test_a_model_is_no_data_set(tmp_path):
    from linvop.io import hdf5

    with hdf5.write(tmp_path / "m.h5", "model", 1) as file:
        file["x"] = 1
    with pytest.raises(FileFormatError, match="expected a dataset, got a model"):
        Dataset.open(tmp_path / "m.h5")
    with hdf5.write(tmp_path / "d.h5", "dataset", 1) as file:
        file["x"] = 1
    with pytest.raises(FileFormatError, match=r"d\.h5: damaged"):
        Dataset.open(tmp_path / "d.h5")


def test_units_are_written_beside_the_numbers(arrays, tmp_path):
    Dataset.from_arrays(**arrays).write(tmp_path / "d.h5")
    with h5py.File(tmp_path / "d.h5") as file:
        columns = file["columns"]
        assert columns["energy"].attrs["unit"] == "eV"
        assert columns["fock"].attrs["unit"] == "Hartree"
        assert columns["dipole"].attrs["origin"] == "centre of nuclear charge"


def test_orbital_energies_alone_are_a_data_set():
    frames = [Atoms("OH2", positions=np.random.default_rng(k).normal(size=(3, 3))) for k in (0, 1)]
    levels = [np.arange(6.0), np.arange(7.0)]
    data = Dataset.from_observables(frames, orbital_energies=levels)
    assert len(data) == 2
    assert not data.has_ao
    np.testing.assert_array_equal(data[1].orbital_energies, levels[1])
    with pytest.raises(InputError, match="no AO basis"):
        _ = data.ao
    for bad, said in (
        (levels[:1], "those of 2 structures, got 1"),
        ([levels[0], np.arange(4.0)], "frame 1: expected at least 5 orbital energies"),
        ([levels[0][::-1], levels[1]], "frame 0: expected orbital energies from the lowest"),
        ([levels[0], np.full(6, np.nan)], "frame 1: expected at least 5 .* finite"),
    ):
        with pytest.raises(InputError, match=said):
            Dataset.from_observables(frames, orbital_energies=bad)
    frames[1].info["multiplicity"] = 3
    with pytest.raises(InputError, match="frame 1: expected a closed shell"):
        Dataset.from_observables(frames, orbital_energies=levels)
