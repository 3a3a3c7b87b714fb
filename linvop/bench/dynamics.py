r"""What a potential is for: energy kept in dynamics, and vibrations beside those of its labels.

*Dynamics*: velocity Verlet in the microcanonical ensemble from a relaxed structure with twice the
kinetic energy of the temperature (half of it becomes potential). The drift is the slope of a
straight line through the total energy; the spread what is left about it, the error of the
integrator.

*Vibrations*: harmonic frequencies at the model's own minimum and, by PySCF with the functional and
AO set of the labels, at that method's.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from time import perf_counter
from typing import TYPE_CHECKING, Any

import numpy as np

from linvop.bench.tables import Table, verdict
from linvop.errors import InputError

if TYPE_CHECKING:
    from ase import Atoms

    from linvop.models.property import PropertyModel

__all__ = ["LARGEST_DRIFT", "dynamics_table", "load_model", "vibrations_table"]

LARGEST_DRIFT = 0.1
"""meV per atom and picosecond."""


def dynamics_table(
    model: PropertyModel,
    atoms: Atoms,
    *,
    picoseconds: float = 20.0,
    femtoseconds: float = 0.5,
    temperature: float = 300.0,
    seed: int = 0,
    progress: Callable[[int, int], None] | None = None,
) -> Table:
    r"""Run dynamics from the relaxed structure and measure the drift of the total energy."""
    from ase import units
    from ase.md.velocitydistribution import MaxwellBoltzmannDistribution, Stationary, ZeroRotation
    from ase.md.verlet import VelocityVerlet

    here = _relaxed(model, atoms)
    rng = np.random.default_rng(seed)
    MaxwellBoltzmannDistribution(here, temperature_K=2 * temperature, rng=rng)
    Stationary(here)
    ZeroRotation(here)
    # Exactly, and in the vibrations, which are all that is left.
    n_free = _n_vibrations(here)
    wanted = n_free * units.kB * temperature  # n_free / 2 of twice the temperature
    here.set_momenta(here.get_momenta() * np.sqrt(wanted / here.get_kinetic_energy()))
    n_steps, every = round(1e3 * picoseconds / femtoseconds), 10
    energies, kelvins, longest = [], [], []
    bonds = _bonds(here)

    def look() -> None:
        energies.append(here.get_total_energy())
        kelvins.append(2 * here.get_kinetic_energy() / (n_free * units.kB))
        r = here.positions[bonds[:, 0]] - here.positions[bonds[:, 1]]
        longest.append(float(np.linalg.norm(r, axis=1).max()))
        if progress is not None:
            progress(min(n_steps, (len(energies) - 1) * every), n_steps)

    dynamics = VelocityVerlet(here, timestep=femtoseconds * units.fs)
    dynamics.attach(look, interval=every)
    start = perf_counter()
    dynamics.run(n_steps)
    seconds = perf_counter() - start
    time = np.arange(len(energies)) * every * femtoseconds * 1e-3
    per_atom = 1e3 * np.asarray(energies) / len(here)
    slope, first = np.polyfit(time, per_atom, 1)
    row = {
        "ps": picoseconds,
        "step, fs": femtoseconds,
        "mean T, K": float(np.mean(kelvins)),
        "drift, meV/atom/ps": float(slope),
        "spread, meV/atom": float(np.std(per_atom - first - slope * time)),
        "longest bond, A": max(longest),
        "ms a step": 1e3 * seconds / n_steps,
        "target": LARGEST_DRIFT,
        "met": verdict(abs(float(slope)), LARGEST_DRIFT),
    }
    notes = [
        f"{here.get_chemical_formula()}, microcanonical, velocity Verlet, started from the model's "
        f"minimum with the kinetic energy of {2 * temperature:g} K in its vibrations, which no "
        "translation or rotation is added to; ms of wall time.",
    ]
    return Table("dynamics", "Molecular dynamics", [row], notes)


def vibrations_table(model: PropertyModel, atoms: Atoms, *, xc: str, ao: str) -> Table:
    r"""Harmonic frequencies of the model and of PySCF, each at its own minimum."""
    here = _relaxed(model, atoms)
    found = _frequencies(here, _finite_hessian(model, here))
    there, hessian = _pyscf(here, xc, ao)
    expected = _frequencies(there, hessian)
    rows = [
        {
            "mode": k + 1,
            "linvop, 1/cm": float(a),
            f"{xc.upper()}/{ao}, 1/cm": float(b),
            "difference": float(a - b),
        }
        for k, (a, b) in enumerate(zip(found, expected, strict=True))
    ]
    notes = [
        f"Harmonic; mean absolute difference {np.mean(np.abs(found - expected)):.2f} 1/cm. PySCF's "
        "analytic Hessian at the minimum of its own method, started from the model's.",
        f"Largest difference of a bond between the minima: "
        f"{_largest_bond_difference(here, there):.4f} Angstrom.",
    ]
    return Table("vibrations", "Vibrations", rows, notes)


def load_model(path: str | Path) -> PropertyModel:
    r"""A model of energies.

    Raises
    ------
    InputError
        If the file holds another kind.
    """
    from linvop.models.loading import load
    from linvop.models.property import PropertyModel

    found = load(path)
    if not isinstance(found, PropertyModel) or "energy" not in found.parts_:
        raise InputError(f"{path}: expected a property model of energies")
    return found


def _relaxed(model: PropertyModel, atoms: Atoms) -> Atoms:
    from ase.optimize import BFGS

    from linvop.calculator import Calculator

    here = atoms.copy()
    here.calc = Calculator(model)
    if not BFGS(here, logfile=None).run(fmax=1e-4, steps=500):
        raise InputError("the model has no minimum near the structure: not relaxed in 500 steps")
    return here


def _n_vibrations(atoms: Atoms) -> int:
    """Degrees of freedom without translations and rotations."""
    r = atoms.positions - atoms.positions.mean(axis=0)
    linear = np.linalg.matrix_rank(r, tol=1e-3) < 2
    return 3 * len(atoms) - (5 if linear else 6)


def _bonds(atoms: Atoms) -> np.ndarray:
    """Pairs of neighbours."""
    from ase.neighborlist import natural_cutoffs, neighbor_list

    i, j = neighbor_list("ij", atoms, natural_cutoffs(atoms, mult=1.1))
    return np.stack([i, j], axis=1)[i < j]


def _largest_bond_difference(a: Atoms, b: Atoms) -> float:
    bonds = _bonds(a)
    d = [
        np.linalg.norm(x.positions[bonds[:, 0]] - x.positions[bonds[:, 1]], axis=1) for x in (a, b)
    ]
    return float(np.abs(d[0] - d[1]).max())


def _finite_hessian(model: PropertyModel, atoms: Atoms, step: float = 2e-3) -> np.ndarray:
    """Central differences of analytic forces, (3 n, 3 n) eV/Angstrom^2."""
    n = 3 * len(atoms)
    moved = []
    for k in range(n):
        for sign in (1, -1):
            other = atoms.copy()
            other.positions[k // 3, k % 3] += sign * step
            moved.append(other)
    gradients = np.reshape(model.derivatives(moved), (n, 2, n))
    hessian = (gradients[:, 0] - gradients[:, 1]) / (2 * step)
    return 0.5 * (hessian + hessian.T)


def _pyscf(atoms: Atoms, xc: str, ao: str) -> tuple[Atoms, np.ndarray]:
    """The minimum by PySCF near a structure and the Hessian there, eV/Angstrom^2."""
    from ase.calculators.calculator import Calculator as AseCalculator
    from ase.optimize import BFGS
    from pyscf import dft, gto

    from linvop.conventions import BOHR, HARTREE

    def solved(a: Atoms) -> Any:
        places = list(zip(a.get_chemical_symbols(), a.positions.tolist(), strict=True))
        mf = dft.RKS(gto.M(atom=places, basis=ao, verbose=0), xc=xc)
        mf.grids.level = 4
        mf.conv_tol = 1e-11
        mf.kernel()
        if not mf.converged:
            raise InputError(f"{xc}/{ao}: the SCF does not converge")
        return mf

    class PySCF(AseCalculator):
        implemented_properties = ["energy", "forces"]  # noqa: RUF012 as ASE's

        def calculate(self, atoms=None, properties=("energy",), system_changes=()):
            super().calculate(atoms, properties, system_changes)
            mf = solved(self.atoms)  # type: ignore[arg-type]  # set by ASE just now
            gradient = mf.nuc_grad_method()
            gradient.grid_response = True
            self.results["energy"] = mf.e_tot * HARTREE
            self.results["forces"] = -gradient.kernel() * HARTREE / BOHR

    there = atoms.copy()
    there.calc = PySCF()
    BFGS(there, logfile=None).run(fmax=2e-3, steps=100)
    blocks = solved(there).Hessian().kernel()
    n = 3 * len(there)
    return there, blocks.transpose(0, 2, 1, 3).reshape(n, n) * HARTREE / BOHR**2


def _frequencies(atoms: Atoms, hessian: np.ndarray) -> np.ndarray:
    """All but motions of the whole, 1/cm, ascending; imaginary ones negative."""
    from ase import units

    masses = np.repeat(atoms.get_masses(), 3)
    # Translations and rotations are projected out, in mass-weighted coordinates.
    r = atoms.positions - atoms.get_center_of_mass()
    whole = [np.tile(e, len(atoms)) for e in np.eye(3)]
    whole += [np.cross(e, r).ravel() for e in np.eye(3)]
    Q, R = np.linalg.qr((np.asarray(whole) * np.sqrt(masses)).T)
    Q = Q[:, np.abs(np.diag(R)) > 1e-6 * np.abs(np.diag(R)).max()]
    P = np.eye(len(masses)) - Q @ Q.T
    squares = np.linalg.eigvalsh(P @ (hessian / np.sqrt(np.outer(masses, masses))) @ P)
    order = np.argsort(np.abs(squares))[Q.shape[1] :]  # those of the whole are zero
    squares = np.sort(squares[order])
    ase_units = units._hbar * 1e10 / np.sqrt(units._e * units._amu) / units.invcm
    return np.sign(squares) * np.sqrt(np.abs(squares)) * ase_units
