r"""Words between two atoms in Numba: inner products of a head's row with a tail's row."""

from __future__ import annotations

import numpy as np

from linvop.compiled import njit
from linvop.kernels.plan import WordPlan

__all__ = ["couple_pairs"]


def couple_pairs(
    plan: WordPlan,
    local: np.ndarray,
    heads: np.ndarray,
    tails: np.ndarray,
    channel_start: np.ndarray,
    start_i: np.ndarray,
    start_j: np.ndarray,
    pairs: np.ndarray,
) -> np.ndarray:
    r"""Irreps of all words, (n_pairs, plan.row_size); heads and tails are groups of i and j."""
    out = np.zeros((len(pairs), plan.row_size))
    _pair_words(
        plan.shell_l,
        plan.shell_l_j,
        plan.word_head,
        plan.word_tail,
        plan.word_channel,
        plan.word_blocks,
        plan.block_a,
        plan.block_b,
        plan.block_outputs,
        plan.output_offset,
        plan.output_stride,
        plan.output_first,
        plan.output_last,
        plan.coupling_m1,
        plan.coupling_m2,
        plan.coupling_mu,
        plan.coupling_value,
        local,
        heads,
        tails,
        channel_start,
        start_i,
        start_j,
        pairs,
        out,
    )
    return out


@njit(nogil=True, fastmath={"contract", "reassoc"})
def _pair_words(
    shell_l,
    shell_l_j,
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
    heads,
    tails,
    channel_start,
    start_i,
    start_j,
    pairs,
    out,
):  # pragma: no cover - compiled
    entries = np.zeros((2 * shell_l.max() + 1, 2 * shell_l_j.max() + 1))
    for w in range(len(word_channel)):
        c = word_channel[w]
        lo, hi = 0, 0
        if word_head[w] >= 0:
            lo, hi = channel_start[c], channel_start[c + 1]
            if lo == hi:
                continue
        for block in range(word_blocks[w], word_blocks[w + 1]):
            a, b = block_a[block], block_b[block]
            width_a, width_b = 2 * shell_l[a] + 1, 2 * shell_l_j[b] + 1
            for p in range(len(pairs)):
                i = start_i[a] + pairs[p, 0] * width_a
                j = start_j[b] + pairs[p, 1] * width_b
                if word_head[w] < 0:
                    for m1 in range(width_a):
                        for m2 in range(width_b):
                            entries[m1, m2] = local[c, i + m1, j + m2]
                else:
                    head, tail = heads[word_head[w]], tails[word_tail[w]]
                    i -= start_i[0]
                    j -= start_j[0]
                    for m1 in range(width_a):
                        for m2 in range(width_b):
                            total = 0.0
                            for k in range(lo, hi):
                                total += head[i + m1, k] * tail[j + m2, k]
                            entries[m1, m2] = total
                for o in range(block_outputs[block], block_outputs[block + 1]):
                    offset, stride = output_offset[o], output_stride[o]
                    for e in range(output_first[o], output_last[o]):
                        value = coupling_value[e] * entries[coupling_m1[e], coupling_m2[e]]
                        out[p, offset + stride * coupling_mu[e]] += value
