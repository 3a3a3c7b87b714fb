"""Symmetric powers: exact orthonormality, equivariance, and agreement with closed forms."""

from __future__ import annotations

import itertools
from collections import Counter
from fractions import Fraction
from math import factorial, prod

import numpy as np
import pytest
import sympy
from scipy.spatial.transform import Rotation

from linvop.angular.characters import number_of_couplings
from linvop.angular.clebsch_gordan import real_squares
from linvop.angular.real_harmonics import solid_harmonics
from linvop.angular.symmetric_powers import exact_power, symmetric_power
from linvop.angular.wigner import rotation_matrix
from linvop.errors import InputError

CASES = [(1, 2), (1, 3), (1, 5), (2, 2), (2, 3), (2, 4), (3, 2), (3, 3), (4, 3)]


def values(l: int, n: int, lam: int, x: np.ndarray) -> np.ndarray:
    """All polynomials at x, (n_polynomials, 2 lam + 1)."""
    polynomials = symmetric_power(l, n, lam)
    out = np.zeros((len(polynomials), 2 * lam + 1))
    for q, polynomial in enumerate(polynomials):
        for (monomial, mu), square in polynomial.items():
            root = np.sign(float(square)) * np.sqrt(abs(float(square)))
            out[q, mu] += root * np.prod(x[list(monomial)])
    return out


@pytest.mark.parametrize(("l", "n"), CASES)
def test_their_number_is_that_of_characters(l, n):
    for lam in range(n * l + 2):
        expected = number_of_couplings([(l, (-1) ** l, n)], lam, (-1) ** lam)
        assert len(symmetric_power(l, n, lam)) == expected


@pytest.mark.parametrize(("l", "n"), CASES)
def test_they_turn_with_the_irrep_and_fill_the_space(l, n):
    rng = np.random.default_rng(l + 10 * n)
    R = Rotation.random(rng=rng).as_matrix()
    x = rng.normal(size=2 * l + 1)
    square = 0.0
    for lam in range(n * l + 1):
        still = values(l, n, lam, x)
        turned = values(l, n, lam, rotation_matrix(l, R) @ x)
        np.testing.assert_allclose(
            turned, still @ rotation_matrix(lam, R).T, atol=1e-12 * np.linalg.norm(x) ** n
        )
        square += (still**2).sum()
    # Orthonormal and complete: |x (x) .. (x) x|^2 = |x|^(2 n).
    assert square == pytest.approx((x @ x) ** n, rel=1e-12)


@pytest.mark.parametrize(("l", "n", "lam"), [(1, 3, 1), (2, 3, 2), (2, 4, 4), (3, 4, 6), (4, 4, 8)])
def test_they_are_orthonormal_exactly(l, n, lam):
    rows = [
        {a: x for (a, mu), x in polynomial.items() if mu == k}
        for polynomial in exact_power(l, n, lam)
        for k in range(2 * lam + 1)
    ]

    def norm(a):  # of the symmetrised product of orthonormal vectors
        return sympy.Rational(prod(factorial(k) for k in Counter(a).values()), factorial(n))

    chosen = rows[:: max(1, len(rows) // 8)]
    for (i, u), (j, v) in itertools.combinations_with_replacement(enumerate(chosen), 2):
        overlap = sum(norm(a) * x * v.get(a, 0) for a, x in u.items())
        assert sympy.expand(overlap) == int(i == j)


@pytest.mark.parametrize("l", range(5))
def test_squares_are_clebsch_gordan_coefficients(l):
    for lam in range(0, 2 * l + 1, 2):
        (found,) = symmetric_power(l, 2, lam)
        expected: dict = {}
        for (m1, m2, mu), square in real_squares(l, l, lam).items():
            key = (tuple(sorted((m1, m2))), mu)
            expected[key] = square * (4 if m1 != m2 else 1)
        (key, first), *_ = found.items()
        sign = 1 if first == expected[key] else -1
        assert {k: sign * x for k, x in found.items()} == expected


def test_of_a_vector_harmonics_remain():
    x = np.array([0.3, -0.8, 1.1])
    for n in range(1, 6):
        for lam in range(n, -1, -2):
            (found,) = values(1, n, lam, x)
            # m order is y, z, x; the harmonic is homogeneous of degree lam.
            (harmonic,) = solid_harmonics(lam, x[None, [2, 0, 1]])
            ratio = found / (harmonic * (x @ x) ** ((n - lam) / 2))
            np.testing.assert_allclose(ratio, ratio[0], rtol=1e-12)


def test_the_first_power_is_the_irrep_itself():
    assert symmetric_power(2, 1, 2) == ({((m,), m): Fraction(1) for m in range(5)},)


def test_negative_numbers_are_refused():
    with pytest.raises(InputError, match="l, n, lam >= 0"):
        symmetric_power(1, 2, -1)
