r"""Batches of structures on the CPU: `linvop.kernels.cpu`, structure by structure.

What `linvop.kernels.gpu` computes, for NumPy arrays.
"""

from __future__ import annotations

from collections.abc import Iterator
from types import ModuleType

import numpy as np

from linvop.kernels import cpu, cpu_adjoint
from linvop.kernels.batch import Batch
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
        self, plan: WordPlan, batch: Batch, shell_start: np.ndarray, rows: np.ndarray
    ) -> np.ndarray:
        r"""Site features of one centre species, summed over the sites of each row.

        Parameters
        ----------
        plan : WordPlan
        batch : Batch
        shell_start : (n_structures, n_shells + 1) int64
            First AO of each shell of the centre species, of each structure; NumPy's.
        rows : (n_rows, 3) int64
            Structure, first site and number of sites of each row; NumPy's. The rows of a structure
            follow each other, and their sites too, from the first site on.

        Returns
        -------
        (n_rows, plan.row_size) float64
        """
        out = np.zeros((len(rows), plan.row_size))
        for b, chosen, row in _by_structure(rows):
            given = (*batch.structure(b), shell_start[b], row, len(chosen))
            out[chosen] = self._kernels.site_rows(plan, *given)
        return out

    def pair_rows(
        self,
        plan: WordPlan,
        batch: Batch,
        start_i: np.ndarray,
        start_j: np.ndarray,
        pairs: np.ndarray,
    ) -> np.ndarray:
        r"""Words between atoms i of one species and j of the same or another.

        Parameters
        ----------
        plan, batch
            As for `site_rows`.
        start_i, start_j : (n_structures, n_shells + 1) int64
        pairs : (n_pairs, 3) int64
            Structure, and i and j, counted within their species.

        Returns
        -------
        (n_pairs, plan.row_size) float64
        """
        out = np.zeros((len(pairs), plan.row_size))
        for b in np.unique(pairs[:, 0]).tolist():
            chosen = np.flatnonzero(pairs[:, 0] == b)
            given = (*batch.structure(b), start_i[b], start_j[b], pairs[chosen, 1:])
            out[chosen] = self._kernels.pair_rows(plan, *given)
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
        batch: Batch,
        shell_start: np.ndarray,
        rows: np.ndarray,
        gradient: np.ndarray,
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        r"""Derivatives of ``<G, site_rows>`` by the three matrices, M symmetric.

        Parameters
        ----------
        plan, batch, shell_start, rows
            As for `site_rows`.
        gradient : (n_rows, plan.row_size) or (1, plan.row_size) float64
            G; one for all rows.

        Returns
        -------
        three of (n_structures, n_sources, n_ao, n_ao) float64
            Those by the middle matrices count in their symmetric part only.
        """
        K, E, M = (np.zeros(x.shape) for x in (batch.local, batch.first, batch.middle))
        G = np.broadcast_to(gradient, (len(rows), plan.row_size))
        for b, chosen, row in _by_structure(rows):
            given = (*batch.structure(b), shell_start[b], row, G[chosen])
            n = int(batch.channel_start[b, -1])
            by = self._adjoint.site_rows_adjoint(plan, *given)
            for total, part in zip((K, E, M), by, strict=True):
                total[b, :, :n, :n] = part
        return K, E, M

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
    for b in np.unique(rows[:, 0]).tolist():
        chosen = np.flatnonzero(rows[:, 0] == b)
        yield b, chosen, np.repeat(np.arange(len(chosen)), rows[chosen, 2])
