"""The shipped waters are what the README of their folder says, and can be made again."""

from __future__ import annotations

import time

import numpy as np
import pytest

from linvop.data import make_water, water
from linvop.errors import InputError
from linvop.io.dataset import Dataset
from linvop.io.records import Record
from linvop.labelling.calculation import calculate
from linvop.labelling.settings import Settings
from linvop.sampling import sample_water


@pytest.fixture(scope="module")
def data() -> Dataset:
    return Dataset.open(water())


def test_size_and_contents(data):
    assert water().stat().st_size < 6_000_000
    counts = data.summary()["quantities"]
    all_of_them = ("energy", "forces", "dipole", "orbital_energies")
    assert [counts[q] for q in all_of_them] == [make_water.N_WATERS] * 4
    assert [counts[q] for q in ("fock", "density", "overlap")] == [make_water.N_MATRICES] * 3
    assert all(data[i].fock is not None for i in range(make_water.N_MATRICES))
    assert (data.settings["xc"], data.settings["ao"]) == ("pbe", "def2-svp")
    assert data.failed == []


def test_geometries_are_those_of_the_sampler(data):
    frames = sample_water(make_water.N_WATERS, make_water.SEED)
    for atoms, record in zip(frames, data, strict=True):
        np.testing.assert_array_equal(record.numbers, atoms.numbers)
        np.testing.assert_allclose(record.positions, atoms.positions, rtol=0, atol=1e-12)


@pytest.mark.parametrize("index", [0, 250])
def test_labels_come_out_again(data, index):
    record = data[index]
    settings = Settings(**{k: data.settings[k] for k in ("method", "xc", "ao", "grid_level")})
    bare = Record(numbers=record.numbers, positions=record.positions)
    again = calculate(bare, settings, matrices=record.fock is not None)
    assert again.energy == pytest.approx(record.energy, abs=1e-6)
    np.testing.assert_allclose(again.forces, record.forces, atol=1e-5)
    np.testing.assert_allclose(again.dipole, record.dipole, atol=1e-6)
    if record.fock is not None:
        np.testing.assert_allclose(again.fock, record.fock, atol=1e-6)


def test_opening_is_quick(data):
    """Well under 0.2 s; the best of three, as the machine may be busy."""
    times = []
    for _ in range(3):
        start = time.perf_counter()
        Dataset.open(water()).frames()
        times.append(time.perf_counter() - start)
    assert min(times) < 0.2


def test_the_command_makes_such_a_file(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(make_water, "N_WATERS", 1)
    out = tmp_path / "one.h5"
    assert make_water.main([str(out), "--workers", "1"]) == 0
    made, shipped = Dataset.open(out)[0], Dataset.open(water())[0]
    assert made.energy == pytest.approx(shipped.energy, abs=1e-6)
    assert make_water.main([str(out)]) == 2
    assert "--force" in capsys.readouterr().err
    with pytest.raises(InputError, match="exists"):
        make_water.make(out)
