r"""Where the steps of an effective operator start, and what they work on."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from copy import copy
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from linvop.errors import InputError
from linvop.features.block_features import bytes_of_kind
from linvop.features.memory import require_memory
from linvop.features.threads import one_thread_each
from linvop.integrals import System
from linvop.io.records import Record
from linvop.models.effective_labels import QUANTITIES, Observed
from linvop.models.gauss_newton import Structure
from linvop.models.operator import OperatorModel
from linvop.models.operator_data import OperatorSet
from linvop.models.operator_part import BlockPart, assembled
from linvop.observables.projection import projected_operator
from linvop.orbitals.operator_blocks import OperatorBlock, operator_blocks
from linvop.orbitals.shells import AOBasis

if TYPE_CHECKING:
    from ase import Atoms

__all__ = ["EffectiveData", "chosen_start", "projected_of", "scales_of", "structures_of"]


@dataclass(frozen=True)
class EffectiveData:
    r"""Checked training data of an effective operator.

    Attributes
    ----------
    records : list of Record
    frames : list of ase.Atoms
    species : tuple of str
    state : (int, int)
        Charge and multiplicity.
    large : AOBasis or None
        Of the labels' matrices, if they have any.
    small : AOBasis
        Of the operator.
    source : str
    """

    records: list[Record]
    frames: list[Atoms]
    species: tuple[str, ...]
    state: tuple[int, int]
    large: AOBasis | None
    small: AOBasis
    source: str

    def baseline_start(self, unfitted: OperatorModel) -> OperatorModel:
        """The baseline alone: all coefficients zero."""
        model = copy(unfitted)
        model.ao_, model.species_ = self.small.frozen(self.species), self.species
        model.state_, model.spin_channels_, model.n_train_ = self.state, 1, len(self.frames)
        model.training_ = {"source": self.source}
        features = model.features()
        model.parts_ = {
            b: BlockPart(np.zeros((features.count(b), len(ab))), np.zeros(len(ab)))
            for b, ab in operator_blocks(model.ao_, self.species).items()
        }
        return model

    def projected_start(self, unfitted: OperatorModel, workers: int) -> OperatorModel:
        """The linear fit to the projected operators of those structures that have a matrix."""
        known = [k for k, r in enumerate(self.records) if r.fock is not None]
        projected = [
            replace(
                self.records[k],
                fock=projected_of(self.records[k], self.large, self.small),
                density=None,
                overlap=None,
            )
            for k in known
        ]
        chosen = [self.frames[k] for k in known]
        data = OperatorSet(chosen, projected, self.species, self.state, 1, self.source)
        model = copy(unfitted)
        model._fit(data, self.small, workers, None)
        model.n_train_ = len(self.frames)
        return model


def chosen_start(wanted: str | None, records: Sequence[Record], source: str) -> str:
    r"""Which start there is: "projected" takes two or more Fock matrices.

    Raises
    ------
    InputError
        If `wanted` is "projected", and there are fewer.
    """
    n = sum(r.fock is not None for r in records)
    if wanted == "projected" and n < 2:
        raise InputError(
            f"{source}: start='projected' needs at least 2 structures with a fock, got {n} of "
            f"{len(records)}; take start='baseline'"
        )
    return wanted or ("projected" if n >= 2 else "baseline")


def projected_of(record: Record, large: AOBasis | None, small: AOBasis) -> np.ndarray:
    """The projected operator of a record with a Fock matrix."""
    if large is None:
        raise InputError("the projected operator: expected data with an AO basis, got none")
    atoms = record.atoms()
    matrix = np.asarray(record.fock)
    return projected_operator(
        matrix, System.from_atoms(atoms, large), System.from_atoms(atoms, small)
    )


def structures_of(
    model: OperatorModel, frames: list[Atoms], labels: list[Observed], workers: int
) -> list[Structure]:
    r"""Features of all structures, held for all steps.

    Raises
    ------
    InputError
        If they do not fit into memory.
    """
    features = model.features()
    needed = sum(sum(bytes_of_kind(features, kind, frames).values()) for kind in features.kinds)
    require_memory(needed, f"features of {len(frames)} structures, held for all steps")

    def one(k: int) -> Structure:
        system = System.from_atoms(frames[k], model.basis.ao_basis)
        return Structure(labels[k], model.frame(frames[k]), features.evaluate(system))

    with one_thread_each(workers) as pool:
        return list(pool.map(one, range(len(frames))))


def scales_of(
    structures: Sequence[Structure],
    parts: dict[OperatorBlock, BlockPart],
    weights: Mapping[str, float],
) -> np.ndarray:
    """RMS of the start's errors of each quantity, over the root of its weight."""
    errors: list[list[np.ndarray]] = [[] for _ in QUANTITIES]
    for s in structures:
        found = s.observed.values(assembled(parts, s.frame, s.features)[0]).values
        for k in np.unique(s.observed.quantities):
            errors[k].append((found - s.observed.labels)[s.observed.quantities == k])
    scales = np.ones(len(QUANTITIES))
    for k, own in enumerate(errors):
        if own:
            rms = float(np.sqrt(np.mean(np.concatenate(own) ** 2)))
            scales[k] = (rms or 1.0) / np.sqrt(weights[QUANTITIES[k]])
    return scales
