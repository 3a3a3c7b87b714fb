"""Random molecules of five elements with shells from s to f."""

from __future__ import annotations

import numpy as np
import pytest
from ase import Atoms

from linvop.orbitals.shells import Shell

SPECIES = ("H", "C", "N", "O", "S")


def _shells(exponents: dict[int, tuple[float, ...]]) -> tuple[Shell, ...]:
    return tuple(Shell(l, (a,), (1.0,)) for l, many in exponents.items() for a in many)


AO = {
    "H": _shells({0: (1.1, 0.3), 1: (0.8,)}),
    "C": _shells({0: (1.7, 0.4), 1: (0.6,), 2: (0.7,)}),
    "N": _shells({0: (1.9,), 1: (0.9, 0.3)}),
    "O": _shells({0: (2.1,), 1: (1.0,), 3: (1.2,)}),
    "S": _shells({0: (0.9,), 1: (0.5,), 2: (0.8,), 3: (0.9,)}),
}


def molecule(symbols: str, rng: np.random.Generator, side: float = 2.2) -> Atoms:
    atoms = Atoms(symbols)
    while True:
        atoms.positions = rng.uniform(-side, side, (len(atoms), 3))
        apart = atoms.get_all_distances()[np.triu_indices(len(atoms), 1)]
        if apart.min() > 0.9:
            return atoms


@pytest.fixture
def five_elements() -> Atoms:
    return molecule("HCNOSHO", np.random.default_rng(11))
