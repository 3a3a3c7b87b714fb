r"""Which site features there are: every function once.

A contraction of order kappa is a *path* of sources and channels; with two outer shells a, b
of the centre it couples to the irreps lam = abs(l_a - l_b) .. l_a + l_b. Not all of these are
different functions, and some are zero. Left out are:

reversal
    V is symmetric, so ``<W^path; a b; lam> = sigma <W^reversed path; b a; lam>`` on a site:
    one of each pair is kept, and what is its own reverse vanishes for sigma = -1.
locality
    V is local: in metrics that leave V itself as the first power (``ao``, ``overlap``), its
    on-site blocks depend on the product of the two radial functions only. Irreps with
    sigma = -1 are zero, and two pairs of shells with proportional products are one column.
action and reaction
    Summed over a structure, kappa = 1 irreps of odd lam are ``sum_ij R(r_ij) Y_lam(r_ij)``: where
    i and j run over the same species (sources told apart, or one species alone) they cancel; where
    two species carry the same shells, what one sees of the other is one column. Metrics as for
    locality, only for ``target="structure"``.
cyclicity
    Summed over the atoms of a structure, the lam = 0, a = b irreps are traces
    ``tr P_a V P_c1 V ...``: words that can be rotated and reversed into each other (bracelets)
    are one column. Only for ``target="structure"`` and metrics in which all factors are
    alike (``ao``, ``lowdin``); for per-site use every word is a function of its own.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise, product

import numpy as np

from linvop.basis.labels import TOTAL, SiteLabel
from linvop.basis.limits import no_more_than
from linvop.basis.radial import RadialProduct, proportional, radial_product
from linvop.basis.truncation import shell_degrees
from linvop.errors import InputError
from linvop.orbitals.shells import AOBasis, Shell

__all__ = ["METRICS", "RESOLUTIONS", "SOURCES", "TARGETS", "SiteEnumeration", "allowed_irreps"]

METRICS = ("ao", "overlap", "lowdin")
RESOLUTIONS = ("total", "species", "shell")
SOURCES = ("total", "species")
TARGETS = ("site", "structure")

Irrep = tuple[int, int]


def allowed_irreps(la: int, lb: int, lam_max: int) -> list[Irrep]:
    r"""The (lam, sigma) to which two shells couple, up to lam_max."""
    lams = range(abs(la - lb), min(la + lb, lam_max) + 1)
    return [(lam, (-1) ** (la + lb + lam)) for lam in lams]


@dataclass(frozen=True)
class SiteEnumeration:
    r"""All contractions of one basis for a list of species.

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

    def columns(
        self, species: str, irrep: Irrep, target: str
    ) -> list[tuple[int, tuple[int, ...], tuple[int, ...], int, int]]:
        r"""Columns of one centre species and irrep, as indices.

        Returns
        -------
        list of (family, sources, channels, a, b)
            In storage order: family (screening), kappa, a, b, channels, sources.
        """
        if target not in TARGETS:
            raise InputError(f"target: expected one of {TARGETS}, got {target!r}")
        key = (species, irrep, target)
        if key not in self._columns:
            self._columns[key] = self._enumerated(species, irrep, target)
        return self._columns[key]

    @cached_property
    def _columns(self) -> dict[tuple[str, Irrep, str], list]:
        return {}

    def _enumerated(self, species: str, irrep: Irrep, target: str) -> list:
        every = no_more_than(
            self._words(species, irrep, target),
            f"{species}, lam = {irrep[0]}, sigma = {irrep[1]:+d}, nu = 1",
            "lower kappa, set max_degree for nu = 1, or take a smaller ao or a coarser resolution",
        )
        words = self._drop_proportional(species, irrep, target, list(every))
        return [(family, *word) for family in range(len(self.screenings)) for word in words]

    def _words(
        self, species: str, irrep: Irrep, target: str
    ) -> Iterator[tuple[tuple[int, ...], tuple[int, ...], int, int]]:
        """Words (sources, channels, a, b) within degree and body order, each function once."""
        for kappa in range(1, self.kappa + 1):
            if self.max_body_order is not None and 2 * kappa > self.max_body_order:
                return
            for a, b in self._outer(species, irrep):
                room = math.inf
                if self.max_degree is not None:
                    room = self.max_degree - (kappa - 1) - self.degree(species, (), a, b)
                for sources, channels in self.paths(kappa, room):
                    if self._is_kept(species, irrep, target, sources, channels, a, b):
                        yield sources, channels, a, b

    def labels(self, species: str, irrep: Irrep, target: str) -> list[SiteLabel]:
        r"""Labels of the columns of one centre species and irrep, in storage order."""
        shells = self.shells[species]
        lam, sigma = irrep
        return [
            SiteLabel(
                species,
                len(sources),
                tuple(self.source_names[z] for z in sources),
                tuple(self.channel_names[c] for c in channels),
                (shells[a].label, shells[b].label),
                shells[a].l,
                shells[b].l,
                lam,
                sigma,
                self.screenings[family],
                2 * len(sources) if self.metric == "ao" else None,
            )
            for family, sources, channels, a, b in self.columns(species, irrep, target)
        ]

    def _outer(self, species: str, irrep: Irrep) -> list[tuple[int, int]]:
        """Pairs of outer shells that reach the irrep."""
        shells = self.shells[species]
        return [
            (a, b)
            for a, sa in enumerate(shells)
            for b, sb in enumerate(shells)
            if irrep in allowed_irreps(sa.l, sb.l, self.lam_max)
        ]

    def _is_kept(
        self,
        species: str,
        irrep: Irrep,
        target: str,
        sources: tuple[int, ...],
        channels: tuple[int, ...],
        a: int,
        b: int,
    ) -> bool:
        lam, sigma = irrep
        own, reverse = (a, b, channels, sources), (b, a, channels[::-1], sources[::-1])
        if own > reverse or (own == reverse and sigma == -1):
            return False
        if len(sources) == 1 and self.metric != "lowdin":
            same = self.source_names[sources[0]] == species or self.species == (species,)
            if sigma == -1 or (target == "structure" and lam % 2 == 1 and same):
                return False
        if target == "structure" and lam == 0 and a == b and self.metric != "overlap":
            return self._is_bracelet(species, a, sources, channels)
        return True

    def _is_bracelet(
        self, species: str, a: int, sources: tuple[int, ...], channels: tuple[int, ...]
    ) -> bool:
        r"""Whether the word ``c_0 z_1 c_1 ... z_kappa`` is the first of its bracelet.

        A rotation is a column too only if it begins with a single shell.
        """
        k = self.shell_ids[species, a]
        letters = [(k, k + 1)] + [self.channel_shells[c] for c in channels]
        best = own = (tuple(letters), sources)
        for turn in range(len(letters)):
            turned = letters[turn:] + letters[:turn]
            if turned[0][1] - turned[0][0] != 1:
                continue
            z = sources[turn:] + sources[:turn]
            # Backwards from the same letter: z_kappa, c_{kappa-1}, ..., z_1.
            back = [turned[0], *turned[:0:-1]]
            best = min(best, (tuple(turned), z), (tuple(back), z[::-1]))
        return own == best

    def _drop_proportional(self, species: str, irrep: Irrep, target: str, words: list) -> list:
        """Of kappa = 1 columns with proportional radial products keep the first."""
        if self.metric == "lowdin":
            return words
        shells = self.shells[species]
        kept: list = []
        seen: list[tuple[tuple, RadialProduct]] = []
        for word in words:
            sources, channels, a, b = word
            if channels:
                kept.append(word)
                continue
            key = (sources, shells[a].l + shells[b].l)
            radial = radial_product(shells[a], shells[b])
            alike = any(key == k and proportional(radial, r) for k, r in seen)
            if alike or (target == "structure" and self._is_reaction(species, irrep, word, radial)):
                continue
            seen.append((key, radial))
            kept.append(word)
        return kept

    def _is_reaction(self, species: str, irrep: Irrep, word: tuple, radial: RadialProduct) -> bool:
        """Whether an earlier species sees this one's sources as it sees theirs (kappa = 1)."""
        (source,), _, a, b = word
        other = self.source_names[source]
        if other == TOTAL:
            # Of two species alone, the total is the other where one's own part cancels.
            if len(self.species) != 2 or irrep[0] % 2 == 0:
                return False
            other = self.species[0]
        if self.species.index(other) >= self.species.index(species):
            return False
        degree = self.shells[species][a].l + self.shells[species][b].l
        theirs = self.shells[other]
        return any(
            theirs[x].l + theirs[y].l == degree
            and proportional(radial, radial_product(theirs[x], theirs[y]))
            for x, y in self._outer(other, irrep)
        )
