r"""Site features of large structures, neighbourhood by neighbourhood.

Where V has a reach, a word ``W_ii = sum V_ij P V_jk .. V_li`` of kappa factors passes through atoms
at most floor(kappa / 2) steps away from i, neither of which it sees the whole molecule for. The
sites are taken cell by cell of a grid; for the atoms within that many steps of a cell's sites, V is
gathered from its blocks (`linvop.integrals.sparse`) into small dense matrices, for which the
kernels are the same as for a whole molecule:

- K, between the cell's sites alone;
- E, from the sites to their neighbourhood;
- M, within it.

Time and memory grow as the number of atoms, but for the logarithm in `linvop.integrals.cells`.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
from pyscf import lib

from linvop.basis.enumeration import SiteEnumeration
from linvop.basis.words import Irrep
from linvop.compiled import njit
from linvop.conventions import BOHR
from linvop.features.reach import switch
from linvop.features.species_rows import Kernels, ProductPlans, species_rows
from linvop.integrals import System
from linvop.integrals.sparse import SparsePotential, sparse_potential
from linvop.kernels.plan import WordPlan
from linvop.orbitals.order import channel_order
from linvop.orbitals.shells import AOLayout

__all__ = ["LARGE", "Neighbourhoods", "is_large"]

LARGE = 150
"""Atoms from which on structures are taken apart; below, whole matrices are faster."""

_CELL = 6.0
"""Side of a cell, Bohr."""

_PARTS = 64
"""Tasks that threads take one after another."""


def is_large(enumeration: SiteEnumeration, system: System) -> bool:
    """Whether a structure is to be taken apart."""
    return enumeration.reach is not None and system.layout.n_atoms >= LARGE


@dataclass(frozen=True)
class Neighbourhoods:
    r"""V of a large structure in blocks, and who is whose neighbour.

    Attributes
    ----------
    enumeration : SiteEnumeration
    system : System
    parts : tuple of SparsePotential
        One for each screening, without the cut.
    f : (n_pairs,) float64
        The cut of each pair.
    starts : (n_atoms + 1,) int64
        Entries of each atom in the three arrays below.
    others, pairs : (n_entries,) int64
        The other atom of a pair, and the number of the pair.
    cells : tuple of (n,) int64
        Atoms of each cell, in order.
    """

    enumeration: SiteEnumeration
    system: System
    parts: tuple[SparsePotential, ...]
    f: np.ndarray
    starts: np.ndarray
    others: np.ndarray
    pairs: np.ndarray
    cells: tuple[np.ndarray, ...]

    @classmethod
    def of(cls, enumeration: SiteEnumeration, system: System) -> Neighbourhoods:
        """The potentials of a structure for an enumeration with a reach."""
        reach = float(enumeration.reach or 0.0) / BOHR
        names = enumeration.species if enumeration.sources == "species" else None
        parts = tuple(
            sparse_potential(system, reach, screening=zeta, sources=names)
            for zeta in enumeration.screenings
        )
        first, second = parts[0].pairs[:, 0], parts[0].pairs[:, 1]
        between = np.flatnonzero(first != second)
        atom = np.concatenate([first, second[between]])
        other = np.concatenate([second, first[between]])
        pair = np.concatenate([np.arange(len(first)), between])
        order = np.lexsort((other, atom))
        counts = np.bincount(atom, minlength=len(system.positions))
        return cls(
            enumeration,
            system,
            parts,
            switch(parts[0].distances, reach)[0],
            np.concatenate([[0], np.cumsum(counts)]).astype(np.int64),
            other[order],
            pair[order],
            tuple(_cells(system.positions)),
        )

    @property
    def bound(self) -> float:
        """Largest bound of what an element of V errs by, Hartree."""
        return max(float(part.bounds.max()) for part in self.parts)

    def rows(
        self,
        plans: dict[str, WordPlan],
        product_plans: dict[str, ProductPlans],
        summed: bool,
        kernels: Kernels,
    ) -> dict[str, dict[Irrep, np.ndarray]]:
        r"""``{species: {irrep: (n_rows, 2 lam + 1, n_columns)}}``; one row if `summed`."""
        symbols = np.asarray(self.system.layout.symbols)
        number = np.zeros(len(symbols), np.int64)  # of an atom within its species
        out: dict[str, dict[Irrep, np.ndarray]] = {}
        for s, plan in plans.items():
            atoms = np.flatnonzero(symbols == s)
            number[atoms] = np.arange(len(atoms))
            products = product_plans.get(s)
            out[s] = _empty(plan, products, 1 if summed else len(atoms))

        def of_cells(part: tuple[int, int]) -> list[tuple[str, np.ndarray, dict]]:
            return [
                (s, number[sites], rows)
                for cell in range(*part)
                for s, sites, rows in self._of_cell(
                    cell, symbols, plans, product_plans, summed, kernels
                )
            ]

        edges = np.linspace(0, len(self.cells), min(_PARTS, len(self.cells)) + 1).astype(int)
        with ThreadPoolExecutor(lib.num_threads()) as pool:
            # In order, so that sums do not depend on the number of threads.
            for found in pool.map(of_cells, itertools.pairwise(edges.tolist())):
                for s, places, rows in found:
                    for irrep, values in rows.items():
                        if summed:
                            out[s][irrep] += values
                        else:
                            out[s][irrep][places] = values
        return out

    def _of_cell(
        self,
        cell: int,
        symbols: np.ndarray,
        plans: dict[str, WordPlan],
        product_plans: dict[str, ProductPlans],
        summed: bool,
        kernels: Kernels,
    ) -> Iterator[tuple[str, np.ndarray, dict[Irrep, np.ndarray]]]:
        atoms = self.cells[cell]
        around = atoms
        for _ in range(self.enumeration.kappa // 2):
            ranges = [self.others[self.starts[a] : self.starts[a + 1]] for a in around.tolist()]
            around = np.unique(np.concatenate(ranges))
        channel_start, M, place = self._gathered(around)
        for s, plan in plans.items():
            sites = atoms[symbols[atoms] == s]
            if not len(sites):
                continue
            shell_start, rows = self._rows_of(s, np.searchsorted(around, sites), around, place)
            E = np.ascontiguousarray(M[:, rows])
            K = np.ascontiguousarray(E[:, :, rows])
            given = K, E, M, channel_start, shell_start
            products = product_plans.get(s)
            found = species_rows(plan, products, given, len(sites), summed, kernels)
            yield s, sites, found

    def _rows_of(
        self, species: str, sites: np.ndarray, around: np.ndarray, place: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray]:
        """Starts of the shells among the rows of some sites, and where these rows stand in M."""
        widths = np.diff(self.system.layout.atom_offsets)[around]
        first = np.concatenate([[0], np.cumsum(widths)[:-1]])[sites]
        own = channel_order(
            AOLayout((self.system.numbers[around[sites[0]]],), self.system.ao), (species,)
        )
        shell_widths = np.diff(own.shell_start)
        within = np.split(own.order, own.shell_start[1:-1])
        rows = np.concatenate([place[(first[:, None] + w).ravel()] for w in within])
        starts = np.concatenate([[0], np.cumsum(shell_widths * len(sites))])
        return starts.astype(np.int64), rows

    def _gathered(self, around: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Channels of some atoms, their M, and where each of their AOs stands in it."""
        enumeration, offsets = self.enumeration, self.system.layout.atom_offsets
        numbers = np.asarray(self.system.numbers)[around]
        layout = AOLayout(tuple(numbers.tolist()), self.system.ao)
        order = channel_order(layout, enumeration.species)
        shells = enumeration.channel_shells
        channel_start = order.shell_start[[first for first, _ in shells] + [shells[-1][1]]]
        place = np.empty(layout.n_ao, np.int64)
        place[order.order] = np.arange(layout.n_ao)
        n_sources = sum(len(part.data) for part in self.parts)
        M = np.zeros((n_sources, layout.n_ao, layout.n_ao))
        first = 0
        for part in self.parts:
            given = part.pairs, part.data, self.f, self.starts, self.others, self.pairs
            _gather(around, *given, np.diff(offsets), place, M[first : first + len(part.data)])
            first += len(part.data)
        return channel_start, M, place


def _empty(plan: WordPlan, products: ProductPlans | None, n_rows: int) -> dict[Irrep, np.ndarray]:
    out = {}
    for k, (irrep, n) in enumerate(zip(plan.irreps, plan.n_columns, strict=True)):
        more = 0 if products is None else products.products.n_columns[k]
        out[irrep] = np.zeros((n_rows, 2 * irrep[0] + 1, n + more))
    return out


def _cells(positions: np.ndarray) -> list[np.ndarray]:
    """Atoms of each cell of a grid."""
    places = np.floor((positions - positions.min(axis=0)) / _CELL).astype(np.int64)
    _, which = np.unique(places, axis=0, return_inverse=True)
    order = np.argsort(which.ravel(), kind="stable")
    return np.split(order, np.cumsum(np.bincount(which.ravel()))[:-1])


@njit(nogil=True)
def _gather(around, blocks, data, f, starts, others, pairs, widths, place, M):
    """Blocks of V, times f, of all pairs of some atoms, in the order of `place`."""
    n = len(around)
    first = np.zeros(n + 1, np.int64)
    for k in range(n):
        first[k + 1] = first[k] + widths[around[k]]
    for k in range(n):
        i, m = around[k], k
        for entry in range(starts[i], starts[i + 1]):
            j = others[entry]
            if j < i:
                continue
            while m < n and around[m] < j:
                m += 1
            if m == n:
                break
            if around[m] != j:
                continue
            pair = pairs[entry]
            at = blocks[pair, 2]
            for s in range(len(data)):
                for a in range(widths[i]):
                    row = place[first[k] + a]
                    for b in range(widths[j]):
                        value = f[pair] * data[s, at + a * widths[j] + b]
                        column = place[first[m] + b]
                        M[s, row, column] = value
                        M[s, column, row] = value
