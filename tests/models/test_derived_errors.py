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
    return matrix + off + off.swapaxes(-1, -2)


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
    pair = [
        linvop.analyse(record.atoms(), **{target: x}, ao=data.ao)
        for x in (moved(label, size), label)
    ]
    # Signs, which the size of an error does not show, and units, from what `analyse` finds.
    errors = PBE.errors(record, data.ao, *pair)
    assert errors["energy"][0] == pytest.approx(once)
    absolute = [
        linvop.analyse(record.atoms(), density=x.density, ao=data.ao, xc="pbe", grid_level=1)
        for x in pair
    ]
    assert absolute[0].energy - absolute[1].energy == pytest.approx(once, rel=1e-3)
    levels = absolute[0].orbital_energies - absolute[1].orbital_energies
    np.testing.assert_allclose(errors["occupied levels of F[P]"], levels[:5], atol=1e-9)
    np.testing.assert_allclose(errors["LUMO of F[P]"], levels[5:6], atol=1e-9)


def test_levels_of_open_shells_are_those_of_each_spin(tmp_path):
    from ase.build import molecule as named

    atoms = named("O2")
    atoms.info["spin_mult"] = 3
    settings = {"method": "uks", "xc": "lda,vwn", "ao": "sto-3g", "grid_level": 0}
    linvop.label([atoms], tmp_path / "o2.h5", quantities=["fock", "overlap"], **settings)
    (record,) = linvop.Dataset.open(tmp_path / "o2.h5")
    true = linvop.analyse(record.atoms(), fock=record.fock, ao="sto-3g")
    ours = linvop.analyse(record.atoms(), fock=moved(record.fock, 1e-3), ao="sto-3g")
    errors = EnergyFunctional("lda,vwn", 0).errors(record, linvop.AOBasis("sto-3g"), ours, true)
    assert errors["occupied levels of F[P]"].shape == (9 + 7,)
    assert errors["LUMO of F[P]"].shape == (2 - 1 + 1,)
    assert 0 < np.abs(errors["occupied levels of F[P]"]).max() < 1.0


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
