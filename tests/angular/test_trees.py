"""Coupling trees and their tables: complete, orthonormal, equivariant, and as exact as floats."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from linvop.angular.characters import number_of_couplings, product_sigma
from linvop.angular.product_tables import product_table
from linvop.angular.trees import coupling_trees, exact_tree
from linvop.angular.wigner import rotation_matrix
from linvop.errors import InputError

Powers = tuple[tuple[int, int], ...]


def every_product(l_max: int, nu: int) -> list[Powers]:
    """All multisets of nu factors with at most three channels of each l."""
    channels = [(l, k) for l in range(l_max + 1) for k in range(3)]
    found = set()
    for chosen in itertools.combinations_with_replacement(channels, nu):
        times = [chosen.count(c) for c in dict.fromkeys(chosen)]
        ls = [l for l, _ in dict.fromkeys(chosen)]
        found.add(tuple(sorted(zip(ls, times, strict=True))))
    return sorted(found)


def values(powers: Powers, lam: int, factors: list[np.ndarray]) -> np.ndarray:
    """All functions at given factors, (..., n_functions, 2 lam + 1)."""
    table = product_table(powers, lam)
    slots = [x for x, (_, n) in zip(factors, powers, strict=True) for _ in range(n)]
    shape = np.broadcast_shapes(*(x.shape[:-1] for x in slots))
    monomials = np.ones((*shape, len(table.monomials)))
    for x, positions in zip(slots, table.monomials.T, strict=True):
        monomials = monomials * x[..., positions]
    dense = np.zeros((len(table.row_start) - 1, len(table.monomials)))
    rows = np.repeat(np.arange(len(dense)), np.diff(table.row_start))
    dense[rows, table.monomial] = table.value
    return (monomials @ dense.T).reshape(*shape, table.n_functions, 2 * lam + 1)


def completeness(powers: Powers, lam: int, seed: int) -> None:
    """Functions = trees = dimension = rank on random factors."""
    rng = np.random.default_rng(seed)
    factors = [(l, (-1) ** l, n) for l, n in powers]
    n = number_of_couplings(factors, lam, product_sigma(factors, lam))
    assert len(coupling_trees(powers, lam)) == product_table(powers, lam).n_functions == n
    if n:
        samples = [rng.normal(size=(n + 8, 2 * l + 1)) for l, _ in powers]
        # Component 0 of every function, so that equivariance does not help.
        s = np.linalg.svd(values(powers, lam, samples)[..., 0], compute_uv=False)
        assert (s > 1e-9 * s[0]).sum() == n


PRODUCTS = [p for nu in (1, 2, 3, 4) for p in every_product(3, nu)]


def test_functions_dimension_and_rank_agree_sampled():
    chosen = np.random.default_rng(0).choice(len(PRODUCTS), 60, replace=False)
    for k in chosen:
        for lam in range(4):
            completeness(PRODUCTS[k], lam, int(k))


@pytest.mark.slow
@pytest.mark.parametrize("lam", range(4))
def test_functions_dimension_and_rank_agree(lam):
    for k, powers in enumerate(PRODUCTS):
        completeness(powers, lam, k)


@pytest.mark.parametrize(
    "powers",
    [
        ((1, 1), (2, 1)),
        ((1, 2), (2, 1)),
        ((2, 3), (1, 2)),
        ((1, 1),) * 4,
        ((3, 2), (3, 2)),
        ((6, 2),),
    ],
)
def test_functions_turn_with_the_irrep(powers):
    rng = np.random.default_rng(3)
    R = Rotation.random(rng=rng).as_matrix()
    still = [rng.normal(size=2 * l + 1) for l, _ in powers]
    turned = [rotation_matrix(l, R) @ x for (l, _), x in zip(powers, still, strict=True)]
    for lam in range(7):
        a, b = values(powers, lam, still), values(powers, lam, turned)
        if a.size:
            np.testing.assert_allclose(
                b, a @ rotation_matrix(lam, R).T, atol=1e-12 * np.abs(a).max()
            )


@pytest.mark.parametrize("powers", [((1, 2), (2, 1)), ((1, 1), (1, 1), (2, 1)), ((0, 3), (2, 2))])
def test_all_irreps_together_keep_the_length(powers):
    """Orthonormal and complete: the square of the product is the sum of the squares."""
    rng = np.random.default_rng(4)
    x = [rng.normal(size=2 * l + 1) for l, _ in powers]
    total = sum(
        (values(powers, lam, x) ** 2).sum() for lam in range(sum(l * n for l, n in powers) + 1)
    )
    expected = np.prod([(v @ v) ** n for v, (_, n) in zip(x, powers, strict=True)])
    assert total == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize(
    ("powers", "lam"), [(((1, 2), (1, 1)), 1), (((1, 1), (2, 1), (1, 1)), 2), (((2, 3), (1, 1)), 1)]
)
def test_tables_are_the_exact_trees(powers, lam):
    table = product_table(powers, lam)
    trees = coupling_trees(powers, lam)
    assert len(trees) == table.n_functions > 0
    for t, tree in enumerate(trees):
        exact = exact_tree(tree)
        found = {}
        for mu in range(2 * lam + 1):
            row = t * (2 * lam + 1) + mu
            for e in range(table.row_start[row], table.row_start[row + 1]):
                found[tuple(table.monomials[table.monomial[e]].tolist()), mu] = table.value[e]
        assert found.keys() == exact.keys()
        for key, value in exact.items():
            assert found[key] == pytest.approx(float(value), abs=3e-16, rel=0)


def test_impossible_products_are_refused():
    for powers, lam in (((), 0), (((1, 0),), 1), (((-1, 1),), 1), (((1, 1),), -1)):
        with pytest.raises(InputError, match="coupling of powers"):
            coupling_trees(powers, lam)
