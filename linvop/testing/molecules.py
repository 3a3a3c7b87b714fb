r"""Random molecules: no symmetry, no chemistry."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from linvop.errors import InputError
from linvop.features.basis import ordered_species

if TYPE_CHECKING:
    from ase import Atoms

__all__ = ["random_molecule"]


def random_molecule(
    species: Sequence[str],
    n_atoms: int,
    seed: int,
    *,
    min_distance: float = 0.9,
    volume: float = 12.0,
) -> Atoms:
    r"""Atoms at random places: no symmetry, no chemistry.

    Parameters
    ----------
    species : sequence of str
        Each occurs at least once; the others are drawn from it.
    n_atoms : int
    seed : int
    min_distance : float
        Smallest distance of two atoms, Angstrom.
    volume : float
        Of the cube they are in, Angstrom^3 an atom.

    Raises
    ------
    InputError
        For fewer atoms than species, or if the atoms do not fit into the cube.
    """
    from ase import Atoms

    names = ordered_species(species)
    if n_atoms < len(names):
        raise InputError(f"n_atoms: expected at least one of each species, got {n_atoms}")
    rng = np.random.default_rng(seed)
    symbols = [*names, *rng.choice(names, n_atoms - len(names))]
    side = (volume * n_atoms) ** (1 / 3)
    positions = np.empty((0, 3))
    for _ in range(1000 * n_atoms):
        if len(positions) == n_atoms:
            return Atoms(rng.permutation(symbols).tolist(), positions=positions)
        place = rng.uniform(0, side, 3)
        if (np.linalg.norm(positions - place, axis=1) >= min_distance).all():
            positions = np.vstack([positions, place])
    raise InputError(
        f"{n_atoms} atoms {min_distance} Angstrom apart do not fit at {volume} Angstrom^3 an atom"
    )
