r"""How block norms fall off with distance: medians in bins, and decay lengths.

The decay length lambda of a matrix is that of

.. math:: \log \| M_{ij} \|_F = a_{s_i s_j} - R_{ij} / \lambda

by least squares over all pairs of atoms within a window of distances, with a constant for each pair
of species. Blocks of Gaussian AOs fall off faster than an exponential at last: it is the mean
over the window.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from linvop.observables.block_norms import BlockNorms

__all__ = [
    "WINDOW",
    "binned_medians",
    "common_pairs",
    "correlation",
    "decay_length",
    "dropped_part",
    "rounded",
]

_WIDTH = 0.5
"""Angstrom, of the bins."""

WINDOW = 6.0
"""Angstrom: decay lengths are of pairs of atoms up to here."""

_ROUNDING = 1e-13
"""Of the largest norm; what is less is rounding."""

_CENTRAL = (16.0, 50.0, 84.0)
"""Percent: the band and the median."""


def rounded(x: float) -> float:
    """To four digits, for JSON."""
    return float(f"{x:.4g}")


def common_pairs(norms: BlockNorms, most: int) -> list[str]:
    """Names of the commonest pairs of species, atoms with themselves apart."""
    names, counts = np.unique(norms.pair[norms.distance > 0], return_counts=True)
    return names[np.argsort(-counts, kind="stable")][:most].tolist()


def binned_medians(norms: BlockNorms, pair: str) -> dict[str, list[float]]:
    r"""Of one pair of species: mean distance, 16th, 50th and 84th percentile of the norm by bin.

    Returns
    -------
    {"distance", "low", "median", "high"}: lists over the bins that have blocks
    """
    own = (norms.pair == pair) & (norms.distance > 0)
    R, norm = norms.distance[own], norms.norm[own]
    bins = np.floor(R / _WIDTH)
    out: dict[str, list[float]] = {"distance": [], "low": [], "median": [], "high": []}
    for b in np.unique(bins):
        low, median, high = np.percentile(norm[bins == b], _CENTRAL)
        values = (float(R[bins == b].mean()), low, median, high)
        for name, value in zip(out, values, strict=True):
            out[name].append(rounded(value))
    return out


def dropped_part(norms: BlockNorms, cutoffs: Sequence[float]) -> list[float]:
    r"""``|M - M^rc|_F / |M|_F`` at each cutoff (Angstrom), the mean over the structures."""
    # A block and its transpose; each pair stands once.
    squares = norms.norm**2 * np.where(norms.distance > 0, 2.0, 1.0)
    _, of = np.unique(norms.structure, return_inverse=True)
    whole = np.bincount(of, squares)
    lost = [np.bincount(of, squares * (norms.distance > c)) for c in cutoffs]
    return [rounded(float(np.sqrt(x / whole).mean())) for x in lost]


def _logs(norms: BlockNorms) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Distances and logarithms less their means over the pair of species; which blocks."""
    used = (norms.distance > 0) & (norms.distance <= WINDOW)
    used &= norms.norm > _ROUNDING * norms.norm.max()
    R, y = norms.distance.copy(), np.zeros(len(norms.norm))
    y[used] = np.log(norms.norm[used])
    for pair in np.unique(norms.pair[used]):
        own = used & (norms.pair == pair)
        R[own] -= R[own].mean()
        y[own] -= y[own].mean()
    return R, y, used


def decay_length(norms: BlockNorms) -> float:
    r"""lambda, Angstrom; infinite where norms do not fall."""
    R, y, used = _logs(norms)
    slope = float(R[used] @ y[used] / (R[used] @ R[used]))
    return -1.0 / slope if slope < 0 else float("inf")


def correlation(first: BlockNorms, second: BlockNorms) -> float:
    r"""Of the logarithms of the norms of two matrices of the same structures, within species."""
    (_, a, one), (_, b, other) = _logs(first), _logs(second)
    both: Any = one & other
    return float(np.corrcoef(a[both], b[both])[0, 1])
