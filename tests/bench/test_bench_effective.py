"""The bench of effective operators: beside the projected one, on held-out structures."""

from __future__ import annotations

import json

import pytest
from typer.testing import CliRunner

from linvop.bench import effective
from linvop.bench.cli import app
from linvop.errors import InputError

SMALL = {**effective.BASIS, "kappa": 1, "nu": 1, "max_degree": None, "pair_max_degree": 3}


def test_effective_operators_beat_projected_ones(monkeypatch):
    monkeypatch.setattr(effective, "BASIS", SMALL)
    result = CliRunner().invoke(
        app, ["effective", "--n-train", "30", "--n-test", "5", "--sizes", "12", "--json"]
    )
    assert result.exit_code == 0, result.output
    (table,) = json.loads(result.stdout)["tables"]
    projected, fewer, ours = table["rows"]
    assert (fewer["training"], ours["training"]) == (12, 30)
    for key in ("occupied, mHa", "LUMO, mHa", "both, mHa", "gap, mHa", "dipole, me A"):
        assert 0 < ours[key] < 0.2 * projected[key], key
    assert ours["projected / effective"] == pytest.approx(
        projected["both, mHa"] / ours["both, mHa"]
    )


def test_too_few_structures_are_refused():
    with pytest.raises(InputError, match=r"expected 500 \+ 20 structures with fock, orbital"):
        effective.measure_effective(None, n_train=500)
