r"""Densities coupled to irreps: lambda-SOAP, and channels of atoms times the density of a pair.

.. math:: \{A \otimes B\}^{\lambda\mu}_{ab}
          = \sum_{m_1 m_2} C^{\lambda\mu}_{l_1 m_1, l_2 m_2} A_{m_1 a} B_{m_2 b}, \qquad
          \sigma = \sigma_A \sigma_B (-1)^{l_1 + l_2 + \lambda} .

Lambda-SOAP is {rho x rho}: Grisafi, Wilkins, Csanyi, Ceriotti, Phys. Rev. Lett. 120, 036002 (2018).
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from linvop.angular.tables import coupling_table

__all__ = ["coupled", "power_spectrum", "spectrum_terms"]


def coupled(A: np.ndarray, B: np.ndarray, lam: int) -> np.ndarray:
    r"""All products of the channels of A and of B, coupled to lam.

    Parameters
    ----------
    A : (n, 2 l1 + 1, p) float64
    B : (n, 2 l2 + 1, q) float64
    lam : int

    Returns
    -------
    (n, 2 lam + 1, p, q) float64
    """
    n, m1, p = A.shape
    m2, q = B.shape[1:]
    C = coupling_table((m1 - 1) // 2, (m2 - 1) // 2, lam)
    # (n, mu, p, m2), then a matrix product over m2 for each n
    first = np.tensordot(A, C, axes=(1, 0)).transpose(0, 3, 1, 2)
    flat = np.ascontiguousarray(first).reshape(n, (2 * lam + 1) * p, m2)
    return (flat @ B).reshape(n, 2 * lam + 1, p, q)


def spectrum_terms(l_max: int, lam: int, sigma: int) -> list[tuple[int, int]]:
    r"""The (l1, l2), l1 <= l2 <= l_max, that lambda-SOAP of an irrep couples."""
    return [
        (l1, l2)
        for l1 in range(l_max + 1)
        for l2 in range(l1, l_max + 1)
        if l2 - l1 <= lam <= l1 + l2 and (-1) ** (l1 + l2 + lam) == sigma
    ]


def power_spectrum(rho: Sequence[np.ndarray], lam: int, sigma: int) -> np.ndarray:
    r"""Lambda-SOAP of some atoms, without repetition.

    For l1 = l2 the channels a, b and b, a differ at most by a sign; one is kept. What is kept for
    two has the weight sqrt(2), so that inner products are those of all products.

    Parameters
    ----------
    rho : list over l of (n, 2 l + 1, p) float64
    lam, sigma : int

    Returns
    -------
    (n, 2 lam + 1, n_columns) float64
    """
    n, _, p = rho[0].shape
    parts = [np.zeros((n, 2 * lam + 1, 0))]
    for l1, l2 in spectrum_terms(len(rho) - 1, lam, sigma):
        both = coupled(rho[l1], rho[l2], lam)
        if l1 < l2:
            parts.append(np.sqrt(2) * both.reshape(n, 2 * lam + 1, p * p))
            continue
        a, b = np.triu_indices(p, k=int(sigma == -1))
        parts.append(np.where(a == b, 1.0, np.sqrt(2)) * both[:, :, a, b])
    return np.concatenate(parts, axis=2)
