r"""From how far on a nucleus is far: distances from which expansions keep to a tolerance.

For two atoms at a distance R, the products of their AOs weigh w_n(R) on derivatives of order n of
a potential (`linvop.integrals.gaussian_products.product_sizes`). A nucleus may count as

- *outside* from a distance rho of the atoms' segment on, where what it penetrates weighs less than
  the tolerance: ``sum_n w_n g_n(p, rho) <= tolerance``;
- *of order L* from a distance r of the segment's middle on, where what lies beyond that order does:
  ``sum_n w_n tail(L, n, R / 2 + extra, r) <= tolerance``.

Both are tabulated for steps of R, on the safe side of each. All per unit of charge.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from math import factorial

import numpy as np
from scipy.special import erfc

from linvop.compiled import njit
from linvop.integrals.gaussian_products import element_shells, product_sizes, spherical
from linvop.integrals.taylor import HIGHEST_ORDER, tail
from linvop.orbitals.shells import AOBasis

__all__ = [
    "BINS_PER_SQUARE",
    "STEP",
    "FarDistances",
    "cell_distances",
    "far_distances",
    "orders_by_square",
    "penetration",
]

STEP = 0.1
"""Of R, Bohr."""

BINS_PER_SQUARE = 0.5
"""Bins of squared distances, of each Bohr^2."""

_BETWEEN = 1.1
"""What sizes between two steps of R may exceed those at both ends by."""

_PLACES = 9
"""Parts of half a segment that products are counted in."""

_GRID = np.arange(0.5, 60.01, 0.25)
"""Distances that are tried, Bohr."""


@dataclass(frozen=True)
class FarDistances:
    r"""Of one pair of elements, for R in steps.

    Attributes
    ----------
    outside : (n_steps,) float64
        Bohr, from the segment.
    of_order : (n_steps, HIGHEST_ORDER + 1) float64
        Bohr, from its middle; infinite where an order never suffices.
    orders_at : (n_steps, n_bins) int8
        `orders_by_square` of these.
    decay : float
        The smallest exponent: penetration falls at least as ``e^(-decay rho^2 / 2)``.
    """

    outside: np.ndarray
    of_order: np.ndarray
    orders_at: np.ndarray
    decay: float


def penetration(n: int, p: np.ndarray, rho: np.ndarray) -> np.ndarray:
    r"""Bound of the n-th derivatives of ``erfc(p^1/2 rho) / rho``, per unit of charge."""
    root = np.sqrt(p)
    integral = np.sqrt(np.pi) * erfc(root * rho) / (2 * rho)
    decayed = np.exp(-p * rho**2) / (2 * rho**2)
    by_power = {0: integral}
    for m in range(2, 2 * n + 1, 2):
        by_power[m] = root ** (m - 1) * decayed + (m - 1) / (2 * rho**2) * by_power[m - 2]
    total = np.zeros_like(integral)
    for k in range(n // 2 + 1):
        count = factorial(n) / (factorial(k) * factorial(n - 2 * k))
        total += count * (2 * rho) ** (n - 2 * k) * by_power[2 * n - 2 * k]
    return 2 / np.sqrt(np.pi) * total


@lru_cache(maxsize=256)
def far_distances(
    ao: AOBasis,
    first: str,
    second: str,
    reach: float,
    tolerance: float,
    zeta: float = 0.0,
) -> FarDistances:
    r"""Tables for R up to `reach` (Bohr).

    Parameters
    ----------
    ao : AOBasis
    first, second : str
        Elements.
    reach : float
    tolerance : float
        Hartree, per unit of charge.
    zeta : float
        Exponent of screening Gaussians; then ``outside`` is where nothing is left of a nucleus.
    """
    p, pairs, places, stacked = _sizes(ao, first, second, reach)
    exponents = p * zeta / (p + zeta) if zeta else p
    n_steps, n_max = len(stacked), stacked.shape[2] - 1
    g = np.stack([penetration(n, exponents[:, None], _GRID) for n in range(n_max + 1)], axis=1)
    outside = np.zeros(n_steps)
    edges = np.flatnonzero(np.diff(pairs, prepend=-1))
    for k, one in enumerate(stacked):
        by_product = np.einsum("pn,png->pg", one, g)
        error = np.add.reduceat(by_product, edges, axis=0).max(axis=0)
        good = error <= tolerance
        outside[k] = _GRID[np.argmax(good)] if good.any() else np.inf
    of_order = _orders(_weights(pairs, places, stacked), _GRID, tolerance, 0.0)
    by_square = orders_by_square(of_order)
    return FarDistances(outside, of_order, by_square, float(exponents.min()))


@lru_cache(maxsize=1024)
def cell_distances(
    ao: AOBasis, first: str, second: str, reach: float, tolerance: float, extra: float
) -> np.ndarray:
    r"""From where on each order suffices for expansions about a point that is not the middle.

    Parameters
    ----------
    ao, first, second, reach, tolerance
        As for `far_distances`.
    extra : float
        How far from a segment's middle the point may be, Bohr.

    Returns
    -------
    (HIGHEST_ORDER + 1,) float64
        Bohr, from that point; of any R.
    """
    _, pairs, places, stacked = _sizes(ao, first, second, reach)
    return _orders(_weights(pairs, places, stacked), _GRID, tolerance, extra).max(axis=0)


@lru_cache(maxsize=64)
def _sizes(
    ao: AOBasis, first: str, second: str, reach: float
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Exponents, pairs of shells, places and sizes (n_steps, n_products, n), within steps of R."""
    shells = element_shells(ao, first).arrays, element_shells(ao, second).arrays
    n_steps = int(np.ceil(reach / STEP)) + 1
    found = [product_sizes(*shells, k * STEP, *spherical()) for k in range(n_steps + 1)]
    sizes = np.stack([one[3] for one in found])
    return *found[0][:3], _BETWEEN * np.maximum(sizes[:-1], sizes[1:])


def _weights(pairs: np.ndarray, places: np.ndarray, sizes: np.ndarray) -> np.ndarray:
    r"""Sizes by order of derivatives and by place on the segment, (n_steps, _PLACES, n).

    In each part of the segment those of the shells for which they are largest.
    """
    edges = np.flatnonzero(np.diff(pairs, prepend=-1))
    part = np.ceil(places * (_PLACES - 1)).astype(np.int64)
    own = [sizes * (part == k)[:, None] for k in range(_PLACES)]
    return np.stack([np.add.reduceat(x, edges, axis=1).max(axis=1) for x in own], axis=1)


def orders_by_square(distances: np.ndarray) -> np.ndarray:
    r"""The lowest order that suffices in each bin of squared distances, -1 where none does.

    Parameters
    ----------
    distances : (.., HIGHEST_ORDER + 1) float64
        From where on each order suffices; what stands beyond the last bin counts as in it.

    Returns
    -------
    (.., n_bins) int8
    """
    edges = np.sqrt(np.arange(int(BINS_PER_SQUARE * _GRID[-1] ** 2) + 1) / BINS_PER_SQUARE)
    enough = distances[..., :, None] <= edges
    return np.where(enough.any(axis=-2), enough.argmax(axis=-2), -1).astype(np.int8)


@njit()
def _orders(weights, grid, tolerance, extra):
    """First distance of the grid from which each order suffices, (n_steps, HIGHEST_ORDER + 1)."""
    n_steps, n_places, n_derivatives = weights.shape
    out = np.full((n_steps, HIGHEST_ORDER + 1), np.inf)
    for k in range(n_steps):
        # Up to the first step both are on one atom, or nearer than atoms come to each other.
        half = 0.5 * (k + 1) * STEP if k else 0.0
        for order in range(HIGHEST_ORDER + 1):
            low, high = -1, len(grid)  # the bound falls with the distance
            while high - low > 1:
                at = (low + high) // 2
                error = 0.0
                for place in range(n_places):
                    delta = half * place / (n_places - 1) + extra
                    for n in range(n_derivatives):
                        if weights[k, place, n] > 0.0:
                            error += weights[k, place, n] * tail(order, n, delta, grid[at])
                if error <= tolerance:
                    high = at
                else:
                    low = at
            if high < len(grid):
                out[k, order] = grid[high]
    return out
