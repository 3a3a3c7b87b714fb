r"""Nuclei grouped by cells of grids, each within a larger one.

About the centre of a cell the potential of all nuclei far from it is expanded once, for all pairs
of atoms whose middle lies in it: the nuclei far from the next larger cell come with that cell's
expansion, moved; those near the larger but far from the smaller cell are added. What is near the
smallest cells is listed. As far as the nuclei are a liquid's, the lists and the shells between two
sizes hold as many nuclei whatever their number in all.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
from pyscf import lib

from linvop.integrals.cell_kernel import bounds_beyond, cell_expansions, near_of_cells
from linvop.integrals.error_bounds import FarDistances, cell_distances, orders_by_square
from linvop.integrals.system import System
from linvop.integrals.taylor import HIGHEST_ORDER

__all__ = ["Cells", "cells_of", "expanded_cells", "in_parts", "screened_cells"]

_CELL, _RATIO = 4.0, 2
"""Side of the smallest cells, Bohr, and how much larger those are that they are in."""

_PARTS = 64
"""Tasks that threads take one after another."""

_BINS = 2048


@dataclass(frozen=True)
class Cells:
    r"""Cells of one size.

    Attributes
    ----------
    centres : (n_cells, 3) float64
    expansions : (n_cells, n_sets, 2, L + 1, L + 1) float64
        Of the nuclei far from each, coefficients k_z = 0 and 1; of screened nuclei (0, ..).
    bounds : (n_cells, n_sets) float64
        What they leave out of any matrix element.
    starts, near : (n_cells + 1,), (n_entries,) int64
        The nuclei that are not far from each.
    """

    centres: np.ndarray
    expansions: np.ndarray
    bounds: np.ndarray
    starts: np.ndarray
    near: np.ndarray

    @property
    def arrays(self) -> tuple[np.ndarray, ...]:
        """In the order of the fields."""
        return self.centres, self.expansions, self.bounds, self.starts, self.near


def cells_of(points: np.ndarray, corner: np.ndarray, side: float = _CELL) -> tuple:
    """Cell of each point, (n,) int64, and the centres of all cells that have one."""
    places = np.floor((points - corner) / side).astype(np.int64)
    cells, which = np.unique(places, axis=0, return_inverse=True)
    return which.ravel().astype(np.int64), corner + (cells + 0.5) * side


def screened_cells(
    system: System,
    weights: np.ndarray,
    centres: np.ndarray,
    kinds: Sequence[FarDistances],
    reach: float,
    tolerance: float,
) -> Cells:
    """Cells without expansions: beyond a distance, next to nothing is left of a nucleus."""
    n_sets = len(weights)
    above = _nowhere(n_sets, len(system.positions))
    outside, nearer = _largest(kinds), 0.5 * reach + _half_diagonal(_CELL)
    square = (outside + nearer) ** 2
    parents = np.zeros(len(centres), np.int64)
    near = near_of_cells(centres, parents, above.starts, above.near, system.positions, square)
    bounds = np.zeros((len(centres), n_sets))
    falls = tolerance, outside, nearer, min(x.decay for x in kinds)
    bounds_beyond(centres, system.positions, weights, square, *falls, bounds)
    return Cells(centres, above.expansions[:0], bounds, *near)


def expanded_cells(
    system: System,
    weights: np.ndarray,
    centres: np.ndarray,
    kinds: Sequence[FarDistances],
    reach: float,
    tolerance: float,
) -> Cells:
    r"""The smallest cells, from the largest of all down to them.

    Parameters
    ----------
    system : System
    weights : (n_sets, n_atoms) float64
    centres : (n_cells, 3) float64
        Of the smallest cells.
    kinds : sequence of FarDistances
        Of all pairs of elements.
    reach, tolerance : float
    """
    positions = system.positions
    corner, extent = positions.min(axis=0), float(np.ptp(positions, axis=0).max())
    outside = _largest(kinds)
    symbols = tuple(dict.fromkeys(system.layout.symbols))
    pairs = list(itertools.combinations_with_replacement(sorted(symbols), 2))
    chain: list[tuple[np.ndarray, float, np.ndarray]] = []
    side, own = _CELL, centres
    while True:
        half = _half_diagonal(side)
        distances = np.max(
            [cell_distances(system.ao, s, t, reach, tolerance, half) for s, t in pairs], axis=0
        )
        distances = np.maximum(distances, outside + 0.5 * reach + half)
        if chain and not distances[-1] < np.sqrt(3.0) * extent:
            break  # nothing is far from such cells
        chain.append((own, side, distances))
        side *= _RATIO
        own = cells_of(own, corner, side)[1]
    level = _nowhere(len(weights), len(positions))
    for k, (own, side, distances) in reversed(list(enumerate(chain))):
        top = k == len(chain) - 1
        parents = np.zeros(len(own), np.int64) if top else cells_of(own, corner, _RATIO * side)[0]
        nearer = 0.5 * reach + _half_diagonal(side)
        falls = tolerance, outside, nearer, min(x.decay for x in kinds)
        level = _within(system, weights, own, parents, level, distances, falls)
    return level


def _within(
    system: System,
    weights: np.ndarray,
    centres: np.ndarray,
    parents: np.ndarray,
    above: Cells,
    distances: np.ndarray,
    falls: tuple[float, float, float, float],
) -> Cells:
    """Cells within larger ones."""
    n_cells, n_sets, side = len(centres), len(weights), HIGHEST_ORDER + 1
    expansions = np.zeros((n_cells, n_sets, 2, side, side))
    bounds = np.zeros((n_cells, n_sets))
    finite = distances[np.isfinite(distances)]
    bins_per_square = _BINS / float((2 * finite.max(initial=1.0)) ** 2)
    orders = orders_by_square(distances, bins_per_square, _BINS)
    given = (
        centres,
        parents,
        (above.centres, above.expansions, above.bounds),
        (above.starts, above.near),
        system.positions,
        weights,
        (distances**2, orders, bins_per_square, *falls),
    )

    def work(first: int, last: int) -> None:
        cell_expansions(first, last, *given, expansions, bounds)

    in_parts(work, n_cells)
    square = float(distances[-1] ** 2)
    near = near_of_cells(centres, parents, above.starts, above.near, system.positions, square)
    return Cells(centres, expansions, bounds, *near)


def _nowhere(n_sets: int, n: int) -> Cells:
    """One cell to which all nuclei are near."""
    side = HIGHEST_ORDER + 1
    nothing = np.zeros((1, n_sets, 2, side, side))
    starts = np.asarray([0, n], np.int64)
    return Cells(np.zeros((1, 3)), nothing, np.zeros((1, n_sets)), starts, np.arange(n))


def _largest(kinds: Sequence[FarDistances]) -> float:
    return max(float(k.outside.max()) for k in kinds)


def _half_diagonal(side: float) -> float:
    return 0.5 * float(np.sqrt(3.0)) * side


def in_parts(work: Callable[[int, int], None], n: int) -> None:
    r"""``work(first, last)`` for all of n, on as many threads as PySCF would take."""
    edges = np.linspace(0, n, min(_PARTS, n) + 1).astype(int).tolist()
    with ThreadPoolExecutor(lib.num_threads()) as pool:
        list(pool.map(lambda part: work(*part), itertools.pairwise(edges)))
