r"""Real solid spherical harmonics and their tie to complex ones.

.. math::

    S_{lm}(r) = r^l Y_{lm}(\hat r) = \sqrt{\frac{2l+1}{4\pi} (2 - \delta_{m0})
        \frac{(l-|m|)!}{(l+|m|)!}}\; \Pi_l^{|m|}(z, r^2)
        \begin{cases} \mathrm{Re}\,(x + iy)^m & m \ge 0 \\
                      \mathrm{Im}\,(x + iy)^{|m|} & m < 0 \end{cases}

    \Pi_l^m(z, r^2) = 2^{-l} \sum_k (-1)^k \binom{l}{k} \binom{2l-2k}{l}
        \frac{(l-2k)!}{(l-2k-m)!}\, r^{2k} z^{l-2k-m}

They are orthonormal on the unit sphere and have the phases of PySCF, so l = 1 is (y, z, x)
in m order. With Condon-Shortley complex harmonics, ``Y^c_a = sum_m U[a, m] Y_m``, where
(T. Helgaker, P. Jorgensen, J. Olsen, *Molecular Electronic-Structure Theory*, sec. 6.4)

    U[m, m] = (-1)^m / sqrt 2      U[m, -m] = i (-1)^m / sqrt 2       (m > 0)
    U[-m, m] = 1 / sqrt 2          U[-m, -m] = -i / sqrt 2            U[0, 0] = 1.
"""

from __future__ import annotations

from fractions import Fraction
from math import comb, factorial, gcd, perm
from typing import TYPE_CHECKING

import numpy as np

from linvop.errors import InputError

if TYPE_CHECKING:
    import sympy

__all__ = [
    "complex_from_real",
    "phase_power",
    "solid_harmonic",
    "solid_harmonic_terms",
    "solid_harmonics",
]


def phase_power(a: int, m: int) -> int:
    r"""Power p with ``U[a, m] = i^p sqrt(1/2)`` (``U[0, 0] = 1``), for ``|a| = |m|``.

    Every non-zero of U is of this form; sums over U are therefore sums of powers of i.
    """
    if a > 0:
        return (2 * a + (m < 0)) % 4
    return 3 if m < 0 else 0


def complex_from_real(l: int) -> sympy.ImmutableMatrix:
    r"""Return U^l, the unitary matrix with ``Y^c_a = sum_m U[a, m] Y_m``, exact.

    Returns
    -------
    (2 l + 1, 2 l + 1) sympy.ImmutableMatrix
        Rows a and columns m in m order.

    Raises
    ------
    InputError
        If l is negative.
    """
    import sympy

    _check(l)

    root = sympy.sqrt(2) / 2
    U = sympy.zeros(2 * l + 1, 2 * l + 1)
    U[l, l] = 1
    for a in (*range(-l, 0), *range(1, l + 1)):
        for m in (-a, a):
            U[l + a, l + m] = sympy.I ** phase_power(a, m) * root
    return sympy.ImmutableMatrix(U)


def solid_harmonic_terms(l: int, m: int) -> tuple[Fraction, dict[tuple[int, int, int], int]]:
    r"""Return S_lm as the root of a rational times a polynomial with coprime integers.

    Returns
    -------
    square : Fraction
    terms : dict
        ``S_lm = sqrt(square / pi) sum_(a, b, c) terms[a, b, c] x^a y^b z^c``.

    Raises
    ------
    InputError
        Unless ``0 <= |m| <= l``.

    Examples
    --------
    >>> solid_harmonic_terms(2, 1)
    (Fraction(15, 4), {(1, 0, 1): 1})
    """
    _check(l, m)
    n = abs(m)
    # x^a y^b of (x + i y)^n: i^b, whose real part needs even b and whose imaginary part odd b.
    planar = [
        ((n - b, b), (-1) ** (b // 2) * comb(n, b)) for b in range(1 if m < 0 else 0, n + 1, 2)
    ]
    terms: dict[tuple[int, int, int], int] = {}
    for k in range((l - n) // 2 + 1):
        axial = (-1) ** k * comb(l, k) * comb(2 * l - 2 * k, l) * perm(l - 2 * k, n)
        for i in range(k + 1):  # r^2k by the trinomial theorem
            for j in range(k - i + 1):
                radial = comb(k, i) * comb(k - i, j)
                for (a, b), c in planar:
                    key = (a + 2 * i, b + 2 * j, l - 2 * (i + j) - n)
                    terms[key] = terms.get(key, 0) + axial * radial * c
    terms = {key: c for key, c in sorted(terms.items(), reverse=True) if c}
    common = gcd(*terms.values())
    square = Fraction((2 * l + 1) * (2 if m else 1) * factorial(l - n), 4 * factorial(l + n))
    return square * Fraction(common, 2**l) ** 2, {key: c // common for key, c in terms.items()}


def solid_harmonic(l: int, m: int) -> sympy.Expr:
    r"""Return S_lm exactly, as a polynomial in the sympy symbols x, y, z.

    Raises
    ------
    InputError
        Unless ``0 <= |m| <= l``.

    Examples
    --------
    >>> solid_harmonic(2, 1)
    sqrt(15)*x*z/(2*sqrt(pi))
    """
    import sympy

    square, terms = solid_harmonic_terms(l, m)
    x, y, z = sympy.symbols("x y z")
    polynomial = sympy.Add(*(c * x**a * y**b * z**d for (a, b, d), c in terms.items()))
    return sympy.sqrt(sympy.Rational(square.numerator, square.denominator) / sympy.pi) * polynomial


def solid_harmonics(l: int, xyz: np.ndarray) -> np.ndarray:
    r"""Evaluate ``r^l Y_lm(r/|r|)`` for all m at n points.

    By the recursions of the orthonormal harmonics (stable, no trigonometry, fine at r = 0),

    .. math::

        S_{m,m} \pm i S_{m,-m} &\propto \sqrt{(2m+1)/(2m)}\;(x \pm iy)(S_{m-1,m-1} \pm
            i S_{m-1,-(m-1)}) \\
        S_{l,m} &= \sqrt{\tfrac{(2l+1)(2l-1)}{(l-m)(l+m)}}\, z S_{l-1,m}
            - \sqrt{\tfrac{(2l+1)(l-1-m)(l-1+m)}{(2l-3)(l-m)(l+m)}}\, r^2 S_{l-2,m}

    Parameters
    ----------
    l : int
    xyz : (n, 3) float64
        Points, in any unit of length.

    Returns
    -------
    (n, 2 l + 1) float64
        In m order; unit of length to the power l.

    Raises
    ------
    InputError
        If l is negative or `xyz` is not (n, 3).
    """
    _check(l)
    xyz = np.asarray(xyz, dtype=float)
    if xyz.ndim != 2 or xyz.shape[1] != 3:
        raise InputError(f"points: expected shape (n, 3), got {xyz.shape}")
    x, y, z = xyz.T
    r2 = x * x + y * y + z * z
    out = np.empty((len(xyz), 2 * l + 1))
    # The pair (S_mm, S_m-m); at m = 0 the two are (S_00, 0), short of the sqrt 2 of m > 0.
    cosine, sine = np.full(len(xyz), np.sqrt(1 / (4 * np.pi))), np.zeros(len(xyz))
    for m in range(l + 1):
        if m > 0:
            step = np.sqrt((2 * m + 1) / (2 * m) * (2 if m == 1 else 1))
            cosine, sine = step * (x * cosine - y * sine), step * (y * cosine + x * sine)
        out[:, l - m] = _raise_degree(m, l, sine, z, r2)
        out[:, l + m] = _raise_degree(m, l, cosine, z, r2)
    return out


def _raise_degree(
    m: int, l: int, sectoral: np.ndarray, z: np.ndarray, r2: np.ndarray
) -> np.ndarray:
    """S_lm from S_mm (m >= 0; for -m the same recursion holds)."""
    below, here = np.zeros_like(sectoral), sectoral
    for k in range(m + 1, l + 1):
        norm = (2 * k + 1) / ((k - m) * (k + m))
        first = np.sqrt(norm * (2 * k - 1))
        second = np.sqrt(norm * (k - 1 - m) * (k - 1 + m) / (2 * k - 3)) if k - 1 > m else 0.0
        below, here = here, first * z * here - second * r2 * below
    return here


def _check(l: int, m: int = 0) -> None:
    if l < 0 or abs(m) > l:
        raise InputError(f"harmonic (l, m) = ({l}, {m}): expected 0 <= |m| <= l")
