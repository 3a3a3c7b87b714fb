"""Dynamics and vibrations of a model of the shipped waters, against its labels' own method."""

from __future__ import annotations

import numpy as np
import pytest

import linvop
from linvop.bench.dynamics import dynamics_table, load_model, vibrations_table
from linvop.errors import InputError


@pytest.fixture(scope="module")
def waters():
    return linvop.Dataset.open(linvop.data.water()).frames()


@pytest.fixture(scope="module")
def model(waters):
    basis = linvop.Basis("linvop-svp", kappa=3, metric="lowdin")
    return linvop.PropertyModel(basis, "energy").fit(waters[:200])


@pytest.mark.filterwarnings("ignore::linvop.ExtrapolationWarning")
def test_energy_is_kept_and_the_error_is_that_of_the_step(model, waters):
    done = []
    rows = [
        dynamics_table(
            model,
            waters[0],
            picoseconds=0.3,
            femtoseconds=step,
            progress=lambda k, n: done.append((k, n)),
        ).rows[0]
        for step in (0.5, 0.25)
    ]
    assert done[-1] == (1200, 1200)
    assert rows[0]["longest bond, A"] < 1.3
    assert 200 < rows[1]["mean T, K"] < 400  # harmonic: 300
    ratio = rows[0]["spread, meV/atom"] / rows[1]["spread, meV/atom"]
    assert 3 < ratio < 5.5  # second order


def test_vibrations_are_those_of_the_labels(model, waters):
    table = vibrations_table(model, waters[0], xc="pbe", ao="def2-svp")
    assert len(table.rows) == 3
    differences = [row["difference"] for row in table.rows]
    assert np.abs(differences).max() < 15


def test_other_files_are_refused(waters, tmp_path):
    basis = linvop.Basis("linvop-svp", kappa=1)
    linvop.PropertyModel(basis, "dipole").fit(waters[:20]).save(tmp_path / "m.h5")
    with pytest.raises(InputError, match=r"m\.h5: expected a property model of energies"):
        load_model(tmp_path / "m.h5")
