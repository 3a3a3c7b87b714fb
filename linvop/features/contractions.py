r"""Contractions of V at the sites of a structure: from a `System` to features."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from linvop.basis.enumeration import Irrep, SiteEnumeration
from linvop.errors import InputError
from linvop.features.metric import factors
from linvop.features.threads import one_blas_thread
from linvop.integrals import System
from linvop.kernels import cpu
from linvop.kernels.plan import SitePlan, site_plan
from linvop.orbitals.order import ChannelOrder, channel_order

__all__ = ["SiteFeatures", "compiled"]

Kernel = Callable[..., np.ndarray]


@dataclass(frozen=True, eq=False)
class SiteFeatures:
    r"""Everything needed to evaluate the features of structures of given species.

    Attributes
    ----------
    enumeration : SiteEnumeration
    irreps : tuple of (lam, sigma)
    target : {"site", "structure"}
    plans : {species: SitePlan}
    """

    enumeration: SiteEnumeration
    irreps: tuple[Irrep, ...]
    target: str
    plans: dict[str, SitePlan]

    @property
    def species(self) -> tuple[str, ...]:
        """Species of the model."""
        return self.enumeration.species

    def n_columns(self, irrep: Irrep) -> int:
        """Columns of a structure's row for one irrep: those of all species side by side."""
        k = self.irreps.index(irrep)
        return sum(plan.n_columns[k] for plan in self.plans.values())

    def sites(
        self, system: System, kernel: Kernel = cpu.site_rows
    ) -> dict[tuple[str, int, int], np.ndarray]:
        r"""Site features, ``{(species, lam, sigma): (n_sites, 2 lam + 1, n_columns)}``."""
        with one_blas_thread():
            by_species = self._rows(system, kernel, summed=False)
        out = {}
        for s, rows in by_species.items():
            for irrep, values in self.plans[s].split(rows).items():
                out[(s, *irrep)] = values
        return out

    def structure(self, system: System, kernel: Kernel = cpu.site_rows) -> dict[Irrep, np.ndarray]:
        r"""Features summed over the atoms of each species, ``{irrep: (2 lam + 1, p)}``."""
        with one_blas_thread():
            by_species = self._rows(system, kernel, summed=True)
        split = {s: self.plans[s].split(rows) for s, rows in by_species.items()}
        return {
            irrep: np.concatenate([split[s][irrep][0] for s in self.species], axis=1)
            for irrep in self.irreps
        }

    def _rows(self, system: System, kernel: Kernel, summed: bool) -> dict[str, np.ndarray]:
        unknown = sorted(set(system.layout.symbols) - set(self.species))
        if unknown:
            raise InputError(f"species {', '.join(unknown)}: expected {', '.join(self.species)}")
        order = channel_order(system.layout, self.species)
        matrices = factors(
            system,
            order,
            self.enumeration.metric,
            self.enumeration.screenings,
            self.enumeration.sources == "species",
        )
        channel_start = self._channel_start(order)
        rows, shell = {}, 0
        for s, sites in zip(self.species, order.sites, strict=True):
            n_shells = len(self.enumeration.shells[s])
            starts = order.shell_start[shell : shell + n_shells + 1]
            shell += n_shells
            row_of_site = np.zeros(len(sites), np.int64) if summed else np.arange(len(sites))
            n_rows = 1 if summed else len(sites)
            rows[s] = kernel(self.plans[s], *matrices, channel_start, starts, row_of_site, n_rows)
        return rows

    def _channel_start(self, order: ChannelOrder) -> np.ndarray:
        shells = self.enumeration.channel_shells
        return order.shell_start[[first for first, _ in shells] + [shells[-1][1]]]


@lru_cache(maxsize=64)
def compiled(enumeration: SiteEnumeration, irreps: tuple[Irrep, ...], target: str) -> SiteFeatures:
    r"""Plans for all species of an enumeration; made once and kept."""
    plans = {s: site_plan(enumeration, s, irreps, target) for s in enumeration.species}
    return SiteFeatures(enumeration, irreps, target, plans)
