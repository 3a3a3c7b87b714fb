"""Labels are made once; what decides a number decides the file."""

from __future__ import annotations

import numpy as np
import pytest
from ase.build import molecule

from paper_reproduction import labels
from paper_reproduction.study import Setting

FAST = {"method": "rhf", "ao": "sto-3g", "quantities": ("energy",)}


@pytest.fixture(autouse=True)
def cache(monkeypatch, tmp_path):
    monkeypatch.setenv("LINVOP_CACHE_DIR", str(tmp_path))


def test_a_second_reading_calculates_nothing(monkeypatch):
    frames = [molecule("H2")]
    first = labels.labelled("hydrogen", frames, Setting(workers=1), **FAST)
    monkeypatch.setattr(labels, "label", lambda *a, **k: pytest.fail("calculated again"))
    again = labels.labelled("hydrogen", frames, Setting(workers=1), **FAST)
    assert again[0].energy == first[0].energy


def test_structures_without_labels_are_told_of_each_time(monkeypatch):
    frames = [molecule("H2"), molecule("H2")]
    frames[1].positions[1, 2] += 0.1
    path = labels.labels_path("hydrogen", frames, **FAST)
    labels.label(frames[:1], path, workers=1, **FAST)
    for _ in range(2):
        with pytest.warns(UserWarning, match="1 of 2 structures have no labels"):
            assert len(labels.labelled("hydrogen", frames, Setting(workers=1), **FAST)) == 1


def test_structures_charge_and_settings_name_the_file():
    atoms, moved, ion = molecule("H2"), molecule("H2"), molecule("H2")
    moved.positions[0, 2] += 1e-6
    ion.info["charge"] = 2
    paths = {
        labels.labels_path("x", [atoms], **FAST),
        labels.labels_path("x", [moved], **FAST),
        labels.labels_path("x", [ion], **FAST),
        labels.labels_path("x", [atoms], **(FAST | {"ao": "6-31g"})),
        labels.labels_path("y", [atoms], **FAST),
    }
    assert len(paths) == 5
    assert labels.labels_path("x", [molecule("H2")], **FAST) in paths


def test_normal_modes_are_kept(monkeypatch):
    found = labels.modes_of("water", molecule("H2O"), Setting())
    monkeypatch.setattr(labels, "normal_modes", lambda *a: pytest.fail("calculated again"))
    kept = labels.modes_of("water", molecule("H2O"), Setting())
    np.testing.assert_array_equal(kept.displacements, found.displacements)
