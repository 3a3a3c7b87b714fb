r"""Errors of predictions."""

from __future__ import annotations

from typing import Any

import numpy as np

__all__ = ["errors"]


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
