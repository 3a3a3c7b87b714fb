r"""linvop's HDF5 files: a seal, a header, and the checks on opening.

The first 512 bytes (HDF5's user block, which HDF5 itself skips) are the *seal*: a line that says
what the file is, its size, and the SHA-256 of every other byte. It is verified before HDF5
sees the file, because HDF5 does not survive all damage: with some bytes changed it loops
for ever or crashes. For the same reason a file that was changed by other means, be it only
repacked, is refused.

The header, attributes of the root: ``kind`` ("dataset", "model"), ``schema`` (an integer that
grows when a kind's layout does), ``linvop``, ``numpy``, ``pyscf`` (versions), ``date`` (UTC).
"""

from __future__ import annotations

import hashlib
import io
import json
import math
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any, BinaryIO

import h5py
import numpy as np

from linvop import __version__
from linvop.errors import FileFormatError, InputError
from linvop.io.atomic import atomic, check_output

__all__ = [
    "get_json",
    "header",
    "json_safe",
    "open_checked",
    "put_json",
    "refuse_other_kinds",
    "seal_of",
    "write",
]

_SEAL_BYTES = 512
_MAGIC = b"linvop: HDF5 from byte 512\n"
_SIGNATURE = b"\x89HDF\r\n\x1a\n"


@contextmanager
def write(path: str | Path, kind: str, schema: int, force: bool = False) -> Iterator[h5py.File]:
    r"""Give an open file to fill; header and seal are added and it is renamed to `path`.

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
        If `path` exists without `force` (before anything is done) or holds something else
        than this kind, cannot be written, or the disk is full. Whatever is raised, `path` stays
        as it was and nothing else is left.
    """
    check_output(path, force)
    refuse_other_kinds(path, kind)
    with atomic(path, force) as partial, _Sink(partial) as sink:
        try:
            with h5py.File(sink, "w", userblock_size=_SEAL_BYTES) as file:
                _put_header(file, kind, schema)
                yield file
        except Exception as error:
            if sink.error:  # what HDF5 makes of a full disk is not the reason
                raise sink.error from error
            raise
        if sink.error:
            raise sink.error
        with partial.open("r+b") as raw:
            raw.write(_seal(raw))


_ALIKE = ({"model", "operator model"},)
"""Kinds that replace each other."""


def refuse_other_kinds(path: str | Path, kind: str) -> None:
    r"""Refuse to replace what no file of this kind can be had back from.

    An empty file, and one of linvop's that is truncated, may be replaced.

    Raises
    ------
    InputError
        Naming what is there and what was expected.
    """
    path = Path(path)
    if not path.is_file() or not path.stat().st_size:
        return
    with path.open("rb") as raw:
        ours = raw.read(len(_MAGIC)) == _MAGIC
    found = "something else than a file of linvop"
    if ours:
        try:
            _verify(path)
        except FileFormatError as error:
            if "truncated" in str(error):
                return
            raise InputError(f"{error}: not replaced, as it may be somebody's work") from error
        with h5py.File(path, "r") as file:
            there = str(file.attrs["kind"])
        if there == kind or any({there, kind} <= alike for alike in _ALIKE):
            return
        found = _a(there)
    raise InputError(f"{path}: not replaced: expected {_a(kind)} there, or nothing, got {found}")


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


def _seal(raw: BinaryIO) -> bytes:
    """What the first bytes of an open file must be, given the others; ends at its start."""
    raw.seek(_SEAL_BYTES)
    digest = hashlib.sha256()
    size = _SEAL_BYTES
    while block := raw.read(1 << 20):
        digest.update(block)
        size += len(block)
    raw.seek(0)
    text = _MAGIC + f"{size} bytes\nsha256 {digest.hexdigest()}\n".encode()
    return text.ljust(_SEAL_BYTES, b"\n")


def seal_of(path: str | Path) -> bytes:
    r"""Return the seal of a file, by which its content is known, without verifying it."""
    with Path(path).open("rb") as raw:
        return raw.read(_SEAL_BYTES)


def kind_of(path: str | Path, expected: Sequence[str]) -> str:
    r"""What a file of linvop holds, once its seal is verified.

    Raises
    ------
    FileFormatError
        As `open_checked`, and if it holds none of `expected`.
    """
    _verify(Path(path))
    with h5py.File(path, "r") as file:
        found = str(file.attrs["kind"])
    if found not in expected:
        raise FileFormatError(f"{path}: expected {' or '.join(map(_a, expected))}, got {_a(found)}")
    return found


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
        If the file is missing, empty, not HDF5, not linvop's, truncated, damaged, of another
        kind or of a newer schema. All of it is read once before any of it is used.
    """
    path = Path(path)
    _verify(path)
    file = h5py.File(path, "r")
    try:
        found = file.attrs["kind"], int(file.attrs["schema"])
        if found[0] != kind:
            raise FileFormatError(f"{path}: expected {_a(kind)}, got {_a(found[0])}")
        if found[1] > schema:
            raise FileFormatError(
                f"{path}: a {kind} of schema {found[1]}, written by linvop "
                f"{file.attrs['linvop']}; this is linvop {__version__}, which reads up to "
                f"schema {schema}: a newer linvop is needed"
            )
    except BaseException:
        file.close()
        raise
    return file


def _verify(path: Path) -> None:
    """Refuse a file that does not have its seal."""
    if not path.exists():
        raise FileFormatError(f"{path}: no such file")
    if not path.is_file():
        raise FileFormatError(f"{path}: expected a file, got a folder or a device")
    try:
        with path.open("rb") as raw:
            seal, size = raw.read(_SEAL_BYTES), path.stat().st_size
            if not seal.startswith(_MAGIC):
                raise FileFormatError(f"{path}: {_foreign(seal)}")
            said = re.match(rb"(\d+) bytes\n", seal[len(_MAGIC) :])
            if said is None or size < int(said[1]):
                expected = f"expected {int(said[1])} bytes, got {size}" if said else f"{size} bytes"
                raise FileFormatError(f"{path}: truncated: {expected}")
            if _seal(raw) != seal:
                raise FileFormatError(f"{path}: damaged: its content does not have its checksum")
    except OSError as error:
        raise FileFormatError(f"{path}: cannot be read: {error.strerror}") from error


def _foreign(start: bytes) -> str:
    if not start:
        return "empty (0 bytes)"
    if _MAGIC.startswith(start):
        return f"truncated: {len(start)} bytes"
    if start.startswith(_SIGNATURE):
        return "an HDF5 file, but not one that linvop wrote (or one rewritten by another program)"
    return "not an HDF5 file of linvop"


def header(file: h5py.File) -> dict[str, Any]:
    r"""Return the attributes of the root as plain Python values."""
    return {name: json_safe(value) for name, value in sorted(file.attrs.items())}


def json_safe(value: Any) -> Any:
    r"""Return `value` built of dict, list, str, int, finite float, bool and None only.

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
    if isinstance(value, float) and not math.isfinite(value):
        return None  # JSON has no word for it
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


def _a(kind: str) -> str:
    """With its article."""
    return f"{'an' if kind[:1] in 'aeiou' else 'a'} {kind}"
