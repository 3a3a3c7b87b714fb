r"""Features on the CPU: words of sites and pairs (`linvop.kernels.cpu_words`), and products.

The same numbers as `linvop.kernels.reference`.
"""

from __future__ import annotations

import numpy as np

from linvop.compiled import njit
from linvop.kernels.cpu_words import couple_words, halves_of
from linvop.kernels.plan import WordPlan
from linvop.kernels.product_plan import ProductPlan

__all__ = ["pair_rows", "product_rows", "site_rows"]


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
    halves = halves_of(plan, first, middle, channel_start, plan.atoms[0], shell_start)
    sites = np.arange(len(row_of_site))
    row_start = np.searchsorted(row_of_site, np.arange(n_rows + 1))
    couple_words(plan, local, channel_start, (halves, halves), (sites, sites), row_start, out)
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
    out = np.zeros((len(pairs), plan.row_size))
    if out.size == 0:
        return out
    heads = halves_of(plan, first, middle, channel_start, plan.atoms[0], start_i)
    tails = heads
    if start_i is not start_j:
        tails = halves_of(plan, first, middle, channel_start, plan.atoms[1], start_j)
    sites = np.ascontiguousarray(pairs.T)
    own = np.arange(len(pairs) + 1)
    couple_words(plan, local, channel_start, (heads, tails), (sites[0], sites[1]), own, out)
    return out


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
