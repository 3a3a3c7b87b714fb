r"""Unpenalised constants, rotated away before the penalised problem is factorised.

With the pivoted Householder factorisation ``A0 = Q [R; 0] P^T`` of rank k0, the rotation
``Q^T`` splits ``|A c + A0 b - y|^2`` into k0 rows that ``b`` always fits exactly and n - k0
rows that do not contain ``b``. The latter are the penalised problem; the former give b:

    rows k0 .. n:  min_c |A1 c - y1|^2 + alpha |Gamma c|^2
    rows 0 .. k0:  R P^T b = y_top - A_top c,   b of minimum norm

Means are never subtracted: the rotation also handles constants that are rank deficient
(counts of O and H in water alone) and weighted.
"""

from __future__ import annotations

import numpy as np
from scipy.linalg import solve_triangular
from scipy.linalg.lapack import dgeqp3

from linvop.regression.scaling import row_blocks

__all__ = ["ConstantsProjection"]


class ConstantsProjection:
    r"""The rotation Q of the (weighted) constants ``A0``, as a product of k0 reflections.

    ``Q = H_1 .. H_k0 = I - V T V^T`` (compact WY form): applied block by block, in place.

    Parameters
    ----------
    A0 : (n, k) float64
        Unpenalised columns, rows multiplied by the square root of their weights. k may be 0.

    Attributes
    ----------
    rank : int
        k0, the number of linearly independent columns, decided after each column has been
        divided by its norm, so that it does not depend on their units.
    """

    def __init__(self, A0: np.ndarray) -> None:
        n, k = A0.shape
        self.n_constants = k
        norms = np.linalg.norm(A0, axis=0)
        norms[norms == 0.0] = 1.0
        if k == 0:
            self.rank, self._V, self._T = 0, np.zeros((n, 0)), np.zeros((0, 0))
            self._R = np.zeros((0, 0))
            return
        qr, pivots, tau, _, _ = dgeqp3(np.asfortranarray(A0 / norms))
        diagonal = np.abs(np.diag(qr))
        tolerance = max(n, k) * np.finfo(float).eps * diagonal[0]
        k0 = int(np.count_nonzero(diagonal > tolerance))
        self.rank = k0
        self._V = np.tril(qr[:, :k0], -1)
        np.fill_diagonal(self._V, 1.0)
        self._T = _compact_wy(self._V, tau[:k0])
        # R P^T in the user's units of the constants: (k0, k), of full row rank.
        self._R = np.empty((k0, k))
        self._R[:, pivots - 1] = np.triu(qr[:k0])
        self._R *= norms

    def rotate(self, X: np.ndarray) -> np.ndarray:
        """Replace `X`, (n, m), by ``Q^T X`` and return it."""
        return self._reflect(X, self._T.T)

    def rotate_back(self, X: np.ndarray) -> np.ndarray:
        """Replace `X`, (n, m), by ``Q X`` and return it."""
        return self._reflect(X, self._T)

    def _reflect(self, X: np.ndarray, T: np.ndarray) -> np.ndarray:
        if self.rank:
            coefficients = T @ (self._V.T @ X)
            for rows in row_blocks(*X.shape):
                X[rows] -= self._V[rows] @ coefficients
        return X

    def leverage_vectors(self) -> np.ndarray:
        """Return the orthonormal basis of the span of the constants, (n, k0)."""
        Q1 = np.zeros_like(self._V)
        np.fill_diagonal(Q1, 1.0)
        return self.rotate_back(Q1)

    def solve(self, right: np.ndarray) -> np.ndarray:
        """Return the minimum-norm b, (k, t), with ``R P^T b = right``, (k0, t)."""
        if self.rank == 0:
            return np.zeros((self.n_constants, right.shape[1]))
        Q, L = np.linalg.qr(self._R.T)
        b = Q @ solve_triangular(L, right, trans="T")
        # One refinement makes the fit exact when the units of the constants differ widely.
        return b + Q @ solve_triangular(L, right - self._R @ b, trans="T")


def _compact_wy(V: np.ndarray, tau: np.ndarray) -> np.ndarray:
    """Return the upper triangular T of ``H_1 .. H_k = I - V T V^T``, H_j = I - tau_j v_j v_j^T."""
    T = np.diag(tau)
    overlap = V.T @ V
    for j in range(1, len(tau)):
        T[:j, j] = -tau[j] * (T[:j, :j] @ overlap[:j, j])
    return T
