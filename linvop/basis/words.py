r"""Words: the alphabet of a basis, and all words in it.

.. math:: \langle a |\, V^{(z_1)} P_{c_1} V^{(z_2)} P_{c_2} \cdots V^{(z_\kappa)} \,| b \rangle

A word is made of sources z (matrices V), channels c between them, and two outer shells a, b. Which
words are zero or repeat others is not asked here (`linvop.basis.enumeration`).
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise, product

import numpy as np

from linvop.basis.labels import TOTAL
from linvop.basis.truncation import shell_degrees
from linvop.orbitals.shells import AOBasis, Shell

__all__ = ["Irrep", "Words", "allowed_irreps"]

Irrep = tuple[int, int]


def allowed_irreps(la: int, lb: int, lam_max: int) -> list[Irrep]:
    r"""The (lam, sigma) to which two shells couple, up to lam_max."""
    lams = range(abs(la - lb), min(la + lb, lam_max) + 1)
    return [(lam, (-1) ** (la + lb + lam)) for lam in lams]


@dataclass(frozen=True)
class Words:
    r"""The words of one basis for a list of species.

    Parameters
    ----------
    ao : AOBasis
    species : tuple of str
    kappa : int
        Largest number of factors V.
    resolution : {"total", "species", "shell"}
    metric : {"ao", "overlap", "lowdin"}
    sources : {"total", "species"}
    screenings : tuple of (float or None)
        One family of contractions for each; they do not mix within a word.
    lam_max : int
    max_degree : float or None
        Words above it are left out (`linvop.basis.truncation`).
    max_body_order : int or None
        Words of more bodies are left out.
    reach : float or None
        Angstrom: blocks of V between atoms further apart are zero. No word is more or less by it.
    """

    ao: AOBasis
    species: tuple[str, ...]
    kappa: int
    resolution: str
    metric: str
    sources: str
    screenings: tuple[float | None, ...]
    lam_max: int
    max_degree: float | None = None
    max_body_order: int | None = None
    reach: float | None = None

    @cached_property
    def shells(self) -> dict[str, tuple[Shell, ...]]:
        """Shells of each species."""
        return {s: self.ao.shells(s) for s in self.species}

    @cached_property
    def source_names(self) -> tuple[str, ...]:
        """Names of the source matrices of one family."""
        return self.species if self.sources == "species" else (TOTAL,)

    @cached_property
    def channel_names(self) -> tuple[str, ...]:
        """Names of the channels, in channel order."""
        if self.resolution == "total":
            return (TOTAL,)
        if self.resolution == "species":
            return self.species
        return tuple(f"{s}:{shell.label}" for s in self.species for shell in self.shells[s])

    @cached_property
    def shell_ids(self) -> dict[tuple[str, int], int]:
        """Running number of each (species, shell)."""
        pairs = ((s, a) for s in self.species for a in range(len(self.shells[s])))
        return {pair: k for k, pair in enumerate(pairs)}

    @cached_property
    def channel_shells(self) -> tuple[tuple[int, int], ...]:
        """For each channel the range of (species, shell) numbers that it holds."""
        n = len(self.shell_ids)
        if self.resolution == "total":
            return ((0, n),)
        if self.resolution == "species":
            counts = np.cumsum([0] + [len(self.shells[s]) for s in self.species])
            return tuple((int(a), int(b)) for a, b in pairwise(counts))
        return tuple((k, k + 1) for k in range(n))

    @cached_property
    def shell_degrees(self) -> dict[str, tuple[int, ...]]:
        """Degree of each shell of each species."""
        return {s: shell_degrees(shells) for s, shells in self.shells.items()}

    @cached_property
    def channel_degrees(self) -> tuple[int, ...]:
        """Degree of each channel; nothing for those that hold several shells."""
        if self.resolution != "shell":
            return (0,) * len(self.channel_names)
        return tuple(d for s in self.species for d in self.shell_degrees[s])

    def degree(self, species: str, channels: tuple[int, ...], a: int, b: int) -> int:
        """Degree of a word between two shells of a species."""
        shells = self.shell_degrees[species]
        inner = sum(self.channel_degrees[c] for c in channels)
        return len(channels) + 1 + shells[a] + shells[b] + inner

    def paths(
        self, kappa: int, max_degree: float = math.inf
    ) -> Iterator[tuple[tuple[int, ...], tuple[int, ...]]]:
        """All (sources, channels) of order kappa, as indices, with channels up to a degree."""
        every_source = list(product(range(len(self.source_names)), repeat=kappa))
        for channels in self._channels(kappa - 1, max_degree):
            for sources in every_source:
                yield sources, channels

    def _channels(self, n: int, max_degree: float) -> Iterator[tuple[int, ...]]:
        """All sequences of n channels up to a degree, in order."""
        if n == 0:
            if max_degree >= 0:
                yield ()
            return
        for c, degree in enumerate(self.channel_degrees):
            if degree <= max_degree:
                for rest in self._channels(n - 1, max_degree - degree):
                    yield (c, *rest)

    def outer(self, species: str, irrep: Irrep) -> list[tuple[int, int]]:
        """Pairs of outer shells that reach the irrep."""
        shells = self.shells[species]
        return [
            (a, b)
            for a, sa in enumerate(shells)
            for b, sb in enumerate(shells)
            if irrep in allowed_irreps(sa.l, sb.l, self.lam_max)
        ]

    def has_trace(self, letters: list[tuple[int, int]]) -> bool:
        """Whether the word with the first letter as both outer shells is in the basis."""
        (first, end), *rest = letters
        if end - first != 1 or any(letter not in self._channel_of_shells for letter in rest):
            return False
        if self.max_degree is None:
            return True
        inner = sum(self.channel_degrees[self._channel_of_shells[letter]] for letter in rest)
        outer = self._degrees_of_shells[first]
        return len(letters) + 2 * outer + inner <= self.max_degree

    @cached_property
    def _channel_of_shells(self) -> dict[tuple[int, int], int]:
        return {shells: c for c, shells in enumerate(self.channel_shells)}

    @cached_property
    def _degrees_of_shells(self) -> tuple[int, ...]:
        return tuple(d for s in self.species for d in self.shell_degrees[s])
