from __future__ import annotations

import warnings
from copy import copy

import numpy as np
import pytest
from ase import Atoms
from ase.build import molecule
from ase.calculators.singlepoint import SinglePointCalculator
from ase.data import atomic_numbers
from scipy.spatial.transform import Rotation

from linvop.errors import InputError
from linvop.features import magnitudes
from linvop.features.basis import Basis
from linvop.features.design import structure_rows
from linvop.models.loading import load
from linvop.models.property import PropertyModel
from linvop.models.property_training import lone_atoms
from linvop.models.property_values import values_of_rows
from linvop.models.targets import Target
from linvop.regression.ridge import Ridge

BASIS = Basis("6-31g", kappa=2, metric="lowdin")
TARGETS = ("energy", "dipole", "polarizability")

pytestmark = [
    pytest.mark.filterwarnings("ignore:H has no features"),
    pytest.mark.filterwarnings("ignore::linvop.regression.ridge.RegularisationWarning"),
]


@pytest.fixture(scope="module")
def model(waters):
    return PropertyModel(BASIS, TARGETS).fit(waters[:80])


def moved(atoms: Atoms, R: np.ndarray, t: np.ndarray, order: list[int]) -> Atoms:
    return Atoms(atoms.numbers[order], positions=(atoms.positions @ R.T + t)[order])


@pytest.mark.parametrize("improper", [False, True])
def test_predictions_turn_with_the_molecule(model, waters, improper):
    rng = np.random.default_rng(0)
    R = Rotation.random(rng=rng).as_matrix() * (-1 if improper else 1)
    for atoms in waters[80:84]:
        turned = moved(atoms, R, rng.normal(size=3), [2, 0, 1])
        (a,), (b,) = model.predict([atoms]), model.predict([turned])
        assert b["energy"] == pytest.approx(a["energy"], rel=1e-11)
        np.testing.assert_allclose(b["dipole"], R @ a["dipole"], atol=1e-9)
        np.testing.assert_allclose(b["polarizability"], R @ a["polarizability"] @ R.T, atol=1e-9)


def test_fit_does_not_depend_on_orientations(model, waters):
    rng = np.random.default_rng(1)
    turned = []
    for atoms in waters[:80]:
        R = Rotation.random(rng=rng).as_matrix()
        other = Atoms(atoms.numbers, positions=atoms.positions @ R.T)
        other.calc = SinglePointCalculator(
            other, energy=atoms.calc.results["energy"], dipole=R @ atoms.calc.results["dipole"]
        )
        other.info["polarizability"] = R @ atoms.info["polarizability"] @ R.T
        turned.append(other)
    again = PropertyModel(BASIS, TARGETS).fit(turned)
    held_out = waters[80:]
    a, b = model.predict_arrays(held_out), again.predict_arrays(held_out)
    for name in TARGETS:
        spread = np.std(a[name] - a[name].mean(axis=0))
        assert np.abs(a[name] - b[name]).max() < 1e-5 * spread


def test_learns(model, waters):
    for errors in model.score(waters[80:]).values():
        assert errors["r2"] > 0.999
        assert errors["mae"] <= errors["rmse"] <= errors["max"]


def test_leave_one_out_error_is_that_of_refits(waters):
    frames = waters[:12]
    model = PropertyModel(BASIS, "energy", Ridge(alpha=1e-3)).fit(frames)
    residuals = []
    for k in range(12):
        rest = frames[:k] + frames[k + 1 :]
        # The column scale is a property of the whole set: keep it out of the comparison.
        one = PropertyModel(BASIS, "energy", Ridge(alpha=1e-3, column_scale=0.0)).fit(rest)
        residuals.append(frames[k].get_potential_energy() - one.predict([frames[k]])[0]["energy"])
    model = PropertyModel(BASIS, "energy", Ridge(alpha=1e-3, column_scale=0.0)).fit(frames)
    report = model.report()["parts"]["energy"]["lam=0 sigma=+1"]
    assert report["loo_rmse"] == pytest.approx(np.sqrt(np.mean(np.square(residuals))), rel=1e-6)


def test_targets_together_equal_targets_apart(model, waters):
    for name in TARGETS:
        apart = PropertyModel(BASIS, name).fit(waters[:80])
        a = apart.predict_arrays(waters[80:])[name]
        b = model.predict_arrays(waters[80:])[name]
        assert np.abs(a - b).max() < 1e-5 * np.std(a - a.mean(axis=0))


def test_custom_scalar_and_spherical_targets(waters):
    frames = [a.copy() for a in waters]
    for a, b in zip(frames, waters, strict=True):
        mu = b.calc.results["dipole"]
        a.info["mu_m_order"] = mu[[1, 2, 0]]
        a.info["length"] = np.linalg.norm(a.positions[1] - a.positions[0])
    targets = (Target("length", rank=0, unit="Angstrom"), Target("mu_m_order", irrep=(1, 1)))
    custom = PropertyModel(BASIS, targets).fit(frames[:80])
    dipole = PropertyModel(BASIS, "dipole").fit(waters[:80])
    predicted = custom.predict_arrays(frames[80:])
    np.testing.assert_allclose(
        predicted["mu_m_order"], dipole.predict_arrays(waters[80:])["dipole"][:, [1, 2, 0]]
    )
    assert custom.score(frames[80:])["length"]["unit"] == "Angstrom"


def test_weight_zero_is_refused_and_weight_two_is_a_copy(waters):
    frames = waters[:30]
    weights = np.ones(30)
    weights[3] = 2.0
    solver = Ridge(alpha=1e-4, column_scale=0.0)
    weighted = PropertyModel(BASIS, "energy", solver).fit(frames, weights=weights)
    doubled = PropertyModel(BASIS, "energy", solver).fit([*frames, frames[3]])
    a = weighted.parts_["energy"][0, 1].coefficients
    b = doubled.parts_["energy"][0, 1].coefficients
    np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-8 * np.abs(a).max())
    with pytest.raises(InputError, match="weights"):
        PropertyModel(BASIS, "energy").fit(frames, weights=np.ones(29))


def free_atom(symbol: str, energy: float) -> Atoms:
    atoms = Atoms(symbol, positions=[[0, 0, 0]])
    atoms.info["spin_mult"] = 2 if symbol == "H" else 3
    atoms.calc = SinglePointCalculator(atoms, energy=energy)
    return atoms


def test_free_atoms_given_or_found_have_their_energies(waters, tmp_path):
    given = PropertyModel(BASIS, "energy", atom_energies={"H": -13.0, "O": -1970.0})
    given.fit(waters[:60])
    found = PropertyModel(BASIS, "energy")
    found.fit([free_atom("O", -1970.0), *waters[:60], free_atom("H", -13.0)])
    for m in (given, found):
        assert m.n_train_ == 60
        rows = lone_atoms(BASIS, m.species_)[:, None]
        alone = values_of_rows(m.targets, m.parts_, {(0, 1): rows}, np.eye(2))
        np.testing.assert_allclose(alone["energy"], [-13.0, -1970.0], rtol=1e-12)
    a, b = given.predict_arrays(waters[60:])["energy"], found.predict_arrays(waters[60:])["energy"]
    np.testing.assert_array_equal(a, b)
    with pytest.raises(InputError, match="not for O"):
        PropertyModel(BASIS, "energy", atom_energies={"H": -13.0}).fit(waters[:60])
    with pytest.raises(InputError, match="the free O atom has the energy -1970 eV, and atom_ener"):
        PropertyModel(BASIS, "energy", atom_energies={"H": -13.0, "O": -1971.0}).fit(
            [free_atom("O", -1970.0), *waters[:60]]
        )
    sure = PropertyModel(
        BASIS, "energy", Ridge(covariance=True), atom_energies={"H": -13.0, "O": -1970.0}
    ).fit(waters[:60])
    sure.save(tmp_path / "m.h5")
    for name, value in sure.predict_arrays(waters[60:70], std=True).items():
        again = load(tmp_path / "m.h5").predict_arrays(waters[60:70], std=True)[name]
        np.testing.assert_array_equal(value, again)
    z = value_error(sure, waters[60:]) / sure.predict_arrays(waters[60:], std=True)["energy_std"]
    assert 0.2 < np.median(np.abs(z)) < 2
    with pytest.warns(UserWarning, match="eV per atom from those of the free atoms"):
        PropertyModel(BASIS, "energy", atom_energies={"H": -0.5, "O": -75.0}).fit(waters[:60])


def value_error(model, frames):
    true = np.array([a.get_potential_energy() for a in frames])
    return model.predict_arrays(frames)["energy"] - true


@pytest.mark.parametrize(
    ("formula", "settings"),
    [
        ("H2O", {"kappa": 2, "metric": "overlap", "sources": "species"}),
        ("CH4", {"kappa": 2, "metric": "ao"}),
        ("CH4", {"kappa": 2, "metric": "lowdin"}),
        ("CH4", {"kappa": 1, "metric": "ao", "nu": 2, "max_degree": (None, 5)}),
        ("CO2", {"kappa": 2, "metric": "lowdin"}),
    ],
    ids=str,
)
def test_rounding_is_no_column(formula, settings, monkeypatch):
    """What symmetry makes zero in all structures gets no coefficient, though others have it."""

    def frames(n, distort, seed):
        rng, out = np.random.default_rng(seed), []
        for _ in range(n):
            atoms = molecule(formula)
            scale = rng.uniform(0.9, 1.1)
            atoms.positions *= scale
            atoms.positions += distort * rng.normal(size=atoms.positions.shape)
            atoms.positions = atoms.positions @ Rotation.random(random_state=rng).as_matrix().T
            atoms.info["energy"] = -100.0 + 8.0 * (scale - 1.0) ** 2
            r = atoms.positions - atoms.positions[0]
            atoms.info["theta"] = r.T @ r + 1e-3 * (x := rng.normal(size=(3, 3))) + 1e-3 * x.T
            out.append(atoms)
        return out

    def largest(rounding):
        monkeypatch.setattr(magnitudes, "_ROUNDING", rounding)
        distort = 0.05 if formula == "H2O" else 0.0
        targets = [Target("theta", rank=2)] if formula == "H2O" else ["energy"]
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            model = PropertyModel(Basis("sto-3g", **settings), targets)
            model.fit(frames(25, distort, 0))
        return max(
            np.abs(part.coefficients).max()
            for parts in model.parts_.values()
            for part in parts.values()
        )

    assert largest(3e-15) < 1e-2 * largest(0.0)


def test_rounding_takes_no_column_that_is_one():
    """Small molecules to large atoms, stretched bonds, products: all columns of cold noise stay."""
    for formula, ao, settings in (
        ("CH3Cl", "def2-svp", {"kappa": 3, "metric": "overlap"}),
        ("HCl", "sto-3g", {"kappa": 1, "nu": 3, "max_degree": (None, 6, 6)}),
        ("C6H6", "6-31g", {"kappa": 2, "metric": "lowdin", "screening": (None, 0.3)}),
    ):
        rng, out = np.random.default_rng(0), []
        for _ in range(10):
            atoms = molecule(formula)
            atoms.positions *= 2.0 if formula == "HCl" else 1.0
            atoms.positions += 0.05 * rng.normal(size=atoms.positions.shape)
            out.append(atoms)
        species = tuple(sorted(set(out[0].symbols), key=lambda s: atomic_numbers[s]))
        features = Basis(ao, **settings).compile(species, ((0, 1),), "structure")
        rows = structure_rows(features, out)[0, 1][:, 0]
        rounding = magnitudes.structure_rounding(features, out)[0, 1]
        assert (rows.std(axis=0) > 10 * rounding).all(), formula
        # Noise itself: the same structure turned.
        turned = out[0].copy()
        turned.rotate(50, (1, 2, 3))
        noise = structure_rows(features, [out[0], turned])[0, 1][:, 0]
        assert (np.abs(noise[0] - noise[1]) < 3 * rounding).all(), formula


def test_names_of_keys_and_units_are_those_of_targets(waters):
    for given in ({"units": {"energie": "Hartree"}}, {"keys": {"dipole": "d"}}):
        with pytest.raises(InputError, match="expected names among energy, got '(energie|dipole)'"):
            PropertyModel(BASIS, "energy").fit(waters[:60], **given)
    fitted = PropertyModel(BASIS, "energy").fit(waters[:60])
    with pytest.raises(InputError, match="expected names among energy, got 'force'"):
        fitted.score(waters[60:], units={"force": "Hartree/Bohr"})


def test_a_target_without_columns_is_named(waters):
    axial = Target("chi", irrep=(0, -1))
    for atoms in waters[:20]:
        atoms.info["chi"] = [float(atoms.positions[0, 0])]
    with pytest.raises(
        InputError, match=r"chi: expected features with lam = 0, sigma = -1, got no"
    ):
        PropertyModel(Basis("sto-3g", kappa=1), axial).fit(waters[:20])


def test_s_shells_without_angles_warn(waters):
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        PropertyModel(BASIS, "dipole").fit(waters[:20])
    assert any("H has no features with lam = 1" in str(w.message) for w in caught)


def test_refuses_what_v_cannot_tell(waters):
    mixed = [a.copy() for a in waters[:10]]
    for a, b in zip(mixed, waters, strict=False):
        a.calc = b.calc
    mixed[4].info["charge"] = 1
    with pytest.raises(InputError, match=r"charge|multiplicity"):
        PropertyModel(BASIS, "energy").fit(mixed)


def test_charged_dipoles_need_an_origin(waters):
    ions = [a.copy() for a in waters[:20]]
    for a, b in zip(ions, waters, strict=False):
        a.calc = b.calc
        a.info.update(charge=2)
    with pytest.raises(InputError, match="origin"):
        PropertyModel(BASIS, "dipole").fit(ions)
    for a in ions:
        a.info["dipole_origin"] = "centre of nuclear charge"
    PropertyModel(BASIS, "dipole").fit(ions)


def test_bad_input_is_named(model, waters):
    with pytest.raises(InputError, match="not fitted"):
        PropertyModel(BASIS, "energy").predict(waters[:1])
    with pytest.raises(InputError, match=r"frame 1.*N|N.*frame 1"):
        model.predict([waters[0], Atoms("N2", positions=[[0, 0, 0], [0, 0, 1.1]])])
    other = waters[0].copy()
    other.info["charge"] = 2
    with pytest.raises(InputError, match=r"frame 0: charge 2"):
        model.predict([other])
    unlabelled = [waters[0], Atoms(waters[1].numbers, positions=waters[1].positions)]
    with pytest.raises(InputError, match=r"frame 1.*energy|energy.*frame 1"):
        PropertyModel(BASIS, "energy").fit(unlabelled)
    with pytest.raises(InputError, match="rows|structures"):
        PropertyModel(BASIS, "energy").fit(waters[:1])
    same = [a.copy() for a in waters[:10]]
    for a in same:
        a.calc = SinglePointCalculator(a, energy=-2000.0)
    with pytest.raises(InputError, match="constant|vary|variance"):
        PropertyModel(BASIS, "energy").fit(same)
    with pytest.raises(InputError, match="forces"):
        PropertyModel(BASIS, ("dipole", "forces"))
    with pytest.raises(InputError, match="gap"):
        PropertyModel(BASIS, "gap")


def test_a_fit_that_fails_leaves_the_model_as_it_was(waters):
    model = PropertyModel(BASIS, "energy").fit(waters[:40])
    before = model.predict(waters[40:42])
    same = [a.copy() for a in waters[:10]]
    for a in same:
        a.calc = SinglePointCalculator(a, energy=-2000.0)
    with pytest.raises(InputError, match=r"mine: energy is .*vary"):
        model.fit(same, source="mine")
    with pytest.raises(InputError, match=r"mine: energy of 1 structures"):
        model.fit(waters[:1], source="mine")
    assert model.predict(waters[40:42]) == before


def test_one_structure_and_generators_are_taken(waters):
    model = PropertyModel(BASIS, "energy").fit(waters[:40])
    assert model.predict(waters[41]) == model.predict(a for a in [waters[41]])


def test_tensors_must_be_symmetric(waters):
    frames = [a.copy() for a in waters[:20]]
    for a in frames:
        a.info["Q"] = np.arange(9.0).reshape(3, 3) * a.get_distance(0, 1)
    with pytest.raises(InputError, match="frame 0: Q is not symmetric"):
        PropertyModel(BASIS, Target("Q", rank=2)).fit(frames)


def test_of_several_states_one_is_fitted(waters):
    mixed = [a.copy() for a in waters[:60]]
    for k, (a, b) in enumerate(zip(mixed, waters, strict=False)):
        a.calc = SinglePointCalculator(a, energy=b.get_potential_energy() + 12.0 * (k % 3 == 1))
        if k % 3 == 1:
            a.info.update(charge=1, spin_mult=2)
    weights = np.linspace(1, 2, 60)
    model = PropertyModel(BASIS).fit(mixed, state=(0, 1), weights=weights)
    neutral = [k for k in range(60) if k % 3 != 1]
    alone = PropertyModel(BASIS).fit([mixed[k] for k in neutral], weights=weights[neutral])
    assert (model.state_, model.n_train_) == ((0, 1), 40)
    np.testing.assert_array_equal(
        model.predict_arrays(waters[60:])["energy"], alone.predict_arrays(waters[60:])["energy"]
    )
    assert PropertyModel(BASIS).fit(mixed, state=(1, 2)).state_ == (1, 2)
    with pytest.raises(InputError, match=r"charge 2 and multiplicity 1, got .*\(0, 1\), \(1, 2\)"):
        PropertyModel(BASIS).fit(mixed, state=(2, 1))
    with pytest.raises(InputError, match=r"state: expected integers"):
        PropertyModel(BASIS).fit(mixed, state=("0", 1))


def test_copies_of_one_structure_are_not_a_training_set(waters):
    frames = [waters[0].copy() for _ in range(4)]
    for k, atoms in enumerate(frames):
        atoms.info["energy"] = -2000.0 + k
    with pytest.raises(InputError, match=r"^here: .* differ, got 4 copies of one"):
        PropertyModel(BASIS).fit(frames, source="here")


def test_rows_that_no_memory_holds_are_refused_before_they_are_made(waters, monkeypatch):
    monkeypatch.setattr("linvop.features.memory.memory_of_machine", lambda: 2**12)
    with pytest.raises(InputError, match=r"here: 20 structures x features, \d+ of lam = 0: .* GiB"):
        PropertyModel(BASIS).fit(waters[:20], source="here")
    monkeypatch.setattr("linvop.features.memory.memory_of_machine", lambda: 2**28)
    PropertyModel(BASIS).fit(waters[:20])


def test_copies_of_a_structure_are_left_out_together(waters):
    turned = waters[3].copy()
    turned.rotate(40, "z")
    turned.info["energy"] = waters[3].calc.results["energy"]
    model = PropertyModel(BASIS, solver=Ridge(1e-2, column_scale=0))
    left_out = copy(model).fit([*waters[:30], turned]).loo_predictions_["energy"][[3, 30]]
    without = copy(model).fit([*waters[:3], *waters[4:30]]).predict_arrays([waters[3]])["energy"]
    assert abs(without[0] - turned.info["energy"]) > 1e-6
    np.testing.assert_allclose(left_out, without[0], rtol=0, atol=1e-9)
