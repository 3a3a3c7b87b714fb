r"""Triangular factors of rows that are never in memory at once (TSQR).

With B the next rows and R the factor of all before,

.. math:: \begin{pmatrix} R \\ B \end{pmatrix} = Q \begin{pmatrix} R' \\ 0 \end{pmatrix}

Q is not kept: R' holds everything that a least squares problem needs, since [A y] = Q [R_A R_y] has
the same minimiser and, up to a constant, the same residual. Two factors merge as rows do, in any
order (J. Demmel, L. Grigori, M. Hoemmen and J. Langou, SIAM J. Sci. Comput. 34, A206 (2012)).
Unlike ``A^T A``, R has the singular values of A down to rounding of the largest.

The spread of the columns, which scales them, is summed beside it: weight W, mean m and sum of
squared deviations d of two parts are those of the whole by

    m = (W1 m1 + W2 m2) / W,     d = d1 + d2 + (W1 W2 / W) (m1 - m2)^2
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from scipy.linalg.lapack import dgeqrf, dgeqrf_lwork, dtpqrt

from linvop.errors import InputError

__all__ = ["ColumnSpread", "RowFactor", "Triangle"]

_BLOCK = 64
"""Reflections that dtpqrt applies at once."""


@dataclass
class ColumnSpread:
    r"""Weighted mean and squared deviations of columns, of rows about their mean and about zero.

    Attributes
    ----------
    weight, weight_centred : float
        Of all rows, and of those that are taken about their mean.
    mean, deviation : (p,) float64
        Of the latter.
    square : (p,) float64
        Sum of the weighted squares of the others.
    """

    weight: float
    weight_centred: float
    mean: np.ndarray
    deviation: np.ndarray
    square: np.ndarray

    @classmethod
    def empty(cls, p: int) -> ColumnSpread:
        """Of no rows."""
        return cls(0.0, 0.0, np.zeros(p), np.zeros(p), np.zeros(p))

    @classmethod
    def of(cls, A: np.ndarray, weights: np.ndarray, centred: np.ndarray) -> ColumnSpread:
        """Of rows A, (n, p), with weights (n,); `centred`, (n,) bool, vary about a mean."""
        found = cls.empty(A.shape[1])
        found.weight = float(weights.sum())
        w = np.where(centred, weights, 0.0)
        found.weight_centred = float(w.sum())
        if found.weight_centred > 0.0:
            found.mean = w @ A / found.weight_centred
            found.deviation = w @ (A - found.mean) ** 2
        found.square = (weights - w) @ A**2
        return found

    def merged(self, other: ColumnSpread) -> ColumnSpread:
        """Of the rows of both."""
        first, second = self.weight_centred, other.weight_centred
        both = first + second
        apart = self.mean - other.mean
        share = second / both if both > 0.0 else 0.0
        return ColumnSpread(
            self.weight + other.weight,
            both,
            self.mean - share * apart,
            self.deviation + other.deviation + first * share * apart**2,
            self.square + other.square,
        )

    def weighted(self, factor: float) -> ColumnSpread:
        """Of the same rows with weights a factor larger."""
        return ColumnSpread(
            factor * self.weight,
            factor * self.weight_centred,
            self.mean,
            factor * self.deviation,
            factor * self.square,
        )

    def arrays(self) -> dict[str, np.ndarray]:
        """What a checkpoint keeps; ``ColumnSpread.of_arrays`` is the inverse."""
        weights = np.asarray([self.weight, self.weight_centred])
        found = {"weights": weights, "mean": self.mean}
        return found | {"deviation": self.deviation, "square": self.square}

    @classmethod
    def of_arrays(cls, arrays: Mapping[str, np.ndarray]) -> ColumnSpread:
        """From what `arrays` gave."""
        weight, centred = arrays["weights"].tolist()
        return cls(weight, centred, arrays["mean"], arrays["deviation"], arrays["square"])

    def scales(self, power: float, constant: float) -> tuple[np.ndarray, np.ndarray]:
        """``sd ** power``, 1 where there is no spread, and which columns have one, (p,) each."""
        sd = np.sqrt((self.deviation + self.square) / self.weight)
        active = sd > constant * np.hypot(self.mean, sd)
        return np.where(active, sd, 1.0) ** power, active


class Triangle(Protocol):
    r"""R of some rows, wherever they were factored."""

    @property
    def R(self) -> np.ndarray:
        """(width, width) float64, upper triangular."""
        ...

    @property
    def n_rows(self) -> int:
        """Of how many rows."""
        ...


class RowFactor:
    r"""R of all rows so far, and the spread of their columns.

    Parameters
    ----------
    width : int
        Columns.

    Attributes
    ----------
    R : (width, width) float64, upper triangular, Fortran-ordered
    n_rows : int

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> A = rng.normal(size=(100, 4))
    >>> one = RowFactor(4).add(A[:30]).add(A[30:])
    >>> bool(np.allclose(one.R.T @ one.R, A.T @ A))
    True
    """

    def __init__(self, width: int) -> None:
        if width < 1:
            raise InputError(f"width: expected at least 1 column, got {width}")
        self.R = np.zeros((width, width), order="F")
        self.n_rows = 0

    def add(self, rows: np.ndarray) -> RowFactor:
        r"""Take up rows, (b, width); returns itself.

        Raises
        ------
        InputError
            For another width, and rows that are not finite.
        """
        width = len(self.R)
        if rows.ndim != 2 or rows.shape[1] != width:
            raise InputError(f"rows: expected shape (b, {width}), got {rows.shape}")
        if not len(rows):
            return self
        B = np.array(rows, dtype=float, order="F")
        if len(B) > 2 * width:  # a factorisation of its own is faster than triangle upon rows
            lwork = int(dgeqrf_lwork(*B.shape)[0])
            B = np.triu(dgeqrf(B, lwork=lwork, overwrite_a=1)[0][:width])
            self._merge(np.asfortranarray(B), width)
        else:
            self._merge(B, 0)
        if not np.isfinite(np.diagonal(self.R)).all():
            raise InputError("rows: expected finite numbers")
        self.n_rows += len(rows)
        return self

    @classmethod
    def of(cls, other: Triangle) -> RowFactor:
        """A copy of a factor, on the CPU."""
        R = other.R
        found = cls(len(R))
        found.R, found.n_rows = np.array(R, order="F"), other.n_rows
        return found

    def merge(self, other: Triangle) -> RowFactor:
        """Take up the rows of another factor; returns itself."""
        if len(other.R) != len(self.R):
            raise InputError(f"factor: expected {len(self.R)} columns, got {len(other.R)}")
        self._merge(np.array(other.R, order="F"), len(self.R))
        self.n_rows += other.n_rows
        return self

    def _merge(self, B: np.ndarray, triangular: int) -> None:
        """R of [R; B], B with `triangular` rows that are a triangle."""
        block = min(_BLOCK, len(self.R))
        self.R, _, _, info = dtpqrt(triangular, block, self.R, B, overwrite_a=1, overwrite_b=1)
        if info:
            raise RuntimeError(f"dtpqrt: illegal argument {-info}")
