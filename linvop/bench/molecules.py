r"""Molecules to measure on: a user's file, or distorted G2 molecules made here."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from linvop.errors import InputError

if TYPE_CHECKING:
    from ase import Atoms

__all__ = ["ELEMENTS", "own_molecules", "sample"]

ELEMENTS = ("H", "C", "N", "O", "S")
"""Those of QM7."""

_LEAST_ATOMS = 10


def own_molecules(n: int, *, noise: float = 0.05, seed: int = 0) -> list[Atoms]:
    r"""Molecules of H, C, N, O, S of about QM7's size, distorted.

    The closed-shell G2 molecules of ASE with at least ten atoms, in turn, each time with
    other normal displacements of standard deviation `noise` (Angstrom).

    Parameters
    ----------
    n : int
    noise : float
    seed : int
    """
    from ase.build import molecule
    from ase.collections import g2

    templates = [molecule(name) for name in g2.names]
    templates = [
        a
        for a in templates
        if len(a) >= _LEAST_ATOMS
        and set(a.get_chemical_symbols()) <= set(ELEMENTS)
        and a.numbers.sum() % 2 == 0
    ]
    rng = np.random.default_rng(seed)
    out = []
    for k in range(n):
        atoms = templates[k % len(templates)].copy()
        atoms.info.clear()
        atoms.positions += noise * rng.normal(size=atoms.positions.shape)
        out.append(atoms)
    return out


def sample(path: str | Path | None, n: int) -> tuple[list[Atoms], str]:
    r"""Molecules and what they are, in words.

    Parameters
    ----------
    path : path or None
        A file of structures, of which `n` evenly spaced ones are taken; None makes them.
    n : int

    Raises
    ------
    InputError
        For n < 1, or a file that cannot be read.
    """
    if n < 1:
        raise InputError(f"n: expected at least 1 molecule, got {n}")
    if path is None:
        return own_molecules(n), f"{n} distorted G2 molecules of H, C, N, O, S"
    from linvop.io.structures import read

    frames = read(path)
    chosen = np.unique(np.linspace(0, len(frames) - 1, n).round().astype(int))
    return [frames[k] for k in chosen], f"{len(chosen)} molecules of {Path(path).name}"
