"""Laws of the rows on products and coupling tables in `linvop bench speed`."""

from __future__ import annotations

import numpy as np
import pytest
from ase.build import molecule

from linvop.bench.coupling_tables import coupling_tables_table
from linvop.bench.products import GivenV, products_table
from linvop.features.basis import Basis
from linvop.integrals import System
from linvop.orbitals.shells import AOBasis


def test_what_is_timed_is_all_the_features_of_the_structure():
    atoms = molecule("CH3CH2OH")
    atoms.rattle(0.05, seed=0)
    basis = Basis("6-31g", kappa=2, nu=3, max_degree=(None, 5, 5))
    features = basis.compile(atoms.get_chemical_symbols(), ((0, 1),), "structure")
    system = System.from_atoms(atoms, AOBasis("6-31g"))
    timed = np.concatenate([x.ravel() for x in GivenV(features, system).rows()])
    assert np.array_equal(timed, features.structure(system)[0, 1].ravel())


def test_products_are_counted_by_order():
    (row,) = products_table(degrees=[4], rounds=1).rows
    assert 0 < row["of nu 3"] < row["columns"]
    assert row["ratio"] == pytest.approx(row["ms"] / row["int1e_nuc, ms"])


def test_second_process_reads_what_the_first_made():
    made, read = coupling_tables_table(3, 3, 4, 6).rows
    assert read["seconds"] < 0.5 * made["seconds"]
