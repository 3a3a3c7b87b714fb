"""Labels in another unit than the predictions are recognised by the factor between them."""

from __future__ import annotations

import numpy as np
import pytest

from linvop.conventions import PROPERTY_UNITS, UNITS
from linvop.models.unit_hint import unit_hint


def energies(n: int = 20) -> np.ndarray:
    return -2070.0 + np.random.default_rng(0).normal(size=n)


@pytest.mark.parametrize(
    ("name", "unit"),
    [
        (name, unit)
        for name in ("energy", "dipole", "polarizability")
        for unit, factor in UNITS[PROPERTY_UNITS[name]].items()
        if factor != 1.0
    ],
)
def test_every_unit_is_recognised_both_ways(name, unit):
    home = PROPERTY_UNITS[name]
    shape = {"energy": (30,), "dipole": (30, 3), "polarizability": (30, 3, 3)}[name]
    rng = np.random.default_rng(1)
    true = rng.normal(size=shape) + (-2000 if name == "energy" else 0)
    predicted = true * (1 + 1e-3 * rng.normal(size=shape))
    factor = UNITS[home][unit]
    for labels in (true / factor, true * factor):
        assert "in which unit are they?" in unit_hint(name, labels, predicted)


@pytest.mark.parametrize(
    "labels",
    [
        energies(),
        energies() * 1.05,
        energies() * 5.0,
        np.random.default_rng(2).normal(size=20),
        np.zeros(20),
    ],
)
def test_errors_of_other_kinds_are_no_hint(labels):
    assert unit_hint("energy", labels, energies()) is None


def test_other_properties_and_unknown_predictions():
    assert unit_hint("gap", energies() / 27.2114, energies()) is None
    predicted = energies()
    predicted[3] = np.nan
    assert "Hartree to eV" in unit_hint("energy", energies() / 27.2114, predicted)
