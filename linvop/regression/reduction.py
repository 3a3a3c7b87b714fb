r"""The purely penalised problem that is left of a ridge fit, and the way back from it.

With rows multiplied by w^1/2, columns divided by Gamma and the constants rotated away
(`ConstantsProjection`), the fit is

    min_z |X1 z - y1|^2 + alpha |z|^2,      c = Gamma^-1 z

A column that the constants explain to rounding (the same in every structure, or a count of
atoms in disguise) is rounding in X1. Nothing but the prior holds its coefficient, so that is
exactly zero.
"""

from __future__ import annotations

import numpy as np

from linvop.errors import InputError
from linvop.regression.problem import Problem, check_targets_vary
from linvop.regression.projection import ConstantsProjection
from linvop.regression.scaling import CONSTANT, column_norms, column_scales, scaled_rows

__all__ = ["ReducedProblem"]


class ReducedProblem:
    r"""Scaled, rotated rows of a problem.

    Parameters
    ----------
    problem : Problem
    column_scale : float
        Exponent of the column's spread in Gamma.
    overwrite : bool
        Whether the memory of ``problem.A`` may be used.
    keep : (p,) bool, optional
        Columns that may have a coefficient; default all.

    Attributes
    ----------
    projection : ConstantsProjection
    y1 : (n - k0, t) float64
    active : (p,) bool
        Columns that may have a coefficient.
    kept : (p,) bool
        Columns that X1 has: all of `keep` that are not constant.
    gamma : (p,) float64
        Gamma; 1 for columns that are constant.
    top : (k0, p_kept) float64
        The rows that give the constants, divided by Gamma.

    Raises
    ------
    InputError
        If there are too few rows, or no target or no column varies next to the constants.
    """

    def __init__(
        self,
        problem: Problem,
        column_scale: float,
        overwrite: bool,
        keep: np.ndarray | None = None,
    ) -> None:
        root_w = np.sqrt(problem.weights)
        self.projection = ConstantsProjection(problem.constants * root_w[:, None])
        k0 = self.projection.rank
        if len(root_w) <= k0 + 1:
            raise InputError(
                f"expected more than {k0 + 1} rows to fit {k0} independent constants and a "
                f"coefficient, got {len(root_w)}"
            )
        weighted_y = problem.y * root_w[:, None]
        rotated_y = self.projection.rotate(weighted_y.copy())
        check_targets_vary(weighted_y, rotated_y[k0:])
        self._y_top, self.y1 = rotated_y[:k0], rotated_y[k0:]

        scales = column_scales(
            problem.A,
            problem.weights,
            power=column_scale,
            centred=problem.centred,
            rounding=problem.rounding,
        )
        kept = scales.active if keep is None else scales.active & keep
        _check_any(kept)
        self.gamma = problem.penalty * scales.scale
        X = scaled_rows(problem.A, root_w, self.gamma[kept], kept, overwrite=overwrite)
        self.projection.rotate(X)
        self.top, self._rows = X[:k0].copy(), X[k0:]
        self._explained = _explained_columns(self.top, self._rows)
        if self._explained.any():
            self._rows[:, self._explained] = 0.0
        self.kept, self.active = kept, kept.copy()
        self.active[kept] = ~self._explained
        _check_any(self.active)

    def take_rows(self) -> np.ndarray:
        """Hand over X1, (n - k0, p_kept), C-ordered: the receiver may destroy it."""
        rows, self._rows = self._rows, np.zeros((0, 0))
        return rows

    def expand(self, z: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return coefficients, (p, t), and constants, (k, t), of the solution z, (p_kept, t)."""
        z = np.where(self._explained[:, None], 0.0, z)
        coef = self.scatter(z.T).T / self.gamma[:, None]
        return coef, self.projection.solve(self._y_top - self.top @ z)

    def scatter(self, kept: np.ndarray) -> np.ndarray:
        """Put the columns of (m, p_kept) in their places among all, (m, p); zero elsewhere."""
        out = np.zeros((len(kept), len(self.active)))
        out[:, self.kept] = kept
        out[:, ~self.active] = 0.0
        return out


def _explained_columns(top: np.ndarray, rows: np.ndarray) -> np.ndarray:
    """Return which columns, (p,), the rotation has moved into its `top` rows to rounding."""
    if len(top) == 0:
        return np.zeros(rows.shape[1], dtype=bool)
    left = column_norms(rows)
    return left <= CONSTANT * np.hypot(left, column_norms(top))


def _check_any(active: np.ndarray) -> None:
    if not active.any():
        raise InputError("A: expected a column that varies next to the constants, got none")
