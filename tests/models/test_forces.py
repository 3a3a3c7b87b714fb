"""Energies and forces in one fit: recovery, gauge of weights, leave-one-structure-out, files."""

from __future__ import annotations

import numpy as np
import pytest
from ase.build import molecule
from ase.calculators.singlepoint import SinglePointCalculator

import linvop
from linvop.errors import InputError

BASIS = linvop.Basis("sto-3g", kappa=2, metric="lowdin")


def energy_of(positions: np.ndarray) -> float:
    """A smooth function of the three distances of H2O, eV."""
    d = np.linalg.norm(positions[[0, 0, 1]] - positions[[1, 2, 2]], axis=1)
    return float(4 * ((d[0] - 0.96) ** 2 + (d[1] - 0.96) ** 2) + 0.5 * (d[2] - 1.5) ** 2) - 2000


def forces_of(positions: np.ndarray, step: float = 1e-4) -> np.ndarray:
    out = np.zeros_like(positions)
    for index in np.ndindex(positions.shape):
        moved = [positions.copy() for _ in range(2)]
        moved[0][index] -= step
        moved[1][index] += step
        out[index] = (energy_of(moved[0]) - energy_of(moved[1])) / (2 * step)
    return out


def labelled(n: int, seed: int = 0) -> list:
    rng, frames = np.random.default_rng(seed), []
    for _ in range(n):
        atoms = molecule("H2O")
        atoms.positions += rng.normal(scale=0.06, size=(3, 3))
        atoms.calc = SinglePointCalculator(
            atoms, energy=energy_of(atoms.positions), forces=forces_of(atoms.positions)
        )
        frames.append(atoms)
    return frames


TRAIN, TEST = labelled(24), labelled(20, seed=1)
BOTH = ("energy", "forces")


def model(targets=BOTH, **settings) -> linvop.PropertyModel:
    return linvop.PropertyModel(BASIS, targets, **settings)


@pytest.fixture(scope="module")
def fitted() -> linvop.PropertyModel:
    return model(solver=linvop.Ridge(covariance=True)).fit(TRAIN)


def test_forces_teach_what_energies_do_not():
    with_forces = model().fit(TRAIN[:8]).score(TEST)
    alone = model("energy").fit(TRAIN[:8])
    predicted = -np.concatenate(alone.derivatives(TEST))
    true = np.concatenate([a.get_forces() for a in TEST])
    assert with_forces["forces"]["n"] == 3 * len(TEST)
    assert with_forces["forces"]["rmse"] < 0.5 * np.sqrt(np.mean((predicted - true) ** 2))
    assert with_forces["energy"]["rmse"] < 0.5 * alone.score(TEST)["energy"]["rmse"]


def test_predicted_forces_are_the_gradient(fitted):
    atoms, step = TEST[0].copy(), 1e-3
    found = fitted.predict([atoms])[0]["forces"]
    for index in np.ndindex(3, 3):
        energies = []
        for k in (-2, -1, 1, 2):
            moved = atoms.copy()
            moved.positions[index] += k * step
            energies.append(fitted.predict([moved])[0]["energy"])
        slope = np.dot([1, -8, 8, -1], energies) / (12 * step)
        assert found[index] == pytest.approx(-slope, abs=1e-6)


def test_what_is_left_out_is_a_whole_structure(fitted):
    """Closed form against the fit without one structure, at the same alpha."""
    alpha = fitted.parts_["energy"][0, 1].report["alpha"]
    every = model(solver=linvop.Ridge(alpha)).fit(TRAIN)
    # Scales of columns are those of the data: with them given, the law is exact.
    bare = {"solver": linvop.Ridge(alpha, column_scale=0.0)}
    every, without = model(**bare).fit(TRAIN), model(**bare).fit(TRAIN[1:])
    own = without.predict(TRAIN[:1])[0]
    assert every.loo_predictions_["energy"][0] == pytest.approx(own["energy"], abs=1e-6)
    np.testing.assert_allclose(every.loo_predictions_["forces"][:3], own["forces"], atol=1e-6)


def test_weights_of_atoms_and_structures():
    """Atoms and structures of next to no weight do not count."""
    spoiled = labelled(25)
    spoiled[-1].calc.results["forces"][:] = 100.0
    spoiled[-1].calc.results["energy"] += 50.0
    weights = np.r_[np.ones(24), 1e-14]
    a = model(solver=linvop.Ridge(1e-6, column_scale=0.0)).fit(TRAIN)
    b = model(solver=linvop.Ridge(1e-6, column_scale=0.0)).fit(spoiled, weights=weights)
    assert a.score(TEST)["forces"]["rmse"] == pytest.approx(
        b.score(TEST)["forces"]["rmse"], rel=1e-3
    )
    spoiled = labelled(24)
    for atoms in spoiled:
        atoms.calc.results["forces"][0] = 100.0
    of_atoms = [np.array([1e-14, 1.0, 1.0])] * 24
    c = model(solver=linvop.Ridge(1e-6, column_scale=0.0)).fit(spoiled, force_weights=of_atoms)
    assert c.score(TEST)["forces"]["rmse"] < 2 * a.score(TEST)["forces"]["rmse"]


def test_as_saved(fitted, tmp_path):
    fitted.save(tmp_path / "m.h5")
    again = linvop.load(tmp_path / "m.h5")
    assert again.with_forces
    assert again.force_weight == fitted.force_weight
    assert [t.name for t in again.measured] == ["energy", "forces"]
    np.testing.assert_array_equal(
        again.predict_arrays(TEST)["forces"], fitted.predict_arrays(TEST)["forces"]
    )


def test_standard_deviations(fitted):
    """Of held-out forces about as large as their errors; larger away from the data."""
    out = fitted.predict_arrays(TEST, std=True)
    true = np.concatenate([a.get_forces() for a in TEST])
    z2 = np.mean((out["forces"] - true) ** 2) / np.mean(out["forces_std"] ** 2)
    assert 0.1 < z2 < 10
    far = TEST[0].copy()
    far.positions[1] *= 1.3
    assert np.linalg.norm(
        fitted.predict_arrays([far], std=True)["forces_std"]
    ) > 2 * np.linalg.norm(out["forces_std"][:3])
    calculator = linvop.Calculator(fitted)
    np.testing.assert_allclose(
        calculator.get_property("forces_std", TEST[0]), out["forces_std"][:3], rtol=1e-9
    )
    assert calculator.get_property("energy_std", TEST[0]) == pytest.approx(out["energy_std"][0])


def test_with_a_dipole_and_given_atoms():
    frames = labelled(12)
    for atoms in frames:
        atoms.calc.results["dipole"] = atoms.positions[0] - atoms.positions[1:].mean(axis=0)
    free = {"H": -600.0, "O": -800.0}
    both = model(("energy", "forces", "dipole"), atom_energies=free).fit(frames)
    assert set(both.predict(TEST[:1])[0]) == {"energy", "forces", "dipole"}
    np.testing.assert_array_equal(both.parts_["energy"][0, 1].constants, [-600.0, -800.0])


def test_without_constants():
    """An interaction energy, zero for nothing: no constant is fitted and none predicted."""
    frames = labelled(24)
    for atoms in frames:
        atoms.calc.results["energy"] += 2000
    bare = linvop.Target("energy", rank=0, constants=False)
    one = model((bare, "forces")).fit(frames)
    assert not one.parts_["energy"][0, 1].constants.any()
    predicted = np.array([p["energy"] for p in one.predict(frames)])
    true = np.array([a.get_potential_energy() for a in frames])
    np.testing.assert_allclose(predicted, true, atol=0.02)
    np.testing.assert_allclose(one.loo_predictions_["energy"], true, atol=0.1)


def test_what_is_refused():
    with pytest.raises(InputError, match="expected energy with them"):
        model("forces")
    with pytest.raises(InputError, match="force_weight: expected a positive number, got -1"):
        model(force_weight=-1)
    with pytest.raises(InputError, match=r"force_weights, frame 0: expected shape \(3,\)"):
        model().fit(TRAIN, force_weights=[np.ones(2)] * 24)
    with pytest.raises(InputError, match="force_weight: expected a positive number, got 'a'"):
        model(force_weight="a")
    with pytest.raises(InputError, match="force_weights: expected 24 arrays, one a frame, got 3"):
        model().fit(TRAIN, force_weights=3)
    with pytest.raises(InputError, match="force_weights, frame 0, atom 1: expected a positive"):
        model().fit(TRAIN, force_weights=[np.array([1.0, -1.0, 1.0])] * 24)
    bare = [a.copy() for a in TRAIN]
    for atoms, given in zip(bare, TRAIN, strict=True):
        atoms.info["energy"] = given.get_potential_energy()
    with pytest.raises(InputError, match="no label 'forces'"):
        model().fit(bare)
