"""What follows from predicted operators: energies of second order, labels that have nothing."""

from __future__ import annotations

import warnings
from dataclasses import dataclass, replace

import numpy as np
import pytest

import linvop
from linvop.errors import InputError
from linvop.models.derived_errors import derived_errors
from linvop.models.energy_errors import EnergyFunctional

PBE = EnergyFunctional("pbe", grid_level=1)


@dataclass
class Known:
    """What `derived_errors` asks of a model."""

    target: str
    ao: linvop.AOBasis


@pytest.fixture(scope="module")
def data() -> linvop.Dataset:
    shipped = linvop.Dataset.open(linvop.data.water()).having("fock", "density")
    return linvop.Dataset(list(shipped[:3]), shipped.ao, {**shipped.settings, "grid_level": 1})


def moved(matrix: np.ndarray, size: float, seed: int = 0) -> np.ndarray:
    off = size * np.random.default_rng(seed).normal(size=matrix.shape)
    return matrix + off + off.T


@pytest.mark.parametrize("target", ["fock", "density"])
def test_energies_are_of_second_order_and_above_the_labels(data, target):
    """E[P] is variational: twice the error of the operator, four times that of the energy."""
    record = data[0]
    label = getattr(record, target)
    size = {"fock": 3e-4, "density": 1e-4}[target]

    def error(x: float) -> float:
        model = Known(target, data.ao)
        found = derived_errors(model, [record], [moved(label, x)], functional=PBE, energy=True)
        assert found["energy"]["unit"] == "eV"
        assert found["energy"]["n"] == 1
        return found["energy"]["mae"]

    assert error(0.0) == 0.0
    once, twice = error(size), error(2 * size)
    assert once > 1e-5
    assert twice == pytest.approx(4 * once, rel=0.1)
    P = linvop.analyse(record.atoms(), **{target: moved(label, size)}, ao=data.ao).density
    true = linvop.analyse(record.atoms(), **{target: label}, ao=data.ao).density
    # Its sign, which the size of an error does not show, and the unit, from `analyse`'s energies.
    assert PBE.errors(record, data.ao, P, true)[0] == pytest.approx(once)
    absolute = [
        linvop.analyse(record.atoms(), density=x, ao=data.ao, xc="pbe", grid_level=1).energy
        for x in (P, true)
    ]
    assert absolute[0] - absolute[1] == pytest.approx(once, rel=1e-3)


def test_energies_of_a_model_for_as_many_structures_as_asked(data):
    model = linvop.OperatorModel(linvop.Basis("def2-svp", kappa=1)).fit(data)
    assert "energy" not in model.score(data)
    found = model.score(data, energy=2)
    assert (found["energy"]["n"], found["dipole"]["n"]) == (2, 3)
    assert model.score(data, energy=True)["energy"]["n"] == 3
    with pytest.raises(InputError, match="energy: expected True, False or a number .* got -1"):
        model.score(data, energy=-1)
    unknown = linvop.Dataset(list(data), data.ao, {"ao": "def2-svp"})
    with pytest.raises(InputError, match=r'data: expected settings .*"xc".*, got ao'):
        model.score(unknown, energy=True)
    model.score(unknown)


def test_the_functional_is_that_of_the_settings():
    rhf = {"method": "rhf", "xc": None}
    assert EnergyFunctional.of(rhf, "data") == EnergyFunctional("hf", 4)
    rks = {"method": "rks", "xc": "b3lyp", "grid_level": 2}
    assert EnergyFunctional.of(rks, "data") == EnergyFunctional("b3lyp", 2)
    with pytest.raises(InputError, match="pbee"):
        EnergyFunctional.of({"xc": "pbee"}, "data")


@pytest.mark.parametrize("target", ["fock", "density"])
def test_a_label_without_a_gap_is_named_and_left_out(data, target):
    records = list(data)
    electrons = 10 if target == "density" else 1
    level = electrons / len(records[1].overlap) * np.linalg.inv(records[1].overlap)
    flat = level if target == "density" else records[1].overlap
    records[1] = replace(records[1], **{target: flat})
    predicted = [getattr(r, target) for r in data]
    model = Known(target, data.ao)
    with pytest.warns(UserWarning, match=r"^set: 1 labels .* frame 1: .*not defined"):
        found = derived_errors(model, records, predicted, source="set")
    assert found["unusable labels"] == {"n": 1, "structures": [1]}
    assert found["dipole"]["n"] == 2
    # The other way about it is the model that fails, which is no warning but a figure.
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        found = derived_errors(model, list(data), [getattr(r, target) for r in records])
    assert found["failed"] == {"n": 1, "structures": [1]}
    assert found["dipole"]["n"] == 2


def test_the_gap_is_lumo_less_homo(data):
    """Levels moved one by one: each quantity has the error of its own levels."""
    record = data[0]
    found = linvop.analyse(record.atoms(), fock=record.fock, ao=data.ao)
    C, S = found.orbitals, record.overlap
    up = np.zeros(len(C))
    up[4], up[5] = 0.010, 0.025  # HOMO and LUMO of water, eV
    F = record.fock + S @ (C * up) @ C.T @ S / linvop.conventions.HARTREE
    errors = derived_errors(Known("fock", data.ao), [record], [F])
    assert errors["LUMO"]["mae"] == pytest.approx(0.025)
    assert errors["gap"]["mae"] == pytest.approx(0.015)
    assert errors["occupied orbital energies"]["max"] == pytest.approx(0.010)
    assert errors["occupied orbital energies"]["mae"] == pytest.approx(0.010 / 5)
    assert errors["dipole"]["max"] < 1e-8
