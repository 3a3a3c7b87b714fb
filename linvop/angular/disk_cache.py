r"""Float tables on the disk: what linvop can compute again, kept for the next process.

The cache folder is ``LINVOP_CACHE_DIR`` if that is set, else the user's cache folder. A file is
named by its content and a hash of the source text behind it, so that a change of the mathematics
asks for a new name. A cache is not user data: a damaged file is made afresh and a folder that
cannot be written only costs the computation.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable, Sequence
from contextlib import suppress
from hashlib import sha256
from io import BytesIO
from pathlib import Path

import numpy as np

__all__ = ["cache_directory", "cached_arrays"]

_DIGEST = 32
"""Bytes of SHA-256 at the head of a file."""


def cache_directory() -> Path:
    r"""Return the folder for what linvop can compute again; it need not exist."""
    named = os.environ.get("LINVOP_CACHE_DIR")
    if named:
        return Path(named)
    from platformdirs import user_cache_dir

    return Path(user_cache_dir("linvop"))


def cached_arrays(
    name: str, sources: Sequence[str], compute: Callable[[], dict[str, np.ndarray]]
) -> dict[str, np.ndarray]:
    r"""Arrays from their file or, that failing, computed and left there for the next time.

    Parameters
    ----------
    name : str
        Of the file, without hash and ending.
    sources : sequence of str
        Files of this folder on which the arrays depend.
    compute : callable
    """
    path = _cache_file(name, sources)
    arrays = _load(path)
    if arrays is None:
        arrays = compute()
        _store(path, arrays)
    for array in arrays.values():
        array.flags.writeable = False
    return arrays


def _cache_file(name: str, sources: Sequence[str]) -> Path | None:
    """Where the arrays belong; None where the sources cannot be read and so give no key."""
    digest = sha256()
    try:
        for source in sources:
            digest.update(Path(__file__).with_name(source).read_bytes())
    except OSError:
        return None
    return cache_directory() / f"{name}-{digest.hexdigest()[:24]}.cache"


def _load(path: Path | None) -> dict[str, np.ndarray] | None:
    """The arrays in `path`; None if it is absent, unreadable or not what `_store` wrote.

    The checksum is ours, and comes first, because a zip file's own covers neither its
    directory nor an array whose damaged header ends it early.
    """
    if path is None:
        return None
    try:
        content = path.read_bytes()
    except OSError:
        return None
    digest, payload = content[:_DIGEST], content[_DIGEST:]
    if sha256(payload).digest() != digest:
        return None
    with np.load(BytesIO(payload), allow_pickle=False) as file:
        return {name: file[name] for name in file.files}


def _store(path: Path | None, arrays: dict[str, np.ndarray]) -> None:
    """Write a SHA-256 and the npz file it is of, beside `path`, and rename.

    Readers, in this process or another, see all of it or nothing.
    """
    if path is None:
        return
    buffer = BytesIO()
    np.savez(buffer, **arrays)  # type: ignore[arg-type]  # keywords are names of arrays
    payload = buffer.getvalue()
    temporary = None
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, temporary = tempfile.mkstemp(prefix=path.stem, suffix=".part", dir=path.parent)
        with os.fdopen(handle, "wb") as file:
            file.write(sha256(payload).digest() + payload)
        os.replace(temporary, path)
    except OSError:
        if temporary is not None:
            with suppress(OSError):
                os.unlink(temporary)
