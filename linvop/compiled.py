r"""Numba's `njit`, with machine code kept on the disk wherever there is a place for it.

Numba keeps it beside the source or in the user's cache folder, and refuses to compile at all
where it may write to neither, as in a container that runs as somebody else. Then linvop's own
cache folder (``LINVOP_CACHE_DIR``) serves; failing that, every process compiles anew.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any

import numba

from linvop.angular.disk_cache import cache_directory

__all__ = ["njit"]

_CONFIG: Any = numba.config

_NO_PLACE = "no locator available"
"""What Numba says where it finds no folder to write to."""


def njit(**options: Any) -> Callable[[Callable[..., Any]], Any]:
    r"""Return the decorator ``numba.njit(cache=True, **options)``, or the nearest to it."""

    def decorate(function: Callable[..., Any]) -> Any:
        try:
            return numba.njit(cache=True, **options)(function)
        except RuntimeError as error:
            if _NO_PLACE not in str(error):
                raise
        return _elsewhere(function, options)

    return decorate


def _elsewhere(function: Callable[..., Any], options: dict[str, Any]) -> Any:
    """Keep the code in linvop's cache folder, or nowhere."""
    usual = _CONFIG.CACHE_DIR
    _CONFIG.CACHE_DIR = str(cache_directory() / "numba")
    try:
        return numba.njit(cache=True, **options)(function)
    except RuntimeError as error:
        if _NO_PLACE not in str(error):
            raise
    finally:
        _CONFIG.CACHE_DIR = usual
    # Said of this line, and so once for all functions.
    warnings.warn(
        "no folder takes compiled code, so that every run compiles anew; set LINVOP_CACHE_DIR to "
        "one that can be written",
        stacklevel=1,
    )
    return numba.njit(**options)(function)
