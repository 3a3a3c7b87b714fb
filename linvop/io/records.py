r"""One labelled structure, and how it lies flat in the columns of a data set.

A column is one long array over all structures, in one of three ways:

per structure   row i: charge, multiplicity, spin_channels, source_index, energy, dipole
per atom        rows ``atoms[i] : atoms[i + 1]``: numbers, positions, forces
ragged          a stretch of its own: fock, density, overlap (lower triangles, row by row, of
                each spin channel in turn), orbital_energies, occupations

A per-structure or per-atom label that a structure lacks is NaN; a ragged one is a stretch of
length 0. Symmetric matrices lose nothing: unpack(pack(M)) = M.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any

import numpy as np

from linvop.errors import InputError
from linvop.io.dipoles import NUCLEAR_CHARGE

if TYPE_CHECKING:
    from ase import Atoms

__all__ = [
    "MATRICES",
    "PER_ATOM",
    "PER_STRUCTURE",
    "QUANTITIES",
    "RAGGED",
    "Record",
    "flatten",
    "pack",
    "unpack",
]

PER_STRUCTURE: dict[str, tuple[str, tuple[int, ...]]] = {
    "charge": ("i4", ()),
    "multiplicity": ("i4", ()),
    "spin_channels": ("u1", ()),
    "source_index": ("i8", ()),
    "energy": ("f8", ()),
    "dipole": ("f8", (3,)),
}
PER_ATOM: dict[str, tuple[str, tuple[int, ...]]] = {
    "numbers": ("u1", ()),
    "positions": ("f8", (3,)),
    "forces": ("f8", (3,)),
}
MATRICES = ("fock", "density", "overlap")
RAGGED = (*MATRICES, "orbital_energies", "occupations")
QUANTITIES = ("energy", "forces", "dipole", *RAGGED)
"""What a record may have, or have not."""


@dataclass(frozen=True, eq=False, kw_only=True)
class Record:
    r"""A structure with what was calculated for it; None where nothing was.

    Attributes
    ----------
    numbers : (n_atoms,) int
    positions : (n_atoms, 3) float64, Angstrom
    charge, multiplicity : int
        Total charge and 2 S + 1.
    spin_channels : int
        1 (closed shell) or 2: the length of the leading axis that fock, density,
        orbital_energies and occupations then have (alpha, beta).
    source_index : int
        Which structure of the input it was.
    energy : float, eV
    forces : (n_atoms, 3) float64, eV/Angstrom
    dipole : (3,) float64, e Angstrom, about the centre of nuclear charge
    fock, density : (n_ao, n_ao) or (2, n_ao, n_ao) float64, PySCF's AO order
        Fock matrix in Hartree; density matrix, with tr(P S) electrons.
    overlap : (n_ao, n_ao) float64, PySCF's AO order
    orbital_energies, occupations : (n_mo,) or (2, n_mo) float64, eV
    """

    numbers: np.ndarray
    positions: np.ndarray
    charge: int = 0
    multiplicity: int = 1
    spin_channels: int = 1
    source_index: int = 0
    energy: float | None = None
    forces: np.ndarray | None = None
    dipole: np.ndarray | None = None
    fock: np.ndarray | None = None
    density: np.ndarray | None = None
    overlap: np.ndarray | None = None
    orbital_energies: np.ndarray | None = None
    occupations: np.ndarray | None = None

    def atoms(self) -> Atoms:
        """The structure as an `ase.Atoms`, its labels where `linvop.io.labels` looks for them."""
        from ase import Atoms
        from ase.calculators.singlepoint import SinglePointCalculator

        info: dict[str, int | str] = {
            "charge": int(self.charge),
            "spin_mult": int(self.multiplicity),
            "source_index": int(self.source_index),
        }
        if self.charge and self.dipole is not None:
            info["dipole_origin"] = NUCLEAR_CHARGE
        atoms = Atoms(numbers=self.numbers, positions=self.positions, info=info)
        named = {"energy": self.energy, "forces": self.forces, "dipole": self.dipole}
        results = {name: value for name, value in named.items() if value is not None}
        if results:
            atoms.calc = SinglePointCalculator(atoms, **results)
        return atoms

    def arrays(self) -> dict[str, np.ndarray]:
        """All that is not None, by name."""
        values = {f.name: getattr(self, f.name) for f in fields(self)}
        return {name: np.asarray(v) for name, v in values.items() if v is not None}

    @classmethod
    def from_arrays(cls, arrays: dict[str, np.ndarray]) -> Record:
        """The inverse of `arrays`."""
        plain: dict[str, Any] = dict(arrays)
        for name in ("charge", "multiplicity", "spin_channels", "source_index"):
            plain[name] = int(arrays[name])
        if "energy" in plain:
            plain["energy"] = float(arrays["energy"])
        return cls(**plain)


def pack(matrix: np.ndarray) -> np.ndarray:
    r"""Lower triangles of symmetric matrices (..., n, n), row by row, as one flat array."""
    rows, columns = np.tril_indices(matrix.shape[-1])
    return np.ascontiguousarray(matrix[..., rows, columns]).ravel()


def unpack(flat: np.ndarray, spin_channels: int = 1) -> np.ndarray:
    r"""The inverse of `pack`: (n, n), or (2, n, n) from two spin channels."""
    triangles = flat.reshape(spin_channels, -1)
    n = int((np.sqrt(8 * triangles.shape[1] + 1) - 1) / 2 + 0.5)
    if n * (n + 1) // 2 != triangles.shape[1]:
        raise InputError(f"{flat.size} numbers are not {spin_channels} triangles of a matrix")
    matrix = np.empty((spin_channels, n, n))
    rows, columns = np.tril_indices(n)
    matrix[:, rows, columns] = triangles
    matrix[:, columns, rows] = triangles
    return matrix if spin_channels == 2 else matrix[0]


def flatten(record: Record) -> dict[str, np.ndarray]:
    r"""Each column's share of one record; rows first."""
    n_atoms = len(record.numbers)
    pieces: dict[str, np.ndarray] = {}
    for table, rows in ((PER_STRUCTURE, 1), (PER_ATOM, n_atoms)):
        for name, (kind, shape) in table.items():
            value = getattr(record, name)
            pieces[name] = np.full((rows, *shape), np.nan if value is None else value, dtype=kind)
    for name in RAGGED:
        value = getattr(record, name)
        if value is None:
            pieces[name] = np.zeros(0)
        else:
            pieces[name] = pack(value) if name in MATRICES else np.asarray(value, float).ravel()
    return pieces
