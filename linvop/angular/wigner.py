r"""Rotation matrices of real spherical harmonics.

.. math::

    Y_l(R r) = D^l(R)\, Y_l(r), \qquad D^1 = R \text{ in the order } y, z, x, \qquad
    D^l_{\mu\mu'} = \sum C^{l\mu}_{1a,\,l-1\,b}\, D^1_{aa'} D^{l-1}_{bb'}\,
        C^{l\mu'}_{1a',\,l-1\,b'}

The definition makes D a homomorphism, ``D(R1 R2) = D(R1) D(R2)``. R may be improper: since
1 + (l - 1) + l is even, the recursion couples true tensors only, and the improper part of
R = -(-R) comes out as ``D^l(R) = (-1)^l D^l(-R)``, the parity of Y_l.
"""

from __future__ import annotations

from math import factorial
from typing import TYPE_CHECKING

import numpy as np

from linvop.angular.real_harmonics import solid_harmonic_terms
from linvop.angular.tables import coupling_table
from linvop.conventions import M_FROM_CARTESIAN
from linvop.errors import InputError

if TYPE_CHECKING:
    import sympy

__all__ = ["exact_rotation_matrix", "rotation_matrix"]

_YZX = list(M_FROM_CARTESIAN)

_ORTHOGONAL = 1e-8
"""How far ``R R^T`` may be from 1; D is as orthogonal as R is."""


def rotation_matrix(l: int, R: np.ndarray) -> np.ndarray:
    r"""Return D^l(R), with ``Y_l(R r) = D^l(R) Y_l(r)``.

    Parameters
    ----------
    l : int
    R : (3, 3) float64
        Orthogonal, proper or improper, acting on column vectors (x, y, z).

    Returns
    -------
    (2 l + 1, 2 l + 1) float64
        Rows and columns in m order.

    Raises
    ------
    InputError
        If l is negative or R is not a (3, 3) orthogonal matrix to 1e-8.
    """
    if l < 0:
        raise InputError(f"rotation matrix of l = {l}: expected l >= 0")
    R = np.asarray(R, dtype=float)
    if R.shape != (3, 3):
        raise InputError(f"rotation: expected shape (3, 3), got {R.shape}")
    deviation = abs(R @ R.T - np.eye(3)).max()
    if not deviation <= _ORTHOGONAL:
        raise InputError(
            f"rotation: expected an orthogonal matrix, got |R R^T - 1| = {deviation:.1e}"
        )
    D1 = R[np.ix_(_YZX, _YZX)]
    D = np.eye(1)
    for k in range(1, l + 1):
        C = coupling_table(1, k - 1, k)
        D = np.einsum("abm,ac,bd,cdn->mn", C, D1, D, C, optimize=True)
    return D


def exact_rotation_matrix(l: int, R: sympy.Matrix) -> sympy.Matrix:
    r"""Return D^l(R) exactly, from the polynomials S_l(R r) = D^l(R) S_l(r).

    The coefficients are read off with Fischer's inner product, in which monomials are
    orthogonal, ``<x^a y^b z^c, x^a y^b z^c> = a! b! c!``. It is invariant under rotation, so
    the S_lm of one l are orthogonal and of one norm. Independent of the couplings; meant
    for tests and small l.

    Parameters
    ----------
    l : int
    R : (3, 3) sympy.Matrix
        Exactly orthogonal, proper or improper; rational entries are fastest.

    Returns
    -------
    (2 l + 1, 2 l + 1) sympy.Matrix

    Raises
    ------
    InputError
        If l is negative or R is not a (3, 3) orthogonal matrix.
    """
    import sympy

    if l < 0:
        raise InputError(f"rotation matrix of l = {l}: expected l >= 0")
    if R.shape != (3, 3) or not (R * R.T - sympy.eye(3)).applyfunc(sympy.simplify).is_zero_matrix:
        raise InputError(f"rotation: expected an orthogonal (3, 3) matrix, got {R}")
    x = sympy.symbols("x y z")
    rotated = [sympy.Poly(sum(R[i, j] * x[j] for j in range(3)), *x) for i in range(3)]
    harmonics = [solid_harmonic_terms(l, m) for m in range(-l, l + 1)]
    D = sympy.zeros(2 * l + 1, 2 * l + 1)
    for row, (row_square, row_terms) in enumerate(harmonics):
        image = sympy.Poly(0, *x)
        for (a, b, c), coefficient in row_terms.items():
            image += coefficient * rotated[0] ** a * rotated[1] ** b * rotated[2] ** c
        for column, (square, terms) in enumerate(harmonics):
            overlap = norm = sympy.S.Zero
            for (a, b, c), coefficient in terms.items():
                weight = factorial(a) * factorial(b) * factorial(c) * coefficient
                overlap += weight * image.coeff_monomial(x[0] ** a * x[1] ** b * x[2] ** c)
                norm += weight * coefficient
            ratio = row_square / square
            root = sympy.sqrt(sympy.Rational(ratio.numerator, ratio.denominator))
            D[row, column] = sympy.simplify(root * overlap / norm)
    return D
