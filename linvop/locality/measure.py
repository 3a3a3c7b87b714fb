r"""Block norms, and changes of properties, over the structures of a set."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import product
from typing import Any

import numpy as np

from linvop.errors import InputError
from linvop.integrals import System, overlap, potential
from linvop.io.records import Record
from linvop.locality.settings import LocalityConfig
from linvop.models.baselines import baseline
from linvop.models.derived_errors import summary
from linvop.observables.block_norms import BlockNorms, norms_of
from linvop.observables.lowdin import square_roots
from linvop.observables.truncation import SERIES, UNITS, Truncation
from linvop.orbitals.shells import AOBasis

__all__ = ["Progress", "measured_norms", "measured_truncation"]

Progress = Callable[[str, int, int], None]


def measured_norms(
    records: Sequence[Record],
    chosen: Sequence[int],
    ao: AOBasis,
    source: str,
    progress: Progress | None,
) -> list[BlockNorms]:
    """Of V, F and P between AOs, then between Lowdin orbitals, as far as there are any."""
    found: dict[tuple[str, str], list[BlockNorms]] = {}
    for done, (record, k) in enumerate(zip(records, chosen, strict=True), start=1):
        try:
            system = System.from_atoms(record.atoms(), ao)
            root, inverse = square_roots(overlap(system))
        except InputError as error:
            raise InputError(f"{source}, structure {k}: {error}") from error
        for name, matrix, unit in _matrices(record, system):
            T = root if name == "P" else inverse
            for orbitals, one in (("ao", matrix), ("lowdin", T @ matrix @ T)):
                found.setdefault((orbitals, name), []).append(
                    norms_of(one, system, name=name, orbitals=orbitals, unit=unit, structure=k)
                )
        if progress is not None:
            progress("block norms", done, len(records))
    order = sorted(found, key=lambda key: (key[0], "VFP".index(key[1])))
    return [BlockNorms.joined(found[key]) for key in order]


def _matrices(record: Record, system: System) -> list[tuple[str, np.ndarray, str]]:
    """V; of open shells the mean F of the spins and the total P."""
    out = [("V", potential(system), "Hartree")]
    if record.fock is not None:
        F = record.fock if record.fock.ndim == 2 else record.fock.mean(axis=0)
        out.append(("F", F, "Hartree"))
    if record.density is not None:
        P = record.density if record.density.ndim == 2 else record.density.sum(axis=0)
        out.append(("P", P, ""))
    return out


def measured_truncation(
    records: Sequence[Record],
    chosen: Sequence[int],
    ao: AOBasis,
    config: LocalityConfig,
    cutoffs: list[float],
    progress: Progress | None,
) -> list[dict[str, Any]]:
    r"""Mean absolute changes over the structures, blocks dropped between AOs, or Lowdin orbitals.

    Returns
    -------
    list of {orbitals, quantity, matrix, cutoff, mae, rmse, max, n, unit, n_failed}
        Structures whose truncated matrix has no properties count in ``n_failed`` alone; None
        where that is all of them.

    Raises
    ------
    InputError
        Naming the structure.
    """
    found: dict[str, list[dict[float, Any]]] = {"ao": [], "lowdin": []}
    for done, (record, k) in enumerate(zip(records, chosen, strict=True), start=1):
        atoms = record.atoms()
        try:
            known = baseline("sap", System.from_atoms(atoms, ao))
            for orbitals, changes in found.items():
                between = orbitals == "lowdin"
                one = Truncation(atoms, ao, record.fock, record.density, known, config.xc, between)
                changes.append(one.changes(cutoffs))
        except InputError as error:
            raise InputError(f"{config.data}, structure {k}: {error}") from error
        if progress is not None:
            progress("truncation", done, len(records))
    rows = []
    for orbitals, quantity, name in product(found, UNITS, SERIES):
        own = [_row(found[orbitals], quantity, name, cutoff) for cutoff in cutoffs]
        if any(row["n"] for row in own):
            rows += [{"orbitals": orbitals, **row} for row in own]
    return rows


def _row(
    found: Sequence[dict[float, Any]], quantity: str, name: str, cutoff: float
) -> dict[str, Any]:
    there = [changes[cutoff][name] for changes in found if name in changes[cutoff]]
    values = [np.abs(moved[quantity]) for moved in there if moved and quantity in moved]
    measured = summary(np.concatenate([np.zeros(0), *values]), UNITS[quantity])
    return {
        "quantity": quantity,
        "matrix": name,
        "cutoff": cutoff,
        **{"mae": None, "rmse": None, "max": None, **measured},
        "n_failed": sum(moved is None for moved in there),
    }
