r"""Density matrices: of orbitals, and made idempotent.

One spin channel at a time, with occupations between 0 and 1; closed shells are twice that. In the
Lowdin basis, with N the electrons of the channel,

.. math:: \tilde P = S^{1/2} P S^{1/2} = U n U^T, \qquad
          \text{determinant:} \quad \tilde P^2 = \tilde P, \quad \operatorname{tr} \tilde P = N .

A fitted density is not quite that. Two ways to purify it:

``projection``  the N largest occupations become 1, the rest 0. Of all idempotent matrices with
                trace N this is the closest in the Frobenius norm.
``mcweeny``     P <- 3 P^2 - 2 P^3 until P^2 = P. Occupations between (1 - sqrt 3)/2 and 1/2 go to
                0, those between 1/2 and (1 + sqrt 3)/2 to 1: the same matrix, by products only,
                where the latter are N; otherwise an error.

R. McWeeny, Rev. Mod. Phys. 32, 335 (1960).
"""

from __future__ import annotations

import numpy as np

from linvop.errors import InputError

__all__ = [
    "PURIFICATIONS",
    "aufbau_density",
    "idempotency_error",
    "natural_occupations",
    "purified",
]

PURIFICATIONS = ("projection", "mcweeny")

_SMALLEST_STEP = 1e-6
"""Between the last occupation that becomes 1 and the first that becomes 0."""
_STEPS = 100
_IDEMPOTENT = 1e-12
"""Per AO; convergence is quadratic, so that the next step would be rounding."""


def aufbau_density(coefficients: np.ndarray, n_occupied: int) -> np.ndarray:
    r"""``P = C_occ C_occ^T`` of one spin channel, (n_ao, n_ao)."""
    C = coefficients[:, :n_occupied]
    return C @ C.T


def natural_occupations(P: np.ndarray, root: np.ndarray) -> np.ndarray:
    r"""Eigenvalues of ``S^(1/2) P S^(1/2)``, descending, (n_ao,)."""
    return np.linalg.eigvalsh(root @ P @ root)[::-1]


def idempotency_error(occupations: np.ndarray) -> float:
    r"""``|P~^2 - P~|`` (Frobenius) of a channel, from its natural occupations (0 to 1)."""
    return float(np.linalg.norm(occupations**2 - occupations))


def purified(
    P: np.ndarray,
    root: np.ndarray,
    inverse_root: np.ndarray,
    n_electrons: int,
    method: str,
    where: str,
) -> np.ndarray:
    r"""The determinant's density next to P.

    Parameters
    ----------
    P : (n_ao, n_ao) float64
        Of one spin channel.
    root, inverse_root : (n_ao, n_ao) float64
        ``S^(1/2)``, ``S^(-1/2)``.
    n_electrons : int
        Of the channel.
    method : {"projection", "mcweeny"}
    where : str
        What messages call the matrix.

    Returns
    -------
    (n_ao, n_ao) float64
        With P S P = P and tr(P S) = n_electrons.

    Raises
    ------
    InputError
        If the occupations do not tell which n_electrons orbitals are occupied.
    """
    orthogonal = root @ P @ root
    orthogonal = 0.5 * (orthogonal + orthogonal.T)
    one = _projected if method == "projection" else _mcweeny
    out = inverse_root @ one(orthogonal, n_electrons, where) @ inverse_root
    return 0.5 * (out + out.T)


def _projected(P: np.ndarray, n: int, where: str) -> np.ndarray:
    occupations, U = np.linalg.eigh(P)
    occupations, U = occupations[::-1], U[:, ::-1]
    if 0 < n < len(P) and occupations[n - 1] - occupations[n] < _SMALLEST_STEP:
        raise InputError(
            f"{where}: its natural occupations {n} and {n + 1} are both {occupations[n]:.6f}, so "
            f"that {n} occupied orbitals are not defined; expected them to differ by "
            f"{_SMALLEST_STEP:g}"
        )
    return U[:, :n] @ U[:, :n].T


def _mcweeny(P: np.ndarray, n: int, where: str) -> np.ndarray:
    bound = 10.0 * len(P)
    for _ in range(_STEPS):
        squared = P @ P
        error = np.linalg.norm(squared - P)
        if error < _IDEMPOTENT * len(P) or error > bound:
            break
        P = 3 * squared - 2 * squared @ P
    found = float(np.trace(P))
    if not error < _IDEMPOTENT * len(P) or abs(found - n) > 0.5:
        raise InputError(
            f"{where}: McWeeny purification ended with {found:.6g} electrons and an idempotency "
            f"error of {error:.1e}, expected {n} electrons; take purification='projection'"
        )
    return P
