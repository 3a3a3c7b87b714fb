r"""Clebsch-Gordan coefficients, complex and real, as exact roots of rationals.

Complex (Condon-Shortley), by Racah's formula with a van der Waerden sum of integers:

.. math::

    \langle l_1 m_1 l_2 m_2 | \lambda \mu \rangle &= s \sqrt{\frac{(2\lambda+1)
        (l_1+m_1)!(l_1-m_1)!(l_2+m_2)!(l_2-m_2)!(\lambda+\mu)!(\lambda-\mu)!}
        {(l_1+l_2+\lambda+1)!\; t_0!\, t_1!\, t_2!}} \\
    s &= \sum_k (-1)^k \binom{t_0}{k} \binom{t_1}{l_1-m_1-k} \binom{t_2}{l_2+m_2-k}

with ``t_0 = l1 + l2 - lam``, ``t_1 = l1 - l2 + lam``, ``t_2 = -l1 + l2 + lam``.

Real, with U from `real_harmonics`:

.. math::

    X^{\lambda\mu}_{l_1 m_1, l_2 m_2} = \sum_{ab} \langle l_1 a\, l_2 b | \lambda c \rangle
        U^{l_1}_{a m_1} U^{l_2}_{b m_2} \overline{U^{\lambda}_{c \mu}}, \qquad
    C = \begin{cases} \mathrm{Re}\, X & l_1+l_2+\lambda \text{ even} \\
                      \mathrm{Im}\, X & l_1+l_2+\lambda \text{ odd} \end{cases}

and the other part is zero. At most two terms (a, b) and (-a, -b) meet in one X, of equal
size, so that every real coefficient is a single root as well.

Both kinds are carried as their *signed square*, the Fraction ``sign(C) C^2``: all the
arithmetic is that of integers, and sympy only dresses the result.

G. Racah, Phys. Rev. 62, 438 (1942); D. A. Varshalovich, A. N. Moskalev, V. K. Khersonskii,
*Quantum Theory of Angular Momentum* (1988), ch. 8.
"""

from __future__ import annotations

from fractions import Fraction
from math import comb, factorial
from typing import TYPE_CHECKING

from linvop.angular.real_harmonics import phase_power
from linvop.errors import InputError

if TYPE_CHECKING:
    import sympy

__all__ = ["check_triangle", "complex_coefficient", "real_coupling", "real_squares", "root"]


def check_triangle(l1: int, l2: int, lam: int) -> None:
    r"""Raise `InputError` unless ``|l1 - l2| <= lam <= l1 + l2`` with l1, l2 >= 0."""
    if l1 < 0 or l2 < 0:
        raise InputError(f"coupling of l1 = {l1} and l2 = {l2}: expected l1, l2 >= 0")
    if not abs(l1 - l2) <= lam <= l1 + l2:
        raise InputError(
            f"coupling of l1 = {l1} and l2 = {l2} to lam = {lam}: "
            f"expected {abs(l1 - l2)} <= lam <= {l1 + l2}"
        )


def complex_coefficient(l1: int, m1: int, l2: int, m2: int, lam: int, mu: int) -> sympy.Expr:
    r"""Return ``<l1 m1 l2 m2 | lam mu>`` exactly, in the phases of Condon and Shortley.

    Zero where the selection rules ``mu = m1 + m2``, ``|mu| <= lam`` or the triangle rule
    forbid it.

    Raises
    ------
    InputError
        Unless ``|m1| <= l1`` and ``|m2| <= l2``.

    Examples
    --------
    >>> complex_coefficient(2, 0, 2, 0, 4, 0)
    3*sqrt(70)/35
    """
    if abs(m1) > l1 or abs(m2) > l2:
        raise InputError(
            f"(l1, m1) = ({l1}, {m1}), (l2, m2) = ({l2}, {m2}): expected |m1| <= l1, |m2| <= l2"
        )
    if m1 + m2 != mu or abs(mu) > lam or not abs(l1 - l2) <= lam <= l1 + l2:
        return root(Fraction(0))
    return root(_complex_square(l1, m1, l2, m2, lam))


def real_coupling(l1: int, l2: int, lam: int) -> dict[tuple[int, int, int], sympy.Expr]:
    r"""Return the non-zero real couplings ``C^{lam mu}_{l1 m1, l2 m2}`` exactly.

    They are orthogonal, ``sum_{m1 m2} C^{lam mu} C^{lam' mu'} = delta delta``, and commute
    with rotations: ``C (D^l1 a, D^l2 b) = D^lam C (a, b)``. Exchange gives
    ``C^{l2 l1 lam}[m2, m1] = (-1)^(l1 + l2 - lam) C^{l1 l2 lam}[m1, m2]``.

    Returns
    -------
    dict
        From positions ``(m1 + l1, m2 + l2, mu + lam)`` to sympy numbers, sorted by mu, m1, m2.

    Raises
    ------
    InputError
        Unless l1, l2, lam make a triangle.

    Examples
    --------
    >>> real_coupling(1, 1, 0)
    {(0, 0, 0): -sqrt(3)/3, (1, 1, 0): -sqrt(3)/3, (2, 2, 0): -sqrt(3)/3}
    """
    return {key: root(square) for key, square in real_squares(l1, l2, lam).items()}


def real_squares(l1: int, l2: int, lam: int) -> dict[tuple[int, int, int], Fraction]:
    r"""Return `real_coupling` as signed squares ``sign(C) C^2``; keys and errors are the same.

    Examples
    --------
    >>> real_squares(1, 1, 1)[1, 2, 0]  # C^{11, y}[z, x] = sqrt(1/2)
    Fraction(1, 2)
    """
    check_triangle(l1, l2, lam)
    sums: dict[tuple[int, int, int], list[int]] = {}
    squares: dict[tuple[int, int, int], Fraction] = {}
    for a in range(-l1, l1 + 1):
        for b in range(max(-l2, -lam - a), min(l2, lam - a) + 1):
            square = _complex_square(l1, a, l2, b, lam)
            if square:
                _scatter(a, b, square, sums, squares)
    odd = (l1 + l2 + lam) % 2
    couplings = {}
    for m1, m2, mu in sorted(sums, key=lambda m: (m[2], m[0], m[1])):
        part = sums[m1, m2, mu][odd]
        if part:
            size = part * part * squares[m1, m2, mu]
            couplings[m1 + l1, m2 + l2, mu + lam] = size if part > 0 else -size
    return couplings


def _scatter(
    a: int,
    b: int,
    square: Fraction,
    sums: dict[tuple[int, int, int], list[int]],
    squares: dict[tuple[int, int, int], Fraction],
) -> None:
    """Add the term (a, b) of X: a power of i to `sums`, its size to `squares`.

    The terms of one X differ in their power of i alone: U has one size for +-m, and
    ``<l1 -a l2 -b|lam -c> = (-1)^(l1+l2-lam) <l1 a l2 b|lam c>``.
    """
    c = a + b
    negative = 2 if square < 0 else 0
    size = abs(square) / 2 ** ((a != 0) + (b != 0) + (c != 0))
    for m1 in {a, -a}:
        for m2 in {b, -b}:
            for mu in {c, -c}:
                # Conjugation of the last factor subtracts its power.
                power = negative + phase_power(a, m1) + phase_power(b, m2) - phase_power(c, mu)
                parts = sums.setdefault((m1, m2, mu), [0, 0])
                parts[power % 2] += 1 if power % 4 < 2 else -1
                squares[m1, m2, mu] = size


def _complex_square(l1: int, m1: int, l2: int, m2: int, lam: int) -> Fraction:
    """Signed square of ``<l1 m1 l2 m2 | lam m1+m2>``, selection rules being met."""
    mu = m1 + m2
    t0, t1, t2 = l1 + l2 - lam, l1 - l2 + lam, -l1 + l2 + lam
    first = max(0, l1 - m1 - t1, l2 + m2 - t2)
    last = min(t0, l1 - m1, l2 + m2)
    s = sum(
        (-1) ** k * comb(t0, k) * comb(t1, l1 - m1 - k) * comb(t2, l2 + m2 - k)
        for k in range(first, last + 1)
    )
    numerator = s * abs(s) * int(2 * lam + 1)  # a NumPy lam would overflow
    for j, m in ((l1, m1), (l2, m2), (lam, mu)):
        numerator *= factorial(j + m) * factorial(j - m)
    denominator = factorial(l1 + l2 + lam + 1)
    for t in (t0, t1, t2):
        denominator *= factorial(t)
    return Fraction(numerator, denominator)


def root(square: Fraction) -> sympy.Expr:
    r"""Return the number whose signed square is given, exactly."""
    import sympy

    root = sympy.sqrt(sympy.Rational(abs(square.numerator), square.denominator))
    return root if square >= 0 else -root
