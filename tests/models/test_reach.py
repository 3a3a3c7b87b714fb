"""Models of V within a reach: large structures are taken apart, and nothing else is different."""

from __future__ import annotations

import numpy as np
import pytest
from ase.calculators.singlepoint import SinglePointCalculator

import linvop
from linvop.errors import InputError
from linvop.features import neighbourhoods
from linvop.sampling import water_cluster

BASIS = linvop.Basis("sto-3g", kappa=2, reach=4.0, screening=0.3)


def labelled(n: int, seed: int):
    atoms = water_cluster(n, seed=seed)
    distances = atoms.get_all_distances()[np.triu_indices(3 * n, 1)]
    atoms.info["energy"] = float(-10.0 * len(atoms) + np.exp(-(distances**2) / 2).sum())
    return atoms


@pytest.fixture(scope="module")
def frames():
    return [labelled(1 + k % 6, k) for k in range(50)]


@pytest.fixture(scope="module")
def model(frames):
    return linvop.PropertyModel(BASIS, "energy").fit(frames)


def test_large_and_small_are_predicted_alike(model, monkeypatch, tmp_path):
    large = water_cluster(20)
    whole = model.predict([large])[0]["energy"]
    path = tmp_path / "model.h5"
    model.save(path)
    monkeypatch.setattr(neighbourhoods, "LARGE", 10)
    assert model.predict([large])[0]["energy"] == pytest.approx(whole, rel=1e-8)
    assert linvop.load(path).predict([large])[0]["energy"] == pytest.approx(whole, rel=1e-8)


def test_energies_are_extensive(model):
    # Twice as much of the same, far apart: V of screened nuclei ends, and so do words.
    one = water_cluster(5)
    other = one.copy()
    other.positions += [60.0, 0.0, 0.0]
    alone, both = (model.predict([a])[0]["energy"] for a in (one, one + other))
    assert both == pytest.approx(2 * alone, rel=1e-10)


def test_large_structures_train(frames, model, monkeypatch):
    monkeypatch.setattr(neighbourhoods, "LARGE", 10)
    found = linvop.PropertyModel(BASIS, "energy").fit(frames)
    a, b = (m.predict_arrays(frames)["energy"] for m in (model, found))
    np.testing.assert_allclose(a, b, atol=1e-6 * np.ptp(a))


def test_forces_are_those_of_the_energy(model):
    atoms = water_cluster(2)
    atoms.calc = linvop.Calculator(model)
    found, h = atoms.get_forces()[4, 1], 1e-4
    ends = []
    for sign in (1, -1):
        atoms.positions[4, 1] += sign * h
        ends.append(atoms.get_potential_energy())
        atoms.positions[4, 1] -= sign * h
    assert found == pytest.approx(-(ends[0] - ends[1]) / (2 * h), rel=1e-5, abs=1e-6)


def test_exports_are_refused_with_the_reason(model, tmp_path):
    with pytest.raises(InputError, match="not written: V of this model has a reach of 4 Angstrom"):
        model.export(tmp_path / "model.deploy.h5")
    assert not list(tmp_path.iterdir())


def test_energies_alone_are_made_apart(model, frames, monkeypatch):
    """Whole matrices are not made where no forces are asked for: by predict or a calculator."""
    both = linvop.PropertyModel(BASIS, ("energy", "forces"))
    with_forces = [a.copy() for a in frames[:30]]
    for atoms in with_forces:
        apart = atoms.positions[:, None] - atoms.positions
        pull = np.exp(-(apart**2).sum(axis=2) / 2)  # of the energy's sum over pairs
        energy, forces = atoms.info["energy"], np.einsum("ij,ijx->ix", pull, apart)
        atoms.calc = SinglePointCalculator(atoms, energy=energy, forces=forces)
    both.fit(with_forces)
    large = water_cluster(10)
    expected = both.predict([large])[0]
    assert set(expected) == {"energy", "forces"}

    def refuse(*given):
        raise AssertionError("whole matrices")

    monkeypatch.setattr(neighbourhoods, "LARGE", 10)
    for module in ("property", "property_values", "derivatives"):
        monkeypatch.setattr(f"linvop.models.{module}.contracted", refuse)
    found = both.predict([large], forces=False)[0]
    assert found == {"energy": pytest.approx(expected["energy"], rel=1e-8)}
    large.calc = linvop.Calculator(model)
    assert np.isfinite(large.get_potential_energy())
