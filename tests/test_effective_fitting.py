"""`linvop fit`, `evaluate`, `predict` and `inspect` of effective operators."""

from __future__ import annotations

import json

import ase.io
import pytest
from typer.testing import CliRunner

import linvop
from linvop.cli.app import app

CONFIG = """
[data]
train = "shipped:water"
n_train = 30
[basis]
ao = "linvop-sv"
kappa = 1
metric = "lowdin"
nu_pair = [1, 0]
pair_max_degree = ["none", 3]
[targets.effective]
ao = "sto-3g"
quantities = ["orbital_energies", "dipole"]
steps = 12
tolerance = 0.5
[output]
dir = "out"
"""


def run(*arguments: object):
    return CliRunner().invoke(app, [str(a) for a in arguments])


@pytest.fixture(scope="module")
def fitted(tmp_path_factory):
    folder = tmp_path_factory.mktemp("effective")
    (folder / "config.toml").write_text(CONFIG)
    done = run("fit", folder / "config.toml")
    assert done.exit_code == 0, done.output
    return folder, done.output


def test_a_fit_writes_what_it_measured(fitted):
    folder, said = fitted
    assert {p.name for p in (folder / "out").iterdir()} == {
        "model.h5",
        "metrics.json",
        "parity.png",
    }
    metrics = json.loads((folder / "out/metrics.json").read_text())
    assert metrics["n_train"] == 30
    assert metrics["test"]["dipole"]["n"] == metrics["n_test"] == 270
    ours, before = metrics["test"]["occupied and LUMO"], metrics["projected"]["occupied and LUMO"]
    assert ours["rmse"] < before["rmse"] / 5
    assert "projected operator" in said


def test_the_model_is_used_like_any_other(fitted, tmp_path):
    folder, _ = fitted
    model = folder / "out/model.h5"
    metrics = json.loads((folder / "out/metrics.json").read_text())
    data = linvop.Dataset.open(linvop.data.water())
    ase.io.write(tmp_path / "some.xyz", data.frames()[:3])
    done = run("predict", model, tmp_path / "some.xyz", tmp_path / "out.h5", "--json")
    assert done.exit_code == 0, done.output
    assert linvop.Dataset.open(tmp_path / "out.h5")[0].fock.shape == (7, 7)
    done = run("evaluate", model, linvop.data.water(), "--json")
    assert done.exit_code == 0, done.output
    assert json.loads(done.stdout)["LUMO"]["n"] == 300
    found = json.loads(run("inspect", model, "--json").stdout)
    assert found["kind"] == "effective operator model"
    assert found["targets"] == ["orbital_energies", "dipole"]
    assert found["training"]["test"] == metrics["test"]
    assert "sto-3g" in run("inspect", model).output.lower()


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("steps = 12", "stepps = 12", "effective.stepps"),
        ('quantities = ["orbital_energies", "dipole"]', 'quantities = ["gap"]', "gap"),
        ("n_train = 30", "n_train = 900", "n_train = 900"),
        ('"shipped:water"', '"none.h5"', "none.h5"),
        ("[targets.effective]", "[targets.fock]\n[targets.effective]", "alone"),
    ],
)
def test_bad_configurations_are_one_line(tmp_path, old, new, said):
    assert old in CONFIG
    (tmp_path / "c.toml").write_text(CONFIG.replace(old, new))
    done = run("fit", tmp_path / "c.toml")
    assert done.exit_code == 2
    assert said in done.output
    assert len(done.output.strip().splitlines()) == 1
    assert not (tmp_path / "out").exists()
