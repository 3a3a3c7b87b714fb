r"""Fits on several machines: lots of structures to the workers of a Dask scheduler.

Features are made where they are used. In the first pass each task turns some lots into one
triangle, and triangles merge two by two on the workers: ``columns^2`` numbers travel, whatever
the number of structures. In the second, residuals of structures left out come back. A task whose
worker dies is run again elsewhere, and what all workers had is given to new ones; the tree is that
of the workers that were there at first, and so every digit of the result is the same.
"""

from __future__ import annotations

import ctypes
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from functools import cache, partial
from typing import Any, TypeVar

import numpy as np

from linvop.errors import InputError
from linvop.regression.streamed_lots import (
    Geometry,
    LeftOut,
    LotFactor,
    RowSource,
    RowTargets,
    factor_of_lots,
    left_out_of_lot,
    merged,
)

__all__ = ["DaskLots", "client_of"]

_TASKS_A_WORKER = 4
"""Of the first pass: more lose less when a worker dies, and merge more."""

_RETRIES, _PATIENCE, _LOOK = 5, 60.0, 5.0
"""How often what the last worker had is given again; how long is waited for a worker, and how often
is looked whether there is one, seconds."""

_Found = TypeVar("_Found")

_KEPT = {-1: 1 << 28, -3: 1 << 25}
"""Of glibc's ``mallopt``: bytes that may be kept (``M_TRIM_THRESHOLD``), and the largest array of
which they are (``M_MMAP_THRESHOLD``, which it refuses above)."""


def client_of(scheduler: str) -> Any:
    r"""A client of a scheduler at an address such as ``tcp://10.0.0.1:8786``.

    Raises
    ------
    InputError
        If dask is not installed or no scheduler answers.
    """
    try:
        from distributed import Client
    except ImportError as error:
        raise InputError(
            f"scheduler {scheduler}: needs dask: pip install 'linvop[dask]' (here, and where the "
            "workers are)"
        ) from error
    try:
        return Client(scheduler, timeout="10s")
    except (OSError, ValueError) as error:
        raise InputError(f"scheduler {scheduler}: no answer ({error})") from error


class DaskLots:
    r"""Lots of rows on the workers of a `distributed.Client`.

    Parameters
    ----------
    client : distributed.Client
        Its workers need this version of linvop.

    Raises
    ------
    InputError
        If it is no client, or has no workers.
    """

    def __init__(self, client: Any) -> None:
        if not all(hasattr(client, name) for name in ("submit", "scatter", "ncores")):
            raise InputError(f"executor: expected a distributed.Client, got {client!r}")
        self.client = client
        self._wait()
        n_workers = len(client.ncores())
        # Once: workers that die and come back must not change the tree, and with it last digits.
        self.n_tasks = _TASKS_A_WORKER * n_workers

    def factor(self, source: RowSource, targets: RowTargets) -> LotFactor:
        """The triangle of all lots, by a tree."""
        n = min(source.n_lots, self.n_tasks)
        # Each n-th, since files are often sorted by size.
        shares = [np.arange(k, source.n_lots, n) for k in range(n)]

        def tree() -> LotFactor:
            here = self._everywhere(_Given(source, targets))
            submit = partial(self.client.submit, pure=False)
            level = [submit(_factor, here, share.tolist()) for share in shares]
            while len(level) > 1:
                pairs = [level[k : k + 2] for k in range(0, len(level), 2)]
                level = [submit(merged, *pair) if len(pair) == 2 else pair[0] for pair in pairs]
            return self._result(level[0])

        return self._again(tree)

    def left_out(
        self, source: RowSource, targets: RowTargets, geometry: Geometry, alphas: np.ndarray
    ) -> Iterator[LeftOut]:
        """Of every lot as it is done."""
        waiting, left = set(range(source.n_lots)), _RETRIES
        while waiting:
            try:
                here = self._everywhere(_Given(source, targets))
                solved = self._everywhere(_Solved(geometry, alphas))
                submit = partial(self.client.submit, pure=False)
                tasks = {submit(_left_out, here, solved, k): k for k in sorted(waiting)}
                while tasks:
                    for task in self._some_of(tasks):
                        found = task.result()
                        waiting.discard(tasks.pop(task))
                        task.release()
                        yield found
            except _lost() as error:
                left = self._once_less(left, error)

    def _again(self, work: Callable[[], _Found]) -> _Found:
        """Work whose data may be lost with the last worker that had them: from here, once more."""
        left = _RETRIES
        while True:
            try:
                return work()
            except _lost() as error:
                left = self._once_less(left, error)

    def _once_less(self, left: int, error: BaseException) -> int:
        """How often may still be tried; `InputError` after the last."""
        if self.client.status != "running":
            raise InputError(f"executor: the scheduler is gone: {error}") from error
        if left == 1:
            raise InputError(
                f"executor: workers were lost {_RETRIES} times, the last time with: {error}"
            ) from error
        time.sleep(1.0)
        return left - 1

    def _wait(self) -> None:
        """For a worker, and not for ever."""
        try:
            self.client.wait_for_workers(1, timeout=_PATIENCE)
        except TimeoutError as error:
            raise InputError(
                f"scheduler {self.client.scheduler.address}: no worker for {_PATIENCE:g} s; start "
                "some (dask worker ADDRESS), or wait for jobs with client.wait_for_workers(1)"
            ) from error

    def _some_of(self, tasks: Iterable[Any]) -> list[Any]:
        """Those that are done, at least one; `InputError` if there are no workers for long."""
        from distributed import wait

        while True:
            try:
                return list(wait(list(tasks), _LOOK, return_when="FIRST_COMPLETED").done)
            except TimeoutError:
                self._wait()

    def _result(self, task: Any) -> Any:
        self._some_of([task])
        return task.result()

    def _everywhere(self, value: Any) -> Any:
        """A value on all workers that are there."""
        self._wait()
        return self.client.scatter(value, broadcast=True, hash=False, timeout=_PATIENCE)


class _Given:
    """Rows and what belongs to them, once on each worker."""

    def __init__(self, source: RowSource, targets: RowTargets) -> None:
        self.source, self.targets = source, targets


class _Solved:
    """The reduced problem, once on each worker."""

    def __init__(self, geometry: Geometry, alphas: np.ndarray) -> None:
        self.geometry, self.alphas = geometry, alphas


def _lost() -> tuple[type[BaseException], ...]:
    """What tells that workers, or all that they had, are gone."""
    from distributed import CancelledError, KilledWorker

    return CancelledError, KilledWorker, OSError, TimeoutError


@cache
def _reuse_memory() -> None:
    """Let the C library keep freed memory for the next structure, once in each process.

    Dask's nannies have it handed back at once (``MALLOC_TRIM_THRESHOLD_``): the arrays of a
    structure, some MB that come and go thousands of times, are then zeroed by the system each time,
    which takes longer than the features.
    """
    with suppress(OSError, AttributeError):  # another C library than glibc
        mallopt = ctypes.CDLL("libc.so.6").mallopt
        for option, size in _KEPT.items():
            mallopt(option, size)


def _factor(given: _Given, lots: list[int]) -> LotFactor:
    _reuse_memory()
    return factor_of_lots(given.source, given.targets, lots)


def _left_out(given: _Given, solved: _Solved, k: int) -> LeftOut:
    _reuse_memory()
    return left_out_of_lot(given.source, given.targets, solved.geometry, solved.alphas, k)
