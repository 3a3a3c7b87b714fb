"""A model whose prior variances of groups of columns come from the data."""

from __future__ import annotations

import numpy as np
import pytest

from linvop.errors import InputError
from linvop.features.basis import Basis
from linvop.models.loading import load
from linvop.models.property import PropertyModel
from linvop.regression.prior import shell_groups
from linvop.regression.ridge import Ridge

pytestmark = [
    pytest.mark.filterwarnings("ignore:H has no features"),
    pytest.mark.filterwarnings("ignore::linvop.regression.ridge.RegularisationWarning"),
]
BASIS = Basis("sto-3g", kappa=2, metric="lowdin")


def test_groups_are_species_kappa_and_shells():
    labels = BASIS.labels(["H", "O"], target="structure", irreps=[(0, 1)])
    groups = shell_groups(labels)
    for g in range(groups.max() + 1):
        members = [x for x, k in zip(labels, groups, strict=True) if k == g]
        assert len({(x.species, x.kappa, x.shells) for x in members}) == 1
    assert groups.max() + 1 == len({(x.species, x.kappa, x.shells) for x in labels})


def test_targets_have_their_own_relevances_and_the_file_keeps_all(tmp_path, waters):
    targets = ("energy", "dipole", "polarizability")
    solver = Ridge(covariance=True)
    model = PropertyModel(BASIS, targets, solver, relevance="shells").fit(waters[:60])
    plain = PropertyModel(BASIS, targets, solver).fit(waters[:60])
    for name, errors in model.score(waters[60:]).items():
        assert errors["rmse"] < 2 * plain.score(waters[60:])[name]["rmse"]
    alone = PropertyModel(BASIS, "polarizability", solver, relevance="shells").fit(waters[:60])
    a = model.predict_arrays(waters[60:], std=True)
    np.testing.assert_allclose(
        alone.predict_arrays(waters[60:])["polarizability"], a["polarizability"], rtol=1e-6
    )
    assert np.abs(a["energy"] - plain.predict_arrays(waters[60:])["energy"]).max() > 1e-9
    model.save(tmp_path / "m.h5")
    again = load(tmp_path / "m.h5")
    assert again.relevance == "shells"
    b = again.predict_arrays(waters[60:], std=True)
    for name in a:
        np.testing.assert_array_equal(a[name], b[name])


def test_unknown_relevance_is_refused():
    with pytest.raises(InputError, match="relevance: expected None or 'shells', got 'all'"):
        PropertyModel(BASIS, relevance="all")
