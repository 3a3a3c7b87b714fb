r"""What is multiplied: V itself, or V in an orthogonal basis.

With ``X = S^(-1/2)`` from the whole molecule, the words of `linvop.kernels.reference` have

=========  ==========  =========  ===========
metric     local K     first E    middle M
=========  ==========  =========  ===========
ao         V           V          V
overlap    V           V X        X V X
lowdin     X V X       X V X      X V X
=========  ==========  =========  ===========

so that ``overlap`` is V X P X V ... X P X V (summed over channels: V S^-1 V ...) and
``lowdin`` is V~ P V~ ... V~, whose channels are Lowdin orbitals. X couples all atoms:
``overlap`` and ``lowdin`` have no exact body order.
"""

from __future__ import annotations

import numpy as np

from linvop.errors import InputError
from linvop.integrals import System, overlap, potential
from linvop.orbitals.order import ChannelOrder

__all__ = ["SMALLEST_OVERLAP", "factors", "inverse_square_root"]

SMALLEST_OVERLAP = 1e-10
"""Smallest eigenvalue of S that is accepted; below it X would be rounding."""


def inverse_square_root(S: np.ndarray) -> np.ndarray:
    r"""``S^(-1/2) = U s^(-1/2) U^T``.

    Raises
    ------
    InputError
        If an eigenvalue lies below `SMALLEST_OVERLAP`.
    """
    s, U = np.linalg.eigh(S)
    if s[0] < SMALLEST_OVERLAP:
        raise InputError(
            f"the AO basis is linearly dependent here: smallest eigenvalue of the overlap "
            f"{s[0]:.2e}, expected at least {SMALLEST_OVERLAP:.0e}; take metric='ao' or "
            "a less diffuse basis"
        )
    return (U / np.sqrt(s)) @ U.T


def factors(
    system: System,
    order: ChannelOrder,
    metric: str,
    screenings: tuple[float | None, ...],
    by_species: bool,
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    r"""The matrices K, E and M of a structure, in channel order.

    Parameters
    ----------
    system : System
    order : ChannelOrder
    metric : {"ao", "overlap", "lowdin"}
    screenings : tuple of (float or None)
    by_species : bool
        One V for each species of nuclei instead of their sum.

    Returns
    -------
    local, first, middle : (n_sources, n_ao, n_ao) float64
        Sources run over screenings, then species of nuclei.
    """
    names = order.species if by_species else None
    n_ao = system.layout.n_ao
    q = order.order
    V = np.concatenate(
        [
            potential(system, screening=zeta, sources=names).reshape(-1, n_ao, n_ao)
            for zeta in screenings
        ]
    )[:, q[:, None], q]
    if metric == "ao":
        return V, V, V
    X = inverse_square_root(overlap(system)[q[:, None], q])
    VX = V @ X
    XVX = X @ VX
    # Rounding leaves a skew part, which would show up in the words' reversal symmetry.
    XVX = 0.5 * (XVX + XVX.transpose(0, 2, 1))
    return (V, VX, XVX) if metric == "overlap" else (XVX, XVX, XVX)
