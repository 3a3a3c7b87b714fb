r"""The Lowdin basis: of all orthonormal ones the closest to the AOs.

.. math:: \chi = \phi S^{-1/2}, \qquad F \to S^{-1/2} F S^{-1/2}, \qquad P \to S^{1/2} P S^{1/2}
"""

from __future__ import annotations

import numpy as np

from linvop.errors import InputError
from linvop.features.metric import SMALLEST_OVERLAP

__all__ = ["square_roots"]


def square_roots(S: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    r"""``S^(1/2)`` and ``S^(-1/2)``, (n_ao, n_ao) each.

    Raises
    ------
    InputError
        If an eigenvalue of S lies below 1e-10: what is divided by it would be rounding.
    """
    s, U = np.linalg.eigh(S)
    if s[0] < SMALLEST_OVERLAP:
        raise InputError(
            f"the AO basis is linearly dependent here: smallest eigenvalue of the overlap "
            f"{s[0]:.2e}, expected at least {SMALLEST_OVERLAP:.0e}; take a less diffuse basis"
        )
    root = np.sqrt(s)
    return (U * root) @ U.T, (U / root) @ U.T
