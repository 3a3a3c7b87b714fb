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

Backwards, from the derivatives of a number by K, E and M to those by V and X,

.. math::

    \bar V = \bar K + \bar E X + X \bar M X, \qquad
    \bar X = V \bar E + V X \bar M + \bar M X V

(for ``lowdin`` all three act as M, for ``ao`` as K), and from X to S = U s U^T

.. math::

    \bar S = U \Bigl[ (U^T \bar X U)_{pq}
              \frac{-1}{\sqrt{s_p s_q} (\sqrt{s_p} + \sqrt{s_q})} \Bigr] U^T .
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from linvop.errors import InputError
from linvop.integrals import System, overlap, potential
from linvop.orbitals.order import ChannelOrder

__all__ = ["SMALLEST_OVERLAP", "Multiplied", "factors", "inverse_square_root", "multiplied"]

SMALLEST_OVERLAP = 1e-10
"""Smallest eigenvalue of S that is accepted; below it X would be rounding."""


def inverse_square_root(S: np.ndarray) -> np.ndarray:
    r"""``S^(-1/2) = U s^(-1/2) U^T``.

    Raises
    ------
    InputError
        If an eigenvalue lies below `SMALLEST_OVERLAP`.
    """
    s, U = _decomposed(S)
    return (U / np.sqrt(s)) @ U.T


def _decomposed(S: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    s, U = np.linalg.eigh(S)
    if s[0] < SMALLEST_OVERLAP:
        raise InputError(
            f"the AO basis is linearly dependent here: smallest eigenvalue of the overlap "
            f"{s[0]:.2e}, expected at least {SMALLEST_OVERLAP:.0e}; take metric='ao' or "
            "a less diffuse basis"
        )
    return s, U


@dataclass(frozen=True)
class Multiplied:
    r"""V of one structure and what a metric makes of it, in channel order.

    Attributes
    ----------
    metric : {"ao", "overlap", "lowdin"}
    V : (n_sources, n_ao, n_ao) float64
        Sources run over screenings, then species of nuclei.
    s, U : (n_ao,), (n_ao, n_ao) float64
        Eigenvalues and vectors of S; (0,) and (0, 0) of "ao", which needs none.
    """

    metric: str
    V: np.ndarray
    s: np.ndarray
    U: np.ndarray

    @cached_property
    def X(self) -> np.ndarray:
        """``S^(-1/2)``."""
        return (self.U / np.sqrt(self.s)) @ self.U.T

    @cached_property
    def matrices(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """K, E and M, each (n_sources, n_ao, n_ao)."""
        V = self.V
        if self.metric == "ao":
            return V, V, V
        VX = V @ self.X
        XVX = _symmetric(self.X @ VX)  # a skew part would break the words' reversal symmetry
        return (V, VX, XVX) if self.metric == "overlap" else (XVX, XVX, XVX)

    def tangent(
        self, along: np.ndarray, along_overlap: np.ndarray | None
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        r"""Changes of K, E and M along changes of V and S.

        Parameters
        ----------
        along : (n_directions, n_sources, n_ao, n_ao) float64
        along_overlap : (n_directions, n_ao, n_ao) float64, or None for "ao"

        Returns
        -------
        three of (n_directions, n_sources, n_ao, n_ao) float64
        """
        if self.metric == "ao" or along_overlap is None:
            return along, along, along
        V, X, U = self.V, self.X, self.U
        dX = U @ ((U.T @ along_overlap @ U) * self._divided_differences) @ U.T
        half = X @ V @ dX[:, None]
        middle = _symmetric(X @ along @ X + half + np.swapaxes(half, -1, -2))
        if self.metric == "lowdin":
            return middle, middle, middle
        return along, along @ X + V @ dX[:, None], middle

    @cached_property
    def _divided_differences(self) -> np.ndarray:
        """Of ``s^(-1/2)`` between the eigenvalues of S."""
        root = np.sqrt(self.s)
        return -1 / (np.outer(root, root) * (root[:, None] + root))

    def adjoint(
        self, local: np.ndarray, first: np.ndarray, middle: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray | None]:
        r"""From derivatives of a number by K, E and M to those by V and S.

        Returns
        -------
        (n_sources, n_ao, n_ao), (n_ao, n_ao) or None for "ao"
            Both symmetric: ``dE = sum_s tr(G_s dV_s) + tr(G_S dS)``.
        """
        if self.metric == "ao":
            return _symmetric(local + first + middle), None
        V, X, U = self.V, self.X, self.U
        if self.metric == "overlap":
            by_middle = _symmetric(middle)
            by_V = _symmetric(local + first @ X + X @ by_middle @ X)
            by_X = (V @ first).sum(axis=0)
        else:
            by_middle = _symmetric(local + first + middle)
            by_V = X @ by_middle @ X
            by_X = np.zeros_like(X)
        one = (V @ X @ by_middle).sum(axis=0)
        by_X = _symmetric(by_X + one + one.T)
        return by_V, U @ ((U.T @ by_X @ U) * self._divided_differences) @ U.T


def _symmetric(A: np.ndarray) -> np.ndarray:
    return 0.5 * (A + np.swapaxes(A, -1, -2))


def multiplied(
    system: System,
    order: ChannelOrder,
    metric: str,
    screenings: tuple[float | None, ...],
    by_species: bool,
) -> Multiplied:
    r"""V of a structure, one for each species of nuclei if `by_species`, and its metric.

    Raises
    ------
    InputError
        If an eigenvalue of the overlap lies below `SMALLEST_OVERLAP`.
    """
    names = order.species if by_species else None
    n_ao = system.layout.n_ao
    q = order.order
    V = np.concatenate(
        [
            potential(system, screening=zeta, sources=names).reshape(-1, n_ao, n_ao)
            for zeta in screenings
        ]
    )
    V = np.ascontiguousarray(V[:, q[:, None], q])  # NumPy itself puts several sources last
    if metric == "ao":
        return Multiplied(metric, V, np.zeros(0), np.zeros((0, 0)))
    return Multiplied(metric, V, *_decomposed(overlap(system)[q[:, None], q]))


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
    return multiplied(system, order, metric, screenings, by_species).matrices
