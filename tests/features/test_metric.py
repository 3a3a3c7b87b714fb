from __future__ import annotations

import numpy as np
import pytest

from linvop.errors import InputError
from linvop.features.metric import factors, inverse_square_root
from linvop.integrals import System, overlap, potential
from linvop.orbitals.order import channel_order
from linvop.orbitals.shells import AOBasis, Shell

from .conftest import AO, SPECIES, molecule

SYSTEM = System.from_atoms(molecule("HCNOSHO", np.random.default_rng(1)), AOBasis(AO))
ORDER = channel_order(SYSTEM.layout, SPECIES)


def ordered(matrix: np.ndarray) -> np.ndarray:
    return matrix[np.ix_(ORDER.order, ORDER.order)]


V, S = ordered(potential(SYSTEM)), ordered(overlap(SYSTEM))


def test_inverse_square_root():
    X = inverse_square_root(S)
    np.testing.assert_allclose(X @ S @ X, np.eye(len(S)), atol=1e-11)
    np.testing.assert_allclose(X, X.T, atol=1e-12)


def test_linear_dependence_is_an_error():
    """Two functions all but equal: no pseudo-inverse is taken behind the user's back."""
    near = {"H": (Shell(0, (1.0,), (1.0,)), Shell(0, (1.000001,), (1.0,)))}
    system = System((1, 1), np.array([[0, 0, 0], [0, 0, 1.4]]), AOBasis(near))
    with pytest.raises(InputError, match="linearly dependent.*metric='ao'"):
        inverse_square_root(overlap(system))


def test_ao_is_v_itself():
    for M in factors(SYSTEM, ORDER, "ao", (None,), by_species=False):
        np.testing.assert_array_equal(M[0], V)


def test_words_of_overlap_sum_to_v_over_s():
    """Over all channels, V X X V X X V is V S^-1 V S^-1 V."""
    local, first, middle = factors(SYSTEM, ORDER, "overlap", (None,), by_species=False)
    np.testing.assert_array_equal(local[0], V)
    projected = np.linalg.solve(S, V)
    scale = np.abs(V @ projected @ projected).max()
    np.testing.assert_allclose(first[0] @ first[0].T, V @ projected, atol=1e-11 * scale)
    word = first[0] @ middle[0] @ first[0].T
    np.testing.assert_allclose(word, V @ projected @ projected, atol=1e-11 * scale)


def test_lowdin_has_the_spectrum_of_the_pencil():
    from scipy.linalg import eigh

    local, first, middle = factors(SYSTEM, ORDER, "lowdin", (None,), by_species=False)
    assert local is first is middle
    np.testing.assert_allclose(
        np.linalg.eigvalsh(middle[0]), eigh(V, S, eigvals_only=True), rtol=1e-11
    )


@pytest.mark.parametrize("metric", ["ao", "overlap", "lowdin"])
def test_screenings_are_families_of_sources(metric):
    apart = factors(SYSTEM, ORDER, metric, (None, 0.4), by_species=True)
    bare = factors(SYSTEM, ORDER, metric, (None,), by_species=False)
    screened = factors(SYSTEM, ORDER, metric, (0.4,), by_species=False)
    for M, a, b in zip(apart, bare, screened, strict=True):
        assert len(M) == 2 * len(SPECIES)
        scale = np.abs(a).max()
        np.testing.assert_allclose(M[:5].sum(axis=0), a[0], atol=1e-12 * scale)
        np.testing.assert_allclose(M[5:].sum(axis=0), b[0], atol=1e-12 * scale)
    # Exactly, or words and their reverses would differ by rounding.
    np.testing.assert_array_equal(apart[2], apart[2].transpose(0, 2, 1))
