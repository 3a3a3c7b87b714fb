r"""The prior: how much each column costs, read off its label.

The penalty is ``alpha |Gamma c|^2`` with ``Gamma = label prior x column scale``
(`linvop.regression.scaling`). The label prior is

.. math:: \gamma = \beta^{\,\kappa - 1},

beta >= 1: longer words vary faster and are believed in less.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from linvop.basis.labels import SiteLabel
from linvop.errors import InputError

__all__ = ["label_prior", "shell_groups"]


def label_prior(labels: Sequence[SiteLabel], kappa_cost: float = 2.0) -> np.ndarray:
    r"""Relative cost of each column.

    Parameters
    ----------
    labels : sequence of SiteLabel, length p
    kappa_cost : float
        Factor beta for each further power of V.

    Returns
    -------
    (p,) float64
    """
    if not (np.isfinite(kappa_cost) and kappa_cost > 0):
        raise InputError(f"kappa_cost: expected a positive number, got {kappa_cost!r}")
    return kappa_cost ** (np.asarray([label.kappa for label in labels], dtype=float) - 1)


def shell_groups(labels: Sequence[SiteLabel]) -> np.ndarray:
    r"""Group of each column, 0, 1, ...: its species, kappa, outer shells and screening.

    Parameters
    ----------
    labels : sequence of SiteLabel, length p

    Returns
    -------
    (p,) int
    """
    found: dict[tuple[object, ...], int] = {}
    keys = [(x.species, x.kappa, x.shells, x.screening) for x in labels]
    return np.array([found.setdefault(key, len(found)) for key in keys])
