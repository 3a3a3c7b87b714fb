r"""How a property model is fitted: rows of each irrep once, one fit for each irrep of each target.

Energies and forces share the coefficients of (0, +1) and are fitted together
(`linvop.models.force_fit`); targets that share an irrep share its rows
(`linvop.models.linear_part`).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from ase.data import atomic_numbers

from linvop.basis.words import Irrep
from linvop.distributed import DaskLots
from linvop.features.basis import Basis
from linvop.features.design import Progress, structure_rows
from linvop.features.magnitudes import structure_rounding
from linvop.features.memory import require_memory
from linvop.integrals import System
from linvop.kernels.dispatch import Device, as_device
from linvop.models.domain import TrainingDomain, training_domain
from linvop.models.feature_rows import FeatureRows
from linvop.models.force_fit import fit_energies_and_forces
from linvop.models.force_rows import energy_and_force_rows
from linvop.models.linear_part import LinearPart, fit_parts
from linvop.models.remarks import warn_of_alpha, warn_without_angles
from linvop.models.training import TrainingSet, atom_counts
from linvop.regression.prior import label_prior, shell_groups

if TYPE_CHECKING:
    from linvop.models.property import PropertyModel

__all__ = ["Trained", "lone_atoms", "trained"]

_SOLVER_COPIES = 2
"""Rows, in units of those of one irrep, that a fit holds beside them; `linvop bench memory`."""

_CHUNK = 50
"""Structures at a time, on workers."""

_TRIANGLES, _CHUNK_COPIES = 11, 5
"""Arrays that a fit by chunks holds, in units of columns squared and of the rows of a chunk."""

Fitted = dict[str, tuple[LinearPart, np.ndarray]]


@dataclass
class Trained:
    r"""What a fit has found.

    Attributes
    ----------
    parts : {target: {irrep: LinearPart}}
    left_out : {target: {irrep: (n, 2 lam + 1) float64}}
        Leave-one-structure-out residuals.
    left_out_forces : (n_atoms in all, 3) float64 or None
    domain : TrainingDomain
    """

    parts: dict[str, dict[Irrep, LinearPart]]
    left_out: dict[str, dict[Irrep, np.ndarray]]
    domain: TrainingDomain
    left_out_forces: np.ndarray | None = field(default=None)


def trained(
    model: PropertyModel,
    data: TrainingSet,
    groups: np.ndarray,
    *,
    workers: int | None = None,
    progress: Progress | None = None,
    chunk: int | None = None,
    checkpoints: str | Path | None = None,
    executor: Any | None = None,
    device: Device | None = None,
) -> Trained:
    r"""Fit all parts of a model whose settings are checked; the model is only read.

    Parameters
    ----------
    model : PropertyModel
    data : TrainingSet
    groups : (n,) int
        Structures that are left out together.
    workers, progress, chunk, checkpoints, executor
        As for `PropertyModel.fit`.
    device : Device, optional
        Where features are made and, with `chunk`, factored; default the CPU.

    Raises
    ------
    InputError
        For too little memory, and of the features and the solver.
    """
    irreps = model.irreps
    features = model.basis.compile(data.species, irreps, "structure")
    rows: dict[Irrep, Any] = {}
    common: dict[str, Any] = {"workers": workers, "progress": progress, "source": data.source}
    lots = None if executor is None else DaskLots(executor)
    on = as_device("cpu" if device is None else device)
    if lots is not None and chunk is None:
        chunk = _CHUNK
    if chunk is None:
        _require_memory(model, data)
        rows |= structure_rows(features, data.frames, **common, device=on)
    else:
        _require_memory_of_chunk(model, data, chunk)
        for irrep in irreps:
            one = model.basis.compile(data.species, (irrep,), "structure")
            rows[irrep] = FeatureRows(
                one,
                data.frames,
                chunk,
                **common,
                checkpoints=checkpoints,
                executor=lots,
                device=on,
            )
    rounding = structure_rounding(features, data.frames)
    counts = atom_counts(data.frames, data.species)
    names = [t.name for t in model.targets]
    found = Trained(
        {name: {} for name in names},
        {name: {} for name in names},
        training_domain(data.frames, counts),
    )
    for irrep in irreps:
        warn_without_angles(model.basis, data.species, irrep)
        labels = model.basis.labels(data.species, target="structure", irreps=[irrep])
        settings: dict[str, Any] = {
            "counts": counts,
            "groups": groups,
            "penalty": label_prior(labels, model.kappa_cost),
            "solver": model.solver,
            "columns": None if model.relevance is None else shell_groups(labels),
            "labels": labels,
            "lone": None,
            "rounding": rounding[irrep],
        }
        if irrep == (0, 1) and data.free_atoms is not None:
            settings["lone"] = lone_atoms(model.basis, data.species)
        of_rows, others = rows.pop(irrep), model.targets
        fitted: Fitted = {}
        if model.with_forces and irrep == (0, 1):
            others = tuple(t for t in model.targets if t.name != "energy")
            energy, found.left_out_forces = _with_forces(model, data, of_rows, settings, common)
            fitted |= energy
        if any(irrep in t.irreps for t in others):
            fitted |= fit_parts(of_rows, irrep, others, data, **settings)
        del of_rows
        for name, (part, residuals) in fitted.items():
            found.parts[name][irrep], found.left_out[name][irrep] = part, residuals
            warn_of_alpha(f"{name}, lam = {irrep[0]}", part.report)
    return found


def lone_atoms(basis: Basis, species: tuple[str, ...]) -> np.ndarray:
    r"""Scalar features of free atoms, (n_species, p)."""
    features = basis.compile(species, ((0, 1),), "structure")
    systems = (System((atomic_numbers[s],), np.zeros((1, 3)), basis.ao_basis) for s in species)
    return np.stack([features.structure(one)[0, 1][0] for one in systems])


def _with_forces(
    model: PropertyModel,
    data: TrainingSet,
    rows: np.ndarray | FeatureRows,
    settings: Mapping[str, Any],
    common: Mapping[str, Any],
) -> tuple[Fitted, np.ndarray]:
    """Energies with forces, and what is left out of the latter."""
    if isinstance(rows, FeatureRows):
        stacked: Any = replace(rows, forces=True)
    else:
        one = model.basis.compile(data.species, ((0, 1),), "structure")
        stacked = energy_and_force_rows(one, data.frames, rows[:, 0], **common)
    energy = next(t for t in model.targets if t.name == "energy")
    part, of_energies, of_forces = fit_energies_and_forces(
        stacked,
        data,
        force_weight=model.force_weight,
        with_constants=energy.has_constants((0, 1)),
        **settings,
    )
    return {"energy": (part, of_energies)}, of_forces


def _require_memory(model: PropertyModel, data: TrainingSet) -> None:
    """The rows of all irreps are there at once, and those of one in the solver's copies."""
    counts = model.counts(data.species)
    n = len(data.frames)
    force_rows = sum(3 * len(a) for a in data.frames) if model.with_forces else 0
    sizes = [
        8.0 * (n * (2 * lam + 1) + (force_rows if (lam, sigma) == (0, 1) else 0)) * p
        for (lam, sigma), p in counts.items()
    ]
    columns = " and ".join(f"{p} of lam = {lam}" for (lam, _), p in counts.items())
    require_memory(
        sum(sizes) + _SOLVER_COPIES * max(sizes),
        f"{data.source}: {n} structures x features, {columns}",
    )


def _require_memory_of_chunk(model: PropertyModel, data: TrainingSet, chunk: int) -> None:
    """The triangle and its SVD, and a few copies of the rows of a chunk."""
    largest = max(len(a) for a in data.frames)
    sizes = [
        8.0 * p * (_TRIANGLES * p + _CHUNK_COPIES * chunk * _rows_of(model, irrep, largest))
        for irrep, p in model.counts(data.species).items()
    ]
    require_memory(
        max(sizes), f"{data.source}: chunks of {chunk} structures and a triangle of all columns"
    )


def _rows_of(model: PropertyModel, irrep: Irrep, n_atoms: int) -> int:
    of_forces = 3 * n_atoms if model.with_forces and irrep == (0, 1) else 0
    return 2 * irrep[0] + 1 + of_forces
