"""Baselines are PySCF's own, made another way."""

from __future__ import annotations

import numpy as np
import pytest
from ase.build import molecule as named

from linvop.errors import GapError, InputError
from linvop.integrals import System, molecule
from linvop.models.baselines import (
    BASELINES,
    baseline,
    checked_baseline,
    density_baseline,
    needs_functional,
)
from linvop.models.functional import Functional


@pytest.mark.parametrize("name", ["CH3CH2OH", "SO2"])
def test_atomic_potentials_are_pyscfs(name):
    from pyscf.gto.basis import load
    from pyscf.scf.hf import get_hcore, make_sap

    system = System.from_atoms(named(name), "def2-svp")
    mol = molecule(system)
    tables = {
        s: np.asarray(load("sapgraspsmall", s)[0][1:], dtype=float)
        for s in set(system.layout.symbols)
    }
    expected = get_hcore(mol) + make_sap(mol, tables)
    np.testing.assert_allclose(baseline("sap", system), expected, atol=1e-12)
    np.testing.assert_allclose(baseline("core", system), get_hcore(mol), atol=1e-12)


@pytest.mark.parametrize("at_once", [1, 2, 4])
def test_atomic_potentials_are_summed_in_blocks_of_bounded_size(monkeypatch, at_once):
    """All three-centre integrals together are n_ao^2 n_atoms; no more are held than asked for."""
    from pyscf.gto import moleintor

    system = System.from_atoms(named("CH3CH2OH"), "6-31g")
    expected = baseline("sap", system)
    n_ao, made = system.layout.n_ao, []
    one = 8 * n_ao * (n_ao + 1) // 2

    def recorded(*arguments, **settings):
        made.append(getints3c(*arguments, **settings))
        return made[-1]

    getints3c = moleintor.getints3c
    monkeypatch.setattr(moleintor, "getints3c", recorded)
    monkeypatch.setattr("linvop.models.baselines._BLOCK_BYTES", at_once * one + 1)
    np.testing.assert_allclose(baseline("sap", system), expected, atol=1e-12)
    assert max(x.nbytes for x in made) == at_once * one
    assert sum(x.nbytes for x in made) == 9 * one


def test_atomic_densities_are_pyscfs():
    from pyscf.scf.hf import init_guess_by_atom

    system = System.from_atoms(named("CH3CH2OH"), "def2-svp")
    found = baseline("atoms", system)
    np.testing.assert_allclose(found, init_guess_by_atom(molecule(system)), atol=1e-9)
    S = system.integral("int1e_ovlp_sph")
    assert np.sum(found * S) == pytest.approx(26)


@pytest.mark.parametrize(("name", "guess"), [("atoms", "atom"), ("minao", "minao")])
@pytest.mark.parametrize("symbols", ["H2O", "NO"])  # NO: an odd number of electrons
def test_fock_matrices_of_superposed_densities_are_pyscfs(name, guess, symbols):
    from pyscf import dft

    system = System.from_atoms(named(symbols), "6-31g")
    mol = molecule(system, int(symbols == "NO"))  # V and F[P] do not depend on the charge
    mf = dft.RKS(mol, xc="pbe")
    mf.grids.level = 1
    expected = mf.get_fock(dm=mf.get_init_guess(molecule(system), guess))
    found = baseline(name, system, Functional("pbe", 1))
    np.testing.assert_allclose(found, expected, atol=1e-8)


@pytest.mark.parametrize(
    ("symbols", "state"),
    [("H2O", (0, 1)), ("H2O", (2, 1)), ("NH2", (0, 2)), ("NH2", (-1, 1)), ("NO", (1, 1))],
)
def test_the_density_of_f_of_superposed_atoms_is_one_scf_step(symbols, state):
    from pyscf import dft

    system = System.from_atoms(named(symbols), "6-31g")
    mol = molecule(system, *state)
    n_channels = 1 if state[1] == 1 else 2
    mf = (dft.RKS if n_channels == 1 else dft.UKS)(mol, xc="lda,vwn")
    mf.grids.level = 1
    guess = mf.get_init_guess(molecule(system), "minao")
    closed = dft.RKS(molecule(system, sum(system.numbers) % 2), xc="lda,vwn")
    closed.grids.level = 1
    F = closed.get_fock(dm=guess.sum(axis=0) if guess.ndim == 3 else guess)
    energies, C = mf.eig(F if n_channels == 1 else np.stack([F, F]), mf.get_ovlp())
    expected = mf.make_rdm1(C, mf.get_occ(energies, C))
    found = density_baseline("minao", system, Functional("lda,vwn", 1), state, n_channels)
    assert found.shape[0] == n_channels
    np.testing.assert_allclose(found, np.reshape(expected, found.shape), atol=1e-7)


def test_spin_channels_share_what_needs_no_orbitals():
    system = System.from_atoms(named("NO"), "sto-3g")
    both = density_baseline("atoms", system, None, (0, 2), 2)
    np.testing.assert_allclose(both.sum(axis=0), baseline("atoms", system), atol=1e-14)
    assert density_baseline("none", system, None, (0, 2), 2) is None


def test_filled_orbitals_need_a_gap():
    system = System.from_atoms(named("O2"), "sto-3g")
    with pytest.raises(GapError, match="superposed atoms: its levels 8 and 9 are .* apart"):
        density_baseline("minao", system, Functional("lda,vwn", 1), (0, 1), 1)


def test_names():
    assert checked_baseline("none", "fock") == "none"
    assert baseline("none", System.from_atoms(named("H2O"), "sto-3g")) is None
    with pytest.raises(
        InputError, match="expected one of none, atoms, minao for density, got 'core'"
    ):
        checked_baseline("core", "density")
    needing = [(t, n) for t, n in every() if needs_functional(n, t)]
    assert needing == [("fock", "atoms"), ("fock", "minao"), ("density", "minao")]


def every():
    return [(target, name) for target, names in BASELINES.items() for name in names]
