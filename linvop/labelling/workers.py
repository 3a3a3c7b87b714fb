r"""A pool of processes that survives what happens in them.

Tasks go out one at a time and come back as they finish. A worker that dies (out of memory,
killed) is replaced and its task tried once more, then reported as `Died`. Workers ignore
Ctrl-C, which is the parent's to handle; when the parent leaves `run`, for whatever reason,
they are stopped, and when it is killed they end by themselves after the task in hand.

Processes are spawned, not forked: threads of BLAS and OpenMP do not survive a fork.
"""

from __future__ import annotations

import multiprocessing
import signal
import traceback
from collections import deque
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from multiprocessing.connection import Connection, wait
from typing import Any

from linvop.errors import InputError

__all__ = ["Died", "limited_threads", "run"]

_TRIES = 2


@dataclass(frozen=True)
class Died:
    """Outcome of a task that took its workers with it."""

    exit_code: int | None

    def __str__(self) -> str:
        code = self.exit_code
        if code is not None and code < 0:
            return f"its worker was killed by {signal.Signals(-code).name}"
        return f"its worker ended with exit code {code}"


@contextmanager
def limited_threads(n: int) -> Iterator[None]:
    """Use n threads in BLAS and in PySCF's own loops, and as many as before afterwards."""
    from pyscf import lib
    from threadpoolctl import threadpool_limits

    before = lib.num_threads()
    with threadpool_limits(n):
        lib.num_threads(n)
        try:
            yield
        finally:
            lib.num_threads(before)


def run(
    function: Callable[[Any], Any], tasks: Sequence[Any], *, workers: int, threads: int
) -> Generator[tuple[Any, Any], None, None]:
    r"""Yield (task, function(task)) in the order of finishing.

    Parameters
    ----------
    function : callable
        Importable by name in another process, or a `functools.partial` of such.
    tasks : sequence
    workers : int
        Processes; with 1 everything runs in this one.
    threads : int
        Threads of BLAS and PySCF in each.

    Raises
    ------
    InputError
        If processes cannot start. What `function` raises is raised here.
    """
    if workers == 1:
        with limited_threads(threads):
            for task in tasks:
                yield task, function(task)
        return
    waiting = deque((task, _TRIES) for task in tasks)
    pool: list[_Worker] = []
    try:
        for _ in range(min(workers, len(tasks))):
            pool.append(_Worker(function, threads))
        while pool:
            for connection in wait([w.connection for w in pool]):
                worker = next(w for w in pool if w.connection is connection)
                task, left = worker.task, worker.tries_left
                try:
                    outcome = worker.receive()
                except EOFError:
                    pool.remove(worker)
                    died = Died(worker.exit_code())
                    if task is _NOTHING:
                        raise InputError(_NO_START.format(died)) from None
                    if left > 1:
                        waiting.append((task, left - 1))
                    if waiting:
                        pool.append(_Worker(function, threads))
                    if left <= 1:
                        yield task, died
                    continue
                if waiting:
                    worker.give(*waiting.popleft())
                else:
                    pool.remove(worker)
                    worker.stop()
                if task is not _NOTHING:
                    yield task, outcome
    finally:
        for worker in pool:
            worker.stop()


_NOTHING = object()
_NO_START = (
    "a worker process could not start ({}). A script that labels in several processes must "
    'start its work under `if __name__ == "__main__":`; or use workers=1'
)


class _Worker:
    """One process, and the task it is at."""

    def __init__(self, function: Callable[[Any], Any], threads: int) -> None:
        context = multiprocessing.get_context("spawn")
        self.connection, other = context.Pipe()
        self.task: Any = _NOTHING
        self.tries_left = 0
        self._process = context.Process(target=_serve, args=(other, function, threads), daemon=True)
        self._process.start()
        other.close()

    def give(self, task: Any, tries_left: int) -> None:
        self.task, self.tries_left = task, tries_left
        with suppress(OSError):  # if it died meanwhile, `receive` will say so
            self.connection.send(task)

    def receive(self) -> Any:
        """Its outcome, or None when it has just started."""
        try:
            good, outcome = self.connection.recv()
        except OSError as error:
            raise EOFError from error
        if not good:
            raise outcome
        return outcome

    def exit_code(self) -> int | None:
        """How a process ended that closed its end of the connection."""
        self.connection.close()
        self._process.join()
        return self._process.exitcode

    def stop(self) -> None:
        """End the process, whatever it is at: what it writes is whole or absent."""
        self.connection.close()
        self._process.terminate()
        self._process.join()


def _serve(connection: Connection, function: Callable[[Any], Any], threads: int) -> None:
    """What a worker does: answer tasks until the other end closes."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    with limited_threads(threads):
        connection.send((True, None))
        while True:
            try:
                task = connection.recv()
            except (EOFError, OSError):
                return
            outcome = _outcome(function, task)
            with suppress(OSError):  # nobody is left to hear it
                connection.send(outcome)


def _outcome(function: Callable[[Any], Any], task: Any) -> tuple[bool, Any]:
    try:
        return True, function(task)
    except InputError as error:
        return False, error
    except Exception:
        return False, RuntimeError("in a worker process:\n" + traceback.format_exc())
