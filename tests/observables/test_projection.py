from __future__ import annotations

import numpy as np
import pytest

from linvop.errors import InputError
from linvop.integrals import System, overlap, potential
from linvop.observables.projection import projected_operator
from linvop.orbitals.shells import AOBasis
from linvop.testing import random_molecule

ATOMS = random_molecule(["H", "O"], 3, seed=2)


def test_onto_itself_it_is_itself():
    system = System.from_atoms(ATOMS, "6-31g")
    V = potential(system)
    np.testing.assert_allclose(projected_operator(V, system, system), V, atol=1e-9)


def test_a_part_of_the_basis_keeps_its_elements():
    large = AOBasis("6-31g")
    small = AOBasis({s: large.shells(s)[:-1] for s in ("H", "O")})
    inner = System.from_atoms(ATOMS, small)
    found = projected_operator(
        potential(System.from_atoms(ATOMS, large)), System.from_atoms(ATOMS, large), inner
    )
    np.testing.assert_allclose(found, potential(inner), atol=1e-8)


def test_the_overlap_becomes_what_the_large_basis_sees_of_the_small_one():
    small, large = (System.from_atoms(ATOMS, ao) for ao in ("sto-3g", "def2-tzvp"))
    found = projected_operator(overlap(large), large, small)
    lost = np.linalg.eigvalsh(overlap(small) - found)
    assert lost.min() > -1e-10  # a projection only takes away
    assert 1e-6 < lost.max() < 0.1


def test_a_dependent_basis_is_refused():
    twice = ATOMS.copy()
    twice.positions[1] = twice.positions[0]
    twice.numbers[1] = twice.numbers[0]
    system = System.from_atoms(twice, "sto-3g")
    with pytest.raises(InputError, match="linearly dependent"):
        projected_operator(potential(system), system, system)
