r"""Where a long fit stands, on the disk: a killed one goes on from there.

A checkpoint belongs to one fit: its name has the fingerprint of everything that the result depends
on. It is written beside its place and renamed, at most once in `every` seconds.
"""

from __future__ import annotations

import hashlib
import os
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from zipfile import BadZipFile

import numpy as np

from linvop.errors import InputError

__all__ = ["Checkpoint", "fingerprint"]

Arrays = Mapping[str, np.ndarray]


def fingerprint(*parts: Any) -> str:
    r"""SHA-256 of arrays (dtype, shape and content), texts and numbers.

    Examples
    --------
    >>> fingerprint(np.zeros(3), "a") == fingerprint(np.zeros(3), "a")
    True
    >>> fingerprint(np.zeros(3), "a") == fingerprint(np.zeros(4), "a")
    False
    """
    digest = hashlib.sha256()
    for part in parts:
        if isinstance(part, np.ndarray):
            digest.update(f"{part.dtype}{part.shape}".encode())
            digest.update(np.ascontiguousarray(part).tobytes())
        else:
            digest.update(repr(part).encode())
        digest.update(b"\0")
    return digest.hexdigest()


class Checkpoint:
    r"""The state of one fit.

    Parameters
    ----------
    folder : path
        Made when something is written; `InputError` if it cannot be.
    key : str
        Fingerprint of the fit.
    every : float
        Seconds between two states.
    """

    def __init__(self, folder: str | Path, key: str, every: float = 60.0) -> None:
        self.path = Path(folder) / f"{key[:32]}.npz"
        there = next(
            p for p in (Path(folder).absolute(), *Path(folder).absolute().parents) if p.exists()
        )
        if not (there.is_dir() and os.access(there, os.W_OK)):
            raise InputError(f"checkpoints {folder}: {there} is no folder that can be written to")
        self.every, self._last = every, time.monotonic()

    def load(self) -> dict[str, np.ndarray]:
        """The last state; nothing if there is none, or none that can be read."""
        try:
            with np.load(self.path, allow_pickle=False) as file:
                return {name: file[name] for name in file.files}
        except (OSError, ValueError, BadZipFile, EOFError):
            return {}

    def is_due(self) -> bool:
        """Whether a state should be written."""
        return time.monotonic() - self._last >= self.every

    def save(self, **arrays: np.ndarray) -> None:
        """Replace the state."""
        self.path.parent.mkdir(parents=True, exist_ok=True)
        partial = self.path.with_suffix(".partial.npz")
        np.savez(partial, **arrays)  # type: ignore[arg-type]
        os.replace(partial, self.path)
        self._last = time.monotonic()

    def remove(self) -> None:
        """The fit is done."""
        self.path.unlink(missing_ok=True)
        if self.path.parent.is_dir() and not any(self.path.parent.iterdir()):
            self.path.parent.rmdir()
