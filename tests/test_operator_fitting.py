"""Fits of operators from files to files, on the command line."""

from __future__ import annotations

import json

import numpy as np
import pytest
from typer.testing import CliRunner

import linvop
from linvop.cli import app
from linvop.io.structures import write

CONFIG = """
[data]
train = "shipped:water"
n_train = 15
seed = 1
[basis]
ao = "6-31g"
kappa = 2
metric = "overlap"
nu_pair = [1, 0]
pair_max_degree = ["none", 5]
[targets]
fock = {}
"""


def run(*arguments: object):
    return CliRunner().invoke(app, [str(a) for a in arguments])


@pytest.fixture(scope="module")
def fitted(tmp_path_factory):
    folder = tmp_path_factory.mktemp("fit")
    (folder / "fit.toml").write_text(CONFIG)
    result = run("fit", folder / "fit.toml", "--json")
    assert result.exit_code == 0, result.output
    return folder, json.loads(result.stdout)


@pytest.mark.filterwarnings("ignore:.*blocks have no features")
def test_a_fit_writes_what_it_measured(fitted):
    folder, metrics = fitted
    assert {p.name for p in folder.iterdir()} == {
        "fit.toml",
        "model.h5",
        "metrics.json",
        "parity.png",
        "matrix_error.png",
        "orbital_energies.png",
        "density_of_states.png",
    }
    assert json.loads((folder / "metrics.json").read_text()) == metrics
    assert metrics["n_train"] == 15
    assert metrics["n_test"] == 105
    assert metrics["n_copies_left_out"] == 0
    assert 0 < metrics["test"]["all"]["mae"] < 0.1 * metrics["test"]["all"]["rms"]
    again = run("fit", folder / "fit.toml")
    assert again.exit_code == 2
    assert "exists" in again.output


def test_evaluate_and_inspect_say_the_same(fitted):
    folder, metrics = fitted
    found = run("evaluate", folder / "model.h5", linvop.data.water(), "--json")
    assert found.exit_code == 0, found.output
    errors = json.loads(found.stdout)
    assert set(errors["elements"]) == {"all", "H", "O", "H-H", "H-O"}
    assert set(errors["observables"]) == set(metrics["test_observables"])
    assert errors["observables"]["dipole"]["n"] == 120
    assert "180 of 300 structures have no fock and are left out" in found.stderr
    assert run("evaluate", folder / "model.h5", linvop.data.water()).exit_code == 0
    seen = run("inspect", folder / "model.h5", "--json")
    assert seen.exit_code == 0, seen.output
    content = json.loads(seen.stdout)
    assert content["kind"] == "operator model"
    assert content["training"]["test"] == metrics["test"]
    assert run("inspect", folder / "model.h5").exit_code == 0


@pytest.mark.filterwarnings("ignore:.*have no fock")
def test_energies_of_so_many_structures_when_asked(fitted, tmp_path):
    folder, _ = fitted
    waters = linvop.data.water()
    found = run("evaluate", folder / "model.h5", waters, "--energy", "--n-energy", "2", "--json")
    assert found.exit_code == 0, found.output
    energy = json.loads(found.stdout)["observables"]["energy"]
    assert energy["n"] == 2
    both = linvop.Dataset.open(waters).having("fock")[[0, 119]]  # the ends of an even spread
    expected = linvop.load(folder / "model.h5").score(both, energy=True)["energy"]
    assert energy["mae"] == pytest.approx(expected["mae"])
    frames = linvop.Dataset.open(waters).frames()[:8]
    property_model = linvop.PropertyModel(linvop.Basis("sto-3g", kappa=1), targets=("energy",))
    property_model.fit(frames).save(tmp_path / "p.h5")
    refused = run("evaluate", tmp_path / "p.h5", waters, "--energy")
    assert refused.exit_code == 2
    assert "--energy: for a model of operators" in refused.output


def test_evaluate_draws_if_asked_and_replaces_only_if_told(fitted, tmp_path):
    folder, _ = fitted
    few = linvop.Dataset.open(linvop.data.water())[:6]
    few.write(tmp_path / "few.h5")
    command = ("evaluate", folder / "model.h5", tmp_path / "few.h5", "--plot", tmp_path / "plots")
    found = run(*command)
    assert found.exit_code == 0, found.output
    made = {p.name: p.read_bytes() for p in (tmp_path / "plots").iterdir()}
    assert set(made) == {
        "parity.png",
        "matrix_error.png",
        "orbital_energies.png",
        "density_of_states.png",
    }
    assert all(content.startswith(b"\x89PNG") for content in made.values())
    again = run(*command)
    assert again.exit_code == 2
    assert "parity.png exists" in again.output
    assert run(*command, "--force").exit_code == 0


def test_predictions_are_a_data_set(fitted, tmp_path):
    folder, _ = fitted
    frames = linvop.Dataset.open(linvop.data.water()).frames()[:3]
    write(tmp_path / "in.xyz", frames)
    result = run("predict", folder / "model.h5", tmp_path / "in.xyz", tmp_path / "out.h5")
    assert result.exit_code == 0, result.output
    data = linvop.Dataset.open(tmp_path / "out.h5")
    model = linvop.load(folder / "model.h5")
    for record, atoms in zip(data, frames, strict=True):
        F = model.predict(atoms)
        np.testing.assert_allclose(record.fock, F, atol=1e-7)
        found = linvop.analyse(atoms, fock=F, ao="def2-svp")
        np.testing.assert_allclose(record.orbital_energies, found.orbital_energies, atol=1e-5)
        np.testing.assert_allclose(record.dipole, found.dipole, atol=1e-5)
    assert data.settings["predicted"] == "by a model of fock"
    config = CONFIG.replace("shipped:water", str(tmp_path / "out.h5")).replace("= 15", "= 2")
    (tmp_path / "again.toml").write_text(config)
    again = run("fit", tmp_path / "again.toml")
    said = " ".join(again.output.split())
    assert "its labels are no calculations but predictions by a model of fock" in said


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("predict", "MODEL", "WATER", "out.xyz"), "expected a name ending in .h5"),
        (("predict", "MODEL", "WATER", "out.h5", "--std"), "--std: operators have none"),
        (("evaluate", "MODEL", "WATER", "--target", "fock"), "--target: not for a model of oper"),
        (
            ("evaluate", "MODEL", "WATER", "--key", "energy=E"),
            "--key: not for a model",
        ),
        (("evaluate", "MODEL", "MODEL"), "expected a dataset, got an operator model"),
    ],
)
def test_bad_commands_are_refused(fitted, tmp_path, monkeypatch, arguments, message):
    folder, _ = fitted
    monkeypatch.chdir(tmp_path)
    named = {"MODEL": folder / "model.h5", "WATER": linvop.data.water()}
    result = run(*(named.get(a, a) for a in arguments))
    assert result.exit_code == 2
    assert message in result.output
    assert not list(tmp_path.iterdir())
