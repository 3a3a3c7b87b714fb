r"""What pair features are made of: words between two atoms, and features of each.

For an ordered pair of atoms i != j of species s1, s2 a *word* is an irrep of a block,

.. math:: q = \langle W_{ij};\, a b;\, \lambda_q\sigma_q \rangle, \qquad
          \sigma_q = (-1)^{l_a + l_b + \lambda_q},

for every path of kappa = 1, 2, ... and all shells a of i, b of j. Away from the site locality
makes none of them zero and reversal no two of them one: it maps the words of (i, j) to those of
(j, i). Site factors are the features of `enumeration` and `products`, by another degree.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cached_property
from math import inf

from linvop.basis.enumeration import SiteEnumeration
from linvop.basis.labels import PairWordLabel, ProductLabel, SiteLabel
from linvop.basis.limits import no_more_than
from linvop.basis.products import ProductEnumeration
from linvop.basis.words import Irrep, allowed_irreps

__all__ = ["PairFactors", "SiteFactor", "Word", "WordFactor"]

Word = tuple[int, tuple[int, ...], tuple[int, ...], int, int]
"""(family, sources, channels, a, b), as in `SiteEnumeration.columns`."""


@dataclass(frozen=True, slots=True)
class WordFactor:
    r"""A word between two atoms: column of an irrep, degree, and the bodies it couples."""

    irrep: Irrep
    column: int
    degree: float
    bodies: int
    label: PairWordLabel


@dataclass(frozen=True, slots=True)
class SiteFactor:
    r"""A feature of one atom: the same, with the bodies beyond the centre."""

    irrep: Irrep
    column: int
    degree: float
    bodies: int
    label: SiteLabel | ProductLabel


@dataclass(frozen=True)
class PairFactors:
    r"""Words and site factors of one basis for a list of species.

    Parameters
    ----------
    site : SiteEnumeration
        Its sources, channels, screenings and kappa make the words; its truncation is that of
        site features and does not concern pairs.
    nu_pair : (int, int)
        Largest orders nu of A_i and A_j; of like species either may be the larger.
    max_degrees : tuple of (float or None)
        Of features with 0, 1, ... site factors; None is no limit.
    max_body_order : int or None
    """

    site: SiteEnumeration
    nu_pair: tuple[int, int]
    max_degrees: tuple[float | None, ...]
    max_body_order: int | None = None

    @property
    def species(self) -> tuple[str, ...]:
        """Species of the model."""
        return self.site.species

    def limits(self, n: int) -> tuple[float, float]:
        """Largest degree and body order of features with n site factors."""
        degree, bodies = self.max_degrees[n], self.max_body_order
        return inf if degree is None else degree, inf if bodies is None else bodies

    @cached_property
    def factor_enumeration(self) -> SiteEnumeration:
        """Words on site that can be a factor."""
        return replace(self.site, max_degree=self._highest(1), max_body_order=self.max_body_order)

    @cached_property
    def factor_products(self) -> ProductEnumeration | None:
        """Products on site that can be a factor."""
        limits = tuple(self._highest(nu) for nu in range(2, max(self.nu_pair) + 1))
        return ProductEnumeration(self.site, limits, self.max_body_order) if limits else None

    def _highest(self, nu: int) -> float:
        """What is left for a site factor of order nu; word and others take one at least."""
        left = (d - 1 - (n - nu) for n, d in enumerate(self.max_degrees) if n >= nu and d)
        return max(left, default=0)

    @cached_property
    def site_irreps(self) -> tuple[Irrep, ...]:
        """Irreps of the site factors, in the order of their columns."""
        found = {i for s in self.species for i in self._reached(s, s)}
        if self.factor_products is not None:
            every = [(lam, sigma) for lam in range(self.site.lam_max + 1) for sigma in (1, -1)]
            products = self.factor_products
            found |= {i for i in every if any(products.count(s, i) for s in self.species)}
        return _sorted(found)

    @cached_property
    def _made(self) -> dict[tuple, tuple]:
        return {}

    def word_irreps(self, s1: str, s2: str) -> tuple[Irrep, ...]:
        """Irreps of the words between two species."""
        return _sorted(self._reached(s1, s2))

    def _reached(self, s1: str, s2: str) -> set[Irrep]:
        first, second, lam_max = self.site.shells[s1], self.site.shells[s2], self.site.lam_max
        return {i for a in first for b in second for i in allowed_irreps(a.l, b.l, lam_max)}

    def words(self, s1: str, s2: str, irrep: Irrep) -> tuple[Word, ...]:
        r"""Words of one irrep, in storage order: family, kappa, a, b, channels, sources."""
        key = "words", s1, s2, irrep
        if key not in self._made:
            every = no_more_than(
                self._words(s1, s2, irrep),
                f"words between {s1} and {s2}, lam = {irrep[0]}, sigma = {irrep[1]:+d}",
                "lower kappa, set pair_max_degree, or take a smaller ao or a coarser resolution",
            )
            self._made[key] = tuple(every)
        return self._made[key]

    def _words(self, s1: str, s2: str, irrep: Irrep) -> Iterator[Word]:
        site = self.site
        highest = inf if None in self.max_degrees else max(x for x in self.max_degrees if x)
        bodies = self.max_body_order
        for family in range(len(site.screenings)):
            for kappa in range(1, site.kappa + 1):
                if bodies is not None and 2 * kappa + 1 > bodies:
                    continue
                for a, x in enumerate(site.shells[s1]):
                    for b, y in enumerate(site.shells[s2]):
                        if irrep not in allowed_irreps(x.l, y.l, site.lam_max):
                            continue
                        room = highest - (kappa - 1) - self._degree(s1, s2, (), a, b)
                        for sources, channels in site.paths(kappa, room):
                            yield family, sources, channels, a, b

    def _degree(self, s1: str, s2: str, channels: tuple[int, ...], a: int, b: int) -> int:
        site = self.site
        outer = site.shell_degrees[s1][a] + site.shell_degrees[s2][b]
        return len(channels) + 1 + outer + sum(site.channel_degrees[c] for c in channels)

    def word_factors(self, s1: str, s2: str) -> tuple[WordFactor, ...]:
        r"""All words between two species, by irrep and column."""
        key = "word factors", s1, s2
        if key not in self._made:
            self._made[key] = tuple(
                WordFactor(
                    irrep,
                    column,
                    self._degree(s1, s2, *word[2:]),
                    2 * len(word[1]) + 1,
                    self._word_label(s1, s2, irrep, word),
                )
                for irrep in self.word_irreps(s1, s2)
                for column, word in enumerate(self.words(s1, s2, irrep))
            )
        return self._made[key]

    def _word_label(self, s1: str, s2: str, irrep: Irrep, word: Word) -> PairWordLabel:
        family, sources, channels, a, b = word
        site = self.site
        first, second = site.shells[s1][a], site.shells[s2][b]
        return PairWordLabel(
            (s1, s2),
            len(sources),
            tuple(site.source_names[z] for z in sources),
            tuple(site.channel_names[c] for c in channels),
            (first.label, second.label),
            first.l,
            second.l,
            *irrep,
            site.screenings[family],
            2 * len(sources) + 1 if site.metric == "ao" else None,
        )

    def reversal(self, s: str) -> tuple[int, ...]:
        r"""Of each word between like atoms the number of its reverse."""
        key = "reversal", s
        if key not in self._made:
            place = {
                (irrep, word): first + k
                for irrep, first in self._first(s, s).items()
                for k, word in enumerate(self.words(s, s, irrep))
            }
            self._made[key] = tuple(
                place[irrep, (family, sources[::-1], channels[::-1], b, a)]
                for irrep, (family, sources, channels, a, b) in place
            )
        return self._made[key]

    def _first(self, s1: str, s2: str) -> dict[Irrep, int]:
        first, n = {}, 0
        for irrep in self.word_irreps(s1, s2):
            first[irrep] = n
            n += len(self.words(s1, s2, irrep))
        return first

    def site_factors(self, s: str) -> tuple[SiteFactor, ...]:
        r"""All features of an atom of a species, by irrep and column: words, then products."""
        key = "site factors", s
        if key not in self._made:
            self._made[key] = tuple(
                factor for irrep in self.site_irreps for factor in self._site_factors(s, irrep)
            )
        return self._made[key]

    def _site_factors(self, s: str, irrep: Irrep) -> Iterator[SiteFactor]:
        one, products = self.factor_enumeration, self.factor_products
        words = one.columns(s, irrep, "site")
        labels = one.labels(s, irrep, "site")
        for k, (word, label) in enumerate(zip(words, labels, strict=True)):
            yield SiteFactor(irrep, k, one.degree(s, *word[2:]), 2 * label.kappa - 1, label)
        if products is None:
            return
        sizes = [
            (
                sum(products.factors(s)[k].degree for k in product.factors),
                sum(products.factors(s)[k].bodies - 1 for k in product.factors),
            )
            for product in products.products(s, irrep)
            for _ in range(product.n_functions)
        ]
        for k, (size, name) in enumerate(zip(sizes, products.labels(s, irrep), strict=True)):
            yield SiteFactor(irrep, len(words) + k, *size, name)


def _sorted(irreps: set[Irrep]) -> tuple[Irrep, ...]:
    return tuple(sorted(irreps, key=lambda irrep: (irrep[0], -irrep[1])))
