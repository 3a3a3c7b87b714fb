r"""A fit of rows on the disk beside scipy's QR of the same matrix in memory."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from time import perf_counter
from typing import Any

import numpy as np

from linvop.bench.machine import describe_machine, peak_memory_gb
from linvop.bench.tables import Report, Table, verdict
from linvop.errors import InputError

__all__ = ["LARGEST_GB", "LARGEST_RATIO", "measure_streaming", "stream_here"]

LARGEST_RATIO, LARGEST_GB = 1.6, 1.5
"""The targets: time in units of the QR, and memory."""

_STEP = 2000
_CONDITION = 1e8
_GROUP = 20
"""Rows that leave together."""


def measure_streaming(n: int = 200_000, p: int = 4000, folder: str | None = None) -> Report:
    r"""Write a random matrix, factorise it in memory, fit it from the file in new processes.

    Parameters
    ----------
    n, p : int
    folder : str, optional
        For the file of 8 n p bytes; default the system's folder of temporary files.

    Raises
    ------
    InputError
        For a folder that is none; if a fit fails, with what its process said at the end.
    """
    if folder is not None and not Path(folder).is_dir():
        raise InputError(f"--folder {folder}: expected a folder that exists")
    try:
        made = TemporaryDirectory(dir=folder)
    except OSError as error:
        raise InputError(f"--folder {folder}: cannot be written to ({error})") from error
    with made as here:
        path = Path(here) / "rows.npy"
        _write(path, n, p)
        rows = [{"what": "scipy.linalg.qr of all rows in memory, R alone", **_run(path, "qr")}]
        unit = rows[0]["s"]
        for alpha in ("evidence", "loo"):
            row = {"what": f"fit from the disk, alpha by {alpha}", **_run(path, alpha)}
            rows.append(row)
        for k, row in enumerate(rows):
            row["over QR"] = row["s"] / unit
            row["met"] = verdict(row["over QR"], LARGEST_RATIO if k == 1 else None)
            row["memory met"] = verdict(row["peak, GB"], LARGEST_GB if k else None)
    notes = [
        f"{n} rows x {p} columns, singular values from 1 down to {1 / _CONDITION:g}, {_STEP} rows "
        "at a time; the file in the page cache. Each row in a process of its own; one right side.",
        f"`loo`: groups of {_GROUP} rows left out, which takes the rows a second time.",
        f"Targets: {LARGEST_RATIO} times the QR, {LARGEST_GB} GB.",
    ]
    return Report(describe_machine(), [Table("streaming", "Rows on the disk", rows, notes)])


def stream_here(path: str, what: str) -> dict[str, Any]:
    """One measurement in this process."""
    stored = np.load(path, mmap_mode="r")
    n = len(stored)
    y = np.random.default_rng(1).normal(size=n)
    if what == "qr":
        from scipy.linalg import qr

        A = np.asfortranarray(stored)
        start = perf_counter()
        qr(A, mode="r", overwrite_a=True, check_finite=False)
        return {"s": perf_counter() - start, "peak, GB": peak_memory_gb()}
    from linvop.regression.ridge import Ridge
    from linvop.regression.streamed_ridge import ArrayRows, fit_streamed

    start = perf_counter()
    fit_streamed(
        Ridge(what, refine=False), ArrayRows(_Read(path), _STEP), y, groups=np.arange(n) // _GROUP
    )
    return {"s": perf_counter() - start, "peak, GB": peak_memory_gb()}


class _Read:
    """Rows of a file by reading: pages of a memory map would count as this process's memory."""

    def __init__(self, path: str) -> None:
        stored = np.load(path, mmap_mode="r")
        self.shape, self._offset = stored.shape, stored.offset
        self._file = open(path, "rb")  # noqa: SIM115 - as long as the process

    def __getitem__(self, rows: slice) -> np.ndarray:
        n, p = self.shape
        first, last = rows.start, min(rows.stop, n)
        self._file.seek(self._offset + 8 * first * p)
        return np.fromfile(self._file, count=(last - first) * p).reshape(last - first, p)


def _blocks(n: int) -> Iterator[slice]:
    return (slice(k, min(k + _STEP, n)) for k in range(0, n, _STEP))


def _write(path: Path, n: int, p: int) -> None:
    """Rows ``g diag(s) V``, g normal, s graded, V a product of a few reflections."""
    rng = np.random.default_rng(0)
    out = np.lib.format.open_memmap(path, mode="w+", dtype=float, shape=(n, p))
    s = np.geomspace(1.0, 1 / _CONDITION, p)
    mirrors = rng.normal(size=(8, p))
    mirrors /= np.linalg.norm(mirrors, axis=1)[:, None]
    for rows in _blocks(n):
        G = rng.normal(size=(rows.stop - rows.start, p)) * s
        for v in mirrors:
            G -= 2 * np.outer(G @ v, v)
        out[rows] = G
    out.flush()


def _run(path: Path, what: str) -> dict[str, Any]:
    command = [sys.executable, "-m", "linvop.bench", "streaming", "--here", str(path), what]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        said = (done.stderr.strip() or done.stdout.strip()).splitlines()
        raise InputError(f"streaming: {what} ended with {done.returncode}: {' '.join(said[-3:])}")
    return json.loads(done.stdout)
