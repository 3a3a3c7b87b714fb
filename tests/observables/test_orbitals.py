"""Orbitals and aufbau."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.linalg

from linvop.errors import InputError
from linvop.observables.orbitals import SMALLEST_GAP, orbitals


def test_they_solve_the_generalised_eigenproblem(water):
    found = orbitals(water.fock, water.roots[1], 5, "fock")
    energies = scipy.linalg.eigh(water.fock, water.overlap, eigvals_only=True)
    np.testing.assert_allclose(found.energies, energies, atol=1e-12)
    C = found.coefficients
    np.testing.assert_allclose(C.T @ water.overlap @ C, np.eye(len(C)), atol=1e-12)
    assert found.occupied.sum() == 5
    assert (found.homo, found.lumo) == (found.energies[4], found.energies[5])


@pytest.mark.parametrize("n", [0, 3])
def test_nothing_below_or_above(n):
    found = orbitals(np.diag([1.0, 2.0, 3.0]), np.eye(3), n, "fock")
    assert np.isnan(found.homo) == (n == 0)
    assert np.isnan(found.lumo) == (n == 3)


@pytest.mark.parametrize(("gap", "refused"), [(0.0, True), (0.5, True), (2.0, False)])
def test_gap_in_units_of_the_smallest(gap, refused):
    F = np.diag([0.0, 1.0, 1.0 + gap * SMALLEST_GAP])
    if refused:
        with pytest.raises(InputError, match="beta: its levels 2 and 3 are .* Hartree apart"):
            orbitals(F, np.eye(3), 2, "beta")
    else:
        orbitals(F, np.eye(3), 2, "beta")
    orbitals(F, np.eye(3), 1, "beta")  # degenerate, but above the gap
