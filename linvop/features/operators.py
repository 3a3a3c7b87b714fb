r"""Features of the blocks of an operator: sites for its diagonal, pairs for the rest.

A block (`linvop.orbitals.operator_blocks`) of irrep (lam, sigma) is linear in the features of
the same irrep, of the same atom or pair of atoms and, between like atoms, of the same sign
under their exchange.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from linvop.basis.labels import Label, PairLabel
from linvop.errors import InputError
from linvop.features.basis import Basis
from linvop.features.block_features import BlockFeatures, Kind
from linvop.features.contractions import Contracted, Kernels, SiteFeatures, compiled, contracted
from linvop.features.design import Progress
from linvop.features.pairs import PairFeatures, PairValues, compiled_pairs
from linvop.features.threads import available_cores, one_blas_thread, one_thread_each
from linvop.integrals import System
from linvop.kernels import cpu
from linvop.orbitals.operator_blocks import OperatorBlock
from linvop.orbitals.shells import AOBasis

if TYPE_CHECKING:
    from ase import Atoms

__all__ = ["Kind", "OperatorFeatures", "operator_features", "operator_rows"]


@dataclass(frozen=True, eq=False)
class OperatorFeatures:
    r"""Everything needed to evaluate the features of the blocks of operators.

    Attributes
    ----------
    basis : Basis
    species : tuple of str
    blocks : tuple of OperatorBlock
    sites : {species: SiteFeatures}
        Of the blocks on site.
    pairs : {(species of i, of j, exchange): PairFeatures}
        Of the others; exchange is 0 between unlike atoms.
    """

    basis: Basis
    species: tuple[str, ...]
    blocks: tuple[OperatorBlock, ...]
    sites: dict[str, SiteFeatures]
    pairs: dict[tuple[str, str, int], PairFeatures]

    @property
    def cutoff(self) -> float | None:
        """Angstrom; pairs beyond it have no row."""
        return self.basis.pair_cutoff

    @property
    def ao(self) -> AOBasis:
        """AO basis of the systems to evaluate."""
        return self.basis.ao_basis

    @property
    def kinds(self) -> tuple[Kind, ...]:
        """Which atoms the blocks belong to, without repetition."""
        return tuple(dict.fromkeys(block.kind for block in self.blocks))

    def of_kinds(self, kinds: Iterable[Kind]) -> OperatorFeatures:
        """The features of the blocks of these atoms alone."""
        chosen = frozenset(kinds)
        return replace(
            self,
            blocks=tuple(b for b in self.blocks if b.kind in chosen),
            sites={s: x for s, x in self.sites.items() if (s, s, True) in chosen},
            pairs={k: x for k, x in self.pairs.items() if (*k[:2], False) in chosen},
        )

    @cached_property
    def _by_feature(self) -> dict[tuple, OperatorBlock]:
        return {
            (b.species_i, b.species_j, b.on_site, b.exchange, b.lam, b.sigma): b
            for b in self.blocks
        }

    def labels(self, block: OperatorBlock) -> Sequence[Label | PairLabel]:
        r"""Names of the columns of a block, in storage order."""
        s, t, on_site = block.kind
        irrep = block.lam, block.sigma
        if not on_site:
            return self.basis.pairs(self.species).labels(s, t, irrep, block.exchange or None)
        products = self.basis.products(self.species)
        found: list[Label] = list(self.basis.enumeration(self.species).labels(s, irrep, "site"))
        return found if products is None else [*found, *products.labels(s, irrep)]

    def count(self, block: OperatorBlock) -> int:
        r"""Number of columns of a block."""
        s, t, on_site = block.kind
        irrep = block.lam, block.sigma
        if not on_site:
            return self.basis.pairs(self.species).count(s, t, irrep, block.exchange or None)
        products = self.basis.products(self.species)
        n = len(self.basis.enumeration(self.species).columns(s, irrep, "site"))
        return n if products is None else n + products.count(s, irrep)

    def evaluate(
        self, system: System | Contracted, kernels: Kernels = cpu
    ) -> dict[OperatorBlock, PairValues]:
        r"""Features of one structure.

        Parameters
        ----------
        system : System
            In the AO basis of the features.
        kernels : module

        Returns
        -------
        {block: (atoms (n, 2), values (n, 2 lam + 1, n_columns))}
            Blocks of which the structure has an atom, or a pair within the cutoff.
        """
        found: dict[OperatorBlock, PairValues] = {}
        with one_blas_thread():
            one = contracted(self.basis.enumeration(self.species), system)
            for s, features in self.sites.items():
                atoms = one.order.sites[self.species.index(s)]
                both = np.column_stack([atoms, atoms])
                for (_, lam, sigma), values in features.sites(one, kernels).items():
                    self._put(found, (s, s, True, 0, lam, sigma), PairValues(both, values))
            self._put_pairs(found, one, kernels)
        return found

    def _put_pairs(
        self, found: dict[OperatorBlock, PairValues], one: Contracted, kernels: Kernels
    ) -> None:
        site_rows = None
        for (s, t, exchange), features in self.pairs.items():
            if site_rows is None:
                site_rows = features.site_rows(one, kernels)
            for (*_, lam, sigma), part in features.evaluate(one, kernels, site_rows).items():
                self._put(found, (s, t, False, exchange, lam, sigma), part)

    def _put(self, found: dict[OperatorBlock, PairValues], key: tuple, values: PairValues) -> None:
        block = self._by_feature.get(key)
        if block is not None and len(values.atoms):
            found[block] = values


def operator_features(
    basis: Basis, species: tuple[str, ...], blocks: Iterable[OperatorBlock]
) -> OperatorFeatures:
    r"""Compile the features of some blocks.

    Raises
    ------
    InputError
        If a block has a larger lam than the features.
    """
    blocks = tuple(blocks)
    highest = max((b.lam for b in blocks), default=0)
    if highest > basis.lam_max:
        raise InputError(
            f"lam_max: expected at least {highest}, as the operator's shells couple to that, "
            f"got {basis.lam_max}"
        )
    site, products, pairs = (
        basis.enumeration(species),
        basis.products(species),
        basis.pairs(species),
    )
    wanted: dict[tuple[str, str, bool, int], list[tuple[int, int]]] = {}
    for b in blocks:
        wanted.setdefault((*b.kind, b.exchange), []).append((b.lam, b.sigma))
    on_site, off_site = {}, {}
    for (s, t, here, exchange), found in wanted.items():
        irreps = tuple(found)
        if here:
            on_site[s] = compiled(site, products, irreps, "site", (s,))
        else:
            off_site[s, t, exchange] = compiled_pairs(
                pairs, irreps, exchange or None, basis.pair_cutoff, ((s, t),)
            )
    return OperatorFeatures(basis, species, blocks, on_site, off_site)


def operator_rows(
    features: BlockFeatures,
    frames: Sequence[Atoms],
    *,
    workers: int | None = None,
    progress: Progress | None = None,
    source: str = "frames",
) -> dict[OperatorBlock, tuple[np.ndarray, list[np.ndarray]]]:
    r"""Features of the blocks of many structures.

    Parameters
    ----------
    features : BlockFeatures
    frames : sequence of ase.Atoms
    workers : int, optional
        Threads; default one for each core.
    progress : callable, optional
    source : str
        For messages.

    Returns
    -------
    {block: (values (n, 2 lam + 1, n_columns), atoms [(n_k, 2) of each structure])}
        Pairs of the structures one after another.

    Raises
    ------
    InputError
        Naming the frame, if a structure cannot be evaluated.
    """
    ao = features.ao

    def evaluate(index: int) -> dict[OperatorBlock, PairValues]:
        try:
            return features.evaluate(System.from_atoms(frames[index], ao))
        except InputError as error:
            raise InputError(f"{source}, frame {index}: {error}") from error

    parts: dict[OperatorBlock, list[np.ndarray]] = {b: [] for b in features.blocks}
    atoms: dict[OperatorBlock, list[np.ndarray]] = {b: [] for b in features.blocks}
    nothing = np.zeros((0, 2), np.int64)
    with one_thread_each(workers or available_cores()) as pool:
        for done, found in enumerate(pool.map(evaluate, range(len(frames))), start=1):
            for block in features.blocks:
                got = found.get(block)
                atoms[block].append(nothing if got is None else got.atoms)
                if got is not None:
                    parts[block].append(got.values)
            if progress is not None:
                progress(done, len(frames))
    rows = {}
    for block in features.blocks:
        values = parts.pop(block)
        width = 2 * block.lam + 1
        joined = np.concatenate(values) if values else np.zeros((0, width, features.count(block)))
        rows[block] = joined, atoms[block]
    return rows
