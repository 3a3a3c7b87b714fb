r"""The orders in which AOs stand, and the permutations between them.

PySCF's order
    atom, shell, component; p shells run x, y, z, all others m = -l .. l.
m order
    the same with every shell m = -l .. l, so p shells run y, z, x. Inside linvop always.
channel order
    species, shell, atom, component (in m order): the AOs of one (species, shell) channel
    are adjacent, and so are those of one species. The kernels of contractions use it.

This is the only file of linvop that permutes AOs between conventions.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from linvop.conventions import M_FROM_CARTESIAN
from linvop.orbitals.shells import AOLayout

__all__ = ["ChannelOrder", "channel_order", "from_m_order", "m_order", "to_m_order"]

_P_FROM_PYSCF = np.array(M_FROM_CARTESIAN)


def m_order(layout: AOLayout) -> np.ndarray:
    r"""Index array q with ``M_m = M_pyscf[q][:, q]``; shape (n_ao,)."""
    order = np.arange(layout.n_ao)
    for symbol, start in zip(layout.symbols, layout.atom_offsets, strict=False):
        for shell, offset in zip(
            layout.ao.shells(symbol), layout.shell_offsets[symbol], strict=False
        ):
            if shell.l == 1:
                first = start + offset
                order[first : first + 3] = first + _P_FROM_PYSCF
    return order


def to_m_order(matrix: np.ndarray, layout: AOLayout) -> np.ndarray:
    r"""Bring ``matrix`` (..., n_ao, n_ao) from PySCF's order to m order."""
    q = m_order(layout)
    return matrix[..., q[:, None], q]


def from_m_order(matrix: np.ndarray, layout: AOLayout) -> np.ndarray:
    r"""Bring ``matrix`` (..., n_ao, n_ao) from m order to PySCF's order."""
    q = np.argsort(m_order(layout))
    return matrix[..., q[:, None], q]


@dataclass(frozen=True)
class ChannelOrder:
    r"""The channel order of one structure.

    Attributes
    ----------
    species : tuple of str
        All species of the model, in its order; a structure need not have each.
    order : (n_ao,) int64
        ``M_channel = M_pyscf[order][:, order]``.
    shell_start : (n_shells + 1,) int64
        First AO of each (species, shell), in the order of `species` and of their shells;
        equal neighbours where the species is absent.
    sites : tuple of (n_s,) int64, one for each species
        Indices of the atoms of each species: site k of species s has the components of shell
        a at ``shell_start[s, a] + k (2 l + 1)``.
    """

    species: tuple[str, ...]
    order: np.ndarray
    shell_start: np.ndarray
    sites: tuple[np.ndarray, ...]


def channel_order(layout: AOLayout, species: Sequence[str]) -> ChannelOrder:
    r"""Channel order of a structure for a model with the given species.

    Parameters
    ----------
    layout : AOLayout
    species : sequence of str
        Must contain every species of the structure.
    """
    symbols = np.asarray(layout.symbols)
    order: list[np.ndarray] = []
    start = [0]
    sites = []
    for s in species:
        atoms, shells = np.flatnonzero(symbols == s), layout.ao.shells(s)
        sites.append(atoms)
        if not len(atoms):
            start += [start[-1]] * len(shells)
            continue
        first = layout.atom_offsets[atoms]
        offset = 0
        for shell in shells:
            width = 2 * shell.l + 1
            within = _P_FROM_PYSCF if shell.l == 1 else np.arange(width)
            order.append((first[:, None] + (offset + within)).ravel())
            start.append(start[-1] + width * len(atoms))
            offset += width
    return ChannelOrder(
        tuple(species),
        np.concatenate(order).astype(np.int64) if order else np.zeros(0, np.int64),
        np.asarray(start, np.int64),
        tuple(sites),
    )
