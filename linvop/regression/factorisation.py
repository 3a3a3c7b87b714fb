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

from linvop.regression.householder import HouseholderQR

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
        self._qr = HouseholderQR(A.T if self.dual else np.array(A, order="F"))
        W, self.singular_values, Zt = _triangular_svd(self._qr)
        if self.dual:
            self.left, self._inner = Zt.T, W
        else:
            self.left, self._inner = self._qr.apply(_padded(W, self.n)), Zt.T

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
        return self._qr.apply_transpose(np.array(X))[self.p :]

    def from_complement(self, coordinates: np.ndarray) -> np.ndarray:
        """Return the vectors, (n, m), that have these `complement` coordinates."""
        out = np.zeros((self.n, coordinates.shape[1]))
        if not self.dual:
            out[self.p :] = coordinates
            self._qr.apply(out)
        return out


def _padded(X: np.ndarray, n_rows: int) -> np.ndarray:
    """Return X with zero rows below."""
    out = np.zeros((n_rows, X.shape[1]))
    out[: len(X)] = X
    return out


def _triangular_svd(qr: HouseholderQR) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return the SVD of the triangular factor."""
    try:
        return svd(qr.upper(), overwrite_a=True, check_finite=False, lapack_driver="gesdd")
    except LinAlgError:
        # Divide and conquer can fail to converge on graded matrices; QR iteration is slower.
        return svd(qr.upper(), overwrite_a=True, check_finite=False, lapack_driver="gesvd")
