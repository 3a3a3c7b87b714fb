r"""The peer of the operator models: lambda-SOAP on site, and lambda-SOAP times a pair's density.

.. math:: B_i = \{\rho_i \otimes \rho_i\}^{\lambda\sigma}, \qquad
          f_{ij} = \{A_i \otimes g_{ij}\}^{\lambda\sigma}, \qquad
          B_{ij} = (f_{ij}, f_{ji}) \;\text{ or, of like atoms, }\;
          (f_{ij} + e f_{ji}) / \sqrt 2

with e the sign of exchange of the block (`linvop.orbitals.operator_blocks`). A_i is the density
rho_i and the first channels of its lambda-SOAP, turned so that they hold as much as possible of
it on the training atoms (`spectrum_channels`; the whole of it would be too many columns).

J. Nigam, M. J. Willatt, M. Ceriotti, J. Chem. Phys. 156, 014115 (2022); the contraction is that of
J. Nigam, S. Pozdnyakov, M. Ceriotti, J. Chem. Phys. 153, 121101 (2020).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np
from ase.data import atomic_numbers

from linvop.bench.coupled_densities import coupled, power_spectrum, spectrum_terms
from linvop.bench.pair_densities import PairDensities, pair_densities
from linvop.bench.spectrum_turns import LambdaSoapSettings, Turns
from linvop.features.pairs import PairValues
from linvop.integrals import System
from linvop.orbitals.operator_blocks import OperatorBlock
from linvop.orbitals.shells import AOBasis

__all__ = ["DensityLabel", "LambdaSoapFeatures"]


class DensityLabel(NamedTuple):
    r"""One column: how many densities of neighbours it is a product of, and of which l."""

    kappa: int
    l1: int
    sigma1: int
    l2: int
    column: int


class _Term(NamedTuple):
    """Channels A of (nu, l1, sigma1) of an atom, coupled with l2 of g."""

    nu: int
    l1: int
    sigma1: int
    l2: int


@dataclass(frozen=True, eq=False)
class LambdaSoapFeatures:
    r"""Features of the blocks of operators, in the place of `OperatorFeatures`.

    Attributes
    ----------
    settings : LambdaSoapSettings
    species : tuple of str
        Those that have channels.
    blocks : tuple of OperatorBlock
    turns : Turns
        Empty without `spectrum_channels`.
    """

    settings: LambdaSoapSettings
    species: tuple[str, ...]
    blocks: tuple[OperatorBlock, ...]
    turns: Turns

    @property
    def ao(self) -> AOBasis:
        """Any: of a system only the atoms are read."""
        return AOBasis("sto-3g")

    @property
    def cutoff(self) -> None:
        """No pair is left out: beyond the cutoff of the densities its features are zero."""
        return None

    @property
    def kinds(self) -> tuple[tuple[str, str, bool], ...]:
        """Which atoms the blocks belong to, without repetition."""
        return tuple(dict.fromkeys(block.kind for block in self.blocks))

    def of_kinds(self, kinds: Iterable[tuple[str, str, bool]]) -> LambdaSoapFeatures:
        """The features of the blocks of these atoms alone."""
        chosen = frozenset(kinds)
        return replace(self, blocks=tuple(b for b in self.blocks if b.kind in chosen))

    def labels(self, block: OperatorBlock) -> Sequence[DensityLabel]:
        r"""Of the columns of a block, in storage order."""
        if block.on_site:
            terms = spectrum_terms(self._l_max, block.lam, block.sigma)
            widths = [self._spectrum_width(l1, l2, block.sigma) for l1, l2 in terms]
            return [
                DensityLabel(2, l1, 1, l2, k)
                for (l1, l2), n in zip(terms, widths, strict=True)
                for k in range(n)
            ]
        ends = [block.species_i] if block.exchange else [block.species_i, block.species_j]
        radial = self.settings.pairs.max_radial + 1
        return [
            DensityLabel(t.nu, t.l1, t.sigma1, t.l2, k)
            for s in ends
            for t in self._terms(s, block.lam, block.sigma)
            for k in range(radial * self._width(s, t))
        ]

    def count(self, block: OperatorBlock) -> int:
        r"""Number of columns of a block."""
        return len(self.labels(block))

    def evaluate(self, system: System) -> dict[OperatorBlock, PairValues]:
        r"""Features of one structure.

        Returns
        -------
        {block: (atoms (n, 2), values (n, 2 lam + 1, n_columns))}
            Blocks of which the structure has an atom or a pair.
        """
        z = [atomic_numbers[s] for s in self.species]
        own = pair_densities(system.numbers, system.positions, z, self.settings.atoms)
        between = own
        if self.settings.pairs != self.settings.atoms:
            between = pair_densities(system.numbers, system.positions, z, self.settings.pairs)
        channels: dict[tuple[str, int, int, int], np.ndarray] = {}
        found = {}
        for block in self.blocks:
            atoms = _atoms_of(block, own.numbers)
            if not len(atoms):
                continue
            if block.on_site:
                rho = [x[atoms[:, 0]] for x in own.atoms]
                values = power_spectrum(rho, block.lam, block.sigma)
            else:
                values = self._pair_values(block, atoms, own, between, channels)
            found[block] = PairValues(atoms, values)
        return found

    # -- pairs -----------------------------------------------------------------------------

    def _pair_values(
        self,
        block: OperatorBlock,
        atoms: np.ndarray,
        own: PairDensities,
        between: PairDensities,
        channels: dict[tuple[str, int, int, int], np.ndarray],
    ) -> np.ndarray:
        def one_way(s: str, i: np.ndarray, j: np.ndarray) -> np.ndarray:
            parts = [np.zeros((len(i), 2 * block.lam + 1, 0))]
            for t in self._terms(s, block.lam, block.sigma):
                key = s, t.nu, t.l1, t.sigma1
                if key not in channels:
                    channels[key] = self._channels(s, t, own)
                products = coupled(channels[key][i], between.pairs[t.l2][i, j], block.lam)
                parts.append(products.reshape(len(i), 2 * block.lam + 1, -1))
            return np.concatenate(parts, axis=2)

        i, j = atoms.T
        there, back = one_way(block.species_i, i, j), one_way(block.species_j, j, i)
        if block.exchange:
            return (there + block.exchange * back) * np.sqrt(0.5)
        return np.concatenate([there, back], axis=2)

    def _terms(self, s: str, lam: int, sigma: int) -> list[_Term]:
        every = range(self._l_max + 1)
        sources = [(1, l, 1) for l in every] + [(2, l, sign) for q, l, sign in self.turns if q == s]
        return [
            _Term(nu, l1, sigma1, l2)
            for nu, l1, sigma1 in sources
            for l2 in every
            if abs(l1 - l2) <= lam <= l1 + l2 and sigma1 * (-1) ** (l1 + l2 + lam) == sigma
        ]

    def _width(self, s: str, term: _Term) -> int:
        if term.nu == 2:
            return self.turns[s, term.l1, term.sigma1].shape[1]
        return self._density_width

    def _channels(self, s: str, term: _Term, own: PairDensities) -> np.ndarray:
        """A of all atoms, zero but on atoms of the species s, (n_atoms, 2 l1 + 1, n)."""
        if term.nu == 1:
            return own.atoms[term.l1]
        kept = np.flatnonzero(own.numbers == atomic_numbers[s])
        out = np.zeros((len(own.numbers), 2 * term.l1 + 1, self._width(s, term)))
        spectrum = power_spectrum([x[kept] for x in own.atoms], term.l1, term.sigma1)
        out[kept] = spectrum @ self.turns[s, term.l1, term.sigma1]
        return out

    # -- sizes -----------------------------------------------------------------------------

    @property
    def _l_max(self) -> int:
        return self.settings.atoms.max_angular

    @property
    def _density_width(self) -> int:
        return len(self.species) * (self.settings.atoms.max_radial + 1)

    def _spectrum_width(self, l1: int, l2: int, sigma: int) -> int:
        n = self._density_width
        return n * n if l1 < l2 else n * (n + sigma) // 2


def _atoms_of(block: OperatorBlock, numbers: np.ndarray) -> np.ndarray:
    """Atoms (i, j) of the rows of a block, (n, 2), ascending."""
    first, second = (
        np.flatnonzero(numbers == atomic_numbers[s]) for s in (block.species_i, block.species_j)
    )
    if block.on_site:
        return np.column_stack([first, first])
    i, j = (x.ravel() for x in np.meshgrid(first, second, indexing="ij"))
    kept = i < j if block.exchange else np.full(len(i), True)
    return np.column_stack([i[kept], j[kept]])
