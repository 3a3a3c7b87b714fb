r"""Triangular factors of rows on a device: `linvop.regression.streaming` for an array module.

.. math:: \begin{pmatrix} R \\ B \end{pmatrix} = Q \begin{pmatrix} R' \\ 0 \end{pmatrix}

by the library's Householder QR (mode "r"), which knows nothing of the triangle: B is gathered until
it has `LOT` times the rows of R, as far as memory allows (from some ten thousand columns on it has
as few as twice), and the triangle costs 2/3 of a lot's part. R is that of the CPU up to signs of
its rows and rounding.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from linvop.errors import InputError

__all__ = ["LOT", "DeviceRowFactor"]

LOT = 16
"""Rows that are factored at once, in units of the columns; where these are many, as few as 2."""

_MOST_BYTES = 8e9
"""Of such rows, which the library copies a few times."""

_LARGEST_INDEX = 2**31 - 1


class DeviceRowFactor:
    r"""R of all rows so far, on a device.

    Parameters
    ----------
    width : int
        Columns.
    xp : module
        Array module with NumPy's interface.
    lot : int
        Rows that are factored at once, in units of `width`; fewer if they take more than 8 GB.

    Attributes
    ----------
    R : (width, width) float64, upper triangular, Fortran-ordered, NumPy's
        Reading it factors what has been gathered.
    n_rows : int

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> A = rng.normal(size=(100, 4))
    >>> one = DeviceRowFactor(4, np).add(A[:30]).add(A[30:])
    >>> bool(np.allclose(one.R.T @ one.R, A.T @ A))
    True
    """

    def __init__(self, width: int, xp: Any, lot: int = LOT) -> None:
        if width < 1:
            raise InputError(f"width: expected at least 1 column, got {width}")
        if 3 * width**2 > _LARGEST_INDEX:
            most = int((_LARGEST_INDEX / 3) ** 0.5)
            raise InputError(
                f"device: expected at most {most} columns, got {width}: the library's QR counts "
                "elements in 32 bits; fit on the CPU"
            )
        self.width, self.xp, self.n_rows = width, xp, 0
        self._lot = min(lot * width, max(2 * width, int(_MOST_BYTES / (8 * width))))
        self._triangle: Any = None
        self._waiting: list[Any] = []
        self._n_waiting = 0

    def add(self, rows: Any) -> DeviceRowFactor:
        r"""Take up rows, (b, width), of the device or NumPy's; returns itself.

        Raises
        ------
        InputError
            For another width, and rows that are not finite.
        """
        if rows.ndim != 2 or rows.shape[1] != self.width:
            raise InputError(f"rows: expected shape (b, {self.width}), got {rows.shape}")
        self.n_rows += len(rows)
        for start in range(0, len(rows), self._lot):
            part = self.xp.asarray(rows[start : start + self._lot], dtype=float)
            self._waiting.append(part)
            self._n_waiting += len(part)
            if self._n_waiting >= self._lot:
                self._factor()
        return self

    def triangle(self) -> Any:
        """R on the device, (width, width)."""
        self._factor()
        if self._triangle is None:
            return self.xp.zeros((self.width, self.width))
        return self._triangle

    @property
    def R(self) -> np.ndarray:
        """Of all rows."""
        R = self.triangle()
        if not bool(self.xp.isfinite(self.xp.diagonal(R)).all()):
            raise InputError("rows: expected finite numbers")
        return np.asfortranarray(R if isinstance(R, np.ndarray) else R.get())

    @R.setter
    def R(self, R: np.ndarray) -> None:
        self._waiting, self._n_waiting = [], 0
        self._triangle = self.xp.asarray(R)

    def _factor(self) -> None:
        """R of the triangle and all that waits."""
        if not self._waiting:
            return
        parts = self._waiting if self._triangle is None else [self._triangle, *self._waiting]
        self._waiting, self._n_waiting = [], 0
        stacked = parts[0] if len(parts) == 1 else self.xp.concatenate(parts)
        del parts
        R = self.xp.linalg.qr(stacked, mode="r")
        if len(R) < self.width:  # fewer rows than columns
            R = self.xp.concatenate([R, self.xp.zeros((self.width - len(R), self.width))])
        self._triangle = R
