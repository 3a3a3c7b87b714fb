r"""Pairs of CH4 that share all that three bodies about carbon know, and yet differ.

The carbon stands at the origin. Unit vectors n_A, n_B, n_B' of three hydrogens have the Gram
matrix G; with g = G^-1 a fourth unit vector of which the dots with them are v = (a, b, c) exists if

.. math:: v^T g\, v = 1 .

The dots (a, b, c) and (a, c, b) both obey this if
``(b + c)(g_22 - g_33) = -2 a (g_12 - g_13)``, which fixes s = b + c; then b, c = (s +- t)/2 and the
signs are the two members of a pair. As B and B' are at the same distance from the carbon, the
multiset of all (r_i, r_j, angle_ij) about carbon is the same in both, and so are all distances
between atoms; the structures are not congruent. After the idea of S. N. Pozdnyakov et al., Phys.
Rev. Lett. 125, 166001 (2020).
"""

from __future__ import annotations

from itertools import permutations
from typing import TYPE_CHECKING

import numpy as np

from linvop.errors import InputError

if TYPE_CHECKING:
    from ase import Atoms

__all__ = ["apart", "degenerate_methanes"]

_LENGTHS = (0.95, 1.35)
_NEAREST = 1.15
"""Angstrom: C-H bonds, hydrogens from each other."""

_LEAST_APART = 0.25
"""Angstrom, root mean square, of the two members (`apart`)."""

_LEAST_VOLUME, _LEAST_SPLIT = 0.15, 0.15
"""Of det G and of t^2: neither flat nor the same twice."""


def degenerate_methanes(n_pairs: int, seed: int = 2026) -> list[Atoms]:
    r"""`n_pairs` pairs, one member after the other.

    The same `seed` gives the same pairs, and a larger `n_pairs` only appends to them.

    Returns
    -------
    list of ase.Atoms, 2 n_pairs
        ``info``: ``pair`` and ``member``, "plus" or "minus".

    Raises
    ------
    InputError
        If `n_pairs` is not positive.
    """
    from ase import Atoms

    if n_pairs < 1:
        raise InputError(f"n_pairs: expected at least 1, got {n_pairs}")
    rng = np.random.default_rng(seed)
    out = []
    for pair in range(n_pairs):
        while (found := _pair(rng)) is None:
            pass
        for member, positions in zip(("plus", "minus"), found, strict=True):
            atoms = Atoms("CH4", positions=positions)
            atoms.info |= {"pair": pair, "member": member}
            out.append(atoms)
    return out


def _pair(rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray] | None:
    """One draw, (5, 3) twice; None where no fourth vector exists or the members are too alike."""
    n = rng.normal(size=(3, 3))
    n /= np.linalg.norm(n, axis=1)[:, None]
    G = n @ n.T
    a, lengths = rng.uniform(-0.8, 0.3), rng.uniform(*_LENGTHS, size=3)
    if np.linalg.det(G) < _LEAST_VOLUME:
        return None
    g = np.linalg.inv(G)
    slope = g[1, 1] - g[2, 2]
    if abs(slope) < 0.05:
        return None
    s = -2 * a * (g[0, 1] - g[0, 2]) / slope
    middle = np.asarray([a, s / 2, s / 2])
    half = np.asarray([0.0, 0.5, -0.5])
    t2 = (1 - middle @ g @ middle) / (half @ g @ half)
    if t2 < _LEAST_SPLIT:
        return None
    members = []
    for sign in (1.0, -1.0):
        fourth = n.T @ (g @ (middle + sign * np.sqrt(t2) * half))
        arms = np.concatenate([n, fourth[None]]) * lengths[[0, 1, 1, 2], None]
        members.append(np.concatenate([np.zeros((1, 3)), arms]))
    hydrogens = members[0][1:]  # the distances of the other member are the same
    i, j = np.triu_indices(4, 1)
    if np.linalg.norm(hydrogens[i] - hydrogens[j], axis=1).min() < _NEAREST:
        return None
    if apart(members[0], members[1]) < _LEAST_APART:
        return None
    return members[0], members[1]


def apart(first: np.ndarray, second: np.ndarray) -> float:
    r"""Root mean square distance of the hydrogens, the least over rotations, mirrors, exchanges.

    Parameters
    ----------
    first, second : (5, 3) float64
        Carbon first and at the origin.
    """
    a = first[1:]
    squares = []
    for order in permutations(range(1, 5)):
        b = second[list(order)]
        overlap = np.linalg.svd(b.T @ a, compute_uv=False).sum()
        squares.append((a**2).sum() + (b**2).sum() - 2 * overlap)
    return float(np.sqrt(max(0.0, min(squares)) / 4))
