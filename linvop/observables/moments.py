r"""Dipole and quadrupole of nuclei and electrons, about the centre of nuclear charge R0.

With q the charges (nuclei Z_K at R_K, electrons -1) and x = r - R0,

.. math:: \mu_a = \sum q\, x_a = -\operatorname{tr}(P\, x_a), \qquad
          \Theta_{ab} = \tfrac12 \sum q\, (3 x_a x_b - \delta_{ab} x^2) .

The nuclei add nothing to the dipole: R0 is where theirs vanishes. The quadrupole is traceless, in
Buckingham's convention, which is PySCF's ``quad_moment`` too (its default origin is 0).
"""

from __future__ import annotations

import numpy as np

from linvop.conventions import BOHR
from linvop.integrals import System
from linvop.io.dipoles import centre_of_nuclear_charge

__all__ = ["dipole", "dipole_operators", "quadrupole"]

_PTR_ORIGIN = 1
"""Of libcint's env."""


def _origin(system: System) -> np.ndarray:
    return centre_of_nuclear_charge(np.asarray(system.numbers), system.positions)


def _integral(system: System, name: str, components: int) -> np.ndarray:
    """About the centre of nuclear charge, (components, n_ao, n_ao)."""
    env = system.libcint[2].copy()
    env[_PTR_ORIGIN : _PTR_ORIGIN + 3] = _origin(system)
    return system.integral(name, components=components, env=env)


def _electrons(system: System, P: np.ndarray, name: str, components: int) -> np.ndarray:
    """``tr(P name)`` of each component, about the centre of nuclear charge."""
    return np.einsum("xpq,qp->x", _integral(system, name, components), P)


def dipole_operators(system: System) -> np.ndarray:
    r"""x, y and z about the centre of nuclear charge, (3, n_ao, n_ao), Bohr, PySCF's order."""
    return _integral(system, "int1e_r_sph", 3)


def dipole(system: System, P: np.ndarray) -> np.ndarray:
    r"""Dipole (3,), e Angstrom, of the total density P (n_ao, n_ao)."""
    return -_electrons(system, P, "int1e_r_sph", 3) * BOHR


def quadrupole(system: System, P: np.ndarray) -> np.ndarray:
    r"""Traceless quadrupole (3, 3), e Angstrom^2, of the total density P (n_ao, n_ao)."""
    x = system.positions - _origin(system)
    nuclei = np.einsum("k,ka,kb->ab", np.asarray(system.numbers, float), x, x)
    second = nuclei - _electrons(system, P, "int1e_rr_sph", 9).reshape(3, 3)
    return (1.5 * second - 0.5 * np.trace(second) * np.eye(3)) * BOHR**2
