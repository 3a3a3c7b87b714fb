r"""Which products of site features there are.

A product of order nu is a multiset of nu site features of one centre, coupled to (lam, sigma):

.. math:: \sigma (-1)^\lambda = \prod_t \sigma_t (-1)^{\lambda_t} .

Equal factors, all of whose labels agree, are coupled by their symmetric power and distinct ones
along trees (`linvop.angular.trees`), so that for each multiset the functions are as many as
characters demand and linearly independent as polynomials of the factors. On molecules the
factors are not free variables, and fewer may be independent: a centre with a single neighbour
has its factors proportional to Y(r), and a species that occurs once in every structure turns
kappa = 2 through it into a product of kappa = 1.
"""

from __future__ import annotations

import math
from bisect import bisect_left
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cache, cached_property
from itertools import groupby

from linvop.angular.characters import product_sigma
from linvop.angular.trees import Powers, coupling_trees
from linvop.basis.enumeration import SiteEnumeration
from linvop.basis.labels import ProductLabel, SiteLabel
from linvop.basis.limits import require_no_more
from linvop.basis.product_counts import count_products
from linvop.basis.words import Irrep, allowed_irreps

__all__ = ["Factor", "Product", "ProductEnumeration"]


@dataclass(frozen=True, slots=True)
class Factor:
    r"""One site feature as a factor: column of an irrep, with its degree."""

    irrep: Irrep
    column: int
    degree: float
    bodies: int
    label: SiteLabel


@dataclass(frozen=True, slots=True)
class Product:
    r"""One multiset of factors coupled to one irrep.

    Attributes
    ----------
    factors : tuple of int
        Numbers of the factors, in the order of `powers`, equal ones side by side.
    powers : tuple of (l, n)
    n_functions : int
    """

    factors: tuple[int, ...]
    powers: Powers
    n_functions: int


@dataclass(frozen=True)
class ProductEnumeration:
    r"""All products of site features of order 2 .. nu.

    Parameters
    ----------
    site : SiteEnumeration
        The site features; their own truncation does not concern products.
    max_degrees : tuple of float
        For nu = 2, 3, ...
    max_body_order : int or None
    """

    site: SiteEnumeration
    max_degrees: tuple[float, ...]
    max_body_order: int | None = None

    @cached_property
    def factor_enumeration(self) -> SiteEnumeration:
        """Site features that can be a factor: what the others leave them of the degree."""
        # A factor has at least one V, and d_a + d_b = 0 at the lowest.
        highest = max(d - (nu - 1) for nu, d in enumerate(self.max_degrees, start=2))
        return replace(self.site, max_degree=highest, max_body_order=self.max_body_order)

    @cached_property
    def _factors(self) -> dict[str, tuple[Factor, ...]]:
        return {}

    @cached_property
    def _products(self) -> dict[tuple[str, Irrep], tuple[Product, ...]]:
        return {}

    @cached_property
    def _counts(self) -> dict[tuple[str, Irrep], int]:
        return {}

    def factor_irreps(self, species: str) -> tuple[Irrep, ...]:
        """Irreps of a species that have factors."""
        return tuple(dict.fromkeys(factor.irrep for factor in self.factors(species)))

    def factors(self, species: str) -> tuple[Factor, ...]:
        r"""Factors of a centre species, by irrep and column."""
        if species not in self._factors:
            one = self.factor_enumeration
            shells = one.shells[species]
            irreps = sorted(
                {i for a in shells for b in shells for i in allowed_irreps(a.l, b.l, one.lam_max)},
                key=lambda irrep: (irrep[0], -irrep[1]),
            )
            self._factors[species] = tuple(
                Factor(
                    irrep, k, one.degree(species, word[2], word[3], word[4]), 2 * label.kappa, label
                )
                for irrep in irreps
                for k, (word, label) in enumerate(
                    zip(
                        one.columns(species, irrep, "site"),
                        one.labels(species, irrep, "site"),
                        strict=True,
                    )
                )
            )
        return self._factors[species]

    def products(self, species: str, irrep: Irrep) -> tuple[Product, ...]:
        r"""Multisets of factors that couple to an irrep, by order and factors."""
        key = species, irrep
        if key not in self._products:
            require_no_more(
                self.count(species, irrep),
                f"{species}, lam = {irrep[0]}, sigma = {irrep[1]:+d}, nu > 1",
                "lower nu or its max_degree",
            )
            self._products[key] = tuple(self._enumerated(species, irrep))
        return self._products[key]

    def count(self, species: str, irrep: Irrep) -> int:
        """Number of columns; none of them is made for it."""
        key = species, irrep
        if key not in self._counts:
            groups = Counter((f.irrep, f.degree, f.bodies) for f in self.factors(species))
            self._counts[key] = count_products(groups, irrep, self.max_degrees, self.max_body_order)
        return self._counts[key]

    def labels(self, species: str, irrep: Irrep) -> list[ProductLabel]:
        r"""Names of the columns, in storage order: product, tree."""
        factors = self.factors(species)
        return [
            ProductLabel(
                tuple(factors[k].label for k in product.factors), tree.leaves, tree.nodes, *irrep
            )
            for product in self.products(species, irrep)
            for tree in coupling_trees(product.powers, irrep[0])
        ]

    def _enumerated(self, species: str, irrep: Irrep) -> Iterator[Product]:
        factors = self.factors(species)
        lam, sigma = irrep
        for nu, limit in enumerate(self.max_degrees, start=2):
            for chosen in self._multisets(factors, nu, limit):
                groups = [(factors[k].irrep[0], len(list(same)), k) for k, same in groupby(chosen)]
                groups.sort()
                signs = [(l, factors[k].irrep[1], n) for l, n, k in groups]
                if product_sigma(signs, lam) != sigma:
                    continue
                powers = tuple((l, n) for l, n, _ in groups)
                n_functions = len(coupling_trees(powers, lam))
                if n_functions:
                    numbers = tuple(k for _, n, k in groups for _ in range(n))
                    yield Product(numbers, powers, n_functions)

    def _multisets(
        self, factors: tuple[Factor, ...], nu: int, limit: float
    ) -> Iterator[tuple[int, ...]]:
        """Ascending multisets of factors within degree and body order."""
        lowest = min((factor.degree for factor in factors), default=0)
        most = math.inf if self.max_body_order is None else self.max_body_order

        @cache
        def fitting(room: float, places: float) -> list[int]:
            """Factors that are small enough, ascending: few different rooms are asked for."""
            return [k for k, f in enumerate(factors) if f.degree <= room and f.bodies - 1 <= places]

        def grow(chosen: tuple[int, ...], degree: float, atoms: int) -> Iterator[tuple[int, ...]]:
            rest = nu - len(chosen)
            if not rest:
                yield chosen
                return
            found = fitting(limit - degree - (rest - 1) * lowest, most - atoms)
            for k in found[bisect_left(found, chosen[-1]) if chosen else 0 :]:
                yield from grow(
                    (*chosen, k), degree + factors[k].degree, atoms + factors[k].bodies - 1
                )

        yield from grow((), 0, 1)
