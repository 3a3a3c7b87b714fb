r"""The prior: how much each column costs, read off its label.

The penalty is ``alpha |Gamma c|^2`` with ``Gamma = label prior x column scale``
(`linvop.regression.scaling`). The label prior is

.. math:: \gamma = \beta^{\,\kappa - 1},

beta >= 1: longer words vary faster and are believed in less.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from linvop.basis.labels import Label, PairLabel
from linvop.errors import InputError

__all__ = ["checked_cost", "label_prior", "shell_groups"]


def checked_cost(value: float) -> float:
    r"""Return beta as a float; `InputError` unless it is a positive number."""
    number = isinstance(value, int | float | np.number) and not isinstance(value, bool)
    if not number or not (np.isfinite(value) and value > 0):
        raise InputError(f"kappa_cost: expected a positive number, got {value!r}")
    return float(value)


def label_prior(labels: Sequence[Label | PairLabel], kappa_cost: float = 2.0) -> np.ndarray:
    r"""Relative cost of each column.

    Parameters
    ----------
    labels : sequence of labels of sites or pairs, length p
    kappa_cost : float
        Factor beta for each further power of V.

    Returns
    -------
    (p,) float64
    """
    return checked_cost(kappa_cost) ** (
        np.asarray([label.kappa for label in labels], dtype=float) - 1
    )


def shell_groups(labels: Sequence[Label]) -> np.ndarray:
    r"""Group of each column, 0, 1, ...: its species, kappa, outer shells and screening.

    Products are grouped by those of all their factors.

    Parameters
    ----------
    labels : sequence of labels, length p

    Returns
    -------
    (p,) int
    """
    found: dict[tuple[object, ...], int] = {}
    keys = [
        (label.species, *((x.kappa, x.shells, x.screening) for x in label.parts))
        for label in labels
    ]
    return np.array([found.setdefault(key, len(found)) for key in keys])
