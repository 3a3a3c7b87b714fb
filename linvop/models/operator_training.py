r"""Fitting an operator: features and labels kind by kind, one fit for each block.

A kind is a pair of species, on site or not. Its rows are made, used and dropped before those of the
next one; its blocks are fitted side by side, each on a core of its own.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from linvop.errors import InputError
from linvop.features.block_features import BlockFeatures
from linvop.features.design import Progress
from linvop.features.memory import require_memory
from linvop.features.operators import operator_rows
from linvop.features.threads import one_thread_each
from linvop.models.operator_data import OperatorFrame, OperatorSet
from linvop.models.operator_part import BlockPart, fit_block
from linvop.orbitals.operator_blocks import OperatorBlock
from linvop.regression.diagnosis import RegularisationWarning
from linvop.regression.groups import duplicate_groups
from linvop.regression.prior import label_prior
from linvop.regression.ridge import Ridge

if TYPE_CHECKING:
    from ase import Atoms

__all__ = ["OperatorTraining"]

Values = dict[OperatorBlock, list[tuple[int, OperatorFrame, np.ndarray]]]
"""Of each block (structure, frame, values) where the structure has it."""


@dataclass(frozen=True)
class OperatorTraining:
    r"""How the blocks of an operator are fitted.

    Attributes
    ----------
    data : OperatorSet
    target : {"fock", "density"}
    frame_of : callable
        `OperatorFrame` of a structure.
    n_targets : {OperatorBlock: int}
        Shell pairs of each block, times spin channels.
    solver : Ridge
    kappa_cost : float
    workers : int
        Threads.
    """

    data: OperatorSet
    target: str
    frame_of: Callable[[Atoms], OperatorFrame]
    n_targets: Mapping[OperatorBlock, int]
    solver: Ridge
    kappa_cost: float
    workers: int

    def fit(
        self, features: BlockFeatures, progress: Progress | None = None
    ) -> dict[OperatorBlock, BlockPart]:
        r"""Fit all blocks of some features.

        Raises
        ------
        InputError
            Of a structure or of the solver, with where it happened.
        """
        values = self._values()
        scale = max(np.abs(v).max() for x in values.values() for *_, v in x)
        frames = self.data.frames
        copies = duplicate_groups([a.numbers for a in frames], [a.positions for a in frames])
        parts: dict[OperatorBlock, BlockPart] = {}
        for done, kind in enumerate(features.kinds):
            parts |= self._fit_kind(
                features.of_kind(kind),
                values,
                copies,
                scale,
                _shifted(progress, done, len(features.kinds)),
            )
        return parts

    def _values(self) -> Values:
        found: Values = {block: [] for block in self.n_targets}

        def convert(k: int) -> tuple[OperatorFrame, dict[OperatorBlock, np.ndarray]]:
            frame = self.frame_of(self.data.frames[k])
            matrix = np.asarray(getattr(self.data.records[k], self.target))
            return frame, frame.to_blocks(matrix.reshape(-1, *matrix.shape[-2:]))

        with one_thread_each(self.workers) as pool:
            made = pool.map(convert, range(len(self.data.frames)))
            for k, (frame, blocks) in enumerate(made):
                for block, values in blocks.items():
                    found[block].append((k, frame, values))
        return found

    def _fit_kind(
        self,
        features: BlockFeatures,
        values: Values,
        copies: np.ndarray,
        scale: float,
        progress: Progress | None,
    ) -> dict[OperatorBlock, BlockPart]:
        """Fit the blocks of one kind; their values are used up."""
        self._require_memory(features, values)
        rows = operator_rows(
            features,
            self.data.frames,
            workers=self.workers,
            progress=progress,
            source=self.data.source,
        )

        def fit(block: OperatorBlock) -> BlockPart:
            B, atoms = rows.pop(block)
            y = [v[f.rows_of(block, atoms[k])] for k, f, v in values.pop(block) if len(atoms[k])]
            nothing = np.zeros((0, 2 * block.lam + 1, self.n_targets[block]))
            try:
                return fit_block(
                    block,
                    B,
                    np.concatenate(y) if y else nothing,
                    structure=np.repeat(copies, [len(x) for x in atoms]),
                    penalty=label_prior(features.labels(block), self.kappa_cost),
                    solver=self.solver,
                    scale=scale,
                )
            except InputError as error:
                raise InputError(f"{self.data.source}: {self.target}, {error}") from error

        # Several threads in one factorisation of this size wait for each other more than they work.
        with warnings.catch_warnings(), one_thread_each(self.workers) as pool:
            warnings.simplefilter("ignore", RegularisationWarning)  # the reports have them
            return dict(zip(features.blocks, pool.map(fit, features.blocks), strict=True))

    def _require_memory(self, features: BlockFeatures, values: Values) -> None:
        """Rows of all blocks of a kind are there at once, those being solved once more."""
        if features.cutoff is not None:
            return  # how many pairs it leaves is known when they are made
        sizes = [
            8.0 * sum(len(v) for *_, v in values[b]) * (2 * b.lam + 1) * features.count(b)
            for b in features.blocks
        ]
        s, t, on_site = features.blocks[0].kind
        require_memory(
            sum(sizes) + self.workers * max(sizes),
            f"{self.data.source}: {self.target} of {len(self.data.frames)} structures, "
            f"{f'atoms {s}' if on_site else f'pairs {s}-{t}'} with up to "
            f"{max(features.count(b) for b in features.blocks)} features",
        )


def _shifted(progress: Progress | None, done: int, n: int) -> Progress | None:
    """Progress over several passes through the same structures."""
    if progress is None:
        return None

    def step(k: int, of: int) -> None:
        progress(done * of + k, n * of)

    return step
