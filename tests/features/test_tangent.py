"""dB/dR column by column: central differences, compiled = reference, adjoint transposed."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from linvop import Basis
from linvop.features import tangent
from linvop.features.adjoint import structure_adjoint
from linvop.features.tangent import structure_tangent
from linvop.integrals import System, overlap, overlap_motion, potential, potential_motion
from linvop.kernels import reference_tangent

from .conftest import AO, SPECIES
from .test_adjoint import ATOMS, CASES, IDS, along_random, weighted


def system_of(basis: Basis) -> System:
    return System.from_atoms(ATOMS, basis.ao_basis)


@pytest.mark.parametrize("sources", [None, ("H", "C", "O", "S")])
@pytest.mark.parametrize("screening", [None, 0.3])
def test_matrices_against_differences(screening, sources):
    system = system_of(Basis(AO))
    atoms = [3, 1]
    given = {"screening": screening, "sources": sources}
    by_V = potential_motion(system, atoms, **given)
    by_S = overlap_motion(system, atoms)
    for k, atom in enumerate(atoms):
        for x in range(3):
            direction = np.zeros_like(system.positions)
            direction[atom, x] = 1

            def matrix(positions):
                return potential(replace(system, positions=positions), **given)

            expected = along_random(matrix, system.positions, direction)
            np.testing.assert_allclose(
                by_V[k, x].reshape(expected.shape), expected, atol=1e-7 * np.abs(expected).max()
            )
            expected = along_random(
                lambda p: overlap(replace(system, positions=p)), system.positions, direction
            )
            np.testing.assert_allclose(by_S[k, x], expected, atol=1e-8)


@pytest.mark.parametrize("settings", CASES, ids=IDS)
def test_its_transpose_is_the_adjoint(settings):
    """Which finite differences have tested: sum G dB/dR, for a G of every column."""
    system, features, gradient, _ = weighted(Basis(AO, **settings))
    rows = structure_tangent(features, system)
    total = sum(np.einsum("axmp,mp->ax", rows[k], g) for k, g in gradient.items())
    expected = structure_adjoint(features, system, gradient).by_positions()
    np.testing.assert_allclose(total, expected, atol=1e-9 * np.abs(expected).max())


@pytest.mark.parametrize("settings", CASES, ids=IDS)
def test_every_column_as_numpy_has_it(settings, monkeypatch):
    basis = Basis(AO, **settings)
    features = basis.compile(SPECIES, ((0, 1), (1, 1)), "structure")
    expected = structure_tangent(features, system_of(basis), reference_tangent)
    monkeypatch.setattr(tangent, "_BYTES", 1)  # atoms one by one
    found = structure_tangent(features, system_of(basis))
    for irrep, rows in expected.items():
        scale = np.abs(rows).max(axis=(0, 1, 2), keepdims=True) + 1e-300
        np.testing.assert_allclose(found[irrep] / scale, rows / scale, atol=1e-9)
