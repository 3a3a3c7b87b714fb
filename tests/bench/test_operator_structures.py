"""The structures that are picked: as many as said, without labels and without copies."""

from __future__ import annotations

import numpy as np
import pytest
from ase.io import read, write

from linvop.bench.molecules import own_molecules
from linvop.bench.operator_structures import pick_structures
from linvop.errors import InputError


def test_only_what_is_there_is_picked_bare_and_in_the_same_order_each_time(tmp_path):
    frames = own_molecules(12, seed=2)
    for k, atoms in enumerate(frames):
        atoms.info |= {"energy_Ha": -75.0 - 0.01 * k, "dup_of": -1}
    frames[5].info["dup_of"] = 2
    (tmp_path / "water_monomer").mkdir()
    write(tmp_path / "water_monomer" / "water_monomer_1000.xyz", frames, format="extxyz")
    (path,) = pick_structures(tmp_path, tmp_path)
    assert path == tmp_path / "water.xyz"
    picked = read(path, ":")
    assert len(picked) == 11
    assert all(not a.info and a.calc is None for a in picked)
    assert not any(
        len(a) == len(frames[5]) and np.allclose(a.positions, frames[5].positions) for a in picked
    )
    with pytest.raises(InputError, match="exists"):
        pick_structures(tmp_path, tmp_path)
    before = path.read_bytes()
    pick_structures(tmp_path, tmp_path, force=True)
    assert path.read_bytes() == before


def test_an_empty_folder_is_refused(tmp_path):
    with pytest.raises(InputError, match="expected water_monomer/, rmd17_ethanol/ or qm7/"):
        pick_structures(tmp_path, tmp_path)
