r"""Names of feature columns.

A column of site features for atoms i of one species is an irrep

.. math:: \langle W_{ii};\, a b;\, \lambda\sigma\rangle, \qquad
          W = V^{(z_1)} P_{c_1} V^{(z_2)} P_{c_2} \cdots V^{(z_\kappa)},

and its label says all of that: the species of i, the sources z, the channels c, the two
shells a and b, lam and sigma, and the screening of V where there is one.
"""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["TOTAL", "Label", "ProductLabel", "SiteLabel"]

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
        factors = [f"V({z})" if z != TOTAL else "V" for z in self.sources]
        word = factors[0]
        for channel, factor in zip(self.channels, factors[1:], strict=True):
            word += f" {channel} {factor}"
        tail = "" if self.screening is None else f" zeta={self.screening:g}"
        return (
            f"<{self.shells[0]}|{word}|{self.shells[1]}> lam={self.lam} sigma={self.sigma:+d}{tail}"
        )

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

    def __str__(self) -> str:
        factors = " x ".join(factor.word for factor in self.factors)
        leaves = " ".join(f"{L}" if not copy else f"{L}.{copy}" for L, copy in self.leaves)
        tree = f"({leaves} : {' '.join(map(str, self.nodes))})"
        return f"{self.species} {factors} {tree} lam={self.lam} sigma={self.sigma:+d}"


Label = SiteLabel | ProductLabel
