"""Laws of products: motions, kernels, body order, completeness, sums over sites."""

from __future__ import annotations

import numpy as np
import pytest

from linvop import Basis, Shell
from linvop.integrals import System
from linvop.testing import (
    assert_body_order,
    assert_columns_independent,
    assert_complete,
    assert_equivariant,
    assert_kernels_agree,
    random_molecule,
    rank_on_molecules,
)


def shells(exponents: dict[int, tuple[float, ...]]) -> tuple[Shell, ...]:
    return tuple(Shell(l, (a,), (1.0,)) for l, many in exponents.items() for a in many)


AO = {
    "H": shells({0: (1.1, 0.3), 1: (0.8,)}),
    "C": shells({0: (0.9, 0.4), 1: (0.6,), 2: (0.7,)}),
    "O": shells({0: (1.3,), 1: (1.0,), 3: (1.2,)}),
}
SPECIES = tuple(AO)
# Every (kappa, nu) with nu > 1 and kappa + nu <= 5; degrees that leave some hundred columns.
ORDERS = [(1, 2, 7), (1, 3, 6), (1, 4, 6), (2, 2, 5), (2, 3, 5), (3, 2, 5)]


@pytest.mark.parametrize("metric", ["ao", "overlap", "lowdin"])
@pytest.mark.parametrize(("kappa", "nu", "degree"), ORDERS)
def test_products_follow_the_motions_of_the_atoms(metric, kappa, nu, degree):
    limits = (1,) + (degree,) * (nu - 1)
    basis = Basis(AO, kappa, nu, metric=metric, max_degree=limits, lam_max=3)
    atoms = random_molecule(SPECIES, 5, seed=kappa + 10 * nu)
    assert_equivariant(basis, atoms, seed=nu)
    assert_kernels_agree(basis, atoms)


@pytest.mark.parametrize(
    ("kappa", "nu", "degree", "n_atoms"), [(1, 2, 5, 5), (1, 3, 5, 6), (1, 4, 5, 7), (2, 2, 5, 8)]
)
def test_the_many_body_expansion_ends(kappa, nu, degree, n_atoms):
    limits = (1,) + (degree,) * (nu - 1)
    basis = Basis(AO, kappa, nu, max_degree=limits, lam_max=1)
    assert max(x.body_order for x in basis.labels(SPECIES)) < n_atoms
    assert_body_order(basis, random_molecule(SPECIES, n_atoms, seed=3))


@pytest.mark.slow
@pytest.mark.parametrize(("kappa", "nu", "degree", "n_atoms"), [(2, 3, 6, 11), (3, 2, 6, 12)])
def test_the_many_body_expansion_of_long_words_ends(kappa, nu, degree, n_atoms):
    ao = {"H": AO["H"]}
    limits = (1,) + (degree,) * (nu - 1)
    basis = Basis(ao, kappa, nu, max_degree=limits, lam_max=1, resolution="total")
    assert max(x.body_order for x in basis.labels(["H"])) < n_atoms
    assert_body_order(basis, random_molecule(["H"], n_atoms, seed=3))


def test_products_are_complete():
    for kappa, nu, degree in ORDERS:
        assert_complete(Basis(AO, kappa, nu, max_degree=degree, lam_max=3), SPECIES)


@pytest.mark.parametrize("target", ["site", "structure"])
def test_no_product_is_a_copy_on_molecules(target):
    basis = Basis(AO, 2, 2, metric="lowdin", max_degree=4, lam_max=2)
    assert_columns_independent(basis, ["H", "C"], target)


def test_on_molecules_the_rank_is_full_or_the_gap_is_named():
    # Diffuse shells: from afar, tight ones are all point charges.
    ao = {"H": shells({0: (0.4, 0.1), 1: (0.2,)}), "C": shells({0: (0.3,), 1: (0.15,)})}
    basis = Basis(ao, 1, 3, max_degree=(None, 5, 5), lam_max=2)
    for found in rank_on_molecules(basis, ["H", "C"]).values():
        assert found.rank == found.n_columns
        assert found.dependent == ()
    # One neighbour: every factor is R(r) Y(r), and all products are multiples of single ones.
    alone = rank_on_molecules(basis, ["H"], n_atoms=2)["H", 0, 1]
    assert alone.rank < alone.n_columns
    assert len(alone.dependent) == alone.n_columns - alone.rank


def test_structure_features_are_sums_over_sites():
    basis = Basis(AO, 2, 2, metric="lowdin", max_degree=5, lam_max=2)
    atoms = random_molecule(SPECIES, 7, seed=1)
    system = System.from_atoms(atoms, basis.ao_basis)
    whole = basis.compile(SPECIES, target="structure").structure(system)
    sites = basis.compile(SPECIES).sites(system)
    for irrep, row in whole.items():
        labels = basis.labels(SPECIES, target="structure", irreps=[irrep])
        products = [k for k, label in enumerate(labels) if label.nu > 1]
        parts = []
        for s in SPECIES:
            own = [x for x in basis.labels(SPECIES, irreps=[irrep]) if x.species == s]
            chosen = [k for k, label in enumerate(own) if label.nu > 1]
            parts.append(sites[(s, *irrep)].sum(axis=0)[:, chosen])
        expected = np.concatenate(parts, axis=1)
        np.testing.assert_allclose(
            row[:, products], expected, rtol=1e-12, atol=1e-12 * np.abs(expected).max()
        )


def test_a_product_is_the_product():
    """Scalars multiply; two vectors couple to their scalar product."""
    basis = Basis(AO, 1, 2, max_degree=(None, 6), lam_max=1)
    atoms = random_molecule(SPECIES, 5, seed=2)
    values = basis.evaluate(atoms, SPECIES)
    one = Basis(AO, 1, lam_max=1).evaluate(atoms, SPECIES)
    names = {
        irrep: [str(x) for x in Basis(AO, 1, lam_max=1).labels(SPECIES, irreps=[irrep])]
        for irrep in ((0, 1), (1, 1))
    }
    labels = [x for x in basis.labels(SPECIES, irreps=[(0, 1)]) if x.species == "C"]
    checked = 0
    for k, label in enumerate(labels):
        if label.nu == 2:
            first, second = (
                one["C", f.lam, f.sigma][
                    :,
                    :,
                    [x for x in names[f.lam, f.sigma] if x.startswith("C ")].index(str(f)),
                ]
                for f in label.factors
            )
            expected = (first * second).sum(axis=1) / np.sqrt(first.shape[1])
            found = values["C", 0, 1][:, 0, k]
            np.testing.assert_allclose(np.abs(found), np.abs(expected), rtol=1e-10)
            checked += 1
    assert checked > 5
