r"""Adjoints on the CPU: the work of `linvop.kernels.cpu` backwards.

The same numbers as `linvop.kernels.reference_adjoint`, for symmetric middle matrices M: a tail is
read backwards, so that derivatives by M agree in their symmetric part, the only one that counts.
Entries of a batch of words first, then heads and tails, tile by tile, then the groups, each
before its parent.
"""

from __future__ import annotations

import numpy as np

from linvop.compiled import njit
from linvop.kernels.cpu_words import Halves, add, halves_of
from linvop.kernels.plan import WordPlan
from linvop.kernels.product_plan import ProductPlan
from linvop.kernels.tiles import TILE

__all__ = ["product_rows_adjoint", "site_rows_adjoint"]

_LONG = 24
"""AOs of a channel from which on loops over them are faster than whole tiles."""


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
    halves = halves_of(plan, first, middle, channel_start, plan.atoms[0], shell_start)
    those = plan.tiles
    tails = halves.transposed(those.tails)
    by_groups, by_tails = np.zeros_like(halves.groups), np.zeros_like(tails)
    _words_adjoint(
        *those.arrays,
        *plan.coupling_arrays,
        channel_start,
        halves.groups,
        halves.empty,
        tails,
        those.tails,
        halves.aos,
        np.searchsorted(row_of_site, np.arange(len(gradient) + 1)),
        np.ascontiguousarray(gradient),
        by_local,
        by_groups,
        by_tails,
    )
    by_groups[those.tails] += by_tails[..., : 1 - TILE].swapaxes(2, 3)
    _groups_adjoint(plan, halves, by_groups, middle, channel_start, (by_first, by_middle))
    return by_local, by_first, by_middle


def _groups_adjoint(
    plan: WordPlan,
    halves: Halves,
    by_groups: np.ndarray,
    middle: np.ndarray,
    channel_start: np.ndarray,
    by: tuple[np.ndarray, np.ndarray],
) -> None:
    """From derivatives by all groups to those by first and middle, which are added to."""
    by_first, by_middle = by
    flat = len(by_groups), halves.aos.size, middle.shape[-1]
    groups, changes = halves.groups.reshape(flat), by_groups.reshape(flat)
    starts = channel_start.tolist()
    for g in np.flatnonzero(~halves.empty)[::-1].tolist():
        parent, channel, source = plan.group_rows[g]
        if parent < 0:
            by_first[source][halves.aos.ravel()] += changes[g]
        else:
            lo, hi = starts[channel], starts[channel + 1]
            by_middle[source, lo:hi] += groups[parent, :, lo:hi].T @ changes[g]
            changes[parent, :, lo:hi] += changes[g] @ middle[source, lo:hi].T


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


@njit(nogil=True, fastmath={"contract"}, inline="always")
def _whole_tile(w, head, by_head, tail, by_tail):  # pragma: no cover - compiled
    for k in range(len(head)):
        by_head[k] += w[0] * tail[k, 0] + w[1] * tail[k, 1] + w[2] * tail[k, 2] + w[3] * tail[k, 3]
        by_tail[k, 0] += w[0] * head[k]
        by_tail[k, 1] += w[1] * head[k]
        by_tail[k, 2] += w[2] * head[k]
        by_tail[k, 3] += w[3] * head[k]


@njit(nogil=True, fastmath={"contract"})
def _words_adjoint(
    word,
    batch,
    pattern,
    tile,
    row_entry,
    n_entries,
    run,
    coupling_m1,
    coupling_m2,
    coupling_mu,
    coupling_value,
    channel_start,
    heads,
    no_head,
    tails,
    tail_group,
    aos,
    row_start,
    gradient,
    by_local,
    by_heads,
    by_tails,
):  # pragma: no cover - compiled
    entries = np.empty((n_entries, (batch[1:, 0] - batch[:-1, 0]).max()))
    for row in range(len(row_start) - 1):
        sites = range(row_start[row], row_start[row + 1])
        for b in range(len(batch) - 1):
            base = batch[b, 0]
            entries[:] = 0.0
            for r in range(batch[b, 1], batch[b + 1, 1]):
                first, length, offset, stride = run[r, 0], run[r, 1], run[r, 2], run[r, 3]
                x, y = run[r, 6], run[r, 7]
                for k in range(run[r, 4], run[r, 5]):
                    e = row_entry[x + coupling_m1[k]] + y + coupling_m2[k]
                    place = offset + stride * coupling_mu[k]
                    columns = gradient[row, place : place + length]
                    add(entries[e, first : first + length], coupling_value[k], columns)
            for w in range(base, batch[b + 1, 0]):
                h, t, c, those, n = word[w, 0], word[w, 1], word[w, 2], word[w, 3], w - base
                if h >= 0 and (no_head[h] or no_head[tail_group[t]]):
                    continue
                lo, hi = (channel_start[c], channel_start[c + 1]) if h >= 0 else (0, 0)
                for one in range(pattern[those], pattern[those + 1]):
                    x, y, size = tile[one, 0], tile[one, 1], tile[one, 2]
                    e = row_entry[x] + y
                    if h < 0:
                        for m in range(size):
                            for site in sites:
                                by_local[c, aos[site, x], aos[site, y + m]] += entries[e + m, n]
                        continue
                    filled = 0
                    for m in range(size):
                        filled += entries[e + m, n] != 0.0
                    if filled >= TILE - 1 and hi - lo < _LONG:
                        w3 = entries[e + 3, n] if size == TILE else 0.0
                        weights = entries[e, n], entries[e + 1, n], entries[e + 2, n], w3
                        for site in sites:
                            _whole_tile(
                                weights,
                                heads[h, site, x, lo:hi],
                                by_heads[h, site, x, lo:hi],
                                tails[t, site, lo:hi, y : y + TILE],
                                by_tails[t, site, lo:hi, y : y + TILE],
                            )
                        continue
                    g = tail_group[t]
                    for m in range(size):
                        value = entries[e + m, n]
                        if value == 0.0:
                            continue
                        for site in sites:
                            add(by_heads[h, site, x, lo:hi], value, heads[g, site, y + m, lo:hi])
                            add(by_heads[g, site, y + m, lo:hi], value, heads[h, site, x, lo:hi])


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
