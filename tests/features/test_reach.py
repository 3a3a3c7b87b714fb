from __future__ import annotations

import numpy as np
import pytest
from pyscf import lib

from linvop import Basis
from linvop.conventions import BOHR
from linvop.errors import InputError
from linvop.features import neighbourhoods
from linvop.features.adjoint import structure_adjoint
from linvop.features.contractions import contracted
from linvop.features.reach import switch
from linvop.features.tangent import structure_tangent
from linvop.integrals import System, potential
from linvop.sampling import alkane, water_cluster
from linvop.testing import assert_body_order, assert_equivariant

IRREPS = ((0, 1), (1, 1))
CASES = [
    {"kappa": 1},
    {"kappa": 5, "resolution": "total"},
    {"kappa": 3},
    {"kappa": 3, "sources": "species", "screening": (None, 0.4)},
    {"kappa": 4, "resolution": "species"},
    {"kappa": 2, "nu": 2, "max_degree": (None, 5)},
]


def test_the_cut_is_smooth_and_ends():
    R = np.linspace(0.0, 6.0, 2001)
    f, slope = switch(R, 5.0)
    assert (f[R <= 4.0] == 1.0).all()
    assert (f[R >= 5.0] == 0.0).all()
    assert (np.diff(f) <= 0.0).all()
    np.testing.assert_allclose(slope[1:-1], (f[2:] - f[:-2]) / (R[2:] - R[:-2]), atol=2e-4)


def test_blocks_within_the_inner_part_are_v():
    atoms = alkane(4)
    system = System.from_atoms(atoms, Basis("sto-3g").ao_basis)
    one = contracted(Basis("sto-3g", reach=3.0).enumeration(["H", "C"]), system)
    q = np.argsort(one.order.order)
    cut = one.multiplied.V[0][q[:, None], q]
    V, distances = potential(system), atoms.get_all_distances()
    atom = np.repeat(np.arange(len(atoms)), np.diff(system.layout.atom_offsets))
    R = distances[np.ix_(atom, atom)]
    np.testing.assert_array_equal(cut[R <= 2.4], V[R <= 2.4])
    assert not cut[R >= 3.0].any()
    assert (np.abs(cut) <= np.abs(V)).all()


@pytest.mark.parametrize("settings", CASES, ids=str)
def test_apart_and_whole_are_the_same(settings, monkeypatch):
    basis = Basis("6-31g", reach=3.5, lam_max=2, **settings)
    system = System.from_atoms(water_cluster(9), basis.ao_basis)
    features = basis.compile(["H", "C", "O"], IRREPS, "structure")
    whole = features.structure(system), features.sites(system)
    monkeypatch.setattr(neighbourhoods, "LARGE", 2)
    apart = features.structure(system), features.sites(system)
    for a, b in zip(whole, apart, strict=True):
        assert a.keys() == b.keys()
        for key, values in a.items():
            assert b[key].shape == values.shape
            size = np.abs(values).max(initial=1.0)
            np.testing.assert_allclose(b[key], values, atol=1e-10 * size)


def test_what_is_further_away_than_words_reach_counts_through_v_alone():
    # Bare nuclei are seen from everywhere; screened ones only from near, and then nothing is.
    basis = Basis("sto-3g", kappa=3, reach=2.5, screening=1.0)
    atoms = alkane(8)
    moved = atoms.copy()
    moved.positions[-4:] += [0.3, 0.2, -0.1]
    a, b = basis.evaluate(atoms), basis.evaluate(moved)
    near = a["C", 0, 1][0], b["C", 0, 1][0]
    np.testing.assert_allclose(near[0], near[1], rtol=1e-9, atol=1e-12 * np.abs(near[0]).max())
    assert np.abs(a["C", 0, 1][-1] - b["C", 0, 1][-1]).max() > 1e-3


@pytest.mark.parametrize("settings", CASES[2:4], ids=str)
def test_gradients_contain_the_cut(settings):
    basis = Basis("sto-3g", reach=2.2, **settings)
    atoms = alkane(2)
    atoms.rattle(0.05, seed=1)
    features = basis.compile(["H", "C"], IRREPS, "structure")
    rng = np.random.default_rng(0)
    given = {
        key: rng.normal(size=values.shape) / np.abs(values).max()
        for key, values in features.structure(_system(atoms, basis)).items()
    }

    def number(displaced) -> float:
        found = features.structure(_system(displaced, basis))
        return sum(float((found[key] * g).sum()) for key, g in given.items())

    found = structure_adjoint(features, _system(atoms, basis), given).by_positions()
    rows = structure_tangent(features, _system(atoms, basis))
    along = sum(np.einsum("axmp,mp->ax", rows[key], g) for key, g in given.items())
    np.testing.assert_allclose(found, along, atol=1e-10 * np.abs(found).max())
    h = 1e-4
    for atom, axis in [(0, 0), (1, 2), (5, 1)]:
        ends = []
        for sign in (1, -1):
            displaced = atoms.copy()
            displaced.positions[atom, axis] += sign * h * BOHR
            ends.append(number(displaced))
        difference = (ends[0] - ends[1]) / (2 * h)
        assert found[atom, axis] == pytest.approx(difference, rel=1e-6, abs=1e-7)


def test_laws_hold_with_a_reach():
    basis = Basis("sto-3g", kappa=2, reach=2.0)
    atoms = alkane(2)
    atoms.rattle(0.1, seed=2)
    assert_equivariant(basis, atoms)
    assert_body_order(basis, alkane(1))


def test_laws_hold_for_what_is_taken_apart(monkeypatch):
    monkeypatch.setattr(neighbourhoods, "LARGE", 2)
    basis = Basis("sto-3g", kappa=3, reach=2.0, screening=0.5)
    atoms = alkane(3)
    atoms.rattle(0.1, seed=2)
    assert_equivariant(basis, atoms)
    order = np.random.default_rng(0).permutation(len(atoms))
    a, b = basis.evaluate(atoms), basis.evaluate(atoms[order])
    for key, values in a.items():
        own = np.flatnonzero(atoms.symbols == key[0]).tolist()
        there = np.flatnonzero(atoms[order].symbols == key[0])
        back = [own.index(order[k]) for k in there]
        size = np.abs(values).max(initial=1.0)
        np.testing.assert_allclose(b[key], values[back], atol=1e-9 * size)


def test_threads_leave_every_digit():
    basis = Basis("sto-3g", kappa=3, reach=3.0)
    system = System.from_atoms(water_cluster(60), basis.ao_basis)
    features = basis.compile(["H", "O"], IRREPS, "structure")
    before, found = lib.num_threads(), []
    try:
        for n in (1, 3):
            lib.num_threads(n)
            found.append(features.structure(system)[0, 1])
    finally:
        lib.num_threads(before)
    np.testing.assert_array_equal(*found)


def test_pairs_that_no_word_connects_have_no_features():
    basis = Basis("sto-3g", kappa=2, reach=1.2)
    assert basis.pair_cutoff == pytest.approx(2.4)
    atoms = alkane(4)
    for (s, t, *_), (pairs, values) in basis.evaluate_pairs(atoms).items():
        distances = [atoms.get_distance(i, j) for i, j in pairs]
        assert max(distances) <= 2.4, (s, t)
        assert len(values) == len(pairs)
    assert Basis("sto-3g", kappa=2, reach=1.2, cutoff=2.0).pair_cutoff == 2.0
    assert Basis("sto-3g").pair_cutoff is None


def test_whole_matrices_that_do_not_fit_are_refused(monkeypatch):
    monkeypatch.setattr("linvop.features.memory.memory_of_machine", lambda: 1e6)
    basis = Basis("sto-3g", reach=3.0)
    system = System.from_atoms(water_cluster(60), basis.ao_basis)
    with pytest.raises(InputError, match="180 atoms: forces, operators and pairs take whole matri"):
        contracted(basis.enumeration(["H", "O"]), system)


def test_metrics_in_which_all_atoms_meet_are_refused():
    with pytest.raises(InputError, match="reach: expected metric 'ao', got 'lowdin'"):
        Basis("sto-3g", reach=4.0, metric="lowdin")
    with pytest.raises(InputError, match="reach: expected None or a positive distance"):
        Basis("sto-3g", reach=0.0)


def _system(atoms, basis: Basis) -> System:
    return System.from_atoms(atoms, basis.ao_basis)
