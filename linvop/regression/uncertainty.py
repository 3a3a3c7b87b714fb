r"""How sure a ridge fit is: the closed-form posterior, in factored form.

The penalty stands for the prior ``z = Gamma c ~ N(0, sigma^2 / alpha)``, the noise of a row of
weight w has variance ``sigma^2 / w``, and the constants b have a flat prior. With the rotated
rows ``A1 Gamma^-1 = U1 diag(s) V^T``, and with the k0 rows ``R b = y_top - A_top c`` that give
the constants, the prediction of a row (a, a0) has the variance ``sigma^2 v``,

    v = |w|^2 + sum_k (V^T h)_k^2 / (s_k^2 + alpha) + |h - V V^T h|^2 / alpha

    w R = a0,        h = Gamma^-1 (a - w A_top)

which is ``[a a0] M^-1 [a a0]^T`` with the matrix M of the normal equations, which is never
formed. The last term is what no training row has tested; it is what grows out of distribution.
A row whose constants the training rows leave undetermined has infinite variance. Columns
without a coefficient (constant in all training rows) add nothing.

The label is said to lie from its prediction with the variance ``tau^2 + q sigma^2 v``, whose
two scales leave-one-out residuals set (`calibration`).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from linvop.errors import InputError
from linvop.regression.calibration import Scale
from linvop.regression.factorisation import Factorisation
from linvop.regression.reduction import ReducedProblem
from linvop.regression.scaling import row_blocks

__all__ = ["Directions", "Posterior", "directions_of"]

_DROPPED = 1e-2
"""Directions with s^2 below this multiple of alpha are left to the prior: variances grow by at
most this fraction."""

_SINGLE = 1e-4
"""Single precision if its rounding of a typical row adds less than this to v."""

_UNDETERMINED = 1e-8
"""Part of a0 outside what the training rows determine, relative to its norm, above rounding."""

_DIRECTIONS_AT_A_TIME = 256


@dataclass(frozen=True)
class Directions:
    r"""The design of a fit as its predictions' variance needs it; shared by all its targets.

    Attributes
    ----------
    gamma : (p,) float64
        Gamma; infinite for columns without a coefficient.
    top : (k0, p) float64
        ``A_top Gamma^-1``.
    constants : (k, k0) float64
        The pseudo-inverse of R.
    singular_values : (r,) float64
    right : (r, p) float32 or float64
        ``V^T``.
    """

    gamma: np.ndarray
    top: np.ndarray
    constants: np.ndarray
    singular_values: np.ndarray
    right: np.ndarray


@dataclass(frozen=True)
class Posterior:
    r"""Covariances of predictions of t targets.

    Attributes
    ----------
    directions : Directions
    alpha : (t,) float64
        Strength of the penalty.
    scale : Scale

    Examples
    --------
    >>> import numpy as np
    >>> from linvop.regression.ridge import Ridge
    >>> rng = np.random.default_rng(0)
    >>> A = rng.normal(size=(40, 3))
    >>> y = A.sum(axis=1) + 0.1 * rng.normal(size=40)
    >>> model = Ridge("evidence", covariance=True).fit(A, y)
    >>> near, far = model.posterior_.covariances(np.array([[0.0, 0, 0], [30.0, 0, 0]]))[:, 0, 0, 0]
    >>> bool(0.05 < near**0.5 < 0.2), bool(far > 10 * near)  # the noise is 0.1
    (True, True)
    """

    directions: Directions
    alpha: np.ndarray
    scale: Scale

    def select(self, target: int) -> Posterior:
        """Return that of one target; the directions are shared, not copied."""
        k = slice(target, target + 1)
        return Posterior(
            self.directions, self.alpha[k], Scale(self.scale.noise[k], self.scale.model[k])
        )

    def covariances(
        self, A: np.ndarray, constants: np.ndarray | None = None, n_components: int = 1
    ) -> np.ndarray:
        r"""Return the covariance of labels from their predictions, structure by structure.

        Parameters
        ----------
        A : (n m, p) float64
            Rows of n structures of m components each, components fastest.
        constants : (n m, k) float64, optional
        n_components : int
            m.

        Returns
        -------
        (n, m, m, t) float64
            In units of y squared, for rows of weight 1.

        Raises
        ------
        InputError
            If a shape is not that of the fit.
        """
        n, p, k = len(A), len(self.directions.gamma), len(self.directions.constants)
        if A.ndim != 2 or A.shape[1] != p or n % n_components:
            raise InputError(f"A: expected shape (n * {n_components}, {p}), got {A.shape}")
        A0 = np.zeros((n, 0)) if constants is None else np.asarray(constants, dtype=float)
        if A0.shape != (n, k):
            raise InputError(f"constants: expected shape ({n}, {k}), got {A0.shape}")
        m = n_components
        out = np.empty((n // m, m, m, len(self.alpha)))
        for part in row_blocks(n // m, p * m):
            rows = slice(part.start * m, part.stop * m)
            out[part] = self._block(A[rows], A0[rows], m)
        return out

    def _block(self, A: np.ndarray, A0: np.ndarray, m: int) -> np.ndarray:
        known = self.directions
        w = A0 @ known.constants
        h = A / known.gamma
        h -= w @ known.top
        inside = h.astype(known.right.dtype, copy=False) @ known.right.T
        # The remainder is a difference of vectors: that of their squares would lose it.
        h -= inside @ known.right
        n = len(A) // m
        h, inside, w = (x.reshape(n, m, x.shape[1]) for x in (h, inside.astype(float), w))
        fixed = w @ w.swapaxes(1, 2)
        fixed[_undetermined(A0, known.constants).reshape(-1, m).any(axis=1)] = np.inf
        outside = h @ h.swapaxes(1, 2)
        s2 = known.singular_values**2
        out = np.empty((*fixed.shape, len(self.alpha)))
        for t, alpha in enumerate(self.alpha):
            tested = (inside / (s2 + alpha)) @ inside.swapaxes(1, 2)
            v = fixed + tested + outside / alpha
            out[..., t] = self.scale.noise[t] * np.eye(m) + self.scale.model[t] * v
        return out


def directions_of(
    reduced: ReducedProblem, factorisation: Factorisation, smallest_alpha: float
) -> Directions:
    r"""Return what variances need of a factorised problem.

    Kept are the directions with ``s^2 >= 0.01 alpha``, in single precision where
    ``(2^-24 |h|)^2 <= 1e-4 alpha`` for ``|h|^2 = sum s^2 / n1``, the mean square of the
    training rows: p times at most min(n, p) numbers, and no more memory than that.

    Parameters
    ----------
    reduced : ReducedProblem
    factorisation : Factorisation
        Of its rows.
    smallest_alpha : float
        Of all targets.
    """
    s = factorisation.singular_values
    n_kept = int(np.count_nonzero(s**2 >= _DROPPED * smallest_alpha))
    rounding = 2.0**-48 * float((s**2).sum()) / factorisation.n
    dtype = np.float32 if rounding <= _SINGLE * smallest_alpha else np.float64
    right = np.zeros((n_kept, len(reduced.active)), dtype=dtype)
    for first in range(0, n_kept, _DIRECTIONS_AT_A_TIME):
        last = min(n_kept, first + _DIRECTIONS_AT_A_TIME)
        unit = np.zeros((len(s), last - first))
        unit[np.arange(first, last), np.arange(last - first)] = 1.0
        right[first:last] = reduced.scatter(factorisation.right_times(unit).T)
    gamma = np.full(len(reduced.active), np.inf)
    gamma[reduced.active] = reduced.gamma[reduced.active]
    projection = reduced.projection
    return Directions(
        gamma,
        reduced.scatter(reduced.top),
        projection.solve(np.eye(projection.rank)),
        s[:n_kept],
        right,
    )


def _undetermined(A0: np.ndarray, inverse: np.ndarray) -> np.ndarray:
    """Return which rows of constants, (n,), leave the row space of R."""
    if A0.shape[1] == 0:
        return np.zeros(len(A0), dtype=bool)
    Q = np.linalg.qr(inverse)[0]
    left = np.linalg.norm(A0 - (A0 @ Q) @ Q.T, axis=1)
    return left > _UNDETERMINED * np.linalg.norm(A0, axis=1)
