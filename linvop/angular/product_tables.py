r"""Coupled products of irreps as sparse tables: B = table . AA, AA the monomials in A.

For factors x_f (irreps l_f), each to the power n_f, and one irrep lam of the product,

.. math:: B_{t\mu} = \sum_a T_{t\mu,a} \prod_{f} \prod_{s \le n_f} x_{f, m_{a,f,s}}

with t the trees of `trees`, in their order. The leaves and the couplings of two irreps come
from `tables` and are multiplied here in floats; of a sum that cancels, nothing is kept.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING

import numpy as np

from linvop.angular.tables import power_table, sparse_coupling
from linvop.angular.trees import Powers, coupling_trees

if TYPE_CHECKING:
    from scipy.sparse import csr_array

__all__ = ["ProductTable", "chosen_functions", "product_table"]

_ROUNDING = 1e-13
"""Table entries are at most about one; what cancels in a sum leaves less than this."""


@dataclass(frozen=True, eq=False)
class ProductTable:
    r"""All trees of one product and lam, as flat arrays.

    Attributes
    ----------
    n_functions : int
    monomials : (n_monomials, nu) int64
        Positions m + l of every factor, those of a power side by side; only what is needed.
    row_start : (n_functions (2 lam + 1) + 1,) int64
        First entry of each (function, mu).
    monomial : (n_entries,) int64
    value : (n_entries,) float64
    """

    n_functions: int
    monomials: np.ndarray
    row_start: np.ndarray
    monomial: np.ndarray
    value: np.ndarray


@cache
def product_table(powers: Powers, lam: int) -> ProductTable:
    r"""Return the table of a product; the same object on every call.

    Parameters
    ----------
    powers : tuple of (l, n)
        Distinct factors.
    lam : int

    Raises
    ------
    InputError
        As `linvop.angular.trees.coupling_trees`.
    """
    from scipy.sparse import csr_array, vstack

    trees = coupling_trees(powers, lam)
    made: dict[tuple, csr_array] = {}
    blocks = [_coupled(tuple(tree.powers), tree.leaves, tree.nodes, made) for tree in trees]
    monomials = _monomials(powers)
    if not blocks:
        return ProductTable(0, monomials[:0], np.zeros(1, np.int64), *_nothing())
    table = csr_array(vstack(blocks))
    used, renumbered = np.unique(table.indices, return_inverse=True)
    arrays = (
        monomials[used],
        table.indptr.astype(np.int64),
        renumbered.astype(np.int64),
        table.data.astype(np.float64),
    )
    for array in arrays:
        array.flags.writeable = False
    return ProductTable(len(trees), *arrays)


def chosen_functions(table: ProductTable, chosen: Sequence[int]) -> ProductTable:
    r"""The table of some of the functions, with all monomials."""
    if len(chosen) == table.n_functions:
        return table
    n = table.n_functions
    rows = np.arange(len(table.row_start) - 1).reshape(n, -1)[list(chosen)].ravel()
    first, last = table.row_start[rows], table.row_start[rows + 1]
    entries = np.concatenate(
        [np.arange(a, b) for a, b in zip(first, last, strict=True)] or [np.zeros(0, np.int64)]
    )
    return ProductTable(
        len(chosen),
        table.monomials,
        np.concatenate([[0], np.cumsum(last - first)]).astype(np.int64),
        table.monomial[entries],
        table.value[entries],
    )


def _nothing() -> tuple[np.ndarray, np.ndarray]:
    return np.zeros(0, np.int64), np.zeros(0)


def _coupled(
    powers: Powers,
    leaves: tuple[tuple[int, int], ...],
    nodes: tuple[int, ...],
    made: dict[tuple, csr_array],
) -> csr_array:
    """The first powers coupled along a tree, (2 J + 1, monomials of them); made once."""
    from scipy.sparse import csr_array, kron

    key = leaves, nodes
    if key in made:
        return made[key]
    leaf = _leaf(powers[-1], *leaves[-1])
    if len(powers) == 1:
        made[key] = leaf
        return leaf
    before = _coupled(powers[:-1], leaves[:-1], nodes[:-1], made)
    l1, l2, lam = nodes[-2], leaves[-1][0], nodes[-1]
    m1, m2, mu, value = sparse_coupling(l1, l2, lam)
    shape = (2 * lam + 1, (2 * l1 + 1) * (2 * l2 + 1))
    coupling = csr_array((value, (mu, m1 * (2 * l2 + 1) + m2)), shape=shape)
    out = csr_array(coupling @ kron(before, leaf, format="csr"))
    out.data[np.abs(out.data) < _ROUNDING] = 0.0
    out.eliminate_zeros()
    out.sort_indices()
    made[key] = out
    return out


def _leaf(power: tuple[int, int], L: int, copy: int) -> csr_array:
    """One polynomial of a symmetric power, (2 L + 1, its monomials)."""
    from scipy.sparse import csr_array

    l, n = power
    monomials, mu, value = power_table(l, n, L)[copy]
    position = {tuple(a): k for k, a in enumerate(_power_monomials(l, n).tolist())}
    column = [position[tuple(a)] for a in monomials.tolist()]
    return csr_array((value, (mu, column)), shape=(2 * L + 1, len(position)))


@cache
def _power_monomials(l: int, n: int) -> np.ndarray:
    """All monomials of one power, (binom(2 l + n, n), n)."""
    grid = np.indices((2 * l + 1,) * n).reshape(n, -1).T
    return grid[(np.diff(grid, axis=1) >= 0).all(axis=1)]


def _monomials(powers: Powers) -> np.ndarray:
    """Positions of all factors for all products of monomials, in the order of kron."""
    out = np.zeros((1, 0), np.int64)
    for l, n in powers:
        leaf = _power_monomials(l, n)
        out = np.hstack([np.repeat(out, len(leaf), axis=0), np.tile(leaf, (len(out), 1))])
    return out
