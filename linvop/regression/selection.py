r"""Columns that the given data cannot tell apart from others, found by pivoted QR.

With rows multiplied by w^1/2, the constants rotated away (`ConstantsProjection`) and every
column divided by its norm and its prior cost, column by column

    A1 diag(1 / (|a_j| gamma_j)) P = Q R          (Householder, column pivoting)

the columns are kept up to the first with ``|R_kk| <= tolerance / min gamma``: each dropped
column lies in the span of the kept ones (and the constants) up to

    residual_j <= tolerance gamma_j / min gamma

of its own norm. Norms are those next to the constants, so that neither units nor a common
shift matter; of copies that with the lowest prior cost stays, and of equals the first. All
components of a tensor and all structures are rows: a column stays or goes as a whole, and
nothing is centred unless there are constants, so that no decision depends on orientations.

Columns that are constant, or explained by the constants to rounding, are dropped first, with
residual 0. Where there are fewer rows than columns at most as many columns as rows can stay:
dropping them is then more than taking out repetitions, and changes what the ridge prior says.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.linalg import qr

from linvop.errors import InputError
from linvop.regression.problem import Problem
from linvop.regression.projection import ConstantsProjection
from linvop.regression.scaling import CONSTANT, column_norms, scaled_rows

__all__ = ["Selection", "independent_columns", "select_columns"]


_TIE = 1e-6
"""By how much the last column costs more than the first."""


@dataclass(frozen=True)
class Selection:
    r"""Which columns are kept, and what is left of the others.

    Attributes
    ----------
    kept : (p,) bool
    residuals : (p,) float64
        Norm of what the kept columns and the constants leave of a column, over its norm next
        to the constants; 1 for kept columns, 0 for columns that are constant.
    names : tuple of str
        Of all columns.
    """

    kept: np.ndarray
    residuals: np.ndarray
    names: tuple[str, ...]

    @property
    def n_dependent(self) -> int:
        """How many columns depend on others; those that are constant do not count."""
        return int((~self.kept & (self.residuals > 0.0)).sum())

    def dropped(self) -> list[tuple[str, float]]:
        """Return name and residual of every dropped column, in the order of the columns."""
        return [(self.names[j], float(self.residuals[j])) for j in np.flatnonzero(~self.kept)]


def independent_columns(
    A: np.ndarray,
    *,
    penalty: np.ndarray | None = None,
    constants: np.ndarray | None = None,
    weights: np.ndarray | None = None,
    labels: Sequence[object] | None = None,
    n_components: int = 1,
    tolerance: float = 1e-8,
) -> Selection:
    r"""Drop columns that depend linearly on others in the given data.

    Parameters
    ----------
    A : (n, p) float
        As for `Ridge.fit`: components fastest.
    penalty : (p,) float, optional
        Prior cost gamma.
    constants : (n, k) float, optional
    weights : (n,) float, optional
    labels : sequence of length p, optional
        Names in the report; by default the numbers of the columns.
    n_components : int
    tolerance : float
        Between 0 and 1; 1e-8 is half the digits: far above rounding, far below what a
        prediction can use.

    Raises
    ------
    InputError
        For shapes that do not fit, entries that are not finite, a tolerance outside (0, 1),
        and designs without a column that varies.

    Examples
    --------
    >>> a, b = np.random.default_rng(0).normal(size=(2, 9))
    >>> found = independent_columns(np.c_[a, b, a - 2 * b], penalty=[1.0, 1.0, 4.0])
    >>> found.kept.tolist(), [name for name, _ in found.dropped()]
    ([True, True, False], ['2'])
    """
    problem = Problem.checked(
        A,
        np.zeros(len(np.asarray(A))),
        penalty=None if penalty is None else np.asarray(penalty),
        constants=constants,
        groups=None,
        weights=weights,
        n_components=n_components,
    )
    p = problem.A.shape[1]
    names = tuple(str(x) for x in (range(p) if labels is None else labels))
    if len(names) != p:
        raise InputError(f"labels: expected {p}, one a column, got {len(names)}")
    return select_columns(problem, tolerance, names)


def select_columns(
    problem: Problem, tolerance: float, names: Sequence[object] | None = None
) -> Selection:
    r"""As `independent_columns`, of a checked problem; its targets play no part."""
    if not 0.0 < tolerance < 1.0:
        raise InputError(f"tolerance: expected a number between 0 and 1, got {tolerance!r}")
    p = problem.A.shape[1]
    names = tuple(str(x) for x in (range(p) if names is None else names))
    X, active = _unit_columns(problem)
    if not active.any():
        raise InputError("A: expected a column that varies next to the constants, got none")
    cost = problem.penalty[active] / problem.penalty[active].min()
    # Unit columns tie: rounding shall not decide, but the order of the columns.
    cost *= 1.0 + _TIE * np.arange(len(cost)) / len(cost)
    R, pivots = qr(X / cost, mode="r", pivoting=True, overwrite_a=True, check_finite=False)
    R = R[: min(X.shape)]
    rank = int(np.count_nonzero(np.abs(np.diag(R)) > tolerance))
    left = np.ones(X.shape[1])
    left[pivots[rank:]] = column_norms(R[rank:, rank:])
    left[pivots[rank:]] *= cost[pivots[rank:]]
    kept, residuals = np.zeros(p, dtype=bool), np.zeros(p)
    residuals[active] = left
    kept[np.flatnonzero(active)[pivots[:rank]]] = True
    return Selection(kept, residuals, names)


def _unit_columns(problem: Problem) -> tuple[np.ndarray, np.ndarray]:
    """Return the columns next to the constants, of norm 1, (n - k0, p_active), and which."""
    root_w = np.sqrt(problem.weights)
    norms = column_norms(problem.A)
    active = norms > 0.0
    if problem.rounding is not None:  # noise of norm 1 is independent of everything
        active &= norms > problem.rounding * np.sqrt(len(problem.A))
    X = scaled_rows(problem.A, root_w, norms[active], active, overwrite=False)
    projection = ConstantsProjection(problem.constants * root_w[:, None])
    before = column_norms(X)
    X = projection.rotate(X)[projection.rank :]
    after = column_norms(X) if len(X) else np.zeros(len(before))
    varies = after > CONSTANT * before
    active[active] = varies
    return X[:, varies] / after[varies], active
