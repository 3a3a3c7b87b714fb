r"""The HDF5 layout of a fitted linear model; knows arrays and names, not what they mean.

::

    /settings                 JSON: basis, shells, species, targets, units, solver
    /parts/0/target           str
             irrep            (2,) int64: lam, sigma
             coefficients     (p,) float64
             constants        (n_species,) float64
             columns          (p,) str, the name of each coefficient's feature
             report           JSON
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from linvop.errors import FileFormatError
from linvop.io import hdf5

__all__ = ["KIND", "SCHEMA", "Part", "read", "write"]

KIND = "model"
SCHEMA = 1


@dataclass(frozen=True)
class Part:
    """Coefficients of one irrep of one target."""

    target: str
    irrep: tuple[int, int]
    coefficients: np.ndarray
    constants: np.ndarray
    columns: list[str]
    report: dict[str, Any]


def write(path: str | Path, settings: str, parts: list[Part], *, force: bool = False) -> None:
    r"""Write a model beside `path` and rename it.

    Raises
    ------
    InputError
        If `path` exists and ``force`` is not set.
    """
    import h5py

    text = h5py.string_dtype()
    with hdf5.write(path, KIND, SCHEMA, force=force) as file:
        file.create_dataset("settings", data=settings, dtype=text)
        for k, part in enumerate(parts):
            group = file.create_group(f"parts/{k}")
            group.create_dataset("target", data=part.target, dtype=text)
            group.create_dataset("irrep", data=np.asarray(part.irrep, np.int64))
            group.create_dataset("coefficients", data=part.coefficients)
            group.create_dataset("constants", data=part.constants)
            columns = np.asarray([c.encode() for c in part.columns])
            group.create_dataset("columns", data=columns, compression="gzip", shuffle=True)
            group.create_dataset("report", data=json.dumps(part.report), dtype=text)


def read(path: str | Path) -> tuple[str, list[Part]]:
    r"""Settings and parts of a model file.

    Raises
    ------
    FileFormatError
        If the file is missing, damaged, foreign, newer or incomplete.
    """
    with hdf5.open_checked(path, KIND, SCHEMA) as file:
        try:
            settings = file["settings"][()].decode()
            parts = [
                Part(
                    group["target"][()].decode(),
                    (int(group["irrep"][0]), int(group["irrep"][1])),
                    group["coefficients"][()],
                    group["constants"][()],
                    [c.decode() for c in group["columns"][()]],
                    json.loads(group["report"][()]),
                )
                for _, group in sorted(file["parts"].items(), key=lambda item: int(item[0]))
            ]
        except KeyError as error:
            raise FileFormatError(f"{path}: incomplete model file: {error.args[0]}") from error
    return settings, parts
