"""Laws of what is made of block norms, and of the verdicts."""

from __future__ import annotations

import json
import math

import numpy as np
import pytest

from linvop.integrals import System, overlap
from linvop.observables.block_norms import BlockNorms, norms_of
from linvop.observables.truncation import beyond
from linvop.sampling import alkane
from paper_reproduction.block_decay import (
    binned_medians,
    common_pairs,
    correlation,
    decay_length,
    dropped_part,
)
from paper_reproduction.locality import _UNITS, _WAYS, draw
from paper_reproduction.locality_claims import QUANTITIES, claims, compared, notes


def falling(length: float, seed: int = 0, noise: float = 0.0) -> BlockNorms:
    """Norms that fall exactly, with another constant for each pair of species."""
    rng = np.random.default_rng(seed)
    pair = np.array(["H", "H-O", "O-O"])[rng.integers(0, 3, 300)]
    R = np.where(pair == "H", 0.0, rng.uniform(1.0, 9.0, 300))
    norm = np.where(pair == "O-O", 3.0, 0.2) * np.exp(-R / length + noise * rng.normal(size=300))
    return BlockNorms(
        "V", "ao", "Hartree", np.zeros(300, int), np.zeros((300, 2), int), pair, R, norm
    )


def test_a_decay_length_is_found_whatever_the_species():
    assert decay_length(falling(0.7)) == pytest.approx(0.7)
    assert decay_length(falling(-2.0)) == math.inf


def test_correlation_is_of_the_logarithms():
    assert correlation(falling(0.7), falling(0.5)) == pytest.approx(1.0)
    assert correlation(falling(0.7), falling(0.7, noise=3.0)) < 0.95


def test_medians_are_within_their_bands_and_of_pairs_alone():
    norms = falling(0.7, noise=0.3)
    assert set(common_pairs(norms, 4)) == {"H-O", "O-O"}
    found = binned_medians(norms, "O-O")
    assert (np.diff(found["distance"]) > 0).all()
    for low, median, high in zip(found["low"], found["median"], found["high"], strict=True):
        assert low <= median <= high


def test_dropped_part_is_that_of_the_matrix():
    system = System.from_atoms(alkane(3), "sto-3g")
    S = overlap(system)
    norms = norms_of(S, system, name="S", orbitals="ao", unit="")
    cutoffs = [1.2, 2.0, 50.0]
    expected = [np.linalg.norm(S[beyond(system, c)]) / np.linalg.norm(S) for c in cutoffs]
    np.testing.assert_allclose(dropped_part(norms, cutoffs), expected, rtol=1e-3, atol=1e-15)


def rows(errors: dict[str, float], failed: str = "") -> list[dict]:
    """Two cutoffs, errors a tenth at the second."""
    return [
        {
            "orbitals": orbitals,
            "quantity": quantity,
            "matrix": way,
            "cutoff": cutoff,
            "mae": None if way == failed else errors[way] * factor,
            "n_failed": 2 * (way == failed),
        }
        for orbitals in ("ao", "lowdin")
        for quantity in QUANTITIES
        for way in _WAYS
        for cutoff, factor in ((2.0, 1.0), (3.0, 0.1))
    ]


def system(truncation: list[dict], F: float = 0.5, P: float = 0.9) -> dict:
    binned = {"distance": [1.0, 2.0], "low": [0.5, 0.05], "median": [1.0, 0.1], "high": [2.0, 0.2]}
    keys = [f"{o} {m}" for o in ("ao", "lowdin") for m in "VFP"]
    return {
        "pairs": ["H-O"],
        "norms": {key: {"H-O": binned} for key in keys},
        "dropped": {key: [P, P / 9] if key.endswith("P") else [F, F / 9] for key in keys},
        "decay": {key: P if key.endswith("P") else F for key in [*keys, "ao S"]},
        "V like S": 0.99,
        "truncation": truncation,
    }


ERRORS = {"F": 1.0, "F, over known": 0.5, "P, purified": 2.0, "P, as it is": 3.0}


def verdicts(one: dict) -> list[str]:
    return [c.verdict for c in claims({"water": one})]


def test_verdicts_follow_the_numbers():
    assert verdicts(system(rows(ERRORS))) == ["agrees"] * 6
    worse = system(rows(ERRORS | {"F": 2.5}))
    assert verdicts(worse) == ["agrees"] * 3 + ["differs"] * 2 + ["agrees"]
    wide = system(rows(ERRORS), F=1.1)
    assert verdicts(wide)[:3] == ["differs", "agrees", "differs"]


def test_what_has_no_properties_has_lost():
    found = rows(ERRORS, failed="F")
    assert compared(found, ("F", "ao"), ("P, purified", "ao"), "dipole")[0] == (math.inf, 2.0)
    assert verdicts(system(found))[3] == "differs"


def test_where_nothing_is_dropped_nobody_wins():
    found = rows(dict.fromkeys(ERRORS, 1.0))
    for r in found:
        r["mae"] = 1e-13 if r["cutoff"] == 3.0 else r["mae"]
    assert len(compared(found, ("F", "ao"), ("P, purified", "ao"), "energy")) == 1


def test_it_draws_from_json_and_says_what_failed():
    systems = {"water": system(rows(ERRORS, failed="P, purified"))}
    figure = draw(json.loads(json.dumps({"systems": systems})))
    assert len(figure.axes) == 6
    assert "water 8" in notes(systems, 6.0)[-1]
    assert set(_UNITS) == set(QUANTITIES)


def test_reasons_are_given_for_what_differs_alone():
    agrees, differs = (system(rows(ERRORS | {"F": F})) for F in (1.0, 2.5))
    assert len(notes({"water": agrees}, 6.0)) + 2 == len(notes({"water": differs}, 6.0))
