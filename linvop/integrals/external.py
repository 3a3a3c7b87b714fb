r"""The external potential V, the overlap S and their like, through libcint.

With nuclei K of charge Z_K at R_K, in Hartree,

.. math::

    V_{\mu\nu} = \sum_K -Z_K \langle \mu | v(|r - R_K|) | \nu \rangle, \qquad
    v(r) = 1/r \;\; \text{or, screened,} \;\; \operatorname{erfc}(\sqrt{\zeta}\, r)/r .

The screened v is a point nucleus minus a Gaussian one of exponent zeta (Bohr^-2): every
nucleus is seen as neutral from afar, and V is short-ranged and size-consistent.

Nuclei enter as the points of ``int1e_grids`` (`linvop.integrals.libcint`): that takes a fraction of
the time of ``int1e_nuc``, agrees with it to rounding, knows the short-ranged kernel (negative range
separation) and leaves the contribution of each nucleus apart, so that V per species of nucleus
costs no more than V.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from linvop.errors import InputError
from linvop.integrals.libcint import over_shells, pieces, potential_sums
from linvop.integrals.system import System

__all__ = [
    "checked_charges",
    "overlap",
    "point_charge_potential",
    "potential",
    "source_weights",
    "uniform_field",
]


def overlap(system: System) -> np.ndarray:
    r"""Overlap S, (n_ao, n_ao) float64, PySCF's order."""
    return system.integral("int1e_ovlp_sph")


def potential(
    system: System, *, screening: float | None = None, sources: Sequence[str] | None = None
) -> np.ndarray:
    r"""External potential of the system's nuclei, Hartree, PySCF's order.

    Parameters
    ----------
    system : System
    screening : float, optional
        Exponent zeta (Bohr^-2) of the Gaussian that screens each nucleus.
    sources : sequence of str, optional
        Species of nuclei: one matrix for each instead of their sum. Species that the
        structure lacks give zeros.

    Returns
    -------
    (n_ao, n_ao) or (n_sources, n_ao, n_ao) float64
    """
    found = _weighted(system, system.positions, source_weights(system, sources), screening)
    return found[0] if sources is None else found


def source_weights(system: System, sources: Sequence[str] | None) -> np.ndarray:
    r"""``-Z_K`` where nucleus K belongs to a source, else 0, (n_sources, n_atoms).

    Raises
    ------
    InputError
        If the structure has species that are no sources.
    """
    charges = np.asarray(system.numbers, dtype=float)
    if sources is None:
        return -charges[None]
    symbols = np.asarray(system.layout.symbols)
    lost = set(symbols) - set(sources)
    if lost:
        raise InputError(f"sources {list(sources)}: the structure also has {sorted(lost)}")
    return np.stack([np.where(symbols == s, -charges, 0.0) for s in sources])


def point_charge_potential(
    system: System,
    charges: np.ndarray,
    positions: np.ndarray,
    *,
    screening: float | None = None,
) -> np.ndarray:
    r"""Potential energy of an electron near extra point charges, ``-sum_g q_g v(|r - R_g|)``.

    Parameters
    ----------
    system : System
    charges : (n_points,) in units of e; a nucleus counts +Z
    positions : (n_points, 3), Bohr
    screening : float, optional
        As in `potential`.

    Returns
    -------
    (n_ao, n_ao) float64, Hartree, PySCF's order
    """
    charges, positions = checked_charges(charges, positions)
    return _weighted(system, positions, -charges[None], screening)[0]


def checked_charges(charges: np.ndarray, positions: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    r"""Point charges (n_points,) and their positions (n_points, 3), as arrays.

    Raises
    ------
    InputError
        For other shapes, and what is not finite.
    """
    charges = np.atleast_1d(np.asarray(charges, dtype=float))
    positions = np.atleast_2d(np.asarray(positions, dtype=float))
    if positions.shape != (len(charges), 3):
        raise InputError(
            f"point charges: expected positions of shape ({len(charges)}, 3), got {positions.shape}"
        )
    if not (np.isfinite(charges).all() and np.isfinite(positions).all()):
        raise InputError("point charges: expected finite charges and positions")
    return charges, positions


def uniform_field(
    system: System, field: np.ndarray, origin: np.ndarray | None = None
) -> np.ndarray:
    r"""Potential energy of an electron in a uniform electric field E, ``+E . (r - origin)``.

    Parameters
    ----------
    system : System
    field : (3,) float64, Hartree / (e Bohr)
    origin : (3,) float64, Bohr, optional

    Returns
    -------
    (n_ao, n_ao) float64, Hartree, PySCF's order
    """
    field = np.asarray(field, dtype=float)
    if field.shape != (3,) or not np.isfinite(field).all():
        raise InputError(f"field: expected three finite numbers, got {field!r}")
    env = system.env_about(np.zeros(3) if origin is None else origin)
    return np.tensordot(field, system.integral("int1e_r_sph", components=3, env=env), axes=1)


def _weighted(
    system: System, points: np.ndarray, weights: np.ndarray, screening: float | None
) -> np.ndarray:
    r"""``sum_g weights[s, g] <mu| v(|r - R_g|) |nu>``, (n_sets, n_ao, n_ao), PySCF's order."""
    atm, bas, _, ao_loc = system.libcint
    n_ao, env = system.layout.n_ao, system.env_screened(screening)
    points, weights = np.ascontiguousarray(points), np.ascontiguousarray(weights)
    out = np.zeros((len(weights), n_ao, n_ao))

    def of_shells(first: int, last: int) -> None:
        for some in pieces(len(points)):
            given = points[some], np.ascontiguousarray(weights[:, some])
            potential_sums(atm, bas, env, ao_loc, *given, first, last, out)

    over_shells(of_shells, ao_loc, len(points))
    return out
