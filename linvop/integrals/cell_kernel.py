r"""Expansions about cells of a grid, compiled (`linvop.integrals.cells`)."""

from __future__ import annotations

import numpy as np

from linvop.compiled import njit
from linvop.integrals.taylor import HIGHEST_ORDER, LANES, add_charges, complete, shifted

__all__ = [
    "bounds_beyond",
    "cell_expansions",
    "expand",
    "fallen",
    "left_of_order",
    "near_of_cells",
    "order_at",
]


@njit(nogil=True)
def order_at(square, orders, bins_per_square):
    """An order that suffices at a distance, -1 if none does; the distance squared."""
    at = int(square * bins_per_square)
    return orders[at] if at < len(orders) else orders[-1]


@njit(nogil=True)
def left_of_order(order, square, squares):
    """At least what is left out at a distance beyond that of the order, of the tolerance."""
    base, power, value = squares[order] / square, order // 2 + 1, 1.0  # it falls as r^-(order + 2)
    while power:
        if power & 1:
            value *= base
        base *= base
        power >>= 1
    return value


@njit(nogil=True)
def fallen(x):
    """At least e^-x."""
    value = 1.0 / (1.0 + 0.125 * max(x, 0.0))
    value *= value
    value *= value
    return value * value


@njit(nogil=True)
def expand(n, orders, y, w, scratch, a):
    r"""Add charges to an expansion: the highest orders first, each lot to the order of its first.

    Parameters
    ----------
    n : int
        Charges, the first of the arrays.
    orders : (>= n,) int64
    y, w : (>= n, 3), (n_sets, >= n) float64
    scratch : starts, places, and another y and w
    a : (n_sets, .., L + 1, L + 1) float64
    """
    starts, places, y_sorted, w_sorted = scratch
    starts[:] = 0
    for k in range(n):
        starts[HIGHEST_ORDER - orders[k] + 1] += 1
    for k in range(HIGHEST_ORDER):
        starts[k + 1] += starts[k]
    for k in range(n):
        lot = HIGHEST_ORDER - orders[k]
        places[starts[lot]] = k
        starts[lot] += 1
    for k in range(n):
        g = places[k]
        for x in range(3):
            y_sorted[k, x] = y[g, x]
        for s in range(len(w)):
            w_sorted[s, k] = w[s, g]
    for first in range(0, n, LANES):
        order = orders[places[first]]
        add_charges(order, y_sorted, w_sorted, first, min(first + LANES, n), a)


@njit(nogil=True)
def near_of_cells(centres, parents, starts_above, above, positions, square):
    r"""Of the nuclei near each cell's parent, those nearer to the cell than a distance.

    Parameters
    ----------
    centres, parents
        As for `cell_expansions`.
    starts_above, above : starts and lists of the parents
    positions : (n, 3) float64
    square : float
        The distance squared.

    Returns
    -------
    starts, lists : (n_cells + 1,), (n_entries,) int64
    """
    starts = np.zeros(len(centres) + 1, np.int64)
    lists = np.zeros(0, np.int64)
    for fill in range(2):
        if fill:
            lists = np.zeros(starts[-1], np.int64)
        at = 0
        for cell in range(len(centres)):
            parent = parents[cell]
            for k in range(starts_above[parent], starts_above[parent + 1]):
                g = above[k]
                found = 0.0
                for x in range(3):
                    found += (positions[g, x] - centres[cell, x]) ** 2
                if found < square:
                    if fill:
                        lists[at] = g
                    at += 1
            starts[cell + 1] = at
    return starts, lists


@njit(nogil=True)
def bounds_beyond(centres, positions, weights, square, tolerance, outside, nearer, decay, bounds):
    r"""Add what nuclei beyond a distance from each cell leave, by penetration alone.

    Parameters
    ----------
    centres, positions, weights
        As for `cell_expansions`.
    square : float
        The distance squared.
    tolerance, outside, decay : float
        Penetration is at most the tolerance at the distance `outside` and falls from there.
    nearer : float
        How much nearer than to the cell's centre a nucleus may be to a segment.
    bounds : (n_cells, n_sets) float64
    """
    for cell in range(len(centres)):
        for g in range(len(positions)):
            found = 0.0
            for x in range(3):
                found += (positions[g, x] - centres[cell, x]) ** 2
            if found >= square:
                rho = max(np.sqrt(found) - nearer, outside)
                left = tolerance * fallen(0.5 * decay * (rho**2 - outside**2))
                for s in range(len(weights)):
                    bounds[cell, s] += left * abs(weights[s, g])


@njit(nogil=True)
def cell_expansions(
    first, last, centres, parents, parent_fields, lists, positions, weights, tables, a, bounds
):
    r"""Expansions about the centres of cells, of all nuclei that are far from them.

    Parameters
    ----------
    first, last : int
        Cells.
    centres : (n_cells, 3) float64
    parents : (n_cells,) int64
        The larger cell that each is in.
    parent_fields : centres, expansions, bounds
        Of the larger cells.
    lists : starts and lists
        Of the nuclei near each of the larger cells, which its expansion leaves out.
    positions, weights : (n, 3), (n_sets, n) float64
        Of nuclei.
    tables : squares, orders by square, bins per square, tolerance, outside, nearer, decay
        Squared distances from where on each order suffices; `orders_by_square` of them; the rest
        as for `bounds_beyond`.
    a : (n_cells, n_sets, 2, L + 1, L + 1) float64
        Coefficients k_z = 0, 1; filled.
    bounds : (n_cells, n_sets) float64
        What is left out of any matrix element; filled.
    """
    parent_centres, parent_a, parent_bounds = parent_fields
    starts_near, near = lists
    squares, orders_at, bins_per_square, tolerance, outside, nearer, decay = tables
    n, n_sets = len(positions), len(weights)
    orders, y, w = np.zeros(n, np.int64), np.zeros((n, 3)), np.zeros((n_sets, n))
    scratch = (
        np.zeros(HIGHEST_ORDER + 2, np.int64),
        np.zeros(n, np.int64),
        np.zeros((n, 3)),
        np.zeros((n_sets, n)),
    )
    side = HIGHEST_ORDER + 1
    whole = np.zeros((n_sets, side, side, side))
    for cell in range(first, last):
        parent = parents[cell]
        bounds[cell] = parent_bounds[parent]
        if starts_near[parent + 1] - starts_near[parent] < n:
            whole[:, :2] = parent_a[parent]
            complete(HIGHEST_ORDER, whole)
            step = centres[cell] - parent_centres[parent]
            shifted(HIGHEST_ORDER, whole, step, a[cell])
        found = 0
        for k in range(starts_near[parent], starts_near[parent + 1]):
            g = near[k]
            square = 0.0
            for x in range(3):
                y[found, x] = positions[g, x] - centres[cell, x]
                square += y[found, x] ** 2
            if square < squares[HIGHEST_ORDER]:
                continue
            order = order_at(square, orders_at, bins_per_square)
            if order < 0:  # in the bin where the highest order begins
                order = HIGHEST_ORDER
            orders[found] = order
            rho = np.sqrt(square) - nearer
            left = left_of_order(order, square, squares)
            left = tolerance * (left + fallen(0.5 * decay * (rho**2 - outside**2)))
            for s in range(n_sets):
                w[s, found] = weights[s, g]
                bounds[cell, s] += left * abs(weights[s, g])
            found += 1
        expand(found, orders, y, w, scratch, a[cell])
