"""Effective operators: levels, densities of states, distortions, and what decides."""

from __future__ import annotations

import json

import numpy as np
import pytest

import linvop
from linvop.errors import InputError
from linvop.orbitals.shells import AOBasis
from linvop.sampling import NormalModes
from paper_reproduction import effective
from paper_reproduction import effective_scores as scores
from paper_reproduction.effective_cases import Case, stretched_waters, symmetric_mode
from paper_reproduction.style import style

ENERGIES = np.linspace(-20.0, 5.0, 50)
GAPS = [9.0, 8.0, 7.0]


def bump(centre):
    return np.exp(-((ENERGIES - centre) ** 2)).tolist()


def operator(error, dos_off, gap_off, **more):
    parts = dict.fromkeys(("occupied", "virtual", "levels", "gap", "scatter", "dipole"), error)
    return {**parts, "dos": bump(-8.0 + dos_off), "gaps": [g + gap_off for g in GAPS], **more}


def made(ours=0.01, dos_off=0.0, gap_off=0.0, plain=0.2):
    fit = {"steps": 3, "stopped": "converged", "coefficients": 9}
    fit["training"] = {"orbital_energies": 0.01, "dipole": 0.02}
    operators = {
        "minimal-basis SCF": operator(5.0, 4.0, 3.0),
        "projected": operator(3.0, 2.0, 2.0),
    }
    for kind in scores.BASES:
        operators[f"linear, {kind}"] = operator(3.0, 2.0, 2.0)
        operators[f"effective, {kind}"] = operator(plain, 1.0, 1.0, **fit)
    operators["effective, products"] = operator(ours, dos_off, gap_off, **fit)
    one = {
        "name": "water",
        "n_virtual": 2,
        "energies": ENERGIES.tolist(),
        "coordinate": [0.8, 0.9, 1.0],
        "what": "both O-H (Å)",
        "spread": {"occupied": 1.0, "virtual": 2.0, "levels": 1.5, "gap": 1.0},
        "reference": {"dos": bump(-8.0), "gaps": GAPS},
        "operators": operators,
    }
    return json.loads(json.dumps({"sets": [one, one]}))


@pytest.mark.parametrize(
    ("change", "k"),
    [({"ours": 0.16}, 0), ({"ours": 4.0}, 1), ({"dos_off": 1.0}, 2), ({"gap_off": 0.3}, 3)],
)
def test_each_claim_is_decided_by_its_number(change, k):
    assert {c.verdict for c in effective.claims(made())} == {"agrees"}
    assert effective.claims(made(**change))[k].verdict == "differs"


def test_finer_features_must_pay():
    assert {c.verdict for c in effective.claims(made(plain=0.04)) if c.source == "linvop"} == {
        "differs"
    }


def test_numbers_can_be_drawn_and_spoken_of():
    numbers = made()
    assert any("converged" in note for note in effective.notes(numbers))
    with style():
        figure = effective.draw(numbers)
    assert [ax.get_xlabel() for ax in figure.axes[1:3]] == ["energy (eV)", "both O-H (Å)"]


def test_common_part_of_densities_of_states():
    assert scores.overlap_of([1.0, 2.0, 0.0], [1.0, 2.0, 0.0]) == 1.0
    assert scores.overlap_of([1.0, 0.0], [0.0, 1.0]) == 0.0
    assert scores.overlap_of([1.0, 1.0], [1.0, 0.0]) == 0.5


def test_levels_of_a_converged_fock_matrix_are_its_orbital_energies():
    data = linvop.Dataset.open(linvop.data.water()).having("fock")
    record = data[0]
    found = scores._levels(record.fock, record, data.ao, slice(1, 7))
    np.testing.assert_allclose(found, record.orbital_energies[1:7], atol=1e-5)


def test_the_core_of_oxygen_is_outside_the_window():
    data = linvop.Dataset.open(linvop.data.water())[:5]
    assert scores._occupied(data) == 5
    assert scores._first(data, 5) == 1


def test_structures_that_lack_labels_at_one_level_shift_nothing():
    data = linvop.Dataset.open(linvop.data.water())[:4]
    rest = (2, 2, np.arange(4), "both O-H (Å)", data, data)
    case = Case("water", data, data[2:], *rest)
    assert len(case.test) == 2
    for wrong in (data[3:], data[1:3]):
        with pytest.raises(InputError, match="same structures at both levels"):
            Case("water", data, wrong, *rest)


def test_stretched_waters_have_the_bonds_that_were_asked_for():
    lengths = [0.8, 1.0, 1.2]
    frames = stretched_waters(lengths)
    for r, atoms in zip(lengths, frames, strict=True):
        np.testing.assert_allclose(atoms.get_distances(0, [1, 2]), r)
        assert atoms.get_angle(1, 0, 2) == pytest.approx(104.2)


def test_the_softest_mode_that_keeps_the_mirror_planes():
    """A flat, tilted rectangle; its modes leave the plane, turn it, lengthen it, widen it."""
    corners = np.array([[2.0, 1, 0], [2, -1, 0], [-2, -1, 0], [-2, 1, 0]])
    tilt = np.array([[1.0, 0, 0], [0, 0.8, -0.6], [0, 0.6, 0.8]])
    out, sheared, longer, wider = np.zeros((4, 4, 3))
    out[:, 2] = [1, -1, 1, -1]
    sheared[:, 0] = [1, -1, -1, 1]
    longer[:, 0] = [1, 1, -1, -1]
    wider[:, 1] = [1, -1, -1, 1]
    shapes = np.array([out, sheared, longer + out, longer, wider]) @ tilt.T
    modes = NormalModes(np.full(4, 6), corners @ tilt.T, np.arange(1.0, 6.0), shapes)
    assert symmetric_mode(modes) == 3


def test_features_of_all_kinds_are_those_of_the_pictures():
    assert list(scores.BASES) == ["plain powers", "shell", "products"]
    assert AOBasis(scores.MINIMAL).name == "sto-3g"
