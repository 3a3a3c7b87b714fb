"""A small scan of distorted waters whose energies and dipoles are closed formulas."""

from __future__ import annotations

from pathlib import Path

import ase.io
import numpy as np
import pytest
from ase import Atoms
from ase.calculators.singlepoint import SinglePointCalculator

CONFIG = """
[data]
train = "train.xyz"
test = "no-such-file.xyz"
[scan]
ao = ["sto-3g", "et-2s1p"]
kappa = [1, 2]
n_timed = 3
[basis]
metric = "lowdin"
[targets]
energy = {}
dipole = {}
[output]
dir = "out"
"""


def waters(n: int, seed: int = 0) -> list[Atoms]:
    rng = np.random.default_rng(seed)
    out = []
    for _ in range(n):
        atoms = Atoms("OH2", [[0, 0, 0], [0.96, 0, 0], [-0.24, 0.93, 0]])
        atoms.positions += 0.05 * rng.normal(size=(3, 3))
        bonds = atoms.positions[1:] - atoms.positions[0]
        energy = -2000 + 5 * float(((np.linalg.norm(bonds, axis=1) - 0.96) ** 2).sum())
        atoms.calc = SinglePointCalculator(atoms, energy=energy, dipole=0.3 * bonds.sum(axis=0))
        out.append(atoms)
    return out


@pytest.fixture
def case(tmp_path) -> Path:
    """Configuration of a scan; its test file does not exist."""
    ase.io.write(tmp_path / "train.xyz", waters(30))
    (tmp_path / "scan.toml").write_text(CONFIG)
    return tmp_path / "scan.toml"


def without_seconds(value):
    """A result without what differs from run to run: times, and what stands on times."""
    if isinstance(value, dict):
        return {
            k: without_seconds(v)
            for k, v in value.items()
            if not k.startswith("seconds") and k != "front"
        }
    return [without_seconds(v) for v in value] if isinstance(value, list) else value
