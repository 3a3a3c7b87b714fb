r"""linvop's HDF5 files: a header, a checksum over all content, and the checks on opening.

Header (attributes of the root): ``format`` = "linvop", ``kind`` ("dataset", "model"),
``schema`` (an integer that grows when a kind's layout does), ``linvop``, ``numpy``, ``pyscf``
(versions), ``date`` (UTC) and ``checksum``, the SHA-256 of every other attribute and every
dataset: names in alphabetical order, with types, shapes and contents. It is of the content,
not of the bytes, so a file that has been repacked is still good.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from linvop import __version__
from linvop.errors import FileFormatError
from linvop.io.atomic import atomic

__all__ = ["checksum", "get_json", "header", "json_safe", "open_checked", "put_json", "write"]

_FORMAT = "linvop"
_SIGNATURE = b"\x89HDF\r\n\x1a\n"
_SLAB = 1 << 22
"""Elements of a dataset hashed at once."""


@contextmanager
def write(path: str | Path, kind: str, schema: int, force: bool = False) -> Iterator[h5py.File]:
    r"""Give an open file to fill; header and checksum are added and it is renamed to `path`.

    Parameters
    ----------
    path : path
    kind : str
        What is in it, such as "dataset" or "model".
    schema : int
        Version of that kind's layout, from 1.
    force : bool
        Whether an existing file is replaced. It is, at the end, in one step.

    Raises
    ------
    InputError
        If `path` exists without `force` (before anything is done), cannot be written, or the
        disk is full. Whatever is raised, `path` stays as it was and nothing else is left.
    """
    with atomic(path, force) as partial:
        file = h5py.File(partial, "w")
        try:
            file.attrs["format"] = _FORMAT
            file.attrs["kind"] = kind
            file.attrs["schema"] = int(schema)
            file.attrs["linvop"] = __version__
            file.attrs["numpy"] = np.__version__
            file.attrs["pyscf"] = _version_of("pyscf")
            file.attrs["date"] = datetime.now(UTC).isoformat(timespec="seconds")
            yield file
            file.attrs["checksum"] = checksum(file)
        finally:
            file.close()


def _version_of(package: str) -> str:
    """Version of an installed package, without importing it."""
    try:
        return version(package)
    except PackageNotFoundError:
        return "unknown"


def open_checked(path: str | Path, kind: str, schema: int) -> h5py.File:
    r"""Open a file of linvop for reading, or say what is wrong with it.

    Parameters
    ----------
    path : path
    kind : str
        What it must hold.
    schema : int
        The newest layout that the caller can read.

    Returns
    -------
    h5py.File
        Open for reading; closing it is the caller's.

    Raises
    ------
    FileFormatError
        If the file is missing, empty, not HDF5, truncated, not linvop's, of another kind, of a
        newer schema, or if its content does not have its checksum. Nothing of a file is used
        before all of it has been read once and found good.
    """
    path = Path(path)
    file = _open(path)
    try:
        found = {name: file.attrs.get(name) for name in ("format", "kind", "schema", "checksum")}
        if found["format"] != _FORMAT:
            raise FileFormatError(f"{path}: an HDF5 file, but not one that linvop wrote")
        if found["kind"] != kind:
            raise FileFormatError(f"{path}: expected a {kind}, got a {found['kind']}")
        if not isinstance(found["schema"], np.integer) or found["schema"] < 1:
            raise FileFormatError(f"{path}: damaged: its schema is {found['schema']!r}")
        if found["schema"] > schema:
            raise FileFormatError(
                f"{path}: a {kind} of schema {found['schema']}, written by linvop "
                f"{file.attrs.get('linvop')}; this is linvop {__version__}, which reads up to "
                f"schema {schema}: a newer linvop is needed"
            )
        if checksum(file) != found["checksum"]:
            raise FileFormatError(f"{path}: damaged: its content does not have its checksum")
    except FileFormatError:
        file.close()
        raise
    except Exception as error:  # HDF5 meets broken data with all sorts of exceptions
        file.close()
        raise FileFormatError(f"{path}: damaged: {_first_line(error)}") from error
    return file


def _open(path: Path) -> h5py.File:
    if not path.exists():
        raise FileFormatError(f"{path}: no such file")
    if not path.is_file():
        raise FileFormatError(f"{path}: expected a file, got a folder or a device")
    try:
        with path.open("rb") as raw:
            start = raw.read(len(_SIGNATURE))
    except OSError as error:
        raise FileFormatError(f"{path}: cannot be read: {error.strerror}") from error
    if not start:
        raise FileFormatError(f"{path}: empty (0 bytes)")
    if start != _SIGNATURE:
        raise FileFormatError(f"{path}: not an HDF5 file")
    try:
        return h5py.File(path, "r")
    except Exception as error:
        kind = "truncated" if "truncated" in str(error) else "damaged"
        raise FileFormatError(f"{path}: {kind}: {_first_line(error)}") from error


def _first_line(error: Exception) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0]


def header(file: h5py.File) -> dict[str, Any]:
    r"""Return the attributes of the root as plain Python values."""
    return {name: json_safe(value) for name, value in sorted(file.attrs.items())}


def checksum(group: h5py.Group) -> str:
    r"""SHA-256 over names, types, shapes and contents of all attributes and datasets.

    Attributes named ``checksum`` of `group` itself are left out. The order of writing,
    chunking and compression do not matter.

    Raises
    ------
    FileFormatError
        If the group holds a link to another place or another file.
    """
    digest = hashlib.sha256()
    _feed_attributes(digest, {k: v for k, v in group.attrs.items() if k != "checksum"})
    _feed_members(digest, group)
    return digest.hexdigest()


def _feed_members(digest: Any, group: h5py.Group) -> None:
    for name in sorted(group):
        if not isinstance(group.get(name, getlink=True), h5py.HardLink):
            raise FileFormatError(f"{group.file.filename}: {name} is a link to another place")
        item = group[name]
        _feed(digest, name)
        _feed_attributes(digest, item.attrs)
        if isinstance(item, h5py.Group):
            _feed(digest, f"group of {len(item)}")
            _feed_members(digest, item)
        else:
            _feed_dataset(digest, item)


def _feed_attributes(digest: Any, attributes: Mapping[str, Any]) -> None:
    _feed(digest, f"{len(attributes)} attributes")
    for name in sorted(attributes):
        _feed(digest, name)
        _feed(digest, attributes[name])


def _feed_dataset(digest: Any, dataset: h5py.Dataset) -> None:
    _feed(digest, f"dataset {dataset.dtype.str} {dataset.shape}")
    if dataset.ndim == 0 or dataset.size == 0:
        _feed(digest, dataset[()])
        return
    rows = max(1, _SLAB * len(dataset) // dataset.size)
    for first in range(0, len(dataset), rows):
        slab = dataset[first : first + rows]
        if slab.dtype == object:
            _feed(digest, slab)
        else:
            digest.update(np.ascontiguousarray(slab).data)


def _feed(digest: Any, value: Any) -> None:
    """Add one value, with its type and length so that neighbours cannot trade bytes."""
    if isinstance(value, str | bytes):
        raw = value.encode() if isinstance(value, str) else value
        digest.update(f"text {len(raw)}:".encode() + raw)
        return
    array = np.asarray(value)
    if array.dtype == object:
        digest.update(f"texts {array.shape}:".encode())
        for item in array.ravel():
            _feed(digest, item)
        return
    digest.update(f"{array.dtype.str} {array.shape}:".encode() + array.tobytes())


def json_safe(value: Any) -> Any:
    r"""Return `value` built of dict, list, str, int, float, bool and None only.

    Examples
    --------
    >>> json_safe({"a": np.arange(2), 3: (Path("x"), np.float64(0.5))})
    {'a': [0, 1], '3': ['x', 0.5]}
    """
    if isinstance(value, Mapping):
        return {str(k): json_safe(v) for k, v in value.items()}
    if isinstance(value, np.ndarray | np.generic):
        return json_safe(value.tolist())
    if isinstance(value, list | tuple | set | frozenset):
        items = sorted(value) if isinstance(value, set | frozenset) else value
        return [json_safe(v) for v in items]
    if value is None or isinstance(value, str | int | float | bool):
        return value
    if isinstance(value, bytes):
        return value.decode(errors="replace")
    return str(value)


def put_json(group: h5py.Group, name: str, value: Any) -> None:
    r"""Store `value` as JSON text in a dataset (attributes hold 64 kB at most)."""
    group[name] = json.dumps(json_safe(value), sort_keys=True, allow_nan=False)


def get_json(group: h5py.Group, name: str) -> Any:
    r"""Return what `put_json` stored."""
    return json.loads(group[name].asstr()[()])
