"""Derivatives of levels and densities are those of finite differences."""

from __future__ import annotations

import numpy as np
import pytest

from linvop.observables.density import aufbau_density
from linvop.observables.lowdin import square_roots
from linvop.observables.orbitals import orbitals
from linvop.observables.response import density_response, level_response

N, OCCUPIED, STEP = 9, 4, 1e-4


def symmetric(rng: np.random.Generator) -> np.ndarray:
    A = rng.normal(size=(N, N))
    return A + A.T


@pytest.fixture
def problem():
    rng = np.random.default_rng(3)
    L = rng.normal(size=(N, N))
    inverse = square_roots(L @ L.T + np.eye(N))[1]
    F, dF = symmetric(rng), symmetric(rng)
    return F, dF, lambda F: orbitals(F, inverse, OCCUPIED, "F")


def difference(f, F, dF):
    return (f(F + STEP * dF) - f(F - STEP * dF)) / (2 * STEP)


def test_levels(problem):
    F, dF, solve = problem
    weights = np.random.default_rng(0).normal(size=(3, OCCUPIED + 2))
    D = level_response(solve(F), weights)
    found = np.einsum("kab,ab->k", D, dF)
    true = difference(lambda F: weights @ solve(F).energies[: OCCUPIED + 2], F, dF)
    np.testing.assert_allclose(found, true, rtol=1e-5, atol=1e-6)


def test_expectation_values(problem):
    F, dF, solve = problem
    O = np.stack([symmetric(np.random.default_rng(k)) for k in range(3)])

    def values(F):
        return np.einsum("kab,ab->k", O, 2 * aufbau_density(solve(F).coefficients, OCCUPIED))

    D = density_response(solve(F), O)
    np.testing.assert_array_equal(D, D.transpose(0, 2, 1))
    found = np.einsum("kab,ab->k", D, dF)
    np.testing.assert_allclose(found, difference(values, F, dF), rtol=1e-4, atol=1e-5)


def test_a_degenerate_set_answers_as_a_whole(problem):
    F, dF, solve = problem
    levels = solve(F)
    C = np.linalg.inv(levels.coefficients)
    energies = levels.energies.copy()
    energies[1:3] = energies[1]  # two occupied levels in one place
    F = C.T @ np.diag(energies) @ C
    weights = np.zeros((1, OCCUPIED))
    weights[0, 1:3] = 1.0
    found = np.sum(level_response(solve(F), weights)[0] * dF)
    true = difference(lambda F: solve(F).energies[1:3].sum(), F, dF)
    assert found == pytest.approx(true, rel=1e-6)
