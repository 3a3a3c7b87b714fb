r"""The energy of a density, by PySCF's functional evaluated once.

.. math:: E[P] = \operatorname{tr}(P h) + \tfrac12 \operatorname{tr}(P J[P]) + E_{xc}[P] + E_{nn},
          \qquad F[P] = \partial E / \partial P

No self-consistency: around its minimum E[P] is off by the square of the error of P. F[P] comes with
it at no cost; its distance from commuting with P says how far from self-consistent P is.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from linvop.errors import InputError
from linvop.features.memory import memory_of_machine
from linvop.features.threads import available_cores
from linvop.integrals import System, molecule

__all__ = ["check_functional", "check_grid_level", "evaluated", "evaluated_each"]


def check_functional(xc: str) -> None:
    r"""Refuse what PySCF does not know.

    Raises
    ------
    InputError
    """
    from pyscf.dft import libxc

    if not isinstance(xc, str):
        raise InputError(f"xc: expected the name of a functional, got {xc!r}")
    try:
        known = bool(xc.strip()) and libxc.parse_xc(xc) is not None
    except Exception as error:  # PySCF's parser raises KeyError, ValueError and others
        raise InputError(f"xc: PySCF does not know {xc!r} ({error})") from error
    if not known:
        raise InputError("xc: expected the name of a functional, got an empty one")
    _require_dispersion(xc)


def _require_dispersion(xc: str) -> None:
    """Refuse a dispersion term (b3lyp-d3bj) that PySCF lacks or cannot compute here."""
    from pyscf.scf import dispersion

    try:
        version = dispersion.parse_disp(xc)[1]
    except (NotImplementedError, ValueError) as error:
        raise InputError(f"xc: PySCF does not know {xc!r} ({error})") from error
    if version is None:
        return
    if version not in dispersion.DISP_VERSIONS:
        raise InputError(
            f"xc: expected a dispersion term of {', '.join(dispersion.DISP_VERSIONS)}, got "
            f"{version!r} in {xc!r}"
        )
    if (dispersion.dftd3 if version.startswith("d3") else dispersion.dftd4) is None:
        raise InputError(
            f"xc: the dispersion term {version} of {xc!r} needs the package pyscf-dispersion, "
            "which is not installed"
        )


def check_grid_level(level: object, name: str) -> None:
    r"""Refuse what is no grid level of PySCF, an integer from 0 to 9.

    Raises
    ------
    InputError
    """
    whole = isinstance(level, int | np.integer) and not isinstance(level, bool)
    if not whole or not 0 <= level <= 9:  # type: ignore[operator]
        raise InputError(f"{name}: expected an integer from 0 to 9, got {level!r}")


def evaluated(
    system: System, density: np.ndarray, xc: str, state: tuple[int, int], grid_level: int
) -> tuple[float, np.ndarray]:
    r"""Energy and Fock matrix of a density.

    Parameters
    ----------
    system : System
    density : (n_ao, n_ao) or (2, n_ao, n_ao) float64, PySCF's order
    xc : str
        A functional, or "hf".
    state : (int, int)
        Charge and multiplicity.
    grid_level : int
        PySCF's; labels of `linvop label` have 4.

    Returns
    -------
    energy : float, Hartree
    fock : like density, Hartree
    """
    return evaluated_each(system, [density], xc, state, grid_level)[0]


def evaluated_each(
    system: System,
    densities: Sequence[np.ndarray],
    xc: str,
    state: tuple[int, int],
    grid_level: int,
) -> list[tuple[float, np.ndarray]]:
    r"""E[P] and F[P] of several densities of one structure, on one grid; as `evaluated`.

    All densities are closed shells, or all open ones.
    """
    mf, mol = _mean_field(system, xc, state, grid_level, densities[0].ndim == 3)
    core = mf.get_hcore()
    found = []
    for P in densities:
        potential = mf.get_veff(mol, P)
        fock = np.asarray(mf.get_fock(core, None, potential, P))
        found.append((float(mf.energy_tot(P, core, potential)), fock))
    return found


def _mean_field(
    system: System, xc: str, state: tuple[int, int], grid_level: int, open_shell: bool
) -> tuple[Any, Any]:
    """PySCF's mean field, and its molecule."""
    from pyscf import dft, scf

    if not isinstance(xc, str) or xc.strip().lower() != "hf":
        check_functional(xc)
    check_grid_level(grid_level, "grid_level")
    mol = molecule(system, *state)
    # PySCF keeps two-electron integrals up to this, and threads call this each on their own.
    share = memory_of_machine() / (2 * available_cores())
    mol.max_memory = min(mol.max_memory, share / 1e6)
    spins = "U" if open_shell else "R"
    if xc.strip().lower() == "hf":
        return getattr(scf, f"{spins}HF")(mol), mol
    mf = getattr(dft, f"{spins}KS")(mol, xc=xc)
    mf.grids.level = grid_level
    return mf, mol
