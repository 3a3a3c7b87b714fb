r"""Data that ships with linvop; see README.md in this folder for how it was made."""

from __future__ import annotations

from pathlib import Path

__all__ = ["water"]


def water() -> Path:
    r"""Path of 300 water monomers in PBE/def2-SVP, for `linvop.Dataset.open` and `linvop.read`.

    Energy, forces, dipole and orbital energies of all; Fock, density and overlap matrices of
    the first 120.
    """
    return Path(__file__).with_name("water.h5")
