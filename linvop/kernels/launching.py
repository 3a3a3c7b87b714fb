r"""Arrays, tables and kernels of a device, whatever GPU library there is behind them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple, Protocol
from weakref import ref

import numpy as np

from linvop.kernels.batch import Batch

__all__ = ["THREADS", "Launch", "Launcher", "Local"]

THREADS = 128
"""Threads of a block."""

_MOST_BLOCKS = 1 << 20


class Launch(Protocol):
    r"""Run a kernel of ``cuda/<source>.cu``."""

    def __call__(
        self,
        source: str,
        kernel: str,
        blocks: int,
        threads: int,
        shared: int,
        arguments: Sequence[Any],
    ) -> None:
        """Arguments are arrays and whole numbers (64 bits); `shared` is in bytes."""


class Local(NamedTuple):
    """Where local rows of a species stand: row ``start[b, q] + i step[q]``, from AO `base[b]`."""

    base: Any
    start: Any
    step: Any
    size: int


class Launcher:
    r"""What kernels are called with and through.

    Parameters
    ----------
    xp : module
        Array module with NumPy's interface.
    launch : Launch
    """

    def __init__(self, xp: Any, launch: Launch) -> None:
        self.xp, self._launch = xp, launch
        self._kept: dict[tuple[int, str], tuple[Any, Any, dict[str, Any]]] = {}

    def run(
        self, source: str, kernel: str, blocks: int, shared: int, arguments: Sequence[Any]
    ) -> None:
        """Launch over `blocks` tasks; kernels take as many as there are blocks for in turn."""
        if blocks >= 1 << 31:  # kernels count tasks in 32 bits
            raise OverflowError(f"{kernel}: {blocks} tasks; expected batches of fewer structures")
        if blocks:
            self._launch(source, kernel, min(blocks, _MOST_BLOCKS), THREADS, shared, arguments)

    def over(self, source: str, kernel: str, threads: int, arguments: Sequence[Any]) -> None:
        """Launch with a thread for each of `threads` tasks."""
        self.run(source, kernel, -(-threads // THREADS), 0, arguments)

    def int32(self, x: np.ndarray) -> Any:
        """Whole numbers on the device."""
        return self.xp.asarray(np.ascontiguousarray(x, np.int32))

    def tables(
        self, plan: Any, kind: str, make: Callable[[Any], Any]
    ) -> tuple[Any, dict[str, Any]]:
        """Tables of a plan and their copies on the device, kept as long as the plan."""
        key = id(plan), kind
        if key not in self._kept:
            made = make(plan)
            copies = {name: self.xp.asarray(x) for name, x in made.arrays.items()}
            kept = self._kept

            def forget(_: Any) -> None:
                kept.pop(key, None)

            alive = ref(plan, forget)
            self._kept[key] = (alive, made, copies)
        return self._kept[key][1:]

    def channels(self, batch: Batch) -> Any:
        """First AOs of the channels of all structures."""
        return self._once(batch, "channels", batch.channel_start, self.int32)

    def own(self, batch: Batch, shell_start: np.ndarray) -> tuple[Any, Any]:
        """First AO of a species in each structure, and how many AOs of it there are."""

        def make(start: np.ndarray) -> tuple[Any, Any]:
            return self.int32(start[:, 0]), self.int32(start[:, -1] - start[:, 0])

        return self._once(batch, "own", shell_start, make)

    def local(self, batch: Batch, shell_start: np.ndarray, widths: np.ndarray) -> Local:
        """Local rows of a species with shells of these widths, in each structure."""

        def make(first: np.ndarray) -> Local:
            within = np.concatenate([*(np.arange(w) for w in widths), np.zeros(0, np.int64)])
            start = np.repeat(first[:, :-1] - first[:, :1], widths, axis=1) + within
            step = self.int32(np.repeat(widths, widths))
            base, _ = self.own(batch, shell_start)
            return Local(base, self.int32(start), step, int(widths.sum()))

        return self._once(batch, "local", shell_start, make)

    @staticmethod
    def _once(batch: Batch, kind: str, layout: np.ndarray, make: Callable[..., Any]) -> Any:
        """What is made of a layout, kept with it so that no other array gets its number."""
        key = kind, id(layout)
        if key not in batch.kept:
            batch.kept[key] = layout, make(layout)
        return batch.kept[key][1]
