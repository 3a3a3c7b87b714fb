r"""`analyse`: everything that follows from a Fock or a density matrix.

.. math:: F \;\to\; \epsilon, C \;\to\; P \;\to\; \mu, \Theta, q, B, E[P]
          \qquad\text{or}\qquad P \;\to\; \text{purified } P \;\to\; \mu, \Theta, q, B, E[P], F[P]

A Fock matrix gives orbitals, and their density by aufbau. A density matrix is purified. With both,
orbital energies are those of the one and all else follows from the other. A functional adds the
energy, the residual of self-consistency, and orbital energies where no Fock matrix was given.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from linvop.conventions import HARTREE
from linvop.errors import InputError
from linvop.integrals import System, overlap
from linvop.io.frames import check_frames, state_of
from linvop.io.matrices import checked_matrix
from linvop.observables.density import (
    PURIFICATIONS,
    aufbau_density,
    idempotency_error,
    natural_occupations,
    purified,
)
from linvop.observables.energy import evaluated
from linvop.observables.lowdin import square_roots
from linvop.observables.moments import dipole, quadrupole
from linvop.observables.orbitals import Orbitals, orbitals
from linvop.observables.populations import lowdin_charges, mayer_bond_orders, mulliken_charges
from linvop.observables.result import Observables
from linvop.observables.stationarity import commutator_norm
from linvop.orbitals.core_potentials import require_all_electrons
from linvop.orbitals.shells import AOBasis

if TYPE_CHECKING:
    from ase import Atoms

__all__ = ["analyse"]

_ELECTRON_TOLERANCE = 0.5
"""A fitted density is off by much less; another charge, or a factor 2, by more."""


def analyse(
    atoms: Atoms,
    *,
    fock: np.ndarray | None = None,
    density: np.ndarray | None = None,
    ao: str | AOBasis | Mapping[str, object],
    charge: int | None = None,
    multiplicity: int | None = None,
    xc: str | None = None,
    purification: str | None = "projection",
    grid_level: int = 4,
) -> Observables:
    r"""Orbital energies, density, moments, charges, bond orders and energy of a molecule.

    Parameters
    ----------
    atoms : ase.Atoms
    fock : (n_ao, n_ao) or (2, n_ao, n_ao), Hartree, PySCF's AO order, optional
    density : (n_ao, n_ao) or (2, n_ao, n_ao), PySCF's AO order, optional
        With tr(P S) electrons. At least one of the two is needed.
    ao : str, AOBasis or mapping
        The AO basis of the matrices.
    charge, multiplicity : int, optional
        Default those that ``atoms.info`` says, as everywhere in linvop; else 0 and the lowest.
    xc : str, optional
        PySCF's name of a functional, or "hf": adds energy and residual.
    purification : {"projection", "mcweeny", None}
        What becomes of a given density (`linvop.observables.density`); None leaves it.
    grid_level : int
        PySCF's grid for `xc`; labels of `linvop label` have 4.

    Raises
    ------
    InputError
        For neither matrix; a wrong shape, numbers that are not finite, a matrix that is not
        symmetric; a density whose tr(P S) is 0.5 or more away from the number of electrons; more
        electrons than the AOs hold, or unpaired ones without spin channels; AOs that are close to
        linearly dependent; a gap below 1e-6 Hartree between the last occupied and the first empty
        orbital of a channel, or occupations that do not tell which are occupied; an unknown
        functional; a basis made for effective core potentials.

    Examples
    --------
    >>> import linvop
    >>> record = linvop.Dataset.open(linvop.data.water())[0]
    >>> found = linvop.analyse(record.atoms(), fock=record.fock, ao="def2-svp")
    >>> bool(abs(found.dipole - record.dipole).max() < 1e-6)
    True
    """
    system, state = _molecule(atoms, ao, charge, multiplicity)
    n_ao = system.layout.n_ao
    given = {
        name: checked_matrix(matrix, n_ao, True, name)
        for name, matrix in (("fock", fock), ("density", density))
        if matrix is not None
    }
    electrons = _electrons(given, system, state)
    if purification not in (None, *PURIFICATIONS):
        raise InputError(
            f"purification: expected one of {', '.join(PURIFICATIONS)} or None, "
            f"got {purification!r}"
        )
    S = overlap(system)
    roots = square_roots(S)
    found: dict[str, Any] = {}
    if "fock" in given:
        levels = _diagonalised(given["fock"], roots[1], electrons, "fock")
        found |= _orbital_fields(levels)
    if "density" in given:
        P, found_before = _purified(given["density"], S, roots, electrons, purification)
        found |= found_before
        if "fock" in given:
            found["commutator"] = commutator_norm(given["fock"], P, S)
    else:
        P = _like_given([aufbau_density(c.coefficients, c.n_occupied) for c in levels])
    if xc is not None:
        energy, of_density = evaluated(system, P, xc, state, grid_level)
        found |= {"energy": energy * HARTREE, "residual": commutator_norm(of_density, P, S)}
        if "fock" not in given:
            levels = _diagonalised(of_density, roots[1], electrons, f"F[P] of {xc}")
            found |= _orbital_fields(levels)
    return Observables(**found, **_of_density(system, P, S, roots[0]))


def _molecule(
    atoms: Atoms,
    ao: str | AOBasis | Mapping[str, object],
    charge: int | None,
    multiplicity: int | None,
) -> tuple[System, tuple[int, int]]:
    """The molecule in its AO basis, and its state."""
    (atoms,) = check_frames([atoms], source="atoms")
    basis = ao if isinstance(ao, AOBasis) else AOBasis(ao)
    system = System.from_atoms(atoms, basis)
    require_all_electrons(basis, dict.fromkeys(system.layout.symbols))
    return system, state_of(atoms, charge, multiplicity)


def _electrons(
    given: dict[str, np.ndarray], system: System, state: tuple[int, int]
) -> tuple[int, ...]:
    """Electrons of each channel; of closed shells the pairs."""
    if not given:
        raise InputError("expected a Fock or a density matrix (fock=..., density=...), got none")
    if len({m.ndim for m in given.values()}) > 1:
        shapes = ", ".join(f"{name} {m.shape}" for name, m in given.items())
        raise InputError(f"expected as many spin channels of fock as of density, got {shapes}")
    (name, matrix), *_ = given.items()
    charge, multiplicity = state
    n, unpaired = sum(system.numbers) - charge, multiplicity - 1
    if matrix.ndim == 2 and unpaired:
        raise InputError(
            f"{name}: {n} electrons with multiplicity {multiplicity} need two spin channels, "
            f"expected shape (2, {len(matrix)}, {len(matrix)}), got {matrix.shape}"
        )
    electrons = ((n + unpaired) // 2, (n - unpaired) // 2)
    if electrons[0] > matrix.shape[-1]:
        raise InputError(
            f"{name}: {electrons[0]} orbitals are occupied (charge {charge}, multiplicity "
            f"{multiplicity}), expected at most the {matrix.shape[-1]} of the AO basis"
        )
    return electrons if matrix.ndim == 3 else electrons[:1]


def _channels(matrix: np.ndarray) -> np.ndarray:
    """With the axis of spins, (1 or 2, n_ao, n_ao)."""
    return matrix.reshape(-1, *matrix.shape[-2:])


def _like_given(densities: list[np.ndarray]) -> np.ndarray:
    """Closed shells: twice the density of one spin; open ones: both."""
    return 2 * densities[0] if len(densities) == 1 else np.stack(densities)


def _named(name: str, k: int, n_channels: int) -> str:
    return name if n_channels == 1 else f"{name}, {('alpha', 'beta')[k]}"


def _diagonalised(
    fock: np.ndarray, inverse_root: np.ndarray, electrons: tuple[int, ...], name: str
) -> list[Orbitals]:
    return [
        orbitals(F, inverse_root, n, _named(name, k, len(electrons)))
        for k, (F, n) in enumerate(zip(_channels(fock), electrons, strict=True))
    ]


def _orbital_fields(levels: list[Orbitals]) -> dict[str, Any]:
    closed = len(levels) == 1
    homo = np.array([c.homo for c in levels]) * HARTREE
    lumo = np.array([c.lumo for c in levels]) * HARTREE

    def shaped(values: list[np.ndarray]) -> np.ndarray:
        return values[0] if closed else np.stack(values)

    return {
        "orbital_energies": shaped([c.energies for c in levels]) * HARTREE,
        "orbitals": shaped([c.coefficients for c in levels]),
        "occupations": shaped([c.occupied for c in levels]) * (2 if closed else 1),
        "homo": float(homo[0]) if closed else homo,
        "lumo": float(lumo[0]) if closed else lumo,
        "gap": float(lumo[0] - homo[0]) if closed else lumo - homo,
    }


def _purified(
    density: np.ndarray,
    S: np.ndarray,
    roots: tuple[np.ndarray, np.ndarray],
    electrons: tuple[int, ...],
    method: str | None,
) -> tuple[np.ndarray, dict[str, Any]]:
    """The density to go on with, and what it was like before."""
    full = 2 if len(electrons) == 1 else 1
    occupations, kept = [], []
    for k, (P, n) in enumerate(zip(_channels(density) / full, electrons, strict=True)):
        name = _named("density", k, len(electrons))
        found = full * float(np.sum(P * S))
        if not abs(found - full * n) < _ELECTRON_TOLERANCE:
            raise InputError(f"{name}: expected tr(P S) = {full * n} electrons, got {found:.6g}")
        occupations.append(natural_occupations(P, roots[0]))
        kept.append(P if method is None else purified(P, *roots, n, method, name))
    return _like_given(kept), {
        "natural_occupations": full * occupations[0] if full == 2 else np.stack(occupations),
        # A closed shell has the occupations of one spin twice.
        "idempotency_error": float(np.sqrt(full)) * idempotency_error(np.concatenate(occupations)),
    }


def _of_density(
    system: System, density: np.ndarray, S: np.ndarray, root: np.ndarray
) -> dict[str, Any]:
    """What follows from the density alone."""
    spins = density if density.ndim == 3 else np.stack([density, density]) / 2
    total = spins.sum(axis=0)
    return {
        "density": density,
        "dipole": dipole(system, total),
        "quadrupole": quadrupole(system, total),
        "mulliken_charges": mulliken_charges(total, S, system.layout),
        "lowdin_charges": lowdin_charges(total, root, system.layout),
        "bond_orders": mayer_bond_orders(spins, S, system.layout),
    }
