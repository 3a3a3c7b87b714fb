r"""Symmetric powers of one irrep: all equivariant polynomials of degree n in its components.

In the basis e_m = binom(2l, l+m)^(-1/2) |l m>, the ladder operators are integers,

.. math:: J_+ e_m = (l - m)\, e_{m+1}, \qquad J_- e_m = (l + m)\, e_{m-1},

and act on products e^a = e_{m_1} ... e_{m_n} as derivations. The polynomials of weight L that
J_+ annihilates are the highest components of all irreps L in ``Sym^n(l)``: the null space of an
integer matrix. They are orthogonalised over the rationals in the inner product

.. math:: \langle e^a, e^b \rangle = \delta_{ab}\, \frac{\prod_m a_m!}{n!}
          \prod_m \binom{2l}{l+m}^{-a_m}

(a_m how often m occurs), lowered with J_-, and normalised last. With
``v = sum_a v_a e^a`` of norm 1 the polynomial is
``y_M = sum_a v_a prod_m binom^{-a_m/2} x_m^{a_m}``.
Real components follow with U of `real_harmonics`, and the phase rule of `clebsch_gordan`: the
imaginary part where ``n l + L`` is odd. As binom(2l, l+m) is even in m and every entry of U a
power of i times one root, each real coefficient is an integer times one root: it is kept as its
signed square, a Fraction.
"""

from __future__ import annotations

from collections import Counter
from fractions import Fraction
from functools import cache
from itertools import combinations_with_replacement, product
from math import comb, factorial, gcd, lcm, prod
from typing import TYPE_CHECKING

from linvop.angular.clebsch_gordan import root
from linvop.angular.real_harmonics import phase_power
from linvop.errors import InputError

if TYPE_CHECKING:
    import sympy

__all__ = ["exact_power", "symmetric_power"]

Monomial = tuple[int, ...]
"""Positions m + l of the factors, ascending."""

Vector = dict[Monomial, int]
"""Integer coefficients of the e^a."""


@cache
def symmetric_power(l: int, n: int, lam: int) -> tuple[dict[tuple[Monomial, int], Fraction], ...]:
    r"""Orthonormal equivariant polynomials of degree n in one real irrep l, of type lam.

    Returns
    -------
    tuple of dict
        One for each independent polynomial: from (monomial, mu + lam) to the signed square of
        its coefficient; a monomial is the ascending positions m + l of its n factors.

    Raises
    ------
    InputError
        If l, n or lam is negative.

    Examples
    --------
    >>> symmetric_power(1, 2, 0)  # (y^2 + z^2 + x^2) / sqrt(3), with the sign of C^{110}
    ({((0, 0), 0): Fraction(-1, 3), ((1, 1), 0): Fraction(-1, 3), ((2, 2), 0): Fraction(-1, 3)},)
    >>> symmetric_power(1, 2, 1)
    ()
    """
    if l < 0 or n < 0 or lam < 0:
        raise InputError(f"symmetric power: expected l, n, lam >= 0, got {l}, {n}, {lam}")
    return tuple(
        _real_coefficients(l, n, lam, vector, norm) for vector, norm in _highest(l, n, lam)
    )


def exact_power(l: int, n: int, lam: int) -> tuple[dict[tuple[Monomial, int], sympy.Expr], ...]:
    r"""Return `symmetric_power` as sympy numbers."""
    return tuple(
        {key: root(square) for key, square in polynomial.items()}
        for polynomial in symmetric_power(l, n, lam)
    )


def _monomials(l: int, n: int, weight: int) -> list[Monomial]:
    """All monomials of a weight, in lexicographic order."""
    return [
        a for a in combinations_with_replacement(range(2 * l + 1), n) if sum(a) - n * l == weight
    ]


def _ladder(l: int, vector: Vector, step: int) -> Vector:
    """Apply J_+ (step 1) or J_- (step -1), a derivation."""
    out: Vector = {}
    for a, value in vector.items():
        for position, times in Counter(a).items():
            factor = 2 * l - position if step == 1 else position
            if factor:
                rest = list(a)
                rest.remove(position)
                key = tuple(sorted([*rest, position + step]))
                out[key] = out.get(key, 0) + value * times * factor
    return {key: value for key, value in out.items() if value}


def _square(l: int, n: int, a: Monomial) -> Fraction:
    """The square of the norm of e^a."""
    repeats = prod(factorial(k) for k in Counter(a).values())
    return Fraction(repeats, factorial(n) * prod(comb(2 * l, p) for p in a))


def _highest(l: int, n: int, lam: int) -> list[tuple[Vector, Fraction]]:
    """Orthogonal highest-weight vectors with coprime integer entries, and their squares."""
    if n * l < lam:
        return []
    domain = _monomials(l, n, lam)
    vectors = _null_space(l, domain, _monomials(l, n, lam + 1))
    weights = {a: _square(l, n, a) for a in domain}
    out: list[tuple[Vector, Fraction]] = []
    for v in vectors:
        w: dict[Monomial, Fraction] = {a: Fraction(x) for a, x in v.items()}
        for u, norm in out:
            overlap = sum((weights[a] * x * w.get(a, 0) for a, x in u.items()), Fraction(0))
            for a, x in u.items():
                w[a] = w.get(a, Fraction(0)) - overlap / norm * x
        whole = _coprime(w)
        out.append((whole, sum((weights[a] * x * x for a, x in whole.items()), Fraction(0))))
    return out


def _null_space(l: int, domain: list[Monomial], image: list[Monomial]) -> list[Vector]:
    """Polynomials that J_+ annihilates."""
    from sympy import QQ
    from sympy.polys.matrices import DomainMatrix

    if not image:
        return [{a: 1} for a in domain]
    row = {a: k for k, a in enumerate(image)}
    entries: dict[int, dict[int, object]] = {}
    for column, a in enumerate(domain):
        for b, value in _ladder(l, {a: 1}, 1).items():
            entries.setdefault(row[b], {})[column] = QQ(value)
    null = DomainMatrix(entries, (len(image), len(domain)), QQ).nullspace()
    return [
        _coprime(
            {domain[k]: Fraction(int(x.numerator), int(x.denominator)) for k, x in line.items()}
        )
        for _, line in sorted(null.to_sparse().rep.items())
    ]


def _coprime(vector: dict[Monomial, Fraction]) -> Vector:
    """The multiple with coprime integer entries, the first of them positive."""
    kept = {a: x for a, x in sorted(vector.items()) if x}
    scale = lcm(*(x.denominator for x in kept.values()))
    whole = {a: int(x * scale) for a, x in kept.items()}
    divisor = gcd(*whole.values())
    if next(iter(whole.values())) < 0:
        divisor = -divisor
    return {a: x // divisor for a, x in whole.items()}


def _real_coefficients(
    l: int, n: int, lam: int, highest: Vector, norm: Fraction
) -> dict[tuple[Monomial, int], Fraction]:
    """Coefficients in real components, as signed squares."""
    components = {lam: highest}
    for M in range(lam, 0, -1):
        components[M - 1] = _ladder(l, components[M], -1)
    for M in range(1, lam + 1):
        # <l -a l -b .. | L -M> = (-1)^(n l - L) <l a l b .. | L M>, as for n = 2.
        components[-M] = {
            tuple(2 * l - p for p in reversed(a)): (-1) ** (n * l - lam) * value
            for a, value in components[M].items()
        }
    out: dict[tuple[Monomial, int], Fraction] = {}
    odd = (n * l + lam) % 2
    square = norm
    for mu in range(lam, -1, -1):
        # |J_-^k v|^2: each step multiplies by lam (lam + 1) - M (M - 1), here from mu + 1 to mu.
        if mu < lam:
            square *= lam * (lam + 1) - mu * (mu + 1)
        for real_mu in {mu, -mu}:
            sums: dict[Monomial, list[int]] = {}
            for M in {mu, -mu}:
                for a, value in components[M].items():
                    _expand(l, a, value, -phase_power(M, real_mu), sums)
            for monomial, parts in sums.items():
                if parts[odd]:
                    halves = sum(p != l for p in monomial) + (mu != 0)
                    binomials = prod(comb(2 * l, p) for p in monomial)
                    size = Fraction(parts[odd] ** 2, 2**halves * binomials) / square
                    out[monomial, real_mu + lam] = size if parts[odd] > 0 else -size
    return dict(sorted(out.items(), key=lambda item: (item[0][1], item[0][0])))


def _expand(l: int, a: Monomial, value: int, power: int, sums: dict[Monomial, list[int]]) -> None:
    """Add ``i^power value prod_m x^complex_m`` in real components, roots of 1/2 apart."""
    choices = [
        tuple((r, phase_power(p - l, r - l)) for r in ((p,) if p == l else (p, 2 * l - p)))
        for p in a
    ]
    for chosen in product(*choices):
        reals, powers = zip(*chosen, strict=True)
        total = power + sum(powers)
        parts = sums.setdefault(tuple(sorted(reals)), [0, 0])
        parts[total % 2] += value if total % 4 < 2 else -value
