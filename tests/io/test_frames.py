r"""Bad structures are refused with file, frame and atom; states are what chemistry allows."""

from __future__ import annotations

import numpy as np
import pytest
from ase import Atoms

from linvop.errors import InputError
from linvop.io.frames import charges_and_multiplicities, check_frames, require_one_state

WATER = [[0, 0, 0], [0.96, 0, 0], [-0.24, 0.93, 0]]


def water(**info):
    return Atoms("OH2", positions=WATER, info=info)


def test_good_frames_come_back_as_a_list():
    frames = [water(), Atoms("He")]
    assert check_frames(iter(frames)) == frames
    assert check_frames(water())[0] == water()


def moved(atom, position):
    atoms = water()
    atoms.positions[atom] = position
    return atoms


def periodic():
    atoms = water()
    atoms.cell, atoms.pbc = np.eye(3) * 9, [True, False, True]
    return atoms


@pytest.mark.parametrize(
    ("bad", "message"),
    [
        ("H2O", r"x\.xyz: frame 1: expected an ase\.Atoms, got str"),
        (Atoms(), r"x\.xyz: frame 1: expected at least one atom"),
        (Atoms("OXH", positions=WATER), r"x\.xyz: frame 1, atom 1: unknown element"),
        (Atoms(numbers=[200]), r"x\.xyz: frame 1, atom 0: unknown element"),
        (Atoms("OHF", positions=WATER), r"x\.xyz: frame 1, atom 2: element F .*\(O, H\)"),
        (moved(2, [0, np.nan, 0]), r"x\.xyz: frame 1, atom 2: its position is \(0, nan, 0\)"),
        (moved(1, [np.inf, 0, 0]), r"x\.xyz: frame 1, atom 1: its position is \(inf, 0, 0\)"),
        (moved(2, [0.961, 0, 0]), r"x\.xyz: frame 1, atoms 1 and 2: 0\.001 Ang.* one spot"),
        (periodic(), r"x\.xyz: frame 1: expected a molecule, got a periodic cell \(pbc=T F T\)"),
    ],
)
def test_bad_structures(bad, message):
    with pytest.raises(InputError, match=message):
        check_frames([water(), bad], source="x.xyz", species=["O", "H"])


def test_no_structures():
    with pytest.raises(InputError, match=r"empty\.xyz: expected at least one structure, got none"):
        check_frames([], source="empty.xyz")


@pytest.mark.parametrize(
    ("info", "state"),
    [
        ({}, (0, 1)),
        ({"charge": 1}, (1, 2)),
        ({"total_charge": -2.0}, (-2, 1)),
        ({"charge": np.int64(0), "total_charge": 0}, (0, 1)),
        ({"spin_mult": 3}, (0, 3)),
        ({"multiplicity": "3"}, (0, 3)),
        ({"spin": 1}, (0, 1)),  # a multiplicity: 10 electrons have no 2 S = 1
        ({"spin": 2}, (0, 3)),  # 2 S: 10 electrons have no multiplicity 2
        ({"spin": 0}, (0, 1)),
        ({"charge": 1, "spin": 1}, (1, 2)),  # 2 S of 9 electrons
        ({"charge": 1, "spin": 2}, (1, 2)),  # their multiplicity
        ({"spin": 2, "spin_mult": 3}, (0, 3)),
    ],
)
def test_states(info, state):
    charges, multiplicities = charges_and_multiplicities([water(**info)])
    assert (charges[0], multiplicities[0]) == state


@pytest.mark.parametrize(
    ("info", "message"),
    [
        ({"charge": 0.5}, r"frame 1: charge = 0\.5: expected an integer"),
        ({"charge": "one"}, "frame 1: charge = 'one'"),
        ({"charge": 1, "total_charge": 0}, "frame 1: charge = 1, total_charge = 0 contradict"),
        ({"spin_mult": 2}, "frame 1: multiplicity 2 is impossible with 10 electrons"),
        ({"spin_mult": 13}, "multiplicity 13 is impossible"),
        ({"spin_mult": 0}, "multiplicity 0 is impossible"),
        ({"spin_mult": 1, "multiplicity": 3}, "contradict"),
        ({"charge": 11}, "charge 11 leaves -1 electrons"),
    ],
)
def test_impossible_states(info, message):
    with pytest.raises(InputError, match=message):
        charges_and_multiplicities([water(), water(**info)])


def test_one_state_for_molecules_of_any_size():
    assert require_one_state([water(), Atoms("He"), Atoms("H2", [[0, 0, 0], [0, 0, 1]])]) == (0, 1)
    assert require_one_state([water(charge=1)] * 2) == (1, 2)


@pytest.mark.parametrize(
    ("info", "message"),
    [
        ({"charge": 2}, r"x: frame 0 has charge 0 and frame 2 has charge 2"),
        ({"spin_mult": 3}, r"x: frame 0 has multiplicity 1 and frame 2 has multiplicity 3"),
    ],
)
def test_mixed_states_are_refused_and_two_frames_named(info, message):
    with pytest.raises(InputError, match=message):
        require_one_state([water(), water(), water(**info)], "x")
