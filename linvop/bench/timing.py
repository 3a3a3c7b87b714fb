r"""Ratios of times that noise hits on both sides.

For every molecule, yardstick and candidate take turns, round after round; a ratio is

.. math:: \frac{\sum_{molecules} \mathrm{median}_{rounds}\, t_{candidate}}
               {\sum_{molecules} \mathrm{median}_{rounds}\, t_{yardstick}} ,

the yardstick being the run directly before each run of the candidate. Times are CPU times of
the process, all its threads together: on an idle machine the wall time of one thread, and on a
busy one not stretched by other processes (which would favour whatever is shorter than a time
slice).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from time import process_time
from typing import TypeVar

import numpy as np

__all__ = ["Timed", "compare", "one_thread"]

T = TypeVar("T")


@dataclass(frozen=True)
class Timed:
    r"""Mean time per molecule of a candidate and of its yardstick, in milliseconds."""

    candidate_ms: float
    yardstick_ms: float

    @property
    def ratio(self) -> float:
        """Candidate over yardstick."""
        return self.candidate_ms / self.yardstick_ms


@contextmanager
def one_thread() -> Iterator[None]:
    r"""Give BLAS and OpenMP (libcint's too) one thread; the CPU kernels have one anyway."""
    from pyscf import lib
    from threadpoolctl import threadpool_limits

    before = lib.num_threads()
    with threadpool_limits(1):
        lib.num_threads(1)
        try:
            yield
        finally:
            lib.num_threads(before)


def compare(
    items: Sequence[T],
    yardstick: Callable[[T], object],
    candidates: Mapping[str, Callable[[T], object]],
    *,
    rounds: int = 5,
    progress: Callable[[int, int], None] | None = None,
) -> dict[str, Timed]:
    r"""Time candidates against a yardstick on the same items.

    Parameters
    ----------
    items : sequence
        What is timed one by one: molecules.
    yardstick : callable of an item
    candidates : mapping from name to callable of an item
    rounds : int
        Runs of which the median is taken; one more comes first and is not counted.
    progress : callable, optional
        Called with (items done, items in all).
    """
    times = np.zeros((len(candidates), 2, rounds + 1, len(items)))
    for k, item in enumerate(items):
        for c, candidate in enumerate(candidates.values()):
            for r in range(rounds + 1):
                times[c, 1, r, k] = _seconds(yardstick, item)
                times[c, 0, r, k] = _seconds(candidate, item)
        if progress is not None:
            progress(k + 1, len(items))
    medians = 1e3 * np.median(times[:, :, 1:], axis=2).mean(axis=2)
    return {name: Timed(*map(float, pair)) for name, pair in zip(candidates, medians, strict=True)}


def _seconds(function: Callable[[T], object], item: T) -> float:
    start = process_time()
    function(item)
    return process_time() - start
