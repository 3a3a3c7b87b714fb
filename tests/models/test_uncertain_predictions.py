"""Standard deviations of a model's predictions: equivariance, files, what is far, how true."""

from __future__ import annotations

import h5py
import numpy as np
import pytest
from ase import Atoms
from scipy.spatial.transform import Rotation

import linvop
from linvop.errors import FileFormatError, InputError
from linvop.features.basis import Basis
from linvop.models.loading import load
from linvop.models.metrics import calibration
from linvop.models.property import PropertyModel
from linvop.models.targets import Target
from linvop.regression.ridge import Ridge

BASIS = Basis("6-31g", kappa=2, metric="lowdin")
TARGETS = ("energy", "dipole", "polarizability")

pytestmark = [
    pytest.mark.filterwarnings("ignore:H has no features"),
    pytest.mark.filterwarnings("ignore::linvop.regression.ridge.RegularisationWarning"),
]


@pytest.fixture(scope="module")
def model(waters):
    return PropertyModel(BASIS, TARGETS, Ridge(covariance=True)).fit(waters[:60])


def test_covariances_change_no_prediction(model, waters):
    plain = PropertyModel(BASIS, TARGETS).fit(waters[:60])
    a, b = plain.predict_arrays(waters[60:70]), model.predict_arrays(waters[60:70], std=True)
    assert set(b) == {*TARGETS, *(f"{t}_std" for t in TARGETS)}
    for name in TARGETS:
        np.testing.assert_array_equal(a[name], b[name])
        assert b[f"{name}_std"].shape == b[name].shape
        assert (b[f"{name}_std"] > 0).all()


@pytest.mark.parametrize("improper", [False, True])
def test_std_turns_with_the_molecule(model, waters, improper):
    rng = np.random.default_rng(3)
    axes = np.roll(np.eye(3), 1, axis=0) * (-1 if improper else 1)  # x, y, z are renamed
    R = Rotation.random(rng=rng).as_matrix() * (-1 if improper else 1)
    for atoms in waters[60:63]:
        order = [2, 0, 1]
        (a,) = model.predict([atoms], std=True)
        for turn in (axes, R):
            other = Atoms(atoms.numbers[order], positions=(atoms.positions @ turn.T + 1.0)[order])
            (b,) = model.predict([other], std=True)
            assert b["energy_std"] == pytest.approx(a["energy_std"], rel=1e-3)
            # alpha is 1e-17 of the largest s^2: the rounding of features is seen in v.
            # The trace of the covariance of a vector or tensor is that of its norm.
            for name in ("dipole_std", "polarizability_std"):
                assert np.linalg.norm(b[name]) == pytest.approx(np.linalg.norm(a[name]), rel=1e-3)
        (b,) = model.predict([Atoms(atoms.numbers, atoms.positions @ axes.T)], std=True)
        np.testing.assert_allclose(b["dipole_std"], np.abs(axes) @ a["dipole_std"], rtol=1e-3)
        np.testing.assert_allclose(
            b["polarizability_std"],
            np.abs(axes) @ a["polarizability_std"] @ np.abs(axes).T,
            rtol=1e-3,
        )


def test_variance_of_a_cartesian_tensor_is_that_of_draws():
    target = Target("polarizability", rank=2)
    rng = np.random.default_rng(0)
    draws, covariances = {}, {}
    for irrep in target.irreps:
        m = 2 * irrep[0] + 1
        root = rng.normal(size=(m, m))
        covariances[irrep] = (root @ root.T)[None]
        draws[irrep] = rng.normal(size=(40000, m)) @ root.T
    expected = np.var(target.from_irreps(draws), axis=0)
    np.testing.assert_allclose(target.variances(covariances)[0], expected, rtol=0.05)


def test_saved_equals_loaded_and_targets_share_what_they_can(tmp_path, model, waters):
    both = PropertyModel(
        BASIS,
        ("energy", Target("length", rank=0), "dipole"),
        Ridge(covariance=True),
    )
    frames = [a.copy() for a in waters[:60]]
    for a, b in zip(frames, waters, strict=False):
        a.calc, a.info["length"] = b.calc, b.get_distance(0, 1)
    both.fit(frames)
    for m, n_directions in ((both, 2), (model, 3)):
        m.save(tmp_path / "m.h5", force=True)
        again = load(tmp_path / "m.h5")
        assert again.solver.covariance
        a = m.predict_arrays(waters[60:], std=True)
        b = again.predict_arrays(waters[60:], std=True)
        for name in a:
            np.testing.assert_array_equal(a[name], b[name])
        with h5py.File(tmp_path / "m.h5") as file:
            assert len(file["directions"]) == n_directions


def test_files_do_not_grow_unasked(tmp_path, model, waters):
    plain = PropertyModel(BASIS, TARGETS).fit(waters[:60])
    plain.save(tmp_path / "plain.h5")
    model.save(tmp_path / "sure.h5")
    with h5py.File(tmp_path / "plain.h5") as file:
        assert "directions" not in file
    assert (tmp_path / "plain.h5").stat().st_size < (tmp_path / "sure.h5").stat().st_size


def test_incomplete_covariances_are_refused(tmp_path, model, monkeypatch):
    from linvop.io import model_file

    write = model_file.write

    def without_top(path, settings, parts, directions, **options):
        fewer = [{k: v for k, v in d.items() if k != "top"} for d in directions]
        write(path, settings, parts, fewer, **options)

    monkeypatch.setattr(model_file, "write", without_top)
    model.save(tmp_path / "m.h5")
    with pytest.raises(FileFormatError, match=r"m\.h5: incomplete covariances.*top"):
        load(tmp_path / "m.h5")


def test_std_of_a_model_without_it_is_refused(waters):
    plain = PropertyModel(BASIS, "energy").fit(waters[:30])
    assert not plain.has_std
    with pytest.raises(InputError, match=r"covariance=True"):
        plain.predict(waters[:1], std=True)


def stretched(atoms: Atoms, by: float) -> Atoms:
    out = Atoms(atoms.numbers, positions=atoms.positions)
    out.positions[1] += by * (out.positions[1] - out.positions[0])
    return out


def test_std_grows_out_of_distribution(model, waters):
    train = model.predict_arrays(waters[:60], std=True)
    far = [stretched(waters[0], by) for by in (0.0, 0.3, 0.6, 1.0)]
    out = model.predict_arrays(far, std=True)
    for name in ("energy_std", "dipole_std", "polarizability_std"):
        norm = [np.linalg.norm(x[name].reshape(len(x[name]), -1), axis=1) for x in (train, out)]
        assert (norm[1][1:] > 1.5 * norm[0].max()).all()


def test_shipped_waters_are_calibrated():
    frames = linvop.read(linvop.data.water())
    model = PropertyModel(
        Basis("6-31g", kappa=2, metric="lowdin"), ("energy", "dipole"), Ridge(covariance=True)
    )
    model.fit(frames[:150])
    test = frames[150:]
    predicted = model.predict_arrays(test, std=True)
    true = {
        "energy": np.array([a.get_potential_energy() for a in test]),
        "dipole": np.array([a.get_dipole_moment() for a in test]),
    }
    for name in true:
        found = calibration(true[name], predicted[name], predicted[f"{name}_std"])
        assert 0.4 < found["mean_z2"] < 2.5, name
        assert 0.6 < found["coverage_68"] < 0.95, name
        assert found["coverage_95"] > 0.88, name
