"""All models of a contest have the same split, solver, constants and groups."""

from __future__ import annotations

import numpy as np
import pytest

from linvop.bench import energies
from linvop.bench.ace import AceRows, AceSettings
from linvop.bench.energies import Contest
from linvop.bench.molecules import own_molecules
from linvop.conventions import unit_factor

BASIS = {"ao": "sto-3g", "kappa": 2, "resolution": "species"}


def _contest(n_train: int = 24, n_test: int = 6, **more) -> Contest:
    frames = own_molecules(n_train + n_test)
    for a in frames:
        distances = a.get_all_distances()[np.triu_indices(len(a), 1)]
        a.info["energy"] = -30.0 * a.numbers.sum() + np.exp(-distances).sum()
    return Contest("made", frames[:n_train], frames[n_train:], "meV", **more)


def _rows_of_linvop(contest: Contest) -> tuple[np.ndarray, np.ndarray]:
    from linvop.features.basis import Basis
    from linvop.features.design import structure_rows
    from linvop.regression.prior import label_prior

    basis = Basis(**BASIS)
    species = {s for a in contest.train for s in a.get_chemical_symbols()}
    irreps = ((0, 1),)
    features = basis.compile(species, irreps, "structure")
    rows = structure_rows(features, [*contest.train, *contest.test])[0, 1][:, 0]
    return rows, label_prior(basis.labels(species, target="structure", irreps=irreps))


@pytest.mark.filterwarnings("ignore:.*only ones")
def test_a_peer_with_linvops_own_rows_and_penalty_has_linvops_errors(monkeypatch):
    contest = _contest(targets=(1e9, 0.0))
    contest.add_linvop("linvop", **BASIS)
    rows, penalty = _rows_of_linvop(contest)
    monkeypatch.setattr(energies, "ace_rows", lambda *_: AceRows(rows.copy(), penalty, 1.0))
    contest.add_ace(AceSettings(prior=True), "python")
    linvop, peer = contest.rows
    for key in ("columns", "MAE", "RMSE", "leave-one-out RMSE", "alpha", "dof"):
        assert peer[key] == pytest.approx(linvop[key], rel=1e-6), key
    assert linvop["targets met"] == "yes, NO"
    assert peer["targets met"] == ""
    assert peer["features, ms per structure"] == pytest.approx(1e3 / 30)


@pytest.mark.filterwarnings("ignore:.*only ones")
def test_composition_alone_is_fitted_by_the_constants_and_units_are_those_named(monkeypatch):
    contest = _contest()
    for a in [*contest.train, *contest.test]:
        a.info["energy"] = float(a.numbers.sum())
    contest.train[0].info["energy"] += 1e-9  # that there be something to fit
    contest.test[0].info["energy"] += 6 * unit_factor("energy", "meV")
    noise = np.random.default_rng(0).normal(size=(30, 3))
    monkeypatch.setattr(energies, "ace_rows", lambda *_: AceRows(noise, None, 1.0))
    contest.add_ace(AceSettings(), "python")
    assert contest.rows[0]["MAE"] == pytest.approx(1.0, abs=1e-6)


def test_the_training_set_alone_chooses():
    contest = _contest()
    contest.rows += [
        {"model": "SOAP a", "leave-one-out RMSE": 2.0, "MAE": 1.0},
        {"model": "SOAP b", "leave-one-out RMSE": 1.0, "MAE": 3.0},
        {"model": "ACE", "leave-one-out RMSE": 0.5, "MAE": 0.5},
    ]
    soap, ace = contest.choices()
    assert soap == "Of 2 SOAP settings, the leave-one-out error chooses: SOAP b."
    assert ace.endswith("chooses: ACE.")


def test_notes_speak_of_the_families_that_are_there():
    contest = _contest()
    contest.rows.append({"model": "SOAP, cutoff 4"})
    text = " ".join(contest.notes())
    assert "featomic" in text
    assert "the basis of ace-jax" not in text
