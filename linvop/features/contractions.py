r"""Contractions of V at the sites of a structure and their products: `System` to features."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Protocol

import numpy as np

from linvop.basis.enumeration import SiteEnumeration
from linvop.basis.products import ProductEnumeration
from linvop.basis.words import Irrep
from linvop.errors import InputError
from linvop.features.metric import Multiplied, multiplied
from linvop.features.threads import one_blas_thread
from linvop.integrals import System
from linvop.kernels import cpu
from linvop.kernels.plan import WordPlan, site_plan
from linvop.kernels.product_plan import ProductPlan, product_plan
from linvop.orbitals.order import ChannelOrder, channel_order

__all__ = ["Contracted", "Kernels", "SiteFeatures", "compiled", "contracted"]


class Kernels(Protocol):
    r"""What evaluates plans: `linvop.kernels.cpu`, or its definition `linvop.kernels.reference`."""

    def site_rows(self, *arguments) -> np.ndarray:
        """Words of V at the sites."""

    def pair_rows(self, *arguments) -> np.ndarray:
        """Words of V between two atoms."""

    def product_rows(self, *arguments) -> np.ndarray:
        """Products of them."""


@dataclass(frozen=True)
class Contracted:
    r"""What is multiplied in one structure, and where its AOs stand.

    Attributes
    ----------
    system : System
    order : ChannelOrder
    multiplied : Multiplied
        V, and K, E and M of `linvop.features.metric`.
    channel_start : (n_channels + 1,) int64
    shell_start : {species: (n_shells + 1,) int64}
    """

    system: System
    order: ChannelOrder
    multiplied: Multiplied
    channel_start: np.ndarray
    shell_start: dict[str, np.ndarray]

    @property
    def matrices(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """K, E and M, three of (n_sources, n_ao, n_ao)."""
        return self.multiplied.matrices


def contracted(enumeration: SiteEnumeration, system: System | Contracted) -> Contracted:
    r"""The matrices of a structure for a list of species; what is made already is kept.

    Raises
    ------
    InputError
        If the structure has other species.
    """
    if isinstance(system, Contracted):
        return system
    unknown = sorted(set(system.layout.symbols) - set(enumeration.species))
    if unknown:
        raise InputError(f"species {', '.join(unknown)}: expected {', '.join(enumeration.species)}")
    order = channel_order(system.layout, enumeration.species)
    by_species = enumeration.sources == "species"
    one = multiplied(system, order, enumeration.metric, enumeration.screenings, by_species)
    shells = enumeration.channel_shells
    channel_start = order.shell_start[[first for first, _ in shells] + [shells[-1][1]]]
    shell_start, first = {}, 0
    for s in enumeration.species:
        last = first + len(enumeration.shells[s])
        shell_start[s] = order.shell_start[first : last + 1]
        first = last
    return Contracted(system, order, one, channel_start, shell_start)


@dataclass(frozen=True)
class ProductPlans:
    r"""Products of one centre species: the site features A they are made of, and the products."""

    factors: WordPlan
    products: ProductPlan


@dataclass(frozen=True, eq=False)
class SiteFeatures:
    r"""Everything needed to evaluate the features of structures of given species.

    Attributes
    ----------
    enumeration : SiteEnumeration
    irreps : tuple of (lam, sigma)
    target : {"site", "structure"}
    plans : {species: WordPlan}
        Of nu = 1; of all species, or of those that are centres.
    product_plans : {species: ProductPlans}
        Of nu > 1; empty where there are none.
    """

    enumeration: SiteEnumeration
    irreps: tuple[Irrep, ...]
    target: str
    plans: dict[str, WordPlan]
    product_plans: dict[str, ProductPlans]

    @property
    def species(self) -> tuple[str, ...]:
        """Species of the model."""
        return self.enumeration.species

    def n_columns(self, irrep: Irrep) -> int:
        """Columns of a structure's row for one irrep: those of all species side by side."""
        k = self.irreps.index(irrep)
        products = sum(plans.products.n_columns[k] for plans in self.product_plans.values())
        return products + sum(plan.n_columns[k] for plan in self.plans.values())

    def sites(
        self, system: System | Contracted, kernels: Kernels = cpu
    ) -> dict[tuple[str, int, int], np.ndarray]:
        r"""Site features, ``{(species, lam, sigma): (n_sites, 2 lam + 1, n_columns)}``."""
        with one_blas_thread():
            by_species = self._rows(system, kernels, summed=False)
        return {
            (s, *irrep): values
            for s, features in by_species.items()
            for irrep, values in features.items()
        }

    def structure(
        self, system: System | Contracted, kernels: Kernels = cpu
    ) -> dict[Irrep, np.ndarray]:
        r"""Features summed over the atoms of each species, ``{irrep: (2 lam + 1, p)}``."""
        with one_blas_thread():
            by_species = self._rows(system, kernels, summed=True)
        return {
            irrep: np.concatenate([by_species[s][irrep][0] for s in self.species], axis=1)
            for irrep in self.irreps
        }

    def _rows(
        self, system: System | Contracted, kernels: Kernels, summed: bool
    ) -> dict[str, dict[Irrep, np.ndarray]]:
        """``{species: {irrep: (n_rows, 2 lam + 1, n_columns)}}``, nu = 1 before products."""
        one = contracted(self.enumeration, system)
        rows = {}
        for s, sites in zip(self.species, one.order.sites, strict=True):
            if s not in self.plans:
                continue
            own = np.arange(len(sites))
            row_of_site = np.zeros(len(sites), np.int64) if summed else own
            n_rows = 1 if summed else len(sites)
            given = (*one.matrices, one.channel_start, one.shell_start[s])
            plan = self.plans[s]
            rows[s] = plan.split(kernels.site_rows(plan, *given, row_of_site, n_rows))
            if s in self.product_plans:
                plans = self.product_plans[s]
                A = kernels.site_rows(plans.factors, *given, own, len(sites))
                B = kernels.product_rows(plans.products, A, row_of_site, n_rows)
                for irrep, values in plans.products.split(B).items():
                    rows[s][irrep] = np.concatenate([rows[s][irrep], values], axis=2)
        return rows


@lru_cache(maxsize=64)
def compiled(
    enumeration: SiteEnumeration,
    products: ProductEnumeration | None,
    irreps: tuple[Irrep, ...],
    target: str,
    centres: tuple[str, ...] | None = None,
) -> SiteFeatures:
    r"""Plans for all species of an enumeration, or for `centres`; made once and kept."""
    centres = enumeration.species if centres is None else centres
    plans = {s: site_plan(enumeration, s, irreps, target) for s in centres}
    product_plans = {}
    if products is not None:
        one = products.factor_enumeration
        product_plans = {
            s: ProductPlans(
                site_plan(one, s, products.factor_irreps(s), "site"),
                product_plan(products, s, irreps),
            )
            for s in centres
        }
    return SiteFeatures(enumeration, irreps, target, plans, product_plans)
