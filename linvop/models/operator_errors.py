r"""Errors of a fitted `OperatorModel` on labelled structures."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from linvop.errors import InputError
from linvop.models.derived_errors import derived_errors
from linvop.models.energy_errors import EnergyFunctional
from linvop.models.operator_data import operator_set
from linvop.models.operator_scores import MatrixErrors
from linvop.observables.truncation import beyond

if TYPE_CHECKING:
    from linvop.io.dataset import Dataset
    from linvop.models.operator import OperatorModel

__all__ = ["operator_errors"]

_CHANNELS = {1: "one spin channel", 2: "two spin channels"}


def operator_errors(
    model: OperatorModel,
    data: Dataset,
    workers: int | None,
    source: str,
    keep_elements: bool,
    energy: bool | int,
) -> tuple[MatrixErrors, dict[str, dict[str, Any]]]:
    r"""Of matrix elements, and of what follows from the matrices; see `OperatorModel.errors`."""
    model.require_ao(data.ao, source)
    functional = EnergyFunctional.of(data.settings, source) if energy else None
    labelled = operator_set(data, model.target, source)
    if labelled.spin_channels != model.spin_channels_:
        raise InputError(
            f"{source}: expected {_CHANNELS[model.spin_channels_]} as the model has, got "
            f"{_CHANNELS[labelled.spin_channels]}"
        )
    errors = MatrixErrors(model.ao_, keep=keep_elements)
    predicted = model.predict(labelled.frames, workers=workers, source=source)
    for record, atoms, matrix in zip(labelled.records, labelled.frames, predicted, strict=True):
        true = getattr(record, model.target)
        errors.add(atoms, true, matrix)
        if model.basis.pair_cutoff is not None:
            frame = model.frame(atoms)
            far = beyond(frame.system, model.basis.pair_cutoff)
            errors.add_beyond(frame.learned(true), frame.learned(matrix), far)
    derived = derived_errors(
        model, labelled.records, predicted, source=source, functional=functional, energy=energy
    )
    return errors, derived
