"""Fits and predictions on a device are those of the CPU; what it does not do is said."""

from __future__ import annotations

import numpy as np
import pytest
from ase.build import molecule
from ase.calculators.singlepoint import SinglePointCalculator

import linvop
from linvop.errors import InputError

BASIS = linvop.Basis("sto-3g", kappa=2, metric="lowdin")
WITH_PRODUCTS = linvop.Basis("linvop-sv", kappa=2, nu=2, max_degree=(None, 4), metric="ao")
QUIET = pytest.mark.filterwarnings("ignore:alpha at its", "ignore:.*alpha is at", "ignore:H has no")


def with_forces(n: int) -> list:
    """Waters with a quadratic energy of their distances, and its forces."""
    rng, frames = np.random.default_rng(0), []
    for _ in range(n):
        atoms = molecule("H2O")
        atoms.positions += rng.normal(scale=0.06, size=(3, 3))
        forces, energy = np.zeros((3, 3)), 0.0
        for i, j in ((0, 1), (0, 2), (1, 2)):
            bond = atoms.positions[i] - atoms.positions[j]
            energy += float(bond @ bond)
            forces[i] -= 2 * bond
            forces[j] += 2 * bond
        atoms.calc = SinglePointCalculator(atoms, energy=energy, forces=forces)
        frames.append(atoms)
    return frames


@QUIET
@pytest.mark.parametrize("basis", [BASIS, WITH_PRODUCTS], ids=["words", "products"])
@pytest.mark.parametrize("chunk", [None, 16])
def test_fit_and_predict(gpu_device, waters, basis, chunk):
    models = [
        linvop.PropertyModel(basis, ("energy", "dipole"), linvop.Ridge(refine=False)).fit(
            waters[:60], chunk=chunk, device=device
        )
        for device in ("cpu", gpu_device)
    ]
    here = models[0].predict_arrays(waters[60:])
    there = models[1].predict_arrays(waters[60:], device=gpu_device)
    assert here.keys() == there.keys()
    for name, values in here.items():
        # A fit may magnify what features differ by; labels are smooth to some 1e-3.
        np.testing.assert_allclose(there[name], values, rtol=0, atol=1e-7)
        same = models[0].predict_arrays(waters[60:], device=gpu_device)[name]
        np.testing.assert_allclose(same, values, rtol=1e-10, atol=1e-10)


@QUIET
def test_forces_and_deviations(gpu_device):
    frames = with_forces(24)
    solver = linvop.Ridge(covariance=True)
    model = linvop.PropertyModel(BASIS, ("energy", "forces"), solver).fit(frames[:20])
    here, there = (model.predict(frames[20:], device=d) for d in ("cpu", gpu_device))
    for one, other in zip(here, there, strict=True):
        assert one.keys() == other.keys()
        assert other["energy"] == pytest.approx(one["energy"], abs=1e-9)
        np.testing.assert_allclose(other["forces"], one["forces"], atol=1e-8)
    with pytest.raises(InputError, match="std: standard deviations of forces"):
        model.predict(frames[20:], device=gpu_device, std=True)
    with pytest.raises(InputError, match="rows of forces are made on the CPU only"):
        model.fit(frames[:20], device=gpu_device)
    energies = linvop.PropertyModel(BASIS, "energy", solver).fit(frames[:20], device=gpu_device)
    found = energies.predict(frames[20:], device=gpu_device, std=True)
    expected = energies.predict(frames[20:], std=True)
    for one, other in zip(expected, found, strict=True):
        assert other["energy_std"] == pytest.approx(one["energy_std"], rel=1e-6)


def test_what_a_device_does_not_do(gpu_device, waters):
    with pytest.raises(InputError, match="expected no executor"):
        linvop.PropertyModel(BASIS).fit(waters, device=gpu_device, executor=object())
    with pytest.raises(InputError, match="device: expected 'cpu' or 'gpu', got 'tpu'"):
        linvop.PropertyModel(BASIS).fit(waters, device="tpu")
