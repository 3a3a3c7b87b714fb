"""Counting couplings: against integrals of characters and against plain enumeration."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from linvop.angular.characters import (
    number_of_couplings,
    number_of_exchange_couplings,
    product_sigma,
    weight_multiplicities,
)
from linvop.errors import InputError


def complete_homogeneous(l: int, n: int, theta: np.ndarray) -> np.ndarray:
    """h_n of the phases exp(i m theta), by its definition."""
    m = np.array(list(itertools.combinations_with_replacement(range(-l, l + 1), n)))
    return np.exp(1j * theta[:, None] * m.reshape(len(m), n).sum(axis=1)).sum(axis=1).real


@pytest.mark.parametrize(
    "factors",
    [
        [(1, 1, 2)],
        [(2, -1, 3)],
        [(3, 1, 4)],
        [(1, 1, 1), (2, 1, 1)],
        [(1, 1, 2), (1, -1, 1), (2, 1, 1)],
        [(0, 1, 3), (2, -1, 2)],
        [(2, 1, 5)],
    ],
)
def test_numbers_are_integrals_of_characters(factors):
    # Trapezium rule on the circle: exact for trigonometric polynomials of this degree.
    theta = 2 * np.pi * np.arange(256) / 256
    characters = np.prod([complete_homogeneous(l, n, theta) for l, _, n in factors], axis=0)
    parity = np.prod([(s * (-1) ** l) ** n for l, s, n in factors])
    for lam, sigma in itertools.product(range(7), (1, -1)):
        chi = np.cos(np.outer(theta, np.arange(-lam, lam + 1))).sum(axis=1)
        integral = np.mean((1 - np.cos(theta)) * chi * characters)
        expected = integral if sigma * (-1) ** lam == parity else 0
        assert number_of_couplings(factors, lam, sigma) == pytest.approx(expected, abs=1e-9)


@pytest.mark.parametrize(("l", "n"), [(0, 3), (1, 4), (2, 3), (3, 2), (4, 1), (2, 0)])
def test_weights_count_multisets(l, n):
    sums = [sum(c) for c in itertools.combinations_with_replacement(range(-l, l + 1), n)]
    counts = tuple(sums.count(M) for M in range(-n * l, n * l + 1))
    assert weight_multiplicities(l, n) == counts


def test_all_irreps_together_fill_the_space():
    factors = [(1, 1, 2), (2, -1, 1), (3, 1, 1)]
    total = sum(
        (2 * lam + 1) * number_of_couplings(factors, lam, product_sigma(factors, lam))
        for lam in range(8)
    )
    assert total == 6 * 5 * 7


def test_impossible_irreps_are_refused():
    with pytest.raises(InputError, match="sigma"):
        number_of_couplings([(1, 1, 1)], 0, 0)
    with pytest.raises(InputError, match="l, n >= 0"):
        weight_multiplicities(-1, 2)


def test_exchange_numbers_are_integrals_of_characters():
    theta = 2 * np.pi * np.arange(128) / 128

    def chi(l: int, angle: np.ndarray) -> np.ndarray:
        return np.cos(np.outer(angle, np.arange(-l, l + 1))).sum(axis=1)

    for l_site, l_word, lam in itertools.product(range(4), range(4), range(5)):
        numbers = []
        for sign in (1, -1):
            half = (chi(l_site, theta) ** 2 + sign * chi(l_site, 2 * theta)) / 2
            integrand = (1 - np.cos(theta)) * chi(lam, theta) * chi(l_word, theta) * half
            numbers.append(number_of_exchange_couplings(l_site, l_word, lam, sign))
            assert numbers[-1] == pytest.approx(np.mean(integrand), abs=1e-9)
        # Symmetric and antisymmetric ones are all there are of A_i A_j q.
        sigma = product_sigma([(l_word, 1, 1)], lam)
        every = number_of_couplings([(l_site, 1, 1), (l_site, 1, 1), (l_word, 1, 1)], lam, sigma)
        assert sum(numbers) == every


@pytest.mark.parametrize("case", [(-1, 0, 0, 1), (0, 0, -1, 1), (1, 1, 1, 0)])
def test_exchange_needs_irreps_and_a_sign(case):
    with pytest.raises(InputError, match="exchange: expected"):
        number_of_exchange_couplings(*case)
