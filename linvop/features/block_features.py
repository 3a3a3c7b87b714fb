r"""What a fit of operators asks of its features: linvop's own, or those of a peer.

A block (`linvop.orbitals.operator_blocks`) is linear in the columns of its features,

.. math:: F^{ab;\,\lambda\mu}_{ij} = c^{ab} \cdot B_{ij}(\lambda\mu, \sigma),

whatever they are made of: they must turn as the block does and, between like atoms, have its sign
under exchange.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
from scipy.spatial.distance import cdist

from linvop.features.pairs import PairValues
from linvop.integrals import System
from linvop.orbitals.operator_blocks import OperatorBlock
from linvop.orbitals.shells import AOBasis

if TYPE_CHECKING:
    from ase import Atoms

__all__ = ["BlockFeatures", "Kind", "bytes_of_kind", "count_rows"]

Kind = tuple[str, str, bool]
"""Species of the atoms i and j, same atom or not."""


class BlockFeatures(Protocol):
    r"""Features of the blocks of an operator (`linvop.features.operators`)."""

    @property
    def blocks(self) -> tuple[OperatorBlock, ...]:
        """That have features."""
        ...

    @property
    def kinds(self) -> tuple[Kind, ...]:
        """Which atoms the blocks belong to, without repetition."""
        ...

    @property
    def cutoff(self) -> float | None:
        """Angstrom; pairs beyond it have no row."""
        ...

    @property
    def ao(self) -> AOBasis:
        """AO basis of the systems to evaluate."""
        ...

    def of_kinds(self, kinds: Iterable[Kind]) -> BlockFeatures:
        """The features of the blocks of these atoms alone."""
        ...

    def labels(self, block: OperatorBlock) -> Sequence[Any]:
        """Names of the columns of a block; each has a ``kappa``, which the prior reads."""
        ...

    def count(self, block: OperatorBlock) -> int:
        """Number of columns of a block."""
        ...

    def evaluate(self, system: System) -> dict[OperatorBlock, PairValues]:
        """Features of one structure."""
        ...


def count_rows(kind: Kind, atoms: Atoms, cutoff: float | None) -> int:
    r"""Atoms, or pairs within the cutoff, that a structure has of a kind."""
    s, t, on_site = kind
    symbols = np.asarray(atoms.get_chemical_symbols())
    first, second = (atoms.positions[symbols == x] for x in (s, t))
    if on_site:
        return len(first)
    if cutoff is None:
        near = len(first) * len(second)
    else:
        near = int(np.sum(cdist(first, second) <= cutoff))
    return (near - len(first)) // 2 if s == t else near


def bytes_of_kind(
    features: BlockFeatures, kind: Kind, frames: Sequence[Atoms]
) -> dict[OperatorBlock, float]:
    r"""Memory that the features of some structures need, of each block of a kind."""
    n = sum(count_rows(kind, atoms, features.cutoff) for atoms in frames)
    return {
        b: 8.0 * n * (2 * b.lam + 1) * features.count(b) for b in features.blocks if b.kind == kind
    }
