"""The commands run at small size, give JSON, and say clearly what is wrong with their input."""

from __future__ import annotations

import json
from functools import partial

import numpy as np
import pytest
from ase import Atoms
from ase.io import write
from typer.testing import CliRunner

from linvop.bench import columns, speed
from linvop.bench.cli import app
from linvop.bench.coupling_tables import coupling_tables_table
from linvop.bench.molecules import own_molecules
from linvop.bench.predictions import predictions_table
from linvop.bench.products import products_table
from linvop.bench.speed import TARGETS
from linvop.bench.startup import startup_table


def _run(*arguments: object):
    return CliRunner().invoke(app, [str(a) for a in arguments])


def _waters(path, n: int = 40) -> None:
    """Water molecules with labels from closed formulas under the keys of the published set."""
    rng = np.random.default_rng(0)
    frames = []
    for _ in range(n):
        a = Atoms("OH2", [[0, 0, 0], [0.96, 0, 0], [-0.24, 0.93, 0]])
        a.positions += 0.05 * rng.normal(size=(3, 3))
        bonds = a.positions[1:] - a.positions[0]
        a.info["energy_Ha"] = -76.0 + 0.2 * (np.linalg.norm(bonds, axis=1) ** 2).sum()
        a.info["dipole_au"] = bonds.sum(axis=0)
        a.info["alpha_au"] = 10 * np.eye(3) + bonds.T @ bonds
        a.info["dup_of"] = -1
        frames.append(a)
    frames.append(frames[0].copy())
    frames[-1].info["dup_of"] = 0
    write(path, frames, format="extxyz")


def test_speed_has_every_figure_and_writes_its_document(tmp_path, monkeypatch):
    monkeypatch.setattr(speed, "products_table", lambda rounds: products_table([4], rounds))
    small = partial(predictions_table, (None, 2.0), n_parts=1)
    monkeypatch.setattr(speed, "predictions_table", small)
    monkeypatch.setattr(speed, "startup_table", lambda: startup_table(1))
    monkeypatch.setattr(speed, "coupling_tables_table", lambda: coupling_tables_table(2, 2, 2, 5))
    few = columns.SETTINGS[:2] + columns.SETTINGS[-1:]
    monkeypatch.setattr(speed, "columns_table", lambda rounds: columns.columns_table(few, rounds))
    path, picture = tmp_path / "performance.md", tmp_path / "columns.png"
    size = "--n", 2, "--ao", "sto-3g", "--rounds", 1
    done = _run("speed", *size, "--json", "--write", path, "--picture", picture)
    assert done.exit_code == 0, done.output
    tables = {t["name"]: t for t in json.loads(done.stdout)["tables"]}
    assert set(tables) == {
        "speed",
        "plans",
        "threads",
        "products",
        "columns",
        "predictions",
        "coupling-tables",
        "forces",
        "start",
    }
    whole, near = tables["predictions"]["rows"]
    assert near["pairs"] < whole["pairs"] == 36
    rows = {row["what"]: row for row in tables["speed"]["rows"]}
    assert {name: row["target"] for name, row in rows.items() if row["target"]} == TARGETS
    assert all(row["ratio"] > 0 for row in rows.values())
    assert [row["threads"] for row in tables["threads"]["rows"]] == [1, 2]
    assert "import linvop" in path.read_text()
    assert [row["nu"] for row in tables["columns"]["rows"]] == [1, 1, 3]
    assert picture.read_bytes().startswith(b"\x89PNG")


def test_memory_is_that_of_a_process_of_its_own():
    done = _run("memory", "--n", 24, "--json")
    assert done.exit_code == 0, done.output
    (row,) = json.loads(done.stdout)["tables"][0]["rows"]
    assert row["molecules"] == 24
    assert row["columns"] > 21000
    assert row["design, GB"] < row["peak, GB"] < 1.5


def test_rows_on_the_disk(tmp_path):
    done = _run("streaming", "--n", 4000, "--p", 60, "--folder", tmp_path, "--json")
    assert done.exit_code == 0, done.output
    qr, evidence, loo = json.loads(done.stdout)["tables"][0]["rows"]
    assert qr["over QR"] == 1
    assert 0 < evidence["over QR"] < loo["over QR"]
    assert evidence["met"] in ("yes", "NO")
    assert list(tmp_path.iterdir()) == []
    done = _run("streaming", "--here", tmp_path / "none.npy", "qr")
    assert done.exit_code != 0


def test_large_structures(tmp_path):
    picture = tmp_path / "large.png"
    done = _run("large", "--sizes", "30,300", "--rounds", 1, "--picture", picture, "--json")
    assert done.exit_code == 0, done.output
    rows = json.loads(done.stdout)["tables"][0]["rows"]
    assert [row["atoms"] for row in rows] == 2 * [30, 300, 32, 302]
    assert all(0 < row["error"] < row["bound"] < 1e-6 for row in rows)
    bare = [row for row in rows if "screening" not in row["structure"]]
    assert all(row["int1e_nuc"] > row["both"] for row in bare if row["atoms"] >= 300)
    assert picture.read_bytes().startswith(b"\x89PNG")


def test_dask_workers():
    done = _run("dask", "--n", 400, "--rounds", 1, "--json")
    assert done.exit_code == 0, done.output
    (table,) = json.loads(done.stdout)["tables"]
    one, two = table["rows"]
    assert one["speed-up"] == 1
    assert two["speed-up"] == pytest.approx(one["s"] / two["s"])
    assert "400 rows x" in table["notes"][0]


def test_memory_with_forces():
    done = _run("memory", "--forces", "--n", 12, "--json")
    assert done.exit_code == 0, done.output
    (row,) = json.loads(done.stdout)["tables"][0]["rows"]
    assert (row["molecules"], row["rows"], row["columns"]) == (12, 12 * 28, 4209)
    assert row["design, GB"] < row["peak, GB"] < 1.5


@pytest.mark.filterwarnings("ignore:H has no features", "ignore:alpha at its lower bound")
def test_water_splits_without_copies(tmp_path):
    from linvop.bench.water import measure_water

    path = tmp_path / "water.xyz"
    _waters(path)
    table = measure_water(path, n_train=30, ao="sto-3g")
    assert [(row["resolution"], row["metric"]) for row in table.rows] == [
        *((r, m) for m in ("ao", "lowdin") for r in ("total", "species", "shell")),
        ("shell", "overlap"),
        ("shell", "lowdin"),
    ]
    assert [row["products to"] for row in table.rows] == [""] * 7 + ["nu 2, degree 6"]
    lowdin, products = table.rows[5], table.rows[7]
    assert int(products["columns"].split(";")[0]) > int(lowdin["columns"].split(";")[0])
    assert [row["targets met"].count(";") for row in table.rows] == [0, 0, 1, 0, 0, 1, 1, 1]
    assert "30 training and 10 test structures" in table.notes[0]
    assert "the 1 copies" in table.notes[0]


@pytest.mark.filterwarnings("ignore:H has no features")
def test_ao_writes_its_table_and_picture(tmp_path, monkeypatch):
    from linvop.bench import ao

    title, tree = ao.SCANS["water"]
    small = {"ao": ["sto-3g", "linvop-sv"], "kappa": [1, 2], "n_timed": 2}
    tree = {**tree, "data": {**tree["data"], "n_train": 30}, "scan": small}
    monkeypatch.setattr(ao, "SCANS", {"water": (title, tree)})
    (tmp_path / "water_monomer").mkdir()
    _waters(tmp_path / "water_monomer/water_monomer_1000.xyz")
    document = tmp_path / "docs.md"
    arguments = ("ao", "--data", tmp_path, "--work", tmp_path / "work", "--write", document)
    done = _run(*arguments, "--json")
    assert done.exit_code == 0, done.output
    (table,) = json.loads(done.stdout)["tables"]
    settings = {row["setting"] for row in table["rows"]} - {""}
    assert settings == {f"{s}, kappa {k}" for s in ("sto-3g", "linvop-sv") for k in (1, 2)}
    text = document.read_text()
    assert all(name in text for name in settings)
    picture = (tmp_path / "work/water/scan.png").read_bytes()
    assert "(scan_water.png)" in text
    assert (tmp_path / "scan_water.png").read_bytes() == picture
    assert _run(*arguments).exit_code == 0  # once more: replaced, nothing measured anew
    assert document.read_text().count("linvop bench: ao-water") == 1


def _molecules(path, n: int, seed: int) -> None:
    frames = own_molecules(n, seed=seed)
    for a in frames:
        a.info["energy"] = float(-30 * a.numbers.sum() + np.exp(-a.get_all_distances()).sum())
    write(path, frames, format="extxyz")


@pytest.mark.filterwarnings("ignore:H has no", "ignore:alpha at its", "ignore:.*only ones")
def test_ethanol_says_in_one_line_that_ace_is_missing(tmp_path):
    from linvop.bench.ace import MISSING
    from linvop.bench.ethanol import measure_ethanol

    _molecules(tmp_path / "train.xyz", 20, 0)
    _molecules(tmp_path / "test.xyz", 5, 1)
    cases = {"small": {"ao": "sto-3g", "resolution": "species"}}
    table = measure_ethanol(tmp_path, linvop=cases, soap=())
    assert [row["model"] for row in table.rows] == ["linvop, small"]
    assert "20 training and 5 test structures" in table.notes[0]
    assert table.notes[-1] == MISSING
    assert "\n" not in MISSING


@pytest.mark.filterwarnings("ignore:Basis may be available")
@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("accuracy", "--data", "nowhere"), "expected water_monomer/water_monomer_1000.xyz"),
        (("accuracy", "--data", "nowhere", "--only", "qm7-1000"), "expected qm7/qm7_7101.xyz.gz"),
        (
            ("accuracy", "--data", "nowhere", "--only", "ethanol"),
            "expected rmd17_ethanol/train.xyz",
        ),
        (("accuracy", "--data", "nowhere", "--only", "benzene"), "got benzene"),
        (("ao", "--data", "nowhere"), "expected water_monomer/water_monomer_1000.xyz in it"),
        (("ao", "--data", "nowhere", "--only", "benzene"), "got benzene"),
        (("speed", "--n", 0), "expected at least 1 molecule, got 0"),
        (("speed", "--molecules", "nowhere.xyz"), "nowhere.xyz: no such file"),
        (("speed", "--n", 1, "--ao", "nonsense"), "nonsense"),
        (("speed", "--write", "nowhere/speed.md"), "the folder nowhere does not exist"),
        (("memory", "--n", 10, "--data", "nowhere"), "expected qm7/qm7_7101.xyz.gz"),
        (("streaming", "--folder", "nowhere"), "expected a folder that exists"),
        (("large", "--sizes", "30,x"), "expected positive integers with commas between"),
        (("dask", "--data", "nowhere"), "expected qm7/qm7_7101.xyz.gz in it"),
        (("memory", "--forces", "--data", "nowhere"), "expected rmd17_aspirin/train.xyz"),
    ],
)
def test_bad_input_is_one_line_and_exit_code_2(arguments, message):
    done = _run(*arguments)
    assert done.exit_code == 2
    (line,) = [x for x in done.stderr.splitlines() if x.startswith("error:")]
    assert message in line
    assert "Traceback" not in done.output


@pytest.mark.parametrize("command", ["speed", "accuracy", "ao", "memory", "gpu"])
def test_help_has_an_example(command):
    done = _run(command, "--help")
    assert done.exit_code == 0
    assert f"linvop bench {command}" in done.stdout
