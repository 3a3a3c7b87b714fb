"""Laws of the sampled geometries."""

from __future__ import annotations

import numpy as np
import pytest

from linvop.errors import InputError
from linvop.sampling import random_rotation, sample_water


def internal(frames) -> tuple[np.ndarray, np.ndarray]:
    bonds = np.array([a.positions[1:] - a.positions[0] for a in frames])
    lengths = np.linalg.norm(bonds, axis=2)
    cosines = np.einsum("na,na->n", bonds[:, 0], bonds[:, 1]) / lengths.prod(axis=1)
    return lengths, np.degrees(np.arccos(cosines))


def test_waters_are_within_their_limits_and_fill_them():
    lengths, angles = internal(sample_water(500))
    assert 0.75 <= lengths.min() < 0.8
    assert 1.2 < lengths.max() <= 1.3
    assert 75 <= angles.min() < 80
    assert 130 < angles.max() <= 140
    # Three independent coordinates: correlations of 500 samples are within 4 / sqrt(500).
    off = np.corrcoef([*lengths.T, angles]) - np.eye(3)
    assert np.abs(off).max() < 4 / np.sqrt(500)


def test_a_seed_fixes_the_molecules_and_more_only_appends():
    few, many = sample_water(3, seed=5), sample_water(5, seed=5)
    for a, b in zip(few, many, strict=False):
        np.testing.assert_array_equal(a.positions, b.positions)
    assert np.abs(many[0].positions - sample_water(1, seed=6)[0].positions).max() > 0.01


def test_rotations_are_proper_and_have_no_preferred_direction():
    rng = np.random.default_rng(0)
    rotations = np.array([random_rotation(rng) for _ in range(2000)])
    identity = np.einsum("nij,nkj->nik", rotations, rotations)
    np.testing.assert_allclose(identity, np.broadcast_to(np.eye(3), identity.shape), atol=1e-13)
    np.testing.assert_allclose(np.linalg.det(rotations), 1, atol=1e-13)
    # Uniform: the mean of R vanishes, and each element has variance 1/3.
    assert np.abs(rotations.mean(axis=0)).max() < 4 * np.sqrt(1 / 3 / 2000)
    np.testing.assert_allclose(rotations.var(axis=0), 1 / 3, atol=0.03)


def test_no_waters_are_refused():
    with pytest.raises(InputError, match="at least 1"):
        sample_water(0)
