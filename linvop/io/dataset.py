r"""Data sets of labelled structures: in memory, or in an HDF5 file read structure by structure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, overload

import numpy as np

from linvop.errors import InputError
from linvop.io.record_file import StoredRecords, write_records
from linvop.io.records import QUANTITIES, Record
from linvop.orbitals.shells import AOBasis, symbol_of

if TYPE_CHECKING:
    from ase import Atoms

__all__ = ["Dataset", "differs_in_level", "level_of_theory", "require_dataset"]


class Dataset:
    r"""Labelled structures, a sequence of `Record`.

    Open a file with `Dataset.open`, wrap one's own matrices with `Dataset.from_arrays`.
    ``data[i]`` is a record; ``data[2:9]`` and ``data[[4, 1]]`` are data sets.

    Attributes
    ----------
    settings : dict
        How the labels were made (method, xc, thresholds, versions).
    failed : list of dict
        Structures of the input that have no labels: index and reason.
    """

    def __init__(
        self,
        records: Sequence[Record] | RecordSource,
        ao: AOBasis | Mapping[str, object] | None,
        settings: Mapping[str, Any] | None = None,
        failed: Sequence[Mapping[str, Any]] = (),
    ) -> None:
        self._source = _Listed(records) if isinstance(records, Sequence) else records
        self._ao = ao
        self.settings = dict(settings or {})
        self.failed = [dict(f) for f in failed]

    @property
    def numbers(self) -> np.ndarray:
        r"""Number of each structure in what was opened, before any was chosen, (n,) int."""
        return self._source.numbers

    @cached_property
    def ao(self) -> AOBasis:
        r"""The AO basis of the matrices; not made before it is asked for, as it needs PySCF.

        Raises
        ------
        InputError
            If there are no matrices and it was not said.
        """
        if self._ao is None:
            raise InputError("this data set has no matrices and hence no AO basis")
        return self._ao if isinstance(self._ao, AOBasis) else AOBasis(self._ao)

    @property
    def has_ao(self) -> bool:
        """Whether it is known in which AO basis the matrices are; not without any."""
        return self._ao is not None

    @classmethod
    def open(cls, path: str | Path) -> Dataset:
        r"""Open a file; labels are read at once, matrices when they are asked for.

        Raises
        ------
        FileFormatError
            As `linvop.io.hdf5.open_checked`.
        """
        stored = StoredRecords(Path(path))
        return cls(stored, stored.shells, stored.settings, stored.failed)

    @classmethod
    def from_arrays(
        cls,
        frames: Sequence[Atoms],
        ao: str | AOBasis | Mapping[str, object],
        *,
        overlap: Sequence[np.ndarray],
        fock: Sequence[np.ndarray] | None = None,
        density: Sequence[np.ndarray] | None = None,
        settings: Mapping[str, Any] | None = None,
        allow_unconverged: bool = False,
    ) -> Dataset:
        r"""Make a data set of matrices from elsewhere, in PySCF's AO order.

        Parameters
        ----------
        frames : sequence of ase.Atoms
            Their energy, forces and dipole (ASE units) are taken along where they have them.
        ao : str, AOBasis or mapping
        overlap : sequence of (n_ao, n_ao)
            Required: it alone shows in which order and phase the AOs are.
        fock, density : sequence of (n_ao, n_ao) or (2, n_ao, n_ao), optional
            Hartree; density with tr(P S) electrons.
        settings : mapping, optional
            What is known of their origin, such as ``{"xc": "pbe"}``.
        allow_unconverged : bool
            Whether a Fock matrix and a density are taken too that do not belong together, or to
            no converged calculation (`linvop.io.matrices` says how that is told).

        Raises
        ------
        InputError
            Naming the frame: an overlap that is not the one of these structures in this AO
            basis (with the likely reason), matrices of a wrong shape, not finite or not
            symmetric, a density without the right number of electrons, or one that is not
            that of the Fock matrix.
        """
        from linvop.io.matrices import checked_records

        basis = ao if isinstance(ao, AOBasis) else AOBasis(ao)
        records = checked_records(
            frames, basis, overlap, fock, density, allow_unconverged=allow_unconverged
        )
        return cls(records, basis, {"ao": basis.name, **(settings or {})})

    @classmethod
    def from_observables(
        cls,
        frames: Sequence[Atoms],
        *,
        orbital_energies: Sequence[np.ndarray] | None = None,
        settings: Mapping[str, Any] | None = None,
    ) -> Dataset:
        r"""Make a data set of observables from elsewhere, without any matrix.

        Parameters
        ----------
        frames : sequence of ase.Atoms
            Closed shells; their energy and dipole (ASE units) are taken along.
        orbital_energies : sequence of (n_mo,), optional
            eV, from the lowest upwards: all occupied ones, and as many empty ones as there are.
            Labels of experiments, or beyond mean fields, have none.
        settings : mapping, optional
            What is known of their origin.

        Raises
        ------
        InputError
            Naming the frame: open shells; energies that are not finite, do not ascend, or are
            fewer than the occupied levels.
        """
        from linvop.io.matrices import observed_records

        return cls(observed_records(frames, orbital_energies), None, settings)

    def __len__(self) -> int:
        return self._source.length

    @overload
    def __getitem__(self, index: int) -> Record: ...
    @overload
    def __getitem__(self, index: slice | Sequence[int] | np.ndarray) -> Dataset: ...
    def __getitem__(self, index: int | slice | Sequence[int] | np.ndarray) -> Record | Dataset:
        if isinstance(index, int | np.integer):
            if not -len(self) <= index < len(self):
                raise IndexError(f"structure {index} of {len(self)}")
            return self._source.get(int(index) % len(self), True)
        chosen = _Chosen(self._source, np.arange(len(self))[index])
        return Dataset(chosen, self._ao, self.settings, self.failed)

    def __iter__(self) -> Iterator[Record]:
        return (self[i] for i in range(len(self)))

    def having(self, *names: str) -> Dataset:
        r"""Return those structures that have all of `names`, such as "fock" and "overlap".

        Raises
        ------
        InputError
            For a name that no data set has.
        """
        for name in names:
            if name not in QUANTITIES:
                raise InputError(f"having: expected some of {', '.join(QUANTITIES)}, got {name!r}")
        have = [all(self._source.has(i, n) for n in names) for i in range(len(self))]
        return self[np.flatnonzero(have)]

    def __repr__(self) -> str:
        made = ", ".join(str(self.settings[k]) for k in ("xc", "ao") if self.settings.get(k))
        return f"<Dataset of {len(self)} structures{', ' * bool(made)}{made}>"

    def frames(self) -> list[Atoms]:
        r"""The structures as `ase.Atoms`, labels in a `SinglePointCalculator`."""
        return [self._source.get(i, False).atoms() for i in range(len(self))]

    def write(self, path: str | Path, force: bool = False) -> None:
        r"""Write all of it to one file; errors as `linvop.io.hdf5.write`."""
        write_records(path, self, self.ao, self.settings, self.failed, force)

    def summary(self) -> dict[str, Any]:
        r"""What is in it, as plain values: counts, elements, quantities, spreads, settings."""
        bare = [self._source.get(i, False) for i in range(len(self))]
        sizes = [len(r.numbers) for r in bare]
        energies = np.array([r.energy for r in bare if r.energy is not None])
        counts = {n: sum(self._source.has(i, n) for i in range(len(self))) for n in QUANTITIES}
        return {
            "n_structures": len(self),
            "n_failed": len(self.failed),
            "n_atoms": [min(sizes), max(sizes)] if sizes else [],
            "elements": [symbol_of(z) for z in sorted({int(z) for r in bare for z in r.numbers})],
            "charges": sorted({r.charge for r in bare}),
            "multiplicities": sorted({r.multiplicity for r in bare}),
            "quantities": {name: n for name, n in counts.items() if n},
            "energy_sd_eV": float(energies.std()) if energies.size else None,
            "settings": self.settings,
        }


class RecordSource(Protocol):
    """Where records come from."""

    length: int
    numbers: np.ndarray
    """Where each record stands in the first of these sources, (length,) int."""

    def get(self, i: int, matrices: bool) -> Record:
        """Record i, its fock, density and overlap only if they are wanted."""

    def has(self, i: int, name: str) -> bool:
        """Whether record i has the quantity `name`."""


class _Listed:
    """Records in memory."""

    def __init__(self, records: Sequence[Record]) -> None:
        self._records = records
        self.length = len(records)
        self.numbers = np.arange(self.length)

    def get(self, i: int, matrices: bool) -> Record:
        return self._records[i]

    def has(self, i: int, name: str) -> bool:
        return getattr(self._records[i], name) is not None


class _Chosen:
    """Some records of another source, in some order."""

    def __init__(self, source: RecordSource, chosen: np.ndarray) -> None:
        self._source, self._chosen = source, chosen
        self.length = len(chosen)
        self.numbers = source.numbers[chosen]

    def get(self, i: int, matrices: bool) -> Record:
        return self._source.get(int(self._chosen[i]), matrices)

    def has(self, i: int, name: str) -> bool:
        return self._source.has(int(self._chosen[i]), name)


def level_of_theory(path: str | Path) -> dict[str, Any] | None:
    r"""Method, functional and AO basis of a data set's labels, as far as it says them."""
    settings = Dataset.open(path).settings
    level = {k: settings[k] for k in ("method", "xc", "ao") if settings.get(k) is not None}
    return level or None


def differs_in_level(path: str | Path, trained: Mapping[str, Any] | None) -> str | None:
    r"""What to say of a file whose labels were made otherwise than those a model learnt."""
    if trained is None or Path(path).suffix.lower() not in (".h5", ".hdf5"):
        return None
    level = level_of_theory(path)
    if level is None or level == trained:
        return None
    here, there = (", ".join(map(str, x.values())) for x in (level, trained))
    return f"{path}: its labels are {here}, and the model was fitted to {there}"


def require_dataset(data: object, name: str = "data") -> None:
    r"""Refuse what is no `Dataset`, such as a list of structures.

    Raises
    ------
    InputError
    """
    if not isinstance(data, Dataset):
        raise InputError(
            f"{name}: expected a linvop.Dataset (Dataset.open, Dataset.from_arrays), got "
            f"{type(data).__name__}"
        )
