r"""Names of feature columns.

A column of site features for atoms i of one species is an irrep

.. math:: \langle W_{ii};\, a b;\, \lambda\sigma\rangle, \qquad
          W = V^{(z_1)} P_{c_1} V^{(z_2)} P_{c_2} \cdots V^{(z_\kappa)},

and its label says all of that: the species of i, the sources z, the channels c, the two
shells a and b, lam and sigma, and the screening of V where there is one.
"""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["TOTAL", "SiteLabel"]

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

    def __str__(self) -> str:
        factors = [f"V({z})" if z != TOTAL else "V" for z in self.sources]
        word = factors[0]
        for channel, factor in zip(self.channels, factors[1:], strict=True):
            word += f" {channel} {factor}"
        tail = "" if self.screening is None else f" zeta={self.screening:g}"
        return (
            f"{self.species} <{self.shells[0]}|{word}|{self.shells[1]}> "
            f"lam={self.lam} sigma={self.sigma:+d}{tail}"
        )
