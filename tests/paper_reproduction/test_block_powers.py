"""Blocks of plain powers: their laws, and what of them `Basis` has."""

from __future__ import annotations

import numpy as np
import pytest
from ase.build import molecule

from linvop.features.basis import Basis
from linvop.sampling import random_rotation, water_cluster
from paper_reproduction.block_powers import block_power_designs
from paper_reproduction.designs import linvop_designs

AO, KAPPA = "6-31g", 3
TARGETS = ("energy", "dipole")


@pytest.fixture(scope="module")
def frames():
    rng = np.random.default_rng(0)
    out = [water_cluster(2, seed=1), molecule("CH3OH"), molecule("H2O")]
    for atoms in out:
        atoms.positions += 0.05 * rng.normal(size=atoms.positions.shape)
    return out


def rows(frames):
    return {t: d.rows for t, d in block_power_designs(AO, KAPPA, frames, TARGETS).items()}


def close(a, b):
    np.testing.assert_allclose(a, b, rtol=0, atol=1e-9 * np.abs(b).max())


def test_energies_are_invariant_and_dipoles_turn(frames):
    R = random_rotation(np.random.default_rng(1))
    turned = [a.copy() for a in frames]
    for atoms in turned:
        atoms.positions = -atoms.positions @ R.T + 3.0  # an inversion and a shift besides
    before, after = rows(frames), rows(turned)
    close(after["energy"], before["energy"])
    order = [1, 2, 0]  # m = -1, 0, 1 is y, z, x
    D = R[np.ix_(order, order)]
    close(after["dipole"], -np.einsum("xy,nyp->nxp", D, before["dipole"]))


def test_the_order_of_atoms_does_not_matter(frames):
    rng = np.random.default_rng(2)
    mixed = [a[rng.permutation(len(a))] for a in frames]
    before, after = rows(frames), rows(mixed)
    for target in TARGETS:
        close(after[target], before[target])


def test_no_column_is_that_of_another(frames):
    rng = np.random.default_rng(3)
    many = []
    for k in range(60):
        many.append(water_cluster(2, seed=k))
        many[-1].positions += 0.05 * rng.normal(size=(6, 3))
    for design in block_power_designs(AO, 1, many, TARGETS).values():
        sizes = np.linalg.norm(design.rows.reshape(-1, design.n_columns), axis=0)
        local = sizes < 1e-10 * sizes.max()  # V is local: of p on hydrogen there is nothing
        X = design.rows.reshape(-1, design.n_columns)[:, ~local] / sizes[~local]
        overlaps = np.abs(X.T @ X) - np.eye(X.shape[1])
        assert overlaps.max() < 1 - 1e-12


def test_the_basis_has_what_stands_on_site(frames):
    own = block_power_designs(AO, KAPPA, frames[:1], ("energy",))["energy"].rows[:, 0]
    basis = Basis(ao=AO, kappa=KAPPA, resolution="total", metric="ao")
    for row in linvop_designs(basis, frames[:1], ("energy",))["energy"].rows[0, 0]:
        assert np.abs(np.abs(own) - abs(row)).min() < 1e-8 * max(1.0, abs(row))
