r"""From how far on a nucleus is far: distances from which expansions keep to a tolerance.

For two atoms at a distance R, the products of their AOs weigh w_n(R) on derivatives of order n of
a potential (`linvop.integrals.gaussian_products.product_sizes`). A nucleus may count as

- *outside* from a distance rho of the atoms' segment on, where what it penetrates weighs less than
  the tolerance: ``sum_n w_n g_n(p, rho) <= tolerance``;
- *of order L* from a distance r of the segment's middle on, where what lies beyond that order does:
  ``sum_n w_n tail(L, n, delta + extra, r) <= tolerance``, summed over the places delta <= R / 2 of
  products, by parts of the segment: where they are far from the middle they weigh little.

Both are tabulated for steps of R, on the safe side of each. All per unit of charge.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
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
"""Of R, Bohr; the first entry of tables is R = 0, the next 0 < R <= STEP, and so on."""

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


@cache
def far_distances(
    ao: AOBasis, first: str, second: str, reach: float, tolerance: float, zeta: float = 0.0
) -> FarDistances:
    r"""Tables for R up to `reach` (Bohr).

    Parameters
    ----------
    ao : AOBasis
    first, second : str
        Elements, in either order the same.
    reach : float
    tolerance : float
        Hartree, per unit of charge.
    zeta : float
        Exponent of screening Gaussians; then ``outside`` is where next to nothing is left of a
        nucleus, and orders have no meaning.
    """
    sizes = _steps(ao, first, second, reach)
    p, pairs, _, first_sizes = next(sizes)
    exponents = p * zeta / (p + zeta) if zeta else p
    n_max = first_sizes.shape[1] - 1
    g = np.stack([penetration(n, exponents[:, None], _GRID) for n in range(n_max + 1)], axis=1)
    edges = np.flatnonzero(np.diff(pairs, prepend=-1))
    # From here on penetration falls at least as e^(-p rho^2 / 2), whatever the polynomial.
    decay = float(exponents.min())
    falls = np.sqrt((n_max + 1) / decay)
    outside = []
    for one in itertools.chain([first_sizes], (step[3] for step in sizes)):
        error = np.add.reduceat(np.einsum("pn,png->pg", one, g), edges, axis=0).max(axis=0)
        good = (error <= tolerance) & (falls <= _GRID)
        outside.append(_GRID[np.argmax(good)] if good.any() else np.inf)
    none = np.full((len(outside), HIGHEST_ORDER + 1), np.inf)
    of_order = none
    if not zeta:
        half = 0.5 * STEP * np.arange(len(outside))
        weights = _weights(ao, first, second, reach)
        of_order = _orders(weights, half, _GRID, tolerance, 0.0)
    n_bins = int(BINS_PER_SQUARE * _GRID[-1] ** 2) + 1
    by_square = orders_by_square(of_order, BINS_PER_SQUARE, n_bins)
    return FarDistances(np.asarray(outside), of_order, by_square, decay)


@cache
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
    weights = _weights(ao, first, second, reach)
    half = 0.5 * STEP * np.arange(len(weights))
    grid = np.geomspace(1.0, 60.0 + 12.0 * extra, len(_GRID))
    return _orders(weights, half, grid, tolerance, extra).max(axis=0)


def _steps(
    ao: AOBasis, first: str, second: str, reach: float
) -> Iterator[tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]]:
    """Exponents, pairs of shells, places and sizes of products: at R = 0, then in steps of R."""
    shells = element_shells(ao, first).arrays, element_shells(ao, second).arrays
    *known, before = product_sizes(*shells, 0.0, *spherical())
    yield *known, before
    for k in range(1, int(np.ceil(reach / STEP)) + 2):
        after = product_sizes(*shells, k * STEP, *spherical())[3]
        yield *known, _BETWEEN * np.maximum(before, after)
        before = after


@cache
def _weights(ao: AOBasis, first: str, second: str, reach: float) -> np.ndarray:
    r"""Sizes by order of derivatives and by place on the segment, (n_steps, _PLACES, n).

    In each part of the segment those of the shells for which they are largest.
    """
    found = []
    for _, pairs, places, sizes in _steps(ao, first, second, reach):
        part = np.ceil(places * (_PLACES - 1)).astype(np.int64)
        by_part = np.zeros((int(pairs[-1]) + 1, _PLACES, sizes.shape[1]))
        np.add.at(by_part, (pairs, part), sizes)
        found.append(by_part.max(axis=0))
    return np.stack(found)


def orders_by_square(distances: np.ndarray, bins_per_square: float, n_bins: int) -> np.ndarray:
    r"""The lowest order that suffices in each bin of squared distances, -1 where none does.

    Parameters
    ----------
    distances : (.., HIGHEST_ORDER + 1) float64
        From where on each order suffices; what stands beyond the last bin counts as in it.
    bins_per_square : float
        Of each Bohr^2.
    n_bins : int

    Returns
    -------
    (.., n_bins) int8
    """
    edges = np.sqrt(np.arange(n_bins) / bins_per_square)
    enough = distances[..., :, None] <= edges
    return np.where(enough.any(axis=-2), enough.argmax(axis=-2), -1).astype(np.int8)


@njit()
def _orders(weights, half, grid, tolerance, extra):
    """First distance of the grid from which each order suffices, (n_steps, HIGHEST_ORDER + 1)."""
    n_steps, n_places, n_derivatives = weights.shape
    out = np.full((n_steps, HIGHEST_ORDER + 1), np.inf)
    for k in range(n_steps):
        for order in range(HIGHEST_ORDER + 1):
            low, high = -1, len(grid)  # the bound falls with the distance
            while high - low > 1:
                at = (low + high) // 2
                error = 0.0
                for place in range(n_places):
                    delta = half[k] * place / (n_places - 1) + extra
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
