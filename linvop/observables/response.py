r"""How levels and densities answer to a change of the Fock matrix: first-order perturbation.

With ``F C = S C eps`` and S fixed, for any change dF of a closed shell's Fock matrix

.. math::

    d\epsilon_p = C_p^T\, dF\, C_p, \qquad
    dP = 2 \sum_{ov} \frac{C_v^T\, dF\, C_o}{\epsilon_o - \epsilon_v}\,
         (C_v C_o^T + C_o C_v^T),

o occupied and v empty. Both are linear in dF: what is returned are the symmetric matrices D with
``d value = tr(D dF)``. Single levels within a degenerate set have no derivative, but any symmetric
function of such a set has one, and so has the density as long as the gap is open.
"""

from __future__ import annotations

import numpy as np

from linvop.observables.orbitals import Orbitals

__all__ = ["density_response", "level_response"]


def level_response(levels: Orbitals, weights: np.ndarray) -> np.ndarray:
    r"""Derivatives of sums of levels, ``sum_p w_p eps_p``.

    Parameters
    ----------
    levels : Orbitals
    weights : (k, n) float64
        Of the n lowest levels in each of k sums.

    Returns
    -------
    (k, n_ao, n_ao) float64, symmetric
    """
    C = levels.coefficients[:, : weights.shape[1]]
    return np.einsum("kp,ap,bp->kab", weights, C, C, optimize=True)


def density_response(levels: Orbitals, operators: np.ndarray) -> np.ndarray:
    r"""Derivatives of expectation values ``tr(O P)`` of a closed shell.

    Parameters
    ----------
    levels : Orbitals
        With an open gap.
    operators : (k, n_ao, n_ao) float64, symmetric

    Returns
    -------
    (k, n_ao, n_ao) float64, symmetric
    """
    o, v = np.split(levels.coefficients, [levels.n_occupied], axis=1)
    e_o, e_v = np.split(levels.energies, [levels.n_occupied])
    # (k, v, o): 2 <v|O|o> / (eps_o - eps_v), once for each order of the two orbitals.
    mixed = 2 * (v.T @ operators @ o) / (e_o - e_v[:, None])
    half = v @ mixed @ o.T
    return half + half.transpose(0, 2, 1)
