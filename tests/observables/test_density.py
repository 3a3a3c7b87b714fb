"""Purification."""

from __future__ import annotations

import numpy as np
import pytest

from linvop.errors import InputError
from linvop.observables.density import (
    PURIFICATIONS,
    aufbau_density,
    idempotency_error,
    natural_occupations,
    purified,
)

N = 4


def random_density(occupations, seed=0):
    """With given natural occupations, between non-orthogonal AOs."""
    rng = np.random.default_rng(seed)
    n = len(occupations)
    U = np.linalg.qr(rng.normal(size=(n, n)))[0]
    A = rng.normal(size=(n, n))
    s, W = np.linalg.eigh(np.eye(n) + 0.05 * (A @ A.T))
    root, inverse = (W * np.sqrt(s)) @ W.T, (W / np.sqrt(s)) @ W.T
    return inverse @ (U * np.asarray(occupations)) @ U.T @ inverse, root, inverse


NEARLY = [1.04, 1.01, 0.97, 0.8, 0.15, 0.02, -0.03, 0.0]


@pytest.mark.parametrize("method", PURIFICATIONS)
def test_idempotent_with_the_right_trace(method):
    P, root, inverse = random_density(NEARLY)
    Q = purified(P, root, inverse, N, method, "density")
    S = root @ root
    np.testing.assert_allclose(Q @ S @ Q, Q, atol=1e-12)
    assert np.trace(Q @ S) == pytest.approx(N, abs=1e-12)


@pytest.mark.parametrize("method", PURIFICATIONS)
def test_what_is_idempotent_stays(method):
    P, root, inverse = random_density([1] * N + [0] * 3)
    np.testing.assert_allclose(purified(P, root, inverse, N, method, "x"), P, atol=1e-12)


def test_both_ways_agree_where_both_work():
    P, root, inverse = random_density(NEARLY)
    first, second = (purified(P, root, inverse, N, m, "x") for m in PURIFICATIONS)
    np.testing.assert_allclose(first, second, atol=1e-12)


def test_projection_is_the_closest_determinant():
    P, root, inverse = random_density(NEARLY)
    Q = root @ purified(P, root, inverse, N, "projection", "x") @ root
    P = root @ P @ root
    rng = np.random.default_rng(3)
    for size in (0.01, 0.1, 1.0):
        K = size * rng.normal(size=P.shape)
        U = np.linalg.qr(np.eye(len(P)) + K - K.T)[0]
        assert np.linalg.norm(U @ Q @ U.T - P) > np.linalg.norm(Q - P)


def test_natural_occupations_and_how_far_from_idempotent():
    P, root, _ = random_density(NEARLY)
    found = natural_occupations(P, root)
    np.testing.assert_allclose(found, sorted(NEARLY, reverse=True), atol=1e-12)
    orthogonal = root @ P @ root
    assert idempotency_error(found) == pytest.approx(
        np.linalg.norm(orthogonal @ orthogonal - orthogonal)
    )
    assert idempotency_error(np.array([1.0, 1.0, 0.0])) == 0


def test_density_of_orbitals(water):
    P = aufbau_density(water.mf.mo_coeff, 5)
    np.testing.assert_allclose(2 * P, water.density, atol=1e-12)


def test_projection_needs_a_step_in_the_occupations():
    P, root, inverse = random_density([1.0, 0.5, 0.5, 0.0])
    with pytest.raises(InputError, match=r"alpha: its natural occupations 2 and 3 are both 0\.5"):
        purified(P, root, inverse, 2, "projection", "alpha")


@pytest.mark.parametrize("occupations", [[1, 1, 0.6, 0.6, 0], [1, 1, 0.4, 0, 0], [5, 1, 1, 0, 0]])
def test_mcweeny_says_when_it_ends_elsewhere(occupations):
    P, root, inverse = random_density(occupations)
    with pytest.raises(InputError, match="McWeeny purification ended with .* expected 3 electrons"):
        purified(P, root, inverse, 3, "mcweeny", "density")


@pytest.mark.parametrize("n", [0, 4])
def test_empty_and_full_channels(n):
    P, root, inverse = random_density([n / 4] * 4)
    for method in PURIFICATIONS:
        Q = purified(P, root, inverse, n, method, "beta")
        np.testing.assert_allclose(root @ Q @ root, np.eye(4) * n / 4, atol=1e-12)
