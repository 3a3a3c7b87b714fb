r"""Design rows of structures as they are asked for: some structures at a time, none kept.

Rows stand in the order that a fit at once has them in: those of the irrep's components structure by
structure, and for energies with forces all energies before all derivatives (`force_fit`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from linvop.features.contractions import SiteFeatures
from linvop.features.design import Progress, structure_rows
from linvop.kernels.dispatch import Device, device
from linvop.models.force_rows import energy_and_force_rows
from linvop.regression.checkpoint import fingerprint
from linvop.regression.streamed_lots import Lots

if TYPE_CHECKING:
    from ase import Atoms

__all__ = ["FeatureRows"]


@dataclass(frozen=True)
class FeatureRows:
    r"""Rows of one irrep (`linvop.regression.streamed_lots.RowSource`).

    Attributes
    ----------
    features : SiteFeatures
        Compiled with ``target="structure"`` for this irrep alone.
    frames : sequence of ase.Atoms
    chunk : int
        Structures at a time.
    forces : bool
        Whether rows of derivatives stand below those of the structures.
    workers, progress, source
        As for `linvop.features.design.structure_rows`; progress counts structures of each pass.
    moved : (n, p) float64 or None
        What is subtracted from the rows of structures: features of free atoms.
    checkpoints : path, optional
        A folder for the state of a fit to these rows.
    executor : Lots, optional
        Who works on them.
    device : Device
        Where they are made and factored.
    """

    features: SiteFeatures
    frames: Sequence[Atoms]
    chunk: int
    forces: bool = False
    workers: int | None = None
    progress: Progress | None = None
    source: str = "frames"
    moved: np.ndarray | None = None
    checkpoints: str | Path | None = None
    executor: Lots | None = None
    device: Device = field(default_factory=lambda: device("cpu"))

    @property
    def width(self) -> int:
        """Rows of a structure: 2 lam + 1."""
        return 2 * self.features.irreps[0][0] + 1

    @property
    def shape(self) -> tuple[int, int]:
        """Rows and columns."""
        below = 3 * sum(len(a) for a in self.frames) if self.forces else 0
        n_columns = self.features.n_columns(self.features.irreps[0])
        return len(self.frames) * self.width + below, n_columns

    @property
    def key(self) -> str:
        """Fingerprint of the basis and the structures."""
        features = self.features
        enumeration = features.enumeration
        shells = {s: enumeration.ao.shells(s) for s in features.species}
        frames = (x for a in self.frames for x in (a.numbers, a.positions))
        moved = np.zeros(0) if self.moved is None else self.moved
        settings = self.chunk, self.forces, features.irreps, repr(enumeration), repr(shells)
        products = (x.products.slot_offset for x in features.product_plans.values())
        return fingerprint(*settings, moved, *products, *frames)

    def __getstate__(self) -> dict[str, Any]:
        """For workers elsewhere: without what stays here, and one thread each."""
        stays = {"progress": None, "executor": None, "checkpoints": None, "workers": 1}
        return {**self.__dict__, **stays, "frames": packed(self.frames)}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state | {"frames": unpacked(*state["frames"])})

    @property
    def n_lots(self) -> int:
        """Of `chunk` structures."""
        return -(-len(self.frames) // self.chunk)

    def lot(self, k: int) -> tuple[np.ndarray, np.ndarray]:
        """Places and rows of some structures."""
        first = k * self.chunk
        return self.of(np.arange(first, min(first + self.chunk, len(self.frames))), first)

    def of(self, chosen: np.ndarray, first: int = 0) -> tuple[np.ndarray, np.ndarray]:
        """Places and rows of the structures with these numbers, structures before derivatives."""
        n, (irrep,) = len(self.frames), self.features.irreps
        some = [self.frames[k] for k in chosen]

        def done(k: int, _: int) -> None:
            if self.progress is not None:
                self.progress(first + k, n)

        rows = structure_rows(
            self.features,
            some,
            workers=self.workers,
            progress=None if self.forces else done,
            source=self.source,
            first=first,
            device=self.device,
        )[irrep]
        if self.moved is not None:
            rows -= self.moved[chosen, None]
        places = (chosen[:, None] * self.width + np.arange(self.width)).ravel()
        if not self.forces:
            return places, rows.reshape(len(places), rows.shape[2])
        ends = n + 3 * np.cumsum([len(a) for a in self.frames])
        below = [np.arange(ends[k] - 3 * len(self.frames[k]), ends[k]) for k in chosen]
        stacked = energy_and_force_rows(
            self.features,
            some,
            rows[:, 0],
            workers=self.workers,
            progress=done,
            source=self.source,
            first=first,
        )
        return np.concatenate([places, *below]), stacked


def packed(frames: Sequence[Atoms]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Numbers of atoms, elements and positions alone: three arrays travel, and no labels."""
    counts = np.asarray([len(a) for a in frames], np.int64)
    numbers = np.concatenate([a.numbers for a in frames])
    return counts, numbers, np.concatenate([a.positions for a in frames])


def unpacked(counts: np.ndarray, numbers: np.ndarray, positions: np.ndarray) -> list[Atoms]:
    """The structures again."""
    from ase import Atoms

    ends = np.cumsum(counts)[:-1]
    parts = zip(np.split(numbers, ends), np.split(positions, ends), strict=True)
    return [Atoms(z, positions=r) for z, r in parts]
