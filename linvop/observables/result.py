r"""`Observables`: what `linvop.analyse` finds, with shapes and units."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Any

import numpy as np

__all__ = ["Observables"]


@dataclass(frozen=True, eq=False, kw_only=True)
class Observables:
    r"""What `analyse` finds; None where it does not apply.

    In shapes, (s?) is a leading axis (alpha, beta) of open shells, absent for closed ones.

    Attributes
    ----------
    density : (s?, n_ao, n_ao), PySCF's AO order
        From which the rest follows; tr(P S) electrons.
    dipole : (3,), e Angstrom, about the centre of nuclear charge
    quadrupole : (3, 3), e Angstrom^2, about the centre of nuclear charge
        Traceless: half the sum of q (3 x_a x_b - delta_ab x^2).
    mulliken_charges, lowdin_charges : (n_atoms,), e
    bond_orders : (n_atoms, n_atoms)
        Mayer's; zero on the diagonal.
    orbital_energies : (s?, n_ao), eV, ascending
        Of the given Fock matrix, else of F[P] if there is a functional.
    orbitals : (s?, n_ao, n_ao)
        Their coefficients; columns are orbitals.
    occupations : (s?, n_ao)
        Of these orbitals by aufbau: 2 or 0 of closed shells, 1 or 0 of open ones.
    homo, lumo, gap : float, or (2,) of open shells, eV
        NaN where no orbital is occupied, or none empty.
    natural_occupations : (s?, n_ao), descending
        Of a given density before its purification; at most 2 of closed shells.
    idempotency_error : float
        |P~^2 - P~| (Frobenius, both spins) of a given density before its purification, with P~
        between Lowdin orbitals and per spin channel.
    commutator : float, Hartree
        |F P S - S P F| of a given Fock matrix with a given density, after its purification.
    energy : float, eV
        Total, E[P] of the functional.
    residual : float, Hartree
        |F[P] P S - S P F[P]|: zero if P is self-consistent for the functional.
    """

    density: np.ndarray
    dipole: np.ndarray
    quadrupole: np.ndarray
    mulliken_charges: np.ndarray
    lowdin_charges: np.ndarray
    bond_orders: np.ndarray
    orbital_energies: np.ndarray | None = None
    orbitals: np.ndarray | None = None
    occupations: np.ndarray | None = None
    homo: float | np.ndarray | None = None
    lumo: float | np.ndarray | None = None
    gap: float | np.ndarray | None = None
    natural_occupations: np.ndarray | None = None
    idempotency_error: float | None = None
    commutator: float | None = None
    energy: float | None = None
    residual: float | None = None

    def as_dict(self) -> dict[str, Any]:
        """All that is not None, by name."""
        values = {f.name: getattr(self, f.name) for f in fields(self)}
        return {name: value for name, value in values.items() if value is not None}
