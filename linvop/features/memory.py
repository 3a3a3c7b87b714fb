r"""Whether the rows of a fit will fit into memory, asked before the first of them is made."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path

from linvop.errors import InputError

__all__ = ["memory_of_machine", "require_memory"]

_GROUP = Path("/sys/fs/cgroup/memory.max")
"""What a container may use, on Linux."""


def memory_of_machine() -> float:
    r"""Bytes that this process may use at the most; infinity where it cannot be known."""
    limits = [float("inf")]
    with suppress(AttributeError, ValueError, OSError):  # not a POSIX system
        limits.append(float(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")))
    try:
        text = _GROUP.read_text().strip()
    except OSError:
        text = "max"
    return min(*limits, float(text) if text.isdigit() else float("inf"))


def require_memory(
    n_bytes: float,
    what: str,
    available: float | None = None,
    advice: str = "take fewer features (kappa, nu, max_degree, resolution) or structures",
) -> None:
    r"""Refuse what cannot fit.

    Parameters
    ----------
    n_bytes : float
        Needed at once.
    what : str
        What needs it, for the message, such as "200 structures x 30000 features of lam = 0".
    available : float, optional
        Bytes; default those of this machine.
    advice : str
        What to do.

    Raises
    ------
    InputError
        If more is needed than there is.
    """
    there = memory_of_machine() if available is None else available
    if n_bytes > there:
        raise InputError(
            f"{what}: needs about {n_bytes / 2**30:.1f} GiB of memory, and "
            f"{there / 2**30:.1f} GiB are there; {advice}"
        )
