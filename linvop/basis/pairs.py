r"""Which pair features there are: words between two atoms times features of each.

A feature of an ordered pair of atoms i != j is a word q (`linvop.basis.pair_factors`) alone, or
q times a site feature A_i, or A_j, or both, these coupled to L first and then with q:

.. math:: \bigl( (A_i, A_j) L,\; q \bigr) \lambda, \qquad
          \sigma (-1)^\lambda = \prod_t \sigma_t (-1)^{\lambda_t} .

A_i, A_j and q are distinct variables, so all couplings are independent functions of them.

*Exchange.* V is symmetric, hence ``<W^path_ij; a b> = sigma_q <W^reversed path_ji; b a>``, and the
function of (q; alpha_i; beta_j; L), read with i and j exchanged, is

.. math:: \sigma_q (-1)^{l_\alpha + l_\beta - L}\; (q^{reversed};\, \beta_i;\, \alpha_j;\, L) .

Of unlike species the pair (s1, s2) in the order of atomic numbers is kept, with all functions.
Of like species ``exchange=None`` keeps all functions and both orders of the atoms;
``exchange=s`` keeps i < j and the functions with B_ji = s B_ij: one, (B_ij + s B_ji) / sqrt 2, of
each orbit of two, and of those that are their own partner the ones whose sign is s
(`linvop.angular.characters.number_of_exchange_couplings`).

The degree is that of the word plus those of the site factors (`linvop.basis.truncation`).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache, cached_property
from itertools import combinations_with_replacement

from linvop.angular.characters import product_sigma
from linvop.angular.trees import Powers, coupling_trees
from linvop.basis.labels import PairLabel
from linvop.basis.limits import no_more_than
from linvop.basis.pair_factors import PairFactors, SiteFactor, WordFactor
from linvop.basis.words import Irrep

__all__ = ["EXCHANGES", "PairEnumeration", "PairProduct", "chosen_trees"]

EXCHANGES = (None, 1, -1)


@dataclass(frozen=True, slots=True)
class PairProduct:
    r"""One word times site factors, coupled to one irrep.

    Attributes
    ----------
    word : int
    site_i, site_j : int or None
        Numbers of the factors.
    powers : tuple of (l, 1)
        Of those that are there: i, j, word.
    own_partner : bool
        Whether exchange maps it to itself; then L has one parity only.
    trees : tuple of int
        Which of ``coupling_trees(powers, lam)`` are functions.
    """

    word: int
    site_i: int | None
    site_j: int | None
    powers: Powers
    own_partner: bool
    trees: tuple[int, ...]


@cache
def chosen_trees(powers: Powers, lam: int, parity: int | None = None) -> tuple[int, ...]:
    r"""Which of ``coupling_trees(powers, lam)`` couple A_i and A_j to an L of this parity."""
    return tuple(
        k
        for k, tree in enumerate(coupling_trees(powers, lam))
        if parity is None or site_coupling(tree.nodes) % 2 == parity
    )


def site_coupling(nodes: tuple[int, ...]) -> int:
    """L of a tree: of A_i with A_j, of the one that is there, or 0."""
    return nodes[-2] if len(nodes) > 1 else 0


@dataclass(frozen=True)
class PairEnumeration:
    r"""All pair features of one basis for a list of species.

    Parameters
    ----------
    factors : PairFactors
    """

    factors: PairFactors

    @property
    def species_pairs(self) -> tuple[tuple[str, str], ...]:
        """Kinds of pairs, s1 before s2."""
        return tuple(combinations_with_replacement(self.factors.species, 2))

    @cached_property
    def _products(self) -> dict[tuple, tuple[PairProduct, ...]]:
        return {}

    def irreps(self, exchange: int | None = None) -> tuple[Irrep, ...]:
        """All (lam, sigma) of some pair of species."""
        every = [(lam, s) for lam in range(self.factors.site.lam_max + 1) for s in (1, -1)]
        return tuple(
            irrep
            for irrep in every
            if any(self.products(s1, s2, irrep, exchange) for s1, s2 in self.species_pairs)
        )

    def products(
        self, s1: str, s2: str, irrep: Irrep, exchange: int | None = None
    ) -> tuple[PairProduct, ...]:
        r"""What couples to an irrep, by (orders of A_i, A_j), word, A_i, A_j."""
        sign = exchange if s1 == s2 else None
        key = s1, s2, irrep, sign
        if key not in self._products:
            every = no_more_than(
                self._enumerated(s1, s2, irrep, sign),
                f"pairs of {s1} and {s2}, lam = {irrep[0]}, sigma = {irrep[1]:+d}",
                "lower kappa or nu_pair, or set pair_max_degree",
            )
            self._products[key] = tuple(every)
        return self._products[key]

    def count(self, s1: str, s2: str, irrep: Irrep, exchange: int | None = None) -> int:
        """Number of columns."""
        return sum(len(product.trees) for product in self.products(s1, s2, irrep, exchange))

    def labels(
        self, s1: str, s2: str, irrep: Irrep, exchange: int | None = None
    ) -> list[PairLabel]:
        r"""Names of the columns, in storage order: product, tree."""
        words, first, second = self._all_factors(s1, s2)
        sign = exchange if s1 == s2 else None
        found = []
        for product in self.products(s1, s2, irrep, exchange):
            trees = coupling_trees(product.powers, irrep[0])
            word = words[product.word].label
            site_i = None if product.site_i is None else first[product.site_i].label
            site_j = None if product.site_j is None else second[product.site_j].label
            found += [
                PairLabel(word, site_i, site_j, site_coupling(trees[t].nodes), *irrep, sign)
                for t in product.trees
            ]
        return found

    def _all_factors(
        self, s1: str, s2: str
    ) -> tuple[tuple[WordFactor, ...], tuple[SiteFactor, ...], tuple[SiteFactor, ...]]:
        factors = self.factors
        return factors.word_factors(s1, s2), factors.site_factors(s1), factors.site_factors(s2)

    def _orders(self, s1: str, s2: str) -> list[tuple[int, int]]:
        """Orders (of A_i, of A_j); those of like species are closed under exchange."""
        n_i, n_j = self.factors.nu_pair
        orders = {(i, j) for i in range(n_i + 1) for j in range(n_j + 1)}
        if s1 == s2:
            orders |= {(j, i) for i, j in orders}
        return sorted(orders, key=lambda order: (sum(order), -order[0]))

    def _enumerated(
        self, s1: str, s2: str, irrep: Irrep, sign: int | None
    ) -> Iterator[PairProduct]:
        words, first, second = self._all_factors(s1, s2)
        lam, sigma = irrep
        reverse = self.factors.reversal(s1) if sign is not None else ()
        for q, i, j in self._within(s1, s2):
            irreps = [first[i].irrep] if i is not None else []
            irreps += [second[j].irrep] if j is not None else []
            signs = [(*x, 1) for x in (*irreps, words[q].irrep)]
            if product_sigma(signs, lam) != sigma:
                continue
            own_partner, parity = False, None
            if sign is not None:
                own = (-1 if i is None else i, -1 if j is None else j, q)
                partner = (own[1], own[0], reverse[q])
                if own > partner:
                    continue
                own_partner = own == partner
                if own_partner:
                    # Its sign under exchange, sigma_q (-1)^L, must be the one wanted.
                    parity = 0 if sign == words[q].irrep[1] else 1
            powers = tuple((l, 1) for l, _, _ in signs)
            trees = chosen_trees(powers, lam, parity)
            if trees:
                yield PairProduct(q, i, j, powers, own_partner, trees)

    def _within(self, s1: str, s2: str) -> Iterator[tuple[int, int | None, int | None]]:
        """Numbers of word, A_i and A_j within degree and body order."""
        words = self.factors.word_factors(s1, s2)
        for n_i, n_j in self._orders(s1, s2):
            limit, bodies = self.factors.limits(n_i + n_j)
            for q, word in enumerate(words):
                left = limit - word.degree, bodies - word.bodies
                for i, d_i, b_i in self._sites(s1, n_i, *left):
                    for j, _, _ in self._sites(s2, n_j, left[0] - d_i, left[1] - b_i):
                        yield q, i, j

    def _sites(
        self, s: str, nu: int, degree: float, bodies: float
    ) -> tuple[tuple[int | None, float, int], ...]:
        """(number, degree, bodies) of site factors of one order that fit; none for nu = 0."""
        if degree < 0 or bodies < 0:
            return ()
        if nu == 0:
            return ((None, 0, 0),)
        key = s, nu, degree, bodies
        if key not in self._fitting:
            self._fitting[key] = tuple(
                (k, x.degree, x.bodies)
                for k, x in enumerate(self.factors.site_factors(s))
                if x.label.nu == nu and x.degree <= degree and x.bodies <= bodies
            )
        return self._fitting[key]

    @cached_property
    def _fitting(self) -> dict[tuple, tuple[tuple[int, float, int], ...]]:
        return {}
