"""Long range: what is measured of curves, and that the picture is made of the JSON alone."""

import json

import numpy as np
import pytest

from linvop.errors import InputError
from linvop.sampling import dissociation_curves, sample_water
from paper_reproduction import dimers
from paper_reproduction.contests import Contest
from paper_reproduction.dimers import Curves, charged_dimers, water_dimers
from paper_reproduction.long_range import draw
from paper_reproduction.long_range_claims import claims_of, notes_of
from paper_reproduction.long_range_errors import by_step, change, spread
from paper_reproduction.study import Setting


@pytest.fixture
def curves():
    d = [4.0, 6.0, 9.0, 12.0]
    monomers = sample_water(4)
    frames = dissociation_curves(monomers[:2], monomers[2:], d)
    distance = np.tile(d, 2)
    energy = np.repeat([-5.0, 3.0], 4) + distance**-3
    dipole = np.stack([0 * distance, distance, distance**-2], axis=1)
    contest = Contest(frames, {"energy": energy, "dipole": dipole})
    return Curves(contest, np.repeat([0, 1], 4), np.tile(np.arange(4), 2), distance, "two")


def test_the_spread_is_the_error_of_a_model_that_is_right_at_the_end_only(curves):
    tail = curves.distance == 9.0
    energy = curves.contest.labels["energy"]
    blind = np.repeat(curves.by_curve(energy)[:, -1], 4)
    found = spread(curves, "energy", tail)
    np.testing.assert_allclose(found["by_distance"], by_step(curves, "energy", blind))
    assert found["tail"] == pytest.approx(1e3 * (9.0**-3 - 12.0**-3))
    assert change(curves, blind, tail) == 0.0
    assert change(curves, energy, tail) == pytest.approx(9.0**-3 - 12.0**-3)


def test_curves_of_unequal_length_are_refused(monkeypatch):
    d = [4.0, 6.0, 9.0]
    frames = dissociation_curves(sample_water(2), sample_water(4)[2:], d)[:-1]
    for a in frames:
        a.info |= {"energy_A": 0.0, "energy_B": 0.0}
    monkeypatch.setattr(dimers, "read_set", lambda name, folder: frames)
    monkeypatch.setattr("linvop.io.structures.labels", lambda frames, name: np.ones(len(frames)))
    with pytest.raises(InputError, match="expected 3 distances of every pair, got 2 of pair 1"):
        charged_dimers(Setting())


def test_of_dipoles_the_norm_counts(curves):
    wrong = curves.contest.labels["dipole"] + np.asarray([3e-3, 0.0, 4e-3])
    np.testing.assert_allclose(by_step(curves, "dipole", wrong), 5.0)


@pytest.fixture
def numbers():
    d = [4.0, 6.0, 9.0, 12.0]

    def model(error):
        new = {"rmse": error, "left_out": error, "curve": error, "spread": 2.0}
        return {
            "settings": "some",
            "columns": 7,
            "left_out": error,
            "tail": error,
            "by_distance": [error] * 4,
            "change": 0.0,
            "new_pairs": {**new, "by_distance": [error] * 4},
        }

    models = {
        "plain powers": {"energy": model(20.0), "dipole": model(2.0)},
        "shell": {"energy": model(0.1), "dipole": model(0.1)},
        "products": {"energy": model(0.2), "dipole": model(0.2)},
        "SOAP": {"energy": model(10.0)},
        "lambda-SOAP": {"dipole": model(3.0)},
    }
    one = {"pair": 0, "component": "x", "reference": [3.0, 2.0, 1.0, 0.0]}
    water = {
        "words": "waters",
        "distances": d,
        "tested": [False, False, True, False],
        "held_pairs": 1,
        "spread": {t: {"tail": 2.0, "by_distance": [9, 5, 2, 0]} for t in ("energy", "dipole")},
        "models": models,
        "curve": {
            "energy": one | {k: [3.0, 2.0, 1.0, 0.0] for k in models if k != "lambda-SOAP"},
            "dipole": one | {"lambda-SOAP": [1.0, 1.0, 1.0, 1.0]},
        },
        "ao_sets": {"sto-3g": {"energy": 30.0, "dipole": 3.0}},
    }
    ions = {
        "words": "ions",
        "n_trained": 2,
        "moved": [0.0, 1.0, 2.0, 3.0],
        "distances": d,
        "models": {k: m["energy"] for k, m in models.items() if "energy" in m},
    }
    return {"water": water, "ions": ions}


def test_draw_needs_the_json_alone(numbers):
    figure = draw(json.loads(json.dumps(numbers)))
    assert len(figure.axes) == 6
    assert all(ax.get_xlabel() and ax.get_ylabel() for ax in figure.axes)


def test_claims_are_decided_by_the_numbers(numbers):
    verdicts = [c.verdict for c in claims_of(numbers)]
    expected = ["agrees", "differs", "agrees", "differs", *["agrees"] * 5]
    assert verdicts == expected
    numbers["water"]["models"]["shell"]["energy"]["tail"] = 5.0
    numbers["water"]["models"]["products"]["energy"]["tail"] = 5.0
    verdicts = [c.verdict for c in claims_of(numbers)]
    assert verdicts[4] == "differs"
    assert verdicts[6] == "differs"
    assert "want of features" in notes_of(numbers)[-1]


def test_without_peers_their_claims_are_not_tested(numbers):
    for kind in ("SOAP", "lambda-SOAP"):
        numbers["water"]["models"].pop(kind)
    numbers["ions"]["models"].pop("SOAP")
    verdicts = [c.verdict for c in claims_of(numbers)]
    assert verdicts.count("not tested") == 7
    draw(numbers)


@pytest.mark.slow  # some ninety small SCFs
def test_curves_stand_pair_by_pair_and_by_distance(monkeypatch, tmp_path):
    monkeypatch.setenv("LINVOP_CACHE_DIR", str(tmp_path))
    setting = Setting(quick=True)
    water = water_dimers(setting)
    assert (np.diff(water.by_curve(water.distance), axis=1) > 0).all()
    ions = charged_dimers(setting)
    # Opposite charges attract, and less at longer distances.
    energy = ions.by_curve(ions.contest.labels["energy"])
    assert (energy < 0).all()
    assert (np.diff(energy[:, 1:], axis=1) > 0).all()
    far = energy[:, -1] * ions.by_curve(ions.distance)[:, -1]
    assert (np.abs(far / -14.4 - 1) < 0.3).all()  # e^2 / 4 pi eps0 in eV Angstrom
