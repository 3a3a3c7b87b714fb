from __future__ import annotations

import numpy as np
import pytest

from linvop.errors import InputError
from linvop.features.basis import Basis
from linvop.integrals import System
from linvop.orbitals.shells import AOBasis

from .conftest import AO, SPECIES, molecule


def structure(basis: Basis, atoms, species=SPECIES) -> dict:
    features = basis.compile(species, target="structure")
    return features.structure(System.from_atoms(atoms, AOBasis(AO)))


@pytest.mark.parametrize("metric", ["ao", "overlap", "lowdin"])
def test_screened_features_of_molecules_far_apart_add_up(metric):
    """Size consistency; bare nuclei shift everything by Z / r."""
    rng = np.random.default_rng(8)
    one, other = molecule("HCO", rng), molecule("NSHC", rng)
    far = other.copy()
    far.positions += [60.0, 0, 0]
    screened = Basis(AO, kappa=3, resolution="species", metric=metric, screening=0.3)
    bare = Basis(AO, kappa=3, resolution="species", metric=metric)
    parts = structure(screened, one), structure(screened, other)
    for irrep, values in structure(screened, one + far).items():
        expected = parts[0][irrep] + parts[1][irrep]
        scale = max(np.abs(p[irrep]).max(initial=0) for p in parts)
        np.testing.assert_allclose(values, expected, rtol=0, atol=1e-10 * scale)
    both, apart = structure(bare, one + far)[0, 1], [structure(bare, x)[0, 1] for x in (one, far)]
    assert np.abs(both - sum(apart)).max() > 1e-3 * np.abs(both).max()


@pytest.mark.parametrize("resolution", ["shell", "species", "total"])
def test_an_absent_species_changes_no_other_column(resolution):
    """Columns of a model for more species: the same numbers, and zeros."""
    atoms = molecule("HCHC", np.random.default_rng(9))
    basis = Basis(AO, kappa=3, resolution=resolution, sources="total")
    few = basis.labels(["H", "C"], irreps=[(1, 1)])
    many = basis.labels(SPECIES, irreps=[(1, 1)])
    a, b = basis.evaluate(atoms, ["H", "C"]), basis.evaluate(atoms, SPECIES)
    for s in ("H", "C"):
        mine = [str(x) for x in few if x.species == s]
        every = [str(x) for x in many if x.species == s]
        where = [every.index(x) for x in mine]
        scale = np.abs(a[s, 1, 1]).max()
        np.testing.assert_allclose(b[s, 1, 1][:, :, where], a[s, 1, 1], atol=1e-12 * scale)
        assert not np.delete(b[s, 1, 1], where, axis=2).any()
    assert b["S", 1, 1].shape[0] == 0


def test_columns_of_a_structure_stand_species_by_species():
    basis = Basis(AO, kappa=2)
    atoms = molecule("OSO", np.random.default_rng(10))
    features = basis.compile(SPECIES, target="structure")
    rows = features.structure(System.from_atoms(atoms, AOBasis(AO)))
    for irrep, row in rows.items():
        labels = basis.labels(SPECIES, target="structure", irreps=[irrep])
        assert row.shape == (2 * irrep[0] + 1, len(labels))
        absent = np.array([x.species in ("H", "C", "N") for x in labels], bool)
        assert not row[:, absent].any()
        assert irrep != (0, 1) or row[:, ~absent].all()


def test_unknown_species_are_named():
    basis = Basis(AO, kappa=1)
    with pytest.raises(InputError, match=r"species N, S: expected H, O"):
        basis.evaluate(molecule("HSNO", np.random.default_rng(1)), ["O", "H"])


def test_plans_are_made_once():
    basis = Basis(AO, kappa=2)
    assert basis.compile(["H", "O"]) is Basis(AO, kappa=2).compile(["O", "H", "O"])
