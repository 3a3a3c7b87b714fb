r"""Column scales: how large a coefficient of each column is taken to be, a priori.

The ridge penalty is ``|Gamma c|^2`` with ``Gamma_j = penalty_j * sd_j ** power``. With
``power = 1`` every column counts alike whatever its units (full standardisation), with
``power = 0`` the columns count by their size. On resolved contractions of V the square
root, ``power = 1/2``, predicts best.

Nothing here is compared with an absolute number: multiplying a column by any factor
multiplies its scale by that factor to the `power`, and changes nothing else.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from linvop.errors import InputError

__all__ = [
    "CONSTANT",
    "ColumnScales",
    "check_finite_rows",
    "column_norms",
    "column_scales",
    "column_units",
    "row_blocks",
    "scaled_rows",
]

CONSTANT = 1e-12
"""A column whose spread is below this fraction of its root mean square is constant."""

_BLOCK_ENTRIES = 1 << 21
"""Entries of a block of rows: 16 MB of doubles."""


@dataclass(frozen=True)
class ColumnScales:
    r"""The spread of every column and which columns have one.

    Attributes
    ----------
    scale : (p,) float64
        ``sd ** power``, 1 for the columns that are not active.
    active : (p,) bool
        False for the columns that are constant to rounding (or zero): their coefficients
        are exactly zero.
    """

    scale: np.ndarray
    active: np.ndarray


def row_blocks(n_rows: int, n_columns: int) -> Iterator[slice]:
    """Yield slices of consecutive rows that together hold some 16 MB each."""
    step = max(1, _BLOCK_ENTRIES // max(1, n_columns))
    for start in range(0, n_rows, step):
        yield slice(start, min(n_rows, start + step))


def check_finite_rows(array: np.ndarray, name: str) -> None:
    """Raise `InputError` naming the first row and column of `array` that is not finite."""
    for rows in row_blocks(array.shape[0], array[0].size if len(array) else 1):
        finite = np.isfinite(array[rows])
        if not finite.all():
            index = np.argwhere(~finite)[0]
            row, where = int(index[0]) + rows.start, "".join(f", column {j}" for j in index[1:])
            value = array[rows][tuple(index)]
            raise InputError(f"{name}: expected finite numbers, got {value} in row {row}{where}")


def column_scales(
    A: np.ndarray,
    weights: np.ndarray,
    *,
    power: float,
    centred: bool | np.ndarray,
    rounding: np.ndarray | None = None,
) -> ColumnScales:
    r"""Return the scale of every column of a design matrix.

    .. math:: sd_j^2 = \sum_i w_i (A_{ij} - \bar a_j)^2 / \sum_i w_i

    with the weighted mean ``abar_j`` of the rows that are `centred`, and 0 for the others. A row
    of weight 2 counts as the same row twice.

    Parameters
    ----------
    A : (n, p) float64
        Design matrix; all components of a tensor are rows, so they share one scale.
    weights : (n,) float64
        Positive weights of the rows.
    power : float
        Exponent, 0 (columns as they are) to 1 (standardised).
    centred : bool or (n,) bool
        Which rows are taken about their mean: those with constants, such as energies. Never
        components of a tensor or forces, whose mean over orientations is not a property of the
        column.
    rounding : (p,) float64, optional
        Of the entries of each column: a spread below it is none.
    """
    n, p = A.shape
    w = weights / weights.sum()
    unit = column_units(A)
    mean = np.zeros(p)
    about = np.broadcast_to(np.asarray(centred, dtype=float), n)
    if about.any():
        share = w * about / (w @ about)
        for rows in row_blocks(n, p):
            mean += share[rows] @ (A[rows] / unit)
    variance = np.zeros(p)
    for rows in row_blocks(n, p):
        deviation = A[rows] / unit
        deviation -= about[rows, None] * mean
        np.square(deviation, out=deviation)
        variance += w[rows] @ deviation
    sd = np.sqrt(variance)
    active = sd > CONSTANT * np.hypot(mean, sd)
    if rounding is not None:
        active &= sd * unit > rounding
    scale = np.where(active, (sd * unit) ** power, 1.0)
    return ColumnScales(scale, active)


def column_norms(A: np.ndarray) -> np.ndarray:
    """Return the Euclidean norm of every column of A, (p,)."""
    unit = column_units(A)
    squares = np.zeros(A.shape[1])
    for rows in row_blocks(*A.shape):
        part = A[rows] / unit
        squares += np.square(part, out=part).sum(axis=0)
    return unit * np.sqrt(squares)


def column_units(A: np.ndarray) -> np.ndarray:
    """Return the largest magnitude in every column, 1 where it is zero.

    Squares of A over its unit can neither overflow nor underflow as a column.
    """
    largest = np.zeros(A.shape[1])
    for rows in row_blocks(*A.shape):
        np.maximum(largest, np.abs(A[rows]).max(axis=0), out=largest)
    return np.where(largest > 0.0, largest, 1.0)


def scaled_rows(
    A: np.ndarray,
    row_factor: np.ndarray,
    divisor: np.ndarray,
    active: np.ndarray,
    *,
    overwrite: bool,
) -> np.ndarray:
    r"""Return ``row_factor_i A_ij / divisor_j`` of the active columns, C-ordered.

    With `overwrite` the result lies in the memory of `A` where that is C-ordered float64;
    `A` is then destroyed. Compacted rows never reach beyond the rows already read.

    Parameters
    ----------
    A : (n, p) float64
    row_factor : (n,) float64
    divisor : (p_active,) float64
    active : (p,) bool
    overwrite : bool
    """
    n, p = A.shape
    p_active = int(active.sum())
    in_place = (
        overwrite and A.dtype == np.float64 and A.flags.c_contiguous and bool(A.flags.writeable)
    )
    flat = A.reshape(-1)[: n * p_active] if in_place else np.empty(n * p_active)
    out = flat.reshape(n, p_active)
    whole = p_active == p
    for rows in row_blocks(n, p):
        block = A[rows] if whole else A[rows][:, active]
        # The block is a new array before anything is written over its source.
        block = block / divisor
        block *= row_factor[rows, None]
        out[rows] = block
    return out
