r"""What a streamed fit does with one lot of rows: by itself, so that lots can be anywhere.

- the triangles of ``w^1/2 [Q1 A y]`` of some lots, one for each kind of rows (energies and
  forces, say: their weights can change afterwards), and the spreads of their columns; two merge;
- once the triangle of all is known, the residuals of groups of rows without themselves.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import reduce
from typing import Any, Protocol

import numpy as np

from linvop.errors import InputError
from linvop.kernels.dispatch import Device, device
from linvop.regression.checkpoint import fingerprint
from linvop.regression.device_streaming import DeviceRowFactor
from linvop.regression.leave_out import determined, group_buckets, solve_scaled, weighted_blocks
from linvop.regression.streaming import ColumnSpread, RowFactor

__all__ = [
    "ArrayRows",
    "Geometry",
    "LeftOut",
    "LotFactor",
    "Lots",
    "RowSource",
    "RowTargets",
    "factor_of_lots",
    "left_out_of_lot",
    "merged",
    "with_lot",
    "without_themselves",
]


class RowSource(Protocol):
    r"""Rows of a design matrix in lots, each to be made several times."""

    @property
    def shape(self) -> tuple[int, int]:
        """Rows and columns."""
        ...

    @property
    def n_lots(self) -> int:
        """Lots, which together hold every row once."""
        ...

    @property
    def key(self) -> str:
        """Fingerprint of the rows, without making them; of checkpoints."""
        ...

    @property
    def device(self) -> Device:
        """Where they are factored."""
        ...

    def lot(self, k: int) -> tuple[np.ndarray, np.ndarray]:
        """Places of its rows, (b,) int, and the rows, (b, p) float64."""
        ...


@dataclass(frozen=True)
class ArrayRows:
    r"""Rows of an array, a memory map or an HDF5 data set, some at a time.

    Attributes
    ----------
    rows : array-like with a shape, (n, p)
    step : int
    device : Device
        Where they are factored.
    """

    rows: Any
    step: int = 2000
    device: Device = field(default_factory=lambda: device("cpu"))

    @property
    def shape(self) -> tuple[int, int]:
        """Rows and columns."""
        n, p = self.rows.shape
        return int(n), int(p)

    @property
    def n_lots(self) -> int:
        """Of `step` rows."""
        return -(-self.shape[0] // self.step)

    @property
    def key(self) -> str:
        """Shape, first and last rows: arrays in files are not read for it."""
        ends = (np.asarray(self.rows[k : k + 1]) for k in (0, self.shape[0] - 1))
        return fingerprint(self.shape, self.step, *ends)

    def lot(self, k: int) -> tuple[np.ndarray, np.ndarray]:
        """Places and rows."""
        start = k * self.step
        A = np.asarray(self.rows[start : start + self.step], dtype=float)
        return np.arange(start, start + len(A)), A


@dataclass(frozen=True)
class RowTargets:
    r"""What belongs to the rows of all lots.

    Attributes
    ----------
    y : (n, t) float64
    span : (n, k0) float64
        Q1.
    weights : (n,) float64
    centred : (n,) bool
        Rows that vary about a mean.
    labels, sizes : (n,), (n_groups,) int
        Group of each row, and how many each has.
    kinds : (n,) int
        Kind of each row, 0, 1, ..; those of one kind have one triangle.
    """

    y: np.ndarray
    span: np.ndarray
    weights: np.ndarray
    centred: np.ndarray
    labels: np.ndarray
    sizes: np.ndarray
    kinds: np.ndarray

    @property
    def n_kinds(self) -> int:
        """How many kinds there are."""
        return int(self.kinds.max()) + 1


@dataclass(frozen=True)
class LotFactor:
    """The triangles of some lots and the spreads of their columns, one of each kind of rows."""

    factors: tuple[RowFactor | DeviceRowFactor, ...]
    spreads: tuple[ColumnSpread, ...]

    @property
    def n_rows(self) -> int:
        """Of all kinds."""
        return sum(factor.n_rows for factor in self.factors)

    def weighted(self, weights: Sequence[float]) -> tuple[np.ndarray, ColumnSpread]:
        """One triangle and one spread of all rows, each kind with a weight more."""
        scaled = [RowFactor.of(one) for one in self.factors]
        for one, weight in zip(scaled, weights, strict=True):
            one.R *= np.sqrt(weight)
        spreads = [x.weighted(weight) for x, weight in zip(self.spreads, weights, strict=True)]
        return reduce(RowFactor.merge, scaled).R, reduce(ColumnSpread.merged, spreads)


@dataclass(frozen=True)
class Geometry:
    r"""The scaled problem: ``A1 Gamma^-1 = U diag(s) V^T``, and y in it.

    Attributes
    ----------
    gamma : (p,) float64
    active : (p,) bool
        Columns that the others are of.
    top : (k0, p_active) float64
        ``Q1^T A Gamma^-1``.
    V : (p_active, r) float64
    s : (r,) float64
    beta : (r, t) float64
        ``U^T y``.
    y_top : (k0, t) float64
        ``Q1^T y``.
    """

    gamma: np.ndarray
    active: np.ndarray
    top: np.ndarray
    V: np.ndarray
    s: np.ndarray
    beta: np.ndarray
    y_top: np.ndarray


@dataclass(frozen=True)
class LeftOut:
    r"""Residuals of the groups that a lot holds whole, and rows of those that it does not.

    Attributes
    ----------
    rows : (b,) int
    residuals : (m, b, t) float64
        At m alphas, times the root of the weights; NaN where constants would be undetermined.
    waiting, X : (c,) int, (c, r) float64
        Rows of other groups, as ``A' Gamma^-1 V``.
    """

    rows: np.ndarray
    residuals: np.ndarray
    waiting: np.ndarray
    X: np.ndarray


class Lots(Protocol):
    r"""Who works on the lots: workers of `linvop.distributed`."""

    def factor(self, source: RowSource, targets: RowTargets) -> LotFactor:
        """The triangle of all lots."""
        ...

    def left_out(
        self, source: RowSource, targets: RowTargets, geometry: Geometry, alphas: np.ndarray
    ) -> Iterator[LeftOut]:
        """Of every lot, in any order."""
        ...


def factor_of_lots(source: RowSource, targets: RowTargets, lots: Iterable[int]) -> LotFactor:
    """The triangle of some lots, one after another."""
    p, t, k0 = source.shape[1], targets.y.shape[1], targets.span.shape[1]
    on, width = source.device, k0 + p + t
    every = range(targets.n_kinds)
    found = LotFactor(
        tuple(
            RowFactor(width) if on.name == "cpu" else DeviceRowFactor(width, on.xp) for _ in every
        ),
        tuple(ColumnSpread.empty(p) for _ in every),
    )
    for k in lots:
        found = with_lot(found, source, targets, k)
    return found


def with_lot(found: LotFactor, source: RowSource, targets: RowTargets, k: int) -> LotFactor:
    """Triangles, which are overwritten, and one more lot."""
    rows, A = source.lot(k)
    p = source.shape[1]
    if A.shape[1] != p or not np.isfinite(A).all():
        raise InputError(f"rows {rows[0]} to {rows[-1]}: expected finite numbers of {p} columns")
    factors, spreads = list(found.factors), list(found.spreads)
    for kind in np.unique(targets.kinds[rows]).tolist():
        own = targets.kinds[rows] == kind
        some, there = (A, rows) if own.all() else (A[own], rows[own])
        w = targets.weights[there]
        spreads[kind] = spreads[kind].merged(ColumnSpread.of(some, w, targets.centred[there]))
        root = np.sqrt(w)[:, None]
        beside = targets.span[there], root * some, root * targets.y[there]
        factors[kind] = factors[kind].add(np.concatenate(beside, axis=1))
    return LotFactor(tuple(factors), tuple(spreads))


def merged(a: LotFactor, b: LotFactor) -> LotFactor:
    """Of the lots of both, factored on the CPU; neither is changed."""
    factors = tuple(RowFactor.of(x).merge(y) for x, y in zip(a.factors, b.factors, strict=True))
    spreads = tuple(x.merged(y) for x, y in zip(a.spreads, b.spreads, strict=True))
    return LotFactor(factors, spreads)


def left_out_of_lot(
    source: RowSource, targets: RowTargets, geometry: Geometry, alphas: np.ndarray, k: int
) -> LeftOut:
    """What the groups of one lot are without themselves at each alpha."""
    rows, A = source.lot(k)
    A = np.sqrt(targets.weights[rows])[:, None] * A[:, geometry.active]
    A /= geometry.gamma[geometry.active]
    X = (A - targets.span[rows] @ geometry.top) @ geometry.V
    own = targets.labels[rows]
    there = np.bincount(own, minlength=len(targets.sizes))
    whole = there[own] == targets.sizes[own]
    residuals = without_themselves(targets, geometry, alphas, rows[whole], X[whole])
    return LeftOut(rows[whole], residuals, rows[~whole], X[~whole])


def without_themselves(
    targets: RowTargets, geometry: Geometry, alphas: np.ndarray, rows: np.ndarray, X: np.ndarray
) -> np.ndarray:
    """Residuals (m, b, t) of groups whose rows are all here."""
    s, t = geometry.s, targets.y.shape[1]
    out = np.full((len(alphas), len(rows), t), np.nan)
    D, fitted = 1.0 / (s[:, None] ** 2 + alphas), s[:, None] * geometry.beta
    for places in group_buckets(targets.labels[rows]) if len(rows) else []:
        span = targets.span[rows[places]]  # (groups, rows of one, k0)
        kept = determined(span)
        if not kept.any():
            continue
        places, span = places[kept], span[kept]
        own, y, g = X[places], targets.y[rows[places]], places.shape[1]
        y = y * np.sqrt(targets.weights[rows[places]])[..., None]
        y -= span @ geometry.y_top
        fixed = np.eye(g) - span @ span.swapaxes(1, 2)
        blocks = fixed - weighted_blocks(own, D)  # (m, groups, g, g)
        for k, d in enumerate(D.T):
            r = (y - (own * d) @ fitted).transpose(2, 0, 1)
            x = solve_scaled(blocks[k][None], np.zeros(t, dtype=int), r)
            out[k][places] = x.transpose(1, 2, 0)
    return out
