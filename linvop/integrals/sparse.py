r"""V between atoms within a reach only, at a cost that grows as the number of atoms.

.. math:: V_{ij} = \sum_{K\ \text{near}} -Z_K \langle i| v(|r - R_K|) |j \rangle
                   + \langle i| \Phi_{\text{far}} |j \rangle, \qquad |R_i - R_j| \le c .

Near nuclei go through libcint. The others are outside of all products of the pair's AOs to within
a tolerance (`linvop.integrals.error_bounds`); their potential is expanded about the pair's middle
(`linvop.integrals.taylor`), of which the products see a few derivatives
(`linvop.integrals.gaussian_products`). Nuclei far from a whole cell of the grid that the middles
lie in are expanded once for that cell. Of a screened potential nothing is left far away.

What is left out is bounded for every pair (`SparsePotential.bounds`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.spatial import cKDTree

from linvop.errors import InputError
from linvop.integrals.cells import cells_of, expanded_cells, in_parts, screened_cells
from linvop.integrals.error_bounds import far_distances
from linvop.integrals.external import source_weights
from linvop.integrals.gaussian_products import element_shells, spherical
from linvop.integrals.sparse_kernel import pair_blocks
from linvop.integrals.system import System, checked_exponent

__all__ = ["SparsePotential", "sparse_potential"]

_TOLERANCE = 1.5e-10
"""Hartree, per unit of charge and nucleus."""


@dataclass(frozen=True)
class SparsePotential:
    r"""Blocks of V of pairs of atoms.

    Attributes
    ----------
    system : System
    pairs : (n_pairs, 3) int64
        Atoms i <= j and where the block starts in `data`, sorted by j after i.
    distances : (n_pairs,) float64
        Bohr.
    data : (n_sources, n) float64
        Blocks (n_ao_i, n_ao_j), C order, Hartree, PySCF's order within an atom.
    bounds : (n_pairs, n_sources) float64
        Hartree: what every element may err by, rounding apart.
    """

    system: System
    pairs: np.ndarray
    distances: np.ndarray
    data: np.ndarray
    bounds: np.ndarray

    def block(self, pair: int) -> np.ndarray:
        """Block of one pair, (n_sources, n_ao_i, n_ao_j)."""
        i, j, start = self.pairs[pair].tolist()
        widths = np.diff(self.system.layout.atom_offsets)
        shape = int(widths[i]), int(widths[j])
        return self.data[:, start : start + shape[0] * shape[1]].reshape(-1, *shape)

    def dense(self) -> np.ndarray:
        """All of it, (n_sources, n_ao, n_ao); zero beyond the reach."""
        offsets = self.system.layout.atom_offsets.tolist()
        out = np.zeros((len(self.data), offsets[-1], offsets[-1]))
        for k, (i, j, _) in enumerate(self.pairs.tolist()):
            rows, columns = slice(*offsets[i : i + 2]), slice(*offsets[j : j + 2])
            out[:, rows, columns] = self.block(k)
            out[:, columns, rows] = self.block(k).swapaxes(1, 2)
        return out


def sparse_potential(
    system: System,
    reach: float,
    *,
    screening: float | None = None,
    sources: Sequence[str] | None = None,
    tolerance: float = _TOLERANCE,
) -> SparsePotential:
    r"""V of all pairs of atoms within `reach`.

    Parameters
    ----------
    system : System
    reach : float
        Bohr.
    screening, sources
        As for `linvop.integrals.potential`.
    tolerance : float
        Of each nucleus, Hartree per unit of charge: smaller is slower. The sum over all nuclei is
        in ``bounds``.

    Raises
    ------
    InputError
        For a reach or tolerance that is not positive.
    """
    for name, value in (("reach", reach), ("tolerance", tolerance)):
        if not (np.isfinite(value) and value > 0):
            raise InputError(f"{name}: expected a positive number, got {value!r}")
    positions = system.positions
    weights = np.ascontiguousarray(source_weights(system, sources))
    pairs, distances = _pairs(system, reach)
    middles = 0.5 * (positions[pairs[:, 0]] + positions[pairs[:, 1]])
    cells, centres = cells_of(middles, positions.min(axis=0))
    symbols = tuple(dict.fromkeys(system.layout.symbols))
    settings = float(reach), float(tolerance)
    zeta = checked_exponent(screening)
    kinds = [
        far_distances(system.ao, *sorted((s, t)), *settings, zeta) for s in symbols for t in symbols
    ]
    make = screened_cells if zeta else expanded_cells
    fields = make(system, weights, centres, kinds, *settings)
    data = np.zeros((len(weights), int(pairs[-1, 2]) + _size(system, pairs[-1])))
    bounds = np.zeros((len(pairs), len(weights)))
    element = np.asarray([symbols.index(s) for s in system.layout.symbols], np.int64)
    atm, bas, _, ao_loc = system.libcint
    first_row = np.searchsorted(bas[:, 0], np.arange(len(positions) + 1)).astype(np.int64)
    given = (
        (positions, element, first_row),
        (positions, weights, tolerance),
        fields.arrays,
        (
            np.stack([k.outside**2 for k in kinds]),
            np.stack([k.of_order**2 for k in kinds]),
            np.stack([k.orders_at for k in kinds]),
            np.asarray([k.decay for k in kinds]),
        ),
        (atm, bas, system.env_screened(screening), ao_loc),
        _flat_shells(system, symbols),
    )

    def work(first: int, last: int) -> None:
        pair_blocks(first, last, pairs, cells, data, bounds, *given)

    in_parts(work, len(pairs))
    return SparsePotential(system, pairs, distances, data, bounds)


def _pairs(system: System, reach: float) -> tuple[np.ndarray, np.ndarray]:
    """Atoms i <= j within reach, with the places of their blocks, and their distances."""
    positions, n = system.positions, len(system.positions)
    near = cKDTree(positions).query_pairs(reach, output_type="ndarray")
    both = np.concatenate([np.repeat(np.arange(n)[:, None], 2, axis=1), np.sort(near, axis=1)])
    both = both[np.lexsort((both[:, 1], both[:, 0]))]
    widths = np.diff(system.layout.atom_offsets)
    sizes = widths[both[:, 0]] * widths[both[:, 1]]
    starts = np.concatenate([[0], np.cumsum(sizes)[:-1]])
    distances = np.linalg.norm(positions[both[:, 0]] - positions[both[:, 1]], axis=1)
    return np.column_stack([both, starts]).astype(np.int64), distances


def _size(system: System, pair: np.ndarray) -> int:
    widths = np.diff(system.layout.atom_offsets)
    return int(widths[pair[0]] * widths[pair[1]])


def _flat_shells(system: System, symbols: Sequence[str]) -> tuple[np.ndarray, ...]:
    """Shells of all elements one after the other."""
    own = [element_shells(system.ao, s) for s in symbols]
    counts = [len(x.l) for x in own]
    n_primitives = np.concatenate([[0], np.cumsum([len(x.exponents) for x in own])])
    starts = [x.first_primitive[:-1] + k for x, k in zip(own, n_primitives[:-1], strict=True)]
    return (
        np.concatenate([[0], np.cumsum(counts)]).astype(np.int64),
        np.concatenate([x.l for x in own]),
        np.concatenate([x.first_ao[:-1] for x in own]),
        np.concatenate([*starts, n_primitives[-1:]]).astype(np.int64),
        np.concatenate([x.exponents for x in own]),
        np.concatenate([x.coefficients for x in own]),
        *spherical(),
    )
