r"""Errors of what follows from a predicted operator, by the same formulas as from the label's."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from linvop.errors import InputError
from linvop.io.records import Record
from linvop.models.energy_errors import EnergyFunctional, chosen_structures
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
    "energy": "eV",
    "occupied levels of F[P]": "eV",
    "LUMO of F[P]": "eV",
}


def derived_errors(
    model: OperatorModel,
    records: Sequence[Record],
    predicted: Sequence[np.ndarray],
    *,
    source: str = "data",
    functional: EnergyFunctional | None = None,
    energy: bool | int = False,
) -> dict[str, dict[str, Any]]:
    r"""Errors of orbital energies, dipoles and charges, and of energies where asked for.

    Parameters
    ----------
    model : OperatorModel
    records : sequence of Record
        With the operator.
    predicted : sequence of matrices
        What the model predicts for each.
    source : str
        How messages call the data.
    functional : EnergyFunctional, optional
        Of the labels (`linvop.models.energy_errors`); needed for energies.
    energy : bool or int
        Whether energies and the levels of F[P] are compared too, or of how many structures: a
        functional is evaluated twice for each.

    Returns
    -------
    {quantity: {mae, rmse, max, n, unit}}
        Over occupied levels, structures (the LUMO, the gap, the energy, the norm of the dipole's
        error) or atoms; orbital energies of Fock matrices only. Apart, if there are any, with
        ``n`` and ``structures``: ``failed``, whose predicted operator has no observables, and
        ``unusable labels``, whose label has none (no gap, so that its orbitals are not defined);
        a warning names these.
    """
    found: dict[str, list[np.ndarray]] = {}
    failed: list[int] = []
    unusable: dict[int, str] = {}
    with_energy = chosen_structures(energy if functional else False, len(records))
    for k, (record, matrix) in enumerate(zip(records, predicted, strict=True)):
        true = _observables(model, record, getattr(record, model.target))
        ours = _observables(model, record, matrix)
        if isinstance(true, str):
            unusable[k] = true
        elif isinstance(ours, str):
            failed.append(k)
        else:
            errors = _errors(ours, true)
            if functional is not None and k in with_energy:
                errors |= functional.errors(record, model.ao, ours, true)
            for name, error in errors.items():
                found.setdefault(name, []).append(np.abs(np.ravel(error)))
    _warn_of_labels(unusable, source)
    out = {name: summary(np.concatenate(x), _UNITS[name]) for name, x in found.items()}
    apart = {"failed": failed, "unusable labels": list(unusable)}
    return out | {name: {"n": len(x), "structures": x} for name, x in apart.items() if x}


def _warn_of_labels(unusable: dict[int, str], source: str) -> None:
    if unusable:
        first, reason = next(iter(unusable.items()))
        warnings.warn(
            f"{source}: {len(unusable)} labels have no observables and are left out of their "
            f"errors, the first that of frame {first}: {reason}",
            stacklevel=4,
        )


def _observables(model: OperatorModel, record: Record, matrix: np.ndarray) -> Observables | str:
    """What follows from an operator, or why nothing does: no gap, other electrons."""
    operator: dict[str, Any] = {model.target: matrix, "ao": model.ao}
    try:
        return analyse(record.atoms(), **operator)
    except InputError as error:
        return str(error)


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
