r"""Dipoles of charged molecules: about which point.

.. math:: \mu(R) = \int \rho(r)\,(r - R)\,dr = \mu(O) - q\,(R - O),

so the dipole of a molecule of charge q depends on the origin. linvop's is the centre of nuclear
charge, R = sum_K Z_K R_K / sum_K Z_K, which turns and moves with the molecule; a label about
another point is moved there, and one that does not say its origin is refused.

The origin is said in ``info["dipole_origin"]``: "centre of nuclear charge", or a point (three
numbers, Angstrom).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from linvop.errors import InputError

if TYPE_CHECKING:
    from ase import Atoms

__all__ = ["NUCLEAR_CHARGE", "centre_of_nuclear_charge", "dipole_about_nuclear_charge"]

NUCLEAR_CHARGE = "centre of nuclear charge"


def centre_of_nuclear_charge(numbers: np.ndarray, positions: np.ndarray) -> np.ndarray:
    r"""Return sum_K Z_K R_K / sum_K Z_K, (3,), in the unit of `positions` (n_atoms, 3)."""
    return numbers @ positions / numbers.sum()


def dipole_about_nuclear_charge(
    atoms: Atoms, dipole: np.ndarray, charge: int, where: str
) -> np.ndarray:
    r"""Dipole (3,) in e Angstrom about the centre of nuclear charge.

    Parameters
    ----------
    atoms : ase.Atoms
        Says the origin of the label, where the charge is not zero.
    dipole : (3,) float64, e Angstrom
    charge : int
        Total charge of the molecule.
    where : str
        File, frame and key, for messages.

    Raises
    ------
    InputError
        If the molecule is charged and the origin is not said, or not understood.
    """
    if charge == 0:
        return dipole
    origin = atoms.info.get("dipole_origin")
    if origin is None:
        raise InputError(
            f"{where}: the dipole of a molecule of charge {charge:+d} depends on its origin; "
            f'say it in info["dipole_origin"]: "{NUCLEAR_CHARGE}" or three numbers in Angstrom'
        )
    if isinstance(origin, str) and origin.lower().replace("center", "centre") == NUCLEAR_CHARGE:
        return dipole
    try:
        point = np.asarray(origin, dtype=float)
    except (TypeError, ValueError):
        point = np.zeros(0)
    if point.shape != (3,) or not np.isfinite(point).all():
        raise InputError(
            f'{where}: dipole_origin: expected "{NUCLEAR_CHARGE}" or three numbers, got {origin!r}'
        )
    return dipole - charge * (centre_of_nuclear_charge(atoms.numbers, atoms.positions) - point)
