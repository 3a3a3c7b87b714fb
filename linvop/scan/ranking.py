r"""Which of many settings are worth their price.

A setting is on the *Pareto front* if no other one is at least as good in both cost and error
and better in one of them.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

__all__ = ["order_of_errors", "pareto_front"]


def pareto_front(cost: Sequence[float], error: Sequence[float]) -> np.ndarray:
    r"""Which points lie on the Pareto front; equal points do together.

    Parameters
    ----------
    cost, error : (n,) float

    Returns
    -------
    (n,) bool

    Examples
    --------
    >>> pareto_front([1, 2, 3], [5, 5, 1]).tolist()
    [True, False, True]
    """
    x, y = np.asarray(cost, dtype=float), np.asarray(error, dtype=float)
    on_front = np.zeros(len(x), dtype=bool)
    lowest, at = np.inf, np.nan
    for k in np.lexsort((y, x)):
        # Ascending cost, then error: only a new lowest error, or a copy of the one that set it.
        if y[k] < lowest or (y[k] == lowest and x[k] == at):
            on_front[k], lowest, at = True, y[k], x[k]
    return on_front


def order_of_errors(errors: np.ndarray) -> np.ndarray:
    r"""Indices of settings from the best to the worst.

    By the geometric mean over targets, in which no target's unit counts.

    Parameters
    ----------
    errors : (n_settings, n_targets) float64

    Returns
    -------
    (n_settings,) int

    Examples
    --------
    >>> order_of_errors(np.array([[4.0, 1.0], [1.0, 3.0], [2.0, 3.0]])).tolist()
    [1, 0, 2]
    """
    with np.errstate(divide="ignore"):
        return np.argsort(np.log(errors).mean(axis=1), kind="stable")
