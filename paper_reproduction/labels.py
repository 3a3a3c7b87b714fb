r"""Labels of PySCF, made once and kept in the user's cache folder.

A data set is named by its study's name for it and by a digest of everything that decides its
numbers: structures, charges and settings. An interrupted run goes on where it stopped, as
`linvop.labelling.label` does; a set that is there is opened.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from hashlib import sha256
from pathlib import Path
from tempfile import TemporaryFile
from typing import TYPE_CHECKING, Any

import numpy as np

from linvop.angular.disk_cache import cache_directory
from linvop.errors import InputError
from linvop.io.dataset import Dataset
from linvop.labelling import label
from linvop.sampling import NormalModes, normal_modes
from paper_reproduction.study import Setting

if TYPE_CHECKING:
    from ase import Atoms

__all__ = ["cache_folder", "check_cache_folder", "labelled", "labels_path", "modes_of"]

_EVERY = 20
"""Structures, between words on how far the labels are."""


def cache_folder() -> Path:
    """Where labels are kept; made if it is not there."""
    folder = cache_directory() / "reproduction"
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def check_cache_folder() -> None:
    r"""Before any work: whether labels can be kept.

    Raises
    ------
    InputError
    """
    try:
        TemporaryFile(dir=cache_folder()).close()
    except OSError as error:
        raise InputError(
            f"{cache_directory()}: no labels can be kept in the cache folder ({error.strerror}); "
            "LINVOP_CACHE_DIR names another"
        ) from error


def labels_path(name: str, frames: Sequence[Atoms], **settings: Any) -> Path:
    r"""The file of a data set, there or not.

    Parameters
    ----------
    name : str
    frames : sequence of ase.Atoms
    **settings
        Of `linvop.labelling.label`.
    """
    digest = sha256(repr(sorted(settings.items())).encode())
    for atoms in frames:
        digest.update(np.asarray(atoms.numbers, dtype="<i8").tobytes())
        digest.update(np.round(atoms.positions, 8).astype("<f8").tobytes())
        digest.update(str(int(atoms.info.get("charge", 0))).encode())
    return cache_folder() / f"{name}-{digest.hexdigest()[:12]}.h5"


def labelled(name: str, frames: Sequence[Atoms], setting: Setting, **settings: Any) -> Dataset:
    r"""The structures with labels.

    Parameters
    ----------
    name : str
        Of the set, for its file and for messages.
    frames : sequence of ase.Atoms
    setting : Setting
    **settings
        Of `linvop.labelling.label`: method, xc, ao, quantities, grid_level, ...

    Returns
    -------
    Dataset
        In the order of `frames`, without those of which the SCF does not converge (a warning
        says so; ``source_index`` of a record is its place in `frames`).
    """
    path = labels_path(name, frames, **settings)
    if not path.exists():
        label(
            frames, path, workers=setting.workers, progress=_progress(name, setting.say), **settings
        )
    data = Dataset.open(path)
    if len(data) < len(frames):  # each time, not in the run alone that has labelled
        warnings.warn(
            f"{name}: {len(frames) - len(data)} of {len(frames)} structures have no labels, as "
            "their SCF does not converge",
            stacklevel=2,
        )
    return data


def _progress(name: str, say: Callable[[str], None]) -> Callable[[int, int], None]:
    def report(done: int, total: int) -> None:
        if done == total or done % _EVERY == 0:
            say(f"labels of {name}: {done} of {total}")

    return report


def modes_of(name: str, atoms: Atoms, setting: Setting, ao: str = "sto-3g") -> NormalModes:
    r"""Normal modes (`linvop.sampling.normal_modes`), kept like labels."""
    from linvop.io.atomic import atomic

    path = labels_path(f"modes-{name}", [atoms], ao=ao).with_suffix(".npz")
    if not path.exists():
        setting.say(f"{name}: relaxation and normal modes, HF/{ao}")
        found = normal_modes(atoms, ao)
        with atomic(path, False) as beside, open(beside, "wb") as file:
            np.savez(
                file,
                numbers=found.numbers,
                positions=found.positions,
                frequencies=found.frequencies,
                displacements=found.displacements,
            )
    with np.load(path, allow_pickle=False) as kept:
        return NormalModes(**{key: kept[key] for key in kept.files})
