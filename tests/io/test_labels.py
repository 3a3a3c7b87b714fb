r"""Labels are found wherever ASE or a user puts them, in the unit that somebody stated."""

from __future__ import annotations

import numpy as np
import pytest
from ase import Atoms
from ase.calculators.emt import EMT
from ase.calculators.singlepoint import SinglePointCalculator
from ase.units import Bohr, Debye, Hartree, kcal, mol

from linvop.conventions import UNITS
from linvop.errors import InputError
from linvop.io.dipoles import NUCLEAR_CHARGE, centre_of_nuclear_charge
from linvop.io.labels import labels


def water(results=None, **info):
    positions = [[0, 0, 0], [0.96, 0, 0], [-0.24, 0.93, 0]]
    atoms = Atoms("OH2", positions=positions, info=info)
    if results:
        atoms.calc = SinglePointCalculator(atoms, **results)
    return atoms


def test_found_in_info_arrays_and_calculator():
    forces = np.arange(9.0).reshape(3, 3)
    in_arrays = water(energy=-1.0)
    in_arrays.arrays["forces"] = forces
    frames = [in_arrays, water({"energy": -1.0, "forces": forces})]
    assert [float(e) for e in labels(frames, "energy")] == [-1.0, -1.0]
    for found in labels(frames, "forces"):
        np.testing.assert_array_equal(found, forces)


@pytest.mark.parametrize(
    ("name", "unit", "factor", "shape"),
    [
        ("energy", "Hartree", Hartree, ()),
        ("energy", "kcal/mol", kcal / mol, ()),
        ("energy", "EV", 1.0, ()),
        ("forces", "Hartree/Bohr", Hartree / Bohr, (3, 3)),
        ("dipole", "Debye", Debye, (3,)),
        ("dipole", "au", Bohr, (3,)),
        ("polarizability", "au", Bohr**2 / Hartree, (3, 3)),
    ],
)
def test_units_are_those_of_ase(name, unit, factor, shape):
    """To the digits in which the CODATA sets of ASE and PySCF agree."""
    value = np.random.default_rng(0).normal(size=shape)
    value = value + value.T if name == "polarizability" else value
    atoms = water(**{"mine": value.ravel() if name == "polarizability" else value})
    np.testing.assert_allclose(
        labels([atoms], name, key="mine", unit=unit)[0], factor * value, rtol=1e-6
    )


def test_unit_stated_in_the_file():
    frames = [water(energy=-76.0, energy_unit="Hartree")] * 2
    np.testing.assert_allclose(labels(frames, "energy"), -76.0 * Hartree, rtol=1e-6)
    np.testing.assert_allclose(labels(frames, "energy", unit="Ha"), -76.0 * Hartree, rtol=1e-6)
    frames = [water(e=-76.0, e_units="Hartree")]
    np.testing.assert_allclose(labels(frames, "energy", key="e"), -76.0 * Hartree, rtol=1e-6)


def test_unknown_properties_are_taken_as_they_are():
    assert float(labels([water(gap_au=0.3)], "gap", key="gap_au", unit="au")[0]) == 0.3


@pytest.mark.parametrize(
    ("frames", "options", "message"),
    [
        (
            [water(energy=-1.0), water(e_tot=-1.0, dipole=[0, 0, 0])],
            {},
            r"f: frame 1: no label 'energy' for energy; there are: dipole, e_tot",
        ),
        ([water()], {}, "there are: none"),
        ([water(e=-1.0)], {"key": "e"}, r"'e' is taken as energy.* unit must be said.*Hartree"),
        ([water(energy=-1.0)], {"unit": "furlong"}, "f: unit 'furlong' of energy: expected one of"),
        ([water(energy=-1.0), water(energy=np.nan)], {}, r"f: frame 1: energy: .*finite.*nan"),
        ([water(energy="low")], {}, r"f: frame 0: energy: expected numbers, got 'low'"),
        ([water(energy=[1.0, 2.0])], {}, r"f: frame 0: energy: expected shape \(\), got \(2,\)"),
        (
            [water(energy=-1.0, energy_unit="eV"), water(energy=-1.0)],
            {},
            r"unit of energy is stated as eV in frame 0 and as nothing in frame 1",
        ),
        (
            [water(energy=-1.0, energy_unit="eV"), water(energy=-1.0, energy_unit="Ha")],
            {},
            r"stated as eV in frame 0 and as Ha in frame 1",
        ),
        (
            [water(energy=-1.0, energy_unit="eV")],
            {"unit": "Ha"},
            "declared in Ha; the file says eV",
        ),
        (
            [water({"energy": -1.0}, energy=-2.0)],
            {},
            "frame 0: energy is in info and in calculator",
        ),
    ],
)
def test_bad_energies(frames, options, message):
    with pytest.raises(InputError, match=message):
        labels(frames, "energy", source="f", **options)


def test_bad_shapes_name_the_atom():
    bad = water()
    bad.arrays["forces"] = np.zeros((3, 3))
    bad.arrays["forces"][2, 1] = np.inf
    with pytest.raises(InputError, match=r"frame 1: forces, atom 2: expected finite"):
        labels([water({"forces": np.zeros((3, 3))}), bad], "forces")
    with pytest.raises(InputError, match=r"forces: expected shape \(3, 3\), got \(3, 2\)"):
        labels([water(forces=np.zeros((3, 2)))], "forces")
    with pytest.raises(InputError, match=r"dipole: expected shape \(3,\), got \(\)"):
        labels([water(dipole=1.0)], "dipole")


def test_polarizability_must_be_symmetric():
    alpha = np.diag([1.0, 2.0, 3.0])
    alpha[0, 1] = 0.1
    with pytest.raises(InputError, match="expected a symmetric 3 x 3 tensor; it is off by 0.1"):
        labels([water(polarizability=alpha)], "polarizability")


def test_results_for_other_positions_are_no_labels():
    atoms = water({"energy": -1.0})
    atoms.rattle(0.1)
    with pytest.raises(InputError, match="results are for other positions"):
        labels([atoms], "energy")


def test_no_calculation_is_started():
    atoms = Atoms("Cu2", positions=[[0, 0, 0], [0, 0, 2.5]], calculator=EMT())
    with pytest.raises(InputError, match="no label 'energy'"):
        labels([atoms], "energy")


def total_energies(n=20):
    return -2078.0 + np.random.default_rng(3).normal(size=n)


@pytest.mark.parametrize("unit", ["Hartree", "kcal/mol", "kJ/mol", "meV"])
@pytest.mark.parametrize("share", [1, 10, 19])
def test_mixed_units_left_undeclared_are_noticed(unit, share):
    values = total_energies()
    values[:share] /= UNITS["eV"][unit]
    with pytest.raises(InputError, match=r"f: mixed units: frames \d+ and \d+ have the same form"):
        labels([water(energy=e) for e in values], "energy", source="f")


def test_honest_energies_are_not_suspected():
    rng = np.random.default_rng(0)
    labels([water(energy=e) for e in total_energies()], "energy")
    # Molecules of different size in ratios of units, and relative energies of both signs.
    labels([water(energy=-27.2114 * 76), Atoms("He", info={"energy": -76.0})], "energy")
    labels([water(energy=e) for e in rng.normal(size=50)], "energy")
    labels([water(energy=e) for e in rng.exponential(size=50) * 1e-3], "energy")


def test_dipole_of_an_ion_moves_to_the_centre_of_nuclear_charge():
    r"""mu(R) = mu(O) - q (R - O), whatever O is stated."""
    rng = np.random.default_rng(0)
    atoms = water(charge=1)
    charges, points = rng.normal(size=5), rng.normal(size=(5, 3))
    charges += (1 - charges.sum()) / 5
    centre = centre_of_nuclear_charge(atoms.numbers, atoms.positions)
    for origin in (rng.normal(size=3), np.zeros(3)):
        atoms.info |= {"dipole": charges @ (points - origin), "dipole_origin": origin}
        found = labels([atoms], "dipole")[0]
        np.testing.assert_allclose(found, charges @ (points - centre), atol=1e-12)
    atoms.info["dipole_origin"] = NUCLEAR_CHARGE
    np.testing.assert_array_equal(labels([atoms], "dipole")[0], atoms.info["dipole"])


@pytest.mark.parametrize("origin", [None, "somewhere", [1.0, 2.0]])
def test_dipole_of_an_ion_without_an_origin_is_refused(origin):
    atoms = water(charge=-1, dipole=[0.0, 0.0, 1.0])
    if origin is not None:
        atoms.info["dipole_origin"] = origin
    with pytest.raises(InputError, match=r"frame 0: dipole: .*origin"):
        labels([atoms], "dipole")
