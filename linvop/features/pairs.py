r"""Features of the pairs of atoms of a structure: `System` to arrays."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import NamedTuple

import numpy as np

from linvop.basis.pairs import EXCHANGES, PairEnumeration
from linvop.basis.words import Irrep
from linvop.conventions import BOHR
from linvop.errors import InputError
from linvop.features.contractions import Contracted, Kernels, SiteFeatures, compiled, contracted
from linvop.features.threads import one_blas_thread
from linvop.integrals import System
from linvop.kernels import cpu
from linvop.kernels.pair_plan import PairPlan, pair_plan

__all__ = ["PairFeatures", "PairValues", "SiteRows", "checked_exchange", "compiled_pairs"]

SiteRows = dict[str, np.ndarray]


class PairValues(NamedTuple):
    r"""Features of pairs of atoms.

    Attributes
    ----------
    atoms : (n_pairs, 2) int64
        i and j, in the order of `linvop.orbitals.blocks`: by i, then j.
    values : (n_pairs, 2 lam + 1, n_columns) float64
        Powers of Hartree.
    """

    atoms: np.ndarray
    values: np.ndarray


@dataclass(frozen=True, eq=False)
class PairFeatures:
    r"""Everything needed to evaluate the pair features of structures of given species.

    Attributes
    ----------
    pairs : PairEnumeration
    irreps : tuple of (lam, sigma)
    exchange : {None, 1, -1}
    cutoff : float or None
        Angstrom.
    sites : SiteFeatures or None
        Features of single atoms, where there are products.
    plans : {(s1, s2): PairPlan}
    """

    pairs: PairEnumeration
    irreps: tuple[Irrep, ...]
    exchange: int | None
    cutoff: float | None
    sites: SiteFeatures | None
    plans: dict[tuple[str, str], PairPlan]

    def evaluate(
        self,
        system: System | Contracted,
        kernels: Kernels = cpu,
        site_rows: SiteRows | None = None,
    ) -> dict[tuple[str, str, int, int], PairValues]:
        r"""Features of all pairs, ``{(s1, s2, lam, sigma): PairValues}``.

        Parameters
        ----------
        system : System or Contracted
            The latter where several features of one structure are wanted.
        kernels : module
        site_rows : {species: (n_sites, n) float64}, optional
            What `site_rows` gives for this structure, where it is there already.
        """
        found = {}
        with one_blas_thread():
            one = contracted(self.pairs.factors.site, system)
            sites = self.site_rows(one, kernels) if site_rows is None else site_rows
            for (s1, s2), plan in self.plans.items():
                numbers, atoms = self.pairs_of(one, s1, s2)
                B = self._rows(one, kernels, (s1, s2), plan, numbers, sites)
                for irrep, values in plan.products.split(B).items():
                    found[s1, s2, *irrep] = PairValues(atoms, values)
        return found

    def site_rows(self, one: Contracted, kernels: Kernels = cpu) -> SiteRows:
        """A of all atoms of each species, (n_sites, all columns of all irreps)."""
        if self.sites is None:
            return {s: np.zeros((len(one.order.sites[k]), 0)) for k, s in enumerate(self._species)}
        features = self.sites.sites(one, kernels)
        rows: dict[str, list[np.ndarray]] = {s: [] for s in self._species}
        for (s, *_), x in features.items():
            rows[s].append(x.reshape(len(x), x.shape[1] * x.shape[2]))
        return {s: np.concatenate(parts, axis=1) for s, parts in rows.items()}

    @property
    def _species(self) -> tuple[str, ...]:
        return self.pairs.factors.species

    def pairs_of(self, one: Contracted, s1: str, s2: str) -> tuple[np.ndarray, np.ndarray]:
        """Pairs of two species as numbers within each, and as atoms; both (n_pairs, 2)."""
        first, second = (one.order.sites[self._species.index(s)] for s in (s1, s2))
        i, j = (x.ravel() for x in np.indices((len(first), len(second))))
        if s1 == s2:
            kept = i != j if self.exchange is None else i < j
            i, j = i[kept], j[kept]
        if self.cutoff is not None:
            x = one.system.positions
            near = np.linalg.norm(x[first[i]] - x[second[j]], axis=1) <= self.cutoff / BOHR
            i, j = i[near], j[near]
        return np.column_stack([i, j]), np.column_stack([first[i], second[j]])

    def _rows(
        self,
        one: Contracted,
        kernels: Kernels,
        species: tuple[str, str],
        plan: PairPlan,
        numbers: np.ndarray,
        sites: SiteRows,
    ) -> np.ndarray:
        """B of the pairs, (n_pairs, row_size)."""
        s1, s2 = species
        n = len(numbers)
        both = self.exchange is not None and s1 == s2
        ordered = np.concatenate([numbers, numbers[:, ::-1]]) if both else numbers
        starts = one.shell_start[s1], one.shell_start[s2]
        words = kernels.pair_rows(plan.words, *one.matrices, one.channel_start, *starts, ordered)
        if both:
            words[n:] *= self.exchange
        rows = np.concatenate([words, sites[s1][ordered[:, 0]], sites[s2][ordered[:, 1]]], axis=1)
        pair_of_row = np.tile(np.arange(n), 2 if both else 1)
        B = kernels.product_rows(plan.products, rows, pair_of_row, n)
        if both:
            B *= plan.scale
        return B


def checked_exchange(exchange: int | None) -> int | None:
    r"""Refuse what is no sign.

    Raises
    ------
    InputError
    """
    if exchange not in EXCHANGES:
        raise InputError(f"exchange: expected None, 1 or -1, got {exchange!r}")
    return exchange


@lru_cache(maxsize=64)
def compiled_pairs(
    pairs: PairEnumeration,
    irreps: tuple[Irrep, ...],
    exchange: int | None,
    cutoff: float | None,
    kinds: tuple[tuple[str, str], ...] | None = None,
) -> PairFeatures:
    r"""Plans for all pairs of species of an enumeration, or for `kinds`; made once and kept."""
    factors = pairs.factors
    sites = None
    if any(factors.nu_pair):
        sites = compiled(
            factors.factor_enumeration, factors.factor_products, factors.site_irreps, "site"
        )
    kinds = pairs.species_pairs if kinds is None else kinds
    plans = {(s1, s2): pair_plan(pairs, s1, s2, irreps, exchange) for s1, s2 in kinds}
    return PairFeatures(pairs, irreps, exchange, cutoff, sites, plans)
