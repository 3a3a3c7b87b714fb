"""What fits/ ships: exported models in the light runtime, against the models as fitted."""

from __future__ import annotations

import json
import tomllib
import warnings
from pathlib import Path

import numpy as np
import pytest
from ase.build import molecule

import linvop
from linvop import deploy_pyscf
from linvop.deploy import Predictor

FITS = Path(__file__).parents[1] / "fits"
EXPORTED = sorted(p.parent.name for p in FITS.glob("*/model.deploy.h5"))
OF = {"water": "H2O", "ethanol": "CH3CH2OH", "qm7": "CH3CONH2"}
OPERATORS = ("water_fock", "water_effective")
PROPERTIES = [name for name in EXPORTED if name not in OPERATORS]


def test_there_are_some():
    assert {"water", "ethanol", "qm7", *OPERATORS} <= set(EXPORTED) <= {*OF, *OPERATORS}


@pytest.mark.parametrize("name", OPERATORS)
def test_operators_in_the_light_runtime(name):
    runtime = Predictor(FITS / name / "model.deploy.h5")
    model = linvop.load(FITS / name / "model.h5")
    one = model if isinstance(model, linvop.OperatorModel) else model.operator_
    atoms = molecule("H2O")
    found = deploy_pyscf.operator(runtime, atoms.numbers, atoms.positions)
    expected = one.predict(atoms)
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-10 * np.abs(expected).max())


@pytest.mark.parametrize("name", PROPERTIES)
def test_in_the_light_runtime(name):
    runtime, model = (
        Predictor(FITS / name / "model.deploy.h5"),
        linvop.load(FITS / name / "model.h5"),
    )
    atoms = molecule(OF[name])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", linvop.ExtrapolationWarning)  # its bonds are not PBE's
        expected = model.predict([atoms])[0]
        forces = -model.derivatives([atoms])[0]
    found = deploy_pyscf.predict(runtime, atoms.numbers, atoms.positions)
    assert set(runtime.targets) == {t.name for t in model.targets}
    for target in runtime.targets:
        np.testing.assert_allclose(found[target], expected[target], rtol=1e-10, atol=1e-9)
    np.testing.assert_allclose(
        deploy_pyscf.forces(runtime, atoms.numbers, atoms.positions),
        forces,
        atol=1e-8 * np.abs(forces).max(),
    )
    assert max(runtime.checks.values()) < 1e-6


@pytest.mark.parametrize("name", PROPERTIES)
def test_metrics_are_of_the_model_beside_them(name):
    metrics = json.loads((FITS / name / "metrics.json").read_text())
    config = tomllib.loads((FITS / name / "config.toml").read_text())
    model = linvop.load(FITS / name / "model.h5")
    assert metrics["n_train"] == model.n_train_
    assert {t.name for t in model.measured} == set(config["targets"])
    assert metrics["leave_one_out"] == model.training_["leave_one_out"]
