r"""linvop's HDF5 files: a header, a checksum over all content, and the checks on opening.

Header (attributes of the root): ``format`` = "linvop", ``kind`` ("dataset", "model"),
``schema`` (an integer that grows when a kind's layout does), ``linvop``, ``numpy``, ``pyscf``
(versions), ``date`` (UTC) and ``checksum`` (`linvop.io.checksum`).
"""

from __future__ import annotations

import io
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
from linvop.io.checksum import checksum

__all__ = ["get_json", "header", "json_safe", "open_checked", "put_json", "write"]

_FORMAT = "linvop"
_SIGNATURE = b"\x89HDF\r\n\x1a\n"


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
    with atomic(path, force) as partial, _Sink(partial) as sink:
        try:
            with h5py.File(sink, "w") as file:
                _put_header(file, kind, schema)
                yield file
                file.attrs["checksum"] = checksum(file)
        except Exception as error:
            if sink.error:  # what HDF5 makes of a full disk is not the reason
                raise sink.error from error
            raise
        if sink.error:
            raise sink.error


class _Sink(io.RawIOBase):
    """A file that remembers that the disk is full and plays on.

    HDF5 that cannot write cannot close either, and brings the interpreter down when that ends.
    So its writes always succeed, and the first error is raised after it has closed.
    """

    def __init__(self, path: Path) -> None:
        self.error: OSError | None = None
        self._file = path.open("r+b", buffering=0)

    def seekable(self) -> bool:
        return True

    readable = writable = seekable

    def seek(self, offset: int, whence: int = 0) -> int:
        return self._file.seek(offset, whence)

    def tell(self) -> int:
        return self._file.tell()

    def readinto(self, buffer: Any) -> int:
        return self._file.readinto(buffer)

    def write(self, data: Any) -> int:
        view = memoryview(data).cast("B")
        done = 0
        try:
            while self.error is None and done < len(view):
                done += self._file.write(view[done:])
        except OSError as error:
            self.error = error
        return len(view)

    def truncate(self, size: int | None = None) -> int:
        try:
            if self.error is None:
                return self._file.truncate(size)
        except OSError as error:
            self.error = error
        return size or 0

    def close(self) -> None:
        self._file.close()
        super().close()


def _put_header(file: h5py.File, kind: str, schema: int) -> None:
    file.attrs["format"] = _FORMAT
    file.attrs["kind"] = kind
    file.attrs["schema"] = int(schema)
    file.attrs["linvop"] = __version__
    file.attrs["numpy"] = np.__version__
    file.attrs["pyscf"] = _version_of("pyscf")
    file.attrs["date"] = datetime.now(UTC).isoformat(timespec="seconds")


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
