r"""Labels that differ from predictions by a factor between units are probably in another unit."""

from __future__ import annotations

from itertools import permutations

import numpy as np

from linvop.conventions import PROPERTY_UNITS, UNITS

__all__ = ["unit_hint"]

_TOLERANCE = 0.02
_UNEXPLAINED = 0.1
"""Of the labels' norm, that a factor may leave: unrelated numbers leave more."""


def unit_hint(name: str, true: np.ndarray, predicted: np.ndarray) -> str | None:
    r"""What to say of labels that are predictions times the ratio of two units, or None.

    The factor is that of least squares, ``c = sum(y f) / sum(f^2)``.

    Parameters
    ----------
    name : str
        The property; only those of `PROPERTY_UNITS` have units that are known.
    true, predicted : (n, ...) float64

    Examples
    --------
    >>> unit_hint("energy", np.array([-76.2, -76.3]), np.array([-2073.5, -2076.2]))
    'energy: labels are 0.03675 times the predictions, as Hartree to eV: in which unit are they?'
    """
    if name not in PROPERTY_UNITS:
        return None
    y, f = true.reshape(len(true), -1), predicted.reshape(len(predicted), -1)
    known = np.isfinite(f).all(axis=1)
    y, f = y[known].ravel(), f[known].ravel()
    if not y.any() or not f.any():
        return None
    c = float(y @ f / (f @ f))
    if np.linalg.norm(y - c * f) > _UNEXPLAINED * np.linalg.norm(y):
        return None
    home = PROPERTY_UNITS[name]
    factors = UNITS[home]
    # Linvop's own unit first: it is the likeliest of the two.
    pairs = sorted(permutations(factors, 2), key=lambda pair: home not in pair)
    for a, b in pairs:
        ratio = factors[b] / factors[a]
        if abs(ratio - 1) > 0.1 and abs(c / ratio - 1) < _TOLERANCE:
            return (
                f"{name}: labels are {c:.4g} times the predictions, as {a} to {b}: "
                "in which unit are they?"
            )
    return None
