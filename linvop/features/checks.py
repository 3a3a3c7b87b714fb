r"""What `Basis` asks of a structure that it is given directly."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from linvop.errors import InputError

if TYPE_CHECKING:
    from ase import Atoms

__all__ = ["checked_atoms"]


def checked_atoms(atoms: Any) -> Atoms:
    r"""Return the structure if features can be made of it.

    Raises
    ------
    InputError
        For anything but an ase.Atoms with atoms, a position that is not finite, and a cell that
        repeats.
    """
    from ase import Atoms

    if not isinstance(atoms, Atoms):
        raise InputError(f"atoms: expected one structure (ase.Atoms), got {type(atoms).__name__}")
    if not len(atoms):
        raise InputError("atoms: expected at least one atom, got none")
    finite = np.isfinite(atoms.positions).all(axis=1)
    if not finite.all():
        k = int(np.argmin(finite))
        raise InputError(f"atom {k}: expected a finite position, got {atoms.positions[k].tolist()}")
    if atoms.pbc.any():
        raise InputError(
            f"atoms: expected a molecule, got periodic boundary conditions {atoms.pbc.tolist()}"
        )
    return atoms
