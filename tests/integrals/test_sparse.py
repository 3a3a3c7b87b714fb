from __future__ import annotations

import numpy as np
import pytest
from pyscf import lib

from linvop.conventions import BOHR
from linvop.errors import InputError
from linvop.integrals import System, cells, point_charge_potential, potential
from linvop.integrals.sparse import sparse_potential
from linvop.orbitals.shells import AOBasis, Shell
from linvop.sampling import alkane, water_cluster

REACH = 3.5 / BOHR


def compared(system: System, reach: float = REACH, **settings) -> tuple[float, float, float]:
    """Largest error of an element within reach, the bound of it, and the largest element."""
    V = potential(system, **settings).reshape(-1, *(system.layout.n_ao,) * 2)
    found = sparse_potential(system, reach, **settings)
    offsets, excess, worst = system.layout.atom_offsets.tolist(), 0.0, 0.0
    for k, (i, j, _) in enumerate(found.pairs.tolist()):
        exact = V[:, offsets[i] : offsets[i + 1], offsets[j] : offsets[j + 1]]
        error = np.abs(found.block(k) - exact).max(axis=(1, 2))
        worst = max(worst, float(error.max()))
        excess = max(excess, float((error - found.bounds[k]).max()))
    return worst, excess, float(np.abs(V).max())


@pytest.mark.parametrize("screening", [None, 0.3])
@pytest.mark.parametrize("ao", ["sto-3g", "def2-svp"])
def test_v_within_reach_is_v_to_within_the_bound(ao, screening):
    system = System.from_atoms(water_cluster(40), AOBasis(ao))
    worst, excess, largest = compared(system, screening=screening)
    assert worst < 1e-8
    assert excess < 1e-13 * largest


def test_far_nuclei_of_a_long_chain_come_through_cells():
    system = System.from_atoms(alkane(40), AOBasis("sto-3g"))
    worst, excess, largest = compared(system, sources=["H", "C"])
    assert worst < 1e-8
    assert excess < 1e-13 * largest


def test_shells_up_to_f_and_large_reach():
    system = System.from_atoms(water_cluster(8), AOBasis("cc-pvtz"))
    worst, excess, largest = compared(system, reach=8.0 / BOHR)
    assert worst < 1e-8
    assert excess < 1e-13 * largest


def test_the_bound_is_of_use():
    # A tolerance a thousand times larger errs more than a smaller one may: it is what counts.
    system = System.from_atoms(water_cluster(60), AOBasis("sto-3g"))
    fine = sparse_potential(system, REACH)
    coarse = sparse_potential(system, REACH, tolerance=1e-6)
    errors = np.abs(coarse.data - fine.data).max()
    assert fine.bounds.max() < errors < coarse.bounds.max()


def test_dense_has_the_blocks_and_nothing_else():
    system = System.from_atoms(water_cluster(5), AOBasis("sto-3g"))
    found = sparse_potential(system, 2.5 / BOHR)
    V, D = potential(system), found.dense()[0]
    np.testing.assert_array_equal(D, D.T)
    np.testing.assert_allclose(D[D != 0], V[D != 0], atol=1e-8)
    assert (D == 0).any()


def test_threads_leave_every_digit():
    system = System.from_atoms(water_cluster(30), AOBasis("sto-3g"))
    before = lib.num_threads()
    try:
        lib.num_threads(1)
        one = sparse_potential(system, REACH)
        lib.num_threads(3)
        three = sparse_potential(system, REACH)
    finally:
        lib.num_threads(before)
    np.testing.assert_array_equal(one.data, three.data)
    np.testing.assert_array_equal(one.bounds, three.bounds)


def test_one_atom():
    system = System((8,), np.zeros((1, 3)), AOBasis("def2-svp"))
    np.testing.assert_allclose(
        sparse_potential(system, REACH).dense()[0], potential(system), atol=1e-10
    )


@pytest.mark.parametrize(("reach", "tolerance"), [(0.0, 1e-10), (np.nan, 1e-10), (5.0, -1.0)])
def test_what_is_no_distance_is_refused(reach, tolerance):
    system = System((8,), np.zeros((1, 3)), AOBasis("sto-3g"))
    with pytest.raises(InputError, match="expected a positive number"):
        sparse_potential(system, reach, tolerance=tolerance)


DIFFUSE = {
    "H": [Shell(0, (0.05,), (1.0,)), Shell(1, (0.9, 0.2), (0.4, 0.7))],
    "O": [Shell(0, (3.0, 0.3), (0.2, 0.9)), Shell(2, (0.15,), (1.0,)), Shell(4, (0.5,), (1.0,))],
    "I": [Shell(0, (40.0, 0.2), (0.5, 0.6)), Shell(3, (0.4,), (1.0,))],
}


@pytest.mark.parametrize("tolerance", [1e-3, 1e-5, 1e-8])
@pytest.mark.parametrize("screening", [None, 0.02, 2.0])
def test_bounds_hold_where_they_are_coarse(tolerance, screening):
    """Diffuse, heavy and g shells, chains and clouds, atoms on top of each other."""
    rng = np.random.default_rng(0)
    chain = np.outer(np.arange(24), [2.1, 0.0, 0.0])
    cloud = rng.normal(size=(24, 3)) * 7.0
    near = np.concatenate([[[0.0, 0, 0], [0.04, 0, 0], [0.0, 0.3, 0]], cloud[:15] + 20.0])
    for positions in (chain, cloud, near):
        numbers = tuple(rng.choice([1, 8, 53], len(positions)).tolist())
        system = System(numbers, positions, AOBasis(DIFFUSE))
        V = potential(system, screening=screening)
        found = sparse_potential(system, 9.0, tolerance=tolerance, screening=screening)
        offsets = system.layout.atom_offsets.tolist()
        for k, (i, j, _) in enumerate(found.pairs.tolist()):
            exact = V[offsets[i] : offsets[i + 1], offsets[j] : offsets[j + 1]]
            error = np.abs(found.block(k)[0] - exact).max()
            assert error <= found.bounds[k, 0] + 1e-12 * np.abs(V).max()


@pytest.mark.parametrize(("zeta", "tolerance"), [(0.01, 1e-3), (0.02, 1e-4), (0.05, 1e-5)])
def test_screened_nuclei_beyond_all_lists_are_in_the_bound(zeta, tolerance):
    """One atom in the middle of a hollow ball of nuclei, at every distance."""
    directions = np.random.default_rng(1).normal(size=(300, 3))
    directions /= np.linalg.norm(directions, axis=1)[:, None]
    one = System((1,), np.zeros((1, 3)), AOBasis("sto-3g"))
    for r in (15.0, 25.0, 35.0, 50.0):
        positions = np.concatenate([np.zeros((1, 3)), r * directions])
        system = System((1,) * 301, positions, AOBasis("sto-3g"))
        found = sparse_potential(system, 1.0, screening=zeta, tolerance=tolerance)
        exact = point_charge_potential(one, np.ones(301), positions, screening=zeta)
        assert np.abs(found.block(0)[0] - exact).max() <= found.bounds[0, 0] + 1e-12


def test_lists_of_cells_do_not_grow_with_the_structure(monkeypatch):
    usual, seen = cells._within, []

    def within(*given):
        found = usual(*given)
        seen[-1].append(len(found.near) / len(found.centres))
        return found

    monkeypatch.setattr(cells, "_within", within)
    for n in (300, 1200):
        seen.append([])
        sparse_potential(System.from_atoms(water_cluster(n), AOBasis("sto-3g")), REACH)
    assert seen[1][-1] < 1.3 * seen[0][-1]
    assert len(seen[1]) >= 3  # and there are larger cells for what is further away
