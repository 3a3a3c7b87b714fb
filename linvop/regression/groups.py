r"""Which rows leave together when a fit is validated by leaving some out.

All components and force rows of a structure are one group, and so are all copies of a
structure: a copy that stays behind would give the answer away.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components
from scipy.spatial import KDTree
from scipy.spatial.distance import pdist

from linvop.errors import InputError
from linvop.regression.scaling import check_finite_rows

__all__ = ["duplicate_groups", "row_groups"]


def duplicate_groups(
    numbers: Sequence[np.ndarray], positions: Sequence[np.ndarray], tolerance: float = 1e-4
) -> np.ndarray:
    r"""Return the group of every structure: copies of one structure share a group.

    Two structures are copies if they have the same formula and their sorted interatomic
    distances, species pair by species pair, agree to `tolerance` each; a group is a connected
    component of that relation, so that no structure is ever cut off from a copy by rounding.
    The law: the result does not change under rotation, reflection, translation or reordering
    of any structure. Structures that differ and have the same distances (homometric ones)
    would share a group too, which costs a leave-one-out little.

    Charge, spin state and labels are not looked at.

    Parameters
    ----------
    numbers : sequence of (n_atoms,) int
        Atomic numbers of each structure.
    positions : sequence of (n_atoms, 3) float
        Angstrom.
    tolerance : float
        Largest difference of a distance, Angstrom.

    Returns
    -------
    (n_structures,) int
        Labels 0, 1, ... in the order of first appearance.

    Raises
    ------
    InputError
        If shapes do not fit, a position is not finite or `tolerance` is negative.
    """
    if len(numbers) != len(positions):
        raise InputError(
            f"expected positions of {len(numbers)} structures, got those of {len(positions)}"
        )
    if not tolerance >= 0.0:
        raise InputError(f"tolerance: expected a number >= 0, got {tolerance}")
    formulas: dict[tuple[int, ...], list[int]] = {}
    distances = []
    for index, (z, r) in enumerate(zip(numbers, positions, strict=True)):
        species, sorted_distances = _fingerprint(np.asarray(z), np.asarray(r, float), index)
        formulas.setdefault(species, []).append(index)
        distances.append(sorted_distances)
    edges = [np.zeros((0, 2), dtype=int)]
    for members in formulas.values():
        edges.append(np.array(members)[_close_pairs([distances[i] for i in members], tolerance)])
    i, j = np.concatenate(edges).T
    n = len(distances)
    graph = coo_array((np.ones(len(i), dtype=bool), (i, j)), shape=(n, n))
    labels = connected_components(graph, directed=False)[1] if n else np.zeros(0, dtype=int)
    return _by_first_appearance(labels)


def row_groups(groups: np.ndarray | None, n_rows: int, n_components: int) -> np.ndarray:
    r"""Return the group of every row, (n_rows,), as labels 0, 1, ...

    Without `groups`, each block of `n_components` consecutive rows is a group. Given groups
    must keep the components of a structure together.
    """
    blocks = np.arange(n_rows) // n_components
    if groups is None:
        return blocks
    labels = np.asarray(groups)
    if labels.shape != (n_rows,):
        raise InputError(f"groups: expected shape ({n_rows},), one a row, got {labels.shape}")
    if labels.dtype.kind not in "iu":
        raise InputError(f"groups: expected integers, got {labels.dtype}")
    split = labels != labels[blocks * n_components]
    if split.any():
        raise InputError(
            f"groups: row {int(np.argmax(split))} is not in the group of the other components "
            f"of its structure (blocks of {n_components} rows)"
        )
    return _by_first_appearance(labels)


def _fingerprint(z: np.ndarray, r: np.ndarray, index: int) -> tuple[tuple[int, ...], np.ndarray]:
    """Return the sorted species and the distances, sorted within each pair of species."""
    if z.ndim != 1 or r.shape != (len(z), 3):
        raise InputError(
            f"structure {index}: expected positions of shape ({z.size}, 3), got {r.shape}"
        )
    check_finite_rows(r, f"positions of structure {index}")
    order = np.argsort(z, kind="stable")
    z, d = z[order], pdist(r[order])
    first, second = np.triu_indices(len(z), 1)
    # lexsort: the last key counts first; z is sorted, so each pair has one order.
    return tuple(z.tolist()), d[np.lexsort((d, z[second], z[first]))]


def _close_pairs(vectors: list[np.ndarray], tolerance: float) -> np.ndarray:
    """Return the pairs, (m, 2), that differ by at most `tolerance` in every entry."""
    if len(vectors) < 2:
        return np.zeros((0, 2), dtype=int)
    points = np.stack(vectors)
    if points.shape[1] == 0:
        return np.stack([np.arange(len(points) - 1), np.arange(1, len(points))], axis=1)
    tree = KDTree(points)
    return tree.query_pairs(tolerance, p=np.inf, output_type="ndarray").reshape(-1, 2)


def _by_first_appearance(labels: np.ndarray) -> np.ndarray:
    _, first, inverse = np.unique(labels, return_index=True, return_inverse=True)
    return np.argsort(np.argsort(first))[inverse]
