r"""Outputs that are whole or absent: written beside their place and renamed into it.

A reader sees the old file until the new one is complete and on the disk; a failure, Ctrl-C
or a full disk leaves the old file as it was and no scraps.
"""

from __future__ import annotations

import errno
import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryFile

from linvop.errors import InputError

__all__ = ["atomic", "atomic_bytes", "atomic_text", "check_output"]

_NO_SPACE = {
    errno.ENOSPC: "no space left on the disk",
    errno.EDQUOT: "the disk quota is used up",
    errno.EFBIG: "the file grew over the size that this system allows",
}


def check_output(path: str | Path, force: bool = False) -> Path:
    r"""Return `path` if something may be written there; to be called before any work.

    Raises
    ------
    InputError
        If the path exists and `force` is not set, if it is a folder, a device or a link, or
        if its folder does not exist or takes no files.
    """
    path = Path(path)
    for is_kind, kind in ((path.is_symlink, "link"), (path.is_dir, "folder")):
        if is_kind():
            raise InputError(f"{path}: expected the name of a file to write, got a {kind}")
    if path.exists() and not path.is_file():
        raise InputError(f"{path}: expected the name of a file to write, got a device")
    if path.parent.exists() and not path.parent.is_dir():
        raise InputError(f"{path}: {path.parent} is a file, expected a folder")
    if os.path.lexists(path) and not force:
        raise InputError(f"{path} exists; --force (force=True) replaces it")
    if not path.parent.is_dir():
        raise InputError(f"{path}: the folder {path.parent} does not exist")
    if not os.access(path.parent, os.W_OK | os.X_OK):
        raise InputError(f"{path}: no permission to write in the folder {path.parent}")
    try:
        # Permissions do not tell: /proc, quotas and file systems mounted read-only refuse later.
        TemporaryFile(dir=path.parent).close()
    except OSError as error:
        raise InputError(
            f"{path}: no file can be made in the folder {path.parent} ({error.strerror})"
        ) from error
    return path


@contextmanager
def atomic(path: str | Path, force: bool = False) -> Iterator[Path]:
    r"""Give a name beside `path` to write to, and rename it to `path` on success.

    The name ends as `path` does, for writers that go by the suffix. On any exception,
    KeyboardInterrupt among them, what was written is removed and `path` stays as it was.

    Raises
    ------
    InputError
        As `check_output`, and when the disk is full.
    """
    path = check_output(path, force)
    partial = path.with_name(f".{path.stem}.{secrets.token_hex(6)}{path.suffix}")
    try:
        partial.touch(exist_ok=False)
        yield partial
        _flush(partial)
        check_output(path, force)  # somebody may have put a file there meanwhile
        os.replace(partial, path)
    except BaseException as error:
        partial.unlink(missing_ok=True)
        reason = _out_of_space(error)
        if reason:
            raise InputError(f"{path}: {reason}; nothing was written") from error
        raise


def atomic_bytes(path: str | Path, content: bytes, force: bool = False) -> None:
    r"""Write `content` to `path`, whole or not at all; errors as `atomic`."""
    with atomic(path, force) as partial:
        partial.write_bytes(content)


def atomic_text(path: str | Path, text: str, force: bool = False) -> None:
    r"""Write `text` (UTF-8) to `path`, whole or not at all; errors as `atomic`."""
    atomic_bytes(path, text.encode(), force)


def _flush(path: Path) -> None:
    """Wait until the content is on the disk: only then may the rename be."""
    with path.open("rb") as file:
        os.fsync(file.fileno())


def _out_of_space(error: BaseException) -> str | None:
    """Whether an error, or one behind it, says that no more can be written, and why."""
    seen: BaseException | None = error
    while seen is not None:
        if isinstance(seen, OSError) and seen.errno in _NO_SPACE:
            return _NO_SPACE[seen.errno]
        seen = seen.__cause__ or seen.__context__
    return None
