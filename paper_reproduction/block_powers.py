r"""The paper's features of properties: blocks of plain powers of V, on site and between atoms.

.. math:: B_{st;\,ab}^{\kappa}(\lambda\mu) = \sum_{i \in s,\, j \in t}
          \langle (V^\kappa)_{ij}; ab; \lambda\mu \rangle, \qquad \kappa = 1, 2, \dots

for each pair of species, i = j apart from i != j. Nothing is told apart within a power. Of like
species (i, j) and (j, i) are both summed, so that (a, b) and (b, a) are the same column up to the
sign sigma: one is kept, and none of a = b with sigma = -1.

`linvop.Basis(resolution="total", metric="ao")` has the part that is on site. What stands between
atoms is another view of the same matrix: with it rows of V^kappa, which reach kappa bonds far
(`paper_reproduction.message_passing`), count.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from linvop.features.basis import ordered_species
from linvop.integrals import System, potential
from linvop.orbitals.blocks import BlockKey, Irreps, couple, shell_pairs
from linvop.orbitals.order import to_m_order
from linvop.orbitals.shells import AOBasis
from linvop.regression.prior import checked_cost
from paper_reproduction.designs import IRREPS, Design

if TYPE_CHECKING:
    from ase import Atoms

__all__ = ["block_power_designs"]

_KAPPA_COST = checked_cost(2.0)
"""As of linvop's own columns (`linvop.regression.prior`)."""


def block_power_designs(
    ao: str, kappa: int, frames: Sequence[Atoms], targets: Sequence[str]
) -> dict[str, Design]:
    r"""Rows of structures, for the targets' irreps.

    Parameters
    ----------
    ao : str
    kappa : int
        The highest power.
    frames : sequence of ase.Atoms
    targets : sequence of {"energy", "dipole"}

    Returns
    -------
    {target: Design}
    """
    basis = AOBasis(ao)
    species = ordered_species(z for a in frames for z in set(a.numbers.tolist()))
    return {
        target: _design(basis, kappa, frames, _columns(basis, species, *IRREPS[target]))
        for target in targets
    }


def _columns(
    ao: AOBasis, species: Sequence[str], lam: int, sigma: int
) -> dict[BlockKey, np.ndarray]:
    """Shells (a, b) of the columns of one power, by the block they are summed over."""
    found = {}
    for x, s in enumerate(species):
        for t in species[x:]:
            for on_site in (True, False) if s == t else (False,):
                key = BlockKey(s, t, on_site, lam, sigma)
                every = shell_pairs(ao, s, t, on_site).get(key)
                if every is not None:
                    found[key] = np.flatnonzero(_kept(key, every))
    return found


def _kept(key: BlockKey, shells: np.ndarray) -> np.ndarray:
    a, b = shells.T
    if key.on_site or key.species_i != key.species_j:
        return np.full(len(shells), True)
    return (a < b) | ((a == b) & (key.sigma == 1))


def _design(
    ao: AOBasis, kappa: int, frames: Sequence[Atoms], columns: dict[BlockKey, np.ndarray]
) -> Design:
    width = sum(len(kept) for kept in columns.values())
    m = 2 * next(iter(columns)).lam + 1
    rows = np.zeros((len(frames), m, kappa * width))
    largest = np.zeros(kappa)
    for k, atoms in enumerate(frames):
        system = System.from_atoms(atoms, ao)
        V = to_m_order(potential(system), system.layout)
        power = V
        for order in range(kappa):
            power = power if order == 0 else power @ V
            largest[order] = max(largest[order], np.abs(power).max() * len(V))
            irreps = couple(0.5 * (power + power.T), system.layout)
            start = order * width
            for key, kept in columns.items():
                if key in irreps.values:
                    rows[k, :, start : start + len(kept)] = _summed(irreps, key)[:, kept]
                start += len(kept)
    return Design(
        rows,
        np.repeat(_KAPPA_COST ** np.arange(kappa), width),
        np.repeat(np.finfo(float).eps * largest, width),
    )


def _summed(irreps: Irreps, key: BlockKey) -> np.ndarray:
    """Over the pairs of a block, like species in both orders, (2 lam + 1, n_shell_pairs)."""
    total = irreps.values[key].sum(axis=0)
    if key.on_site or key.species_i != key.species_j:
        return total
    shells = irreps.shell_pairs[key]
    place = {(int(a), int(b)): x for x, (a, b) in enumerate(shells)}
    turned = [place[int(b), int(a)] for a, b in shells]
    return total + key.sigma * total[:, turned]
