r"""The work of `linvop.integrals.sparse`, compiled: cells and pairs of atoms one after another."""

from __future__ import annotations

import numpy as np

from linvop.compiled import njit
from linvop.integrals.error_bounds import BINS_PER_SQUARE, STEP
from linvop.integrals.gaussian_products import far_blocks
from linvop.integrals.libcint import point_integrals
from linvop.integrals.taylor import (
    HIGHEST_ORDER,
    LANES,
    add_charges,
    along_segment,
    complete,
    shifted,
)

__all__ = ["cell_expansions", "near_of_cells", "pair_blocks"]


@njit(nogil=True)
def _expand(n, orders, y, w, starts, places, y_sorted, w_sorted, a):
    """Add charges to an expansion: the highest orders first, each lot to the order of its first."""
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
def _order_of(square, orders):
    """An order that suffices at a distance, -1 if none does; the distance squared."""
    at = int(square * BINS_PER_SQUARE)
    return orders[at] if at < len(orders) else orders[-1]


@njit(nogil=True)
def _left(order, square, squares):
    """At least what is left out at a distance beyond that of the order, of the tolerance."""
    base, power, value = squares[order] / square, order // 2 + 1, 1.0  # it falls as r^-(order + 2)
    while power:
        if power & 1:
            value *= base
        base *= base
        power >>= 1
    return value


@njit(nogil=True)
def _fallen(x):
    """At least e^-x."""
    value = 1.0 / (1.0 + 0.125 * x)
    value *= value
    value *= value
    return value * value


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
    tables : squares, orders by square, tolerance
        Squared distances from where on each order suffices; `orders_by_square` of them.
    a : (n_cells, n_sets, L + 1, L + 1, L + 1) float64
        Filled; complete at the end.
    bounds : (n_cells, n_sets) float64
        What is left out of any matrix element; filled.
    """
    parent_centres, parent_a, parent_bounds = parent_fields
    starts_near, near = lists
    squares, orders_at, tolerance = tables
    n, n_sets = len(positions), len(weights)
    orders, places = np.zeros(n, np.int64), np.zeros(n, np.int64)
    starts = np.zeros(HIGHEST_ORDER + 2, np.int64)
    y, y_sorted = np.zeros((n, 3)), np.zeros((n, 3))
    w, w_sorted = np.zeros((n_sets, n)), np.zeros((n_sets, n))
    for cell in range(first, last):
        parent = parents[cell]
        bounds[cell] = parent_bounds[parent]
        if starts_near[parent + 1] - starts_near[parent] < n:
            step = centres[cell] - parent_centres[parent]
            shifted(HIGHEST_ORDER, parent_a[parent], step, a[cell])
        found = 0
        for k in range(starts_near[parent], starts_near[parent + 1]):
            g = near[k]
            square = 0.0
            for x in range(3):
                y[found, x] = positions[g, x] - centres[cell, x]
                square += y[found, x] ** 2
            if square < squares[HIGHEST_ORDER]:
                continue
            order = _order_of(square, orders_at)
            if order < 0:  # in the bin where the highest order begins
                order = HIGHEST_ORDER
            orders[found] = order
            left = tolerance * _left(order, square, squares)
            for s in range(n_sets):
                w[s, found] = weights[s, g]
                bounds[cell, s] += left * abs(weights[s, g])
            found += 1
        _expand(found, orders, y, w, starts, places, y_sorted, w_sorted, a[cell])
        complete(HIGHEST_ORDER, a[cell])


@njit(nogil=True)
def pair_blocks(
    first, last, pairs, cells, data, bounds, atoms, nuclei, cell_fields, tables, libcint, shells
):
    r"""Blocks of V of some pairs of atoms.

    Parameters
    ----------
    first, last : int
        Pairs.
    pairs : (n_pairs, 3) int64
        Atoms i, j and where the block starts.
    cells : (n_pairs,) int64
        Cell of each pair's middle.
    data : (n_sets, n) float64
        Blocks, one after the other, (n_ao_i, n_ao_j) each; filled.
    bounds : (n_pairs, n_sets) float64
        What every element may err by; filled.
    atoms : positions, element of each, first row of ``bas`` of each
    nuclei : positions, weights (n_sets, n), tolerance
    cell_fields : centres, expansions, bounds, starts and lists of the nuclei near each cell
        Expansions with no cells: of screened nuclei, which end where they are outside.
    tables : outside, orders, orders by square (n_elements^2, n_steps ..), decay (n_elements^2,)
        Distances squared.
    libcint : atm, bas, env, ao_loc
    shells : starts of each element's l, and `ElementShells.arrays` of all; spherical's two
    """
    positions, element, first_row = atoms
    points, weights, tolerance = nuclei
    centres, fields, cell_bounds, near_start, near_list = cell_fields
    far = np.zeros(len(centres), np.bool_)
    for cell in range(len(fields)):
        far[cell] = near_start[cell + 1] - near_start[cell] < len(points)
    outside, of_order, orders_at, decay = tables
    atm, bas, env, ao_loc = libcint
    first_l, ls, aos, primitives, exponents, coefficients, spherical, powers = shells
    n_elements, n_sets = len(first_l) - 1, len(weights)
    screened = len(fields) == 0
    top = HIGHEST_ORDER
    most = 1
    for cell in range(len(centres)):
        most = max(most, near_start[cell + 1] - near_start[cell])
    n_derivatives = 2 * ls.max()
    orders, places = np.zeros(most, np.int64), np.zeros(most, np.int64)
    starts = np.zeros(top + 2, np.int64)
    y, y_sorted, near = np.zeros((most, 3)), np.zeros((most, 3)), np.zeros((most, 3))
    w, w_sorted, w_near = (
        np.zeros((n_sets, most)),
        np.zeros((n_sets, most)),
        np.zeros((n_sets, most)),
    )
    a = np.zeros((n_sets, top + 1, top + 1, top + 1))
    n1 = n_derivatives + 1
    derivatives = np.zeros((n_sets, n1, n1, n1, top + 1))
    own_env = np.zeros(len(env) + 3 * most)
    own_env[: len(env)] = env
    widest = 0
    for row in range(len(bas)):
        widest = max(widest, ao_loc[row + 1] - ao_loc[row])
    buffer = np.zeros(most * widest * widest)
    widest = 0
    for atom in range(len(positions)):
        widest = max(widest, ao_loc[first_row[atom + 1]] - ao_loc[first_row[atom]])
    block = np.zeros((n_sets, widest, widest))
    middle, unit = np.zeros(3), np.zeros(3)
    for pair in range(first, last):
        i, j, at = pairs[pair]
        e_i, e_j = element[i], element[j]
        kind = e_i * n_elements + e_j
        R = 0.0
        for x in range(3):
            middle[x] = 0.5 * (positions[i, x] + positions[j, x])
            unit[x] = positions[j, x] - positions[i, x]
            R += unit[x] ** 2
        R = np.sqrt(R)
        for x in range(3):
            unit[x] = unit[x] / R if R > 0.0 else 0.0
        step = int(R / STEP)
        cell = cells[pair]
        bounds[pair] = cell_bounds[cell]
        n_near, n_far = 0, 0
        for k in range(near_start[cell], near_start[cell + 1]):
            g = near_list[k]
            square, along = 0.0, 0.0
            for x in range(3):
                y[n_far, x] = points[g, x] - middle[x]
                square += y[n_far, x] ** 2
                along += y[n_far, x] * unit[x]
            beyond = max(abs(along) - 0.5 * R, 0.0)
            rho = square - along**2 + beyond**2
            order = 0 if screened else _order_of(square, orders_at[kind, step])
            if rho < outside[kind, step] or order < 0:
                for x in range(3):
                    near[n_near, x] = points[g, x]
                for s in range(n_sets):
                    w_near[s, n_near] = weights[s, g]
                n_near += 1
                continue
            left = 0.0 if screened else _left(order, square, of_order[kind, step])
            left += _fallen(0.5 * decay[kind] * (rho - outside[kind, step]))
            orders[n_far] = order
            for s in range(n_sets):
                w[s, n_far] = weights[s, g]
                bounds[pair, s] += tolerance * left * abs(weights[s, g])
            n_far += 1
        n_i = ao_loc[first_row[i + 1]] - ao_loc[first_row[i]]
        n_j = ao_loc[first_row[j + 1]] - ao_loc[first_row[j]]
        block[:, :n_i, :n_j] = 0.0
        for k in range(n_near):
            for x in range(3):
                own_env[len(env) + 3 * k + x] = near[k, x]
        for row_i in range(first_row[i], first_row[i + 1]):
            for row_j in range(first_row[j], first_row[j + 1]):
                point_integrals(row_i, row_j, n_near, len(env), atm, bas, own_env, buffer)
                _weighted(
                    ao_loc[row_i] - ao_loc[first_row[i]],
                    ao_loc[row_i + 1] - ao_loc[first_row[i]],
                    ao_loc[row_j] - ao_loc[first_row[j]],
                    ao_loc[row_j + 1] - ao_loc[first_row[j]],
                    n_near,
                    w_near,
                    buffer,
                    block,
                )
        if screened:
            _keep(block, n_i, n_j, i == j, at, data)
            continue
        a[:, :2] = 0.0
        if far[cell]:
            shifted(top, fields[cell], middle - centres[cell], a)
        _expand(n_far, orders, y, w, starts, places, y_sorted, w_sorted, a)
        complete(top, a)
        own_i = ls[first_l[e_i] : first_l[e_i + 1]], aos[first_l[e_i] : first_l[e_i + 1]]
        own_j = ls[first_l[e_j] : first_l[e_j + 1]], aos[first_l[e_j] : first_l[e_j + 1]]
        n = own_i[0].max() + own_j[0].max()
        used = top if R > 0.0 else n
        for s in range(n_sets):
            along_segment(used, a[s], unit, n, derivatives[s])
        far_blocks(
            (*own_i, primitives[first_l[e_i] : first_l[e_i + 1] + 1], exponents, coefficients),
            (*own_j, primitives[first_l[e_j] : first_l[e_j + 1] + 1], exponents, coefficients),
            positions[i],
            positions[j],
            middle,
            unit,
            used,
            derivatives,
            spherical,
            powers,
            block,
        )
        _keep(block, n_i, n_j, i == j, at, data)


@njit(nogil=True)
def _keep(block, n_i, n_j, on_site, at, data):
    for s in range(len(data)):
        for a in range(n_i):
            for b in range(n_j):
                value = block[s, a, b]
                if on_site:  # symmetric to the last digit, as words expect V to be
                    value = 0.5 * (value + block[s, b, a])
                data[s, at + a * n_j + b] = value


@njit(nogil=True, fastmath={"contract", "reassoc"})
def _weighted(i0, i1, j0, j1, n, weights, integrals, block):
    """Add integrals over points, times weights, to a part of a block."""
    for b in range(j1 - j0):
        for a in range(i1 - i0):
            at = n * (a + (i1 - i0) * b)
            for s in range(len(weights)):
                total = 0.0
                for g in range(n):
                    total += weights[s, g] * integrals[at + g]
                block[s, i0 + a, j0 + b] += total
