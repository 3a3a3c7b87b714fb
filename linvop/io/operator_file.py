r"""The HDF5 layout of a fitted operator model; knows arrays and names, not what they mean.

::

    /settings                 JSON: basis, shells of both AO sets, species, solver
    /blocks/0/name            JSON: species of i and j, on site, lam, sigma, exchange
             coefficients     (p, t) float64
             constants        (t,) float64
             columns          (p,) str, the name of each feature
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

__all__ = ["KIND", "SCHEMA", "StoredBlock", "read", "write"]

KIND = "operator model"
SCHEMA = 1


@dataclass(frozen=True)
class StoredBlock:
    """Coefficients of one block."""

    name: list[Any]
    coefficients: np.ndarray
    constants: np.ndarray
    columns: list[str]
    report: dict[str, Any]


def write(
    path: str | Path, settings: str, blocks: list[StoredBlock], *, force: bool = False
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
        for k, block in enumerate(blocks):
            group = file.create_group(f"blocks/{k}")
            group.create_dataset("name", data=json.dumps(block.name), dtype=text)
            group.create_dataset("coefficients", data=block.coefficients)
            group.create_dataset("constants", data=block.constants)
            names = "\n".join(block.columns).encode()
            packed = np.frombuffer(names, np.uint8)
            group.create_dataset("columns", data=packed, compression="gzip" if names else None)
            group.create_dataset("report", data=json.dumps(block.report), dtype=text)


def read(path: str | Path) -> tuple[str, list[StoredBlock]]:
    r"""Settings and blocks of a file.

    Raises
    ------
    FileFormatError
        If the file is missing, damaged, foreign, newer or incomplete.
    """
    with hdf5.open_checked(path, KIND, SCHEMA) as file:
        try:
            settings = file["settings"][()].decode()
            groups = [file["blocks"][key] for key in sorted(file["blocks"], key=int)]
            blocks = [
                StoredBlock(
                    json.loads(group["name"][()]),
                    group["coefficients"][()],
                    group["constants"][()],
                    group["columns"][()].tobytes().decode().split("\n")
                    if len(group["columns"])
                    else [],
                    json.loads(group["report"][()]),
                )
                for group in groups
            ]
        except KeyError as error:
            raise FileFormatError(f"{path}: incomplete model file: {error.args[0]}") from error
    return settings, blocks


def _names(packed: np.ndarray) -> list[str]:
    return packed.tobytes().decode().split("\n") if len(packed) else []
