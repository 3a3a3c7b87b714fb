r"""Every equivariant function of a pair's factors once: functions = dimension = rank.

The factors are free variables: site features alpha_i, alpha_j, and words q_ij, of which exchange
makes q_ji = sigma_q q^reversed_ij.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from linvop.angular.characters import number_of_couplings, number_of_exchange_couplings
from linvop.basis.pairs import EXCHANGES, PairEnumeration, PairProduct
from linvop.basis.words import Irrep
from linvop.features.basis import Basis, ordered_species
from linvop.kernels import reference
from linvop.kernels.pair_plan import PairPlan, pair_plan

__all__ = ["assert_pairs_complete"]

_RANK = 1e-9
"""Singular values and columns below this, relative to the largest, are rounding."""


def assert_pairs_complete(basis: Basis, species: Sequence[str], *, seed: int = 0) -> None:
    r"""Assert that pair features are complete and none is redundant, with exchange or without.

    Product by product there are as many functions as characters demand. On random factors all
    functions of a kind of pair and irrep are linearly independent, and those with ``exchange=s``
    span the projections (B_ij + s B_ji) / 2 of all functions.

    Raises
    ------
    AssertionError
        Naming the product, or the pair and irrep, with the numbers that differ.
    """
    pairs = basis.pairs(ordered_species(species))
    rng = np.random.default_rng(seed)
    for s1, s2 in pairs.species_pairs:
        for irrep in pairs.irreps():
            for exchange in EXCHANGES:
                sign = exchange if s1 == s2 else None
                for product in pairs.products(s1, s2, irrep, sign):
                    _count(pairs, (s1, s2), irrep, sign, product)
            _rank(pairs, (s1, s2), irrep, rng)


def _count(
    pairs: PairEnumeration,
    species: tuple[str, str],
    irrep: Irrep,
    sign: int | None,
    product: PairProduct,
) -> None:
    word = pairs.factors.word_factors(*species)[product.word]
    lam, (l_word, sigma_word) = irrep[0], word.irrep
    if sign is not None and product.own_partner:
        l_site = product.powers[0][0] if len(product.powers) == 3 else 0
        wanted = number_of_exchange_couplings(l_site, l_word, lam, sign * sigma_word)
    else:
        numbers = (product.site_i, product.site_j)
        factors = [
            (*pairs.factors.site_factors(s)[k].irrep, 1)
            for s, k in zip(species, numbers, strict=True)
            if k is not None
        ]
        wanted = number_of_couplings([*factors, (*word.irrep, 1)], *irrep)
    if len(product.trees) != wanted:
        raise AssertionError(
            f"{'-'.join(species)}, (lam, sigma) = {irrep}, exchange {sign}, {word.label.word} "
            f"times site factors {product.site_i}, {product.site_j}: {len(product.trees)} "
            f"functions, dimension {wanted}"
        )


def _rank(
    pairs: PairEnumeration, species: tuple[str, str], irrep: Irrep, rng: np.random.Generator
) -> None:
    s1, s2 = species
    every = pair_plan(pairs, s1, s2, (irrep,), None)
    n = every.products.n_columns[0] // (2 * irrep[0] + 1) + 16
    q = rng.normal(size=(n, every.words.row_size))
    A_i = rng.normal(size=(n, every.sites_i.row_size))
    A_j = rng.normal(size=(n, every.sites_j.row_size))
    rows = np.concatenate([q, A_i, A_j], axis=1)
    B = _columns(every, rows)
    where = f"{s1}-{s2}, (lam, sigma) = {irrep}"
    _same(where, "rank on random factors", _rank_of(B), every.products.n_columns[0])
    if s1 != s2:
        return
    q_ji = _reversed(pairs, s1, every, q)
    swapped = _columns(every, np.concatenate([q_ji, A_j, A_i], axis=1))
    for sign in (1, -1):
        plan = pair_plan(pairs, s1, s2, (irrep,), sign)
        kept = _columns(plan, rows, np.concatenate([sign * q_ji, A_j, A_i], axis=1))
        projected = (B + sign * swapped) / 2
        count, case = plan.products.n_columns[0], f"{where}, exchange {sign:+d}"
        _same(case, "rank on random factors", _rank_of(kept), count)
        _same(case, "rank of the projections", _rank_of(projected), count)
        together = np.concatenate([kept, projected], axis=1)
        _same(case, "rank with the projections", _rank_of(together), count)


def _columns(plan: PairPlan, *rows: np.ndarray) -> np.ndarray:
    """Columns of the one irrep, summed over kinds of rows; components one below the other."""
    n = len(rows[0])
    pair_of_row = np.tile(np.arange(n), len(rows))
    B = reference.product_rows(plan.products, np.concatenate(rows), pair_of_row, n) * plan.scale
    ((lam, _),), (n_columns,) = plan.products.irreps, plan.products.n_columns
    return B.reshape(n * (2 * lam + 1), n_columns)


def _reversed(pairs: PairEnumeration, s: str, plan: PairPlan, q: np.ndarray) -> np.ndarray:
    """q_ji out of q_ij."""
    out, first = np.empty_like(q), 0
    reverse = np.asarray(pairs.factors.reversal(s), np.int64)
    views = plan.words.split(out)
    for irrep, x in plan.words.split(q).items():
        n = x.shape[2]
        views[irrep][:] = irrep[1] * x[:, :, reverse[first : first + n] - first]
        first += n
    return out


def _rank_of(columns: np.ndarray) -> int:
    length = np.linalg.norm(columns, axis=0)
    # Of a function and its partner of the other sign rounding is left, and that is no function.
    there = length > _RANK * length.max(initial=0.0)
    s = np.linalg.svd(columns[:, there] / length[there], compute_uv=False)
    return int((s > _RANK * s[0]).sum()) if s.size else 0


def _same(where: str, what: str, found: int, count: int) -> None:
    if found != count:
        raise AssertionError(f"{where}: {count} functions, {what} {found}")
