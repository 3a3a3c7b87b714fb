r"""Site features on the CPU: BLAS for the groups, Numba for the words.

The same numbers as `linvop.kernels.reference`, in the order of work that the plan lays out:
groups by matrix products, each from its parent; then for each word and block the inner
products of a row of its head with a row of its tail over the channel of the cut, summed over
the sites of a row before they are coupled.
"""

from __future__ import annotations

import numpy as np

from linvop.compiled import njit
from linvop.kernels.cpu_pairs import couple_pairs
from linvop.kernels.plan import WordPlan
from linvop.kernels.product_plan import ProductPlan

__all__ = ["groups_of", "pair_rows", "product_rows", "site_rows"]


def site_rows(
    plan: WordPlan,
    local: np.ndarray,
    first: np.ndarray,
    middle: np.ndarray,
    channel_start: np.ndarray,
    shell_start: np.ndarray,
    row_of_site: np.ndarray,
    n_rows: int,
) -> np.ndarray:
    r"""Site features of one centre species; see `linvop.kernels.reference.site_rows`.

    ``row_of_site`` must not decrease.
    """
    out = np.zeros((n_rows, plan.row_size))
    if len(row_of_site) == 0 or plan.row_size == 0:
        return out
    groups = groups_of(plan, first, middle, channel_start, shell_start)
    _words(
        *plan.arrays,
        local,
        groups,
        channel_start,
        shell_start,
        row_of_site,
        out,
    )
    return out


def pair_rows(
    plan: WordPlan,
    local: np.ndarray,
    first: np.ndarray,
    middle: np.ndarray,
    channel_start: np.ndarray,
    start_i: np.ndarray,
    start_j: np.ndarray,
    pairs: np.ndarray,
) -> np.ndarray:
    r"""Words between two atoms; see `linvop.kernels.reference.pair_rows`."""
    if len(pairs) == 0 or plan.row_size == 0:
        return np.zeros((len(pairs), plan.row_size))
    heads = groups_of(plan, first, middle, channel_start, start_i)
    same = start_i is start_j
    tails = heads if same else groups_of(plan, first, middle, channel_start, start_j)
    return couple_pairs(plan, local, heads, tails, channel_start, start_i, start_j, pairs)


def product_rows(
    plan: ProductPlan, factors: np.ndarray, row_of_site: np.ndarray, n_rows: int
) -> np.ndarray:
    r"""Products of site features; see `linvop.kernels.reference.product_rows`.

    Besides the output it needs the monomials of one product at a time.
    """
    out = np.zeros((n_rows, plan.row_size))
    _products(
        *plan.arrays,
        factors,
        row_of_site,
        out,
    )
    return out


def groups_of(
    plan: WordPlan,
    first: np.ndarray,
    middle: np.ndarray,
    channel_start: np.ndarray,
    shell_start: np.ndarray,
) -> np.ndarray:
    r"""All groups of the centre species, (n_groups, rows of the species, n_ao)."""
    rows = slice(shell_start[0], shell_start[-1])
    n_ao = first.shape[-1]
    groups = np.empty((len(plan.group_parent), rows.stop - rows.start, n_ao))
    for g, (parent, channel, source) in enumerate(
        zip(
            plan.group_parent.tolist(),
            plan.group_channel.tolist(),
            plan.group_source.tolist(),
            strict=True,
        )
    ):
        if parent < 0:
            groups[g] = first[source][rows]
        else:
            inner = slice(channel_start[channel], channel_start[channel + 1])
            np.matmul(groups[parent][:, inner], middle[source][inner], out=groups[g])
    return groups


@njit(nogil=True, fastmath={"contract", "reassoc"})
def _words(
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
    local,
    groups,
    channel_start,
    shell_start,
    row_of_site,
    out,
):  # pragma: no cover - compiled
    n_sites = len(row_of_site)
    l_max = shell_l.max()
    entries = np.zeros((2 * l_max + 1, 2 * l_max + 1))
    base = shell_start[0]
    for w in range(len(word_channel)):
        c = word_channel[w]
        lo, hi = 0, 0
        if word_head[w] >= 0:
            lo, hi = channel_start[c], channel_start[c + 1]
            if lo == hi:
                continue
            head, tail = groups[word_head[w]], groups[word_tail[w]]
        else:
            head, tail = local[c], local[c]
        for block in range(word_blocks[w], word_blocks[w + 1]):
            a, b = block_a[block], block_b[block]
            width_a, width_b = 2 * shell_l[a] + 1, 2 * shell_l[b] + 1
            first_out, last_out = block_outputs[block], block_outputs[block + 1]
            # lam = 0 alone needs the diagonal only: its coupling is +-delta / sqrt(2 l + 1).
            diagonal = True
            for o in range(first_out, last_out):
                for e in range(output_first[o], output_last[o]):
                    if coupling_m1[e] != coupling_m2[e]:
                        diagonal = False
            entries[:width_a, :width_b] = 0.0
            for site in range(n_sites):
                i = shell_start[a] + site * width_a
                j = shell_start[b] + site * width_b
                if hi == 0:
                    for m1 in range(width_a):
                        for m2 in range(width_b):
                            entries[m1, m2] += head[i + m1, j + m2]
                else:
                    for m1 in range(width_a):
                        for m2 in range(width_b):
                            if diagonal and m1 != m2:
                                continue
                            total = 0.0
                            for k in range(lo, hi):
                                total += head[i - base + m1, k] * tail[j - base + m2, k]
                            entries[m1, m2] += total
                row = row_of_site[site]
                if site + 1 < n_sites and row_of_site[site + 1] == row:
                    continue
                for o in range(first_out, last_out):
                    offset, stride = output_offset[o], output_stride[o]
                    for e in range(output_first[o], output_last[o]):
                        value = coupling_value[e] * entries[coupling_m1[e], coupling_m2[e]]
                        out[row, offset + stride * coupling_mu[e]] += value
                entries[:width_a, :width_b] = 0.0


@njit(nogil=True, fastmath={"contract", "reassoc"})
def _products(
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
    out,
):  # pragma: no cover - compiled
    largest = 0
    for shape in range(len(shape_width)):
        largest = max(largest, shape_monomials[shape + 1] - shape_monomials[shape])
    monomials = np.empty(largest)
    for site in range(len(factors)):
        A, B = factors[site], out[row_of_site[site]]
        for p in range(len(product_shape)):
            shape = product_shape[p]
            base = shape_monomials[shape]
            n_monomials = shape_monomials[shape + 1] - base
            slot, last = product_first[p], product_first[p + 1]
            offset, stride = slot_offset[slot], slot_stride[slot]
            for k in range(n_monomials):
                monomials[k] = A[offset + stride * position[base + k, 0]]
            for s in range(1, last - slot):
                offset, stride = slot_offset[slot + s], slot_stride[slot + s]
                for k in range(n_monomials):
                    monomials[k] *= A[offset + stride * position[base + k, s]]
            width = shape_width[shape]
            element, mu = product_offset[p], 0
            for row in range(shape_rows[shape], shape_rows[shape + 1]):
                total = 0.0
                for e in range(row_entries[row], row_entries[row + 1]):
                    total += entry_value[e] * monomials[entry_monomial[e]]
                B[element + mu * product_stride[p]] += total
                mu += 1
                if mu == width:
                    mu = 0
                    element += 1
