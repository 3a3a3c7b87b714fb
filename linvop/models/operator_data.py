r"""Training data of an operator model: checked records, and their matrices as blocks."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import TYPE_CHECKING

import numpy as np

from linvop.errors import InputError
from linvop.features.basis import ordered_species
from linvop.integrals import System, overlap
from linvop.io.matrices import checked_matrix
from linvop.io.records import Record
from linvop.io.structures import check_frames, require_one_state
from linvop.models.baselines import baseline, density_baseline
from linvop.models.functional import Functional
from linvop.observables.lowdin import square_roots
from linvop.orbitals.blocks import couple, uncouple
from linvop.orbitals.operator_blocks import (
    OperatorBlock,
    from_blocks,
    operator_blocks,
    to_blocks,
)
from linvop.orbitals.order import from_m_order, to_m_order
from linvop.orbitals.shells import AOBasis, AOLayout

if TYPE_CHECKING:
    from ase import Atoms

    from linvop.io.dataset import Dataset

__all__ = ["OperatorFrame", "OperatorSet", "operator_set"]


@dataclass(frozen=True)
class OperatorSet:
    r"""Checked structures with one operator each.

    Attributes
    ----------
    frames : list of ase.Atoms
    records : list of Record
    species : tuple of str
    state : (int, int)
        Total charge and multiplicity, the same for all.
    spin_channels : int
    source : str
    """

    frames: list[Atoms]
    records: list[Record]
    species: tuple[str, ...]
    state: tuple[int, int]
    spin_channels: int
    source: str


def operator_set(data: Dataset, target: str, source: str = "data") -> OperatorSet:
    r"""Check that all structures have the operator, one charge and one spin.

    Raises
    ------
    InputError
        Else, and for matrices of another shape, not finite or not symmetric.
    """
    records = list(data)
    if not records:
        raise InputError(f"{source}: expected structures, got none")
    without = [k for k, r in enumerate(records) if getattr(r, target) is None]
    if without:
        raise InputError(
            f"{source}: frame {without[0]}: expected {target}, got none ({len(without)} of "
            f"{len(records)} structures have none); take data.having({target!r})"
        )
    channels = sorted({r.spin_channels for r in records})
    if len(channels) > 1:
        raise InputError(f"{source}: expected closed shells or open shells, got both")
    frames = check_frames([r.atoms() for r in records], source=source)
    for k, record in enumerate(records):
        n_ao = AOLayout(tuple(record.numbers.tolist()), data.ao).n_ao
        where = f"{source}: frame {k}: {target}"
        checked_matrix(getattr(record, target), n_ao, channels[0] == 2, where)
    state = require_one_state(frames, source)
    if channels[0] == 1 and state[1] != 1:
        raise InputError(
            f"{source}: expected two spin channels of multiplicity {state[1]}, got one"
        )
    species = ordered_species(z for a in frames for z in set(a.numbers.tolist()))
    return OperatorSet(frames, records, species, state, channels[0], source)


@dataclass(frozen=True)
class OperatorFrame:
    r"""How matrices of one structure become blocks, and blocks matrices.

    With the baseline M0 and, where the operator is learned between orthogonal orbitals,
    T = S^-1/2 for Fock matrices and S^1/2 for density matrices,

    .. math:: M \to T (M - M_0) T \to \text{irreps} \to \text{blocks} .

    Attributes
    ----------
    system : System
        In the AO basis of the operator.
    target : {"fock", "density"}
    baseline : str
    orthogonal : bool
    functional : Functional or None
        Where the baseline needs one.
    state : (int, int)
        Charge and multiplicity.
    """

    system: System
    target: str
    baseline: str
    orthogonal: bool
    functional: Functional | None = None
    state: tuple[int, int] = (0, 1)

    @property
    def layout(self) -> AOLayout:
        """Where the AOs stand."""
        return self.system.layout

    def to_blocks(self, matrices: np.ndarray) -> dict[OperatorBlock, np.ndarray]:
        r"""Blocks of matrices (n_channels, n_ao, n_ao) in PySCF's order.

        Returns
        -------
        {block: (n_pairs, 2 lam + 1, n_targets n_channels)}
            The targets of the first channel first.
        """
        known, T = self._known(len(matrices)), self._transformation(False)
        found: dict[OperatorBlock, list[np.ndarray]] = {}
        for k, matrix in enumerate(matrices):
            one = matrix if known is None else matrix - known[k]
            one = one if T is None else T @ one @ T
            for block, values in to_blocks(
                couple(to_m_order(one, self.layout), self.layout)
            ).items():
                found.setdefault(block, []).append(values)
        return {block: np.concatenate(parts, axis=2) for block, parts in found.items()}

    def to_matrices(self, blocks: dict[OperatorBlock, np.ndarray], n_channels: int) -> np.ndarray:
        r"""The inverse of `to_blocks`, (n_channels, n_ao, n_ao), exactly symmetric."""
        n = self.layout.n_ao
        known, T = self._known(n_channels), self._transformation(True)
        template = couple(np.zeros((n, n)), self.layout)
        out = np.empty((n_channels, n, n))
        for k in range(n_channels):
            own = {b: np.array_split(v, n_channels, axis=2)[k] for b, v in blocks.items()}
            one = from_m_order(uncouple(from_blocks(own, template)), self.layout)
            one = one if T is None else T @ one @ T
            one = one if known is None else one + known[k]
            out[k] = 0.5 * (one + one.T)
        return out

    def gradient_blocks(self, D: np.ndarray) -> dict[OperatorBlock, np.ndarray]:
        r"""Derivatives of ``tr(D M)`` by the blocks of M, for a symmetric D in PySCF's order.

        The blocks are orthonormal coordinates of symmetric matrices, but for elements that stand
        in the matrix twice: between atoms, and on site between different shells.
        """
        T = self._transformation(True)
        one = D if T is None else T @ D @ T
        found = to_blocks(couple(to_m_order(one, self.layout), self.layout))
        return {block: values * self.multiplicity(block) for block, values in found.items()}

    def multiplicity(self, block: OperatorBlock) -> np.ndarray:
        """How often each target of a block stands in the matrix, (t,): once or twice."""
        shells = _blocks_of(self.system.ao, (block.species_i, block.species_j))[block]
        twice = shells[:, 0] != shells[:, 1] if block.on_site else np.full(len(shells), True)
        return 1.0 + twice

    def learned(self, matrices: np.ndarray) -> np.ndarray:
        r"""``T M T`` of matrices (..., n_ao, n_ao): between the orbitals of learning."""
        T = self._transformation(False)
        return matrices if T is None else T @ matrices @ T

    def pairs(self, block: OperatorBlock) -> np.ndarray:
        r"""Atoms (i, j) of each row of a block, (n_pairs, 2), ascending."""
        symbols = np.asarray(self.layout.symbols)
        first, second = (np.flatnonzero(symbols == s) for s in (block.species_i, block.species_j))
        if block.on_site:
            return np.column_stack([first, first])
        i, j = (x.ravel() for x in np.meshgrid(first, second, indexing="ij"))
        kept = i < j if block.species_i == block.species_j else np.full(len(i), True)
        return np.column_stack([i[kept], j[kept]])

    def rows_of(self, block: OperatorBlock, atoms: np.ndarray) -> np.ndarray:
        """Rows of a block that belong to the given pairs, (n,)."""
        n = self.layout.n_atoms
        every = self.pairs(block) @ [n, 1]
        return np.searchsorted(every, atoms @ [n, 1])

    def _known(self, n_channels: int) -> np.ndarray | None:
        """M0 of each spin channel; a Fock matrix is that of either spin."""
        if self.target == "density":
            settings = self.functional, self.state, n_channels
            return density_baseline(self.baseline, self.system, *settings)
        known = self._fock_baseline
        return None if known is None else np.stack([known] * n_channels)

    @cached_property
    def _fock_baseline(self) -> np.ndarray | None:
        return baseline(self.baseline, self.system, self.functional)

    def _transformation(self, back: bool) -> np.ndarray | None:
        if not self.orthogonal:
            return None
        root, inverse = self._roots
        return root if (self.target == "density") != back else inverse

    @cached_property
    def _roots(self) -> tuple[np.ndarray, np.ndarray]:
        return square_roots(overlap(self.system))


@lru_cache(maxsize=256)
def _blocks_of(ao: AOBasis, species: tuple[str, str]) -> dict[OperatorBlock, np.ndarray]:
    return operator_blocks(ao, ordered_species(species))
