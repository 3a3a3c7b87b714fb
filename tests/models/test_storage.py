from __future__ import annotations

import h5py
import numpy as np
import pytest

from linvop.errors import FileFormatError, InputError
from linvop.features.basis import Basis
from linvop.models import storage, stored_settings
from linvop.models.loading import load
from linvop.models.property import PropertyModel
from linvop.models.targets import Target
from linvop.orbitals.shells import Shell
from linvop.regression.ridge import Ridge

pytestmark = [
    pytest.mark.filterwarnings("ignore:H has no features"),
    pytest.mark.filterwarnings("ignore::linvop.regression.ridge.RegularisationWarning"),
]
CUSTOM = {
    "H": (Shell(0, (1.2, 0.3), (0.4, 0.7)), Shell(1, (0.8,), (1.0,))),
    "O": "sto-3g",
}


@pytest.mark.parametrize(
    "basis",
    [
        Basis("sto-3g", kappa=2),
        Basis(CUSTOM, kappa=2, metric="lowdin", sources="species", screening=(None, 0.3)),
        Basis("sto-3g", kappa=2, nu=3, max_degree=(None, 5, 4), body_order=6),
        Basis("sto-3g", kappa=1, nu_pair=(1, 1), pair_max_degree=(None, 5, 4), cutoff=4.5),
    ],
    ids=["named", "custom", "products", "pairs"],
)
def test_saved_equals_loaded(tmp_path, waters, basis):
    targets = ("energy", "dipole", "polarizability")
    model = PropertyModel(basis, targets).fit(waters[:40])
    path = tmp_path / "m.h5"
    model.save(path)
    again = load(path)
    assert again.targets == model.targets
    a, b = model.predict_arrays(waters[40:50]), again.predict_arrays(waters[40:50])
    for name in targets:
        np.testing.assert_array_equal(a[name], b[name])
    assert again.report()["parts"] == model.report()["parts"]
    with pytest.raises(InputError, match=r"m\.h5"):
        model.save(path)
    model.save(path, force=True)


def test_solvers_of_other_versions(tmp_path, waters, monkeypatch):
    model = PropertyModel(Basis("sto-3g", kappa=1), "energy", Ridge(rarity=30.0)).fit(waters[:20])
    model.save(tmp_path / "m.h5")
    assert load(tmp_path / "m.h5").solver.rarity == 30.0
    # What no version before had is in a file only where it says something.
    assert "rarity" not in stored_settings.stored_solver(Ridge())
    monkeypatch.setattr(
        storage, "stored_solver", lambda s: stored_settings.stored_solver(s) | {"shape": 1.0}
    )
    model.save(tmp_path / "newer.h5")
    with pytest.raises(FileFormatError, match=r"newer\.h5: its solver has shape: .* newer"):
        load(tmp_path / "newer.h5")


def test_set_that_changed_its_meaning_is_spelled_out(tmp_path, waters, monkeypatch):
    model = PropertyModel(Basis("sto-3g", kappa=1), "energy").fit(waters[:20])
    model.save(tmp_path / "m.h5")
    monkeypatch.setattr(stored_settings, "_same_shells", lambda a, b: False)
    again = load(tmp_path / "m.h5")
    assert again.basis.ao_basis.name == "custom"
    np.testing.assert_allclose(
        again.predict_arrays(waters[20:24])["energy"],
        model.predict_arrays(waters[20:24])["energy"],
        rtol=1e-13,
    )


def test_coefficients_never_meet_other_columns(tmp_path, waters, monkeypatch):
    model = PropertyModel(Basis("sto-3g", kappa=2), "energy").fit(waters[:20])
    model.save(tmp_path / "m.h5")
    original = storage._labels
    monkeypatch.setattr(storage, "_labels", lambda *args: original(*args)[::-1])
    with pytest.raises(FileFormatError, match="columns"):
        load(tmp_path / "m.h5")


def test_custom_target_survives(tmp_path, waters):
    frames = [a.copy() for a in waters[:40]]
    for a in frames:
        a.info["length"] = a.get_distance(0, 1) + a.get_distance(0, 2)
    target = Target("length", rank=0, unit="Angstrom", constants=False)
    model = PropertyModel(Basis("sto-3g", kappa=2), target).fit(frames)
    model.save(tmp_path / "m.h5")
    assert load(tmp_path / "m.h5").targets == (target,)


def test_damage_is_found(tmp_path, waters):
    PropertyModel(Basis("sto-3g", kappa=1), "energy").fit(waters[:20]).save(tmp_path / "m.h5")
    with h5py.File(tmp_path / "m.h5", "r+") as file:
        file["parts/0/coefficients"][0] += 1e-3
    with pytest.raises(FileFormatError, match=r"m\.h5.*checksum|checksum"):
        load(tmp_path / "m.h5")
    with pytest.raises(FileFormatError, match=r"nothing\.h5"):
        load(tmp_path / "nothing.h5")
