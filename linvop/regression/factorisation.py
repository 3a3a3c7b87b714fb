r"""Thin singular value decomposition of a design matrix, by orthogonal factorisations only.

    A = U diag(s) V^T      A : (n, p),  r = min(n, p)

The smaller of two routes is taken, and neither ever forms ``A A^T`` or ``A^T A``, which
would lose the singular values below ``1e-8 s_max``:

- n <= p (dual): ``A^T = Q R``, ``R = Z diag(s) U^T``. A C-ordered A *is* a Fortran-ordered
  ``A^T``, so the memory of A serves for Q. ``V = Q Z`` is never formed.
- n > p (primal): ``A = Q R``, ``R = W diag(s) V^T``, ``U = Q [W; 0]``.
"""

from __future__ import annotations

import numpy as np
from scipy.linalg import LinAlgError, svd
from scipy.linalg.lapack import dgeqrf, dgeqrf_lwork, dormqr

__all__ = ["Factorisation", "HouseholderQR"]

_COLUMNS_AT_A_TIME = 256
"""Columns of U that are made at a time: a small part of U, yet worth a matrix product."""


class HouseholderQR:
    r"""``F = Q [R; 0]`` of a tall matrix; Q is kept as reflections, below the diagonal of F.

    Parameters
    ----------
    F : (m, n) float64, m >= n, Fortran-ordered
        Destroyed: it is the memory of the factorisation.
    """

    def __init__(self, F: np.ndarray) -> None:
        lwork = int(dgeqrf_lwork(*F.shape)[0])
        self._F, self._tau, _, _ = dgeqrf(F, lwork=lwork, overwrite_a=1)

    def upper(self) -> np.ndarray:
        """Return R, (n, n), as a new Fortran-ordered array."""
        n = self._F.shape[1]
        R = np.array(self._F[:n], order="F")
        for j in range(n - 1):
            R[j + 1 :, j] = 0.0
        return R

    def apply(self, X: np.ndarray) -> np.ndarray:
        """Return ``Q X`` for X of shape (m, k); it is overwritten if Fortran-ordered."""
        return self._multiply("N", X)

    def apply_transpose(self, X: np.ndarray) -> np.ndarray:
        """Return ``Q^T X`` for X of shape (m, k); it is overwritten if Fortran-ordered."""
        return self._multiply("T", X)

    def _multiply(self, trans: str, X: np.ndarray) -> np.ndarray:
        if X.shape[1] == 0:
            return X
        lwork = 64 * X.shape[1] + 64 * 65  # dormqr works with blocks of at most 64 reflections
        return dormqr("L", trans, self._F, self._tau, X, lwork, overwrite_c=1)[0]


class Factorisation:
    r"""Thin SVD ``A = U diag(s) V^T``; Q stays in the form of Householder reflections.

    Parameters
    ----------
    A : (n, p) float64, C-ordered
        Destroyed: its memory holds the reflections if n <= p, else U.

    Attributes
    ----------
    left : (n, r) float64, C-ordered
        U; square and orthogonal if n <= p. Null directions are kept, with s = 0 to rounding.
    singular_values : (r,) float64, descending
    dual : bool
        Whether n <= p, and hence ``I - U U^T = 0`` exactly.
    """

    def __init__(self, A: np.ndarray) -> None:
        self.n, self.p = A.shape
        self.dual = self.n <= self.p
        # The transposed view costs nothing; the primal route needs A itself in Fortran order,
        # a copy, after which the memory of A is free for U.
        self._qr = HouseholderQR(A.T if self.dual else np.array(A, order="F"))
        W, self.singular_values, Zt = _triangular_svd(self._qr)
        if self.dual:
            self.left, self._inner = Zt.T, W
        else:
            self.left, self._inner = A, Zt.T
            for start in range(0, self.p, _COLUMNS_AT_A_TIME):
                part = slice(start, start + _COLUMNS_AT_A_TIME)
                self.left[:, part] = self._qr.apply(_padded(W[:, part], self.n))

    def right_times(self, x: np.ndarray) -> np.ndarray:
        """Return ``V x``, (p, t), for x of shape (r, t)."""
        inner = self._inner @ x
        return self._qr.apply(_padded(inner, self.p)) if self.dual else inner

    def complement(self, X: np.ndarray) -> np.ndarray:
        r"""Return the coordinates of X, (n, m), in a basis of the complement of U: (n - r, m).

        They come from the reflections, so that their squares are ``1 - h`` without the
        subtraction. There are none if n <= p.
        """
        if self.dual:
            return np.zeros((0, X.shape[1]))
        return self._qr.apply_transpose(np.array(X, order="F"))[self.p :]

    def from_complement(self, coordinates: np.ndarray) -> np.ndarray:
        """Return the vectors, (n, m), that have these `complement` coordinates."""
        out = np.zeros((self.n, coordinates.shape[1]), order="F")
        if self.dual:
            return out
        out[self.p :] = coordinates
        return self._qr.apply(out)


def _padded(X: np.ndarray, n_rows: int) -> np.ndarray:
    """Return X with zero rows below, Fortran-ordered."""
    out = np.zeros((n_rows, X.shape[1]), order="F")
    out[: len(X)] = X
    return out


def _triangular_svd(qr: HouseholderQR) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return the SVD of the triangular factor."""
    try:
        return svd(qr.upper(), overwrite_a=True, check_finite=False, lapack_driver="gesdd")
    except LinAlgError:
        # Divide and conquer can fail to converge on graded matrices; QR iteration is slower.
        return svd(qr.upper(), overwrite_a=True, check_finite=False, lapack_driver="gesvd")
