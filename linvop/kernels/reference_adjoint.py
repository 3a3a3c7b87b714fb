r"""The definition of the adjoints in plain NumPy: derivatives of ``<G, rows>``.

For rows of results r(K, E, M) of `linvop.kernels.reference` and a G like the rows, the adjoint
gives ``d <G, r> / dK`` and the like by the chain rule, last factor first. With the product of a
word ``W = F_1 P_1 F_2 ... P_(k-1) F_k``, L_t what stands left of F_t and R_t what stands right,

.. math::

    \bar W_{i a m, i b m'} = \sum_{\lambda \mu} C^{\lambda\mu}_{l_a m, l_b m'} G_{\lambda\mu},
    \qquad \bar F_t = L_t^T \bar W R_t^T ,

and with the products ``B = sum_a T_a prod_s A_s`` of sites
``dA_s = sum_a T_a G prod_{s' != s} A_{s'}``.
"""

from __future__ import annotations

import numpy as np

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
    r"""Derivatives of ``<G, site_rows>`` by the three matrices.

    Parameters
    ----------
    plan, local, first, middle, channel_start, shell_start, row_of_site
        As for `linvop.kernels.reference.site_rows`.
    gradient : (n_rows, plan.row_size) float64
        G.

    Returns
    -------
    three of (n_sources, n_ao, n_ao) float64
        By local, first and middle, all elements taken as independent.
    """
    by_local, by_first, by_middle = (np.zeros_like(x) for x in (local, first, middle))
    for w in range(len(plan.word_channel)):
        W = np.zeros(local.shape[1:])
        for block in range(plan.word_blocks[w], plan.word_blocks[w + 1]):
            a, b = plan.block_a[block], plan.block_b[block]
            width_a, width_b = 2 * plan.shell_l[a] + 1, 2 * plan.shell_l[b] + 1
            for site, row in enumerate(row_of_site):
                i = shell_start[a] + site * width_a
                j = shell_start[b] + site * width_b
                _uncouple(plan, block, gradient[row], W[i : i + width_a, j : j + width_b])
        _word_adjoint(plan, w, (first, middle), channel_start, W, (by_local, by_first, by_middle))
    return by_local, by_first, by_middle


def _uncouple(plan: WordPlan, block: int, row: np.ndarray, entries: np.ndarray) -> None:
    """Add what the elements of a row of G say of a block's entries."""
    for o in range(plan.block_outputs[block], plan.block_outputs[block + 1]):
        chosen = slice(plan.output_first[o], plan.output_last[o])
        m1, m2 = plan.coupling_m1[chosen], plan.coupling_m2[chosen]
        mu = plan.output_offset[o] + plan.output_stride[o] * plan.coupling_mu[chosen]
        np.add.at(entries, (m1, m2), plan.coupling_value[chosen] * row[mu])


def _word_adjoint(
    plan: WordPlan,
    w: int,
    matrices: tuple[np.ndarray, np.ndarray],
    channel_start: np.ndarray,
    W: np.ndarray,
    by: tuple[np.ndarray, np.ndarray, np.ndarray],
) -> None:
    """Add the derivatives of ``<W, word>`` by each of its factors."""
    first, middle = matrices
    by_local, by_first, by_middle = by
    sources = plan.path_sources[w][plan.path_sources[w] >= 0]
    channels = plan.path_channels[w][plan.path_channels[w] >= 0]
    if len(sources) == 1:
        by_local[sources[0]] += W
        return
    projectors = np.zeros((len(channels), len(W)))
    for projector, c in zip(projectors, channels, strict=True):
        projector[channel_start[c] : channel_start[c + 1]] = 1
    factors = [first[sources[0]], *middle[sources[1:-1]], first[sources[-1]].T]
    left = [np.eye(len(W))]
    for factor, projector in zip(factors[:-1], projectors, strict=True):
        left.append((left[-1] @ factor) * projector)
    right = np.eye(len(W))
    for t in reversed(range(len(factors))):
        found = left[t].T @ W @ right.T
        if t == 0:
            by_first[sources[0]] += found
        elif t == len(factors) - 1:
            by_first[sources[-1]] += found.T
        else:
            by_middle[sources[t]] += found
        if t:
            right = projectors[t - 1][:, None] * (factors[t] @ right)


def product_rows_adjoint(
    plan: ProductPlan, factors: np.ndarray, row_of_site: np.ndarray, gradient: np.ndarray
) -> np.ndarray:
    r"""Derivatives of ``<G, product_rows>`` by the factors, (n_sites, n) float64.

    Parameters
    ----------
    plan, factors, row_of_site
        As for `linvop.kernels.reference.product_rows`.
    gradient : (n_rows, plan.row_size) float64
        G.
    """
    out = np.zeros_like(factors)
    for p, shape in enumerate(plan.product_shape):
        slots = range(plan.product_first[p], plan.product_first[p + 1])
        chosen = slice(plan.shape_monomials[shape], plan.shape_monomials[shape + 1])
        places = [
            plan.slot_offset[slot] + plan.slot_stride[slot] * plan.position[chosen, s]
            for s, slot in enumerate(slots)
        ]
        by_monomial = np.zeros((len(factors), chosen.stop - chosen.start))
        for k, row in enumerate(range(plan.shape_rows[shape], plan.shape_rows[shape + 1])):
            t, mu = divmod(k, plan.shape_width[shape])
            entries = slice(plan.row_entries[row], plan.row_entries[row + 1])
            element = plan.product_offset[p] + t + mu * plan.product_stride[p]
            G = gradient[row_of_site, element]
            np.add.at(
                by_monomial.T,
                plan.entry_monomial[entries],
                np.outer(plan.entry_value[entries], G),
            )
        for s, place in enumerate(places):
            others = np.ones_like(by_monomial)
            for t, other in enumerate(places):
                if t != s:
                    others *= factors[:, other]
            np.add.at(out.T, place, (by_monomial * others).T)
    return out
