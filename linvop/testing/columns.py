r"""Every function once: no column is zero or proportional to another."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from linvop.basis.labels import Label
from linvop.features.basis import Basis, ordered_species
from linvop.integrals import System
from linvop.testing.molecules import random_molecule
from linvop.testing.yardstick import Features, Key, column_labels, yardsticks

__all__ = ["assert_columns_independent"]

_ZERO = 1e-13
"""A column shorter than this, in units of its yardstick, is rounding."""


def assert_columns_independent(
    basis: Basis,
    species: Sequence[str],
    target: str = "site",
    *,
    n_molecules: int = 12,
    copies: int = 3,
    seed: int = 0,
    tolerance: float = 1e-10,
) -> None:
    r"""Assert that on random molecules no column is zero or proportional to another.

    Take AO sets without core shells: seen from another atom, the product of a core function
    with any other is a point multipole, so that in metric ``ao`` sulphur's <1s|V|2p> and
    <1s|V|3p> are proportional to rounding, and core functions of two atoms hardly overlap.
    That is a fact of such sets and not of the enumeration.

    Parameters
    ----------
    basis : Basis
    species : sequence of str
    target : {"site", "structure"}
    n_molecules, copies : int
        Molecules, and atoms of each species in one; with two or fewer, some columns that
        differ in general coincide.
    seed : int
    tolerance : float
        Least angle between two columns, radians.

    Raises
    ------
    AssertionError
        Naming the columns.
    """
    names = ordered_species(species)
    features = basis.compile(names, target=target)
    # Rows of both targets: sites, which for structures are summed over each species apart.
    stacked: dict[Key, list[np.ndarray]] = {}
    for k in range(n_molecules):
        frame = random_molecule(names * copies, copies * len(names), seed + k)
        sites = features.sites(System.from_atoms(frame, basis.ao_basis))
        for key, x in sites.items():
            rows = x if target == "site" else x.sum(axis=0, keepdims=True)
            stacked.setdefault(key, []).append(np.concatenate(list(rows)))
    columns = {key: np.concatenate(rows) for key, rows in stacked.items()}
    scales = yardsticks(basis, names, columns, target)
    labels = column_labels(basis, names, target)
    for group in _comparable(columns, target):
        A = np.concatenate([columns[key] for key in group], axis=1)
        scale = np.concatenate([scales[key] for key in group])
        _refuse_alike(A, scale, [x for key in group for x in labels[key]], target, tolerance)


def _comparable(columns: Features, target: str) -> list[list[Key]]:
    """Groups of keys whose columns stand side by side in a design matrix."""
    if target == "site":
        return [[key] for key in columns]
    irreps = dict.fromkeys((lam, sigma) for _, lam, sigma in columns)
    return [[key for key in columns if key[1:] == irrep] for irrep in irreps]


def _refuse_alike(
    A: np.ndarray, scale: np.ndarray, labels: list[Label], target: str, tolerance: float
) -> None:
    if not labels:
        return
    length = np.sqrt(np.mean(A**2, axis=0))
    zero = np.flatnonzero(~(length > _ZERO * scale))
    if zero.size:
        k = zero[0]
        raise AssertionError(
            f"{target}: {zero.size} columns are zero, first {labels[k]} "
            f"({length[k] / max(scale[k], np.finfo(float).tiny):.1e} of the yardstick)"
        )
    A = A / np.linalg.norm(A, axis=0)
    cosine = A.T @ A
    # A cosine is good to 1e-16, the angle from it to 1e-8 only: the angle is taken afresh.
    pairs = [
        (i, j, float(np.linalg.norm(A[:, i] - np.sign(cosine[i, j]) * A[:, j])))
        for i, j in np.argwhere(np.triu(np.abs(cosine), 1) > 1 - max(1e-12, tolerance**2))
    ]
    alike = [pair for pair in pairs if not pair[2] > tolerance]
    if alike:
        i, j, angle = alike[0]
        raise AssertionError(
            f"{target}: {len(alike)} pairs of columns are proportional, first {labels[i]} and "
            f"{labels[j]} (angle {angle:.1e})"
        )
