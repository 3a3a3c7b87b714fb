r"""Coefficients folded into couplings and products: tables whose size no column count enters.

A number y that is linear in the features of a structure is linear in the entries of its words,

.. math::

    y = \sum_{w} \operatorname{tr} D_w W_w^T, \qquad
    D_w[a m, b m'] = \sum_{\lambda\mu} C^{\lambda\mu}_{l_a m, l_b m'}
                     \sum_{\text{columns of } w} G_{\lambda\mu} ,

and a polynomial in the factors A of its products, in which monomials that many columns share
are added up. G are derivatives of y by the features, coefficients times what turns irreps into
labels. `linvop.deploy` evaluates the tables.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from linvop.basis.words import Irrep
from linvop.features.contractions import SiteFeatures
from linvop.kernels.pair_plan import PairPlan
from linvop.kernels.plan import WordPlan
from linvop.kernels.plan_parts import Rows
from linvop.kernels.product_plan import ProductPlan

__all__ = ["folded", "folded_pair", "folded_site"]

Arrays = dict[str, Any]


def folded(features: SiteFeatures, gradient: Mapping[Irrep, np.ndarray]) -> dict[str, Arrays]:
    r"""Tables of every species.

    Parameters
    ----------
    features : SiteFeatures
        Compiled with ``target="structure"``.
    gradient : {irrep: (n_out, 2 lam + 1, p) float64}
        Derivatives of n_out numbers by the features of a structure.

    Returns
    -------
    {species: arrays and, under ``cuts`` and ``factors``, groups of them}
        As docs/format.md describes.
    """
    start = dict.fromkeys(features.irreps, 0)
    return {s: folded_site(features, s, gradient, start) for s in features.species}


def folded_site(
    features: SiteFeatures,
    species: str,
    gradient: Mapping[Irrep, np.ndarray],
    start: dict[Irrep, int] | None = None,
) -> Arrays:
    r"""The tables of one species; its columns begin at `start`, which moves on."""
    start = dict.fromkeys(features.irreps, 0) if start is None else start
    plan = features.plans[species]
    of_words = _columns_of(plan, gradient, start)
    products = features.product_plans.get(species)
    of_products = None
    if products is not None:
        of_products = _columns_of(products.products, gradient, start)
    groups = _Groups()
    tables = _words(plan, of_words, groups, len(features.enumeration.screenings), features)
    if products is not None and of_products is not None:
        tables["factors"] = _couplings(products.factors, groups) | _polynomial(
            products.products, of_products, products.factors.row_size
        )
    return tables | groups.arrays()


def folded_pair(plan: PairPlan, gradient: Mapping[Irrep, np.ndarray]) -> Arrays:
    r"""The tables of an ordered pair of species: a polynomial of its words and of both atoms' A.

    Parameters
    ----------
    plan : PairPlan
    gradient : {irrep: (n_out, 2 lam + 1, p) float64}
        Derivatives of n_out numbers by the pair features, of either order of the pair.
    """
    rows, groups = plan.products, _Groups()
    start = dict.fromkeys(rows.irreps, 0)
    n_factors = plan.words.row_size + plan.sites_i.row_size + plan.sites_j.row_size
    of_products = _columns_of(rows, gradient, start) * plan.scale
    tables: Arrays = {
        "factors": _couplings(plan.words, groups) | _polynomial(rows, of_products, n_factors)
    }
    return tables | groups.arrays()


def _columns_of(
    plan: Rows, gradient: Mapping[Irrep, np.ndarray], start: dict[Irrep, int]
) -> np.ndarray:
    """The next columns of each irrep as rows of results, (n_out, row_size); `start` moves on."""
    n_out = len(next(iter(gradient.values())))
    parts = [np.zeros((n_out, 0))]
    for irrep, n in zip(plan.irreps, plan.n_columns, strict=True):
        first = start[irrep]
        parts.append(gradient[irrep][:, :, first : first + n].reshape(n_out, -1))
        start[irrep] = first + n
    return np.concatenate(parts, axis=1)


class _Groups:
    """Half words of several plans, each once."""

    def __init__(self) -> None:
        self._index: dict[tuple[int, int, int], int] = {}

    def of(self, plan: WordPlan) -> list[int]:
        """Numbers of the plan's groups."""
        found: list[int] = []
        for parent, channel, source in zip(
            plan.group_parent.tolist(),
            plan.group_channel.tolist(),
            plan.group_source.tolist(),
            strict=True,
        ):
            key = (-1 if parent < 0 else found[parent], channel, source)
            found.append(self._index.setdefault(key, len(self._index)))
        return found

    def arrays(self) -> Arrays:
        rows = np.asarray(list(self._index), np.int64).reshape(-1, 3)
        names = ("group_parent", "group_channel", "group_source")
        return dict(zip(names, rows.T, strict=True))


def _blocks(plan: WordPlan):
    """Word, first AOs of its two shells and outputs, block by block."""
    starts_a, starts_b = (
        np.concatenate([[0], np.cumsum(2 * l + 1)]) for l in (plan.shell_l, plan.shell_l_j)
    )
    for w in range(len(plan.word_channel)):
        for block in range(plan.word_blocks[w], plan.word_blocks[w + 1]):
            a, b = starts_a[plan.block_a[block]], starts_b[plan.block_b[block]]
            for o in range(plan.block_outputs[block], plan.block_outputs[block + 1]):
                chosen = slice(plan.output_first[o], plan.output_last[o])
                element = plan.output_offset[o] + plan.output_stride[o] * plan.coupling_mu[chosen]
                yield (
                    w,
                    a + plan.coupling_m1[chosen],
                    b + plan.coupling_m2[chosen],
                    element,
                    plan.coupling_value[chosen],
                )


def _words(
    plan: WordPlan, G: np.ndarray, groups: _Groups, n_screenings: int, features: SiteFeatures
) -> Arrays:
    """Tables of kappa = 1, and of all others by the channel in which they are cut."""
    number = groups.of(plan)
    width = int((2 * plan.shell_l + 1).sum())
    D = np.zeros((len(plan.word_channel), len(G), width, width))
    for w, x, y, element, value in _blocks(plan):
        np.add.at(np.moveaxis(D[w], 0, 2), (x, y), (value * G[:, element]).T)
    n_sources = n_screenings * len(features.enumeration.source_names)
    local = np.zeros((len(G), n_sources, width, width))
    cuts: dict[int, list[int]] = {}
    for w, (channel, head) in enumerate(zip(plan.word_channel, plan.word_head, strict=True)):
        if head < 0:
            local[:, channel] += D[w]
        else:
            cuts.setdefault(int(channel), []).append(w)
    return {
        "shell_l": plan.shell_l,
        "local": local,
        "cuts": [_cut(plan, channel, words, D, number) for channel, words in cuts.items()],
    }


def _cut(
    plan: WordPlan, channel: int, words: list[int], D: np.ndarray, number: list[int]
) -> Arrays:
    heads = sorted({number[plan.word_head[w]] for w in words})
    tails = sorted({number[plan.word_tail[w]] for w in words})
    n_out, width = D.shape[1:3]
    table = np.zeros((n_out, len(heads), width, len(tails), width))
    for w in words:
        h, t = heads.index(number[plan.word_head[w]]), tails.index(number[plan.word_tail[w]])
        table[:, h, :, t] += D[w]
    return {
        "channel": np.int64(channel),
        "heads": np.asarray(heads, np.int64),
        "tails": np.asarray(tails, np.int64),
        "table": table.reshape(n_out, len(heads) * width, len(tails) * width),
    }


def _couplings(plan: WordPlan, groups: _Groups) -> Arrays:
    """Couplings of words that the polynomial reads, entry by entry."""
    number = groups.of(plan)
    parts = [
        (np.full(len(value), w), x, y, element, value) for w, x, y, element, value in _blocks(plan)
    ]
    word, x, y, element, value = (np.concatenate(column) for column in zip(*parts, strict=True))
    inner = plan.word_head >= 0
    named = np.asarray([*number, -1], np.int64)
    return {
        "n_couplings": np.int64(plan.row_size),
        "channel": plan.word_channel,
        "head": np.where(inner, named[plan.word_head], -1),
        "tail": np.where(inner, named[plan.word_tail], -1),
        "word": word.astype(np.int64),
        "x": x,
        "y": y,
        "element": element,
        "value": value,
    }


def _polynomial(plan: ProductPlan, G: np.ndarray, n_factors: int) -> Arrays:
    """Monomials, as sorted factors with n_factors for "none", and their n_out coefficients."""
    nu = plan.position.shape[1]
    indices, values = [], []
    for p, shape in enumerate(plan.product_shape):
        chosen = slice(plan.shape_monomials[shape], plan.shape_monomials[shape + 1])
        index = np.full((chosen.stop - chosen.start, nu), n_factors)
        for s, slot in enumerate(range(plan.product_first[p], plan.product_first[p + 1])):
            own = plan.slot_stride[slot] * plan.position[chosen, s]
            index[:, s] = plan.slot_offset[slot] + own
        value = np.zeros((len(index), len(G)))
        for k, row in enumerate(range(plan.shape_rows[shape], plan.shape_rows[shape + 1])):
            t, mu = divmod(k, plan.shape_width[shape])
            element = plan.product_offset[p] + t + mu * plan.product_stride[p]
            entries = slice(plan.row_entries[row], plan.row_entries[row + 1])
            part = np.outer(plan.entry_value[entries], G[:, element])
            np.add.at(value, plan.entry_monomial[entries], part)
        indices.append(np.sort(index, axis=1))
        values.append(value)
    if not indices:
        return {"index": np.zeros((0, 2), np.int64), "coefficient": np.zeros((len(G), 0))}
    unique, inverse = np.unique(np.concatenate(indices), axis=0, return_inverse=True)
    coefficient = np.zeros((len(unique), len(G)))
    np.add.at(coefficient, inverse.ravel(), np.concatenate(values))
    return {"index": unique, "coefficient": np.ascontiguousarray(coefficient.T)}
