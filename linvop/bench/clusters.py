r"""Structures of any size: water clusters and straight alkanes."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from ase import Atoms

__all__ = ["alkane", "water_cluster"]

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


def alkane(n: int) -> Atoms:
    r"""A straight alkane of n carbon atoms, C_n H_(2n+2)."""
    from ase import Atoms

    bond, ch, half = 1.53, 1.09, np.radians(112.0 / 2)
    step = np.asarray([bond * np.sin(half), bond * np.cos(half), 0.0])
    positions, symbols = [], []
    for k in range(n):
        side = 1.0 if k % 2 else -1.0
        carbon = np.asarray([k * step[0], 0.5 * side * step[1], 0.0])
        out = np.asarray([0.0, side * ch * np.cos(np.radians(53.5)), 0.0])
        up = np.asarray([0.0, 0.0, ch * np.sin(np.radians(53.5))])
        own = [carbon, carbon + out + up, carbon + out - up]
        if k in (0, n - 1):  # along the chain's next bond that is not there
            along = -1.0 if k == 0 else 1.0
            toward = np.asarray([along * step[0], -side * step[1], 0.0]) / bond
            own.append(carbon + ch * toward)
            if n == 1:
                own.append(carbon + ch * toward * np.asarray([-1.0, 1.0, 1.0]))
        positions += own
        symbols += ["C"] + ["H"] * (len(own) - 1)
    return Atoms(symbols, positions=np.asarray(positions))
