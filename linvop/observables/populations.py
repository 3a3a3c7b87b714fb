r"""Charges of atoms and orders of bonds.

.. math::

    q_A^{Mulliken} = Z_A - \sum_{\mu \in A} (P S)_{\mu\mu}, \qquad
    q_A^{Lowdin} = Z_A - \sum_{\mu \in A} (S^{1/2} P S^{1/2})_{\mu\mu},

    B_{AB}^{Mayer} = 2 \sum_s \sum_{\mu \in A} \sum_{\nu \in B} (P^s S)_{\mu\nu} (P^s S)_{\nu\mu},

with P = P^alpha + P^beta; for closed shells B is the sum of (P S)(P S) with the total P. Charges of
either kind add up to that of the molecule. I. Mayer, Chem. Phys. Lett. 97, 270 (1983).
"""

from __future__ import annotations

import numpy as np

from linvop.orbitals.shells import AOLayout

__all__ = ["lowdin_charges", "mayer_bond_orders", "mulliken_charges"]


def _of_atoms(per_ao: np.ndarray, layout: AOLayout) -> np.ndarray:
    """Sums over the AOs of each atom, along the first axis."""
    return np.add.reduceat(per_ao, layout.atom_offsets[:-1], axis=0)


def mulliken_charges(P: np.ndarray, S: np.ndarray, layout: AOLayout) -> np.ndarray:
    r"""Mulliken charges (n_atoms,), e, of the total density P (n_ao, n_ao)."""
    return np.asarray(layout.numbers) - _of_atoms(np.einsum("pq,qp->p", P, S), layout)


def lowdin_charges(P: np.ndarray, root: np.ndarray, layout: AOLayout) -> np.ndarray:
    r"""Lowdin charges (n_atoms,), e, of the total density P; root is ``S^(1/2)``."""
    return np.asarray(layout.numbers) - _of_atoms(np.diag(root @ P @ root), layout)


def mayer_bond_orders(channels: np.ndarray, S: np.ndarray, layout: AOLayout) -> np.ndarray:
    r"""Mayer bond orders, (n_atoms, n_atoms), symmetric, zero on the diagonal.

    Parameters
    ----------
    channels : (2, n_ao, n_ao) float64
        Density of each spin; of closed shells two halves.
    S : (n_ao, n_ao) float64
    layout : AOLayout
    """
    PS = channels @ S
    pairs = 2 * np.einsum("spq,sqp->pq", PS, PS)
    orders = _of_atoms(_of_atoms(pairs, layout).T, layout)
    np.fill_diagonal(orders, 0.0)
    return 0.5 * (orders + orders.T)
