"""ASE's ways of asking: forces against differences, dynamics, vibrations, and what is refused."""

from __future__ import annotations

import re
import warnings
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from ase import Atoms, units
from ase.calculators.calculator import PropertyNotImplementedError
from ase.calculators.fd import calculate_numerical_forces
from ase.md.verlet import VelocityVerlet
from ase.optimize import BFGS
from ase.vibrations import Vibrations
from threadpoolctl import threadpool_info

import linvop
from linvop.errors import InputError
from linvop.models.domain import ExtrapolationWarning

ROOT = Path(__file__).parents[1]
BASIS = linvop.Basis(ao="6-31g", kappa=2, resolution="shell", metric="lowdin")


@pytest.fixture(scope="module")
def frames():
    return linvop.Dataset.open(linvop.data.water()).frames()


@pytest.fixture(scope="module")
def model(frames):
    return linvop.PropertyModel(BASIS, targets=("energy", "dipole")).fit(frames[:150])


@pytest.fixture
def water(frames, model):
    atoms = frames[160].copy()
    atoms.calc = linvop.Calculator(model)
    return atoms


def test_what_the_model_predicts(water, model):
    predicted = model.predict([water])[0]
    assert water.get_potential_energy() == pytest.approx(predicted["energy"], rel=1e-14)
    np.testing.assert_allclose(water.get_dipole_moment(), predicted["dipole"], rtol=1e-12)
    forces = -model.derivatives([water])[0]
    np.testing.assert_allclose(water.get_forces(), forces, rtol=1e-12)


def test_forces_are_minus_the_derivatives_of_the_energy(water):
    forces = water.get_forces()
    numeric = calculate_numerical_forces(water, eps=1e-4)
    np.testing.assert_allclose(forces, numeric, atol=1e-6 * np.abs(forces).max())
    np.testing.assert_allclose(forces.sum(axis=0), 0, atol=1e-9)
    torque = np.cross(water.positions, forces).sum(axis=0)
    np.testing.assert_allclose(torque, 0, atol=1e-9)


def test_dipole_derivatives(water, model):
    found = model.derivatives([water], "dipole")[0]
    assert found.shape == (3, 3, 3)
    step = 1e-3
    for atom, x in np.ndindex(3, 3):
        dipoles = []
        for sign in (1, -1):
            moved = water.copy()
            moved.positions[atom, x] += sign * step
            dipoles.append(model.predict([moved])[0]["dipole"])
        numeric = (dipoles[0] - dipoles[1]) / (2 * step)
        np.testing.assert_allclose(found[:, atom, x], numeric, atol=1e-5)


def test_a_minimum_its_vibrations_and_dynamics_that_conserve_energy(water, tmp_path):
    assert BFGS(water, logfile=None).run(fmax=1e-3, steps=100)
    vibrations = Vibrations(water, name=str(tmp_path / "vib"))
    vibrations.run()
    waves = vibrations.get_frequencies().real[-3:]
    assert 1400 < waves[0] < 1800  # the bending mode, 1/cm
    assert np.all((waves[1:] > 3400) & (waves[1:] < 4200))
    water.rattle(0.03, seed=1)
    dynamics = VelocityVerlet(water, 0.25 * units.fs)
    before = water.get_total_energy()
    dynamics.run(100)
    assert abs(water.get_total_energy() - before) < 1e-3 * abs(water.get_kinetic_energy() + 1)


def test_nothing_is_calculated_twice(water, monkeypatch):
    asked = []
    evaluate = type(water.calc.model).evaluate

    def counted(model, atoms, derivatives=(), **settings):
        asked.append(list(derivatives))
        return evaluate(model, atoms, derivatives, **settings)

    monkeypatch.setattr(type(water.calc.model), "evaluate", counted)
    energy = water.get_potential_energy()
    forces = water.get_forces()
    assert water.get_potential_energy() == pytest.approx(energy, rel=1e-14)
    np.testing.assert_array_equal(water.get_forces(), forces)
    water.get_dipole_moment()
    assert asked == [[], ["energy"]]
    water.positions[0] += 0.01
    assert np.abs(water.get_forces() - forces).max() > 1e-3
    assert len(asked) == 3


def test_one_warning_outside_the_training_data(water):
    water.positions[1] *= 4
    with pytest.warns(ExtrapolationWarning):
        water.get_potential_energy()
    water.positions[1] *= 1.1
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        water.get_potential_energy()
    far = water.positions[1].copy()
    water.positions[1] /= 4.4
    water.get_potential_energy()
    water.positions[1] = far
    with pytest.warns(ExtrapolationWarning):  # it had come back
        water.get_potential_energy()


def test_undetermined_compositions_do_not_hide_what_is_far(model):
    atoms = Atoms("H2", [[0, 0, 0], [0, 0, 0.8]])
    atoms.calc = linvop.Calculator(model)
    with pytest.warns(ExtrapolationWarning, match="composition H2 is no combination"):
        atoms.get_potential_energy()
    water = Atoms("H2O", [[0, 0, 0.8], [0, 0, 0], [0, 0, 9.0]])
    water.calc = linvop.Calculator(model)
    with pytest.warns(ExtrapolationWarning, match="the model extrapolates"):
        water.get_potential_energy()


def test_results_are_of_these_atoms(water, model):
    """Another charge is another structure, and what was not asked for again is not kept."""
    water.get_forces()
    water.info["charge"] = 1
    with pytest.raises(InputError, match="multiplicity|charge 1"):
        water.get_potential_energy()
    del water.info["charge"]
    calculator = linvop.Calculator(model)
    calculator.calculate(water, ["forces"])
    assert "forces" in calculator.results
    other = water.copy()
    other.positions[0] += 0.1
    calculator.calculate(other, ["energy"])
    assert "forces" not in calculator.results
    with pytest.raises(TypeError, match="workers"):
        linvop.Calculator(model, workers=4)


def test_threads_share_a_model(frames, model):
    """Filters of warnings are the process's own: nobody may set them while others calculate."""
    before, expected = list(warnings.filters), model.predict_arrays(frames[:40])["energy"]
    far = frames[0].copy()
    far.positions[1] *= 4

    def energies(k: int) -> float:
        atoms = (far if k % 4 == 0 else frames[k]).copy()
        atoms.calc = linvop.Calculator(model)
        assert atoms.get_forces().shape == (3, 3)
        return atoms.get_potential_energy()

    with warnings.catch_warnings(record=True) as caught, ThreadPoolExecutor(8) as pool:
        warnings.simplefilter("always")
        inside = list(warnings.filters)
        found = list(pool.map(energies, range(40)))
        assert warnings.filters == inside
    own = np.arange(40) % 4 > 0
    np.testing.assert_allclose(np.array(found)[own], expected[own], rtol=1e-13)
    assert sum(w.category is ExtrapolationWarning for w in caught) == 10
    # Fits too, with free atoms, which make frames of a part have other numbers than in the file.
    free = [Atoms("H"), Atoms("O")]
    for atoms, energy in zip(free, (-13.0, -2000.0), strict=True):
        atoms.info["energy"] = energy

    def fit(k: int) -> None:
        linvop.PropertyModel(BASIS).fit([*free, *frames[k : k + 30]])

    threads = [x["num_threads"] for x in threadpool_info() if x["user_api"] == "blas"]
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(fit, range(8)))
    assert warnings.filters == before
    assert threads == [x["num_threads"] for x in threadpool_info() if x["user_api"] == "blas"]


def test_what_is_refused(water, frames):
    with pytest.raises(PropertyNotImplementedError, match="no cell"):
        water.get_stress()
    with pytest.raises(PropertyNotImplementedError, match="magmoms: this model gives energy"):
        water.get_magnetic_moments()
    water.numbers[0] = 16
    with pytest.raises(InputError, match="S"):
        water.get_potential_energy()
    with pytest.raises(InputError, match="expected a linvop.PropertyModel, got int"):
        linvop.Calculator(3)
    with pytest.raises(InputError, match="not fitted"):
        linvop.Calculator(linvop.PropertyModel(BASIS))
    only = linvop.PropertyModel(BASIS, targets="dipole").fit(frames[:50])
    water = frames[60].copy()
    water.calc = linvop.Calculator(only)
    assert water.get_dipole_moment().shape == (3,)
    with pytest.raises(PropertyNotImplementedError, match="forces: this model gives dipole"):
        water.get_forces()
    with pytest.raises(InputError, match="target: expected one of dipole, got 'energy'"):
        only.derivatives([water])
    with pytest.raises(InputError, match="target: expected one of dipole, got 'energy'"):
        only.evaluate(water, derivatives=["energy"])


def test_the_page_of_examples(tmp_path, monkeypatch):
    """Relaxation, deviations, vibrations, infrared, dynamics and NEB of docs/calculator.md."""
    page = (ROOT / "docs" / "calculator.md").read_text()
    blocks = re.findall(r"^```python\n(.*?)^```", page, flags=re.M | re.S)
    assert len(blocks) == 7
    monkeypatch.chdir(tmp_path)
    here: dict = {}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ExtrapolationWarning)
        for block in blocks:
            exec(block, here)
    water = here["water"]
    assert np.abs(water.get_forces()).max() < 1e-3
    assert water.get_distance(0, 1) == pytest.approx(0.97, abs=0.02)  # PBE: 0.969
    assert 95 < water.get_angle(1, 0, 2) < 110
    bend, *stretches = here["frequencies"]
    assert 1450 < bend < 1750
    assert all(3500 < x < 4000 for x in stretches)
    assert (here["infrared"].intensities[6:] > 0.01).all()
    assert here["drift"] < 2e-3
    assert 0.3 < here["barrier"] < 10
