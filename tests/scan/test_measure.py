from __future__ import annotations

import numpy as np
import pytest

from linvop import Basis, PropertyModel
from linvop.regression.ridge import Ridge
from linvop.scan.measure import measure_setting, seconds_per_structure
from tests.scan.conftest import waters

BASIS = Basis(ao="sto-3g", kappa=2, metric="lowdin")


def test_leaving_one_out_is_as_many_folds_as_structures():
    """With alpha and scale given, the closed form and fits without each structure are one thing."""
    frames = waters(14)
    model = PropertyModel(BASIS, ("energy", "dipole"), Ridge(alpha=1e-6, column_scale=0.0))
    closed = measure_setting(model, frames, n_timed=1)
    one_by_one = measure_setting(model, frames, folds=14, n_timed=1)
    for name in ("energy", "dipole"):
        for error in ("rmse", "mae", "max"):
            a, b = closed["targets"][name][error], one_by_one["targets"][name][error]
            assert a == pytest.approx(b, rel=1e-6), f"{name}, {error}"


def test_folds_keep_copies_together():
    """Every structure twice: a copy in the training folds would give the answer away."""
    frames = waters(10)
    model = PropertyModel(BASIS, "energy", Ridge(alpha=1e-6))
    once = measure_setting(model, frames, folds=10, n_timed=1)["targets"]["energy"]
    pairs = [atoms for atoms in frames for _ in range(2)]
    twice = measure_setting(model, pairs, folds=10, n_timed=1)["targets"]["energy"]
    assert twice["n"] == 20
    assert twice["rmse"] > 0.2 * once["rmse"]


def test_the_model_is_left_as_it_was():
    model = PropertyModel(BASIS, "energy")
    before = dict(model.__dict__)
    measure_setting(model, waters(12), n_timed=1)
    assert model.__dict__ == before


@pytest.mark.parametrize("products", [{}, {"nu": 2, "max_degree": (None, 5)}], ids=str)
def test_columns_are_those_of_the_fit(products):
    frames = waters(12)
    basis = Basis(ao="sto-3g", kappa=2, metric="lowdin", **products)
    model = PropertyModel(basis, ("energy", "dipole"))
    found = measure_setting(model, frames, n_timed=1)
    model.fit(frames)
    by_irrep = {i: len(p.coefficients) for t in model.parts_.values() for i, p in t.items()}
    assert model.counts(["O", "H"]) == by_irrep
    assert found["columns"] == sum(by_irrep.values())


def test_what_cannot_be_fitted_has_a_reason():
    frames = waters(12)
    for atoms in frames:
        atoms.calc.results["energy"] = 1.0
    found = measure_setting(PropertyModel(BASIS, "energy"), frames)
    assert "expected values that vary" in found["reason"]


def test_more_work_takes_longer():
    frames = waters(6)
    small, large = (
        PropertyModel(Basis(ao=ao, kappa=kappa), "energy").fit(frames)
        for ao, kappa in (("sto-3g", 1), ("def2-tzvp", 3))
    )
    tries = np.array(
        [[seconds_per_structure(m, frames, 3)[0] for m in (small, large)] for _ in range(5)]
    )
    assert np.isfinite(tries).all()
    seconds = tries.min(axis=0)  # a busy machine adds time, and never takes any
    assert seconds[1] > seconds[0] > 0
