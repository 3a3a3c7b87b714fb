r"""Blocks of V pair by pair of atoms, compiled (`linvop.integrals.sparse`)."""

from __future__ import annotations

import numpy as np

from linvop.compiled import njit
from linvop.integrals.cell_kernel import expand, fallen, left_of_order, order_at
from linvop.integrals.error_bounds import BINS_PER_SQUARE, STEP
from linvop.integrals.gaussian_products import far_blocks
from linvop.integrals.libcint import point_integrals
from linvop.integrals.taylor import HIGHEST_ORDER, along_segment, complete, shifted

__all__ = ["pair_blocks"]


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
    cell_fields : `linvop.integrals.cells.Cells.arrays`
        Without expansions: of screened nuclei, which end where they are outside.
    tables : outside, orders, orders by square (n_elements^2, n_steps ..), decay (n_elements^2,)
        Distances squared.
    libcint : atm, bas, env, ao_loc
    shells : starts of each element's l, and `ElementShells.arrays` of all; spherical's two
    """
    positions, element, first_row = atoms
    points, weights, _ = nuclei
    centres, fields, cell_bounds, near_start, near_list = cell_fields
    _, _, env, ao_loc = libcint
    n_elements = len(shells[0]) - 1
    n_sets, screened = len(weights), len(fields) == 0
    buffers = _buffers(near_start, n_sets, atoms, libcint, 2 * shells[1].max())
    sides, block = buffers[0], buffers[2]
    middle, unit = np.zeros(3), np.zeros(3)
    for pair in range(first, last):
        i, j, at = pairs[pair]
        cell, kind = cells[pair], element[i] * n_elements + element[j]
        R = _segment(positions[i], positions[j], middle, unit)
        bounds[pair] = cell_bounds[cell]
        some = near_list[near_start[cell] : near_start[cell + 1]]
        n_near, n_far = _sorted_out(
            some, points, middle, unit, R, kind, nuclei, tables, screened, sides, bounds[pair]
        )
        n_i = ao_loc[first_row[i + 1]] - ao_loc[first_row[i]]
        n_j = ao_loc[first_row[j + 1]] - ao_loc[first_row[j]]
        block[:, :n_i, :n_j] = 0.0
        _near_block(i, j, n_near, first_row, libcint, len(env), buffers)
        if not screened:
            far = near_start[cell + 1] - near_start[cell] < len(points)
            field = fields[cell], middle - centres[cell], far
            segment = middle, unit, R
            _far_block(i, j, n_far, field, segment, atoms, shells, buffers)
        _keep(block, n_i, n_j, i == j, at, data)


@njit(nogil=True)
def _buffers(near_start, n_sets, atoms, libcint, n_derivatives):
    """Near and far nuclei of a pair, libcint's, the block, expansions and scratch."""
    _, _, first_row = atoms
    _, bas, env, ao_loc = libcint
    most = 1
    for cell in range(len(near_start) - 1):
        most = max(most, near_start[cell + 1] - near_start[cell])
    widest, of_atoms = 0, 0
    for row in range(len(bas)):
        widest = max(widest, ao_loc[row + 1] - ao_loc[row])
    for atom in range(len(first_row) - 1):
        of_atoms = max(of_atoms, ao_loc[first_row[atom + 1]] - ao_loc[first_row[atom]])
    own_env = np.zeros(len(env) + 3 * most)
    own_env[: len(env)] = env
    side, n1 = HIGHEST_ORDER + 1, n_derivatives + 1
    sides = (
        np.zeros((most, 3)),
        np.zeros((n_sets, most)),
        np.zeros(most, np.int64),
        np.zeros((most, 3)),
        np.zeros((n_sets, most)),
    )
    scratch = (
        np.zeros(HIGHEST_ORDER + 2, np.int64),
        np.zeros(most, np.int64),
        np.zeros((most, 3)),
        np.zeros((n_sets, most)),
    )
    expansions = (
        np.zeros((n_sets, side, side, side)),
        np.zeros((n_sets, side, side, side)),
        np.zeros((n_sets, n1, n1, n1, side)),
    )
    of_libcint = own_env, np.zeros(most * widest * widest)
    return sides, of_libcint, np.zeros((n_sets, of_atoms, of_atoms)), expansions, scratch


@njit(nogil=True)
def _segment(A, B, middle, unit):
    """The middle of two points, the direction from one to the other, and their distance."""
    square = 0.0
    for x in range(3):
        middle[x] = 0.5 * (A[x] + B[x])
        unit[x] = B[x] - A[x]
        square += unit[x] ** 2
    R = np.sqrt(square)
    for x in range(3):
        unit[x] = unit[x] / R if R > 0.0 else 0.0
    return R


@njit(nogil=True)
def _sorted_out(
    some, points, middle, unit, R, kind, nuclei, tables, screened, sides, bounds
):  # fmt: skip
    """Which nuclei are near and which far, each to its order; bounds of what is left out."""
    _, weights, tolerance = nuclei
    outside, of_order, orders_at, decay = tables
    near, w_near, orders, y, w = sides
    step = 1 + int(R / STEP) if R > 0.0 else 0
    own_outside, squares = outside[kind, step], of_order[kind, step]
    n_near, n_far = 0, 0
    for g in some:
        square, along = 0.0, 0.0
        for x in range(3):
            y[n_far, x] = points[g, x] - middle[x]
            square += y[n_far, x] ** 2
            along += y[n_far, x] * unit[x]
        beyond = max(abs(along) - 0.5 * R, 0.0)
        rho = square - along**2 + beyond**2
        order = 0
        if not screened:
            order = order_at(square, orders_at[kind, step], BINS_PER_SQUARE)
        if rho < own_outside or order < 0:
            for x in range(3):
                near[n_near, x] = points[g, x]
            for s in range(len(weights)):
                w_near[s, n_near] = weights[s, g]
            n_near += 1
            continue
        left = 0.0 if screened else left_of_order(order, square, squares)
        left += fallen(0.5 * decay[kind] * (rho - own_outside))
        orders[n_far] = order
        for s in range(len(weights)):
            w[s, n_far] = weights[s, g]
            bounds[s] += tolerance * left * abs(weights[s, g])
        n_far += 1
    return n_near, n_far


@njit(nogil=True)
def _near_block(i, j, n, first_row, libcint, at, buffers):
    """Add the near nuclei's part of a block."""
    atm, bas, _, ao_loc = libcint
    near, w_near = buffers[0][0], buffers[0][1]
    env, integrals = buffers[1]
    block = buffers[2]
    for k in range(n):
        for x in range(3):
            env[at + 3 * k + x] = near[k, x]
    first_i, first_j = ao_loc[first_row[i]], ao_loc[first_row[j]]
    for row_i in range(first_row[i], first_row[i + 1]):
        for row_j in range(first_row[j], first_row[j + 1]):
            point_integrals(row_i, row_j, n, at, atm, bas, env, integrals)
            i0, i1 = ao_loc[row_i] - first_i, ao_loc[row_i + 1] - first_i
            j0, j1 = ao_loc[row_j] - first_j, ao_loc[row_j + 1] - first_j
            _weighted(i0, i1, j0, j1, n, w_near, integrals, block)


@njit(nogil=True)
def _far_block(i, j, n_far, field, segment, atoms, shells, buffers):
    """Add the far nuclei's part of a block."""
    expansion, step, far = field
    middle, unit, R = segment
    positions, element, _ = atoms
    first_l, ls, aos, primitives, exponents, coefficients, spherical, powers = shells
    _, _, orders, y, w = buffers[0]
    a, whole, derivatives = buffers[3]
    top = HIGHEST_ORDER
    a[:, :2] = 0.0
    if far:
        whole[:, :2] = expansion
        complete(top, whole)
        shifted(top, whole, step, a)
    expand(n_far, orders, y, w, buffers[4], a)
    complete(top, a)
    a0, a1 = first_l[element[i]], first_l[element[i] + 1]
    b0, b1 = first_l[element[j]], first_l[element[j] + 1]
    n = ls[a0:a1].max() + ls[b0:b1].max()
    used = top if R > 0.0 else n
    for s in range(len(a)):
        along_segment(used, a[s], unit, n, derivatives[s])
    far_blocks(
        (ls[a0:a1], aos[a0:a1], primitives[a0 : a1 + 1], exponents, coefficients),
        (ls[b0:b1], aos[b0:b1], primitives[b0 : b1 + 1], exponents, coefficients),
        positions[i],
        positions[j],
        middle,
        unit,
        used,
        derivatives,
        spherical,
        powers,
        buffers[2],
    )


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
