r"""Tangents on the CPU: the product rule along all directions at once.

The same numbers as `linvop.kernels.reference_tangent`, for symmetric middle matrices M and
directions. Directions stand last in memory, so that the innermost loops run over them; words of
empty groups are left out, as in `linvop.kernels.cpu_words`.
"""

from __future__ import annotations

import numpy as np

from linvop.compiled import njit
from linvop.kernels.cpu_words import groups_of
from linvop.kernels.plan import WordPlan
from linvop.kernels.product_plan import ProductPlan

__all__ = ["product_rows_tangent", "site_rows_tangent"]

_Matrices = tuple[np.ndarray, np.ndarray, np.ndarray]


def site_rows_tangent(
    plan: WordPlan,
    matrices: _Matrices,
    directions: _Matrices,
    channel_start: np.ndarray,
    shell_start: np.ndarray,
    row_of_site: np.ndarray,
    n_rows: int,
) -> np.ndarray:
    r"""Derivatives along directions; see `linvop.kernels.reference_tangent`."""
    _, first, middle = matrices
    out = np.zeros((n_rows, plan.row_size, len(directions[0])))
    if out.size == 0 or len(row_of_site) == 0:
        return np.moveaxis(out, 2, 0)
    aos = np.arange(shell_start[0], shell_start[-1])
    groups, empty = groups_of(plan, first, middle, channel_start, aos)
    changes = _group_changes(plan, (groups, empty), middle, directions, channel_start, aos)
    _words_tangent(
        *plan.arrays,
        np.ascontiguousarray(np.moveaxis(directions[0], 0, 3)),
        groups,
        empty,
        changes,
        channel_start,
        shell_start,
        row_of_site,
        out,
    )
    return np.moveaxis(out, 2, 0)


def _group_changes(
    plan: WordPlan,
    groups_and_empty: tuple[np.ndarray, np.ndarray],
    middle: np.ndarray,
    directions: _Matrices,
    channel_start: np.ndarray,
    aos: np.ndarray,
) -> np.ndarray:
    """Derivatives of the groups, (n_groups, rows, n_ao, n_directions)."""
    groups, empty = groups_and_empty
    _, along_first, along_middle = directions
    changes = np.empty((len(groups), len(along_first), *groups.shape[1:]))
    for g, (parent, channel, source) in enumerate(plan.group_rows):
        if parent < 0:
            changes[g] = along_first[:, source, aos]
        elif empty[g]:
            changes[g] = 0.0
        else:
            inner = slice(channel_start[channel], channel_start[channel + 1])
            np.matmul(changes[parent][:, :, inner], middle[source][inner], out=changes[g])
            changes[g] += groups[parent][:, inner] @ along_middle[:, source, inner]
    return np.ascontiguousarray(np.moveaxis(changes, 1, 3))


def product_rows_tangent(
    plan: ProductPlan,
    factors: np.ndarray,
    directions: np.ndarray,
    row_of_site: np.ndarray,
    n_rows: int,
) -> np.ndarray:
    r"""Derivatives along directions of the factors; see `linvop.kernels.reference_tangent`."""
    out = np.zeros((n_rows, plan.row_size, len(directions)))
    _products_tangent(
        *plan.arrays,
        factors,
        np.ascontiguousarray(np.moveaxis(directions, 0, 2)),
        row_of_site,
        out,
    )
    return np.moveaxis(out, 2, 0)


@njit(nogil=True, fastmath={"contract", "reassoc"})
def _words_tangent(
    shell_l,
    word_head,
    word_tail,
    word_channel,
    word_blocks,
    block_a,
    block_b,
    block_outputs,
    output_offset,
    output_stride,
    output_first,
    output_last,
    coupling_m1,
    coupling_m2,
    coupling_mu,
    coupling_value,
    local_changes,
    groups,
    empty,
    changes,
    channel_start,
    shell_start,
    row_of_site,
    out,
):  # pragma: no cover - compiled
    n_sites, n_directions = len(row_of_site), out.shape[2]
    l_max = shell_l.max()
    entries = np.zeros((2 * l_max + 1, 2 * l_max + 1, n_directions))
    base = shell_start[0]
    for w in range(len(word_channel)):
        c, h, t = word_channel[w], word_head[w], word_tail[w]
        lo, hi = 0, 0
        if h >= 0:
            lo, hi = channel_start[c], channel_start[c + 1]
            if lo == hi or empty[h] or empty[t]:
                continue
        for block in range(word_blocks[w], word_blocks[w + 1]):
            a, b = block_a[block], block_b[block]
            width_a, width_b = 2 * shell_l[a] + 1, 2 * shell_l[b] + 1
            entries[:width_a, :width_b] = 0.0
            for site in range(n_sites):
                i = shell_start[a] + site * width_a
                j = shell_start[b] + site * width_b
                for m1 in range(width_a):
                    for m2 in range(width_b):
                        entry = entries[m1, m2]
                        if h < 0:
                            change = local_changes[c, i + m1, j + m2]
                            for d in range(n_directions):
                                entry[d] += change[d]
                            continue
                        x, y = i - base + m1, j - base + m2
                        for k in range(lo, hi):
                            of_head, of_tail = groups[h, x, k], groups[t, y, k]
                            head, tail = changes[h, x, k], changes[t, y, k]
                            for d in range(n_directions):
                                entry[d] += of_tail * head[d] + of_head * tail[d]
                row = row_of_site[site]
                if site + 1 < n_sites and row_of_site[site + 1] == row:
                    continue
                for o in range(block_outputs[block], block_outputs[block + 1]):
                    offset, stride = output_offset[o], output_stride[o]
                    for e in range(output_first[o], output_last[o]):
                        entry = entries[coupling_m1[e], coupling_m2[e]]
                        result = out[row, offset + stride * coupling_mu[e]]
                        for d in range(n_directions):
                            result[d] += coupling_value[e] * entry[d]
                entries[:width_a, :width_b] = 0.0


@njit(nogil=True, fastmath={"contract", "reassoc"})
def _products_tangent(
    product_shape,
    product_first,
    slot_offset,
    slot_stride,
    product_offset,
    product_stride,
    shape_monomials,
    position,
    shape_rows,
    shape_width,
    row_entries,
    entry_monomial,
    entry_value,
    factors,
    directions,
    row_of_site,
    out,
):  # pragma: no cover - compiled
    n_directions = out.shape[2]
    largest = 0
    for shape in range(len(shape_width)):
        largest = max(largest, shape_monomials[shape + 1] - shape_monomials[shape])
    change = np.empty((largest, n_directions))
    for site in range(len(factors)):
        A, along, results = factors[site], directions[site], out[row_of_site[site]]
        for p in range(len(product_shape)):
            shape = product_shape[p]
            base = shape_monomials[shape]
            n_monomials = shape_monomials[shape + 1] - base
            slot, last = product_first[p], product_first[p + 1]
            change[:n_monomials] = 0.0
            for k in range(n_monomials):
                monomial = change[k]
                for s in range(last - slot):
                    others = 1.0
                    for t in range(last - slot):
                        if t != s:
                            others *= A[
                                slot_offset[slot + t]
                                + slot_stride[slot + t] * position[base + k, t]
                            ]
                    own = along[
                        slot_offset[slot + s] + slot_stride[slot + s] * position[base + k, s]
                    ]
                    for d in range(n_directions):
                        monomial[d] += others * own[d]
            width = shape_width[shape]
            element, mu = product_offset[p], 0
            for row in range(shape_rows[shape], shape_rows[shape + 1]):
                result = results[element + mu * product_stride[p]]
                for e in range(row_entries[row], row_entries[row + 1]):
                    value, monomial = entry_value[e], change[entry_monomial[e]]
                    for d in range(n_directions):
                        result[d] += value * monomial[d]
                mu += 1
                if mu == width:
                    mu = 0
                    element += 1
