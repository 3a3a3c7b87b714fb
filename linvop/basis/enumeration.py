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
    Summed over a structure, kappa = 1 irreps of odd lam are ``sum_ij -Z_j R(r_ij) Y_lam(r_ij)``:
    where i and j run over the same species (sources told apart, or one species alone) they cancel;
    where two species carry the same shells, what one sees of the other is one column; where all
    species do, their columns of all sources, times Z, sum to zero. Metrics as for locality, only
    for ``target="structure"``.
cyclicity
    Summed over the atoms of a structure, the lam = 0, a = b irreps are traces
    ``tr P_a V P_c1 V ...``: words of the basis that can be rotated and reversed into each other
    (bracelets) are one column. Only for ``target="structure"`` and metrics in which all factors are
    alike (``ao``, ``lowdin``); for per-site use every word is a function of its own.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

from linvop.basis.labels import TOTAL, SiteLabel
from linvop.basis.limits import no_more_than
from linvop.basis.radial import RadialProduct, proportional, radial_product
from linvop.basis.words import Irrep, Words
from linvop.errors import InputError

__all__ = ["METRICS", "RESOLUTIONS", "SOURCES", "TARGETS", "SiteEnumeration"]

METRICS = ("ao", "overlap", "lowdin")
RESOLUTIONS = ("total", "species", "shell")
SOURCES = ("total", "species")
TARGETS = ("site", "structure")


@dataclass(frozen=True)
class SiteEnumeration(Words):
    r"""The columns of site features: words with both outer shells on one atom, each function once.

    Parameters are those of `Words`.
    """

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
            for a, b in self.outer(species, irrep):
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
            same = self.source_names[sources[0]] == species
            if sigma == -1 or (target == "structure" and lam % 2 == 1 and same):
                return False
        if target == "structure" and lam == 0 and a == b and self.metric != "overlap":
            return self._is_bracelet(species, a, sources, channels)
        return True

    def _is_bracelet(
        self, species: str, a: int, sources: tuple[int, ...], channels: tuple[int, ...]
    ) -> bool:
        r"""Whether the word ``c_0 z_1 c_1 ... z_kappa`` is the first column of its bracelet.

        Rotated, it is a column too if it begins with one shell, what follows are channels, and
        its degree, to which the first letter counts twice, is small enough.
        """
        k = self.shell_ids[species, a]
        letters = [(k, k + 1)] + [self.channel_shells[c] for c in channels]
        best = own = (tuple(letters), sources)
        for turn in range(len(letters)):
            turned = letters[turn:] + letters[:turn]
            if turn and not self.has_trace(turned):
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
        """Whether other species have columns that determine this one (kappa = 1)."""
        (source,), _, a, b = word
        seen = self.source_names[source]
        l_sum = self.shells[species][a].l + self.shells[species][b].l
        if seen != TOTAL:
            earlier = self.species.index(seen) < self.species.index(species)
            return earlier and self._has_product(seen, irrep, l_sum, radial)
        return (
            irrep[0] % 2 == 1
            and species == self.species[-1]
            and all(self._has_product(s, irrep, l_sum, radial) for s in self.species[:-1])
        )

    def _has_product(self, species: str, irrep: Irrep, l_sum: int, radial: RadialProduct) -> bool:
        """Whether a species has a column of kappa = 1 with this product of radial functions."""
        shells = self.shells[species]
        limit = math.inf if self.max_degree is None else self.max_degree
        return any(
            shells[x].l + shells[y].l == l_sum
            and self.degree(species, (), x, y) <= limit
            and proportional(radial, radial_product(shells[x], shells[y]))
            for x, y in self.outer(species, irrep)
        )
