r"""What all commands share: errors in one line, progress on stderr, JSON on stdout."""

from __future__ import annotations

import json
import signal
import sys
import threading
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import typer

from linvop.errors import InputError

__all__ = ["guarded", "pairs", "print_json", "print_tables", "progress_bar", "refuse_same"]

_INTERRUPTED, _TERMINATED = 130, 143


class Terminated(KeyboardInterrupt):
    """SIGTERM: cleans up as Ctrl-C does, with a status of its own."""


@contextmanager
def guarded(interrupted: str) -> Iterator[None]:
    r"""Turn bad input into one line and status 2, Ctrl-C into one line and status 130.

    Parameters
    ----------
    interrupted : str
        What Ctrl-C leaves behind, such as "nothing was written".
    """
    with warnings.catch_warnings(), _terminated_as_interrupted():
        warnings.simplefilter("default")
        warnings.showwarning = lambda message, *rest, **more: _say(f"warning: {message}")
        try:
            yield
        except InputError as error:
            _say(f"error: {' '.join(str(error).split())}")
            raise typer.Exit(2) from None
        except KeyboardInterrupt as error:
            _say(f"interrupted: {str(error) or interrupted}")
            terminated = isinstance(error, Terminated) or isinstance(error.__context__, Terminated)
            raise typer.Exit(_TERMINATED if terminated else _INTERRUPTED) from None
        except OSError as error:
            _say(f"error: {error}")
            raise typer.Exit(2) from None
        except MemoryError:
            _say("error: out of memory; take fewer columns (kappa, max_degree) or structures")
            raise typer.Exit(2) from None


@contextmanager
def _terminated_as_interrupted() -> Iterator[None]:
    """SIGTERM, which batch systems send, cleans up as Ctrl-C does."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def interrupt(*_: Any) -> None:
        raise Terminated

    before = signal.signal(signal.SIGTERM, interrupt)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def refuse_same(out: Path, *inputs: Path) -> None:
    r"""Refuse to write over what is read.

    Raises
    ------
    InputError
    """
    for path in inputs:
        if out.exists() and path.exists() and out.samefile(path):
            raise InputError(f"{out}: expected another name to write to than what is read, {path}")


def _say(text: str) -> None:
    typer.echo(text, err=True)


def print_json(value: Any) -> None:
    """Machine-readable result on stdout."""
    from linvop.io.hdf5 import json_safe

    typer.echo(json.dumps(json_safe(value), indent=1))


def print_tables(tables: Sequence[Any]) -> None:
    """Rich tables and lines on stdout."""
    from rich.console import Console

    # Wide enough for the tables where the output is no terminal.
    console = Console(width=None if sys.stdout.isatty() else 120, highlight=False)
    for table in tables:
        console.print(table)


@contextmanager
def progress_bar() -> Iterator[Callable[[str, int, int], None]]:
    """Progress by stage on stderr; silent where stderr is no terminal."""
    from rich.console import Console
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        Progress,
        TextColumn,
        TimeRemainingColumn,
    )

    console = Console(stderr=True)
    with Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
        console=console,
        disable=not console.is_terminal,
    ) as progress:
        tasks: dict[str, Any] = {}

        def update(stage: str, done: int, total: int) -> None:
            if stage not in tasks:
                tasks[stage] = progress.add_task(stage, total=total)
            progress.update(tasks[stage], completed=done)

        yield update


def pairs(items: Sequence[str], option: str, names: Sequence[str]) -> dict[str, str]:
    r"""``["energy=energy_Ha"]`` as a mapping.

    Raises
    ------
    InputError
        For an item without ``=``, and for a property that is not among `names`.
    """
    out: dict[str, str] = {}
    for item in items:
        name, sign, value = item.partition("=")
        if not (sign and name and value):
            raise InputError(f"{option}: expected PROPERTY=VALUE, got {item!r}")
        if name in out:
            raise InputError(f"{option} {item}: {name} was given before, as {out[name]!r}")
        if name not in names:
            raise InputError(f"{option} {item}: expected one of {', '.join(names)}, got {name!r}")
        out[name] = value
    return out
