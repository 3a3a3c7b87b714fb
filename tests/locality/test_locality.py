"""``linvop locality``: from files to files, on waters, structures without labels, bad input."""

from __future__ import annotations

import csv
import json

import numpy as np
import pytest
from ase import Atoms
from typer.testing import CliRunner

import linvop
from linvop.cli import app
from linvop.io.records import Record
from linvop.io.structures import write
from linvop.locality.settings import default_cutoffs


def run(*arguments: object):
    return CliRunner().invoke(app, ["locality", *(str(a) for a in arguments)])


@pytest.fixture(scope="module")
def measured(tmp_path_factory):
    folder = tmp_path_factory.mktemp("locality") / "out"
    found = run("--n", 4, "--cutoffs", "1.2,0.5,3", "--out", folder, "--json")
    assert found.exit_code == 0, found.output
    return folder, json.loads(found.stdout)


def test_waters_are_measured_by_default(measured):
    folder, result = measured
    assert {p.name for p in folder.iterdir()} == {
        "locality.json",
        "block_norms.csv",
        "block_norms.png",
        "truncation.csv",
        "truncation_ao.png",
        "truncation_lowdin.png",
    }
    assert json.loads((folder / "locality.json").read_text()) == result
    assert result["structures"] == [0, 30, 60, 90]  # of the 120 with matrices
    assert result["cutoffs"] == [0.5, 1.2, 3.0]
    assert (result["ao"], result["labels"]["xc"]) == ("def2-svp", "pbe")
    norms = list(csv.DictReader((folder / "block_norms.csv").open()))
    assert len(norms) == 4 * 6 * 3 * 2  # structures, pairs, V F P, two kinds of orbitals
    rows = list(csv.DictReader((folder / "truncation.csv").open()))
    assert len(rows) == len(result["truncation"])


def test_rows_say_what_was_measured(measured):
    _, result = measured
    rows = {
        (r["orbitals"], r["quantity"], r["matrix"], r["cutoff"]): r for r in result["truncation"]
    }
    dipole = rows["ao", "dipole", "P, purified", 1.2]
    assert (dipole["n"], dipole["unit"], dipole["n_failed"]) == (4, "e*Angstrom", 0)
    assert rows["lowdin", "lowdin charges", "F", 1.2]["n"] == 12
    assert rows["ao", "occupied orbital energies", "F", 1.2]["n"] == 20
    # At 3 Angstrom a water is whole; P alone has no orbital energies without a functional.
    assert all(r["max"] < 1e-6 for key, r in rows.items() if key[3] == 3.0)
    assert ("ao", "HOMO", "P, purified", 1.2) not in rows
    assert not any(r["quantity"] == "energy" for r in result["truncation"])
    for orbitals in ("ao", "lowdin"):
        for matrix in ("F", "F, over known", "P, as it is"):
            lost = [rows[orbitals, "dropped norm", matrix, c]["mae"] for c in (0.5, 1.2, 3.0)]
            assert lost[0] > lost[1] > lost[2]
    assert rows["lowdin", "electrons", "P, as it is", 0.5]["max"] < 1e-9
    assert rows["ao", "electrons", "P, as it is", 0.5]["mae"] > 0.5


def test_tables_and_inspect_show_it(measured, tmp_path):
    folder, _ = measured
    found = CliRunner().invoke(app, ["inspect", str(folder / "locality.json")])
    assert found.exit_code == 0, found.output
    for word in ("between atomic orbitals", "between Lowdin orbitals", "dipole (me*Angstrom)"):
        assert word in " ".join(found.stdout.split())
    again = run("--out", folder)
    assert again.exit_code == 2
    assert "exists" in again.output


def test_structures_without_labels_have_v(tmp_path):
    frames = [Atoms("OH2", positions=[[0, 0, 0], [0, 0.76, 0.6], [0, -0.76, 0.6 + 0.1 * k]])
              for k in range(3)]  # fmt: skip
    write(tmp_path / "a.xyz", frames)
    found = run(tmp_path / "a.xyz", "--ao", "sto-3g", "--out", tmp_path / "out")
    assert found.exit_code == 0, found.output
    assert "block norms of V only" in " ".join(found.stdout.split())
    made = {p.name for p in (tmp_path / "out").iterdir()}
    assert made == {"locality.json", "block_norms.csv", "block_norms.png"}
    rows = list(csv.DictReader((tmp_path / "out/block_norms.csv").open()))
    assert {r["matrix"] for r in rows} == {"V"}
    assert len(rows) == 3 * 6 * 2


def test_default_cutoffs_cover_all_distances():
    for end in (1.0, 1.7, 4.3, 12.0, 37.0, 700.0):
        atoms = np.array([[0, 0, 0], [0, 0, 0.95], [0, 0, end]])
        cutoffs = default_cutoffs([Record(numbers=np.array([8, 1, 1]), positions=atoms)])
        assert 2 <= len(cutoffs) <= 9
        assert cutoffs[-1] >= end
        assert np.all(np.diff(cutoffs) > 0)
        if end < 4:
            assert cutoffs[0] < 0.95


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("no.h5",), "no.h5"),
        (("--cutoffs", "2;3"), "--cutoffs 2;3: expected distances in Angstrom such as 2,3,4.5"),
        (("--cutoffs", "2,-3"), "cutoffs: expected positive distances (Angstrom), got -3.0"),
        (("--cutoffs", "nan"), "expected positive distances"),
        (
            ("--ao", "sto-3g"),
            "which is def2-svp; expected no other, got 'sto-3g'",
        ),
        (("--xc", "nonsense"), "PySCF does not know 'nonsense'"),
        (("--out", "a-file"), "a-file"),
    ],
)
def test_bad_input_is_one_line(tmp_path, monkeypatch, arguments, message):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "a-file").write_text("")
    found = run(*arguments)
    assert found.exit_code == 2
    assert message in " ".join(found.output.split())
    assert [p.name for p in tmp_path.iterdir()] == ["a-file"]


def test_open_shells_are_measured(tmp_path):
    from linvop.integrals import System, overlap, potential

    atoms = Atoms("OH", positions=[[0, 0, 0], [0, 0, 1.0]])
    atoms.info["spin_mult"] = 2
    system = System.from_atoms(atoms, "6-31g")
    V = potential(system, screening=0.3)
    S = overlap(system)
    F = np.stack([V, 0.98 * V])
    P = linvop.analyse(atoms, fock=F, ao="6-31g").density
    data = linvop.Dataset.from_arrays([atoms], "6-31g", overlap=[S], fock=[F], density=[P])
    data.write(tmp_path / "oh.h5")
    found = run(tmp_path / "oh.h5", "--cutoffs", "0.5,2", "--out", tmp_path / "out", "--json")
    assert found.exit_code == 0, found.output
    rows = json.loads(found.stdout)["truncation"]
    homo = [r for r in rows if (r["quantity"], r["cutoff"]) == ("HOMO", 0.5)]
    assert homo
    assert all(r["n"] + 2 * r["n_failed"] == 2 for r in homo)
