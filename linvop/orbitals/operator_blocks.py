r"""Irreps of a symmetric operator, sorted into blocks that one linear map each can learn.

Between unlike atoms, and on site, a block is all shell pairs (a, b) of one irrep. Between like
atoms i < j both orders of the pair hold the same information,

.. math:: F_{ji}^{ab;\,\lambda\sigma} = \sigma\, F_{ij}^{ba;\,\lambda\sigma},

so that exchange of the atoms maps the irreps of a pair among themselves. Its eigenvectors

.. math:: G_e^{ab} = \bigl( F_{ij}^{ab} + e\,\sigma\, F_{ij}^{ba} \bigr) / \sqrt 2
          \;\; (a < b), \qquad
          G_\sigma^{aa} = F_{ij}^{aa}, \qquad G_{e,ji} = e\, G_{e,ij}

are two blocks, e = 1 and -1, each linear in the features of the same sign
(`linvop.basis.pairs`). The map to G is orthogonal. Learned so, a predicted operator changes with
the order of like atoms exactly as it must, and each fit has half of the rows and of the columns.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import lru_cache
from itertools import combinations_with_replacement

import numpy as np

from linvop.orbitals.blocks import BlockKey, Irreps, shell_pairs
from linvop.orbitals.shells import AOBasis

__all__ = ["OperatorBlock", "from_blocks", "operator_blocks", "to_blocks"]


@dataclass(frozen=True, order=True, slots=True)
class OperatorBlock:
    r"""Which irreps are learned together.

    Attributes
    ----------
    species_i, species_j : str
        The lighter first.
    on_site : bool
    lam, sigma : int
    exchange : int
        Sign e between like atoms, else 0.
    """

    species_i: str
    species_j: str
    on_site: bool
    lam: int
    sigma: int
    exchange: int = 0

    @property
    def kind(self) -> tuple[str, str, bool]:
        """Which atoms."""
        return self.species_i, self.species_j, self.on_site

    @property
    def key(self) -> BlockKey:
        """Where its irreps are among those of a matrix."""
        return BlockKey(*self.kind, self.lam, self.sigma)

    def __str__(self) -> str:
        atoms = self.species_i if self.on_site else f"{self.species_i}-{self.species_j}"
        sign = f" exchange={self.exchange:+d}" if self.exchange else ""
        return f"{atoms} lam={self.lam} sigma={self.sigma:+d}{sign}"


@dataclass(frozen=True, eq=False)
class _Combination:
    r"""``G[c] = weight[c] (F[first[c]] + sign F[second[c]])``; its transpose is its inverse."""

    first: np.ndarray
    second: np.ndarray
    weight: np.ndarray
    sign: int


@lru_cache(maxsize=4096)
def _combinations(pairs: tuple[tuple[int, int], ...], sigma: int) -> dict[int, _Combination]:
    """Exchange sign to combination, for the (a, b) of one irrep between like atoms."""
    place = {ab: k for k, ab in enumerate(pairs)}
    found = {}
    for e in (1, -1):
        kept = [(a, b) for a, b in pairs if a < b or (a == b and e == sigma)]
        if kept:
            found[e] = _Combination(
                np.array([place[a, b] for a, b in kept]),
                np.array([place[b, a] for a, b in kept]),
                np.array([0.5 if a == b else np.sqrt(0.5) for a, b in kept]),
                e * sigma,
            )
    return found


def _exchanged(key: BlockKey, shells: np.ndarray) -> dict[int, _Combination]:
    return _combinations(tuple((int(a), int(b)) for a, b in shells), key.sigma)


def _like(key: BlockKey) -> bool:
    return key.species_i == key.species_j and not key.on_site


def _block(key: BlockKey, exchange: int = 0) -> OperatorBlock:
    return OperatorBlock(key.species_i, key.species_j, key.on_site, key.lam, key.sigma, exchange)


def operator_blocks(ao: AOBasis, species: tuple[str, ...]) -> dict[OperatorBlock, np.ndarray]:
    r"""All blocks that operators on these species have.

    Returns
    -------
    {OperatorBlock: (n_targets, 2) int64}
        Shells (a, b) of each target; of G the pairs with a <= b.
    """
    kinds = [(s, s, True) for s in species]
    kinds += [(s, t, False) for s, t in combinations_with_replacement(species, 2)]
    found = {}
    for s, t, on_site in kinds:
        for key, shells in shell_pairs(ao, s, t, on_site).items():
            if not _like(key):
                found[_block(key)] = shells
                continue
            for e, c in _exchanged(key, shells).items():
                found[_block(key, e)] = shells[c.first]
    return found


def to_blocks(irreps: Irreps) -> dict[OperatorBlock, np.ndarray]:
    r"""Sort the irreps of a symmetric matrix, ``{block: (n_pairs, 2 lam + 1, n_targets)}``."""
    found = {}
    for key, values in irreps.values.items():
        if not _like(key):
            found[_block(key)] = values
            continue
        for e, c in _exchanged(key, irreps.shell_pairs[key]).items():
            found[_block(key, e)] = c.weight * (
                values[..., c.first] + c.sign * values[..., c.second]
            )
    return found


def from_blocks(blocks: Mapping[OperatorBlock, np.ndarray], template: Irreps) -> Irreps:
    r"""The inverse of `to_blocks`; blocks that are missing count as zero.

    Parameters
    ----------
    blocks : {OperatorBlock: (n_pairs, 2 lam + 1, n_targets)}
    template : Irreps
        Of any matrix of the same structure.
    """
    values = {}
    for key, old in template.values.items():
        if not _like(key):
            given = blocks.get(_block(key))
            values[key] = np.zeros_like(old) if given is None else given
            continue
        new = values[key] = np.zeros_like(old)
        for e, c in _exchanged(key, template.shell_pairs[key]).items():
            given = blocks.get(_block(key, e))
            if given is not None:
                # Within one sign no target is in two places, but a = b is first and second.
                new[..., c.first] += c.weight * given
                new[..., c.second] += c.sign * c.weight * given
    return replace(template, values=values)
