r"""How many products there are, without listing them.

Factors of one irrep, degree and number of bodies are alike in all that decides about a product.
A multiset of nu factors takes m_g from each such group g of N_g; within a group the m_g are
distributed over k distinct factors with multiplicities n_1 >= .. >= n_k (a partition of m_g), in

.. math:: \frac{N_g!}{(N_g - k)!\, \prod_n r_n!} \quad \text{ways}

(r_n the number of n_t that equal n), and each gives as many functions as the powers (l_g, n_t) of
all groups have coupling trees.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from math import factorial, perm, prod

from linvop.angular.characters import product_sigma
from linvop.angular.trees import Powers, coupling_trees
from linvop.basis.words import Irrep

__all__ = ["FactorGroup", "count_products"]

FactorGroup = tuple[Irrep, float, int]
"""Irrep, degree and bodies of factors."""


def count_products(
    groups: Mapping[FactorGroup, int],
    irrep: Irrep,
    max_degrees: Sequence[float],
    max_body_order: int | None = None,
) -> int:
    r"""Number of coupled products of orders 2, 3, ... of one irrep.

    Parameters
    ----------
    groups : {(irrep, degree, bodies): number of factors}
    irrep : (lam, sigma)
        Of the products.
    max_degrees : sequence of float
        For nu = 2, 3, ...
    max_body_order : int, optional
    """
    lam, sigma = irrep
    names = sorted(groups)
    total = 0
    for nu, limit in enumerate(max_degrees, start=2):
        for chosen in _multisets(names, nu, limit, max_body_order):
            signs = [(one[0], one[1], m) for (one, _, _), m in chosen]
            if product_sigma(signs, lam) == sigma:
                total += _functions(
                    [(one[0], m, groups[one, d, b]) for (one, d, b), m in chosen], lam
                )
    return total


def _multisets(
    names: Sequence[FactorGroup], nu: int, limit: float, max_body_order: int | None
) -> Iterator[tuple[tuple[FactorGroup, int], ...]]:
    """How many factors of which group, within degree and body order."""
    lowest = min((degree for _, degree, _ in names), default=0)

    def grow(first: int, rest: int, degree: float, atoms: int) -> Iterator[tuple]:
        if not rest:
            yield ()
            return
        for k in range(first, len(names)):
            _, d, bodies = names[k]
            for m in range(1, rest + 1):
                most = degree + m * d + (rest - m) * lowest
                together = atoms + m * (bodies - 1)
                if most > limit or (max_body_order is not None and together > max_body_order):
                    break
                for others in grow(k + 1, rest - m, degree + m * d, together):
                    yield ((names[k], m), *others)

    return grow(0, nu, 0, 1)


def _functions(chosen: Sequence[tuple[int, int, int]], lam: int) -> int:
    """Functions of m factors out of N of each irrep l: over all patterns of equal ones."""
    patterns: list[tuple[int, Powers]] = [(1, ())]
    for l, m, n in chosen:
        patterns = [
            (ways * _choices(n, parts), (*powers, *((l, part) for part in parts)))
            for ways, powers in patterns
            for parts in _partitions(m)
            if len(parts) <= n
        ]
    return sum(ways * len(coupling_trees(tuple(sorted(powers)), lam)) for ways, powers in patterns)


def _choices(n: int, parts: tuple[int, ...]) -> int:
    """Ways to give the multiplicities `parts` to distinct ones of n factors."""
    return perm(n, len(parts)) // prod(factorial(r) for r in Counter(parts).values())


@cache
def _partitions(m: int, largest: int | None = None) -> tuple[tuple[int, ...], ...]:
    """Of m into positive parts, descending."""
    if m == 0:
        return ((),)
    most = m if largest is None else min(m, largest)
    return tuple(
        (part, *rest) for part in range(most, 0, -1) for rest in _partitions(m - part, part)
    )
