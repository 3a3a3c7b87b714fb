"""Converged PySCF calculations: what observables are compared with."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
from ase import Atoms
from pyscf import dft, scf

from linvop.integrals import System, molecule, overlap
from linvop.observables.lowdin import square_roots

WATER = Atoms("OH2", [[0.0, 0.1, 0.0], [0.1, 0.0, 1.02], [0.93, 0.3, -0.25]])


@dataclass(frozen=True)
class Case:
    """A molecule and its mean field."""

    atoms: Atoms
    ao: str
    xc: str
    mf: Any

    @property
    def system(self) -> System:
        return System.from_atoms(self.atoms, self.ao)

    @property
    def overlap(self) -> np.ndarray:
        return overlap(self.system)

    @property
    def roots(self) -> tuple[np.ndarray, np.ndarray]:
        return square_roots(self.overlap)

    @property
    def density(self) -> np.ndarray:
        return np.asarray(self.mf.make_rdm1())

    @property
    def fock(self) -> np.ndarray:
        return np.asarray(self.mf.get_fock())


def converged(atoms: Atoms, ao: str, xc: str, charge: int = 0, multiplicity: int = 1) -> Case:
    atoms = atoms.copy()
    atoms.info |= {"charge": charge, "spin_mult": multiplicity}
    mol = molecule(System.from_atoms(atoms, ao), charge, multiplicity)
    spins = "R" if multiplicity == 1 else "U"
    if xc == "hf":
        mf = getattr(scf, f"{spins}HF")(mol)
    else:
        mf = getattr(dft, f"{spins}KS")(mol, xc=xc)
        mf.grids.level = 1
    mf.conv_tol, mf.conv_tol_grad, mf.chkfile = 1e-12, 1e-8, None
    mf.kernel()
    assert mf.converged
    return Case(atoms, ao, xc, mf)


CASES = {
    "water, HF": lambda: converged(WATER, "6-31g*", "hf"),
    "water, PBE": lambda: converged(WATER, "def2-svp", "pbe"),
    "hydroxide, PBE": lambda: converged(WATER[[0, 1]], "6-31g", "pbe", charge=-1),
    "water cation, HF": lambda: converged(WATER, "6-31g", "hf", charge=1, multiplicity=2),
    "NH triplet, PBE": lambda: converged(
        Atoms("NH", [[0.1, 0, 0.2], [0.5, 0.6, 0.9]]), "6-31g", "pbe", multiplicity=3
    ),
}


@pytest.fixture(scope="session", params=list(CASES))
def case(request) -> Case:
    return CASES[request.param]()


@pytest.fixture(scope="session")
def water() -> Case:
    return CASES["water, HF"]()


@pytest.fixture(scope="session")
def cation() -> Case:
    return CASES["water cation, HF"]()
