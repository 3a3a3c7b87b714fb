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

__all__ = ["STEP", "FarDistances", "far_distances", "penetration"]

STEP = 0.1
"""Of R, Bohr."""

_BETWEEN = 1.1
"""What sizes between two steps of R may exceed those at both ends by."""

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
    in_cell : (HIGHEST_ORDER + 1,) float64
        The largest ``of_order`` with the extra distance.
    decay : float
        The smallest exponent: penetration falls at least as ``e^(-decay rho^2 / 2)``.
    """

    outside: np.ndarray
    of_order: np.ndarray
    in_cell: np.ndarray
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
    extra: float,
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
    extra : float
        How far the centre of an expansion may be from the middle of a segment, for ``in_cell``.
    zeta : float
        Exponent of screening Gaussians; then ``outside`` is where nothing is left of a nucleus.
    """
    shells = element_shells(ao, first).arrays, element_shells(ao, second).arrays
    n_steps = int(np.ceil(reach / STEP)) + 1
    sizes = []
    for k in range(n_steps + 1):
        p, pairs, size = product_sizes(*shells, k * STEP, *spherical())
        sizes.append(size)
    stacked = np.stack(sizes)
    stacked = _BETWEEN * np.maximum(stacked[:-1], stacked[1:])  # (steps, products, n)
    exponents = p * zeta / (p + zeta) if zeta else p
    n_max = stacked.shape[2] - 1
    g = np.stack([penetration(n, exponents[:, None], _GRID) for n in range(n_max + 1)], axis=1)
    outside = np.zeros(n_steps)
    weights = np.zeros((n_steps, n_max + 1))
    edges = np.flatnonzero(np.diff(pairs, prepend=-1))
    for k, one in enumerate(stacked):
        by_product = np.einsum("pn,png->pg", one, g)
        error = np.add.reduceat(by_product, edges, axis=0).max(axis=0)
        good = error <= tolerance
        outside[k] = _GRID[np.argmax(good)] if good.any() else np.inf
        weights[k] = np.add.reduceat(one, edges, axis=0).max(axis=0)
    of_order = _orders(weights, _GRID, tolerance, 0.0)
    in_cell = _orders(weights, _GRID, tolerance, extra).max(axis=0)
    return FarDistances(outside, of_order, in_cell, float(exponents.min()))


@njit()
def _orders(weights, grid, tolerance, extra):
    """First distance of the grid from which each order suffices, (n_steps, HIGHEST_ORDER + 1)."""
    out = np.full((len(weights), HIGHEST_ORDER + 1), np.inf)
    for k in range(len(weights)):
        delta = 0.5 * (k + 1) * STEP + extra
        if k == 0 and extra == 0.0:
            delta = 0.0  # both on one atom, or nearer to each other than atoms come
        for order in range(HIGHEST_ORDER + 1):
            for r in grid:
                error = 0.0
                for n in range(weights.shape[1]):
                    if weights[k, n] > 0.0:
                        error += weights[k, n] * tail(order, n, delta, r)
                if error <= tolerance:
                    out[k, order] = r
                    break
    return out
