"""Energies and forces in one fit: recovery, gauge of weights, leave-one-structure-out, files."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
from ase import Atoms
from ase.build import molecule
from ase.calculators.singlepoint import SinglePointCalculator

import linvop
from linvop.errors import InputError
from linvop.models.property_training import lone_atoms
from linvop.models.property_values import values_of_rows

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
    expected, found = (m.predict_arrays(TEST, std=True) for m in (fitted, again))
    assert set(found) == {"energy", "energy_std", "forces", "forces_std"}
    for name, value in expected.items():
        np.testing.assert_array_equal(found[name], value)


@pytest.mark.parametrize("noise", [0.0, 0.05])
def test_standard_deviations(noise):
    """Of held-out labels as large as their errors, of energies and of forces, noisy or not."""
    train, test = labelled(40), labelled(100, seed=3)
    rng = np.random.default_rng(5)
    for atoms in train + test:
        atoms.calc.results["forces"] += noise * rng.normal(size=(3, 3))
    # Some atoms' forces are said to be ten times less exact, and are.
    weights = [np.array([1.0, 1.0, 0.01])] * len(train)
    for atoms in train:
        atoms.calc.results["forces"][2] += 9 * noise * rng.normal(size=3)
    one = model(solver=linvop.Ridge(covariance=True)).fit(train, force_weights=weights)
    out = one.predict_arrays(test, std=True)
    energies = np.array([a.get_potential_energy() for a in test])
    forces = np.concatenate([a.get_forces() for a in test])
    for name, true in (("energy", energies), ("forces", forces)):
        z = np.abs(out[name] - true) / out[f"{name}_std"]  # some of the test set lie far out
        assert 0.3 < np.median(z) < 1.4, name
    if noise:
        assert out["forces_std"].mean() == pytest.approx(noise, rel=0.3)
    calculator = linvop.Calculator(one)
    np.testing.assert_allclose(
        calculator.get_property("forces_std", test[0]), out["forces_std"][:3], rtol=1e-4
    )
    assert calculator.get_property("energy_std", test[0]) == pytest.approx(
        out["energy_std"][0], rel=1e-4
    )


def test_less_sure_away_from_the_data(fitted):
    far = TEST[0].copy()
    far.positions[1] *= 4
    near = fitted.predict_arrays(TEST[:1], std=True)
    with pytest.warns(linvop.ExtrapolationWarning):
        away = fitted.predict_arrays([far], std=True)
    for name in ("energy_std", "forces_std"):
        assert np.linalg.norm(away[name]) > 2 * np.linalg.norm(near[name])


def test_with_a_dipole_and_given_atoms():
    frames = labelled(12)
    for atoms in frames:
        atoms.calc.results["dipole"] = atoms.positions[0] - atoms.positions[1:].mean(axis=0)
    free = {"H": -600.0, "O": -800.0}
    both = model(("energy", "forces", "dipole"), atom_energies=free).fit(frames)
    assert set(both.predict(TEST[:1])[0]) == {"energy", "forces", "dipole"}
    assert free_energies(both) == pytest.approx([-600.0, -800.0], abs=1e-9)
    for atoms in TEST:
        atoms.info["dipole"] = atoms.positions[0] - atoms.positions[1:].mean(axis=0)
    found = both.score(TEST)
    assert found["energy"]["rmse"] < 0.01
    assert found["forces"]["rmse"] < 0.05
    assert found["dipole"]["rmse"] < 0.05


@pytest.mark.parametrize("targets", ["energy", BOTH])
def test_given_atoms_count_whether_or_not_constants_are_fitted(targets):
    """Energies of free atoms are subtracted before a fit, and added to every prediction."""
    bare = linvop.Target("energy", rank=0, constants=False)
    wanted = [bare, *[t for t in targets if t == "forces"]] if targets != "energy" else [bare]
    one = model(wanted, atom_energies={"H": -600.0, "O": -800.0}).fit(TRAIN)
    assert one.score(TEST)["energy"]["rmse"] < 0.05
    alone = linvop.Calculator(one)
    assert alone.get_potential_energy(TEST[0]) == pytest.approx(-2000, abs=1)


def free_energies(one: linvop.PropertyModel) -> list[float]:
    """What a model says of single atoms of its species, in whatever state."""
    rows = lone_atoms(one.basis, one.species_)[:, None]
    values = values_of_rows(one.targets[:1], one.parts_, {(0, 1): rows}, np.eye(len(rows)))
    return values["energy"].tolist()


def free_atom(symbol: str, energy: float, **info):
    atoms = Atoms(symbol)
    atoms.info |= {"energy": energy, **info}
    return atoms


def test_free_atoms_need_no_forces():
    """They give constants; a second one must have the same energy."""
    atoms = [free_atom("H", -600.0), free_atom("O", -800.0), free_atom("H", -600.0)]
    one = model().fit([*atoms, *TRAIN])
    assert free_energies(one) == pytest.approx([-600.0, -800.0], abs=1e-9)
    weights = [np.zeros(1)] * 3 + [np.ones(3)] * len(TRAIN)
    again = model().fit([*atoms, *TRAIN], force_weights=weights)
    assert again.score([*atoms, *TEST])["energy"] == one.score(TEST)["energy"]
    with pytest.raises(InputError, match="frames 0 and 24 are free H atoms with energies -600 and"):
        model().fit([*atoms[:2], *TRAIN[2:], free_atom("H", -599.0)])
    with pytest.raises(InputError, match="charge 1"):
        model().fit([*atoms[:2], free_atom("H", 0.0, charge=1), *TRAIN])


def test_one_energy_with_forces_to_learn_from():
    frames = labelled(12)
    for atoms in frames:
        atoms.calc.results["energy"] = -2000.0
    with pytest.raises(InputError, match="expected values that vary"):
        model("energy").fit(frames)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        assert model().fit(frames).score(TEST)["forces"]["rmse"] < 1.0
    with pytest.raises(InputError, match="got 12 copies of one"):
        model().fit([TRAIN[0]] * 12)


@pytest.mark.parametrize(
    ("of_energies", "of_forces", "slope"),
    [(1, -1, "-1"), (1 / 27.211, 1, "0.0367"), (1, 1.8897, "0.529"), (1, 0.52918, "1.89")],
)
def test_energies_and_forces_that_contradict_each_other(of_energies, of_forces, slope):
    frames = labelled(24)
    for atoms in frames:
        results = atoms.calc.results
        results["energy"] = -2000 + (results["energy"] + 2000) * of_energies
        results["forces"] = results["forces"] * of_forces
    with pytest.warns(UserWarning, match=rf"energies are {slope}\d* times what the forces make"):
        model().fit(frames)


def test_a_species_in_one_structure_only():
    """Its constant is undetermined without the structure: what is left is still averaged."""
    odd = molecule("SH2")
    odd.calc = SinglePointCalculator(odd, energy=-9000.0, forces=np.zeros((3, 3)))
    with pytest.warns(UserWarning, match="1 of 25 structures are the only ones"):
        report = model().fit([*TRAIN, odd]).parts_["energy"][0, 1].report
    assert 0 < report["loo_rmse"] < 0.1
    assert 0 < report["loo_rmse_forces"] < 1.0


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


def test_copies_leave_together():
    """A structure and its turned copy: left out are both, as in a fit without either."""
    copy = TRAIN[0].copy()
    copy.rotate(40, (1, 2, 3))
    turned = copy.positions
    forces = TRAIN[0].get_forces()
    Q = np.linalg.lstsq(TRAIN[0].positions, turned, rcond=None)[0]
    copy.calc = SinglePointCalculator(
        copy, energy=TRAIN[0].get_potential_energy(), forces=forces @ Q
    )
    bare = {"solver": linvop.Ridge(1e-6, column_scale=0.0)}
    every, without = model(**bare).fit([*TRAIN, copy]), model(**bare).fit(TRAIN[1:])
    own = without.predict([TRAIN[0]])[0]
    assert every.n_distinct_ == len(TRAIN)
    assert every.loo_predictions_["energy"][0] == pytest.approx(own["energy"], abs=1e-6)
    np.testing.assert_allclose(every.loo_predictions_["forces"][:3], own["forces"], atol=1e-6)


def test_reported_errors_are_those_of_what_is_left_out():
    """Weighted, as those of energies alone are."""
    rng = np.random.default_rng(0)
    weights = rng.uniform(0.1, 3.0, 24)
    for targets in ("energy", BOTH):
        one = model(targets).fit(TRAIN, weights=weights)
        report = one.parts_["energy"][0, 1].report
        left = one.train_values_["energy"] - one.loo_predictions_["energy"]
        expected = np.sqrt(np.average(left**2, weights=weights))
        assert report["loo_rmse"] == pytest.approx(expected, rel=1e-6)
    left = one.train_values_["forces"] - one.loo_predictions_["forces"]
    of_atoms = np.repeat(weights, 3)
    expected = np.sqrt(np.average((left**2).mean(axis=1), weights=of_atoms))
    assert report["loo_rmse_forces"] == pytest.approx(expected, rel=1e-9)


def test_forces_of_zero_are_refused():
    frames = labelled(8)
    for atoms in frames:
        atoms.calc.results["forces"][:] = 0.0
    with pytest.raises(InputError, match="forces are zero in all 8 structures"):
        model().fit(frames)


def test_forces_of_other_atoms_are_noticed():
    frames = labelled(24)
    for atoms in frames:
        atoms.calc.results["forces"] = atoms.calc.results["forces"][[2, 0, 1]]
    with pytest.warns(UserWarning, match="what the forces make them"):
        model().fit(frames)


@pytest.mark.parametrize("free", [False, True])
@pytest.mark.parametrize("chunk", [1, 7, 100])
def test_rows_in_chunks_make_the_same_fit(chunk, free):
    """Energies, forces, dipoles and tensors; predictions to 1e-9, copies apart in the file."""
    frames = [*TRAIN, TRAIN[3]]
    for atoms in (*frames, *TEST):
        r = atoms.positions - atoms.positions[0]
        atoms.info |= {"dipole": r.sum(axis=0) + 0.01 * r[1] * (r[1] @ r[2]), "theta": r.T @ r}
    targets = ("energy", "forces", "dipole", linvop.Target("theta", rank=2))
    atoms_energies = {"H": -600.0, "O": -800.0} if free else None
    made = []
    for given in ({}, {"chunk": chunk}):
        solver = linvop.Ridge(refine=False, alpha_bounds=(1e-10, 1e2))
        one = model(targets, solver=solver, atom_energies=atoms_energies)
        made.append(one.fit(frames, weights=np.linspace(0.5, 2.0, 25), **given))
    whole, parts = made
    expected, found = (m.predict_arrays(TEST) for m in (whole, parts))
    for name, value in expected.items():
        scale = np.abs(value - value.mean(axis=0)).max()
        np.testing.assert_allclose(found[name], value, atol=1e-8 * scale, err_msg=name)
        left = whole.loo_predictions_[name], parts.loo_predictions_[name]
        np.testing.assert_allclose(left[1], left[0], atol=1e-5 * scale)
    report = (m.parts_["energy"][0, 1].report for m in (whole, parts))
    a, b = ({k: r[k] for k in ("alpha", "loo_rmse", "loo_rmse_forces")} for r in report)
    assert b == pytest.approx(a, rel=1e-4)


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
    with pytest.raises(InputError, match="force_weights: expected 'forces' among the targets"):
        model("energy").fit(TRAIN, force_weights=[np.ones(3)] * 24)
    for bad, said in (("heavy", "weights: expected numbers"), (np.zeros(24), "weights, frame 0")):
        with pytest.raises(InputError, match=said):
            model().fit(TRAIN, weights=bad)
    with pytest.raises(InputError, match="force_weights, frame 3: expected numbers, got 'abc'"):
        model().fit(TRAIN, force_weights=[*[np.ones(3)] * 3, "abc", *[np.ones(3)] * 20])
    with pytest.raises(InputError, match="chunk: expected a positive integer, got 0"):
        model().fit(TRAIN, chunk=0)
    with pytest.raises(InputError, match="relevance: expected all rows at once"):
        model(relevance="shells").fit(TRAIN, chunk=5)
    for solver in (linvop.Ridge(covariance=True), linvop.Ridge(rarity=30.0)):
        with pytest.raises(InputError, match="^a fit by chunks .*: expected no covariance, no rar"):
            model(solver=solver).fit(TRAIN, chunk=5)
    for name, of in (("forces_std", "forces"), ("energy_derivatives", "energy")):
        with pytest.raises(InputError, match=f"{name} would be taken for the .* of {of}"):
            model(("energy", "forces", linvop.Target(name, rank=0)))
    bare = [a.copy() for a in TRAIN]
    for atoms, given in zip(bare, TRAIN, strict=True):
        atoms.info["energy"] = given.get_potential_energy()
    with pytest.raises(InputError, match="no label 'forces'"):
        model().fit(bare)


def test_several_weights_in_chunks_and_the_best_is_named(tmp_path):
    evidence = linvop.Ridge("evidence", refine=False)
    several = model(solver=evidence, force_weight=(1e-3, 0.1, 10.0)).fit(TRAIN, chunk=7)
    (report,) = several.report()["parts"]["energy"].values()
    alone = model(solver=evidence, force_weight=report["force_weight"]).fit(TRAIN, chunk=7)
    for a, b in zip(several.predict(TEST), alone.predict(TEST), strict=True):
        assert a["energy"] == pytest.approx(b["energy"], abs=1e-8)
        np.testing.assert_allclose(a["forces"], b["forces"], atol=1e-7)
    several.save(tmp_path / "model.h5")
    again = linvop.load(tmp_path / "model.h5")
    assert again.force_weight == several.force_weight
    with pytest.raises(InputError, match="in fits by chunks .chunk. with alpha = .evidence."):
        model(solver=evidence, force_weight=(0.1, 1.0)).fit(TRAIN)
    with pytest.raises(InputError, match="force_weight: expected a positive number, got -1"):
        model(force_weight=(0.1, -1.0))
