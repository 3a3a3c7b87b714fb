r"""A triangular factor of many rows on a GPU, beside the library's QR of the whole."""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np

from linvop.bench.gpu_roofs import Roofs, timed
from linvop.bench.tables import Table
from linvop.kernels.dispatch import Device
from linvop.regression.device_streaming import LOT, DeviceRowFactor
from linvop.regression.streaming import RowFactor

__all__ = ["tsqr_table"]

_LOTS = (4, 8, LOT, 2 * LOT, 4 * LOT)
"""Rows that are factored at once, in units of the columns."""

_COPIES = 4
"""Arrays of the size of A that the library's QR may hold."""


def tsqr_table(on: Device, n: int, p: int, roofs: Roofs, rounds: int) -> Table:
    r"""Seconds of both for n rows of p columns, or as many as fit; a check of R against the CPU."""
    fits = int(on.free_memory() / (8 * p * _COPIES))
    rows = max(2 * p, min(n, fits))
    A = _matrix(on, rows, p)
    whole, n_whole = _whole(on, A, rounds)
    found = [_row("the library's QR of the whole", whole, whole, (n_whole, p), roofs)]
    for lot in _LOTS:
        seconds = timed(on, partial(_factored, on, A, lot), rounds)
        per_row = whole * rows / n_whole
        found.append(_row(f"lots of {lot} p rows", seconds, per_row, (rows, p), roofs))
    notes = [
        f"{rows} rows, {p} columns, on the device already; 2 n p^2 - 2 p^3 / 3 operations."
        + (
            f" The library refuses more than {n_whole} rows: its time is scaled by rows."
            if n_whole < rows
            else ""
        ),
        f"R against the CPU's, {_checked(on):.1e} of the largest element (5000 rows, 100 columns). "
        f"Fits take lots of {LOT} p rows.",
    ]
    return Table("gpu-tsqr", "Triangular factors on a GPU", found, notes)


def _factored(on: Device, A: Any, lot: int) -> Any:
    return DeviceRowFactor(A.shape[1], on.xp, lot).add(A).triangle()


def _matrix(on: Device, n: int, p: int) -> Any:
    """Rows without any structure, made on the device."""
    A = on.xp.empty((n, p))
    random = on.xp.random.RandomState(0)
    for start in range(0, n, 50_000):
        part = A[start : start + 50_000]
        part[...] = random.standard_normal(part.shape)
    return A


def _whole(on: Device, A: Any, rounds: int) -> tuple[float, int]:
    """Seconds of the library's QR, and of how many rows: it may refuse more, or lack memory."""
    n = len(A)
    while True:
        try:
            return timed(on, partial(on.xp.linalg.qr, A[:n], mode="r"), rounds), n
        except (RuntimeError, MemoryError):
            if n < 4 * A.shape[1]:
                raise
            n //= 2


def _row(
    what: str, seconds: float, whole: float, shape: tuple[int, int], roofs: Roofs
) -> dict[str, Any]:
    n, p = shape
    operations = 2.0 * n * p**2 - 2.0 / 3.0 * p**3
    return {
        "what": what,
        "rows": n,
        "s": seconds,
        "TFLOP/s": operations / seconds / 1e12,
        "of the product rate": operations / seconds / roofs.rate,
        "times as fast as the whole": whole / seconds,
        "met": "" if seconds == whole else ("yes" if seconds <= whole else "NO"),
    }


def _checked(on: Device) -> float:
    """Largest difference of R from the CPU's, signs of rows apart."""
    A = np.random.default_rng(0).normal(size=(5000, 100))
    one, other = DeviceRowFactor(100, on.xp).add(A).R, RowFactor(100).add(A).R
    signs = np.sign(np.diagonal(one)) * np.sign(np.diagonal(other))
    return float(np.abs(signs[:, None] * one - other).max() / np.abs(other).max())
