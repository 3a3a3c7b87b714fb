"""Properties: splits that are honest, claims that the numbers decide, a picture of JSON alone."""

import json

import numpy as np
import pytest
from ase.build import molecule

from paper_reproduction.contests import Contest
from paper_reproduction.lessons import Lesson
from paper_reproduction.properties import draw
from paper_reproduction.properties_claims import claims_of, notes_of


def _lesson(frames, n_test):
    labels = {"energy": np.arange(float(len(frames)))}
    one = {"energy": 1.0}
    return Lesson(
        "QM7",
        "G2",
        ("energy",),
        "some",
        Contest(frames, labels),
        (2, 4),
        n_test,
        one,
        {"energy": "eV"},
    )


@pytest.fixture
def frames():
    out = []
    for k, name in enumerate(["CH4", "H2O", "NH3", "C2H6", "CH3OH", "C2H4", "CH3SH", "CO2"] * 2):
        atoms = molecule(name)
        atoms.positions *= 1 + 0.01 * k
        out.append(atoms)
    return [*out, out[0].copy()]


def test_larger_training_sets_hold_the_smaller_and_leave_the_test_alone(frames):
    lesson = _lesson(frames, 6)
    pairs = [list(lesson.splits(size, 3)) for size in (2, 8)]
    for (small, few), (large, more) in zip(*pairs, strict=True):
        assert set(small) < set(large)
        assert not set(large) & set(more)
        assert set(few) <= set(more)
        assert len(frames) - 1 not in {*large, *more}  # the copy


def test_no_test_on_elements_that_were_not_seen(frames):
    lesson = _lesson(frames, 6)
    left_out = 0
    for train, test in lesson.splits(3, 5):
        seen = {z for k in train for z in frames[k].numbers}
        assert all(seen >= set(frames[k].numbers) for k in test)
        left_out += 6 - len(test)
    assert left_out > 0


@pytest.fixture
def numbers():
    def curve(*errors):
        rmse = [[e, 1.2 * e] for e in errors]
        return {
            "settings": "some",
            "columns": 5,
            "rmse": rmse,
            "mae": rmse,
            "left out": [list(of_size) for of_size in rmse],
            "rarity": [[0.0, 10.0] for _ in errors],
            "rmse by rarity": [[[1.1 * e, e]] * 2 for e in errors],
        }

    def lesson(name, target, peer):
        ao = {"sto-3g": {"columns": 2, "rmse": [3.0]}, "6-31g": {"columns": 4, "rmse": [2.0]}}
        return {
            "name": name,
            "words": "some structures",
            "sizes": [10, 20],
            "rarities": [0.0, 10.0],
            "n_test": 5,
            "units": {target: "1e-3 e Å"},
            "spread": {target: 100.0},
            "curves": {
                target: {
                    "plain powers": curve(10.0, 9.5),
                    "plain powers, on site": curve(20.0, 12.0),
                    "shell": curve(4.0, 3.0),
                    "products": curve(3.0, 1.0),
                    peer: curve(5.0, 2.0),
                }
            },
            "ao_sets": {target: {"plain powers": ao, "shell": ao}},
        }

    return {
        "water energy": lesson("water", "energy", "SOAP"),
        "QM7 dipole": lesson("QM7", "dipole", "lambda-SOAP"),
    }


def test_draw_needs_the_json_alone(numbers):
    figure = draw(json.loads(json.dumps(numbers)))
    assert len(figure.axes) == 4
    assert all(ax.get_xlabel() and ax.get_ylabel() for ax in figure.axes)


def test_claims_are_decided_by_the_numbers(numbers):
    verdicts = [c.verdict for c in claims_of(numbers)]
    # Plain powers against peers; larger AO sets; linvop against both plain powers, peers, and
    # rarity chosen against none.
    assert verdicts == [*["differs"] * 2, *["agrees"] * 2, *["agrees"] * 8]
    curves = numbers["water energy"]["curves"]["energy"]
    curves["products"]["rmse"][-1] = [3.0, 3.0]
    curves["products"]["rmse by rarity"] = [[[1.0, 3.0]] * 2] * 2
    claims = claims_of(numbers)
    assert [c.verdict for c in claims[4:8]] == ["differs", "differs", "differs", "differs"]
    # Which of linvop's counts is not for the test set to say.
    curves["shell"]["rmse"][-1] = [0.1, 0.1]
    assert "(products)" in claims_of(numbers)[4].found
    notes = " ".join(notes_of(numbers))
    assert "plain powers hardly learn more" in notes
    assert "plain powers, on site hardly learn more" not in notes
    assert "shell 2 of 4" in notes


def test_many_more_structures_have_claims_and_a_curve_of_their_own(numbers):
    x = numbers["QM7 dipole"]
    curves = {
        kind: {
            key: [split[:1] for split in c[key]] for key in ("rmse", "mae", "rarity", "left out")
        }
        | {"settings": "some", "columns": 5}
        for kind, c in x["curves"]["dipole"].items()
        if "SOAP" not in kind
    }
    before = len(claims_of(numbers))
    x["more"] = {"words": "all", "sizes": [30, 70], "n_test": 9, "curves": curves}
    assert len(claims_of(numbers)) == before + 2
    assert all("70 structures" in c.text for c in claims_of(numbers)[-2:])
    assert "with 30, 70 structures, plain powers 10, 9.5" in " ".join(notes_of(numbers))
    assert max(line.get_xdata()[-1] for line in draw(numbers).axes[1].lines) == 70


def test_without_peers_their_claims_are_not_tested(numbers):
    numbers["water energy"]["curves"]["energy"].pop("SOAP")
    numbers["QM7 dipole"]["curves"]["dipole"].pop("lambda-SOAP")
    assert [c.verdict for c in claims_of(numbers)].count("not tested") == 4
    draw(numbers)
