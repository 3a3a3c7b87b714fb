r"""What is measured: which structures, which cutoffs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

import linvop
from linvop.config import SHIPPED
from linvop.errors import InputError
from linvop.io.dataset import Dataset
from linvop.io.frames import charges_and_multiplicities
from linvop.io.records import Record
from linvop.io.structures import read
from linvop.observables.energy import check_functional
from linvop.orbitals.shells import AOBasis

__all__ = ["LocalityConfig", "chosen_structures", "default_cutoffs"]

_DEFAULT_AO = "def2-svp"
_MOST_CUTOFFS = 8
_STEPS = (0.1, 0.2, 0.5, 1.0, 2.0, 5.0)
"""Angstrom, between the cutoffs that are taken where none are given."""


@dataclass(frozen=True)
class LocalityConfig:
    r"""What to measure.

    Attributes
    ----------
    data : str
        A data set (.h5), ``"shipped:water"``, or structures without labels: these have V only.
    output : Path
        Folder.
    cutoffs : tuple of float, Angstrom, or None
        Default: even steps from about the shortest to above the longest distance.
    n : int or None
        Structures, evenly spread over those with matrices; None for all.
    ao : str or None
        AO basis of V for structures without matrices; default def2-svp.
    xc : str or None
        A functional: adds energies, and orbital energies of truncated P. Slow.
    """

    data: str = SHIPPED
    output: Path = Path("linvop-locality")
    cutoffs: tuple[float, ...] | None = None
    n: int | None = 20
    ao: str | None = None
    xc: str | None = None

    def check(self) -> None:
        r"""Refuse what cannot be measured.

        Raises
        ------
        InputError
        """
        if self.n is not None and self.n < 1:
            raise InputError(f"n: expected at least 1 structure, got {self.n}")
        for cutoff in self.cutoffs or ():
            if not (np.isfinite(cutoff) and cutoff > 0):
                raise InputError(f"cutoffs: expected positive distances (Angstrom), got {cutoff!r}")
        if self.xc is not None and self.xc.strip().lower() != "hf":
            check_functional(self.xc)


def default_cutoffs(records: Sequence[Record]) -> list[float]:
    r"""Even steps from about the shortest to above the longest distance, Angstrom.

    Raises
    ------
    InputError
        If no structure has two atoms.
    """
    apart = [_distances(r.positions) for r in records if len(r.numbers) > 1]
    if not apart:
        raise InputError("locality: expected a structure of two atoms or more, got single atoms")
    low, high = min(x.min() for x in apart), max(x.max() for x in apart)
    for step in (*_STEPS, high / _MOST_CUTOFFS):
        first, last = max(1, int(low / step)), int(np.ceil(high / step))
        if last - first < _MOST_CUTOFFS:
            break
    return [round(step * k, 6) for k in range(first, last + 1)]


def _distances(positions: np.ndarray) -> np.ndarray:
    i, j = np.triu_indices(len(positions), 1)
    return np.linalg.norm(positions[i] - positions[j], axis=1)


def chosen_structures(
    config: LocalityConfig,
) -> tuple[list[Record], list[int], AOBasis, Mapping[str, Any]]:
    r"""The structures to look at: those with matrices if there are any.

    Returns
    -------
    list of Record, list of int, AOBasis, mapping
        With their numbers in the file, and how the labels were made.

    Raises
    ------
    InputError
        For a bad file, and for another AO basis than that of the matrices.
    """
    path = str(linvop.data.water()) if config.data == SHIPPED else config.data
    if not path.lower().endswith((".h5", ".hdf5")):
        frames = read(path)
        states = zip(*charges_and_multiplicities(frames, source=path), strict=True)
        records = [
            Record(numbers=a.numbers, positions=a.positions, charge=int(q), multiplicity=int(m))
            for a, (q, m) in zip(frames, states, strict=True)
        ]
        data = Dataset(records, None)
    else:
        data = Dataset.open(path)
    with_matrices = [
        k
        for k in range(len(data))
        if any(len(data[[k]].having(name)) for name in ("fock", "density"))
    ]
    usable = np.array(with_matrices or range(len(data)), dtype=int)
    if not usable.size:
        raise InputError(f"{path}: expected structures, got none")
    named = data.settings.get("ao") or (data.ao.name if with_matrices else None)
    if with_matrices and config.ao not in (None, named):
        raise InputError(
            f"ao: V is made in the AO basis of the matrices of {config.data}, which is {named}; "
            f"expected no other, got {config.ao!r}"
        )
    n = len(usable) if config.n is None else min(config.n, len(usable))
    chosen = usable[np.arange(n) * len(usable) // n].tolist()
    ao = data.ao if with_matrices else AOBasis(config.ao or _DEFAULT_AO)
    return [data[k] for k in chosen], chosen, ao, data.settings
