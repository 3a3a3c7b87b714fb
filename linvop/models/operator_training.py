r"""Fitting an operator: features and labels kind by kind, one fit for each block.

A kind is a pair of species, on site or not. All kinds share V, S and the site factors of a
structure: so many kinds as `_ROWS_AT_ONCE` holds get their rows in one pass through the
structures, and these are used and dropped before those of the next ones are made. Blocks are
fitted side by side, each on a core of its own.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from linvop.errors import GapError, InputError
from linvop.features.block_features import BlockFeatures, Kind, bytes_of_kind, count_rows
from linvop.features.design import Progress
from linvop.features.magnitudes import operator_rounding
from linvop.features.memory import memory_of_machine, require_memory
from linvop.features.operators import OperatorFeatures, operator_rows
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

_ROWS_AT_ONCE = 2.0 * 2**30
"""Bytes of features made in one pass, and at the most a quarter of the memory."""

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
        copies = self._copies()
        values = self._values()
        scale = max(np.abs(v).max() for x in values.values() for *_, v in x)
        parts: dict[OperatorBlock, BlockPart] = {}
        passes = self._passes(features)
        for done, some in enumerate(passes):
            shifted = _shifted(progress, done, len(passes))
            parts |= self._fit_blocks(some, values, copies, scale, shifted)
        return parts

    def _passes(self, features: BlockFeatures) -> list[BlockFeatures]:
        """The features, those together whose rows are made in one pass; checked for memory."""
        budget = min(_ROWS_AT_ONCE, memory_of_machine() / 4)
        passes: list[list[Kind]] = []
        used = np.inf
        for kind in features.kinds:
            size = self._bytes_of(features, kind)
            if used + size > budget:
                passes.append([])
                used = 0.0
            passes[-1].append(kind)
            used += size
        return [features.of_kinds(kinds) for kinds in passes]

    def _bytes_of(self, features: BlockFeatures, kind: Kind) -> float:
        """Of all rows of a kind; refused where these do not fit, those being solved once more."""
        n = sum(count_rows(kind, atoms, features.cutoff) for atoms in self.data.frames)
        sizes = bytes_of_kind(features, kind, self.data.frames)
        s, t, on_site = kind
        require_memory(
            sum(sizes.values()) + self.workers * max(sizes.values()),
            f"{self.data.source}: {self.target} of {len(self.data.frames)} structures, {n} "
            f"{f'atoms {s}' if on_site else f'pairs {s}-{t}'} with up to "
            f"{max(features.count(b) for b in sizes)} features",
        )
        return sum(sizes.values())

    def _copies(self) -> np.ndarray:
        """Group of each structure: copies of one have one number; there must be two groups."""
        frames = self.data.frames
        copies = duplicate_groups([a.numbers for a in frames], [a.positions for a in frames])
        if copies.max() == 0:
            got = "one" if len(frames) == 1 else f"{len(frames)} copies of one"
            raise InputError(
                f"{self.data.source}: expected at least two structures that differ, to learn what "
                f"{self.target} depends on, got {got}"
            )
        return copies

    def _values(self) -> Values:
        found: Values = {block: [] for block in self.n_targets}

        def convert(k: int) -> tuple[OperatorFrame, dict[OperatorBlock, np.ndarray]]:
            frame = self.frame_of(self.data.frames[k])
            matrix = np.asarray(getattr(self.data.records[k], self.target))
            try:
                blocks = frame.to_blocks(matrix.reshape(-1, *matrix.shape[-2:]))
            except GapError as error:  # of a baseline that fills orbitals
                raise GapError(f"{self.data.source}: frame {k}: {error}") from error
            # Fresh, without the square matrices that the conversion has left on the old one.
            return self.frame_of(self.data.frames[k]), blocks

        with one_thread_each(self.workers) as pool:
            made = pool.map(convert, range(len(self.data.frames)))
            for k, (frame, blocks) in enumerate(made):
                for block, values in blocks.items():
                    found[block].append((k, frame, values))
        return found

    def _fit_blocks(
        self,
        features: BlockFeatures,
        values: Values,
        copies: np.ndarray,
        scale: float,
        progress: Progress | None,
    ) -> dict[OperatorBlock, BlockPart]:
        """Fit blocks whose rows are made in one pass; their values are used up."""
        rows = operator_rows(
            features,
            self.data.frames,
            workers=self.workers,
            progress=progress,
            source=self.data.source,
        )

        rounding = {}
        if isinstance(features, OperatorFeatures):  # of peers nothing is known
            rounding = operator_rounding(features, self.data.frames)

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
                    rounding=rounding.get(block),
                )
            except InputError as error:
                raise InputError(f"{self.data.source}: {self.target}, {error}") from error

        # Several threads in one factorisation of this size wait for each other more than they work.
        with warnings.catch_warnings(), one_thread_each(self.workers) as pool:
            warnings.simplefilter("ignore", RegularisationWarning)  # the reports have them
            return dict(zip(features.blocks, pool.map(fit, features.blocks), strict=True))


def _shifted(progress: Progress | None, done: int, n: int) -> Progress | None:
    """Progress over several passes through the same structures."""
    if progress is None:
        return None

    def step(k: int, of: int) -> None:
        progress(done * of + k, n * of)

    return step
