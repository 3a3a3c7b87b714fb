r"""The HDF5 layout of a fitted linear model; knows arrays and names, not what they mean.

::

    /settings                 JSON: basis, shells, species, targets, units, solver
    /parts/0/target           str
             irrep            (2,) int64: lam, sigma
             coefficients     (p,) float64
             constants        (n_species,) float64
             columns          (p,) str, the name of each coefficient's feature
             report           JSON
             directions       int64, which of those below (only with covariances)
             scale            (3,) float64: alpha, noise, model (only with covariances), and
                              (5,) with noise and model of derivatives where they were fitted
             lone             (n_species, p) float64: features of free atoms that are given
    /directions/0/gamma       (p,) float64, and so on: `linvop.regression.uncertainty`
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from linvop.errors import FileFormatError
from linvop.io import hdf5

__all__ = ["KIND", "SCHEMA", "Part", "read", "write"]

KIND = "model"
SCHEMA = 2
"""2: features of free atoms (`lone`), scales of derivatives."""


@dataclass(frozen=True)
class Part:
    """Coefficients of one irrep of one target, and the scale of their covariance."""

    target: str
    irrep: tuple[int, int]
    coefficients: np.ndarray
    constants: np.ndarray
    columns: list[str]
    report: dict[str, Any]
    directions: int | None = None
    scale: np.ndarray | None = None
    lone: np.ndarray | None = None


Arrays = dict[str, np.ndarray]


def write(
    path: str | Path,
    settings: str,
    parts: list[Part],
    directions: Sequence[Arrays] = (),
    *,
    force: bool = False,
) -> None:
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
            if part.directions is not None:
                group.create_dataset("directions", data=part.directions)
                group.create_dataset("scale", data=part.scale)
            if part.lone is not None:
                group.create_dataset("lone", data=part.lone, compression="gzip", shuffle=True)
        for k, arrays in enumerate(directions):
            for name, array in arrays.items():
                file.create_dataset(f"directions/{k}/{name}", data=array)


def read(path: str | Path) -> tuple[str, list[Part], list[Arrays]]:
    r"""Settings, parts and directions of a model file.

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
                    int(group["directions"][()]) if "directions" in group else None,
                    group["scale"][()] if "directions" in group else None,
                    group["lone"][()] if "lone" in group else None,
                )
                for group in _in_order(file["parts"])
            ]
            directions = [
                {name: array[()] for name, array in group.items()}
                for group in _in_order(file.get("directions", {}))
            ]
        except KeyError as error:
            raise FileFormatError(f"{path}: incomplete model file: {error.args[0]}") from error
    return settings, parts, directions


def _in_order(numbered: Mapping[str, Any]) -> list[Any]:
    """Groups 0, 1, ... in this order; HDF5 has them in that of text."""
    return [numbered[key] for key in sorted(numbered, key=int)]
