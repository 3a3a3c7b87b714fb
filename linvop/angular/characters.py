r"""How many equivariant polynomials there must be.

Polynomials that are homogeneous of degree n_f in each factor f (an irrep l_f) form the product
of symmetric powers ``Sym^{n_1}(l_1) x Sym^{n_2}(l_2) x ...``, in which O(3)'s irrep (L, sigma)
occurs

.. math:: n(L, \sigma) = \Bigl[\sigma (-1)^L = \prod_f (\sigma_f (-1)^{l_f})^{n_f}\Bigr]
          \frac{1}{\pi} \int_0^\pi (1 - \cos\theta)\, \chi_L(\theta)
          \prod_f h_{n_f}[\chi_{l_f}](\theta)\, d\theta

times, with h_n the complete homogeneous symmetric polynomial of the 2 l + 1 phases e^{i m theta}.
The integral is the difference of two weight multiplicities, so that no integral is taken:

    n(L) = w(L) - w(L + 1),       w(M) = number of monomials whose m sum to M.

For pairs of atoms i, j, exchange turns a product A_i A_j q into itself where both sites carry
the same feature A and q is its own reverse. With s the sign wanted of it, what is left is

.. math:: n_s(L) = \Bigl\langle \chi_L, \chi_q(\theta)
          \tfrac12 \bigl(\chi_A(\theta)^2 + s\, \chi_A(2\theta)\bigr) \Bigr\rangle .
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache

from linvop.errors import InputError

__all__ = [
    "number_of_couplings",
    "number_of_exchange_couplings",
    "product_sigma",
    "weight_multiplicities",
]


@cache
def weight_multiplicities(l: int, n: int) -> tuple[int, ...]:
    r"""Dimensions of the weight spaces M = -n l .. n l of the n-th symmetric power of l.

    The coefficients of the Gaussian binomial [2 l + n over n].

    Examples
    --------
    >>> weight_multiplicities(1, 2)  # L = 0 and L = 2
    (1, 1, 2, 1, 1)
    """
    if l < 0 or n < 0:
        raise InputError(f"symmetric power: expected l, n >= 0, got l = {l}, n = {n}")
    # Multisets of at most n numbers m + l = 0 .. 2 l, by their number and their sum.
    table = [[0] * (2 * l * n + 1) for _ in range(n + 1)]
    table[0][0] = 1
    for step in range(2 * l + 1):
        for k in range(1, n + 1):
            for total in range(step, 2 * l * n + 1):
                table[k][total] += table[k - 1][total - step]
    return tuple(table[n])


def product_sigma(factors: Sequence[tuple[int, int, int]], lam: int) -> int:
    r"""The sigma of an irrep lam in a product: sigma (-1)^lam = prod (sigma_f (-1)^l_f)^n_f.

    Parameters
    ----------
    factors : sequence of (l, sigma, n)
    lam : int
    """
    parity = (-1) ** lam
    for l, sigma, n in factors:
        parity *= (sigma * (-1) ** l) ** n
    return parity


def number_of_couplings(factors: Sequence[tuple[int, int, int]], lam: int, sigma: int) -> int:
    r"""Number of independent equivariant polynomials of type (lam, sigma).

    Parameters
    ----------
    factors : sequence of (l, sigma, n)
        Distinct irreps and the degree of the polynomial in each.
    lam, sigma : int

    Examples
    --------
    Three vectors have one true scalar, a . (b x c), only if one or three are axial:

    >>> polar, axial = (1, 1, 1), (1, -1, 1)
    >>> number_of_couplings([polar, polar, axial], 0, 1), number_of_couplings([polar] * 3, 0, 1)
    (1, 0)
    """
    if lam < 0 or sigma not in (-1, 1):
        raise InputError(f"irrep: expected lam >= 0 and sigma = +-1, got ({lam}, {sigma})")
    if product_sigma(factors, lam) != sigma:
        return 0
    weights = [1]
    for l, _, n in factors:
        weights = _product(weights, weight_multiplicities(l, n))
    return _multiplicity(weights, lam)


def number_of_exchange_couplings(l_site: int, l_word: int, lam: int, sign: int) -> int:
    r"""Number of independent A_i A_j q of type lam that exchange multiplies by `sign`.

    Parameters
    ----------
    l_site : int
        Of the feature A that both atoms carry.
    l_word : int
        Of the pair feature q, which exchange leaves.
    lam : int
    sign : {1, -1}

    Examples
    --------
    Two vectors make a scalar and a tensor that are symmetric and a vector that is not:

    >>> [number_of_exchange_couplings(1, 0, lam, 1) for lam in (0, 1, 2)]
    [1, 0, 1]
    >>> [number_of_exchange_couplings(1, 0, lam, -1) for lam in (0, 1, 2)]
    [0, 1, 0]
    """
    if min(l_site, l_word, lam) < 0 or sign not in (-1, 1):
        raise InputError(
            f"exchange: expected l, lam >= 0 and a sign, got {l_site}, {l_word}, {lam}, {sign}"
        )
    one = weight_multiplicities(l_site, 1)
    half = _product(one, one)
    for m in range(2 * l_site + 1):
        half[2 * m] += sign  # chi(2 theta) has the weights 2 m
    return _multiplicity(_product([w // 2 for w in half], weight_multiplicities(l_word, 1)), lam)


def _product(first: Sequence[int], second: Sequence[int]) -> list[int]:
    """Weight multiplicities of a tensor product."""
    longer = [0] * (len(first) + len(second) - 1)
    for i, a in enumerate(first):
        for j, b in enumerate(second):
            longer[i + j] += a * b
    return longer


def _multiplicity(weights: Sequence[int], lam: int) -> int:
    """How often the irrep lam occurs in a representation of these weights."""
    above = [*weights[(len(weights) - 1) // 2 :], *[0] * (lam + 2)]  # M = 0, 1, ...
    return above[lam] - above[lam + 1]
