r"""Thin singular value decomposition of a design matrix, by orthogonal factorisations only.

    A = U diag(s) V^T      A : (n, p),  r = min(n, p)

The smaller of two routes is taken, and neither ever forms ``A A^T`` or ``A^T A``, which
would lose the singular values below ``1e-8 s_max``:

- n <= p (dual): ``A^T = Q R``, ``R = Z diag(s) U^T``. A C-ordered A *is* a Fortran-ordered
  ``A^T``, so LAPACK works in the memory of A. ``V = Q Z`` is never formed.
- n > p (primal): ``A = Q R``, ``R = W diag(s) V^T``, ``U = Q [W; 0]``.
"""

from __future__ import annotations

import numpy as np
from scipy.linalg import LinAlgError, svd
from scipy.linalg.lapack import dgeqrf, dgeqrf_lwork, dormqr

__all__ = ["Factorisation"]


class Factorisation:
    r"""Thin SVD ``A = U diag(s) V^T``; Q stays in the form of Householder reflections.

    Parameters
    ----------
    A : (n, p) float64, C-ordered
        Destroyed if n <= p: it then holds the reflections.

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
        # The transposed view costs nothing; the primal route needs Fortran order of A itself.
        F = A.T if self.dual else np.asfortranarray(A)
        self._qr, self._tau = _householder_qr(F)
        W, s, Zt = _triangular_svd(self._qr)
        self.singular_values = s
        if self.dual:
            self.left, self._inner = Zt.T, W
        else:
            padded = np.zeros((self.n, self.p), order="F")
            padded[: self.p] = W
            self.left, self._inner = np.ascontiguousarray(self._apply(padded)), Zt.T

    def right_times(self, x: np.ndarray) -> np.ndarray:
        """Return ``V x``, (p, t), for x of shape (r, t)."""
        inner = self._inner @ x
        if not self.dual:
            return inner
        padded = np.zeros((self.p, x.shape[1]), order="F")
        padded[: self.n] = inner
        return self._apply(padded)

    def complement(self, X: np.ndarray) -> np.ndarray:
        r"""Return the coordinates of X, (n, m), in a basis of the complement of U: (n - r, m).

        They come from the reflections, so that their squares are ``1 - h`` without the
        subtraction. There are none if n <= p.
        """
        if self.dual:
            return np.zeros((0, X.shape[1]))
        return self._apply(np.array(X, order="F"), transpose=True)[self.p :]

    def from_complement(self, coordinates: np.ndarray) -> np.ndarray:
        """Return the vectors, (n, m), that have these `complement` coordinates."""
        padded = np.zeros((self.n, coordinates.shape[1]), order="F")
        if not self.dual:
            padded[self.p :] = coordinates
            padded = self._apply(padded)
        return padded

    def _apply(self, X: np.ndarray, *, transpose: bool = False) -> np.ndarray:
        """Return ``Q X`` or ``Q^T X``; X is Fortran-ordered and overwritten."""
        if X.shape[1] == 0:
            return X
        trans = "T" if transpose else "N"
        work = dormqr("L", trans, self._qr, self._tau, X[:, :1], -1)[1]
        # Room for blocks of 64 reflections on the whole of X.
        lwork = max(int(work[0]), 64 * X.shape[1] + 64 * 65)
        return dormqr("L", trans, self._qr, self._tau, X, lwork, overwrite_c=1)[0]


def _householder_qr(F: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return LAPACK's packed QR of F, tall and Fortran-ordered, in the memory of F."""
    lwork = int(dgeqrf_lwork(*F.shape)[0])
    qr, tau, _, _ = dgeqrf(F, lwork=lwork, overwrite_a=1)
    return qr, tau


def _triangular_svd(qr: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return the SVD of the triangular factor R of a packed QR."""
    try:
        return svd(_upper(qr), overwrite_a=True, check_finite=False, lapack_driver="gesdd")
    except LinAlgError:
        # Divide and conquer can fail to converge on graded matrices; QR iteration is slower.
        return svd(_upper(qr), overwrite_a=True, check_finite=False, lapack_driver="gesvd")


def _upper(qr: np.ndarray) -> np.ndarray:
    """Return a Fortran-ordered copy of the upper triangle."""
    m = qr.shape[1]
    R = np.array(qr[:m], order="F")
    for j in range(m - 1):
        R[j + 1 :, j] = 0.0
    return R
