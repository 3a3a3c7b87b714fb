"""Fock against density targets: what is compared with what, and who is said to win."""

from __future__ import annotations

import json

import numpy as np
import pytest

import linvop
from linvop.errors import InputError
from paper_reproduction import operators
from paper_reproduction.operator_curves import (
    MODELS,
    TARGETS,
    Contest,
    final,
    learning_curves,
    ratio,
)
from paper_reproduction.study import Setting
from paper_reproduction.style import style

DERIVED = ("dipole", "charges", "energy", "levels of F[P]", "LUMO of F[P]")


def curves(fock, density):
    """Every error of a target at two sizes; it halves."""
    both = {}
    for target, size in (("fock", fock), ("density", density)):
        both[target] = {q: [2 * size, size] for q in ("matrix", "on site", "between", *DERIVED)}
        own = [2 * size, size] if target == "fock" else [None, None]
        both[target] |= {"levels": own, "LUMO": own, "failed": [0, 1], "columns": [9, 9]}
    return both


def made(fock=1.0, density=3.0, plain=8.0):
    models = {m: curves(fock, density) for m in MODELS}
    models["plain powers"] = curves(plain * fock, plain * density)
    one = {
        "name": "water",
        "level": "HF/sto-3g",
        "sizes": [5, 10],
        "n_test": 4,
        "n_energy": 2,
        "ao": "sto-3g",
        "shell_ao": "sto-3g",
        "rms": {"fock": 1e6, "density": 1e5},
        "curves": models,
    }
    return json.loads(json.dumps({"sets": [one, one | {"name": "QM7"}]}))


def test_levels_of_a_density_target_are_those_of_its_f():
    one = made()["sets"][0]
    one["curves"]["shell"]["density"]["levels of F[P]"][-1] = 7.0
    assert ratio(one, "shell", "levels") == 7.0
    assert ratio(one, "shell", "dipole") == 3.0
    assert final(one, "shell", "density", "levels") is None


@pytest.mark.parametrize("density", [3.0, 0.3])
def test_who_is_lower_decides(density):
    found = operators.claims(made(density=density))
    paper = [c for c in found if c.source == "paper"]
    assert {c.verdict for c in paper} == {"agrees" if density > 1 else "differs"}
    assert len(paper) == 8  # four quantities; the paper's map, and products


def test_one_set_where_density_targets_are_lower_is_enough_to_differ():
    numbers = made()
    numbers["sets"][1]["curves"]["products"]["density"]["dipole"][-1] = 0.9
    differing = [c for c in operators.claims(numbers) if c.verdict == "differs"]
    assert len(differing) == 1
    assert "dipoles" in differing[0].text
    assert "1 of 2 sets" in differing[0].found


def test_products_are_asked_for_more_on_water_than_on_qm7():
    verdicts = [c.verdict for c in operators.claims(made(plain=3.0)) if c.source == "linvop"]
    assert verdicts == ["differs", "agrees"]


def test_numbers_can_be_drawn_and_spoken_of():
    numbers = made()
    assert any("1 of 4" in note for note in operators.notes(numbers))  # without a gap
    with style():
        figure = operators.draw(numbers)
    shown = {tuple(line.get_ydata()) for ax in figure.axes for line in ax.lines}
    assert (16.0, 8.0) in shown  # plain powers, Fock
    assert (6.0, 3.0) in shown  # density targets


@pytest.fixture(scope="module")
def contest():
    data = linvop.Dataset.open(linvop.data.water()).having("fock", "density")
    order = np.random.default_rng(0).permutation(20)
    return Contest("water", data, order, (5, 8), 2, 1, "sto-3g", "sto-3g", (3, 2, 2))


def test_training_sets_are_nested_and_without_the_test_structures(contest):
    small, test = contest.parts(5)
    large, same = contest.parts(8)
    energies = [{r.energy for r in d} for d in (small, large, test, same)]
    assert energies[0] < energies[1]
    assert energies[2] == energies[3]
    assert not energies[1] & energies[2]


def test_too_few_structures_are_refused(contest):
    few = Contest(
        "water", contest.data, contest.order[:9], (5, 8), 2, 1, "sto-3g", "sto-3g", (3, 2, 2)
    )
    with pytest.raises(InputError, match="expected 8 \\+ 2 structures, got 9"):
        few.parts(5)


@pytest.mark.parametrize("name", MODELS)
def test_both_targets_have_the_same_features_and_settings(contest, name):
    fock, density = (contest.model(name, t) for t in TARGETS)
    assert fock.basis == density.basis
    assert (fock.baseline, fock.orthogonal) == (density.baseline, density.orthogonal)


def test_curves_are_errors_of_the_models(contest, monkeypatch):
    monkeypatch.setattr("paper_reproduction.operator_curves.MODELS", ("shell",))
    found = learning_curves(contest, Setting(quick=True))
    train, test = contest.parts(8)
    for target in TARGETS:
        model = contest.model("shell", target).fit(train)
        elements, derived = model.errors(test, energy=1)
        curve = found["curves"]["shell"][target]
        assert curve["matrix"][-1] == pytest.approx(1e6 * elements.summary()["all"]["mae"])
        assert curve["energy"][-1] == pytest.approx(1e3 * derived["energy"]["mae"])
    assert found["curves"]["shell"]["density"]["levels"] == [None, None]
