r"""Features of the sites of one species: words, then the products of words."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np

from linvop.basis.words import Irrep
from linvop.kernels.plan import WordPlan
from linvop.kernels.product_plan import ProductPlan

__all__ = ["Kernels", "ProductPlans", "species_rows"]


class Kernels(Protocol):
    r"""What evaluates plans: `linvop.kernels.cpu`, or its definition `linvop.kernels.reference`."""

    def site_rows(self, *arguments) -> np.ndarray:
        """Words of V at the sites."""

    def pair_rows(self, *arguments) -> np.ndarray:
        """Words of V between two atoms."""

    def product_rows(self, *arguments) -> np.ndarray:
        """Products of them."""


@dataclass(frozen=True)
class ProductPlans:
    r"""Products of one centre species: the site features A they are made of, and the products."""

    factors: WordPlan
    products: ProductPlan


def species_rows(
    plan: WordPlan,
    products: ProductPlans | None,
    given: tuple[np.ndarray, ...],
    n_sites: int,
    summed: bool,
    kernels: Kernels,
) -> dict[Irrep, np.ndarray]:
    r"""``{irrep: (n_rows, 2 lam + 1, n_columns)}``, nu = 1 before products.

    Parameters
    ----------
    plan : WordPlan
    products : ProductPlans or None
    given : K, E, M, channel_start, shell_start
        As `linvop.kernels.reference.site_rows` takes them.
    n_sites : int
    summed : bool
        One row, the sum over the sites, instead of one for each.
    kernels : Kernels
    """
    own = np.arange(n_sites)
    row_of_site = np.zeros(n_sites, np.int64) if summed else own
    n_rows = 1 if summed else n_sites
    rows = plan.split(kernels.site_rows(plan, *given, row_of_site, n_rows))
    if products is not None:
        A = kernels.site_rows(products.factors, *given, own, n_sites)
        B = kernels.product_rows(products.products, A, row_of_site, n_rows)
        for irrep, values in products.products.split(B).items():
            rows[irrep] = np.concatenate([rows[irrep], values], axis=2)
    return rows
