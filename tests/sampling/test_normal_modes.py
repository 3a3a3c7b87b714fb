"""Normal modes obey their own Hessian, the virial theorem and the classical limit."""

from __future__ import annotations

import numpy as np
import pytest
from ase.build import molecule

from linvop.conventions import BOHR, HARTREE
from linvop.errors import InputError
from linvop.sampling import normal_modes
from linvop.sampling.normal_modes import _KELVIN, _converged


@pytest.fixture(scope="module")
def water():
    return normal_modes(molecule("H2O"))


def moved(modes, Q):
    from ase import Atoms

    shift = BOHR * np.einsum("k,kax->ax", Q, modes.displacements)
    return Atoms(modes.numbers, positions=modes.positions + shift)


def test_the_energy_along_a_mode_is_that_of_its_frequency(water):
    e0 = _converged(moved(water, np.zeros(3)), "sto-3g").e_tot
    for k, w in enumerate(water.frequencies):
        q = 0.02 / np.sqrt(w)
        both = [_converged(moved(water, s * q * np.eye(3)[k]), "sto-3g").e_tot for s in (1, -1)]
        assert sum(both) / 2 - e0 == pytest.approx(0.5 * w**2 * q**2, rel=2e-3)


def test_modes_move_no_centre_of_mass_and_are_orthonormal_with_masses(water):
    masses = moved(water, np.zeros(3)).get_masses()
    L = water.displacements
    assert np.abs(np.einsum("a,kax->kx", masses, L)).max() < 1e-6 * np.abs(L).max()
    gram = np.einsum("a,kax,lax->kl", masses, L, L)
    np.testing.assert_allclose(gram, np.eye(3) * gram[0, 0], atol=1e-8 * gram[0, 0])


def test_widths_are_those_of_zero_point_and_of_classical_motion(water):
    w = water.frequencies
    np.testing.assert_allclose(w**2 * water.widths(0.0) ** 2, w / 2)
    hot = 1e6
    np.testing.assert_allclose(w**2 * water.widths(hot) ** 2, hot * _KELVIN, rtol=1e-3)
    assert pytest.approx(0.02585, rel=1e-3) == 300 * _KELVIN * HARTREE


def test_samples_have_the_widths_and_append(water):
    frames = water.sample(4000, kelvin=300.0, seed=1)
    shifts = np.array([a.positions - water.positions for a in frames]) / BOHR
    masses = frames[0].get_masses()
    unit = np.einsum("a,kax,kax->k", masses, water.displacements, water.displacements)
    Q = np.einsum("a,kax,nax->nk", masses, water.displacements, shifts) / unit
    np.testing.assert_allclose(Q.std(axis=0), water.widths(300.0), rtol=0.05)
    few = water.sample(3, kelvin=300.0, seed=1)
    np.testing.assert_array_equal(few[2].positions, frames[2].positions)


def test_nothing_is_sampled_of_no_number_and_no_temperature(water):
    for wrong in ({"n": 0}, {"n": 1, "kelvin": -1.0}):
        with pytest.raises(InputError, match="expected n >= 1"):
            water.sample(**wrong)
