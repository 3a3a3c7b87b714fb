r"""V between neighbours alone, and how far what is made of it feels an atom move.

Atoms i, j, K are neighbours if their distance is below r_cut; each is its own neighbour. With

.. math:: V_{ij} = \sum_{K \sim i, j} -Z_K \langle i | 1/|r - R_K| | j \rangle
          \;\text{ if } i \sim j, \text{ else } 0

a product of kappa factors is a sum over walks of kappa steps between neighbours, steps on the
spot included, and each step sees the neighbours that its two ends share. From site i, in bonds,

===========================  ===========================  =====================================
                             nuclei of both ends          nuclei of either end
===========================  ===========================  =====================================
row i of V^kappa             kappa                        kappa + 1
block (i, i) of V^kappa      ceil(kappa / 2)              floor(kappa / 2) + 1
===========================  ===========================  =====================================

A walk to the d-th neighbour takes d steps, and a step on the spot there sees one further: a row may
end there, on-site blocks have to walk back. The sensitivity to atom k is

.. math:: s_k = \Big( \sum_x \| \partial W / \partial R_{kx} \|_F^2 \Big)^{1/2},

its derivatives exact (dV of `linvop.integrals`, nucleus by nucleus) and beyond the reach exactly 0.
"""

from __future__ import annotations

import numpy as np

from linvop.errors import InputError
from linvop.integrals import System
from linvop.integrals.external import source_weights
from linvop.integrals.system import over_points

__all__ = [
    "front",
    "layer",
    "layer_sensitivity",
    "neighbours",
    "potential_and_motion",
    "sensitivity",
]


def neighbours(positions: np.ndarray, r_cut: float) -> np.ndarray:
    r"""Which atoms are nearer than r_cut, (n_atoms, n_atoms) bool; each is to itself."""
    return np.linalg.norm(positions[:, None] - positions, axis=2) < r_cut


def potential_and_motion(
    system: System,
    atoms: np.ndarray,
    near: np.ndarray | None = None,
    *,
    nuclei: str = "both",
    screening: float | None = None,
) -> tuple[np.ndarray, np.ndarray]:
    r"""V and dV/dR_k, between neighbours alone or whole.

    Parameters
    ----------
    system : System
    atoms : (n,) int
        Atoms k that move.
    near : (n_atoms, n_atoms) bool, optional
        Of `neighbours`; without, nothing is cut.
    nuclei : {"both", "either"}
        Those that act in a block: neighbours of both of its atoms, or of one.
    screening : float, optional
        As for `linvop.integrals.potential`.

    Returns
    -------
    V : (n_ao, n_ao) float64, Hartree, PySCF's order
    dV : (n, 3, n_ao, n_ao) float64, Hartree/Bohr
        The neighbours stay who they are.

    Raises
    ------
    InputError
        For other `nuclei`.
    """
    acts = _acting(system, near, nuclei)
    weights = source_weights(system, None)[0]
    n_ao, points = system.layout.n_ao, system.positions
    V, by_aos = np.zeros((n_ao, n_ao)), np.zeros((3, n_ao, n_ao))
    dV = np.zeros((len(atoms), 3, n_ao, n_ao))
    for piece, found in over_points(system, "int1e_grids_sph", 1, points, screening):
        V += (found[0] * acts[..., piece]) @ weights[piece]
    for piece, found in over_points(system, "int1e_grids_ip_sph", 3, points, screening):
        weighted = found.swapaxes(1, 2) * acts[..., piece] * weights[piece]
        by_aos += weighted.sum(axis=-1)
        for k, atom in enumerate(atoms):
            if piece.start <= atom < piece.stop:
                dV[k] += weighted[..., atom - piece.start]
    starts = system.layout.atom_offsets
    for k, atom in enumerate(atoms):
        own = slice(starts[atom], starts[atom + 1])
        dV[k][:, own] -= by_aos[:, own]
    return V, dV + dV.swapaxes(-1, -2)


def _acting(system: System, near: np.ndarray | None, nuclei: str) -> np.ndarray:
    """Which nuclei act between which AOs, (n_ao, n_ao, n_atoms) of 0 and 1."""
    n_ao, n_atoms = system.layout.n_ao, system.layout.n_atoms
    if nuclei not in ("both", "either"):
        raise InputError(f"nuclei: expected both or either, got {nuclei!r}")
    if near is None:
        return np.ones((n_ao, n_ao, n_atoms))
    one, other = near[:, None, :], near[None, :, :]
    acts = near[:, :, None] & (one & other if nuclei == "both" else one | other)
    of = np.repeat(np.arange(n_atoms), np.diff(system.layout.atom_offsets))
    return acts[of[:, None], of].astype(float)


def sensitivity(
    V: np.ndarray, dV: np.ndarray, own: slice, kappas: int
) -> tuple[np.ndarray, np.ndarray]:
    r"""Sensitivities of on-site blocks, and of rows of blocks, of V^kappa.

    Parameters
    ----------
    V : (n_ao, n_ao) float64
    dV : (n, 3, n_ao, n_ao) float64
    own : slice
        AOs of the site.
    kappas : int
        Largest kappa.

    Returns
    -------
    site, row : (kappas, n) float64
    """
    W, dW = V[own], dV[:, :, own]
    site, row = [], []
    for kappa in range(1, kappas + 1):
        if kappa > 1:
            W, dW = W @ V, dW @ V + W @ dV
        site.append(np.sqrt(np.square(dW[..., own]).sum(axis=(1, 2, 3))))
        row.append(np.sqrt(np.square(dW).sum(axis=(1, 2, 3))))
    return np.array(site), np.array(row)


def layer(positions: np.ndarray, atoms: np.ndarray, r_cut: float) -> tuple[np.ndarray, np.ndarray]:
    r"""The uniform layer A(R_ij) = (1 + cos(pi R_ij / r_cut)) / 2, 0 from r_cut on; and dA/dR_k.

    Parameters
    ----------
    positions : (n_atoms, 3) float64, Bohr
    atoms : (n,) int
    r_cut : float, Bohr

    Returns
    -------
    A : (n_atoms, n_atoms) float64
    dA : (n, 3, n_atoms, n_atoms) float64, 1/Bohr
    """
    apart = positions[:, None] - positions
    R = np.linalg.norm(apart, axis=2)
    x = np.pi * np.minimum(R, r_cut) / r_cut
    A, slope = 0.5 * (1.0 + np.cos(x)), -0.5 * np.pi / r_cut * np.sin(x)
    A[r_cut <= R] = slope[r_cut <= R] = 0.0  # sin(pi) is not quite zero
    along = slope[..., None] * apart / np.where(R > 0, R, 1.0)[..., None]
    dA = np.zeros((len(atoms), 3, *A.shape))
    for k, atom in enumerate(atoms):
        dA[k][:, atom, :] += along[atom].T
        dA[k][:, :, atom] += along[atom].T
    return A, dA


def layer_sensitivity(A: np.ndarray, dA: np.ndarray, site: int, layers: int) -> np.ndarray:
    r"""Of h_site after t layers ``h(t + 1) = A h(t)``, h(0) = 1: (layers, n) float64."""
    h, dh = np.ones(len(A)), np.zeros((*dA.shape[:2], len(A)))
    found = []
    for _ in range(layers):
        h, dh = A @ h, dA @ h + dh @ A.T
        found.append(np.linalg.norm(dh[..., site], axis=1))
    return np.array(found)


def front(values: np.ndarray) -> list[int]:
    r"""The furthest k that each row of (kappas, n) feels at all: the last that is not 0."""
    return [int(np.flatnonzero(row).max(initial=0)) for row in values]
