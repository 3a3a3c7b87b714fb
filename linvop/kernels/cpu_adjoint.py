r"""Adjoints on the CPU: the work of `linvop.kernels.cpu` backwards.

The same numbers as `linvop.kernels.reference_adjoint`, for symmetric middle matrices M: a tail is
read backwards, so that derivatives by M agree in their symmetric part, the only one that counts.
Entries of a word first, then the groups, each before its parent.
"""

from __future__ import annotations

import numpy as np

from linvop.compiled import njit
from linvop.kernels.cpu import groups_of
from linvop.kernels.plan import WordPlan
from linvop.kernels.product_plan import ProductPlan

__all__ = ["product_rows_adjoint", "site_rows_adjoint"]


def site_rows_adjoint(
    plan: WordPlan,
    local: np.ndarray,
    first: np.ndarray,
    middle: np.ndarray,
    channel_start: np.ndarray,
    shell_start: np.ndarray,
    row_of_site: np.ndarray,
    gradient: np.ndarray,
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    r"""Derivatives by the matrices; see `linvop.kernels.reference_adjoint.site_rows_adjoint`."""
    by_local, by_first, by_middle = (np.zeros_like(x) for x in (local, first, middle))
    if len(row_of_site) == 0 or plan.row_size == 0:
        return by_local, by_first, by_middle
    groups = groups_of(plan, first, middle, channel_start, shell_start)
    by_groups = np.zeros_like(groups)
    _words_adjoint(
        *plan.arrays,
        groups,
        channel_start,
        shell_start,
        row_of_site,
        np.ascontiguousarray(gradient),
        by_local,
        by_groups,
    )
    rows = slice(shell_start[0], shell_start[-1])
    for g in reversed(range(len(groups))):
        parent, channel, source = (
            int(x[g]) for x in (plan.group_parent, plan.group_channel, plan.group_source)
        )
        if parent < 0:
            by_first[source][rows] += by_groups[g]
        else:
            inner = slice(channel_start[channel], channel_start[channel + 1])
            by_middle[source][inner] += groups[parent][:, inner].T @ by_groups[g]
            by_groups[parent][:, inner] += by_groups[g] @ middle[source][inner].T
    return by_local, by_first, by_middle


def product_rows_adjoint(
    plan: ProductPlan, factors: np.ndarray, row_of_site: np.ndarray, gradient: np.ndarray
) -> np.ndarray:
    r"""Derivatives by the factors; see `linvop.kernels.reference_adjoint`."""
    out = np.zeros_like(factors)
    _products_adjoint(
        *plan.arrays,
        factors,
        row_of_site,
        np.ascontiguousarray(gradient),
        out,
    )
    return out


@njit(nogil=True, fastmath={"contract", "reassoc"})
def _words_adjoint(
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
    groups,
    channel_start,
    shell_start,
    row_of_site,
    gradient,
    by_local,
    by_groups,
):  # pragma: no cover - compiled
    n_sites = len(row_of_site)
    l_max = shell_l.max()
    entries = np.zeros((2 * l_max + 1, 2 * l_max + 1))
    base = shell_start[0]
    for w in range(len(word_channel)):
        c, h, t = word_channel[w], word_head[w], word_tail[w]
        lo, hi = 0, 0
        if h >= 0:
            lo, hi = channel_start[c], channel_start[c + 1]
            if lo == hi:
                continue
        for block in range(word_blocks[w], word_blocks[w + 1]):
            a, b = block_a[block], block_b[block]
            width_a, width_b = 2 * shell_l[a] + 1, 2 * shell_l[b] + 1
            last_row = -1
            for site in range(n_sites):
                row = row_of_site[site]
                if row != last_row:  # sites of one row have the same derivatives
                    entries[:width_a, :width_b] = 0.0
                    for o in range(block_outputs[block], block_outputs[block + 1]):
                        offset, stride = output_offset[o], output_stride[o]
                        for e in range(output_first[o], output_last[o]):
                            value = gradient[row, offset + stride * coupling_mu[e]]
                            entries[coupling_m1[e], coupling_m2[e]] += coupling_value[e] * value
                    last_row = row
                i = shell_start[a] + site * width_a
                j = shell_start[b] + site * width_b
                for m1 in range(width_a):
                    for m2 in range(width_b):
                        value = entries[m1, m2]
                        if value == 0.0:
                            continue
                        if h < 0:
                            by_local[c, i + m1, j + m2] += value
                            continue
                        x, y = i - base + m1, j - base + m2
                        for k in range(lo, hi):
                            by_groups[h, x, k] += value * groups[t, y, k]
                        for k in range(lo, hi):
                            by_groups[t, y, k] += value * groups[h, x, k]


@njit(nogil=True, fastmath={"contract", "reassoc"})
def _products_adjoint(
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
    row_of_site,
    gradient,
    out,
):  # pragma: no cover - compiled
    largest = 0
    for shape in range(len(shape_width)):
        largest = max(largest, shape_monomials[shape + 1] - shape_monomials[shape])
    by_monomial = np.empty(largest)
    for site in range(len(factors)):
        A, G, by_A = factors[site], gradient[row_of_site[site]], out[site]
        for p in range(len(product_shape)):
            shape = product_shape[p]
            base = shape_monomials[shape]
            n_monomials = shape_monomials[shape + 1] - base
            by_monomial[:n_monomials] = 0.0
            width = shape_width[shape]
            element, mu = product_offset[p], 0
            for row in range(shape_rows[shape], shape_rows[shape + 1]):
                value = G[element + mu * product_stride[p]]
                for e in range(row_entries[row], row_entries[row + 1]):
                    by_monomial[entry_monomial[e]] += entry_value[e] * value
                mu += 1
                if mu == width:
                    mu = 0
                    element += 1
            slot, last = product_first[p], product_first[p + 1]
            for s in range(last - slot):
                own_offset, own_stride = slot_offset[slot + s], slot_stride[slot + s]
                for k in range(n_monomials):
                    value = by_monomial[k]
                    for t in range(last - slot):
                        if t != s:
                            place = (
                                slot_offset[slot + t]
                                + slot_stride[slot + t] * position[base + k, t]
                            )
                            value *= A[place]
                    by_A[own_offset + own_stride * position[base + k, s]] += value
