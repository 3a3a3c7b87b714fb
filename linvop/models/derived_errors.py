r"""Errors of what follows from a predicted operator, by the same formulas as from the label's."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from linvop.errors import InputError
from linvop.io.records import Record
from linvop.observables.analysis import analyse
from linvop.observables.result import Observables

if TYPE_CHECKING:
    from linvop.models.operator import OperatorModel

__all__ = ["derived_errors", "summary"]

_UNITS = {
    "occupied orbital energies": "eV",
    "LUMO": "eV",
    "gap": "eV",
    "dipole": "e*Angstrom",
    "lowdin charges": "e",
    "mulliken charges": "e",
}


def derived_errors(
    model: OperatorModel, records: Sequence[Record], predicted: Sequence[np.ndarray]
) -> dict[str, dict[str, Any]]:
    r"""Errors of orbital energies, dipoles and charges.

    Parameters
    ----------
    model : OperatorModel
    records : sequence of Record
        With the operator.
    predicted : sequence of matrices
        What the model predicts for each.

    Returns
    -------
    {quantity: {mae, rmse, max, n, unit}}
        Over occupied levels, structures (the LUMO, the gap, the norm of the dipole's error) or
        atoms; orbital energies of Fock matrices only. With ``n_failed`` structures apart whose
        predicted operator has no observables, if there are any.
    """
    found: dict[str, list[np.ndarray]] = {}
    n_failed = 0
    for record, matrix in zip(records, predicted, strict=True):
        atoms = record.atoms()
        true = analyse(atoms, **_operator(model, getattr(record, model.target)))
        try:
            ours = analyse(atoms, **_operator(model, matrix))
        except InputError:  # no gap, wrong number of electrons: part of what is measured
            n_failed += 1
            continue
        for name, error in _errors(ours, true).items():
            found.setdefault(name, []).append(np.abs(np.ravel(error)))
    out = {name: summary(np.concatenate(x), _UNITS[name]) for name, x in found.items()}
    return out | ({"failed": {"n": n_failed}} if n_failed else {})


def _operator(model: OperatorModel, matrix: np.ndarray) -> dict[str, Any]:
    return {model.target: matrix, "ao": model.ao}


def _errors(ours: Observables, true: Observables) -> dict[str, np.ndarray]:
    errors: dict[str, np.ndarray] = {
        "dipole": np.atleast_1d(np.linalg.norm(ours.dipole - true.dipole)),
        "lowdin charges": ours.lowdin_charges - true.lowdin_charges,
        "mulliken charges": ours.mulliken_charges - true.mulliken_charges,
    }
    if ours.orbital_energies is None or true.orbital_energies is None:
        return errors
    occupied = np.asarray(true.occupations) > 0
    levels = {
        "occupied orbital energies": (ours.orbital_energies - true.orbital_energies)[occupied],
        "LUMO": np.subtract(ours.lumo, true.lumo),  # type: ignore[arg-type]
        "gap": np.subtract(ours.gap, true.gap),  # type: ignore[arg-type]
    }
    return levels | errors


def summary(size: np.ndarray, unit: str) -> dict[str, Any]:
    r"""MAE, RMSE, largest and number of absolute errors; those that are not finite left out."""
    size = size[np.isfinite(size)]  # minimal bases can have no empty orbital
    if not size.size:
        return {"n": 0, "unit": unit}
    return {
        "mae": float(size.mean()),
        "rmse": float(np.sqrt((size**2).mean())),
        "max": float(size.max()),
        "n": int(size.size),
        "unit": unit,
    }
