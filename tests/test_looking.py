"""What `evaluate` and `inspect` say of data that are not what they should be."""

from __future__ import annotations

import json
from pathlib import Path

import ase.io
import numpy as np
import pytest
from ase import Atoms
from ase.build import molecule
from ase.calculators.singlepoint import SinglePointCalculator
from typer.testing import CliRunner

import linvop
from linvop.cli import app
from linvop.cli.models import FIT_HELP
from linvop.conventions import PROPERTY_UNITS, UNITS


def run(*arguments: object):
    return CliRunner().invoke(app, [str(a) for a in arguments])


def waters(n: int, seed: int = 0) -> list[Atoms]:
    rng = np.random.default_rng(seed)
    out = []
    for _ in range(n):
        atoms = Atoms("OH2", [[0, 0, 0], [0.96, 0, 0], [-0.24, 0.93, 0]])
        atoms.positions += 0.05 * rng.normal(size=(3, 3))
        bonds = np.linalg.norm(atoms.positions[1:] - atoms.positions[0], axis=1)
        energy = -2000 + 5 * float(((bonds - 0.96) ** 2).sum())
        atoms.calc = SinglePointCalculator(atoms, energy=energy)
        out.append(atoms)
    return out


@pytest.fixture(scope="module")
def model(tmp_path_factory) -> Path:
    path = tmp_path_factory.mktemp("model") / "m.h5"
    basis = linvop.Basis("sto-3g", kappa=1)
    linvop.PropertyModel(basis, "energy", linvop.Ridge(covariance=True)).fit(waters(40)).save(path)
    return path


def test_evaluate_says_what_the_calibration_leaves_out(model, tmp_path):
    h2 = molecule("H2")
    h2.calc = SinglePointCalculator(h2, energy=-31.0)
    ase.io.write(tmp_path / "mix.xyz", [*waters(5, seed=1), h2])
    done = run("evaluate", model, tmp_path / "mix.xyz")
    assert done.exit_code == 0, done.output
    text = " ".join(done.stdout.split())
    assert "energy: 1 of 6 structures without a finite standard deviation: left out" in text
    assert "mix.xyz: frame 5: composition H2 is no combination" in done.stderr
    ase.io.write(tmp_path / "h2.xyz", h2)
    done = run("evaluate", model, tmp_path / "h2.xyz", "--json")
    assert done.exit_code == 0, done.output
    assert json.loads(done.stdout)["energy"]["calibration"]["n_left_out"] == 1
    ase.io.write(tmp_path / "test.xyz", waters(5, seed=1))
    assert "left out" not in run("evaluate", model, tmp_path / "test.xyz").output


def test_evaluate_remarks_labels_in_another_unit(model, tmp_path):
    frames = waters(5, seed=1)
    ase.io.write(tmp_path / "eV.xyz", frames)
    assert "unit" not in run("evaluate", model, tmp_path / "eV.xyz").stderr
    for atoms in frames:
        atoms.calc.results["energy"] /= 27.2114
    ase.io.write(tmp_path / "Ha.xyz", frames)
    done = run("evaluate", model, tmp_path / "Ha.xyz")
    assert "Ha.xyz: energy: labels are 0.03675 times the predictions, as Hartree to eV" in (
        done.stderr
    )


def test_inspect_shows_distances_ranges_and_what_is_not_finite(tmp_path):
    frames = waters(4)
    for k, atoms in enumerate(frames):
        atoms.info.update(q=np.array([k, -k, np.nan if k == 2 else 1.0]), word="x")
    frames[1].positions[:] = [[0, 0, 0], [0.5, 0, 0], [0, 3, 0]]
    frames[1].calc = None
    ase.io.write(tmp_path / "a.xyz", frames)
    content = json.loads(run("inspect", tmp_path / "a.xyz", "--json").stdout)
    assert content["shortest_distance"] == {"Angstrom": 0.5, "atoms": "O 0 and H 1 of frame 1"}
    ranges = content["ranges"]
    assert set(ranges) == {"q", "energy"}
    assert ranges["q"] == {"from": -3, "to": 3, "not_finite": 1, "first_not_finite": "frame 2"}
    assert -2000 <= ranges["energy"]["from"] < ranges["energy"]["to"] < -1990
    assert content["keys"]["energy"] == 3
    ase.io.write(tmp_path / "atom.xyz", Atoms("He"))
    done = run("inspect", tmp_path / "atom.xyz")
    assert done.exit_code == 0, done.output
    assert "shortest_distance: None" in done.stdout


def test_help_of_fit_lists_the_units_and_says_what_paths_are_relative_to():
    for name in ("energy", "dipole", "polarizability"):
        for unit in UNITS[PROPERTY_UNITS[name]]:
            assert unit in FIT_HELP.partition("[data]")[0]
    assert "relative to the file" in run("fit", "--help").stdout
