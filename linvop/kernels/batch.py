r"""Structures of a batch side by side in one array, each in its own channel order."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np

__all__ = ["Batch"]


@dataclass(frozen=True, eq=False)
class Batch:
    r"""K, E and M of many structures (`linvop.features.metric`).

    Structures differ in size. Each fills the corner of a square that is as large as the largest
    needs; what is beyond its own AOs is zero.

    Attributes
    ----------
    local, first, middle : (n_structures, n_sources, n_ao, n_ao) float64
        Arrays of one device; they may be one and the same.
    channel_start : (n_structures, n_channels + 1) int64
        First AO of each channel, of each structure; always NumPy's.
    kept : dict
        What kernels make of the layout, once for all that they do with the batch.
    """

    local: Any
    first: Any
    middle: Any
    channel_start: np.ndarray
    kept: dict[Any, Any] = field(default_factory=dict)

    @property
    def n_structures(self) -> int:
        """Structures."""
        return len(self.channel_start)

    @property
    def n_ao(self) -> int:
        """Side of the square."""
        return int(self.local.shape[-1])

    @property
    def uniform(self) -> bool:
        """Whether all structures have the same channels and fill their squares.

        Of a channel that holds several species they may still have different atoms.
        """
        same = (self.channel_start == self.channel_start[:1]).all()
        return bool(same) and bool((self.channel_start[:, -1] == self.n_ao).all())

    def structure(self, b: int) -> tuple[Any, Any, Any, np.ndarray]:
        """K, E, M and the channels of one structure."""
        own = slice(0, int(self.channel_start[b, -1]))
        K, E, M = (x[b][:, own, own] for x in (self.local, self.first, self.middle))
        return K, E, M, self.channel_start[b]
