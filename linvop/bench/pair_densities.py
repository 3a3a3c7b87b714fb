r"""Densities of neighbours about every atom, one neighbour at a time: what lambda-SOAP is made of.

.. math:: g_{ij}(nlm) = \int R_n(r) Y_{lm}(\hat r)\,
              e^{-|r - r_{ij}|^2 / 2 s^2} f_c(r_{ij}) \,dr, \qquad
          \rho_i(q; nlm) = \sum_{j \in q} g_{ij}(nlm)

with r_ij = r_j - r_i, j = i among them, and species q. The program is featomic
(`SphericalExpansionByPair`); its components are linvop's, m = -l .. l with the same phases.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from threading import Lock
from typing import Any

import numpy as np

from linvop.bench.soap import SoapSettings
from linvop.conventions import BOHR
from linvop.errors import InputError

__all__ = ["PairDensities", "pair_densities"]

_ONE_AT_A_TIME = Lock()
"""featomic loads its library at first use and its calculators change: not for several threads."""


@dataclass(frozen=True, eq=False)
class PairDensities:
    r"""The densities of one structure.

    Attributes
    ----------
    numbers : (n_atoms,) int
    pairs : list over l of (n_atoms, n_atoms, 2 l + 1, n_radial) float64
        g_ij, zero beyond the cutoff.
    atoms : list over l of (n_atoms, 2 l + 1, n_species n_radial) float64
        rho_i, species by species.
    """

    numbers: np.ndarray
    pairs: list[np.ndarray]
    atoms: list[np.ndarray]


def pair_densities(
    numbers: Sequence[int], positions: np.ndarray, species: Sequence[int], settings: SoapSettings
) -> PairDensities:
    r"""The densities of one structure.

    Parameters
    ----------
    numbers : (n_atoms,) int
    positions : (n_atoms, 3) float64, Bohr
    species : sequence of int
        Atomic numbers of the neighbours that have channels, in their order.
    settings : SoapSettings

    Raises
    ------
    InputError
        If featomic is not installed, or for an atom of another species.
    """
    z = np.asarray(numbers)
    strange = sorted(set(z.tolist()) - set(species))
    if strange:
        raise InputError(f"densities: expected atoms of {list(species)}, got {strange}")
    g = _expanded(z, positions, settings)
    chosen = [np.flatnonzero(z == q) for q in species]
    rho = [np.concatenate([x[:, j].sum(axis=1) for j in chosen], axis=2) for x in g]
    return PairDensities(z, g, rho)


def _expanded(z: np.ndarray, positions: np.ndarray, settings: SoapSettings) -> list[np.ndarray]:
    from ase import Atoms

    n, radial = len(z), settings.max_radial + 1
    found = [np.zeros((n, n, 2 * l + 1, radial)) for l in range(settings.max_angular + 1)]
    atoms = Atoms(z, positions * BOHR)
    with _ONE_AT_A_TIME:
        for key, block in _calculator(settings).compute([atoms]).items():
            i, j = (np.asarray(block.samples[name]) for name in ("first_atom", "second_atom"))
            found[int(key["o3_lambda"])][i, j] = block.values
    return found


@cache
def _calculator(settings: SoapSettings) -> Any:
    try:
        from featomic import SphericalExpansionByPair
    except ImportError as error:
        raise InputError("lambda-SOAP needs featomic: pip install 'linvop[peers]'") from error
    return SphericalExpansionByPair(**settings.hypers())
