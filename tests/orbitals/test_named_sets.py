"""Sets of linvop's own: their law, what is left out, and that nothing else is changed."""

from __future__ import annotations

import numpy as np
import pytest
from ase import Atoms
from ase.build import molecule
from ase.calculators.singlepoint import SinglePointCalculator

import linvop
from linvop.errors import InputError
from linvop.integrals import System, overlap
from linvop.labelling.settings import Settings
from linvop.orbitals.named_sets import DEFAULT_ALPHA0, DEFAULT_BETA, own_set
from linvop.orbitals.shells import AOBasis

NAMES = (
    "linvop-sv",
    "linvop-svp",
    "et-3s2p",
    "et-4s3p2d(alpha0=0.15,beta=2.5)",
    "coreless-6-31g",
    "coreless-def2-svp",
    "coreless-cc-pvdz",
)


def test_exponents_are_a_geometric_series_with_one_radial_maximum():
    shells = AOBasis("et-5s4p2d(alpha0=0.11,beta=2.7)").shells("N")
    assert [s.label for s in shells] == [
        *("1s", "2s", "3s", "4s", "5s"),
        *("2p", "3p", "4p", "5p", "3d", "4d"),
    ]
    for l, n in ((0, 5), (1, 4), (2, 2)):
        zeta = np.array([s.exponents[0] for s in shells if s.l == l])
        np.testing.assert_allclose(zeta[1:] / zeta[:-1], 2.7, rtol=1e-14)
        # where r^2 R^2 = r^(2 l + 2) exp(-2 zeta r^2) is largest, by search
        r = np.linspace(1e-3, 8.0, 80001)
        widest = r[np.argmax((2 * l + 2) * np.log(r) - 2 * zeta[0] * r**2)]
        assert widest == pytest.approx(np.sqrt(0.5 / 0.11), abs=2e-4)
        assert len(zeta) == n
    assert all(len(s.exponents) == 1 for s in shells)


def test_every_element_has_the_same_even_tempered_shells():
    ao = AOBasis("et-3s2p")
    assert ao.shells("H") == ao.shells("O") == ao.shells("U")
    spelled = f"et-3s2p(alpha0={DEFAULT_ALPHA0},beta={DEFAULT_BETA})"
    assert AOBasis(spelled).shells("H") == ao.shells("H")
    assert AOBasis(" ET-3s2p").shells("H") == ao.shells("H")


@pytest.mark.parametrize("name", ["sto-3g", "6-31g", "def2-svp", "cc-pvdz"])
@pytest.mark.parametrize(
    ("symbol", "core"), [("H", {}), ("O", {0: 1}), ("S", {0: 2, 1: 1}), ("Zn", {0: 3, 1: 2})]
)
def test_the_core_goes_and_the_rest_stays(name, symbol, core):
    """Left out are as many shells as the core has orbitals, the tightest; order is kept."""
    whole = AOBasis(name).shells(symbol)
    left = AOBasis(f"coreless-{name}").shells(symbol)
    for l in {s.l for s in whole}:
        radial = [s.radial() for s in whole if s.l == l]
        kept = [s.radial() for s in left if s.l == l]
        gone = core.get(l, 0)
        assert len(kept) == len(radial) - gone
        for have, expected in zip(kept, radial[gone:], strict=True):
            np.testing.assert_array_equal(have[0], expected[0])
            np.testing.assert_allclose(have[1], expected[1], rtol=1e-14)


@pytest.mark.parametrize("name", NAMES)
def test_overlaps_of_random_molecules_are_positive_definite(name):
    rng = np.random.default_rng(3)
    for formula in ("CH3CH2OH", "C6H6", "CH3SH", "H2O"):
        atoms = molecule(formula)
        atoms.positions += 0.1 * rng.normal(size=(len(atoms), 3))
        lowest = np.linalg.eigvalsh(overlap(System.from_atoms(atoms, AOBasis(name))))[0]
        assert lowest > 1e-5, f"{name}, {formula}: {lowest:.1e}"


@pytest.mark.parametrize("name", NAMES)
def test_a_basis_keeps_the_name(name):
    basis = linvop.Basis(ao=name, kappa=2)
    assert eval(repr(basis), {"Basis": linvop.Basis}) == basis
    assert repr(name) in repr(basis)
    by_element = linvop.Basis(ao={"H": "6-31g", "O": name}, kappa=2)
    assert eval(repr(by_element), {"Basis": linvop.Basis}) == by_element
    assert by_element.ao_basis.shells("O") == basis.ao_basis.shells("O")


def test_a_model_file_outlives_the_name(tmp_path, monkeypatch):
    """Exponents are in the file: a name that means something else later changes nothing."""
    rng = np.random.default_rng(0)
    frames = []
    for _ in range(12):
        atoms = Atoms("OH2", [[0, 0, 0], [0.96, 0, 0], [-0.24, 0.93, 0]])
        atoms.positions += 0.05 * rng.normal(size=(3, 3))
        atoms.calc = SinglePointCalculator(atoms, energy=float(rng.normal()))
        frames.append(atoms)
    model = linvop.PropertyModel(linvop.Basis(ao="et-2s1p", kappa=1)).fit(frames)
    model.save(tmp_path / "m.h5")
    expected = model.predict_arrays(frames)["energy"]
    same = linvop.load(tmp_path / "m.h5")
    assert same.basis == model.basis
    monkeypatch.setattr("linvop.orbitals.named_sets.DEFAULT_BETA", 3.0)
    later = linvop.load(tmp_path / "m.h5")
    assert later.basis.ao_basis.name == "custom"
    np.testing.assert_allclose(later.predict_arrays(frames)["energy"], expected, rtol=1e-12)


def test_before_the_stroke_stands_the_first_period():
    ao, small, large = AOBasis("et-2s/3s2p"), AOBasis("et-2s"), AOBasis("et-3s2p")
    assert ao.shells("H") == ao.shells("He") == small.shells("H")
    assert ao.shells("Li") == ao.shells("S") == large.shells("S")


def test_names_of_pyscf_are_left_to_it():
    for name in ("6-31g", "def2-svp", "etb", "core"):
        assert own_set("O", name) is None


def test_data_can_be_labelled_in_an_own_set():
    Settings(ao="coreless-6-31g").check_species(["H", "O"])


@pytest.mark.filterwarnings("ignore:Basis may be available")
@pytest.mark.parametrize(
    ("symbol", "name", "message"),
    [
        ("O", "et-", "expected a name such as et-4s2p1d"),
        ("O", "et-3s2p(beta=3)", "expected a name such as"),
        ("O", "et-1p1s", "once, in this order"),
        ("O", "et-2s2s", "once, in this order"),
        ("O", "et-0s", "1 to 30 shells"),
        ("O", "et-1s(alpha0=0)", "alpha0: expected a number above 0, got 0"),
        ("O", "et-1s(alpha0=1,beta=1)", "beta: expected a number above 1, got 1"),
        ("O", "et-1s(alpha0=1.2.3)", "alpha0"),
        ("Xx", "et-1s", "Xx"),
        ("O", "coreless-no-such", "PySCF cannot give 'no-such'"),
        ("O", "coreless-et-2s", "a set that PySCF knows"),
        ("I", "coreless-def2-svp", "effective core potential for I"),
    ],
)
def test_bad_names_are_refused_with_what_is_wrong(symbol, name, message):
    with pytest.raises(InputError, match=message):
        AOBasis(name).shells(symbol)
