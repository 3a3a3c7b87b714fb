r"""What plans are put together from: rows of results, half words, couplings, integer tables."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from linvop.angular.tables import sparse_coupling
from linvop.basis.words import Irrep

__all__ = ["Atom", "Couplings", "HalfWords", "Rows", "offsets", "padded", "table"]


@dataclass(frozen=True)
class Rows:
    r"""Layout of a row of results: irrep by irrep, (2 lam + 1, n_columns).

    Attributes
    ----------
    irreps : tuple of (lam, sigma)
    n_columns : tuple of int
        Columns of each irrep.
    """

    irreps: tuple[Irrep, ...]
    n_columns: tuple[int, ...]

    @property
    def row_size(self) -> int:
        """Numbers in one row of results."""
        sizes = zip(self.irreps, self.n_columns, strict=True)
        return sum((2 * lam + 1) * n for (lam, _), n in sizes)

    def split(self, rows: np.ndarray) -> dict[Irrep, np.ndarray]:
        """Views of ``rows`` (n, row_size) as {irrep: (n, 2 lam + 1, n_columns)}."""
        views, start = {}, 0
        for (lam, sigma), n in zip(self.irreps, self.n_columns, strict=True):
            stop = start + (2 * lam + 1) * n
            views[lam, sigma] = rows[:, start:stop].reshape(len(rows), 2 * lam + 1, n)
            start = stop
        return views

    def joined(self, parts: Mapping[Irrep, np.ndarray], n_rows: int) -> np.ndarray:
        """The rows (n_rows, row_size) of such parts; what is missing is zero."""
        rows = np.zeros((n_rows, self.row_size))
        for irrep, view in self.split(rows).items():
            if irrep in parts:
                view[...] = parts[irrep]
        return rows


@dataclass(frozen=True)
class Atom:
    r"""The AOs of one atom, in the order of its shells.

    Attributes
    ----------
    shell, m, width : (n,) int64
        Of each AO its shell, its place within it, and how many AOs the shell has.
    """

    shell: np.ndarray
    m: np.ndarray
    width: np.ndarray

    @staticmethod
    def of(shell_l: np.ndarray) -> Atom:
        """From the angular momenta of the shells."""
        widths = 2 * shell_l + 1
        shell = np.repeat(np.arange(len(widths)), widths)
        m = np.concatenate([np.zeros(0, np.int64), *(np.arange(n) for n in widths)])
        return Atom(shell, m, widths[shell])

    def aos(self, shell_start: np.ndarray) -> np.ndarray:
        """AOs of each atom of the species, whose shells start there, (n_sites, n) int64."""
        n_sites = int(shell_start[1] - shell_start[0]) // int(self.width[0])
        return shell_start[self.shell] + self.m + np.arange(n_sites)[:, None] * self.width


class HalfWords:
    """The tree of half words, each once."""

    def __init__(self) -> None:
        self.index: dict[tuple, int] = {}
        self.rows: list[tuple[int, int, int]] = []

    def add(self, sources: tuple[int, ...], channels: tuple[int, ...]) -> int:
        """Number of ``V^(z1) P_c1 ... P_c(m-1) V^(zm)``; parents come first."""
        key = (sources, channels)
        if key not in self.index:
            if channels:
                parent = self.add(sources[:-1], channels[:-1])
                row = (parent, channels[-1], sources[-1])
            else:
                row = (-1, -1, sources[0])
            self.index[key] = len(self.rows)
            self.rows.append(row)
        return self.index[key]


class Couplings:
    """Concatenated sparse couplings, each once."""

    def __init__(self) -> None:
        self.ranges: dict[tuple[int, int, int], tuple[int, int]] = {}
        self.parts: list[tuple[np.ndarray, ...]] = []
        self.size = 0

    def add(self, l1: int, l2: int, lam: int) -> tuple[int, int]:
        """First and last entry of a coupling."""
        key = (l1, l2, lam)
        if key not in self.ranges:
            part = sparse_coupling(l1, l2, lam)
            self.parts.append(part)
            self.ranges[key] = (self.size, self.size + len(part[0]))
            self.size += len(part[0])
        return self.ranges[key]

    def arrays(self) -> list[np.ndarray]:
        """Positions m1, m2, mu and values of all entries."""
        if not self.parts:
            return [np.zeros(0, np.int64)] * 3 + [np.zeros(0)]
        return [np.concatenate(column) for column in zip(*self.parts, strict=True)]


def table(rows: Sequence[tuple[int, ...]], width: int) -> np.ndarray:
    """Rows of integers as (width, n_rows), each column adjacent in memory."""
    return np.ascontiguousarray(np.asarray(rows, np.int64).reshape(-1, width).T)


def offsets(counts: Sequence[int]) -> np.ndarray:
    """Where each of consecutive ranges starts, and where the last ends."""
    return np.concatenate([[0], np.cumsum(counts)]).astype(np.int64)


def padded(rows: Sequence[tuple[int, ...]], width: int) -> np.ndarray:
    """Rows of integers filled up with -1."""
    filled = [row + (-1,) * (width - len(row)) for row in rows]
    return np.asarray(filled, np.int64).reshape(len(rows), width)
