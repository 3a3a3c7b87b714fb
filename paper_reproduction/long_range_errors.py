r"""What the study of long range measures of curves, in thousandths of eV and of e Angstrom."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from paper_reproduction.contests import Design, Fit
from paper_reproduction.dimers import Curves

__all__ = ["MILLI", "by_step", "change", "curve", "of_new_pairs", "spread", "validated"]

MILLI = 1e3

_VALIDATED = 2
"""Distances of ions, of those trained on, that choose between settings."""


def _rms(error: np.ndarray) -> float:
    """In thousandths, over structures, of the norm."""
    return MILLI * float(np.sqrt((error.reshape(len(error), -1) ** 2).sum(axis=1).mean()))


def by_step(curves: Curves, target: str, predicted: np.ndarray) -> list[float]:
    """Root mean square error at each point of the curves."""
    error = curves.by_curve(predicted - curves.contest.labels[target])
    return [_rms(error[:, k]) for k in range(curves.n_steps)]


def _from_the_end(curves: Curves, values: np.ndarray) -> np.ndarray:
    """Less those at the largest distance, curve by curve, (n_pairs, n_steps, ...)."""
    shaped = curves.by_curve(values)
    return np.asarray(shaped - shaped[:, -1:])


def change(curves: Curves, predicted: np.ndarray, tail: np.ndarray) -> float:
    """Largest change of a prediction over the tail."""
    moved = _from_the_end(curves, predicted)[:, curves.by_curve(tail)[0]]
    return float(np.abs(moved).max())


def spread(curves: Curves, target: str, tail: np.ndarray) -> dict[str, Any]:
    """What a model errs by that has each pair right at the end, and knows no tail."""
    moved = _from_the_end(curves, curves.contest.labels[target])
    chosen = moved[:, curves.by_curve(tail)[0]]
    return {
        "tail": _rms(chosen.reshape(-1, *chosen.shape[2:])),
        "by_distance": [_rms(moved[:, k]) for k in range(curves.n_steps)],
    }


def of_new_pairs(
    curves: Curves, target: str, fit: Fit, held: np.ndarray, tail: np.ndarray
) -> dict[str, Any]:
    """Errors on pairs that were held out: as they are, and of the curves from their ends."""
    labels = curves.contest.labels[target]
    pairs, far = curves.by_curve(held)[:, 0], curves.by_curve(tail)[0]
    moved = _from_the_end(curves, fit.predicted - labels)[pairs]
    own = _from_the_end(curves, labels)[pairs]
    return {
        "rmse": MILLI * fit.rmse,
        "left_out": MILLI * fit.left_out,
        "curve": _rms(moved[:, far].reshape(-1, *moved.shape[2:])),
        "spread": _rms(own[:, far].reshape(-1, *own.shape[2:])),
        "by_distance": [_rms(moved[:, k]) for k in range(curves.n_steps)],
    }


def curve(
    curves: Curves, fits: Mapping[str, Mapping[str, Fit]], tail: np.ndarray
) -> dict[str, Any]:
    """Of each target the pair that changes most over the tail: labels and predictions from its end.

    Of the dipole the component that changes most.
    """
    out: dict[str, Any] = {}
    far = curves.by_curve(tail)[0]
    for target in fits:
        labels = _components(curves, curves.contest.labels[target])
        moved = np.abs(labels - labels[:, -1:])[:, far].max(axis=1)
        pair, x = np.unravel_index(moved.argmax(), moved.shape)
        shown = {"reference": labels}
        shown |= {kind: _components(curves, fit.predicted) for kind, fit in fits[target].items()}
        end = labels[pair, -1, x]
        out[target] = {"pair": int(pair), "component": "xyz"[x] if target == "dipole" else ""}
        out[target] |= {
            kind: (MILLI * (values[pair, :, x] - end)).tolist() for kind, values in shown.items()
        }
    return out


def _components(curves: Curves, values: np.ndarray) -> np.ndarray:
    """By pair, step and component, (n_pairs, n_steps, 1 or 3)."""
    flat = values.reshape(len(values), -1)
    return np.stack([np.asarray(curves.by_curve(v)) for v in flat.T], axis=-1)


def validated(curves: Curves, designs: dict[str, Design], n_trained: int) -> str:
    """The settings of the smallest error at the last distances of the training points."""
    if len(designs) == 1:
        return next(iter(designs))
    inner = n_trained - _VALIDATED
    fitted = np.flatnonzero(curves.step < inner)
    seen = np.flatnonzero((curves.step >= inner) & (curves.step < n_trained))
    errors = {
        name: curves.contest.fit(design, "energy", fitted, seen).rmse
        for name, design in designs.items()
    }
    return min(errors, key=lambda name: errors[name])
