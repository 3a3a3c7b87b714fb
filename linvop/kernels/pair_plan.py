r"""Pair features as flat arrays: words between two atoms, then A -> AA -> B.

A row of factors of the ordered pair (i, j) is (q_ij, A_i, A_j): the words between the two and all
features of either atom. Products of it, and words alone, are a `ProductPlan`. With exchange the
rows (q_ij, A_i, A_j) and (s q_ji, A_j, A_i) of a pair are added up, as the sites of a structure
are: every function has one factor q, so that this is B_ij + s B_ji.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from linvop.angular.product_tables import chosen_functions, product_table
from linvop.basis.pairs import PairEnumeration, PairProduct
from linvop.basis.words import Irrep
from linvop.kernels.plan import WordPlan, pair_word_plan
from linvop.kernels.plan_parts import Rows
from linvop.kernels.product_plan import Place, ProductPlan, Shape, laid_out

__all__ = ["PairPlan", "pair_plan"]


@dataclass(frozen=True)
class PairPlan:
    r"""Pair features of two species, for some irreps.

    Attributes
    ----------
    words : WordPlan
    sites_i, sites_j : Rows
        Layout of A_i and A_j, which follow the words in a row of factors.
    products : ProductPlan
    scale : (products.row_size,) float64
        What the sum over both orders of a pair is multiplied by; 1 without exchange.
    """

    words: WordPlan
    sites_i: Rows
    sites_j: Rows
    products: ProductPlan
    scale: np.ndarray


def pair_plan(
    pairs: PairEnumeration, s1: str, s2: str, irreps: tuple[Irrep, ...], exchange: int | None
) -> PairPlan:
    r"""Lay out the pair features of two species."""
    factors = pairs.factors
    words = pair_word_plan(factors, s1, s2)
    sites_i, sites_j = (
        Rows(
            factors.site_irreps,
            tuple(
                sum(x.irrep == irrep for x in factors.site_factors(s))
                for irrep in factors.site_irreps
            ),
        )
        for s in (s1, s2)
    )
    of_word = _places(words, 0)
    of_i = _places(sites_i, words.row_size)
    of_j = _places(sites_j, words.row_size + sites_i.row_size)

    def row(product: PairProduct, lam: int) -> tuple[Shape, list[Place]]:
        places = [] if product.site_i is None else [of_i[product.site_i]]
        places += [] if product.site_j is None else [of_j[product.site_j]]
        return (product.powers, lam, product.trees), [*places, of_word[product.word]]

    found = [pairs.products(s1, s2, irrep, exchange) for irrep in irreps]
    products = laid_out(
        irreps,
        [[row(x, lam) for x in those] for (lam, _), those in zip(irreps, found, strict=True)],
        lambda shape: chosen_functions(product_table(*shape[:2]), shape[2]),
    )
    scale = np.ones(products.row_size)
    if exchange is not None and s1 == s2:
        norms = [
            np.tile(
                np.repeat(
                    [0.5 if x.own_partner else np.sqrt(0.5) for x in those],
                    np.asarray([len(x.trees) for x in those], np.int64),
                ),
                2 * lam + 1,
            )
            for (lam, _), those in zip(irreps, found, strict=True)
        ]
        scale = np.concatenate([*norms, np.zeros(0)])
    return PairPlan(words, sites_i, sites_j, products, scale)


def _places(rows: Rows, start: int) -> list[Place]:
    """Offset and stride of every column of a part of a row of factors."""
    places = []
    for (lam, _), n in zip(rows.irreps, rows.n_columns, strict=True):
        places += [(start + column, n) for column in range(n)]
        start += (2 * lam + 1) * n
    return places
