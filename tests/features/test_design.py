from __future__ import annotations

import numpy as np
import pytest

from linvop.errors import InputError
from linvop.features.basis import Basis
from linvop.features.design import structure_rows
from linvop.integrals import System

from .conftest import AO, SPECIES, molecule

BASIS = Basis(AO, kappa=2, resolution="species")
FEATURES = BASIS.compile(SPECIES, target="structure")
FRAMES = [
    molecule(text, np.random.default_rng(k)) for k, text in enumerate(["HCO", "NSH", "OHH", "CC"])
]


@pytest.mark.parametrize("workers", [None, 1, 3])
def test_rows_are_the_structures_one_by_one(workers):
    rows = structure_rows(FEATURES, FRAMES, workers=workers)
    for k, atoms in enumerate(FRAMES):
        one = FEATURES.structure(System.from_atoms(atoms, BASIS.ao_basis))
        for irrep, row in one.items():
            np.testing.assert_allclose(rows[irrep][k], row, atol=1e-12 * np.abs(row).max(initial=1))
    for (lam, sigma), values in rows.items():
        assert values.shape == (4, 2 * lam + 1, FEATURES.n_columns((lam, sigma)))
        assert values.flags.c_contiguous


def test_progress_counts_every_structure():
    seen: list[tuple[int, int]] = []
    structure_rows(FEATURES, FRAMES, workers=2, progress=lambda *counts: seen.append(counts))
    assert seen == [(k, 4) for k in (1, 2, 3, 4)]


def test_no_frames_no_rows():
    rows = structure_rows(FEATURES, [])
    assert {len(values) for values in rows.values()} == {0}


def test_errors_name_the_frame():
    features = BASIS.compile(["H", "C", "O"], target="structure")
    with pytest.raises(InputError, match=r"^train\.xyz, frame 11: species N, S"):
        structure_rows(features, FRAMES, source="train.xyz", first=10)
