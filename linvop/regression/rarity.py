r"""How many structures carry a column, and what it costs to be carried by few.

With D_gj the sum of weighted squared deviations of column j over the rows of group g,

.. math:: n_j = \frac{(\sum_g D_{gj})^2}{\sum_g D_{gj}^2}, \qquad
          \rho_j = \Bigl(1 + \frac{r}{n_j}\Bigr)^2

n_j is between 1 and the number of groups: 1 for a column that one structure alone has, m for one
that m structures have alike and no other. The penalty of a column is rho_j times what it is
without (`linvop.regression.ridge`).

Why: of a column that one structure carries, leave-one-out knows nothing, for without that structure
it is zero. What such columns do to a molecule that has more of them no criterion on the training
set sees, and the scale sd^(1/2) makes them cheap: their spread is small because others lack them.
Mixed molecules have many such columns (a nitrogen next to an oxygen, in two of a hundred), samples
of one molecule hardly any, and there n_j is of the order of the number of structures.
"""

from __future__ import annotations

import numpy as np

from linvop.regression.scaling import column_means, column_units

__all__ = ["carriers", "rarity_factor"]

_BLOCK_ENTRIES = 1 << 21


def carriers(
    A: np.ndarray, weights: np.ndarray, labels: np.ndarray, centred: bool | np.ndarray
) -> np.ndarray:
    r"""Effective number n_j of groups that carry each column.

    Parameters
    ----------
    A : (n, p) float64
    weights : (n,) float64
        Positive weights of the rows.
    labels : (n,) int
        Group of each row: its structure and the copies of it.
    centred : bool or (n,) bool
        Which rows are taken about their mean (`linvop.regression.scaling.column_scales`).

    Returns
    -------
    (p,) float64
        At least 1; 1 for columns that are zero.
    """
    n, p = A.shape
    unit = column_units(A)
    about = np.broadcast_to(np.asarray(centred, dtype=float), n)
    mean = column_means(A, weights, about, unit)
    order = np.argsort(labels, kind="stable")
    starts = np.flatnonzero(np.r_[True, np.diff(labels[order]) != 0])
    first, second = np.zeros(p), np.zeros(p)
    for some in _spans(starts, n, p):
        rows = order[some[0] : some[-1]]
        square = A[rows] / unit
        square -= about[rows, None] * mean
        np.square(square, out=square)
        square *= weights[rows, None] / weights.max()
        of_groups = np.add.reduceat(square, some[:-1] - some[0], axis=0)
        first += of_groups.sum(axis=0)
        second += np.square(of_groups, out=of_groups).sum(axis=0)
    carried = second > 0.0
    return np.where(carried, first**2 / np.where(carried, second, 1.0), 1.0)


def rarity_factor(n: np.ndarray, rarity: float) -> np.ndarray:
    """Return rho of columns that n structures carry."""
    return (1.0 + rarity / n) ** 2


def _spans(starts: np.ndarray, n: int, p: int) -> list[np.ndarray]:
    """Where groups begin, and the end of the last, of as many at a time as a block holds."""
    step = max(1, _BLOCK_ENTRIES // max(1, p))
    ends = np.r_[starts[1:], n]
    parts = np.split(np.arange(len(starts)), np.flatnonzero(np.diff(ends // step)) + 1)
    return [np.r_[starts[part], ends[part[-1]]] for part in parts]
