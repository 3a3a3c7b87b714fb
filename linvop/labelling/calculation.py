r"""One structure, one self-consistent calculation with PySCF.

Energy  total, eV.
Forces  -dE/dR, eV/Angstrom, of the energy as it is calculated: for functionals the derivatives
        of the grid's points and weights are included (PySCF's ``grid_response``), so that
        forces add up to zero and agree with finite differences of the energy.
Dipole  about the centre of nuclear charge, e Angstrom: mu = -tr(P r); the nuclei add nothing.
Fock    F(P) of the final density, without level shift; orbital energies are its eigenvalues,
        F C = S C eps, so that what is stored together belongs together.

SCF. DIIS first; then, if that fails, DIIS with level shift and damping, released at the end;
then second-order (Newton) steps. What is still not converged, or whose occupation is not the
lowest-energy one of its own Fock matrix, raises `ConvergenceError` and is no label. The
grid is never changed for one structure: its energy would not fit the others'.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np

from linvop.conventions import BOHR, HARTREE
from linvop.errors import ConvergenceError, InputError
from linvop.integrals import System, molecule
from linvop.io.dipoles import centre_of_nuclear_charge
from linvop.io.records import Record
from linvop.labelling.settings import Settings

__all__ = ["calculate"]

_LEVEL_SHIFT = 0.3
_DAMPING = 0.5
_DAMPED_CYCLES = 10


def calculate(structure: Record, settings: Settings, matrices: bool = True) -> Record:
    r"""Return the record of a structure with its labels.

    Parameters
    ----------
    structure : Record
        Numbers, positions, charge and multiplicity.
    settings : Settings
    matrices : bool
        Whether Fock, density and overlap are kept, if the settings ask for them.

    Raises
    ------
    ConvergenceError
        If the SCF does not converge, with what was tried; or if PySCF fails on the structure.
    InputError
        If PySCF lacks what the settings need.
    """
    try:
        mf = _mean_field(structure, settings)
        _converge(mf, settings)
        return _labelled(structure, mf, settings, matrices)
    except ImportError as error:
        raise InputError(f"xc {settings.xc!r}: PySCF needs another package: {error}") from error
    except InputError:
        raise
    except (ArithmeticError, RuntimeError, ValueError) as error:
        raise ConvergenceError(f"PySCF failed: {type(error).__name__}: {error}") from error


def _mean_field(structure: Record, settings: Settings) -> Any:
    """PySCF's mean-field object, ready to run."""
    from pyscf import dft, scf

    numbers = tuple(int(z) for z in structure.numbers)
    system = System(numbers, structure.positions / BOHR, settings.basis)
    mol = molecule(system, structure.charge, structure.multiplicity)
    method = settings.method
    if method == "auto":
        method = "rks" if structure.multiplicity == 1 else "uks"
    if settings.is_dft:
        mf = getattr(dft, method.upper())(mol, xc=settings.xc)
        mf.grids.level = settings.grid_level
    else:
        mf = getattr(scf, method.upper())(mol)
    mf.chkfile = None
    mf.conv_tol = settings.conv_tol
    mf.conv_tol_grad = settings.gradient_tol
    mf.max_cycle = settings.max_cycle
    return mf


def _diis(mf: Any) -> None:
    mf.kernel()


def _shifted(mf: Any) -> None:
    """With level shift and damping, then without from where that ended."""
    start = mf.diis_start_cycle
    mf.level_shift, mf.damp, mf.diis_start_cycle = _LEVEL_SHIFT, _DAMPING, _DAMPED_CYCLES
    mf.kernel()
    mf.level_shift, mf.damp, mf.diis_start_cycle = 0, 0, start
    mf.kernel(dm0=mf.make_rdm1())


def _second_order(mf: Any) -> None:
    """Newton steps from where the last attempt ended."""
    newton = mf.newton()
    newton.kernel(dm0=mf.make_rdm1())
    for name in ("converged", "e_tot", "mo_energy", "mo_coeff", "mo_occ"):
        setattr(mf, name, getattr(newton, name))


_ATTEMPTS: dict[str, Callable[[Any], None]] = {
    "DIIS": _diis,
    "level shift and damping": _shifted,
    "second-order steps": _second_order,
}


def _converge(mf: Any, settings: Settings) -> None:
    tried = []
    for name, attempt in _ATTEMPTS.items():
        attempt(mf)
        if mf.converged:
            return
        tried.append(name)
        if not settings.retry:
            break
    raise ConvergenceError(
        f"SCF not converged in {settings.max_cycle} cycles (tried: {', '.join(tried)})"
    )


def _labelled(structure: Record, mf: Any, settings: Settings, matrices: bool) -> Record:
    density = np.asarray(mf.make_rdm1())
    overlap = mf.get_ovlp()
    core = mf.get_hcore()
    potential = mf.get_veff(mf.mol, density)
    fock = np.asarray(mf.get_fock(core, overlap, potential, density))
    levels, orbitals = mf.eig(fock, overlap)
    occupations = mf.get_occ(levels, orbitals)
    moved = np.abs(mf.make_rdm1(orbitals, occupations) - density).max()
    # 1000 times the tolerance: levels close to each other turn a small gradient into more.
    if moved > 1e3 * settings.gradient_tol:
        raise ConvergenceError(
            f"SCF ended in a state that is not the lowest of its own Fock matrix "
            f"(its density would move by {moved:.2g})"
        )
    found: dict[str, Any] = {"energy": float(mf.energy_tot(density, core, potential)) * HARTREE}
    if not np.isfinite(found["energy"]):
        raise ConvergenceError(f"SCF ended at an energy of {found['energy']}")
    wanted = settings.quantities
    if "forces" in wanted:
        gradient = mf.nuc_grad_method()
        if settings.is_dft:
            gradient.grid_response = True
        found["forces"] = -gradient.kernel() * (HARTREE / BOHR)
    if "dipole" in wanted:
        found["dipole"] = _dipole(structure, mf, density)
    if "orbital_energies" in wanted:
        found |= {"orbital_energies": levels * HARTREE, "occupations": occupations}
    if matrices:
        kept = {"fock": fock, "density": density, "overlap": overlap}
        found |= {n: _symmetric(m) for n, m in kept.items() if n in wanted}
    return replace(structure, spin_channels=2 if fock.ndim == 3 else 1, **found)


def _symmetric(matrix: np.ndarray) -> np.ndarray:
    """Without the rounding that PySCF leaves between a matrix and its transpose."""
    return (matrix + np.swapaxes(matrix, -1, -2)) / 2


def _dipole(structure: Record, mf: Any, density: np.ndarray) -> np.ndarray:
    r"""Return -tr(P (r - R)) with R the centre of nuclear charge: the nuclei's share is zero."""
    origin = centre_of_nuclear_charge(structure.numbers, structure.positions / BOHR)
    with mf.mol.with_common_orig(origin):
        r = mf.mol.intor_symmetric("int1e_r")
    total = density.sum(axis=0) if density.ndim == 3 else density
    return -np.einsum("xpq,qp->x", r, total) * BOHR
