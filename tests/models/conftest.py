"""Water molecules with labels from closed formulas: laws can be tested without any SCF."""

from __future__ import annotations

import numpy as np
import pytest
from ase import Atoms
from ase.calculators.singlepoint import SinglePointCalculator
from scipy.spatial.transform import Rotation


def _labels(atoms: Atoms) -> tuple[float, np.ndarray, np.ndarray]:
    """Energy (eV), dipole (e Angstrom) and a polarisability-like tensor of one geometry."""
    oxygen, hydrogens = atoms.positions[0], atoms.positions[1:]
    bonds = hydrogens - oxygen
    lengths = np.linalg.norm(bonds, axis=1)
    apart = np.linalg.norm(hydrogens[0] - hydrogens[1])
    energy = -2000.0 + np.sum(4 * (1 - np.exp(-2 * (lengths - 0.96))) ** 2) + 1 / apart
    dipole = np.sum(0.35 * np.exp(-0.5 * lengths)[:, None] * bonds, axis=0)
    tensor = 0.1 * np.eye(3) + 0.03 * np.einsum("ka,kb->ab", bonds, bonds) / lengths.sum()
    return float(energy), dipole, tensor


def labelled(atoms: Atoms) -> Atoms:
    """Attach the labels where `linvop.read` would leave them."""
    energy, dipole, tensor = _labels(atoms)
    atoms.calc = SinglePointCalculator(atoms, energy=energy, dipole=dipole)
    atoms.info["polarizability"] = tensor
    return atoms


def water(rng: np.random.Generator) -> Atoms:
    """A distorted water molecule in a random orientation."""
    r1, r2 = 0.96 + 0.06 * rng.standard_normal(2)
    angle = np.radians(104.5 + 8 * rng.standard_normal())
    positions = np.array(
        [[0, 0, 0], [r1, 0, 0], [r2 * np.cos(angle), r2 * np.sin(angle), 0]], dtype=float
    )
    positions = positions @ Rotation.random(rng=rng).as_matrix().T + rng.normal(size=3)
    return Atoms("OH2", positions=positions)


@pytest.fixture(scope="session")
def waters() -> list[Atoms]:
    """120 labelled waters."""
    rng = np.random.default_rng(7)
    return [labelled(water(rng)) for _ in range(120)]
