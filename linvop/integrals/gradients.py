r"""Gradients of ``tr(G V)`` and ``tr(G S)`` by the positions of nuclei and charges.

An AO moves with its atom, ``d|mu>/dR_A = -\nabla |mu>`` for mu on A, and v(|r - R_K|) with its
nucleus. Moving everything changes nothing, so the nucleus' part is the opposite of that of all
AOs; with a symmetric G and ``D^K_{\mu\nu} = <\nabla \mu| v(|r - R_K|) |\nu>``,

.. math::

    t^K_\mu = -2 Z_K \sum_\nu G_{\mu\nu} D^K_{\mu\nu}, \qquad
    \frac{d \operatorname{tr}(G V)}{d R_A}
        = \sum_\mu t^A_\mu - \sum_{\mu \in A} \sum_K t^K_\mu .

D is contracted as it is made, a pair of shells at a time: dV/dR of all atoms, (3 n_atoms, n_ao,
n_ao), is never held.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from linvop.errors import InputError
from linvop.integrals.external import checked_charges, source_weights
from linvop.integrals.libcint import gradient_sums, over_shells, pieces
from linvop.integrals.system import System

__all__ = ["overlap_gradient", "point_charge_gradient", "potential_gradient"]


def potential_gradient(
    system: System,
    G: np.ndarray,
    *,
    screening: float | None = None,
    sources: Sequence[str] | None = None,
) -> np.ndarray:
    r"""``sum_s d tr(G_s V_s) / dR_A``, G held fixed.

    Parameters
    ----------
    system : System
    G : (n_ao, n_ao), or (n_sources, n_ao, n_ao) with sources; float64, PySCF's order
        What counts is its symmetric part, as V is symmetric.
    screening, sources
        As for `linvop.integrals.potential`.

    Returns
    -------
    (n_atoms, 3) float64
        In the units of tr(G V) per Bohr.
    """
    weights = source_weights(system, sources)
    square = _square(system)
    G = _checked(G, square if sources is None else (len(weights), *square)).reshape(-1, *square)
    on_aos, on_nuclei = _moved(system, G, weights, system.positions, screening)
    return on_aos + on_nuclei


def point_charge_gradient(
    system: System,
    G: np.ndarray,
    charges: np.ndarray,
    positions: np.ndarray,
    *,
    screening: float | None = None,
) -> tuple[np.ndarray, np.ndarray]:
    r"""Gradient of ``tr(G V_ext)``, V_ext of `linvop.integrals.point_charge_potential`.

    Returns
    -------
    (n_atoms, 3), (n_points, 3) float64
        By the positions of the atoms, through their AOs, and by those of the charges.
    """
    charges, positions = checked_charges(charges, positions)
    G = _checked(G, _square(system))
    return _moved(system, G[None], -charges[None], positions, screening)


def overlap_gradient(system: System, G: np.ndarray) -> np.ndarray:
    r"""``d tr(G S) / dR_A``, G held fixed, (n_atoms, 3)."""
    G = _symmetric(_checked(G, _square(system)))
    D = system.integral("int1e_ipovlp_sph", 3, symmetric=False)
    return -2 * _by_atom(system, np.einsum("mn,xmn->mx", G, D))


def _moved(
    system: System,
    G: np.ndarray,
    weights: np.ndarray,
    points: np.ndarray,
    screening: float | None,
) -> tuple[np.ndarray, np.ndarray]:
    """Gradients by the atoms of the AOs, and by the points."""
    atm, bas, _, ao_loc = system.libcint
    n_ao, env = system.layout.n_ao, system.env_screened(screening)
    points, weights, G = (np.ascontiguousarray(x) for x in (points, weights, _symmetric(G)))

    def of_shells(first: int, last: int) -> tuple[np.ndarray, np.ndarray]:
        by_aos, by_points = np.zeros((n_ao, 3)), np.zeros((len(points), 3))
        for some in pieces(len(points)):
            given = points[some], np.ascontiguousarray(weights[:, some]), G
            gradient_sums(atm, bas, env, ao_loc, *given, first, last, by_aos, by_points[some])
        return by_aos, by_points

    parts = over_shells(of_shells, ao_loc, 3 * len(points))
    on_aos, on_points = (sum(part) for part in zip(*parts, strict=True))
    return -_by_atom(system, on_aos), on_points


def _by_atom(system: System, of_aos: np.ndarray) -> np.ndarray:
    """Sum what belongs to AOs, (n_ao, 3), over those of each atom."""
    return np.add.reduceat(of_aos, system.layout.atom_offsets[:-1], axis=0)


def _square(system: System) -> tuple[int, int]:
    return system.layout.n_ao, system.layout.n_ao


def _symmetric(G: np.ndarray) -> np.ndarray:
    return 0.5 * (G + np.swapaxes(G, -1, -2))


def _checked(G: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    G = np.asarray(G, dtype=float)
    if G.shape != shape:
        raise InputError(f"G: expected shape {shape}, got {G.shape}")
    return G
