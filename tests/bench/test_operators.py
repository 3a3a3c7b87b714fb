"""The bench of operator models: what its rows say, and that products pay."""

from __future__ import annotations

import json

import pytest
from typer.testing import CliRunner

from linvop.bench.cli import app
from linvop.bench.operator_models import MODELS, default_models
from linvop.bench.operator_peers import MISSING, PEERS
from linvop.bench.operators import measure_operators
from linvop.errors import InputError

PAPER = "plain powers, kappa 3"
OURS = "products, lowdin, orthogonal"


def test_products_by_shell_beat_plain_powers_on_shipped_waters():
    report = measure_operators(
        None, n_train=30, n_test=5, n_scf=1, sizes=(15,), models=(PAPER, OURS)
    )
    fits, scf = report.tables
    paper, ours, fewer = fits.rows
    assert (paper["training"], ours["training"], fewer["training"]) == (30, 30, 15)
    for key in ("MAE", "occupied, meV", "LUMO, meV", "dipole, me A", "charges, me"):
        assert 0 < ours[key] < 0.2 * paper[key], key
    assert ours["MAE"] < fewer["MAE"]
    for row in fits.rows:  # what is said of all elements lies between its parts
        parts = sorted([row["MAE on site"], row["MAE between"]])
        assert parts[0] <= row["MAE"] <= parts[1]
    counts = {row["guess"]: row["iterations"] for row in scf.rows}
    assert counts["linvop"] < counts["minao"]
    assert counts["linvop, a tenth of its error"] <= counts["linvop, half of its error"]
    assert counts["linvop, half of its error"] <= counts["linvop"]


def test_the_peer_stands_beside_them():
    pytest.importorskip("featomic", reason="needs featomic: pip install 'linvop[peers]'")
    peer = next(iter(PEERS))
    spectra = list(PEERS)[-1]
    assert set(list(PEERS)[:3]) < set(default_models()) < {*PEERS, *MODELS}
    assert all("F of atoms" not in m for m in default_models())
    (table,) = measure_operators(None, n_train=12, n_test=3, models=(PAPER, peer, spectra)).tables
    paper, row, more = table.rows
    assert row["model"] == peer
    assert 1000 < row["columns"] < more["columns"]
    for each in (row, more):
        assert 0 < each["MAE"] < 0.2 * paper["MAE"]
    assert "featomic's densities" in table.notes[-2]
    assert "principal components" in table.notes[-1]


def test_without_featomic_the_peer_is_missing_and_said_to_be(monkeypatch):
    monkeypatch.setattr("linvop.bench.operator_peers.find_spec", lambda name: None)
    assert PAPER in default_models()
    assert set(default_models()) < set(MODELS)
    (table,) = measure_operators(None, n_train=12, n_test=2, models=(PAPER,)).tables
    assert MISSING in table.notes


def test_the_command_prints_what_was_measured():
    sizes = ["--n-train", "12", "--n-test", "3", "--n-energy", "1"]
    result = CliRunner().invoke(app, ["operators", *sizes, "--models", PAPER, "--json"])
    assert result.exit_code == 0, result.output
    (table,) = json.loads(result.stdout)["tables"]
    assert table["rows"][0]["model"] == PAPER
    assert table["rows"][0]["MAE"] > 0
    assert table["rows"][0]["energy, meV"] > 0
    assert table["rows"][0]["occupied of F[P], meV"] > 0
    assert any("Energy of 1 test structures" in note for note in table["notes"])


def test_what_is_measured_is_kept_though_the_run_fails_later(tmp_path, monkeypatch):
    def fail(*arguments, **settings):
        raise InputError("SCF: no luck")

    monkeypatch.setattr("linvop.scf.compare_guesses", fail)
    out = tmp_path / "operators.md"
    run = ["--n-train", "12", "--n-test", "2", "--n-scf", "1", "--models", PAPER]
    result = CliRunner().invoke(app, ["operators", *run, "--write", str(out)])
    assert result.exit_code == 2
    assert "no luck" in result.output
    assert PAPER in out.read_text()
    assert "<!-- end: fock-shipped waters -->" in out.read_text()


def test_features_in_an_ao_set_of_their_own_and_density_targets():
    label = "products in def2-TZVP, overlap, orthogonal"
    fits, scf = measure_operators(
        None, target="density", n_train=50, n_test=2, n_scf=1, n_energy=1, models=(PAPER, label)
    ).tables
    paper, ours = fits.rows
    for key in ("MAE", "dipole, me A", "energy, meV", "occupied of F[P], meV"):
        assert 0 < ours[key] < 0.5 * paper[key], key
    assert "occupied, meV" not in ours
    assert scf.name == "scf-density-water"
    assert scf.title.endswith("(density matrices)")


def test_bad_settings_are_refused():
    with pytest.raises(InputError, match=r"expected 500 \+ 20 structures with fock, got 120"):
        measure_operators(None, n_train=500)
    with pytest.raises(InputError, match=f"expected some of {PAPER}.*got best"):
        measure_operators(None, models=("best",))
    assert OURS in MODELS
    result = CliRunner().invoke(app, ["operators", "--sizes", "ten"])
    assert result.exit_code == 2
    assert "--sizes: expected numbers" in result.output
