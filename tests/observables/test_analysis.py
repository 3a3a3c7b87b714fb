"""`analyse` finds what PySCF finds, whichever matrix it starts from."""

from __future__ import annotations

import numpy as np
import pytest
from ase import Atoms
from scipy.linalg import block_diag
from scipy.spatial.transform import Rotation

import linvop
from linvop.angular.wigner import rotation_matrix
from linvop.conventions import HARTREE
from linvop.errors import InputError
from linvop.orbitals.order import from_m_order


def of(case, **matrices):
    return linvop.analyse(case.atoms, ao=case.ao, grid_level=1, **matrices)


def test_fock_gives_orbitals_and_density_of_pyscf(case):
    found = of(case, fock=case.fock)
    np.testing.assert_allclose(found.orbital_energies, case.mf.mo_energy * HARTREE, atol=1e-7)
    np.testing.assert_allclose(found.occupations, case.mf.mo_occ)
    np.testing.assert_allclose(found.density, case.density, atol=1e-6)
    C = found.orbitals
    np.testing.assert_allclose(
        case.fock @ C, case.overlap @ C * found.orbital_energies[..., None, :] / HARTREE, atol=1e-9
    )
    occupied = np.ma.masked_where(case.mf.mo_occ == 0, case.mf.mo_energy)
    empty = np.ma.masked_where(case.mf.mo_occ > 0, case.mf.mo_energy)
    np.testing.assert_allclose(found.homo, occupied.max(axis=-1) * HARTREE, atol=1e-7)
    np.testing.assert_allclose(found.lumo, empty.min(axis=-1) * HARTREE, atol=1e-7)
    np.testing.assert_allclose(found.gap, np.subtract(found.lumo, found.homo))


@pytest.mark.parametrize("given", ["fock", "density"])
def test_energy_is_that_of_pyscf_and_the_residual_vanishes(case, given):
    found = of(case, xc=case.xc, **{given: getattr(case, given)})
    assert found.energy == pytest.approx(case.mf.e_tot * HARTREE, abs=1e-8)
    assert found.residual < 1e-6
    np.testing.assert_allclose(found.orbital_energies, case.mf.mo_energy * HARTREE, atol=1e-5)


def test_energy_is_stationary_and_the_residual_is_not(water):
    """A density turned by an angle t costs t^2 of energy and t of the residual."""
    n = int(water.mf.mo_occ.sum()) // 2

    def turned(t):
        C = water.mf.mo_coeff.copy()
        C[:, n - 1], C[:, n] = (
            np.cos(t) * C[:, n - 1] + np.sin(t) * C[:, n],
            np.cos(t) * C[:, n] - np.sin(t) * C[:, n - 1],
        )
        found = of(water, density=2 * C[:, :n] @ C[:, :n].T, xc="hf")
        return found.energy - water.mf.e_tot * HARTREE, found.residual

    (e1, r1), (e2, r2) = turned(1e-2), turned(2e-2)
    assert e1 > 1e-6
    assert e2 / e1 == pytest.approx(4, rel=0.01)
    assert r2 / r1 == pytest.approx(2, rel=0.01)


def test_density_alone_has_no_orbital_energies(water):
    found = of(water, density=water.density)
    assert found.orbital_energies is None
    assert "gap" not in found.as_dict()
    assert found.as_dict()["dipole"] is found.dipole
    assert all(value is not None for value in found.as_dict().values())


def test_both_matrices_and_their_commutator(case):
    assert of(case, fock=case.fock, density=case.density).commutator < 1e-6
    noise = np.random.default_rng(0).normal(size=case.fock.shape) * 1e-3
    off = of(case, fock=case.fock + noise + np.swapaxes(noise, -1, -2), density=case.density)
    assert off.commutator > 1e-3
    assert of(case, fock=case.fock).commutator is None


@pytest.mark.parametrize("purification", ["projection", "mcweeny"])
def test_noisy_density_comes_out_as_a_determinant(case, purification):
    noise = np.random.default_rng(1).normal(size=case.density.shape) * 1e-3
    noisy = case.density + noise + np.swapaxes(noise, -1, -2)
    found = of(case, density=noisy, purification=purification)
    assert found.idempotency_error > 1e-4
    again = of(case, density=found.density)
    assert again.idempotency_error < 1e-10
    assert np.sum(found.density * case.overlap) == pytest.approx(case.mf.mol.nelectron, abs=1e-10)
    assert np.abs(found.density - case.density).max() < 0.05
    left = of(case, density=noisy, purification=None)
    np.testing.assert_allclose(left.density, noisy, atol=1e-14)
    np.testing.assert_allclose(
        found.natural_occupations.sum(axis=-1),
        (noisy * case.overlap).sum(axis=(-1, -2)),
    )


def test_charge_and_multiplicity_are_those_of_the_atoms_unless_given(cation):
    bare = Atoms(cation.atoms.numbers, cation.atoms.positions)
    said = of(cation, fock=cation.fock)
    given = linvop.analyse(bare, fock=cation.fock, ao=cation.ao, charge=1, multiplicity=2)
    np.testing.assert_array_equal(said.density, given.density)
    other = linvop.analyse(cation.atoms, fock=cation.fock, ao=cation.ao, charge=-1, multiplicity=4)
    assert other.occupations.sum(axis=1).tolist() == [7, 4]
    assert other.mulliken_charges.sum() == pytest.approx(-1)


def test_scalars_stay_and_vectors_turn(case):
    """The matrices turned by D on both sides, and no calculation at the new orientation."""
    R = Rotation.from_rotvec([0.4, -1.1, 0.7]).as_matrix()
    turned = case.atoms.copy()
    turned.positions = turned.positions @ R.T + [1.0, -2.0, 0.5]
    layout = case.system.layout
    shells = [s for a in layout.symbols for s in layout.ao.shells(a)]
    D = from_m_order(block_diag(*(rotation_matrix(s.l, R) for s in shells)), layout)
    a = of(case, fock=case.fock, density=case.density)
    b = linvop.analyse(turned, fock=D @ case.fock @ D.T, density=D @ case.density @ D.T, ao=case.ao)
    for name in (
        "orbital_energies",
        "homo",
        "gap",
        "mulliken_charges",
        "lowdin_charges",
        "bond_orders",
        "natural_occupations",
    ):
        np.testing.assert_allclose(getattr(b, name), getattr(a, name), atol=1e-8, err_msg=name)
    np.testing.assert_allclose(b.dipole, R @ a.dipole, atol=1e-9)
    np.testing.assert_allclose(b.quadrupole, R @ a.quadrupole @ R.T, atol=1e-9)


def test_no_empty_orbital_has_no_gap():
    helium = Atoms("He")
    found = linvop.analyse(helium, fock=np.array([[-0.9]]), ao="sto-3g")
    assert found.homo == pytest.approx(-0.9 * HARTREE)
    assert np.isnan(found.lumo)
    assert np.isnan(found.gap)


def spoilt(matrix, how):
    matrix = np.array(matrix)
    if how == "nan":
        matrix[0, 1] = matrix[1, 0] = np.nan
    elif how == "skew":
        matrix[0, 1] += 0.1
    return matrix[:-1, :-1] if how == "shape" else matrix


@pytest.mark.parametrize("name", ["fock", "density"])
@pytest.mark.parametrize(
    ("how", "message"),
    [
        ("shape", r"expected real numbers of shape \(18, 18\) or \(2, 18, 18\)"),
        ("nan", "expected finite numbers"),
        ("skew", "expected a symmetric matrix; it is off by 0.1"),
    ],
)
def test_damaged_matrices_are_refused(water, name, how, message):
    with pytest.raises(InputError, match=f"{name}: {message}"):
        of(water, **{name: spoilt(getattr(water, name), how)})


def test_electrons_must_fit(water):
    with pytest.raises(InputError, match=r"expected tr\(P S\) = 10 electrons, got 5"):
        of(water, density=water.density / 2)
    with pytest.raises(InputError, match=r"expected tr\(P S\) = 8 electrons, got 10"):
        of(water, density=water.density, charge=2)
    with pytest.raises(InputError, match="need two spin channels"):
        of(water, fock=water.fock, multiplicity=3)
    with pytest.raises(InputError, match="need two spin channels"):
        of(water, fock=water.fock, charge=1, multiplicity=2)
    with pytest.raises(InputError, match="multiplicity 2 is impossible with 10 electrons"):
        of(water, fock=water.fock, multiplicity=2)
    with pytest.raises(InputError, match="2 orbitals are occupied .*at most the 1"):
        linvop.analyse(Atoms("He"), fock=np.eye(1), ao="sto-3g", charge=-2)


def test_input_that_makes_no_sense(water, cation):
    with pytest.raises(InputError, match=r"fock=\.\.\., density=\.\.\.\), got none"):
        of(water)
    with pytest.raises(InputError, match="as many spin channels"):
        of(water, fock=water.fock, density=np.stack([water.density, water.density]) / 2)
    with pytest.raises(InputError, match="purification: expected one of projection, mcweeny"):
        of(water, density=water.density, purification="canonical")
    with pytest.raises(InputError, match="PySCF does not know 'pbee'"):
        of(water, density=water.density, xc="pbee")
    with pytest.raises(InputError, match="expected the name of a functional"):
        of(water, density=water.density, xc="")
    with pytest.raises(InputError, match="effective core potential on I"):
        linvop.analyse(Atoms("I"), fock=np.eye(3), ao="def2-svp")
    periodic = water.atoms.copy()
    periodic.cell, periodic.pbc = np.eye(3) * 9, True
    with pytest.raises(InputError, match="periodic"):
        linvop.analyse(periodic, fock=water.fock, ao=water.ao)


def test_gap_that_vanishes_is_an_error(water):
    C, S = water.mf.mo_coeff, water.overlap
    levels = water.mf.mo_energy.copy()
    levels[5] = levels[4] + 1e-9
    F = S @ C @ np.diag(levels) @ C.T @ S
    with pytest.raises(InputError, match="levels 5 and 6 are .* Hartree apart"):
        of(water, fock=F)


def test_linearly_dependent_aos_are_refused():
    two = Atoms("He2", [[0, 0, 0], [0, 0, 0.0105]])
    diffuse = {"He": [linvop.Shell(0, (1e-7,), (1.0,)), linvop.Shell(0, (1.0,), (1.0,))]}
    with pytest.raises(InputError, match="linearly dependent"):
        linvop.analyse(two, fock=np.eye(4), ao=diffuse)


def test_shipped_labels_come_out_again():
    record = linvop.Dataset.open(linvop.data.water())[1]
    found = linvop.analyse(record.atoms(), fock=record.fock, ao="def2-svp", xc="pbe")
    assert found.energy == pytest.approx(record.energy, abs=1e-7)
    np.testing.assert_allclose(found.dipole, record.dipole, atol=1e-6)
    np.testing.assert_allclose(found.orbital_energies, record.orbital_energies, atol=1e-6)


def test_closed_shell_is_the_same_in_one_channel_or_two(water):
    noise = np.random.default_rng(2).normal(size=water.density.shape) * 1e-3
    P = water.density + noise + noise.T
    one = of(water, density=P, xc="hf")
    two = of(water, density=np.stack([P, P]) / 2, xc="hf")
    for name in ("dipole", "bond_orders", "lowdin_charges", "energy", "idempotency_error"):
        np.testing.assert_allclose(getattr(two, name), getattr(one, name), rtol=1e-9, err_msg=name)
    np.testing.assert_allclose(two.density.sum(axis=0), one.density, atol=1e-12)
    np.testing.assert_allclose(two.natural_occupations.sum(axis=0), one.natural_occupations)
    assert np.sqrt(2) * two.residual == pytest.approx(one.residual, rel=1e-9)


def test_residual_is_that_of_pyscf_s_fock_matrix(water):
    P = of(water, fock=water.mf.get_hcore()).density
    F, S = water.mf.get_fock(dm=P), water.overlap
    expected = np.linalg.norm(F @ P @ S - S @ P @ F)
    assert expected > 0.1
    assert of(water, density=P, xc="hf").residual == pytest.approx(expected, rel=1e-9)
