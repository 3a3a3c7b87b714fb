r"""Water clusters of any size."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from ase import Atoms

__all__ = ["water_cluster"]

_PER_WATER = 29.9
"""Angstrom^3, of liquid water."""


def water_cluster(n: int, seed: int = 0) -> Atoms:
    r"""A ball of n water molecules at the density of the liquid, in random orientations.

    The oxygens stand near the points of a simple cubic lattice, the nearest n to its origin.
    """
    from ase import Atoms
    from scipy.spatial.transform import Rotation

    rng = np.random.default_rng(seed)
    half = int(np.ceil(n ** (1 / 3))) + 1
    axis = np.arange(-half, half + 1)
    lattice = np.stack(np.meshgrid(axis, axis, axis, indexing="ij"), axis=-1).reshape(-1, 3)
    order = np.argsort(np.linalg.norm(lattice + 0.1, axis=1), kind="stable")
    centres = _PER_WATER ** (1 / 3) * lattice[order[:n]] + 0.1 * rng.normal(size=(n, 3))
    water = np.asarray([[0.0, 0.0, 0.0], [0.757, 0.586, 0.0], [-0.757, 0.586, 0.0]])
    turns = Rotation.random(n, random_state=rng).as_matrix()
    return Atoms("OHH" * n, positions=(water @ turns + centres[:, None]).reshape(-1, 3))
