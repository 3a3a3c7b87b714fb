r"""Finished structures of a run that is not finished: the folder ``OUT.parts``.

``settings.json`` says what the run is (settings, AO basis, a digest of each structure);
``<index>.npz`` holds one labelled structure, ``<index>.json`` the reason why one has no
labels. Each file is whole or absent, and a run goes on from a folder only if it is the same
run: labels of two kinds are never mixed. While a run is on it holds a lock on ``.lock`` (where the
system has such locks), which the system lets go if the run is killed.
"""

from __future__ import annotations

import hashlib
import io
import json
import shutil
import zipfile
from collections.abc import Sequence
from pathlib import Path
from typing import IO, Any

import numpy as np

from linvop.errors import InputError
from linvop.io.atomic import atomic_bytes, atomic_text
from linvop.io.hdf5 import json_safe
from linvop.io.records import Record

try:
    import fcntl
except ImportError:  # not a POSIX system: two runs on one output are not noticed
    fcntl = None  # type: ignore[assignment]

__all__ = ["Checkpoints", "digest", "progress_of"]

_SETTINGS = "settings.json"
_LOCK = ".lock"


def digest(structure: Record) -> str:
    r"""Identify a structure: elements, positions (to the bit), charge, multiplicity."""
    parts = (
        np.asarray(structure.numbers, np.int64).tobytes(),
        np.asarray(structure.positions, np.float64).tobytes(),
        f"{structure.charge} {structure.multiplicity}".encode(),
    )
    return hashlib.sha256(b"|".join(parts)).hexdigest()[:16]


class Checkpoints:
    r"""The folder of one run.

    Parameters
    ----------
    out : Path
        Where the run's result will be written; the folder is ``<out>.parts`` beside it.
    """

    def __init__(self, out: Path) -> None:
        self.folder = out.with_name(out.name + ".parts")
        self._lock: IO[bytes] | None = None

    def begin(self, run: dict[str, Any], structures: Sequence[Record], force: bool) -> None:
        r"""Make the folder, or take up the one that is there if it belongs to the same run.

        Raises
        ------
        InputError
            If it belongs to another one, with what differs (with `force` it is emptied), if
            another run is on in it, if it is no folder of linvop's, or if the disk is full.
        """
        if (self.folder / _SETTINGS).is_file():
            self._take()
        run = json_safe(run | {"structures": [digest(s) for s in structures]})
        if self.folder.exists() and any(not p.name.startswith(".") for p in self.folder.iterdir()):
            difference = self._difference(run)
            if difference is None:
                return
            if not force:
                raise InputError(
                    f"{self.folder} holds an unfinished run of another kind: {difference}; go on "
                    "with that, or start anew with --force (force=True), which deletes it"
                )
            self.remove()
        self.folder.mkdir(exist_ok=True)
        self._take()
        atomic_text(self.folder / _SETTINGS, json.dumps(run, indent=1))

    def _difference(self, run: dict[str, Any]) -> str | None:
        path = self.folder / _SETTINGS
        if not path.is_file():
            raise InputError(
                f"{self.folder}: linvop needs this name and did not make what is there"
            )
        try:
            there = json.loads(path.read_text())
            before, now = there["structures"], run["structures"]
        except (OSError, ValueError, KeyError, TypeError):
            return f"its {_SETTINGS} is damaged"
        if len(before) != len(now):
            return f"{len(before)} structures there and {len(now)} now"
        changed = [i for i, (a, b) in enumerate(zip(before, now, strict=True)) if a != b]
        if changed:
            return f"structure {changed[0]} is another one"
        for key in dict.fromkeys([*there, *run]):
            if there.get(key) != run.get(key):
                return f"{key} is {_short(there.get(key))} there and {_short(run.get(key))} now"
        return None

    def store(self, record: Record) -> None:
        """Keep a labelled structure."""
        buffer = io.BytesIO()
        np.savez(buffer, **record.arrays())  # type: ignore[arg-type]
        atomic_bytes(self.folder / f"{record.source_index:06d}.npz", buffer.getvalue(), force=True)

    def store_failure(self, index: int, reason: str) -> None:
        """Keep the reason why a structure has no labels."""
        atomic_text(self.folder / f"{index:06d}.json", json.dumps({"reason": reason}), force=True)

    def load(self, index: int) -> Record | None:
        """Return a labelled structure, or None if it is absent or damaged."""
        path = self.folder / f"{index:06d}.npz"
        try:
            with np.load(path, allow_pickle=False) as arrays:
                return Record.from_arrays(dict(arrays))
        except (OSError, EOFError, ValueError, KeyError, TypeError, zipfile.BadZipFile):
            return None

    def failure(self, index: int) -> str | None:
        """Return the reason why a structure has no labels, if that is known."""
        try:
            return json.loads((self.folder / f"{index:06d}.json").read_text())["reason"]
        except (OSError, ValueError, KeyError, TypeError):
            return None

    def remove(self) -> None:
        """Delete the folder."""
        shutil.rmtree(self.folder, ignore_errors=True)
        self.release()

    def _take(self) -> None:
        """Hold the lock."""
        if fcntl is None or self._lock is not None:
            return
        file = (self.folder / _LOCK).open("wb")
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            file.close()
            raise InputError(
                f"{self.folder}: another run is labelling into it at this moment; wait for it"
            ) from None
        self._lock = file

    def release(self) -> None:
        """Let go of the lock."""
        if self._lock is not None:
            self._lock.close()
            self._lock = None

    def __getstate__(self) -> dict[str, Any]:
        """Workers write, and leave the lock to the process that started them."""
        return self.__dict__ | {"_lock": None}


def progress_of(folder: Path) -> tuple[int, int, int]:
    r"""How many structures of an unfinished run are labelled, have failed, and are there in all.

    Raises
    ------
    InputError
        If the folder is not one of a run.
    """
    try:
        total = len(json.loads((folder / _SETTINGS).read_text())["structures"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise InputError(f"{folder}: expected an unfinished run of linvop label") from error
    failed = sum(p.name != _SETTINGS for p in folder.glob("*.json"))
    return len(list(folder.glob("*.npz"))), failed, total


def _short(value: Any) -> str:
    text = json.dumps(value)
    return text if len(text) <= 60 else text[:57] + "..."
