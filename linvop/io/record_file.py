r"""Records in an HDF5 file.

Layout of the file (kind "dataset", schema 1; seal and header as in `linvop.io.hdf5`)::

    columns/<name>     one array over all structures, see `linvop.io.records`; attribute `unit`
    offsets/atoms      (n + 1,) where each structure's atoms start; likewise offsets/<ragged>
    ao                 JSON: element -> its shells in PySCF's internal format
    settings           JSON: how the labels were made
    failed             JSON: [{"index": ..., "reason": ...}], structures that have no labels
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from linvop.errors import FileFormatError, InputError
from linvop.io import hdf5
from linvop.io.records import (
    MATRICES,
    PER_ATOM,
    PER_STRUCTURE,
    RAGGED,
    Record,
    flatten,
    unpack,
)
from linvop.orbitals.shells import AOBasis, symbol_of

__all__ = ["SCHEMA", "StoredRecords", "write_records"]

SCHEMA = 1
_UNITS = {
    "positions": "Angstrom",
    "energy": "eV",
    "forces": "eV/Angstrom",
    "dipole": "e*Angstrom",
    "fock": "Hartree",
    "orbital_energies": "eV",
}
_NOTES = {
    "dipole": ("origin", "centre of nuclear charge"),
    **dict.fromkeys(MATRICES, ("order", "lower triangles, PySCF's AO order")),
}
_CHUNK = 8192


class StoredRecords:
    """The records of a file: small columns in memory, matrices read on demand."""

    def __init__(self, path: Path) -> None:
        self.path = path
        with hdf5.open_checked(path, "dataset", SCHEMA) as file:
            self._seal = hdf5.seal_of(path)
            try:
                eager = (*PER_STRUCTURE, *PER_ATOM, "orbital_energies", "occupations")
                self._columns = {name: file["columns"][name][()] for name in eager}
                self._offsets = {n: file["offsets"][n][()] for n in ("atoms", *RAGGED)}
                self.shells = hdf5.get_json(file, "ao")
                self.settings = hdf5.get_json(file, "settings")
                self.failed = hdf5.get_json(file, "failed")
            except KeyError as error:
                raise FileFormatError(f"{path}: damaged: {error.args[0]}") from error
        self.length = len(self._columns["charge"])
        self.numbers = np.arange(self.length)

    def has(self, i: int, name: str) -> bool:
        """Whether structure i has the quantity `name`."""
        if name in self._offsets:
            first, last = self._offsets[name][i : i + 2]
            return bool(last > first)
        at = slice(*self._offsets["atoms"][i : i + 2]) if name in PER_ATOM else i
        return not np.isnan(self._columns[name][at]).any()

    def get(self, i: int, matrices: bool) -> Record:
        """Structure i, with fock, density and overlap only if they are wanted."""
        at = slice(*self._offsets["atoms"][i : i + 2])
        arrays: dict[str, Any] = {n: self._columns[n][i] for n in PER_STRUCTURE if self.has(i, n)}
        arrays |= {n: self._columns[n][at] for n in PER_ATOM if self.has(i, n)}
        channels = int(arrays["spin_channels"])
        for name in ("orbital_energies", "occupations"):
            if self.has(i, name):
                flat = self._columns[name][slice(*self._offsets[name][i : i + 2])]
                arrays[name] = flat.reshape(2, -1) if channels == 2 else flat
        if matrices:
            arrays |= self._matrices(i, channels)
        return Record.from_arrays(arrays)

    def _matrices(self, i: int, channels: int) -> dict[str, np.ndarray]:
        at = {n: slice(*self._offsets[n][i : i + 2]) for n in MATRICES if self.has(i, n)}
        if not at:
            return {}
        if hdf5.seal_of(self.path) != self._seal:
            raise FileFormatError(f"{self.path}: replaced by another file since it was opened")
        with h5py.File(self.path, "r") as file:
            flat = {n: file["columns"][n][where] for n, where in at.items()}
        return {n: unpack(x, 1 if n == "overlap" else channels) for n, x in flat.items()}


class _Column:
    """A dataset that grows, written in large pieces."""

    def __init__(self, file: h5py.File, name: str, kind: str, shape: tuple[int, ...]) -> None:
        self._dataset = file.create_dataset(
            f"columns/{name}",
            shape=(0, *shape),
            maxshape=(None, *shape),
            chunks=(_CHUNK // max(1, int(np.prod(shape))), *shape),
            dtype=kind,
            shuffle=True,
            compression="gzip",
        )
        if name in _UNITS:
            self._dataset.attrs["unit"] = _UNITS[name]
        if name in _NOTES:
            key, text = _NOTES[name]
            self._dataset.attrs[key] = text
        self._waiting: list[np.ndarray] = []
        self.offsets = [0]

    def append(self, piece: np.ndarray) -> None:
        self._waiting.append(piece)
        self.offsets.append(self.offsets[-1] + len(piece))
        if self.offsets[-1] - len(self._dataset) >= 16 * _CHUNK:
            self.flush()

    def flush(self) -> None:
        if self.offsets[-1] > len(self._dataset):
            first = len(self._dataset)
            self._dataset.resize(self.offsets[-1], axis=0)
            self._dataset[first:] = np.concatenate(self._waiting)
        self._waiting = []


def write_records(
    path: str | Path,
    records: Iterable[Record],
    ao: AOBasis,
    settings: Mapping[str, Any],
    failed: Sequence[Mapping[str, Any]] = (),
    force: bool = False,
) -> None:
    r"""Write records one after the other, never holding more than a few of them.

    Parameters
    ----------
    path : path
    records : iterable of Record
    ao : AOBasis
        Its shells of every element that occurs are spelled out in the file.
    settings : mapping
        How the labels were made.
    failed : sequence of mapping
        ``{"index": ..., "reason": ...}`` of structures left out.
    force : bool
        Whether an existing file is replaced.

    Raises
    ------
    InputError
        As `linvop.io.hdf5.write`.
    """
    kinds = {**PER_STRUCTURE, **PER_ATOM, **dict.fromkeys(RAGGED, ("f8", ()))}
    species: dict[str, None] = {}
    with hdf5.write(path, "dataset", SCHEMA, force) as file:
        columns = {name: _Column(file, name, *kind) for name, kind in kinds.items()}
        for record in records:
            species |= dict.fromkeys(symbol_of(int(z)) for z in record.numbers)
            for name, piece in flatten(record).items():
                columns[name].append(piece)
        for column in columns.values():
            column.flush()
        file["offsets/atoms"] = np.asarray(columns["numbers"].offsets, dtype=np.int64)
        for name in RAGGED:
            file[f"offsets/{name}"] = np.asarray(columns[name].offsets, dtype=np.int64)
        if not species:
            raise InputError(f"{path}: expected at least one structure to write, got none")
        hdf5.put_json(file, "ao", {s: ao.raw(s) for s in species})
        hdf5.put_json(file, "settings", settings)
        hdf5.put_json(file, "failed", list(failed))
