r"""The matrices dV/dR_A and dS/dR_A themselves, a few atoms at a time.

An AO moves with its atom and v(|r - R_K|) with its nucleus (`linvop.integrals.gradients`). With
``D^K_{\mu\nu} = <\nabla \mu| v(|r - R_K|) |\nu>`` and the weights w_sK of the nuclei in source s,

.. math::

    \frac{dV_s}{dR_A} = w_{sA} D^A - P_A \sum_K w_{sK} D^K + \text{transposed}, \qquad
    \frac{dS}{dR_A} = - P_A \langle\nabla\mu|\nu\rangle + \text{transposed},

P_A the rows of the AOs of A. Design rows of forces need them; forces do not.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from linvop.integrals.external import source_weights
from linvop.integrals.system import System, over_points

__all__ = ["overlap_motion", "potential_motion"]


def potential_motion(
    system: System,
    atoms: Sequence[int],
    *,
    screening: float | None = None,
    sources: Sequence[str] | None = None,
) -> np.ndarray:
    r"""``dV_s / dR_A`` for some atoms A.

    Parameters
    ----------
    system : System
    atoms : sequence of int
    screening, sources
        As for `linvop.integrals.potential`.

    Returns
    -------
    (len(atoms), 3, n_sources, n_ao, n_ao) float64, Hartree/Bohr, PySCF's order
        Symmetric; one source if they are not told apart.
    """
    weights = source_weights(system, sources)
    n_ao, n_sources = system.layout.n_ao, len(weights)
    by_aos = np.zeros((3, n_sources, n_ao, n_ao))
    out = np.zeros((len(atoms), 3, n_sources, n_ao, n_ao))
    pieces = over_points(system, "int1e_grids_ip_sph", 3, system.positions, screening)
    for piece, D in pieces:
        by_aos += np.einsum("sg,xnmg->xsmn", weights[:, piece], D)
        for k, atom in enumerate(atoms):
            if piece.start <= atom < piece.stop:
                of_nucleus = D[..., atom - piece.start].swapaxes(1, 2)
                out[k] += weights[:, atom, None, None] * of_nucleus[:, None]
    for k, own in enumerate(_own_aos(system, atoms)):
        out[k][:, :, own] -= by_aos[:, :, own]
    return out + out.swapaxes(-1, -2)


def overlap_motion(system: System, atoms: Sequence[int]) -> np.ndarray:
    r"""``dS / dR_A`` for some atoms A, (len(atoms), 3, n_ao, n_ao), 1/Bohr."""
    n_ao = system.layout.n_ao
    D = system.integral("int1e_ipovlp_sph", 3, symmetric=False)
    out = np.zeros((len(atoms), 3, n_ao, n_ao))
    for k, own in enumerate(_own_aos(system, atoms)):
        out[k][:, own] -= D[:, own]
    return out + out.swapaxes(-1, -2)


def _own_aos(system: System, atoms: Sequence[int]) -> list[slice]:
    offsets = system.layout.atom_offsets
    return [slice(offsets[a], offsets[a + 1]) for a in atoms]
