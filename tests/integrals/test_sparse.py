from __future__ import annotations

import numpy as np
import pytest
from pyscf import lib

from linvop.bench.clusters import alkane, water_cluster
from linvop.conventions import BOHR
from linvop.errors import InputError
from linvop.integrals import System, potential
from linvop.integrals.sparse import sparse_potential
from linvop.orbitals.shells import AOBasis

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
