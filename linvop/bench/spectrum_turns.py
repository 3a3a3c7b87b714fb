r"""The channels of lambda-SOAP that features of pairs use: its principal components.

Of each species and irrep, the rows X of lambda-SOAP (atoms and their mu) of some structures are
X = U s V^T; the first columns of V turn it into the channels that hold most of it.

J. Nigam, S. Pozdnyakov, M. Ceriotti, J. Chem. Phys. 153, 121101 (2020).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
from ase.data import atomic_numbers

from linvop.bench.coupled_densities import power_spectrum
from linvop.bench.pair_densities import pair_densities
from linvop.bench.soap import SoapSettings
from linvop.errors import InputError
from linvop.integrals import System

__all__ = ["LambdaSoapSettings", "Turns", "spectrum_turns"]

Turns = Mapping[tuple[str, int, int], np.ndarray]
"""Of (species, l, sigma): lambda-SOAP to its first channels, (n_columns, n_channels)."""


@dataclass(frozen=True)
class LambdaSoapSettings:
    r"""Which densities and how much of them.

    Attributes
    ----------
    atoms : SoapSettings
        Of the densities about atoms.
    pair_cutoff : float
        Angstrom, of the densities of pairs.
    spectrum_channels : int
        Channels of lambda-SOAP of each (species, l, sigma) beside the density, in features of
        pairs.
    """

    atoms: SoapSettings = field(default_factory=SoapSettings)
    pair_cutoff: float = 4.0
    spectrum_channels: int = 0

    @property
    def pairs(self) -> SoapSettings:
        """Of the densities of pairs."""
        return replace(self.atoms, cutoff=self.pair_cutoff)


def spectrum_turns(
    systems: Sequence[System], species: tuple[str, ...], settings: LambdaSoapSettings
) -> Turns:
    r"""Which combinations of lambda-SOAP hold most of it on some structures.

    For every species and irrep the right singular vectors, of the largest singular values, of the
    rows (atoms and their mu) of lambda-SOAP; those below 1e-10 of the largest are left out.

    Raises
    ------
    InputError
        For a negative number of channels.
    """
    if settings.spectrum_channels < 0:
        raise InputError(f"spectrum_channels: expected 0 or more, got {settings.spectrum_channels}")
    if not settings.spectrum_channels:
        return {}
    z = [atomic_numbers[s] for s in species]
    every = [pair_densities(x.numbers, x.positions, z, settings.atoms) for x in systems]
    turns = {}
    for s, q in zip(species, z, strict=True):
        rho = [
            np.concatenate([d.atoms[l][d.numbers == q] for d in every])
            for l in range(settings.atoms.max_angular + 1)
        ]
        for l in range(len(rho)):
            for sigma in (1, -1):
                turn = _turn(power_spectrum(rho, l, sigma), settings.spectrum_channels)
                if turn.shape[1]:
                    turns[s, l, sigma] = turn
    return turns


def _turn(rows: np.ndarray, n_channels: int) -> np.ndarray:
    """Right singular vectors of the largest values, (n_columns, at most n_channels)."""
    n, m, p = rows.shape
    X = rows.reshape(n * m, p)
    if not X.size or not X.any():
        return np.zeros((p, 0))
    _, sizes, vectors = np.linalg.svd(X, full_matrices=False)
    return vectors[: min(n_channels, int((sizes > 1e-10 * sizes[0]).sum()))].T.copy()
