"""Square roots of the overlap."""

from __future__ import annotations

import numpy as np
import pytest

from linvop.errors import InputError
from linvop.observables.lowdin import square_roots


def test_roots_are_roots_and_each_other_s_inverse(water):
    root, inverse = square_roots(water.overlap)
    np.testing.assert_allclose(root @ root, water.overlap, atol=1e-13)
    np.testing.assert_allclose(root @ inverse, np.eye(len(root)), atol=1e-12)
    np.testing.assert_allclose(inverse, inverse.T, atol=1e-13)


def test_lowdin_orbitals_are_the_orthonormal_ones_closest_to_the_aos(water):
    """Any other orthonormal X Q is farther from 1 in the metric of S."""
    S, (_, X) = water.overlap, square_roots(water.overlap)

    def distance(Y):
        return np.trace((Y - np.eye(len(S))).T @ S @ (Y - np.eye(len(S))))

    rng = np.random.default_rng(0)
    for _ in range(5):
        K = rng.normal(size=S.shape) * 0.1
        Q = np.linalg.qr(np.eye(len(S)) + K - K.T)[0]
        Q *= np.sign(np.diag(Q))
        assert distance(X @ Q) > distance(X)


def test_smallest_eigenvalue_is_named():
    with pytest.raises(InputError, match=r"smallest eigenvalue of the overlap 1\.00e-12"):
        square_roots(np.diag([1.0, 1e-12]))
