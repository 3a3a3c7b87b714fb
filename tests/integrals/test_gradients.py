"""Gradients of tr(G V) and tr(G S): central differences, translation, PySCF's integrals."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

import linvop.integrals
from linvop.errors import InputError
from linvop.integrals import (
    System,
    overlap,
    overlap_gradient,
    point_charge_gradient,
    point_charge_potential,
    potential,
    potential_gradient,
)
from linvop.orbitals.shells import AOBasis

STEP = 1e-3
CASES = [("6-31g", (8, 1, 1, 6)), ("def2-svp", (17, 1, 6)), ("cc-pvtz", (7, 1))]


def case(ao: str, numbers: tuple[int, ...]) -> System:
    positions = np.random.default_rng(3).uniform(-2.0, 2.0, (len(numbers), 3))
    return System(numbers, positions, AOBasis(ao))


def some_matrix(*shape: int) -> np.ndarray:
    return np.random.default_rng(7).normal(size=shape)


def differences(function, positions: np.ndarray) -> np.ndarray:
    """Fourth-order central differences of a function of positions."""
    out = np.zeros_like(positions)
    for where in np.ndindex(*positions.shape):
        for factor, steps in ((8, 1), (-1, 2)):
            for sign in (1, -1):
                moved = positions.copy()
                moved[where] += sign * steps * STEP
                out[where] += sign * factor * function(moved) / (12 * STEP)
    return out


def assert_close(found: np.ndarray, expected: np.ndarray) -> None:
    np.testing.assert_allclose(found, expected, atol=1e-8 * np.abs(expected).max())


@pytest.mark.parametrize("screening", [None, 0.3])
@pytest.mark.parametrize(("ao", "numbers"), CASES, ids=str)
def test_v_against_differences(ao, numbers, screening):
    system = case(ao, numbers)
    G = some_matrix(system.layout.n_ao, system.layout.n_ao)

    def value(positions):
        return np.sum(G * potential(replace(system, positions=positions), screening=screening))

    found = potential_gradient(system, G, screening=screening)
    assert_close(found, differences(value, system.positions))
    np.testing.assert_allclose(found.sum(axis=0), 0, atol=1e-10 * np.abs(found).max())


def test_v_by_source_against_differences():
    system = case("6-31g", (8, 1, 1, 6))
    sources = ["H", "C", "N", "O"]
    G = some_matrix(4, system.layout.n_ao, system.layout.n_ao)

    def value(positions):
        return np.sum(G * potential(replace(system, positions=positions), sources=sources))

    found = potential_gradient(system, G, sources=sources)
    assert_close(found, differences(value, system.positions))


@pytest.mark.parametrize(("ao", "numbers"), CASES, ids=str)
def test_s_against_differences(ao, numbers):
    system = case(ao, numbers)
    G = some_matrix(system.layout.n_ao, system.layout.n_ao)

    def value(positions):
        return np.sum(G * overlap(replace(system, positions=positions)))

    found = overlap_gradient(system, G)
    assert_close(found, differences(value, system.positions))
    np.testing.assert_allclose(found.sum(axis=0), 0, atol=1e-10 * np.abs(found).max())


def test_point_charges_against_differences():
    system = case("6-31g", (8, 1, 6))
    charges, places = np.array([0.7, -1.3]), np.array([[3.0, 0.5, -1.0], [-2.0, 2.5, 1.0]])
    G = some_matrix(system.layout.n_ao, system.layout.n_ao)
    on_atoms, on_charges = point_charge_gradient(system, G, charges, places)
    assert_close(
        on_atoms,
        differences(
            lambda x: np.sum(
                G * point_charge_potential(replace(system, positions=x), charges, places)
            ),
            system.positions,
        ),
    )
    assert_close(
        on_charges,
        differences(lambda x: np.sum(G * point_charge_potential(system, charges, x)), places),
    )


def test_pieces_of_points_change_nothing(monkeypatch):
    system = case("6-31g", (8, 1, 1, 6))
    G = some_matrix(system.layout.n_ao, system.layout.n_ao)
    whole = potential_gradient(system, G)
    monkeypatch.setattr(linvop.integrals.system, "_POINTS_BYTES", 1.0)
    np.testing.assert_allclose(potential_gradient(system, G), whole, atol=1e-12)


def test_matrices_of_another_shape_are_refused():
    system = case("sto-3g", (8, 1))
    with pytest.raises(InputError, match=r"G: expected shape \(6, 6\), got \(5, 5\)"):
        overlap_gradient(system, np.eye(5))
    with pytest.raises(InputError, match=r"G: expected shape \(2, 6, 6\), got \(6, 6\)"):
        potential_gradient(system, np.eye(6), sources=["H", "O"])
    with pytest.raises(InputError, match="point charges: expected positions of shape"):
        point_charge_gradient(system, np.eye(6), np.ones(2), np.zeros((1, 3)))
