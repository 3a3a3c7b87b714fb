r"""Geometries about a minimum, drawn from the harmonic oscillators of its normal modes.

.. math:: x = x_0 + M^{-1/2} \sum_k e_k Q_k, \qquad
          Q_k \sim N\Bigl(0, \frac{\hbar}{2 \omega_k}
          \coth \frac{\hbar \omega_k}{2 k_B T}\Bigr)

with e_k, omega_k^2 the eigenvectors and eigenvalues of the mass-weighted Hessian: the exact thermal
distribution of the positions in the harmonic field, zero-point motion included. The six (five)
modes of the rigid body are left out.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from linvop.conventions import BOHR, HARTREE
from linvop.errors import ConvergenceError, InputError
from linvop.integrals import System, molecule
from linvop.orbitals.shells import AOBasis

if TYPE_CHECKING:
    from ase import Atoms

__all__ = ["NormalModes", "normal_modes"]

_ELECTRON_MASSES = 1822.888486209
"""Of an atomic mass unit (CODATA 2018)."""

_KELVIN = 8.617333262e-5 / HARTREE
"""Hartree."""

_LEAST_FORCE = 5e-3
"""eV/Angstrom, the largest on an atom of a minimum."""


@dataclass(frozen=True)
class NormalModes:
    r"""A minimum and its vibrations.

    Attributes
    ----------
    numbers : (n_atoms,) int64
    positions : (n_atoms, 3) float64, Angstrom
    frequencies : (n_modes,) float64, Hartree
        hbar omega, ascending.
    displacements : (n_modes, n_atoms, 3) float64
        M^-1/2 e_k: Bohr per unit of Q, in atomic units.
    """

    numbers: np.ndarray
    positions: np.ndarray
    frequencies: np.ndarray
    displacements: np.ndarray

    def widths(self, kelvin: float) -> np.ndarray:
        r"""Standard deviations of the Q_k, atomic units."""
        w = self.frequencies
        if kelvin == 0:
            return np.sqrt(0.5 / w)
        return np.sqrt(0.5 / (w * np.tanh(0.5 * w / (kelvin * _KELVIN))))

    def sample(self, n: int, kelvin: float = 300.0, seed: int = 2026) -> list[Atoms]:
        r"""`n` geometries at a temperature; a larger `n` only appends.

        Raises
        ------
        InputError
            For no structures, or a negative temperature.
        """
        from ase import Atoms

        if n < 1 or kelvin < 0:
            raise InputError(f"sample: expected n >= 1 and kelvin >= 0, got {n} and {kelvin}")
        Q = self.widths(kelvin) * np.random.default_rng(seed).normal(
            size=(n, len(self.frequencies))
        )
        moved = self.positions + BOHR * np.einsum("nk,kax->nax", Q, self.displacements)
        return [Atoms(self.numbers, positions=x) for x in moved]


def normal_modes(atoms: Atoms, ao: str = "sto-3g", steps: int = 200) -> NormalModes:
    r"""Relax a closed-shell molecule at Hartree-Fock level, and take its modes.

    Parameters
    ----------
    atoms : ase.Atoms
        Near the minimum.
    ao : str
    steps : int
        Of the relaxation, at most.

    Raises
    ------
    ConvergenceError
        If the relaxation or an SCF does not converge, or ends in a saddle point.
    """
    from ase.optimize import BFGS

    moving = atoms.copy()
    moving.calc = _hartree_fock(ao)
    if not BFGS(moving, logfile=None).run(fmax=_LEAST_FORCE, steps=steps):
        raise ConvergenceError(f"normal modes: {steps} steps do not relax {atoms.symbols}")
    mf = _converged(moving, ao)
    H = np.asarray(mf.Hessian().kernel()).transpose(0, 2, 1, 3)
    n = len(atoms)
    H = 0.5 * (H.reshape(3 * n, 3 * n) + H.reshape(3 * n, 3 * n).T)
    root = 1 / np.sqrt(np.repeat(moving.get_masses() * _ELECTRON_MASSES, 3))
    rigid = _rigid_modes(moving.positions / BOHR, 1 / root)
    keep = np.eye(3 * n) - rigid @ rigid.T
    squares, e = np.linalg.eigh(keep @ (root[:, None] * H * root) @ keep)
    order = np.argsort(np.abs(squares))[rigid.shape[1] :]  # what the projection made zero
    order = order[np.argsort(squares[order])]
    if (squares[order] <= 0).any():
        raise ConvergenceError(f"normal modes: {atoms.symbols} is no minimum of HF/{ao}")
    shapes = (root[:, None] * e[:, order]).T.reshape(-1, n, 3)
    return NormalModes(moving.numbers.copy(), moving.positions, np.sqrt(squares[order]), shapes)


def _rigid_modes(positions: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Mass-weighted translations and rotations, orthonormal, (3 n_atoms, 6 or 5)."""
    n = len(positions)
    about = positions - positions.mean(axis=0)
    moves = [np.tile(axis, (n, 1)) for axis in np.eye(3)]
    moves += [np.cross(axis, about) for axis in np.eye(3)]
    M = np.stack([m.ravel() * weights for m in moves], axis=1)
    U, s, _ = np.linalg.svd(M / np.linalg.norm(M, axis=0).max(), full_matrices=False)
    return U[:, s > 1e-6 * s[0]]


def _converged(atoms: Atoms, ao: str) -> Any:
    from pyscf import scf

    mf = scf.RHF(molecule(System.from_atoms(atoms, AOBasis(ao)), 0, 1))
    mf.verbose, mf.conv_tol = 0, 1e-10
    mf.kernel()
    if not mf.converged:
        raise ConvergenceError(f"normal modes: the SCF of {atoms.symbols} does not converge")
    return mf


def _hartree_fock(ao: str) -> Any:
    """An ASE calculator of HF energies and forces."""
    from ase.calculators.calculator import Calculator, all_changes

    class HartreeFock(Calculator):
        implemented_properties = ["energy", "forces"]  # noqa: RUF012 - what ASE asks for

        def calculate(self, atoms=None, properties=("energy",), system_changes=all_changes):
            super().calculate(atoms, properties, system_changes)
            moving: Any = self.atoms  # super() has put them there
            mf = _converged(moving, ao)
            gradient = mf.nuc_grad_method().kernel()
            self.results = {
                "energy": mf.e_tot * HARTREE,
                "forces": -gradient * HARTREE / BOHR,
            }

    return HartreeFock()
