"""Derivatives by positions through features: central differences, and laws of motion."""

from __future__ import annotations

from dataclasses import replace
from itertools import product

import numpy as np
import pytest

from linvop import Basis
from linvop.errors import InputError
from linvop.features.adjoint import site_adjoint, structure_adjoint
from linvop.integrals import System, overlap, point_charge_potential, potential
from linvop.kernels import reference_adjoint

from .conftest import AO, SPECIES, molecule

STEP = 2e-3
ATOMS = molecule("HCOSH", np.random.default_rng(12))
PRODUCTS = {"nu": 3, "max_degree": (None, 4, 4), "resolution": "total"}
CASES = [
    *(
        {"metric": metric, "resolution": resolution, "kappa": kappa}
        for metric, resolution, kappa in product(
            ("ao", "overlap", "lowdin"), ("total", "shell"), (1, 3)
        )
    ),
    {"metric": "lowdin", "resolution": "species", "sources": "species", "kappa": 2},
    {"metric": "overlap", "resolution": "species", "screening": (None, 0.3), "kappa": 3},
    *({"metric": metric, "kappa": 2, **PRODUCTS} for metric in ("ao", "overlap", "lowdin")),
]
IDS = [" ".join(map(str, case.values())) for case in CASES]


def along_random(function, positions: np.ndarray, direction: np.ndarray) -> float:
    """Central difference of sixth order along a direction."""
    total = 0.0
    for factor, steps in ((45, 1), (-9, 2), (1, 3)):
        for sign in (1, -1):
            moved = positions + sign * steps * STEP * direction
            total += sign * factor * function(moved) / (60 * STEP)
    return total


def weighted(basis: Basis, seed: int = 5):
    """Features of a structure, random derivatives by them, and the number they belong to."""
    system = System.from_atoms(ATOMS, basis.ao_basis)
    features = basis.compile(SPECIES, ((0, 1), (1, 1)), "structure")
    rng = np.random.default_rng(seed)
    rows = features.structure(system)
    # By the size of the features, so that all of them count.
    gradient = {
        k: rng.normal(size=B.shape) / (np.abs(B).max(axis=0) + 1e-3) for k, B in rows.items()
    }

    def value(positions):
        rows = features.structure(replace(system, positions=positions))
        return sum(np.sum(gradient[k] * rows[k]) for k in gradient)

    return system, features, gradient, value


@pytest.mark.parametrize("settings", CASES, ids=IDS)
def test_positions_against_differences(settings):
    system, features, gradient, value = weighted(Basis(AO, **settings))
    found = structure_adjoint(features, system, gradient).by_positions()
    rng = np.random.default_rng(9)
    for _ in range(3):
        direction = rng.normal(size=found.shape)
        direction /= np.linalg.norm(direction)
        expected = along_random(value, system.positions, direction)
        assert np.sum(found * direction) == pytest.approx(
            expected, abs=1e-7 * np.linalg.norm(found)
        )
    np.testing.assert_allclose(found.sum(axis=0), 0, atol=1e-9 * np.abs(found).max())


@pytest.mark.parametrize("settings", CASES[::3], ids=IDS[::3])
def test_scalars_make_no_torque(settings):
    system, features, gradient, _ = weighted(Basis(AO, **settings))
    gradient[1, 1] = np.zeros_like(gradient[1, 1])
    found = structure_adjoint(features, system, gradient).by_positions()
    torque = np.cross(system.positions, found).sum(axis=0)
    np.testing.assert_allclose(torque, 0, atol=1e-9 * np.abs(found).max())


@pytest.mark.parametrize("settings", CASES, ids=IDS)
def test_numba_equals_numpy(settings):
    system, features, gradient, _ = weighted(Basis(AO, **settings))
    a = structure_adjoint(features, system, gradient)
    b = structure_adjoint(features, system, gradient, reference_adjoint)
    np.testing.assert_allclose(
        a.by_potential, b.by_potential, atol=1e-10 * np.abs(b.by_potential).max()
    )
    if b.by_overlap is not None:
        np.testing.assert_allclose(
            a.by_overlap, b.by_overlap, atol=1e-10 * np.abs(b.by_overlap).max()
        )


def test_sites_add_up_to_the_structure():
    basis = Basis(AO, kappa=2, nu=2, max_degree=(None, 4), metric="lowdin")
    system = System.from_atoms(ATOMS, basis.ao_basis)
    features = basis.compile(SPECIES, ((0, 1), (1, 1)), "site")
    rng, rows = np.random.default_rng(1), features.sites(system)
    gradient = {key: rng.normal(size=B.shape) for key, B in rows.items()}
    found = site_adjoint(features, system, gradient).by_positions()
    direction = rng.normal(size=found.shape)

    def value(positions):
        rows = features.sites(replace(system, positions=positions))
        return sum(np.sum(gradient[k] * rows[k]) for k in gradient)

    expected = along_random(value, system.positions, direction / 10)
    assert np.sum(found * direction) / 10 == pytest.approx(
        expected, abs=1e-7 * np.linalg.norm(found)
    )


def test_external_charges_act_through_v():
    """dE/dV as such: E moves by tr(G dV) when a far charge adds dV, and so do its positions."""
    basis = Basis(AO, kappa=2, metric="ao")
    system, features, gradient, _ = weighted(basis)
    one = structure_adjoint(features, system, gradient)
    charges, places = np.array([0.3, -0.2]), np.array([[9.0, 0.0, 1.0], [-8.0, 3.0, 0.0]])
    on_atoms, on_charges = one.by_point_charges(charges, places)
    G = one.by_potential[0, 0]
    for found, function in (
        (on_charges, lambda x: np.sum(G * point_charge_potential(system, charges, x))),
        (
            on_atoms,
            lambda x: np.sum(
                G * point_charge_potential(replace(system, positions=x), charges, places)
            ),
        ),
    ):
        at = places if found is on_charges else system.positions
        direction = np.random.default_rng(3).normal(size=at.shape)
        expected = along_random(function, at, direction)
        assert np.sum(found * direction) == pytest.approx(expected, rel=1e-8)
    apart = weighted(Basis(AO, kappa=1, metric="ao", sources="species"))
    with pytest.raises(InputError, match="sources='total'"):
        structure_adjoint(*(apart[k] for k in (1, 0, 2))).by_point_charges(charges, places)


def test_gradients_of_another_shape_are_refused():
    system, features, gradient, _ = weighted(Basis(AO, kappa=1))
    with pytest.raises(InputError, match=r"gradient of lam=0 sigma=1: expected shape \(1, "):
        structure_adjoint(features, system, {(0, 1): gradient[0, 1][:, :-1]})


def test_derivatives_by_matrices_are_symmetric():
    system, features, gradient, _ = weighted(Basis(AO, kappa=2, metric="overlap"))
    one = structure_adjoint(features, system, gradient)
    for G, like in ((one.by_potential[0, 0], potential(system)), (one.by_overlap, overlap(system))):
        assert G.shape == like.shape
        np.testing.assert_allclose(G, G.T, atol=1e-12 * np.abs(G).max())
