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

from collections.abc import Callable, Mapping, Sequence
from copy import copy
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from scipy.linalg import svd

from linvop.errors import InputError
from linvop.regression.checkpoint import Checkpoint, fingerprint
from linvop.regression.criteria import AlphaSearch, Spectrum, alpha_grid, minimise_over_alpha
from linvop.regression.problem import Problem, check_targets_vary
from linvop.regression.projection import ConstantsProjection
from linvop.regression.ridge import Ridge
from linvop.regression.scaling import CONSTANT
from linvop.regression.streamed_lots import (
    ArrayRows,
    Geometry,
    LotFactor,
    Lots,
    RowSource,
    RowTargets,
    factor_of_lots,
    left_out_of_lot,
    with_lot,
    without_themselves,
)
from linvop.regression.streaming import ColumnSpread

__all__ = ["ArrayRows", "RowSource", "check_streamed", "fit_streamed"]


def check_streamed(settings: Ridge) -> None:
    r"""Raise `InputError` for a solver that needs all rows at once."""
    if settings.covariance or settings.rarity or settings.prune is not None:
        raise InputError("a fit by chunks (chunk): expected no covariance, no rarity and no prune")


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
    kinds: np.ndarray | None = None,
    kind_weights: Sequence[Sequence[float]] = (),
    checkpoints: str | Path | None = None,
    every: float = 60.0,
    workers: Lots | None = None,
) -> Ridge:
    r"""Fit, reading the rows once, and once more where groups are left out.

    Parameters
    ----------
    settings : Ridge
        Without `covariance`, `rarity` and `prune`; alpha is looked for on the grid
        (``refine=False``).
    source : RowSource
    y, penalty, constants, groups, weights, n_components, rounding
        As for `Ridge.fit`. Groups may be spread over blocks.
    progress : callable, optional
        Called with (rows done, rows in all) of all passes.
    kinds : (n,) int, optional
        Kinds of rows, 0, 1, .., whose weights are to be found; constants in one of them alone.
    kind_weights : sequence of sequences of float
        What the weights of each kind may be multiplied by: of these the ones with the largest
        evidence are taken, which ``report()["kind_weights"]`` names, without another reading.
    checkpoints : path, optional
        A folder for the state of this fit, every so many seconds: the same fit, if it was
        killed, goes on from the last one. It is removed at the end.
    every : float
    workers : Lots, optional
        Who works on the lots instead (`linvop.distributed`), without checkpoints.

    Returns
    -------
    Ridge
        Fitted.

    Raises
    ------
    InputError
        As `Ridge.fit`, and for settings that need all rows at once.
    """
    check_streamed(settings)
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
    several = _Kinds.checked(settings, problem, kinds, kind_weights)
    saved = None
    if checkpoints is not None and workers is None:
        given = problem.y, problem.constants, problem.weights, problem.labels, problem.penalty
        size = np.zeros(0) if problem.rounding is None else problem.rounding
        key = fingerprint(source.key, repr(settings), n_components, *given, size, several.kinds)
        saved = Checkpoint(checkpoints, key, every)
    fit = _Streamed(settings, source, problem, done, saved, workers, several)
    found = fit.fitted(np.ndim(y) == 1)
    if saved is not None:
        saved.remove()
    return found


@dataclass(frozen=True)
class _Kinds:
    """Kinds of rows, and the weights that they may have."""

    kinds: np.ndarray
    weights: tuple[tuple[float, ...], ...]
    given: bool = True

    @classmethod
    def checked(
        cls,
        settings: Ridge,
        problem: Problem,
        kinds: np.ndarray | None,
        weights: Sequence[Sequence[float]],
    ) -> _Kinds:
        r"""Kinds (n,) and candidates of one weight a kind; `InputError` for what means nothing."""
        n = len(problem.y)
        if kinds is None:
            return cls(np.zeros(n, np.int64), ((1.0,),), False)
        kinds = np.asarray(kinds, np.int64)
        if kinds.shape != (n,) or kinds.min() < 0:
            raise InputError(f"kinds: expected {n} numbers 0, 1, .., got shape {kinds.shape}")
        n_kinds = int(kinds.max()) + 1
        found = tuple(tuple(map(float, one)) for one in weights) or ((1.0,) * n_kinds,)
        if not all(len(one) == n_kinds and 0 < min(one) < np.inf for one in found):
            raise InputError(f"kind_weights: expected {n_kinds} positive numbers each, got {found}")
        if len(found) > 1 and settings.alpha != "evidence":
            raise InputError(
                "several weights (force_weight) are compared by their evidence: expected "
                f"alpha = 'evidence', got {settings.alpha!r}"
            )
        with_constants = np.unique(kinds[np.any(problem.constants != 0.0, axis=1)])
        if len(with_constants) > 1:
            raise InputError(
                "kinds: expected constants in rows of one kind alone, got some in kinds "
                f"{with_constants.tolist()}"
            )
        return cls(kinds, found)

    def of_constants(self, problem: Problem, weights: Sequence[float]) -> float:
        """The weight of the kind that has the constants; 1 if there are none."""
        rows = np.flatnonzero(np.any(problem.constants != 0.0, axis=1))
        return weights[int(self.kinds[rows[0]])] if len(rows) else 1.0


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
        saved: Checkpoint | None,
        workers: Lots | None,
        kinds: _Kinds,
    ) -> None:
        self.settings, self.source, self.problem = settings, source, problem
        self.kinds = kinds
        self.progress, self.saved, self.workers = progress, saved, workers
        self.before = {} if saved is None else saved.load()
        left = ("left", "left_weights", "out", "waiting_rows", "waiting")
        self.state = {name: x for name, x in self.before.items() if name not in left}
        self.root_w = np.sqrt(problem.weights)
        self.projection = ConstantsProjection(problem.constants * self.root_w[:, None])
        n, k0 = len(problem.y), self.projection.rank
        if n <= k0 + 1:
            raise InputError(
                f"expected more than {k0 + 1} rows to fit {k0} independent constants and a "
                f"coefficient, got {n}"
            )
        self.targets = RowTargets(
            problem.y,
            self.projection.leverage_vectors(),
            problem.weights,
            np.broadcast_to(problem.centred, n),
            problem.labels,
            np.bincount(problem.labels),
            kinds.kinds,
        )
        found, lowest = self.factor(), np.inf
        for weights in kinds.weights:
            reduced = self.reduced(found, weights)
            score = self.evidence(reduced, weights) if len(kinds.weights) > 1 else 0.0
            if score < lowest:
                lowest, self.kind_weights = score, weights
                self.geometry, self.spectrum = reduced
        self.weigh(self.kind_weights)

    # -- the first pass ------------------------------------------------------------------------

    def factor(self) -> LotFactor:
        """The triangle of all rows."""
        if self.workers is not None:
            found = self.workers.factor(self.source, self.targets)
            self.progress.add(found.n_rows)
        else:
            found, done = factor_of_lots(self.source, self.targets, ()), 0
            if self.before:
                found, done = _of_state(self.before, found)
                self.progress.add(found.n_rows)
            for k in range(done, self.source.n_lots):
                before = found.n_rows
                found = with_lot(found, self.source, self.targets, k)
                self.progress.add(found.n_rows - before)
                last = k + 1 == self.source.n_lots
                if self.saved is not None and (last or self.saved.is_due()):
                    self.state = _state_of(found, k + 1)
                    self.save()
        if found.n_rows != len(self.problem.y):
            raise InputError(f"rows: expected {len(self.problem.y)}, got {found.n_rows}")
        return found

    def reduced(self, found: LotFactor, weights: Sequence[float]) -> tuple[Geometry, Spectrum]:
        """The triangle cut into its parts, and the SVD of what is left to solve."""
        problem = self.problem
        R, spread = found.weighted(weights)
        k0, p, (n, t) = self.projection.rank, self.source.shape[1], problem.y.shape
        R[:k0] *= np.sign(np.diagonal(R)[:k0])[:, None]  # Q1 is what it was given as
        scale, active = spread.scales(float(self.settings.column_scale), CONSTANT)
        if problem.rounding is not None:
            deviation = np.sqrt((spread.deviation + spread.square) / spread.weight)
            active &= deviation > problem.rounding
        gamma = problem.penalty * np.where(active, scale, 1.0)
        columns, targets = slice(k0, k0 + p), slice(k0 + p, None)
        top, T = R[:k0, columns] / gamma, R[columns, columns] / gamma
        left = np.linalg.norm(T, axis=0)
        active &= left > CONSTANT * np.hypot(left, np.linalg.norm(top, axis=0))
        if not active.any():
            raise InputError("A: expected a column that varies next to the constants, got none")
        y_top, y_T = R[:k0, targets], R[columns, targets]
        rest = (R[targets, targets] ** 2).sum(axis=0)
        of_kinds = np.sqrt(np.asarray(weights))[self.kinds.kinds]
        weighted = problem.y * (self.root_w * of_kinds)[:, None]
        check_targets_vary(weighted, np.concatenate([y_T, R[targets, targets]]))
        W, s, Vt = svd(T[:, active], full_matrices=False, overwrite_a=True, check_finite=False)
        r = min(len(s), n - k0)  # fewer rows than columns leave a triangle with zeros
        s, V, W = s[:r], Vt[:r].T, W[:, :r]
        beta = W.T @ y_T
        rest = rest + ((y_T - W @ beta) ** 2).sum(axis=0) if r < n - k0 else np.zeros(t)
        geometry = Geometry(gamma, active, top[:, active], V, s, beta, y_top)
        return geometry, Spectrum(s, beta, rest, n, n - k0)

    def evidence(self, reduced: tuple[Geometry, Spectrum], weights: Sequence[float]) -> float:
        r"""Minus twice the log likelihood per rotated row, of all targets, each at its best alpha.

        Rows of weight w are ``w^1/2`` times theirs, and so are the k0 constants, over which it is
        integrated: ``- (sum_rows log w - k0 log w_c) / n1``, w_c of the kind that has them.
        """
        geometry, spectrum = reduced
        t = self.problem.y.shape[1]
        bounds = self.settings.bounds(float(geometry.s[0]))
        search = minimise_over_alpha(spectrum.evidence, bounds, t, refine=self.settings.refine)
        of_rows = float(np.log(np.asarray(weights))[self.kinds.kinds].sum())
        of_rows -= self.projection.rank * np.log(self.kinds.of_constants(self.problem, weights))
        best = spectrum.evidence(search.alpha, np.arange(t))
        return float(np.sum(best - of_rows / spectrum.n_rotated))

    def weigh(self, weights: Sequence[float]) -> None:
        """Let all that follows have the weights of the kinds, too."""
        factor = np.asarray(weights)[self.kinds.kinds]
        self.problem = replace(self.problem, weights=self.problem.weights * factor)
        self.targets = replace(self.targets, weights=self.problem.weights)
        self.root_w = np.sqrt(self.problem.weights)

    def save(self, **more: np.ndarray) -> None:
        """Keep the state, if it is time."""
        if self.saved is not None and self.saved.is_due():
            self.saved.save(**self.state, **more)

    # -- alpha -----------------------------------------------------------------------------------

    def search(self) -> tuple[AlphaSearch, np.ndarray | None]:
        """The best alpha of each target, and what is left out at it where that is known."""
        t, alpha = self.problem.y.shape[1], self.settings.alpha
        bounds = self.settings.bounds(float(self.geometry.s[0]))
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
        targets, geometry = self.targets, self.geometry
        out = np.full((len(grid), *self.problem.y.shape), np.nan)
        rows, X = np.zeros(0, dtype=int), np.zeros((0, len(geometry.s)))
        same = np.array_equal(self.before.get("left_weights", np.zeros(0)), self.kind_weights)
        done = int(self.before.get("left", 0)) if same else 0
        if done:
            out, rows, X = (self.before[name] for name in ("out", "waiting_rows", "waiting"))
            self.progress.add(int(np.isfinite(out[0, :, 0]).sum()) + len(rows))
        if self.workers is not None:
            lots = self.workers.left_out(self.source, targets, geometry, grid)
        else:
            given = self.source, targets, geometry, grid
            lots = (left_out_of_lot(*given, k) for k in range(done, self.source.n_lots))
        for lot in lots:
            out[:, lot.rows] = lot.residuals
            rows, X = np.concatenate([rows, lot.waiting]), np.concatenate([X, lot.X])
            own = targets.labels[rows]  # of groups in several lots: are they there now?
            there = np.bincount(own, minlength=len(targets.sizes))
            whole = there[own] == targets.sizes[own]
            if whole.any():
                found = without_themselves(targets, geometry, grid, rows[whole], X[whole])
                out[:, rows[whole]] = found
                rows, X = rows[~whole], X[~whole]
            self.progress.add(len(lot.rows) + len(lot.waiting))
            done += 1
            given_weights = np.asarray(self.kind_weights)
            left = {"left": np.asarray(done), "left_weights": given_weights}
            self.save(**left, out=out, waiting_rows=rows, waiting=X)
        if not np.isfinite(out[0]).any():
            raise InputError(
                "leave-one-out: every group of rows is the only one that determines one of the "
                "constants; give fewer constants or more structures"
            )
        return out / self.root_w[:, None]

    # -- the fit ---------------------------------------------------------------------------------

    def fitted(self, single: bool) -> Ridge:
        """The solution as a fitted `Ridge`."""
        search, residuals = self.search()
        one = self.geometry
        s = one.s[:, None]
        z = one.V @ (s / (s**2 + search.alpha) * one.beta)
        p, t = self.source.shape[1], self.problem.y.shape[1]
        coef = np.zeros((p, t))
        coef[one.active] = z / one.gamma[one.active, None]
        scale = np.sqrt(self.kinds.of_constants(self.problem, self.kind_weights))
        constants = self.projection.solve((one.y_top - one.top @ z) / scale)
        found = self.problem, self.spectrum, search, residuals, one.active
        solver = copy(self.settings).set_streamed(*found, (coef, constants), single)
        if self.kinds.given:
            solver.note("kind_weights", list(self.kind_weights))
        return solver


def _state_of(found: LotFactor, n_lots: int) -> dict[str, np.ndarray]:
    """What a checkpoint keeps of the first pass."""
    state = {"factored": np.asarray(n_lots)}
    for k, (factor, spread) in enumerate(zip(found.factors, found.spreads, strict=True)):
        parts = {"R": factor.R, "n_rows": np.asarray(factor.n_rows), **spread.arrays()}
        state |= {f"{name}_{k}": values for name, values in parts.items()}
    return state


def _of_state(state: Mapping[str, np.ndarray], empty: LotFactor) -> tuple[LotFactor, int]:
    """The inverse: triangles, made where the empty ones are, and how many lots they are of."""
    spreads = []
    for k, factor in enumerate(empty.factors):
        end = f"_{k}"
        own = {name.removesuffix(end): x for name, x in state.items() if name.endswith(end)}
        factor.R, factor.n_rows = np.asfortranarray(own["R"]), int(own["n_rows"])
        spreads.append(ColumnSpread.of_arrays(own))
    return LotFactor(empty.factors, tuple(spreads)), int(state["factored"])
