r"""Ridge regression with a second penalty, on the distance from a given point in a given metric.

.. math:: \min_\zeta |y - X \zeta|^2 + \alpha |\zeta|^2 + \mu \sum_j m_j (\zeta - \zeta_0)_j^2

Without the second penalty, any alpha from one factorisation ``X = U diag(s) V^T``, as is the error
of groups left out (`linvop.regression.leave_out`). With it, both penalties are one with the weights
``d = alpha + mu m`` about the point ``zeta_1 = mu m zeta_0 / d``, and

.. math:: \zeta = \zeta_1 + d^{-1/2} u, \qquad
          \min_u |y - X \zeta_1 - X d^{-1/2} u|^2 + |u|^2,

from the QR factorisation of ``X d^-1/2`` in its smaller dimension and that of its triangle over 1.
"""

from __future__ import annotations

import numpy as np
from scipy.linalg import solve_triangular

from linvop.regression.criteria import minimise_over_alpha
from linvop.regression.factorisation import Factorisation, HouseholderQR
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
    y : (n,) float64
    zeta0 : (p,) float64
    metric : (p,) float64
        m, not negative.
    groups : (n,) int
        Rows that are left out together.

    Attributes
    ----------
    largest : float
        The largest s^2.
    best_alpha : float
        Of a grid of two a decade, that of the least leave-one-group-out error.
    """

    def __init__(
        self,
        X: np.ndarray,
        y: np.ndarray,
        zeta0: np.ndarray,
        metric: np.ndarray,
        groups: np.ndarray,
    ) -> None:
        self._X, self._y, self._zeta0, self._metric = X, y, zeta0, metric
        self._factorisation = Factorisation(X.copy())
        self._s = self._factorisation.singular_values
        self._beta = self._factorisation.left.T @ y
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
        if mu == 0.0:
            filtered = self._s / (self._s**2 + alpha) * self._beta
            zeta = self._factorisation.right_times(filtered[:, None])[:, 0]
        else:
            d = alpha + mu * self._metric
            zeta1 = mu * self._metric * self._zeta0 / d
            u = _unit_ridge(self._X / np.sqrt(d), self._y - self._X @ zeta1)
            zeta = zeta1 + u / np.sqrt(d)
        left = self._y - self._X @ zeta
        return zeta, float(left @ left + alpha * zeta @ zeta)

    def loo_residuals(self, alpha: float) -> np.ndarray:
        """Y minus its prediction without its group, (n,), for mu = 0."""
        return self._loo.residuals(np.array([alpha]))[:, 0]


def _unit_ridge(A: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Minimise ``|y - A u|^2 + |u|^2``; A is destroyed."""
    n, p = A.shape
    if n > p:
        return _augmented(A, y)
    qr = HouseholderQR(A.T)
    v = _augmented(qr.upper().T, y)
    padded = np.zeros((p, 1), order="F")
    padded[:n, 0] = v
    return qr.apply(padded)[:, 0]


def _augmented(A: np.ndarray, y: np.ndarray) -> np.ndarray:
    """The same by least squares with the rows [A; 1] and [y; 0]."""
    n, p = A.shape
    rows = np.zeros((n + p, p), order="F")
    rows[:n] = A
    rows[np.arange(n, n + p), np.arange(p)] = 1.0
    right = np.zeros((n + p, 1), order="F")
    right[:n, 0] = y
    qr = HouseholderQR(rows)
    return solve_triangular(qr.upper(), qr.apply_transpose(right)[:p, 0])
