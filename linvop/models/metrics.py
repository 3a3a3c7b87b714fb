r"""Errors of predictions, and whether their standard deviations are right."""

from __future__ import annotations

from typing import Any

import numpy as np

__all__ = ["calibration", "errors"]


def errors(true: np.ndarray, predicted: np.ndarray, unit: str = "") -> dict[str, Any]:
    r"""Errors of predictions (n, ...).

    Returns
    -------
    dict
        ``mae`` and ``rmse`` over all components; ``rmse_norm``, the root mean square over
        structures of the norm of the error (equal to ``rmse`` for scalars); ``std`` of the
        labels (root mean square for tensors); ``r2 = 1 - rmse^2 / std^2`` (None where std is
        zero or rounding); ``n``; ``unit``.
        Structures whose prediction is not a number are left out.
    """
    known = np.isfinite(predicted.reshape(len(predicted), -1)).all(axis=1)
    true, predicted = true[known], predicted[known]
    difference = (predicted - true).reshape(len(true), -1)
    flat = true.reshape(len(true), -1)
    spread = flat - flat.mean(axis=0) if flat.shape[1] == 1 else flat
    rmse, std = np.sqrt(np.mean(difference**2)), np.sqrt(np.mean(spread**2))
    rounding = 8 * np.finfo(float).eps * np.abs(flat).max()
    return {
        "mae": float(np.mean(np.abs(difference))),
        "rmse": float(rmse),
        "rmse_norm": float(np.sqrt(np.mean(np.sum(difference**2, axis=1)))),
        "max": float(np.max(np.abs(difference))),
        "r2": float(1 - (rmse / std) ** 2) if std > rounding else None,
        "std": float(std),
        "n": len(true),
        "unit": unit,
    }


def calibration(true: np.ndarray, predicted: np.ndarray, std: np.ndarray) -> dict[str, Any]:
    r"""How well standard deviations tell errors.

    Parameters
    ----------
    true, predicted, std : (n, ...) float64

    Returns
    -------
    dict
        ``mean_z2``, the mean of ``z^2 = |error|^2 / |std|^2`` over structures (norms of
        tensors: no orientation counts), 1 if variances are right; ``coverage_68`` and
        ``coverage_95``, the fractions of components whose error is below 1 and 1.96 std, 0.683
        and 0.95 if errors are normal; ``mean_std``, the root mean square of std; ``n``
        structures. Structures with an infinite std are left out, ``n_left_out`` of them; if all
        are, the others are NaN.

    Examples
    --------
    >>> calibration(np.zeros(2), np.array([1.0, 3.0]), np.ones(2))["mean_z2"]
    5.0
    """
    flat = [x.reshape(len(x), -1) for x in (true, predicted, std)]
    known = np.isfinite(flat[1]).all(axis=1) & np.isfinite(flat[2]).all(axis=1)
    y, f, sd = (x[known] for x in flat)
    n_left_out = len(known) - len(y)
    if not len(y):
        names = ("mean_z2", "coverage_68", "coverage_95", "mean_std")
        return dict.fromkeys(names, np.nan) | {"n": 0, "n_left_out": n_left_out}
    error = np.abs(f - y)
    return {
        "mean_z2": float(np.mean((error**2).sum(axis=1) / (sd**2).sum(axis=1))),
        "coverage_68": float(np.mean(error < sd)),
        "coverage_95": float(np.mean(error < 1.96 * sd)),
        "mean_std": float(np.sqrt(np.mean(sd**2))),
        "n": len(y),
        "n_left_out": n_left_out,
    }
