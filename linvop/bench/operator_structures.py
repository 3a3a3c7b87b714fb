r"""The structures of docs/operators.md, picked from published sets, to be labelled."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from linvop.errors import InputError
from linvop.io.structures import read, write

if TYPE_CHECKING:
    from ase import Atoms

__all__ = ["PICKED", "pick_structures"]


def _waters(folder: Path) -> list[Atoms]:
    """300 of the distinct monomers, at random."""
    path = folder / "water_monomer" / "water_monomer_1000.xyz"
    frames = read(path, keys={"energy": "energy_Ha"}, units={"energy": "Hartree"})
    distinct = [k for k, a in enumerate(frames) if a.info.get("dup_of", -1) < 0]
    return [frames[k] for k in np.random.default_rng(0).permutation(distinct)[:300]]


def _ethanols(folder: Path) -> list[Atoms]:
    """200 training and 100 test structures of split 01."""
    train, test = (read(folder / "rmd17_ethanol" / f"{part}.xyz") for part in ("train", "test"))
    return [*train[:200], *test[:100]]


def _molecules(folder: Path) -> list[Atoms]:
    """The first 1000, shuffled: they come ordered by size."""
    path = folder / "qm7" / "qm7_7101.xyz.gz"
    frames = read(path, keys={"energy": "ae_pbe0_kcal"}, units={"energy": "kcal/mol"})[:1000]
    return [frames[k] for k in np.random.default_rng(0).permutation(len(frames))]


PICKED: dict[str, Callable[[Path], list[Atoms]]] = {
    "water": _waters,
    "ethanol": _ethanols,
    "qm7": _molecules,
}
"""Name of the file, and what is in it."""


def pick_structures(data: str | Path, out: str | Path, *, force: bool = False) -> list[Path]:
    r"""Write ``water.xyz``, ``ethanol.xyz`` and ``qm7.xyz``, without labels.

    Parameters
    ----------
    data : path
        Folder with water_monomer/, rmd17_ethanol/ and qm7/; what it lacks is left out.
    out : path
        Folder, which must exist.
    force : bool
        Replace files that exist.

    Raises
    ------
    InputError
        If `data` has none of them, for a bad file, or one of `out` that exists.
    """
    from ase import Atoms

    written = []
    for name, pick in PICKED.items():
        try:
            frames = pick(Path(data))
        except InputError as error:
            if "no such file" not in str(error):
                raise
            continue
        bare = [Atoms(a.numbers, positions=a.positions) for a in frames]
        path = Path(out) / f"{name}.xyz"
        write(path, bare, force=force)
        written.append(path)
    if not written:
        raise InputError(f"{data}: expected water_monomer/, rmd17_ethanol/ or qm7/ in it")
    return written
