r"""Predicted operators as a data set, in the file format of labelled ones."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from linvop.features.design import Progress
from linvop.integrals import System, overlap
from linvop.io.dataset import Dataset
from linvop.io.records import Record

if TYPE_CHECKING:
    from ase import Atoms

    from linvop.models.operator import OperatorModel

__all__ = ["predicted_dataset"]


def predicted_dataset(
    model: OperatorModel,
    frames: Sequence[Atoms],
    *,
    progress: Progress | None = None,
    source: str = "frames",
) -> Dataset:
    r"""Predict operators of structures; with each its overlap.

    Raises
    ------
    InputError
        As `OperatorModel.predict`.
    """
    matrices = model.predict(frames, progress=progress, source=source)
    charge, multiplicity = model.state_
    records = []
    for k, (atoms, matrix) in enumerate(zip(frames, matrices, strict=True)):
        operator: dict[str, Any] = {model.target: matrix}
        records.append(
            Record(
                numbers=atoms.numbers,
                positions=atoms.positions,
                charge=charge,
                multiplicity=multiplicity,
                spin_channels=model.spin_channels_,
                source_index=k,
                overlap=overlap(System.from_atoms(atoms, model.ao)),
                **operator,
            )
        )
    level = {k: v for k, v in model.training_.items() if k in ("method", "xc", "ao")}
    return Dataset(records, model.ao, {**level, "predicted": f"by a model of {model.target}"})
