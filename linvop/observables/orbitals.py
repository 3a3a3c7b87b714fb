r"""Orbitals of a Fock matrix, filled from below.

.. math:: F C = S C \epsilon, \qquad C^T S C = 1

One spin channel at a time: `n_occupied` orbitals of lowest energy are occupied (aufbau). Where
the highest of them and the next one coincide, which of the two is occupied, and with it every
property, would be rounding: a gap below `SMALLEST_GAP` is an error, not a choice.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from linvop.errors import GapError

__all__ = ["SMALLEST_GAP", "Orbitals", "orbitals"]

SMALLEST_GAP = 1e-6
"""Hartree. Rounding of F (1e-12) moves the density by 1e-12 / gap: at this one, by 1e-6."""


@dataclass(frozen=True)
class Orbitals:
    r"""Orbitals of one spin channel.

    Attributes
    ----------
    energies : (n_ao,) float64, Hartree, ascending
    coefficients : (n_ao, n_ao) float64
        Columns are orbitals.
    n_occupied : int
    """

    energies: np.ndarray
    coefficients: np.ndarray
    n_occupied: int

    @property
    def homo(self) -> float:
        """Energy of the highest occupied orbital, Hartree; NaN if there is none."""
        return float(self.energies[self.n_occupied - 1]) if self.n_occupied else np.nan

    @property
    def lumo(self) -> float:
        """Energy of the lowest empty orbital, Hartree; NaN if there is none."""
        return (
            float(self.energies[self.n_occupied])
            if self.n_occupied < len(self.energies)
            else np.nan
        )

    @property
    def occupied(self) -> np.ndarray:
        """Which orbitals are occupied, (n_ao,) of 0 and 1."""
        return (np.arange(len(self.energies)) < self.n_occupied).astype(float)


def orbitals(F: np.ndarray, inverse_root: np.ndarray, n_occupied: int, where: str) -> Orbitals:
    r"""Diagonalise a Fock matrix in the Lowdin basis and fill it.

    Parameters
    ----------
    F : (n_ao, n_ao) float64, Hartree
    inverse_root : (n_ao, n_ao) float64
        ``S^(-1/2)`` (`linvop.observables.lowdin.square_roots`).
    n_occupied : int
        Not more than n_ao.
    where : str
        What messages call the matrix.

    Raises
    ------
    GapError
        For a gap between the last occupied and the first empty orbital below `SMALLEST_GAP`.
    """
    energies, turned = np.linalg.eigh(inverse_root @ F @ inverse_root)
    found = Orbitals(energies, inverse_root @ turned, n_occupied)
    if found.lumo - found.homo < SMALLEST_GAP:  # False where one of them is NaN
        raise GapError(
            f"{where}: its levels {n_occupied} and {n_occupied + 1} are "
            f"{found.lumo - found.homo:.1e} Hartree apart, so that the {n_occupied} occupied "
            f"orbitals are not defined; expected a gap above {SMALLEST_GAP:g} Hartree"
        )
    return found
