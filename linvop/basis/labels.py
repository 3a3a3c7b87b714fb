r"""Names of feature columns.

A column of site features for atoms i of one species is an irrep

.. math:: \langle W_{ii};\, a b;\, \lambda\sigma\rangle, \qquad
          W = V^{(z_1)} P_{c_1} V^{(z_2)} P_{c_2} \cdots V^{(z_\kappa)},

and its label says all of that: the species of i, the sources z, the channels c, the two
shells a and b, lam and sigma, and the screening of V where there is one. Features of pairs have
the block of two atoms, W_ij, instead of W_ii.
"""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["TOTAL", "Label", "PairLabel", "PairWordLabel", "ProductLabel", "SiteLabel"]

TOTAL = "*"
"""The source that is all nuclei, and the channel that is all AOs."""


@dataclass(frozen=True, slots=True)
class SiteLabel:
    r"""Name of one column of site features.

    Attributes
    ----------
    species : str
        Of the atom at the centre.
    kappa : int
        Number of factors V.
    sources : tuple of str, length kappa
        Species of nuclei of each factor; ``*`` is all nuclei.
    channels : tuple of str, length kappa - 1
        Between the factors: ``O:2p`` a shell of a species, ``O`` a species, ``*`` all AOs.
    shells : (str, str)
        The outer shells a and b of the centre.
    l1, l2 : int
        Their angular momenta.
    lam, sigma : int
        Irrep of O(3); sigma = (-1)^(l1 + l2 + lam).
    screening : float or None
        Exponent of the screened V, or None for the bare one.
    body_order : int or None
        Largest number of distinct atoms the feature couples; None where the metric mixes all.
    """

    species: str
    kappa: int
    sources: tuple[str, ...]
    channels: tuple[str, ...]
    shells: tuple[str, str]
    l1: int
    l2: int
    lam: int
    sigma: int
    screening: float | None
    body_order: int | None

    @property
    def nu(self) -> int:
        """Number of factors of a product; this is one by itself."""
        return 1

    @property
    def parts(self) -> tuple[SiteLabel, ...]:
        """Factors of a product; this is its own only one."""
        return (self,)

    @property
    def word(self) -> str:
        """The name without the centre: ``<1s|V H:1s V|2p> lam=1 sigma=+1``."""
        return _spelled(self)

    def __str__(self) -> str:
        return f"{self.species} {self.word}"


@dataclass(frozen=True, slots=True)
class ProductLabel:
    r"""Name of one column of products of site features.

    Attributes
    ----------
    factors : tuple of SiteLabel, length nu
        Equal ones stand together.
    leaves, nodes : tuple
        The coupling tree (`linvop.angular.trees`).
    lam, sigma : int
        Irrep of the product.
    """

    factors: tuple[SiteLabel, ...]
    leaves: tuple[tuple[int, int], ...]
    nodes: tuple[int, ...]
    lam: int
    sigma: int

    @property
    def species(self) -> str:
        """Of the atom at the centre."""
        return self.factors[0].species

    @property
    def nu(self) -> int:
        """Number of factors."""
        return len(self.factors)

    @property
    def parts(self) -> tuple[SiteLabel, ...]:
        """Factors of the product."""
        return self.factors

    @property
    def kappa(self) -> int:
        """Number of V in all factors together."""
        return sum(factor.kappa for factor in self.factors)

    @property
    def body_order(self) -> int | None:
        """Largest number of distinct atoms; each factor adds all of its own but the centre."""
        bodies = [factor.body_order for factor in self.factors]
        if any(b is None for b in bodies):
            return None
        return 1 + sum(b - 1 for b in bodies if b is not None)

    @property
    def word(self) -> str:
        """The name without the centre."""
        factors = " x ".join(factor.word for factor in self.factors)
        leaves = " ".join(f"{L}" if not copy else f"{L}.{copy}" for L, copy in self.leaves)
        tree = f"({leaves} : {' '.join(map(str, self.nodes))})"
        return f"{factors} {tree} lam={self.lam} sigma={self.sigma:+d}"

    def __str__(self) -> str:
        return f"{self.species} {self.word}"


@dataclass(frozen=True, slots=True)
class PairWordLabel:
    r"""Name of one irrep of the block of a word between two atoms.

    Attributes are those of `SiteLabel`; ``species`` are those of i and j, the shells a of i and
    b of j.
    """

    species: tuple[str, str]
    kappa: int
    sources: tuple[str, ...]
    channels: tuple[str, ...]
    shells: tuple[str, str]
    l1: int
    l2: int
    lam: int
    sigma: int
    screening: float | None
    body_order: int | None

    @property
    def word(self) -> str:
        """The name without the atoms."""
        return _spelled(self)


@dataclass(frozen=True, slots=True)
class PairLabel:
    r"""Name of one column of pair features: a word between i and j times a feature of each.

    Attributes
    ----------
    pair : PairWordLabel
    site_i, site_j : SiteLabel, ProductLabel or None
        Features of the two atoms, already coupled; None where the factor is absent.
    L : int
        To what the two are coupled, before the word.
    lam, sigma : int
        Irrep of the whole.
    exchange : {None, 1, -1}
        With a sign s: the sum of this function and of s times its exchange partner.
    """

    pair: PairWordLabel
    site_i: SiteLabel | ProductLabel | None
    site_j: SiteLabel | ProductLabel | None
    L: int
    lam: int
    sigma: int
    exchange: int | None = None

    @property
    def species(self) -> tuple[str, str]:
        """Of i and j."""
        return self.pair.species

    @property
    def sites(self) -> tuple[SiteLabel | ProductLabel, ...]:
        """The site factors that are there."""
        return tuple(x for x in (self.site_i, self.site_j) if x is not None)

    @property
    def nu(self) -> int:
        """Number of site factors, products counted with all of theirs."""
        return sum(x.nu for x in self.sites)

    @property
    def kappa(self) -> int:
        """Number of V in the word and all factors together."""
        return self.pair.kappa + sum(x.kappa for x in self.sites)

    @property
    def body_order(self) -> int | None:
        """Largest number of distinct atoms; each site factor adds all of its own but the centre."""
        bodies = [x.body_order for x in self.sites]
        if self.pair.body_order is None or any(b is None for b in bodies):
            return None
        return self.pair.body_order + sum(b - 1 for b in bodies if b is not None)

    def __str__(self) -> str:
        name = f"{'-'.join(self.species)} {self.pair.word}"
        for atom, site in (("i", self.site_i), ("j", self.site_j)):
            name += "" if site is None else f" x {atom} [{site.word}]"
        name += f" L={self.L}" if self.sites else ""
        name += f" lam={self.lam} sigma={self.sigma:+d}"
        return name if self.exchange is None else f"{name} exchange={self.exchange:+d}"


def _spelled(label: SiteLabel | PairWordLabel) -> str:
    """``<1s|V H:1s V|2p> lam=1 sigma=+1``."""
    factors = [f"V({z})" if z != TOTAL else "V" for z in label.sources]
    word = factors[0]
    for channel, factor in zip(label.channels, factors[1:], strict=True):
        word += f" {channel} {factor}"
    a, b = label.shells
    tail = "" if label.screening is None else f" zeta={label.screening:g}"
    return f"<{a}|{word}|{b}> lam={label.lam} sigma={label.sigma:+d}{tail}"


Label = SiteLabel | ProductLabel
