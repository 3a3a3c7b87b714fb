r"""Operators from elsewhere: whether they are what linvop takes them for.

The overlap is the witness. It is made again from the structure and the AO basis and compared;
its eigenvalues do not depend on order or phase of the AOs, so they tell whether the AOs are
other functions or the same ones arranged otherwise. For a density matrix, tr(P S) = N. Where both
are given, F and P must be those of one converged calculation,

.. math:: \max_{\mu\nu} |F P S - S P F|_{\mu\nu} \le 10^{-3} \text{ Hartree} .

Converged to 1e-5 Hartree in energy it is some 1e-4; of labels of `linvop label` 4e-7; of atoms
moved by 0.01 Angstrom between the two, 0.006 to 0.05; after three cycles of an SCF, 0.005 to 0.01.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from linvop.errors import InputError
from linvop.integrals import System
from linvop.integrals import overlap as recomputed_overlap
from linvop.io.frames import charges_and_multiplicities, check_frames
from linvop.io.labels import find, labels
from linvop.io.records import Record
from linvop.orbitals.order import to_m_order
from linvop.orbitals.shells import AOBasis

if TYPE_CHECKING:
    from ase import Atoms

__all__ = ["checked_matrix", "checked_records", "observed_records"]

_OVERLAP_TOLERANCE = 1e-5
_SYMMETRY_TOLERANCE = 1e-6
_ELECTRON_TOLERANCE = 1e-3
_COMMUTATOR_TOLERANCE = 1e-3
"""Hartree, of an element."""


def checked_records(
    frames: Sequence[Atoms],
    ao: AOBasis,
    overlap: Sequence[np.ndarray],
    fock: Sequence[np.ndarray] | None = None,
    density: Sequence[np.ndarray] | None = None,
    *,
    allow_unconverged: bool = False,
) -> list[Record]:
    r"""Records of structures with their matrices; see `linvop.io.dataset.Dataset.from_arrays`.

    Raises
    ------
    InputError
        Naming the frame and the matrix, with expected and got.
    """
    frames = check_frames(frames)
    charges, multiplicities = charges_and_multiplicities(frames)
    for name, matrices in (("overlap", overlap), ("fock", fock), ("density", density)):
        if matrices is not None and not hasattr(matrices, "__len__"):
            raise InputError(f"{name}: expected a list of matrices, got {type(matrices).__name__}")
        if matrices is not None and len(matrices) != len(frames):
            raise InputError(
                f"{name}: expected a matrix for each of {len(frames)} structures, "
                f"got {len(matrices)}"
            )
    scalars = _labels_of(frames)
    records = []
    for i, atoms in enumerate(frames):
        system = System.from_atoms(atoms, ao)
        where = f"frame {i}"
        s = checked_matrix(overlap[i], system.layout.n_ao, False, f"{where}: overlap")
        _check_overlap(s, system, where)
        given: dict[str, Any] = {
            name: checked_matrix(matrices[i], len(s), True, f"{where}: {name}")
            for name, matrices in (("fock", fock), ("density", density))
            if matrices is not None
        }
        if len({m.ndim for m in given.values()}) > 1:
            raise InputError(f"{where}: expected as many spin channels of fock as of density")
        n_electrons = int(atoms.numbers.sum()) - int(charges[i])
        if "density" in given:
            _check_electrons(given["density"], s, n_electrons, where)
        if len(given) == 2 and not allow_unconverged:
            _check_convergence(given["fock"], given["density"], s, where)
        records.append(
            Record(
                numbers=atoms.numbers,
                positions=atoms.positions,
                charge=int(charges[i]),
                multiplicity=int(multiplicities[i]),
                spin_channels=2 if any(m.ndim == 3 for m in given.values()) else 1,
                source_index=i,
                overlap=s,
                **scalars[i],
                **given,
            )
        )
    return records


def observed_records(
    frames: Sequence[Atoms], orbital_energies: Sequence[np.ndarray] | None
) -> list[Record]:
    r"""Closed-shell records without matrices; see `linvop.io.dataset.Dataset.from_observables`.

    Raises
    ------
    InputError
        Naming the frame, with expected and got.
    """
    frames = check_frames(frames)
    charges, multiplicities = charges_and_multiplicities(frames)
    if orbital_energies is not None and len(orbital_energies) != len(frames):
        raise InputError(
            f"orbital_energies: expected those of {len(frames)} structures, "
            f"got {len(orbital_energies)}"
        )
    scalars = _labels_of(frames)
    records = []
    for i, atoms in enumerate(frames):
        if multiplicities[i] != 1:
            raise InputError(
                f"frame {i}: expected a closed shell, got multiplicity {multiplicities[i]}"
            )
        energies = None
        if orbital_energies is not None:
            least = (int(atoms.numbers.sum()) - int(charges[i])) // 2
            energies = _checked_levels(np.asarray(orbital_energies[i]), least, i)
        records.append(
            Record(
                numbers=atoms.numbers,
                positions=atoms.positions,
                charge=int(charges[i]),
                source_index=i,
                orbital_energies=energies,
                **scalars[i],
            )
        )
    return records


def _checked_levels(energies: np.ndarray, least: int, frame: int) -> np.ndarray:
    real = energies.dtype.kind in "fiu" and energies.ndim == 1
    if not real or len(energies) < least or not np.isfinite(energies).all():
        raise InputError(
            f"frame {frame}: expected at least {least} orbital energies, finite and in one row, "
            f"got {energies.dtype} of shape {energies.shape}"
        )
    if (np.diff(energies) < 0).any():
        raise InputError(f"frame {frame}: expected orbital energies from the lowest upwards")
    return energies.astype(float)


def _labels_of(frames: Sequence[Atoms]) -> list[dict[str, Any]]:
    """Energy, forces and dipole of each frame, as far as it has them."""
    found: list[dict[str, Any]] = [{} for _ in frames]
    for name in ("energy", "forces", "dipole"):
        have = [i for i, a in enumerate(frames) if find(a, name, f"frame {i}") is not None]
        source = "frames" if len(have) == len(frames) else f"frames with {name} (the rest apart)"
        for i, value in zip(
            have, labels([frames[i] for i in have], name, source=source), strict=True
        ):
            found[i][name] = float(value) if name == "energy" else value
    return found


def checked_matrix(matrix: np.ndarray, n_ao: int, spin: bool, where: str) -> np.ndarray:
    r"""Return a real symmetric matrix, rounding between it and its transpose taken out.

    Parameters
    ----------
    matrix : (n_ao, n_ao) or, if `spin`, (2, n_ao, n_ao)
    n_ao : int
    spin : bool
        Whether two of them, (alpha, beta), are taken too.
    where : str
        How messages call it.

    Raises
    ------
    InputError
        For another shape, numbers that are not real or not finite, and matrices that differ from
        their transpose by more than 1e-6 of their largest element.
    """
    matrix = np.asarray(matrix)
    shapes = [(n_ao, n_ao), (2, n_ao, n_ao)] if spin else [(n_ao, n_ao)]
    if matrix.shape not in shapes or matrix.dtype.kind not in "fiu":
        raise InputError(
            f"{where}: expected real numbers of shape {' or '.join(map(str, shapes))}, "
            f"got {matrix.dtype} of shape {matrix.shape}"
        )
    if not np.isfinite(matrix).all():
        raise InputError(f"{where}: expected finite numbers")
    matrix = matrix.astype(np.float64)
    transposed = np.swapaxes(matrix, -1, -2)
    off = np.abs(matrix - transposed).max()
    if off > _SYMMETRY_TOLERANCE * max(1.0, np.abs(matrix).max()):
        raise InputError(f"{where}: expected a symmetric matrix; it is off by {off:.3g}")
    return (matrix + transposed) / 2


def _check_overlap(given: np.ndarray, system: System, where: str) -> None:
    expected = recomputed_overlap(system)
    deviation = np.abs(given - expected).max()
    if deviation < _OVERLAP_TOLERANCE:
        return
    raise InputError(
        f"{where}: its overlap is not that of the structure in the AO basis "
        f"{system.ao.name!r}: off by up to {deviation:.3g}; {_reason(given, expected, system)}"
    )


def _reason(given: np.ndarray, expected: np.ndarray, system: System) -> str:
    """The likely cause of an overlap that differs."""
    if np.abs(given - to_m_order(expected, system.layout)).max() < _OVERLAP_TOLERANCE:
        return "its p shells run y, z, x, and PySCF's run x, y, z"
    if np.abs(np.diag(given) - 1).max() > _OVERLAP_TOLERANCE:
        return "its AOs are not normalised"
    if np.abs(np.abs(given) - np.abs(expected)).max() < _OVERLAP_TOLERANCE:
        return "the AOs have other signs than PySCF's"
    spectra = [np.linalg.eigvalsh(m) for m in (given, expected)]
    if np.abs(spectra[0] - spectra[1]).max() < _OVERLAP_TOLERANCE:
        return "the AOs are the same functions in another order (expected PySCF's)"
    return "it belongs to another geometry, unit of length, or AO basis"


def _check_electrons(density: np.ndarray, s: np.ndarray, expected: int, where: str) -> None:
    found = float(np.sum(density * s))
    if abs(found - expected) > _ELECTRON_TOLERANCE:
        raise InputError(
            f"{where}: density: expected tr(P S) = {expected} electrons, got {found:.6g}"
        )


def _check_convergence(fock: np.ndarray, density: np.ndarray, s: np.ndarray, where: str) -> None:
    product = fock @ density @ s
    off = float(np.abs(product - np.swapaxes(product, -1, -2)).max())
    if off > _COMMUTATOR_TOLERANCE:
        raise InputError(
            f"{where}: fock and density are not those of one converged calculation: |FPS - SPF| "
            f"has an element of {off:.2g} Hartree, expected at most {_COMMUTATOR_TOLERANCE:g}; "
            "allow_unconverged=True takes them all the same"
        )
