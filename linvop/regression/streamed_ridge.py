r"""Ridge regression on rows that are never in memory at once.

The same problem and the same solution as `Ridge.fit`,

    min_{c, b}  sum_rows w (A c + A0 b - y)^2 + alpha |Gamma c|^2 ,

from the triangular factor of ``w^1/2 [Q1 A y]`` (`linvop.regression.streaming`), Q1 orthonormal
and of the span of the constants, so that they are rotated away at once:

    R = [ 1  top  y_top ]
        [ 0   T    y_T  ]          A1 Gamma^-1 = Q T Gamma^-1 = (Q W) diag(s) V^T
        [ 0   0    rho  ]

Leaving groups of rows out takes the rows once more: with X = A' Gamma^-1 V of a group, A' its rows
without their part in Q1,

    (I - H)_gg = 1 - (Q1 Q1^T)_gg - X diag(1 / (s^2 + alpha)) X^T,   r_loo = (I - H)_gg^-1 r_g ,

on the grid of alphas, of which the best is taken: the result is that of ``Ridge(refine=False)``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from copy import copy
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from scipy.linalg import svd

from linvop.errors import InputError
from linvop.regression.checkpoint import Checkpoint, fingerprint
from linvop.regression.criteria import AlphaSearch, Spectrum, alpha_grid, minimise_over_alpha
from linvop.regression.leave_out import (
    determined,
    group_buckets,
    solve_scaled,
    weighted_blocks,
)
from linvop.regression.problem import Problem, check_targets_vary
from linvop.regression.projection import ConstantsProjection
from linvop.regression.ridge import Ridge
from linvop.regression.scaling import CONSTANT
from linvop.regression.streaming import ColumnSpread, RowFactor

__all__ = ["ArrayRows", "RowSource", "fit_streamed"]


class RowSource(Protocol):
    r"""Rows of a design matrix, to be read several times."""

    @property
    def shape(self) -> tuple[int, int]:
        """Rows and columns."""
        ...

    @property
    def key(self) -> str:
        """Fingerprint of the rows, without making them; of checkpoints."""
        ...

    def blocks(self, skip: int = 0) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        """Places of rows, (b,) int, and the rows, (b, p) float64, without the first `skip` lots.

        All places once, always in one order.
        """
        ...


@dataclass(frozen=True)
class ArrayRows:
    r"""Rows of an array, a memory map or an HDF5 data set, some at a time.

    Attributes
    ----------
    rows : array-like with a shape, (n, p)
    step : int
    """

    rows: Any
    step: int = 2000

    @property
    def shape(self) -> tuple[int, int]:
        """Rows and columns."""
        n, p = self.rows.shape
        return int(n), int(p)

    @property
    def key(self) -> str:
        """Shape, first and last rows: arrays in files are not read for it."""
        return fingerprint(
            self.shape,
            self.step,
            *(np.asarray(self.rows[k : k + 1]) for k in (0, self.shape[0] - 1)),
        )

    def blocks(self, skip: int = 0) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        """Places and rows."""
        for start in range(skip * self.step, self.shape[0], self.step):
            A = np.asarray(self.rows[start : start + self.step], dtype=float)
            yield np.arange(start, start + len(A)), A


def fit_streamed(
    settings: Ridge,
    source: RowSource,
    y: np.ndarray,
    *,
    penalty: np.ndarray | None = None,
    constants: np.ndarray | None = None,
    groups: np.ndarray | None = None,
    weights: np.ndarray | None = None,
    n_components: int = 1,
    rounding: np.ndarray | None = None,
    progress: Callable[[int, int], None] | None = None,
    checkpoints: str | Path | None = None,
    every: float = 60.0,
) -> Ridge:
    r"""Fit, reading the rows once, and once more where groups are left out.

    Parameters
    ----------
    settings : Ridge
        Without `covariance` and `prune`; alpha is looked for on the grid (``refine=False``).
    source : RowSource
    y, penalty, constants, groups, weights, n_components, rounding
        As for `Ridge.fit`. Groups may be spread over blocks.
    progress : callable, optional
        Called with (rows done, rows in all) of all passes.
    checkpoints : path, optional
        A folder for the state of this fit, every so many seconds: the same fit, if it was
        killed, goes on from the last one. It is removed at the end.
    every : float

    Returns
    -------
    Ridge
        Fitted.

    Raises
    ------
    InputError
        As `Ridge.fit`, and for settings that need all rows at once.
    """
    if settings.covariance or settings.prune is not None:
        raise InputError("streamed rows: expected a Ridge without covariance and prune")
    n, p = source.shape
    problem = Problem.of_rows(
        np.broadcast_to(0.0, (n, p)),
        y,
        penalty=penalty,
        constants=constants,
        groups=groups,
        weights=weights,
        n_components=n_components,
        rounding=rounding,
    )
    passes = 2 if settings.alpha == "loo" or not isinstance(settings.alpha, str) else 1
    done = _Progress(progress, passes * n)
    saved = None
    if checkpoints is not None:
        given = problem.y, problem.constants, problem.weights, problem.labels, problem.penalty
        size = np.zeros(0) if problem.rounding is None else problem.rounding
        key = fingerprint(source.key, repr(settings), n_components, *given, size)
        saved = Checkpoint(checkpoints, key, every)
    found = _Streamed(settings, source, problem, done, saved).fitted(np.ndim(y) == 1)
    if saved is not None:
        saved.remove()
    return found


class _Progress:
    def __init__(self, report: Callable[[int, int], None] | None, total: int) -> None:
        self.report, self.total, self.done = report, total, 0

    def add(self, rows: int) -> None:
        self.done += rows
        if self.report is not None:
            self.report(self.done, self.total)


class _Streamed:
    """One fit: factor, spectrum, alpha, coefficients."""

    def __init__(
        self,
        settings: Ridge,
        source: RowSource,
        problem: Problem,
        progress: _Progress,
        saved: Checkpoint | None = None,
    ) -> None:
        self.settings, self.source, self.problem = settings, source, problem
        self.progress, self.saved = progress, saved
        self.before = {} if saved is None else saved.load()
        left = ("left", "left_rows", "out", "waiting_rows", "waiting")
        self.state = {name: x for name, x in self.before.items() if name not in left}
        self.root_w = np.sqrt(problem.weights)
        self.projection = ConstantsProjection(problem.constants * self.root_w[:, None])
        self.span = self.projection.leverage_vectors()
        self.factor()

    # -- the first pass ------------------------------------------------------------------------

    def factor(self) -> None:
        """The triangle of all rows, cut into its parts."""
        problem, k0, p = self.problem, self.projection.rank, self.source.shape[1]
        n, t = problem.y.shape
        if n <= k0 + 1:
            raise InputError(
                f"expected more than {k0 + 1} rows to fit {k0} independent constants and a "
                f"coefficient, got {n}"
            )
        factor, spread, done = RowFactor(k0 + p + t), ColumnSpread.empty(p), 0
        centred = np.broadcast_to(problem.centred, n)
        if self.before:
            factor.R, factor.n_rows = (
                np.asfortranarray(self.before["R"]),
                int(self.before["n_rows"]),
            )
            spread, done = ColumnSpread.of_arrays(self.before), int(self.before["factored"])
            self.progress.add(factor.n_rows)
        for rows, A in self.source.blocks(done):
            if A.shape[1] != p or not np.isfinite(A).all():
                raise InputError(
                    f"rows {rows[0]} to {rows[-1]}: expected finite numbers of {p} columns"
                )
            spread = spread.merged(ColumnSpread.of(A, problem.weights[rows], centred[rows]))
            root = self.root_w[rows, None]
            factor.add(np.concatenate([self.span[rows], root * A, root * problem.y[rows]], axis=1))
            self.progress.add(len(A))
            done += 1
            self.state = {
                "R": factor.R,
                "n_rows": np.asarray(factor.n_rows),
                "factored": np.asarray(done),
                **spread.arrays(),
            }
            self.save()
        if factor.n_rows != n:
            raise InputError(f"rows: expected {n}, got {factor.n_rows}")
        R = factor.R.copy(order="F")
        R[:k0] *= np.sign(np.diagonal(R)[:k0])[:, None]  # Q1 is what it was given as
        scale, active = spread.scales(float(self.settings.column_scale), CONSTANT)
        if problem.rounding is not None:
            deviation = np.sqrt((spread.deviation + spread.square) / spread.weight)
            active &= deviation > problem.rounding
        self.gamma = problem.penalty * np.where(active, scale, 1.0)
        columns, targets = slice(k0, k0 + p), slice(k0 + p, None)
        top, T = R[:k0, columns] / self.gamma, R[columns, columns] / self.gamma
        left = np.linalg.norm(T, axis=0)
        active &= left > CONSTANT * np.hypot(left, np.linalg.norm(top, axis=0))
        if not active.any():
            raise InputError("A: expected a column that varies next to the constants, got none")
        self.active, self.top = active, np.where(active, top, 0.0)
        self.y_top, self.y_T = R[:k0, targets], R[columns, targets]
        self.rho = (R[targets, targets] ** 2).sum(axis=0)
        y = problem.y * self.root_w[:, None]
        check_targets_vary(y, np.concatenate([self.y_T, R[targets, targets]]))
        T = np.where(active, T, 0.0)[:, active]
        W, self.s, Vt = svd(T, full_matrices=False, overwrite_a=True, check_finite=False)
        r = min(len(self.s), n - k0)  # fewer rows than columns leave a triangle with zeros
        self.s, self.V, W = self.s[:r], Vt[:r].T, W[:, :r]
        self.beta = W.T @ self.y_T
        outside = self.y_T - W @ self.beta
        rest = self.rho + (outside**2).sum(axis=0) if r < n - k0 else np.zeros(t)
        self.spectrum = Spectrum(self.s, self.beta, rest, n, n - k0)

    def save(self, now: bool = False, **more: np.ndarray) -> None:
        """Keep the state, if it is time."""
        if self.saved is not None and (now or self.saved.is_due()):
            self.saved.save(**self.state, **more)

    # -- alpha -----------------------------------------------------------------------------------

    def search(self) -> tuple[AlphaSearch, np.ndarray | None]:
        """The best alpha of each target, and what is left out at it where that is known."""
        t, alpha = self.problem.y.shape[1], self.settings.alpha
        bounds = self.settings.bounds(float(self.s[0]))
        if alpha in ("gcv", "evidence"):
            criterion = self.spectrum.gcv if alpha == "gcv" else self.spectrum.evidence
            return minimise_over_alpha(criterion, bounds, t, refine=self.settings.refine), None
        grid = alpha_grid(bounds) if isinstance(alpha, str) else np.asarray([float(alpha)])
        residuals = self.left_out(grid)  # (m, n, t)
        known = np.isfinite(residuals[0, :, 0])
        w = self.problem.weights[known]
        values = np.einsum("n,mnt->mt", w, residuals[:, known] ** 2) / w.sum()
        best = values.argmin(axis=0)
        at = np.arange(t)
        several = len(grid) > 1
        lower, upper = several & (best == 0), several & (best == len(grid) - 1)
        return AlphaSearch(grid[best], grid, values, lower, upper), residuals[best, :, at].T

    def left_out(self, grid: np.ndarray) -> np.ndarray:
        """Residuals of each group without it at each alpha, (m, n, t), in units of y."""
        problem = self.problem
        out = np.full((len(grid), *problem.y.shape), np.nan)
        D = 1.0 / (self.s[:, None] ** 2 + grid)
        y = problem.y * self.root_w[:, None]
        y -= self.span @ (self.span.T @ y)
        sizes = np.bincount(problem.labels)
        waiting: dict[int, list[tuple[np.ndarray, np.ndarray]]] = {}
        done = int(self.before.get("left", 0))
        if done:
            out = self.before["out"]
            places, X = self.before["waiting_rows"], self.before["waiting"]
            for group in np.unique(problem.labels[places]).tolist():
                chosen = problem.labels[places] == group
                waiting[group] = [(places[chosen], X[chosen])]
            self.progress.add(int(self.before["left_rows"]))
        done_rows = int(self.before.get("left_rows", 0))
        for rows, A in self.source.blocks(done):
            A = self.root_w[rows, None] * A[:, self.active] / self.gamma[self.active]
            X = (A - self.span[rows] @ self.top[:, self.active]) @ self.V
            own = problem.labels[rows]
            there = np.bincount(own, minlength=len(sizes))
            whole = there[own] == sizes[own]
            self._groups(rows[whole], X[whole], y, D, out)
            for group in np.unique(own[~whole]).tolist():
                chosen = own == group
                waiting.setdefault(group, []).append((rows[chosen], X[chosen]))
                if sum(len(x) for x, _ in waiting[group]) == sizes[group]:
                    parts = waiting.pop(group)
                    together = np.concatenate([x for x, _ in parts])
                    self._groups(together, np.concatenate([x for _, x in parts]), y, D, out)
            self.progress.add(len(A))
            done, done_rows = done + 1, done_rows + len(A)
            if self.saved is not None and self.saved.is_due():
                parts = [part for parts in waiting.values() for part in parts]
                self.save(
                    left=np.asarray(done),
                    left_rows=np.asarray(done_rows),
                    out=out,
                    waiting_rows=np.concatenate([x for x, _ in parts] or [np.zeros(0, int)]),
                    waiting=np.concatenate([x for _, x in parts] or [np.zeros((0, len(self.s)))]),
                )
        if not np.isfinite(out[0]).any():
            raise InputError(
                "leave-one-out: every group of rows is the only one that determines one of the "
                "constants; give fewer constants or more structures"
            )
        return out / self.root_w[:, None]

    def _groups(
        self, rows: np.ndarray, X: np.ndarray, y: np.ndarray, D: np.ndarray, out: np.ndarray
    ) -> None:
        """Residuals of groups whose rows are all here."""
        if not len(rows):
            return
        fitted = self.s[:, None] * self.beta
        for places in group_buckets(self.problem.labels[rows]):
            at = rows[places]  # (groups, rows of one)
            span = self.span[at]
            kept = determined(span)
            if not kept.any():
                continue
            at, own, span = at[kept], X[places[kept]], span[kept]
            g = at.shape[1]
            fixed = np.eye(g) - span @ span.swapaxes(1, 2)
            blocks = fixed - weighted_blocks(own, D)  # (m, groups, g, g)
            for k, d in enumerate(D.T):
                r = y[at] - (own * d) @ fitted
                M = blocks[k][None]
                x = solve_scaled(M, np.zeros(r.shape[2], dtype=int), r.transpose(2, 0, 1))
                out[k][at] = x.transpose(1, 2, 0)

    # -- the fit ---------------------------------------------------------------------------------

    def fitted(self, single: bool) -> Ridge:
        """The solution as a fitted `Ridge`."""
        search, residuals = self.search()
        z = self.V @ (self.s[:, None] / (self.s[:, None] ** 2 + search.alpha) * self.beta)
        p, t = self.source.shape[1], self.problem.y.shape[1]
        coef = np.zeros((p, t))
        coef[self.active] = z / self.gamma[self.active, None]
        constants = self.projection.solve(self.y_top - self.top[:, self.active] @ z)
        one = copy(self.settings)
        found = self.problem, self.spectrum, search, residuals, self.active
        return one.set_streamed(*found, (coef, constants), single)
