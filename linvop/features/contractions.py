r"""Contractions of V at the sites of a structure and their products: `System` to features."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from linvop.basis.enumeration import SiteEnumeration
from linvop.basis.products import ProductEnumeration
from linvop.basis.words import Irrep
from linvop.errors import InputError
from linvop.features.memory import require_memory
from linvop.features.metric import Multiplied, multiplied
from linvop.features.neighbourhoods import Neighbourhoods, is_large
from linvop.features.species_rows import Kernels, ProductPlans, species_rows
from linvop.features.threads import one_blas_thread
from linvop.integrals import System
from linvop.kernels import cpu
from linvop.kernels.plan import WordPlan, site_plan
from linvop.kernels.product_plan import product_plan
from linvop.orbitals.order import ChannelOrder, channel_order

__all__ = ["Contracted", "Kernels", "SiteFeatures", "compiled", "contracted"]

_WHOLE_MATRICES = 6
"""Of n_ao^2 numbers each, of every source, that derivatives hold at least."""


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
    _check_species(enumeration, system)
    if is_large(enumeration, system):
        n_ao, n_sources = system.layout.n_ao, len(enumeration.screenings)
        n_sources *= len(enumeration.source_names)
        require_memory(
            8.0 * _WHOLE_MATRICES * n_sources * n_ao**2,
            f"{system.layout.n_atoms} atoms: forces, operators and pairs take whole matrices of "
            f"{n_ao} AOs, which",
            advice="energies alone are made neighbourhood by neighbourhood",
        )
    order = channel_order(system.layout, enumeration.species)
    by_species = enumeration.sources == "species"
    settings = enumeration.metric, enumeration.screenings, by_species, enumeration.reach
    one = multiplied(system, order, *settings)
    shells = enumeration.channel_shells
    channel_start = order.shell_start[[first for first, _ in shells] + [shells[-1][1]]]
    shell_start, first = {}, 0
    for s in enumeration.species:
        last = first + len(enumeration.shells[s])
        shell_start[s] = order.shell_start[first : last + 1]
        first = last
    return Contracted(system, order, one, channel_start, shell_start)


def _check_species(enumeration: SiteEnumeration, system: System) -> None:
    unknown = sorted(set(system.layout.symbols) - set(enumeration.species))
    if unknown:
        raise InputError(f"species {', '.join(unknown)}: expected {', '.join(enumeration.species)}")


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
        self, system: System | Contracted | Neighbourhoods, kernels: Kernels = cpu
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
        self, system: System | Contracted | Neighbourhoods, kernels: Kernels = cpu
    ) -> dict[Irrep, np.ndarray]:
        r"""Features summed over the atoms of each species, ``{irrep: (2 lam + 1, p)}``."""
        with one_blas_thread():
            by_species = self._rows(system, kernels, summed=True)
        return {
            irrep: np.concatenate([by_species[s][irrep][0] for s in self.species], axis=1)
            for irrep in self.irreps
        }

    def _rows(
        self, system: System | Contracted | Neighbourhoods, kernels: Kernels, summed: bool
    ) -> dict[str, dict[Irrep, np.ndarray]]:
        """``{species: {irrep: (n_rows, 2 lam + 1, n_columns)}}``, nu = 1 before products."""
        if isinstance(system, System) and is_large(self.enumeration, system):
            _check_species(self.enumeration, system)
            system = Neighbourhoods.of(self.enumeration, system)
        if isinstance(system, Neighbourhoods):
            return system.rows(self.plans, self.product_plans, summed, kernels)
        one = contracted(self.enumeration, system)
        return {
            s: species_rows(
                self.plans[s],
                self.product_plans.get(s),
                (*one.matrices, one.channel_start, one.shell_start[s]),
                len(sites),
                summed,
                kernels,
            )
            for s, sites in zip(self.species, one.order.sites, strict=True)
            if s in self.plans
        }


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
