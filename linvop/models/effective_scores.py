r"""Errors of what a small-basis operator gives, against the labels of a larger calculation."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from linvop.errors import InputError
from linvop.integrals import System, overlap
from linvop.io.records import Record
from linvop.models.derived_errors import summary
from linvop.observables.analysis import analyse
from linvop.observables.lowdin import square_roots
from linvop.observables.populations import lowdin_charges
from linvop.orbitals.shells import AOBasis

__all__ = ["observable_errors"]

_UNITS = {
    "occupied orbital energies": "eV",
    "LUMO": "eV",
    "occupied and LUMO": "eV",
    "gap": "eV",
    "dipole": "e*Angstrom",
    "lowdin charges": "e",
}


def observable_errors(
    matrices: Sequence[np.ndarray],
    small: AOBasis,
    records: Sequence[Record],
    large: AOBasis | None,
    source: str = "data",
) -> dict[str, dict[str, Any]]:
    r"""Errors of orbital energies, dipoles and charges of Fock matrices in a small basis.

    Parameters
    ----------
    matrices : sequence of (n_ao, n_ao) float64, Hartree
    small : AOBasis
        Of the matrices.
    records : sequence of Record
        Labels: orbital energies, and dipole and density where they are.
    large : AOBasis or None
        Of the labels' densities, if they have any.
    source : str
        How messages call the data.

    Returns
    -------
    {quantity: {mae, rmse, max, n, unit}}
        With ``failed`` for structures whose matrix has no gap, if there are any.

    Raises
    ------
    InputError
        For records without orbital energies, or of open shells.
    """
    found: dict[str, list[np.ndarray]] = {}
    n_failed = 0
    for k, (record, matrix) in enumerate(zip(records, matrices, strict=True)):
        if record.orbital_energies is None:
            raise InputError(f"{source}: frame {k}: expected orbital_energies, got none")
        if record.spin_channels != 1:
            raise InputError(f"{source}: frame {k}: expected a closed shell, got two spin channels")
        try:
            ours = analyse(record.atoms(), fock=matrix, ao=small)
        except InputError:  # no gap: part of what is measured
            n_failed += 1
            continue
        n = int(np.sum(np.asarray(ours.occupations) > 0))
        energies, label = np.asarray(ours.orbital_energies), np.asarray(record.orbital_energies)
        last = min(n + 1, len(energies), len(label))
        levels = np.abs(energies[:last] - label[:last])
        errors = {
            "occupied orbital energies": levels[:n],
            "LUMO": levels[n:],
            "occupied and LUMO": levels,
        }
        if last > n:
            errors["gap"] = np.abs(
                (energies[n] - energies[n - 1]) - (label[n] - label[n - 1])
            ).reshape(1)
        if record.dipole is not None:
            errors["dipole"] = np.linalg.norm(ours.dipole - record.dipole).reshape(1)
        if record.density is not None and large is not None:
            errors["lowdin charges"] = np.abs(ours.lowdin_charges - _charges(record, large))
        for name, error in errors.items():
            found.setdefault(name, []).append(error)
    out = {name: summary(np.concatenate(x), _UNITS[name]) for name, x in found.items()}
    return out | ({"failed": {"n": n_failed}} if n_failed else {})


def _charges(record: Record, ao: AOBasis) -> np.ndarray:
    system = System.from_atoms(record.atoms(), ao)
    return lowdin_charges(
        np.asarray(record.density), square_roots(overlap(system))[0], system.layout
    )
