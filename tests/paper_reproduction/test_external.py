"""`linvop data`: what a folder has, lacks, or has wrong."""

from __future__ import annotations

import json

import ase.io
import numpy as np
import pytest
from ase.build import molecule
from typer.testing import CliRunner

from linvop.cli import app
from linvop.errors import InputError
from paper_reproduction import external


@pytest.fixture
def small(monkeypatch, tmp_path):
    """A folder with waters, of which five are enough."""
    from dataclasses import replace

    monkeypatch.setitem(external.SETS, "water", replace(external.SETS["water"], n=5))
    path = tmp_path / external.SETS["water"].files[0]
    path.parent.mkdir()

    def write(n=5, name="H2O", **more):
        frames = []
        for _ in range(n):
            atoms = molecule(name)
            atoms.info |= {"energy_Ha": -76.0, "dipole_au": np.array([0.0, 0.0, 0.7])} | more
            frames.append(atoms)
        ase.io.write(path, frames, format="extxyz")
        return tmp_path

    return write


def state(folder, name="water"):
    return next(one for one in external.check_folder(folder) if one.name == name)


def test_a_complete_set(small):
    folder = small()
    assert state(folder).state == "complete"
    frames = external.read_set("water", folder)
    assert frames[0].get_potential_energy() == pytest.approx(-76.0 * 27.211386, rel=1e-6)
    assert state(folder, "QM7").state == "absent"
    assert external.read_set("QM7", folder) is None


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"n": 4}, "at least 5 structures, got 4"),
        ({"name": "CH4"}, "expected elements H O, got C"),
        ({"energy_Ha": "much"}, "energy"),
    ],
)
def test_a_wrong_set_is_told_apart_and_exits_with_2(small, given, said):
    folder = small(**given)
    one = state(folder)
    assert one.state == "wrong"
    assert said in one.note
    with pytest.raises(InputError):
        external.read_set("water", folder)
    found = CliRunner().invoke(app, ["data", str(folder), "--json"])
    assert found.exit_code == 2
    assert json.loads(found.stdout)[0]["state"] == "wrong"


def test_a_folder_that_is_not_there(tmp_path):
    with pytest.raises(InputError, match="expected a folder"):
        external.check_folder(tmp_path / "none")


def test_every_set_is_explained():
    found = CliRunner().invoke(app, ["data"])
    assert found.exit_code == 0
    for one in external.SETS.values():
        assert one.source in found.stdout
        assert one.files[0] in found.stdout
