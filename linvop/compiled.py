r"""Numba's `njit`, with machine code kept on the disk wherever there is a place for it.

Numba asks whether the file of a function has changed, and not whether those have of which it takes
constants and other functions: code of an older state of them would be mixed with that of a new one.
Therefore the folder is one of linvop's cache (``LINVOP_CACHE_DIR``) or of Numba's own
(``NUMBA_CACHE_DIR``), named by a digest of all files of the rooms that have compiled functions;
another digest is another folder, and old ones are removed. Where nothing can be written, as in a
container that runs as somebody else, every process compiles anew.
"""

from __future__ import annotations

import shutil
import time
import warnings
from collections.abc import Callable
from contextlib import suppress
from functools import cache
from hashlib import sha256
from pathlib import Path
from typing import Any

import numba

from linvop.angular.disk_cache import cache_directory

__all__ = ["njit"]

_CONFIG: Any = numba.config

_ROOMS = ("orbitals", "integrals", "kernels", "features")
"""Whose files compiled functions are made of."""

_NO_PLACE = "no locator available"
"""What Numba says where it finds no folder to write to."""

_MONTH = 30 * 86400.0


def njit(**options: Any) -> Callable[[Callable[..., Any]], Any]:
    r"""Return the decorator ``numba.njit(cache=True, **options)``, or the nearest to it."""

    def decorate(function: Callable[..., Any]) -> Any:
        usual = _CONFIG.CACHE_DIR
        folder = Path(usual) if usual else cache_directory() / "numba"
        _CONFIG.CACHE_DIR = str(folder / f"linvop-{_digest()}")
        try:
            found = numba.njit(cache=True, **options)(function)
            _remove_old(folder)
            return found
        except RuntimeError as error:
            if _NO_PLACE not in str(error):
                raise
        finally:
            _CONFIG.CACHE_DIR = usual
        # Said of this line, and so once for all functions.
        warnings.warn(
            "no folder takes compiled code, so that every run compiles anew; set LINVOP_CACHE_DIR "
            "to one that can be written",
            stacklevel=1,
        )
        return numba.njit(**options)(function)

    return decorate


@cache
def _digest() -> str:
    """Of names, sizes and times of the files, and of where they are."""
    root = Path(__file__).parent
    digest = sha256(str(root).encode())
    for path in sorted(path for room in _ROOMS for path in (root / room).glob("*.py")):
        known = path.stat()
        digest.update(f"{path.relative_to(root)} {known.st_size} {known.st_mtime_ns}\n".encode())
    return digest.hexdigest()[:16]


@cache
def _remove_old(folder: Path) -> None:
    """Folders of other states that nobody has written to for a month, once in a process."""
    with suppress(OSError):
        for path in folder.glob("linvop-*"):
            if path.name != f"linvop-{_digest()}" and time.time() - path.stat().st_mtime > _MONTH:
                shutil.rmtree(path, ignore_errors=True)
