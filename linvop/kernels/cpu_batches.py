r"""Batches of structures on the CPU: `linvop.kernels.cpu`, structure by structure.

What `linvop.kernels.gpu` computes, for NumPy arrays. All structures of a batch have one layout:
every channel is as wide as in the structure that has most atoms of its species, the own atoms of a
structure come first in each channel, and rows and columns of those that it lacks are zero.
"""

from __future__ import annotations

from collections.abc import Iterator
from types import ModuleType

import numpy as np

from linvop.kernels import cpu, cpu_adjoint
from linvop.kernels.plan import WordPlan
from linvop.kernels.product_plan import ProductPlan

__all__ = ["CpuBatches"]


class CpuBatches:
    r"""Kernels over batches of structures.

    Parameters
    ----------
    kernels, adjoint : module
        What works on one structure; default the compiled kernels.
    """

    xp = np

    def __init__(self, kernels: ModuleType = cpu, adjoint: ModuleType = cpu_adjoint) -> None:
        self._kernels, self._adjoint = kernels, adjoint

    def site_rows(
        self,
        plan: WordPlan,
        local: np.ndarray,
        first: np.ndarray,
        middle: np.ndarray,
        channel_start: np.ndarray,
        shell_start: np.ndarray,
        rows: np.ndarray,
    ) -> np.ndarray:
        r"""Site features of one centre species, summed over the sites of each row.

        Parameters
        ----------
        plan : WordPlan
        local, first, middle : (n_structures, n_sources, n_ao, n_ao) float64, channel order
        channel_start, shell_start
            As for `linvop.kernels.reference.site_rows`, of the common layout; NumPy arrays.
        rows : (n_rows, 3) int64
            Structure, first site and number of sites of each row. The rows of a structure follow
            each other, and their sites too, from the first site on.

        Returns
        -------
        (n_rows, plan.row_size) float64
        """
        out = np.zeros((len(rows), plan.row_size))
        for structure, chosen, row in _by_structure(rows):
            given = (*(x[structure] for x in (local, first, middle)), channel_start, shell_start)
            out[chosen] = self._kernels.site_rows(plan, *given, row, len(chosen))
        return out

    def pair_rows(
        self,
        plan: WordPlan,
        local: np.ndarray,
        first: np.ndarray,
        middle: np.ndarray,
        channel_start: np.ndarray,
        start_i: np.ndarray,
        start_j: np.ndarray,
        pairs: np.ndarray,
    ) -> np.ndarray:
        r"""Words between atoms i of one species and j of the same or another.

        Parameters
        ----------
        plan, local, first, middle, channel_start
            As for `site_rows`.
        start_i, start_j : (n_shells + 1,) int64
        pairs : (n_pairs, 3) int64
            Structure, and i and j, counted within their species.

        Returns
        -------
        (n_pairs, plan.row_size) float64
        """
        out = np.zeros((len(pairs), plan.row_size))
        for structure in np.unique(pairs[:, 0]):
            chosen = np.flatnonzero(pairs[:, 0] == structure)
            matrices = (x[structure] for x in (local, first, middle))
            starts = (channel_start, start_i, start_j)
            out[chosen] = self._kernels.pair_rows(plan, *matrices, *starts, pairs[chosen, 1:])
        return out

    def product_rows(
        self, plan: ProductPlan, factors: np.ndarray, row_first: np.ndarray
    ) -> np.ndarray:
        r"""Products of site features, summed over the sites of each row.

        Parameters
        ----------
        plan : ProductPlan
        factors : (n_sites, n) float64
            Of all structures, row by row.
        row_first : (n_rows + 1,) int64
            Sites of row r are ``row_first[r] : row_first[r + 1]``.

        Returns
        -------
        (n_rows, plan.row_size) float64
        """
        row = np.repeat(np.arange(len(row_first) - 1), np.diff(row_first))
        return self._kernels.product_rows(plan, factors, row, len(row_first) - 1)

    def site_rows_adjoint(
        self,
        plan: WordPlan,
        local: np.ndarray,
        first: np.ndarray,
        middle: np.ndarray,
        channel_start: np.ndarray,
        shell_start: np.ndarray,
        rows: np.ndarray,
        gradient: np.ndarray,
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        r"""Derivatives of ``<G, site_rows>`` by the three matrices, M symmetric.

        Parameters
        ----------
        plan, local, first, middle, channel_start, shell_start, rows
            As for `site_rows`.
        gradient : (n_rows, plan.row_size) or (1, plan.row_size) float64
            G; one for all rows.

        Returns
        -------
        three of (n_structures, n_sources, n_ao, n_ao) float64
            Those by the middle matrices count in their symmetric part only.
        """
        found = tuple(np.zeros_like(x) for x in (local, first, middle))
        G = np.broadcast_to(gradient, (len(rows), plan.row_size))
        for structure, chosen, row in _by_structure(rows):
            given = (*(x[structure] for x in (local, first, middle)), channel_start, shell_start)
            by = self._adjoint.site_rows_adjoint(plan, *given, row, G[chosen])
            for total, part in zip(found, by, strict=True):
                total[structure] += part
        return found  # type: ignore[return-value]

    def product_rows_adjoint(
        self, plan: ProductPlan, factors: np.ndarray, row_first: np.ndarray, gradient: np.ndarray
    ) -> np.ndarray:
        r"""Derivatives of ``<G, product_rows>`` by the factors, (n_sites, n) float64.

        Parameters
        ----------
        plan, factors, row_first
            As for `product_rows`.
        gradient : (n_rows, plan.row_size) or (1, plan.row_size) float64
        """
        row = np.repeat(np.arange(len(row_first) - 1), np.diff(row_first))
        G = np.broadcast_to(gradient, (len(row_first) - 1, plan.row_size))
        return self._adjoint.product_rows_adjoint(plan, factors, row, np.ascontiguousarray(G))


def _by_structure(rows: np.ndarray) -> Iterator[tuple[int, np.ndarray, np.ndarray]]:
    """Structure, its rows, and for each of its sites the number of the row among them."""
    for structure in np.unique(rows[:, 0]).tolist():
        chosen = np.flatnonzero(rows[:, 0] == structure)
        yield structure, chosen, np.repeat(np.arange(len(chosen)), rows[chosen, 2])
