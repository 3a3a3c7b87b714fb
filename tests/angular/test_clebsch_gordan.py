"""Laws of exact Clebsch-Gordan coefficients, complex and real."""

from __future__ import annotations

import itertools
from fractions import Fraction

import pytest
import sympy
from sympy.physics.wigner import clebsch_gordan as sympy_coefficient

from linvop.angular.clebsch_gordan import complex_coefficient, real_coupling, real_squares
from linvop.angular.real_harmonics import complex_from_real
from linvop.errors import InputError


def _lams(l1, l2):
    return range(abs(l1 - l2), l1 + l2 + 1)


def _triples(l_max):
    pairs = itertools.product(range(l_max + 1), repeat=2)
    return [(l1, l2, lam) for l1, l2 in pairs for lam in _lams(l1, l2)]


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [  # tables of Varshalovich et al., sec. 8.5, and of the Particle Data Group
        ((1, 0, 1, 0, 2, 0), sympy.sqrt(sympy.Rational(2, 3))),
        ((1, 1, 1, -1, 0, 0), sympy.sqrt(sympy.Rational(1, 3))),
        ((1, 1, 1, 0, 1, 1), sympy.sqrt(sympy.Rational(1, 2))),
        ((2, 0, 2, 0, 4, 0), sympy.sqrt(sympy.Rational(18, 35))),
        ((2, 0, 2, 0, 2, 0), -sympy.sqrt(sympy.Rational(2, 7))),
        ((2, 2, 1, -1, 1, 1), sympy.sqrt(sympy.Rational(3, 5))),
        ((2, 1, 2, -1, 1, 0), -sympy.sqrt(sympy.Rational(1, 10))),
        ((3, 0, 3, 0, 6, 0), 10 / sympy.sqrt(231)),
        ((2, 1, 1, 1, 1, 1), 0),  # mu != m1 + m2
        ((2, 0, 1, 0, 5, 0), 0),  # no triangle
    ],
)
def test_coefficients_of_the_literature(arguments, expected):
    assert sympy.simplify(complex_coefficient(*arguments) - expected) == 0


@pytest.mark.parametrize("l", range(7))
def test_coupling_to_zero_and_the_stretched_state(l):
    for m in range(-l, l + 1):
        expected = (-1) ** (l - m) / sympy.sqrt(2 * l + 1)
        assert sympy.simplify(complex_coefficient(l, m, l, -m, 0, 0) - expected) == 0
    assert complex_coefficient(l, l, 3, 3, l + 3, l + 3) == 1


def test_complex_coefficients_are_those_of_sympy():
    for l1, l2, lam in [(1, 2, 2), (3, 2, 4), (4, 4, 5), (6, 6, 6), (6, 5, 9)]:
        for m1, m2 in itertools.product(range(-l1, l1 + 1, 2), range(-l2, l2 + 1)):
            if abs(m1 + m2) > lam:
                continue
            expected = sympy_coefficient(l1, l2, lam, m1, m2, m1 + m2)
            assert complex_coefficient(l1, m1, l2, m2, lam, m1 + m2) == expected


@pytest.mark.parametrize(("l1", "l2", "lam"), [*_triples(2), (3, 2, 1), (3, 3, 5), (1, 4, 4)])
def test_real_couplings_are_the_stated_part_and_the_other_part_is_zero(l1, l2, lam):
    U1, U2, U = complex_from_real(l1), complex_from_real(l2), complex_from_real(lam)
    real = real_coupling(l1, l2, lam)
    factor = sympy.I if (l1 + l2 + lam) % 2 else 1
    ranges = (range(2 * l + 1) for l in (l1, l2, lam))
    for i1, i2, i3 in itertools.product(*ranges):
        mirrored = itertools.product({i1, 2 * l1 - i1}, {i2, 2 * l2 - i2}, {i3, 2 * lam - i3})
        X = sum(
            complex_coefficient(l1, a - l1, l2, b - l2, lam, c - lam)
            * U1[a, i1]
            * U2[b, i2]
            * U[c, i3].conjugate()
            for a, b, c in mirrored
        )
        assert sympy.expand(X - factor * real.get((i1, i2, i3), 0)) == 0


@pytest.mark.parametrize(("l1", "l2"), [(0, 0), (1, 0), (1, 1), (2, 1), (2, 2)])
def test_real_couplings_are_exactly_orthogonal(l1, l2):
    n = (2 * l1 + 1) * (2 * l2 + 1)
    columns = []
    for lam in _lams(l1, l2):
        block = sympy.zeros(n, 2 * lam + 1)
        for (i1, i2, i3), value in real_coupling(l1, l2, lam).items():
            block[i1 * (2 * l2 + 1) + i2, i3] = value
        columns.append(block)
    C = sympy.Matrix.hstack(*columns)
    assert C.shape == (n, n)
    assert (C.T * C).applyfunc(sympy.expand) == sympy.eye(n)


def test_columns_are_exactly_normalised_and_exchange_is_a_sign():
    for l1, l2, lam in _triples(4):
        C, exchanged = real_squares(l1, l2, lam), real_squares(l2, l1, lam)
        sign = (-1) ** (l1 + l2 - lam)
        assert {(i2, i1, i3): sign * q for (i1, i2, i3), q in C.items()} == exchanged
        norms = dict.fromkeys(range(2 * lam + 1), Fraction(0))
        for (_, _, i3), q in C.items():
            norms[i3] += abs(q)
        assert set(norms.values()) == {1}


def test_scalar_and_cross_product_of_vectors():
    third = -1 / sympy.sqrt(3)
    assert real_coupling(1, 1, 0) == {(i, i, 0): third for i in range(3)}
    # Positions y, z, x are a cyclic order of x, y, z, so epsilon is the same in both.
    expected = {
        (i, j, k): sympy.LeviCivita(i, j, k) / sympy.sqrt(2)
        for i, j, k in itertools.permutations(range(3))
    }
    assert real_coupling(1, 1, 1) == expected


def test_coupling_with_a_scalar_is_the_identity():
    for l in range(5):
        assert real_coupling(l, 0, l) == {(i, 0, i): 1 for i in range(2 * l + 1)}


def test_keys_are_sorted_by_mu_m1_m2():
    keys = list(real_squares(3, 2, 4))
    assert keys == sorted(keys, key=lambda k: (k[2], k[0], k[1]))


def test_bad_input_is_refused():
    with pytest.raises(InputError, match="to lam = 4: expected 1 <= lam <= 3"):
        real_coupling(1, 2, 4)
    with pytest.raises(InputError, match="expected l1, l2 >= 0"):
        real_squares(-1, 1, 0)
    with pytest.raises(InputError, match=r"expected \|m1\| <= l1"):
        complex_coefficient(1, 2, 1, 0, 2, 2)
