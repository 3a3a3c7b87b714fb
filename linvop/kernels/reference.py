r"""The definition of the site features in plain NumPy: slow, short, and the oracle.

With the three matrices that a metric defines (see `linvop.features.metric`), *local* K for
kappa = 1, *first* E for the outer factors and *middle* M for the inner ones,

.. math::

    W = K^{(z)} \;(\kappa = 1), \qquad
    W = E^{(z_1)} P_{c_1} M^{(z_2)} P_{c_2} \cdots P_{c_{\kappa-1}} [E^{(z_\kappa)}]^T,

    \langle W_{ii}; ab; \lambda\mu \rangle
        = \sum_{m m'} C^{\lambda\mu}_{l_a m, l_b m'} W[i a m, i b m'],

and for pairs of atoms the same with W[i a m, j b m'].
"""

from __future__ import annotations

import numpy as np

from linvop.kernels.plan import WordPlan
from linvop.kernels.product_plan import ProductPlan

__all__ = ["couple", "pair_rows", "product_rows", "site_rows"]


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
    r"""Site features of one centre species, summed over the sites of each row.

    Parameters
    ----------
    plan : WordPlan
    local, first, middle : (n_sources, n_ao, n_ao) float64, channel order
    channel_start : (n_channels + 1,) int64
        First AO of each channel.
    shell_start : (n_shells + 1,) int64
        First AO of each shell of the centre species; site k has its components of shell a at
        ``shell_start[a] + k (2 l_a + 1)``.
    row_of_site : (n_sites,) int64
        Row to which each site is added (its own for site features, its structure's for sums).
    n_rows : int

    Returns
    -------
    (n_rows, plan.row_size) float64
    """
    out = np.zeros((n_rows, plan.row_size))
    for w in range(len(plan.word_channel)):
        product = _word(plan, w, local, first, middle, channel_start)
        for block in range(plan.word_blocks[w], plan.word_blocks[w + 1]):
            a, b = plan.block_a[block], plan.block_b[block]
            width_a, width_b = 2 * plan.shell_l[a] + 1, 2 * plan.shell_l[b] + 1
            for site, row in enumerate(row_of_site):
                i = shell_start[a] + site * width_a
                j = shell_start[b] + site * width_b
                entries = product[i : i + width_a, j : j + width_b]
                couple(plan, block, entries, out[row])
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
    r"""Words between atoms i of one species and j of the same or another.

    Parameters
    ----------
    plan : WordPlan
    local, first, middle, channel_start
        As for `site_rows`.
    start_i, start_j : (n_shells + 1,) int64
        First AO of each shell of the two species.
    pairs : (n_pairs, 2) int64
        i and j, counted within their species.

    Returns
    -------
    (n_pairs, plan.row_size) float64
    """
    out = np.zeros((len(pairs), plan.row_size))
    for w in range(len(plan.word_channel)):
        product = _word(plan, w, local, first, middle, channel_start)
        for block in range(plan.word_blocks[w], plan.word_blocks[w + 1]):
            a, b = plan.block_a[block], plan.block_b[block]
            width_a, width_b = 2 * plan.shell_l[a] + 1, 2 * plan.shell_l_j[b] + 1
            for (i, j), row in zip(pairs, out, strict=True):
                x, y = start_i[a] + i * width_a, start_j[b] + j * width_b
                couple(plan, block, product[x : x + width_a, y : y + width_b], row)
    return out


def couple(plan: WordPlan, block: int, entries: np.ndarray, row: np.ndarray) -> None:
    """Add the irreps of a block's entries to a row of results."""
    for o in range(plan.block_outputs[block], plan.block_outputs[block + 1]):
        chosen = slice(plan.output_first[o], plan.output_last[o])
        m1, m2 = plan.coupling_m1[chosen], plan.coupling_m2[chosen]
        mu = plan.output_offset[o] + plan.output_stride[o] * plan.coupling_mu[chosen]
        np.add.at(row, mu, plan.coupling_value[chosen] * entries[m1, m2])


def _word(
    plan: WordPlan,
    w: int,
    local: np.ndarray,
    first: np.ndarray,
    middle: np.ndarray,
    channel_start: np.ndarray,
) -> np.ndarray:
    """The matrix W of one word, every factor and projector written out."""
    sources = plan.path_sources[w][plan.path_sources[w] >= 0]
    channels = plan.path_channels[w][plan.path_channels[w] >= 0]
    if len(sources) == 1:
        return local[sources[0]]
    product = first[sources[0]]
    factors = [middle[z] for z in sources[1:-1]] + [first[sources[-1]].T]
    for c, factor in zip(channels, factors, strict=True):
        projector = np.zeros(len(product))
        projector[channel_start[c] : channel_start[c + 1]] = 1
        product = (product * projector) @ factor
    return product


def product_rows(
    plan: ProductPlan, factors: np.ndarray, row_of_site: np.ndarray, n_rows: int
) -> np.ndarray:
    r"""Products of site features of one centre species, summed over the sites of each row.

    Parameters
    ----------
    plan : ProductPlan
    factors : (n_sites, n) float64
        A: rows of `site_rows` for the factors.
    row_of_site : (n_sites,) int64
    n_rows : int

    Returns
    -------
    (n_rows, plan.row_size) float64
    """
    out = np.zeros((n_rows, plan.row_size))
    for p, shape in enumerate(plan.product_shape):
        chosen = slice(plan.shape_monomials[shape], plan.shape_monomials[shape + 1])
        monomials = np.ones((len(factors), chosen.stop - chosen.start))
        for s, slot in enumerate(range(plan.product_first[p], plan.product_first[p + 1])):
            place = plan.slot_offset[slot] + plan.slot_stride[slot] * plan.position[chosen, s]
            monomials *= factors[:, place]
        for k, row in enumerate(range(plan.shape_rows[shape], plan.shape_rows[shape + 1])):
            t, mu = divmod(k, plan.shape_width[shape])
            entries = slice(plan.row_entries[row], plan.row_entries[row + 1])
            values = monomials[:, plan.entry_monomial[entries]] @ plan.entry_value[entries]
            element = plan.product_offset[p] + t + mu * plan.product_stride[p]
            np.add.at(out[:, element], row_of_site, values)
    return out
