r"""Ridge regression with a second penalty, on the distance from a given point.

.. math:: \min_\zeta |y - X \zeta|^2 + \alpha |\zeta|^2 + \mu |\zeta - \zeta_0|^2

for any alpha and mu from one factorisation ``X = U diag(s) V^T``: with f = mu / (alpha + mu),

.. math:: \zeta = f \zeta_0 + V \frac{s}{s^2 + \alpha + \mu} U^T (y - f X \zeta_0) .

The alpha of least leave-one-group-out error (`linvop.regression.leave_out`) is that for mu = 0.
"""

from __future__ import annotations

import numpy as np

from linvop.regression.criteria import minimise_over_alpha
from linvop.regression.factorisation import Factorisation
from linvop.regression.leave_out import LeaveGroupsOut
from linvop.regression.projection import ConstantsProjection

__all__ = ["DampedRidge"]

_SMALLEST = 1e-16
"""Alpha, in units of the largest s^2."""


class DampedRidge:
    r"""One design, one target, any alpha and mu.

    Parameters
    ----------
    X : (n, p) float64, C-ordered
        Destroyed.
    y : (n,) float64
    zeta0 : (p,) float64
    groups : (n,) int
        Rows that are left out together.

    Attributes
    ----------
    largest : float
        The largest s^2.
    best_alpha : float
        Of a grid of two a decade, that of the least leave-one-group-out error.
    """

    def __init__(self, X: np.ndarray, y: np.ndarray, zeta0: np.ndarray, groups: np.ndarray) -> None:
        self._y, self._zeta0 = y, zeta0
        self._there = X @ zeta0
        self._factorisation = Factorisation(X)
        self._s = self._factorisation.singular_values
        self._U = self._factorisation.left.copy()  # leave-out takes the other
        self.largest = float(self._s[0] ** 2)
        bounds = _SMALLEST * self.largest, self.largest
        self._loo = LeaveGroupsOut(
            ConstantsProjection(np.zeros((len(y), 0))),
            self._factorisation,
            y[:, None],
            groups,
            np.ones(len(y)),
            bounds[0],
        )
        search = minimise_over_alpha(self._loo.mean_square, bounds, 1, refine=False)
        self.best_alpha = float(search.alpha[0])

    def solve(self, alpha: float, mu: float = 0.0) -> tuple[np.ndarray, float]:
        """Zeta, and ``|y - X zeta|^2 + alpha |zeta|^2`` there."""
        f = mu / (alpha + mu)
        rest = self._y - f * self._there
        u = self._s / (self._s**2 + alpha + mu) * (self._U.T @ rest)
        zeta = f * self._zeta0 + self._factorisation.right_times(u[:, None])[:, 0]
        left = rest - self._U @ (self._s * u)
        return zeta, float(left @ left + alpha * zeta @ zeta)

    def loo_residuals(self, alpha: float) -> np.ndarray:
        """Y minus its prediction without its group, (n,), for mu = 0."""
        return self._loo.residuals(np.array([alpha]))[:, 0]
