r"""Predicted operators as a data set, in the file format of labelled ones."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from linvop.errors import InputError
from linvop.features.design import Progress
from linvop.integrals import System, overlap
from linvop.io.dataset import Dataset
from linvop.io.records import Record
from linvop.observables.analysis import analyse
from linvop.orbitals.shells import AOBasis

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
    r"""Predict operators of structures; with each its overlap and what follows from it.

    That is the dipole and, from Fock matrices, orbital energies and occupations. A structure whose
    operator gives none (no gap, a wrong number of electrons) is named in a warning.

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
        try:
            found = analyse(atoms, **operator, ao=model.ao)
        except InputError as error:
            warnings.warn(f"{source}, frame {k}: no observables: {error}", stacklevel=2)
        else:
            operator |= {"dipole": found.dipole}
            if found.orbital_energies is not None:
                operator |= {
                    "orbital_energies": found.orbital_energies,
                    "occupations": found.occupations,
                }
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
    if "ao" in level and not _is_ao(level["ao"], model):
        level["ao"] = model.ao.name  # an effective operator's AOs are not those of its labels
    return Dataset(records, model.ao, {**level, "predicted": f"by a model of {model.target}"})


def _is_ao(name: str, model: OperatorModel) -> bool:
    """Whether a set of this name has the AOs of the model."""
    try:
        named = AOBasis(name)
        return all(named.shells(s) == model.ao.shells(s) for s in model.species_)
    except InputError:
        return False
