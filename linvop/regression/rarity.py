r"""How evenly structures carry a column, and what it costs to be carried by few.

With X the columns without what the constants explain of them, and D_gj the sum of the weighted
squares of X_j over the rows of group g (a structure and its copies),

.. math:: n_j = \frac{(\sum_g D_{gj})^2}{\sum_g D_{gj}^2}, \qquad
          \rho_j = \left(\frac{1 + r / n_j}{1 + r / \max_k n_k}\right)^2

n_j is a participation ratio, between 1 and the number of groups: m for a column that m structures
have alike and no other, a third of the structures for one of Gaussian distribution, few for one
with heavy tails. The penalty of a column is rho_j times what it is without
(`linvop.regression.ridge`); that of the column carried most evenly stays.

Why: the coefficient of a column that one structure carries is made of that structure alone, and no
structure left out tests it. Others lack the column, so that its spread is small, and the scale
sd^(1/2) makes it cheap. Where a new structure has more of it, the prediction is off by as much as
it has. Mixed molecules have many such columns (a nitrogen next to an oxygen, in two of a hundred);
of one molecule, high powers of V have tails of that kind.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from linvop.regression.problem import Problem
from linvop.regression.projection import ConstantsProjection
from linvop.regression.scaling import CONSTANT, column_units

__all__ = ["carriers", "rarity_factor", "with_rarity"]

_BLOCK_ENTRIES = 1 << 21
"""Entries of a block of columns: 16 MB of doubles."""


def carriers(problem: Problem) -> np.ndarray:
    r"""Effective number n_j of groups that carry each column.

    Parameters
    ----------
    problem : Problem

    Returns
    -------
    (p,) float64
        At least 1; 1 for columns that are zero or that the constants explain.
    """
    A = problem.A
    n, p = A.shape
    root_w = np.sqrt(problem.weights / problem.weights.max())
    Q = ConstantsProjection(problem.constants * root_w[:, None]).leverage_vectors()
    unit = column_units(A)
    order = np.argsort(problem.labels, kind="stable")
    starts = np.flatnonzero(np.diff(problem.labels[order], prepend=-1))
    found = np.ones(p)
    step = max(1, _BLOCK_ENTRIES // n)
    for first in range(0, p, step):
        some = slice(first, first + step)
        X = root_w[:, None] * (A[:, some] / unit[some])
        before = np.einsum("ij,ij->j", X, X)
        X -= Q @ (Q.T @ X)
        D = np.add.reduceat(np.square(X[order]), starts, axis=0)
        total = D.sum(axis=0)
        varies = total > CONSTANT**2 * before
        D = D[:, varies] / total[varies]
        found[some][varies] = 1.0 / np.square(D).sum(axis=0)
    return found


def rarity_factor(n: np.ndarray, rarity: float) -> np.ndarray:
    """Return rho of all columns, (p,), that n structures carry; 1 for those carried by most."""
    return ((1.0 + rarity / n) / (1.0 + rarity / n.max())) ** 2


def with_rarity(problem: Problem, rarity: float) -> Problem:
    """Return the problem with the penalty of each column times rho."""
    if not rarity:
        return problem
    return replace(problem, penalty=problem.penalty * rarity_factor(carriers(problem), rarity))
