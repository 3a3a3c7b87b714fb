r"""Criteria for the strength of the penalty, and their minimisation over log alpha.

With the rotated problem ``A1 Gamma^-1 = U1 diag(s) V^T``, ``beta = U1^T y1``,
``d = alpha / (s^2 + alpha)``, n1 = n - k0 rows, r singular values and ``rest`` the squared
norm of y1 outside U1:

- generalised cross-validation (Golub, Heath and Wahba 1979)

      GCV = n (rest + sum d^2 beta^2) / (n1 - r + sum d)^2

- evidence: ``c ~ N(0, (sigma^2 / alpha) Gamma^-2)``, ``y1 = A1 c + noise`` of variance
  sigma^2, which is profiled out; the constants have a flat prior (restricted likelihood).
  Minus twice the log likelihood per row, up to a constant:

      EV = log((rest + sum d beta^2) / n1) - (1 / n1) sum log d

- leave-one-group-out mean square: `linvop.regression.leave_out`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

__all__ = ["AlphaSearch", "Spectrum", "alpha_grid", "minimise_over_alpha"]

Criterion = Callable[[np.ndarray, np.ndarray], np.ndarray]
"""Value of each pair of an alpha, (q,), and a target, (q,)."""

_GOLDEN = 0.5 * (5.0**0.5 - 1.0)
_PER_DECADE = 2
_STEPS = 22
"""Golden sections: a bracket of one decade shrinks to 2.5e-5 of it."""

_AT_BOUND = 1.02
"""A minimiser within this factor of a bound lies at the bound."""


@dataclass(frozen=True)
class Spectrum:
    r"""What GCV and the evidence need of the factorised problem.

    Attributes
    ----------
    singular_values : (r,) float64
    beta : (r, t) float64
        ``U1^T y1``.
    rest : (t,) float64
        Squared norm of y1 outside U1, zero if there are at least as many columns as rows.
    n_rows, n_rotated : int
        n and n1 = n - k0.
    """

    singular_values: np.ndarray
    beta: np.ndarray
    rest: np.ndarray
    n_rows: int
    n_rotated: int

    def remainder(self, alphas: np.ndarray) -> np.ndarray:
        """Return ``d = alpha / (s^2 + alpha)``, (r, q)."""
        return alphas / (self.singular_values[:, None] ** 2 + alphas)

    def effective_dof(self, alphas: np.ndarray) -> np.ndarray:
        """Return ``k0 + sum s^2 / (s^2 + alpha)``, (q,)."""
        s2 = self.singular_values[:, None] ** 2
        return self.n_rows - self.n_rotated + (s2 / (s2 + alphas)).sum(axis=0)

    def gcv(self, alphas: np.ndarray, targets: np.ndarray) -> np.ndarray:
        """Return the generalised cross-validation score, (q,)."""
        d = self.remainder(alphas)
        square = self.rest[targets] + ((d * self.beta[:, targets]) ** 2).sum(axis=0)
        trace = self.n_rotated - len(self.singular_values) + d.sum(axis=0)
        return self.n_rows * square / trace**2

    def evidence(self, alphas: np.ndarray, targets: np.ndarray) -> np.ndarray:
        """Return minus twice the restricted log likelihood per row, up to a constant, (q,)."""
        log_det = np.log(self.remainder(alphas)).sum(axis=0)
        return np.log(self.noise_variance(alphas, targets)) - log_det / self.n_rotated

    def noise_variance(self, alphas: np.ndarray, targets: np.ndarray) -> np.ndarray:
        """Return the sigma^2 that maximises the restricted likelihood at each alpha, (q,)."""
        d = self.remainder(alphas)
        square = self.rest[targets] + (d * self.beta[:, targets] ** 2).sum(axis=0)
        return square / self.n_rotated


@dataclass(frozen=True)
class AlphaSearch:
    r"""The minimiser of a criterion for each target.

    Attributes
    ----------
    alpha : (t,) float64
    grid : (m,) float64
        The coarse grid of alphas, ascending.
    values : (m, t) float64
        The criterion on it.
    at_lower, at_upper : (t,) bool
        Whether the minimiser lies at a bound.
    """

    alpha: np.ndarray
    grid: np.ndarray
    values: np.ndarray
    at_lower: np.ndarray
    at_upper: np.ndarray


def alpha_grid(bounds: tuple[float, float]) -> np.ndarray:
    """The coarse grid, two points a decade and at least three, ascending."""
    lower, upper = np.log(bounds[0]), np.log(bounds[1])
    n = max(3, int(np.ceil(_PER_DECADE * (upper - lower) / np.log(10.0))) + 1)
    return np.exp(np.linspace(lower, upper, n))


def minimise_over_alpha(
    criterion: Criterion, bounds: tuple[float, float], n_targets: int, *, refine: bool = True
) -> AlphaSearch:
    r"""Minimise a criterion over log alpha: a grid, then golden sections around its minimum.

    The grid is one pass over the rows for all targets. They are refined in lock-step, so that
    each step is another.

    Parameters
    ----------
    criterion : callable
        ``(alphas (q,), targets (q,)) -> values (q,)``.
    bounds : tuple of two floats
        Smallest and largest alpha, positive.
    n_targets : int
    refine : bool
        Whether to look between the points of the grid.
    """
    lower, upper = np.log(bounds[0]), np.log(bounds[1])
    grid = np.log(alpha_grid(bounds))
    n_grid = len(grid)
    targets = np.arange(n_targets)
    every = np.tile(np.exp(grid), n_targets), np.repeat(targets, n_grid)
    values = criterion(*every).reshape(n_targets, n_grid).T
    start = values.argmin(axis=0)
    x, f = grid[start], values[start, targets]
    if refine:
        a, b = grid[np.maximum(start - 1, 0)], grid[np.minimum(start + 1, n_grid - 1)]
        x = _golden_sections(criterion, a, b, x, f)
    margin = np.log(_AT_BOUND)
    return AlphaSearch(
        np.clip(np.exp(x), *bounds), np.exp(grid), values, x < lower + margin, x > upper - margin
    )


def _golden_sections(
    criterion: Criterion, a: np.ndarray, b: np.ndarray, x: np.ndarray, f: np.ndarray
) -> np.ndarray:
    """Return the best log alpha of each target between a and b, x with value f among them."""
    targets = np.arange(len(x))
    left, right = b - _GOLDEN * (b - a), a + _GOLDEN * (b - a)
    f_left, f_right = criterion(np.exp(left), targets), criterion(np.exp(right), targets)
    for _ in range(_STEPS):
        down = f_left < f_right
        a, b = np.where(down, a, left), np.where(down, right, b)
        # One of the two inner points is an old one; only the other is evaluated.
        new = np.where(down, b - _GOLDEN * (b - a), a + _GOLDEN * (b - a))
        f_new = criterion(np.exp(new), targets)
        left, right = np.where(down, new, right), np.where(down, left, new)
        f_left, f_right = np.where(down, f_new, f_right), np.where(down, f_left, f_new)
        better = f_new < f
        x, f = np.where(better, new, x), np.where(better, f_new, f)
    return x
