r"""The definition of the tangents in plain NumPy: derivatives of rows along given directions.

For rows of results r(K, E, M) of `linvop.kernels.reference` and directions
``(dK, dE, dM)_d``, the tangent is ``dr_d = sum dr/dK dK_d + ...`` by the product rule: a word
changes by the sum of the words in which one factor is replaced by its direction,

.. math::

    dW = \sum_t F_1 P_1 \cdots P_{t-1}\, dF_t\, P_t \cdots P_{k-1} F_k , \qquad
    dB = \sum_a T_a \sum_s dA_s \prod_{s' \neq s} A_{s'} .

Its transpose is the adjoint (`linvop.kernels.reference_adjoint`). Design rows of forces are
tangents along the motions of atoms.
"""

from __future__ import annotations

import numpy as np

from linvop.kernels.plan import WordPlan
from linvop.kernels.product_plan import ProductPlan
from linvop.kernels.reference import couple

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
    r"""Derivatives of `linvop.kernels.reference.site_rows` along directions.

    Parameters
    ----------
    plan, channel_start, shell_start, row_of_site, n_rows
        As for `site_rows`.
    matrices : three of (n_sources, n_ao, n_ao) float64
        K, E and M.
    directions : three of (n_directions, n_sources, n_ao, n_ao) float64
        Those of M are symmetric.

    Returns
    -------
    (n_directions, n_rows, plan.row_size) float64
    """
    out = np.zeros((len(directions[0]), n_rows, plan.row_size))
    for rows, *along in zip(out, *directions, strict=True):
        for w in range(len(plan.word_channel)):
            product = _word_tangent(plan, w, matrices, along, channel_start)
            for block in range(plan.word_blocks[w], plan.word_blocks[w + 1]):
                a, b = plan.block_a[block], plan.block_b[block]
                width_a, width_b = 2 * plan.shell_l[a] + 1, 2 * plan.shell_l[b] + 1
                for site, row in enumerate(row_of_site):
                    i = shell_start[a] + site * width_a
                    j = shell_start[b] + site * width_b
                    couple(plan, block, product[i : i + width_a, j : j + width_b], rows[row])
    return out


def _word_tangent(
    plan: WordPlan,
    w: int,
    matrices: _Matrices,
    along: list[np.ndarray],
    channel_start: np.ndarray,
) -> np.ndarray:
    """Derivative of the matrix W of one word along one direction."""
    sources = plan.path_sources[w][plan.path_sources[w] >= 0]
    channels = plan.path_channels[w][plan.path_channels[w] >= 0]
    if len(sources) == 1:
        return along[0][sources[0]]
    factors, changes = (
        [E[sources[0]], *M[sources[1:-1]], E[sources[-1]].T] for _, E, M in (matrices, along)
    )
    total = np.zeros_like(factors[0])
    for t, change in enumerate(changes):
        product = None
        for s, factor in enumerate(factors):
            here = change if s == t else factor
            if product is None:
                product = here
                continue
            inner = slice(channel_start[channels[s - 1]], channel_start[channels[s - 1] + 1])
            product = product[:, inner] @ here[inner]
        total += product
    return total


def product_rows_tangent(
    plan: ProductPlan,
    factors: np.ndarray,
    directions: np.ndarray,
    row_of_site: np.ndarray,
    n_rows: int,
) -> np.ndarray:
    r"""Derivatives of `linvop.kernels.reference.product_rows` along directions of the factors.

    Parameters
    ----------
    plan, row_of_site, n_rows
        As for `product_rows`.
    factors : (n_sites, n) float64
    directions : (n_directions, n_sites, n) float64

    Returns
    -------
    (n_directions, n_rows, plan.row_size) float64
    """
    out = np.zeros((len(directions), n_rows, plan.row_size))
    for p, shape in enumerate(plan.product_shape):
        chosen = slice(plan.shape_monomials[shape], plan.shape_monomials[shape + 1])
        places = [
            plan.slot_offset[slot] + plan.slot_stride[slot] * plan.position[chosen, s]
            for s, slot in enumerate(range(plan.product_first[p], plan.product_first[p + 1]))
        ]
        change = np.zeros((*directions.shape[:2], chosen.stop - chosen.start))
        for s, place in enumerate(places):
            term = directions[:, :, place].copy()
            for t, other in enumerate(places):
                if t != s:
                    term *= factors[:, other]
            change += term
        for k, row in enumerate(range(plan.shape_rows[shape], plan.shape_rows[shape + 1])):
            t, mu = divmod(k, plan.shape_width[shape])
            entries = slice(plan.row_entries[row], plan.row_entries[row + 1])
            values = change[:, :, plan.entry_monomial[entries]] @ plan.entry_value[entries]
            element = plan.product_offset[p] + t + mu * plan.product_stride[p]
            np.add.at(out[:, :, element].T, row_of_site, values.T)
    return out
