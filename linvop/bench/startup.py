r"""How long a user waits for Python to import linvop, and for the command line to answer."""

from __future__ import annotations

import subprocess
import sys
from time import perf_counter

import numpy as np

from linvop.bench.tables import Table, verdict
from linvop.errors import InputError

__all__ = ["startup_table"]

_RUNS = 7
_COMMANDS: dict[str, tuple[tuple[str, ...], float | None]] = {
    "python, nothing imported": (("-c", "pass"), None),
    "import linvop": (("-c", "import linvop"), 0.3),
    "linvop --help": (("-m", "linvop", "--help"), 0.5),
}
"""Arguments of Python, and the largest accepted time in seconds."""


def startup_table() -> Table:
    r"""Wall times of new processes, medians.

    Raises
    ------
    InputError
        If one of them fails; the message ends with what it said.
    """
    rows = []
    for name, (arguments, largest) in _COMMANDS.items():
        seconds = float(np.median([_seconds(name, arguments) for _ in range(_RUNS)]))
        met = verdict(seconds, largest)
        rows.append({"what": name, "seconds": seconds, "target": largest, "met": met})
    note = f"Wall time of a new process, Python's own start included; median of {_RUNS}."
    return Table("start", "Starting", rows, [note])


def _seconds(name: str, arguments: tuple[str, ...]) -> float:
    start = perf_counter()
    done = subprocess.run([sys.executable, *arguments], capture_output=True, text=True)
    seconds = perf_counter() - start
    if done.returncode:
        said = done.stderr.strip().splitlines()[-1:] or ["nothing"]
        raise InputError(f"{name}: ended with {done.returncode} and said {said[0]}")
    return seconds
