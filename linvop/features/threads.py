r"""Threads: over structures, never inside one.

One structure's matrices are small: a second BLAS or OpenMP thread costs more than it gives (the
two runtimes wait for each other), so one structure gets one thread, and many structures get a
pool of threads. libcint, LAPACK and the compiled kernels all release Python's lock.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import cache
from threading import Lock
from typing import Any

from threadpoolctl import ThreadpoolController

from linvop.errors import InputError

__all__ = ["available_cores", "one_blas_thread", "one_thread_each"]


@cache
def _controller() -> ThreadpoolController:
    """Made at first use, when the libraries that it controls are loaded."""
    import scipy.linalg  # noqa: F401 - brings a BLAS of its own

    return ThreadpoolController()


def available_cores() -> int:
    """Cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


class _OneBlasThread:
    """BLAS's limit is the process's: the first who wants it sets it, the last one takes it back."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._inside = 0
        self._limit: Any = None

    def enter(self) -> None:
        with self._lock:
            if not self._inside:
                self._limit = _controller().limit(limits=1, user_api="blas")
            self._inside += 1

    def leave(self) -> None:
        with self._lock:
            self._inside -= 1
            if not self._inside:
                self._limit.restore_original_limits()


_ONE_BLAS_THREAD = _OneBlasThread()


@contextmanager
def one_blas_thread() -> Iterator[None]:
    """BLAS with one thread while anyone is inside."""
    _ONE_BLAS_THREAD.enter()
    try:
        yield
    finally:
        _ONE_BLAS_THREAD.leave()


def _single_openmp_thread() -> None:
    """Ask libcint's OpenMP for one thread; the setting belongs to the calling thread."""
    from pyscf import lib

    lib.num_threads(1)


@contextmanager
def one_thread_each(workers: int) -> Iterator[ThreadPoolExecutor]:
    r"""A pool of threads, each with one OpenMP thread, for work inside `one_blas_thread`.

    Raises
    ------
    InputError
        If `workers` is no positive integer.
    """
    if not isinstance(workers, int) or isinstance(workers, bool) or workers < 1:
        raise InputError(f"workers: expected a positive integer, got {workers!r}")
    with (
        one_blas_thread(),
        ThreadPoolExecutor(workers, initializer=_single_openmp_thread) as pool,
    ):
        try:
            yield pool
        except BaseException:
            pool.shutdown(wait=True, cancel_futures=True)
            raise
