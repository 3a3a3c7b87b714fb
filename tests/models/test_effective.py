"""Effective operators: exact derivatives, what they reach, bad input."""

from __future__ import annotations

import warnings
from dataclasses import replace

import numpy as np
import pytest
from ase.build import molecule

import linvop
from linvop.errors import InputError
from linvop.integrals import System
from linvop.io.dataset import Dataset
from linvop.models import gauss_newton
from linvop.models.effective import EffectiveOperatorModel
from linvop.models.effective_labels import DEGENERATE, LevelChoice, observed
from linvop.models.operator_part import assembled
from linvop.orbitals.shells import AOBasis
from linvop.testing import assert_equivariant_operator

BASIS = linvop.Basis(
    "linvop-sv", kappa=1, metric="lowdin", nu_pair=(1, 0), pair_max_degree=(None, 4)
)
EVERY = ("orbital_energies", "dipole", "charges")


@pytest.fixture(scope="module")
def waters():
    return Dataset.open(linvop.data.water()).having("fock")


@pytest.fixture(scope="module")
def model(waters):
    return EffectiveOperatorModel(BASIS, targets=EVERY).fit(waters[:40])


def without_matrices(data: Dataset) -> Dataset:
    """The same structures with orbital energies and dipoles alone."""
    frames = [r.atoms() for r in data]
    return Dataset.from_observables(frames, orbital_energies=[r.orbital_energies for r in data])


def test_no_prior_that_its_steps_would_undo():
    with pytest.raises(InputError, match="rarity: expected 0, got 30"):
        EffectiveOperatorModel(BASIS, solver=linvop.Ridge(rarity=30.0))


@pytest.mark.parametrize("orthogonal", [True, False])
def test_derivatives_by_coefficients(waters, orthogonal, monkeypatch):
    checked = []

    def compare(self, progress=None):
        w, rng = np.zeros(self._size), np.random.default_rng(0)
        X = self._linearised(w)[1]
        start = [self._matrix(k, w) for k in range(len(self.structures))]
        for place in self._places.values():
            d = np.zeros(self._size)
            d[place] = rng.normal(size=d[place].shape)
            size = np.abs(X @ d).max()
            if size == 0:
                continue
            h = 1e-4 / size
            high, low = (self._values(sign * h * d) for sign in (1, -1))
            found = self._roots * (high - low) / (2 * h)
            np.testing.assert_allclose(found, X @ d, atol=1e-5 * size)
            # The matrices are those of the coefficients, and the metric is their change.
            parts, squares = self._parts(d), 0.0
            for k, s in enumerate(self.structures):
                F = assembled(parts, s.frame, s.features)[0]
                np.testing.assert_allclose(self._matrix(k, d), F, atol=1e-9 * np.abs(F).max())
                change, T = F - start[k], np.eye(len(F))
                if orthogonal:
                    T = s.frame._transformation(False)
                squares += np.sum((T @ change @ T) ** 2)
            assert squares == pytest.approx(self._metric @ d**2, rel=1e-8)
            checked.append(place)
        self.history += [{"falls_by": 0.0}, {}]
        self.stopped = "converged"
        return self.start

    monkeypatch.setattr(gauss_newton.GaussNewton, "run", compare)
    EffectiveOperatorModel(BASIS, targets=EVERY, orthogonal=orthogonal).fit(waters[:3])
    assert len(checked) >= 6


def test_features_that_do_not_vary_get_no_coefficient(waters):
    """V of the own nucleus on site is the same everywhere: a direction of the constant alone."""
    basis = linvop.Basis("linvop-sv", kappa=1, metric="ao", sources="species")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of blocks without features, and few steps
        model = EffectiveOperatorModel(basis, orthogonal=False, steps=8).fit(waters[:20])
    parts = {str(b): p for b, p in model.operator_.parts_.items()}
    assert parts["O lam=0 sigma=+1"].report["n_constant_columns"] > 0
    # They had nearly no penalty, and alpha, in units of the largest s^2, was useless: 1 eV.
    assert model.history_[-1]["rms"]["orbital_energies"] < 0.3


def test_clusters_are_smooth_where_levels_cross():
    """Ammonia's degenerate levels: their moments have derivatives, single levels do not."""
    atoms = molecule("NH3")
    small = AOBasis("sto-3g")
    system = System.from_atoms(atoms, small)
    F = linvop.integrals.potential(system, screening=0.5) * 0.3
    levels = linvop.analyse(atoms, fock=F, ao=small).orbital_energies
    record = linvop.io.records.Record(
        numbers=atoms.numbers, positions=atoms.positions, orbital_energies=levels
    )
    labels = observed(record, small, small, ("orbital_energies",), LevelChoice(), "NH3")
    assert any(b - a == 2 for a, b in labels.clusters)
    assert len(labels.labels) == sum(1 if b - a == 1 else 2 for a, b in labels.clusters)
    rng = np.random.default_rng(1)
    dF = rng.normal(size=F.shape)
    dF += dF.T
    F = F + 1e-5 * dF  # next to the crossing
    found = np.einsum("kab,ab->k", labels.values(F).derivatives, dF)
    h = 1e-6
    true = (labels.values(F + h * dF).values - labels.values(F - h * dF).values) / (2 * h)
    np.testing.assert_allclose(found, true, rtol=1e-5, atol=1e-4 * np.abs(true).max())


def test_window_width_and_clusters_choose_levels():
    energies = np.array([-500.0, -30.0, -12.0, -12.0 + 0.5 * DEGENERATE, -9.0, 1.0, 1.0, 5.0])
    assert LevelChoice().clusters(energies, 5) == [(0, 1), (1, 2), (2, 4), (4, 5), (5, 7)]
    # A cluster counts as a whole, also where the window ends within it.
    assert LevelChoice(window=3.0 - 0.1 * DEGENERATE).clusters(energies, 5) == [
        (2, 4),
        (4, 5),
        (5, 7),
    ]
    assert LevelChoice(n_virtual=0).clusters(energies, 5)[-1] == (4, 5)
    choice = LevelChoice(width=3.0)
    assert choice.weight(energies, 5, 4) == choice.weight(energies, 5, 5) == 1.0
    assert choice.weight(energies, 5, 2) == pytest.approx(0.5)


def test_it_is_far_closer_than_the_projected_operator(model, waters):
    test = waters[100:]
    ours, projected = model.score(test), model.projected_score(test)
    for name, factor in (("occupied and LUMO", 20), ("dipole", 10)):
        assert ours[name]["rmse"] < projected[name]["rmse"] / factor, name
    assert ours["occupied and LUMO"]["rmse"] < 0.1  # eV
    assert "failed" not in ours


def test_labels_that_an_operator_in_the_span_has_are_met(model, waters):
    """Labels from a fitted model of the same form: a start far away comes back to them."""
    records = []
    for r in waters[:12]:
        found = linvop.analyse(r.atoms(), fock=model.predict(r.atoms()), ao=model.ao)
        bare = replace(r, fock=None, density=None, overlap=None)
        levels = {"orbital_energies": found.orbital_energies, "dipole": found.dipole}
        records.append(replace(bare, **levels))
    again = EffectiveOperatorModel(BASIS, tolerance=0.01).fit(Dataset(records, model.ao))
    assert again.started_from_ == "baseline"
    start, end = again.history_[0]["rms"], again.history_[-1]["rms"]
    assert end["orbital_energies"] < 1e-2 * start["orbital_energies"]
    assert end["dipole"] < 1e-2 * start["dipole"]


def test_operators_turn_with_the_molecule(model, waters):
    assert_equivariant_operator(model.operator_, waters[50].atoms())


def test_labels_without_matrices_do(waters):
    model = EffectiveOperatorModel(BASIS).fit(without_matrices(waters[:40]))
    assert model.started_from_ == "baseline"
    found = model.score(without_matrices(waters[100:]))
    assert found["occupied and LUMO"]["rmse"] < 0.2
    assert "lowdin charges" not in found


def test_matrices_of_some_structures_are_a_start(waters):
    mixed = Dataset([*waters[:3], *without_matrices(waters[3:12])], waters.ao)
    model = EffectiveOperatorModel(BASIS, "sto-3g", ("orbital_energies",), steps=1)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # one step
        first = [model.fit(data).history_[0]["rms"] for data in (mixed, without_matrices(mixed))]
    assert first[0]["orbital_energies"] < 0.5 * first[1]["orbital_energies"]
    assert model.started_from_ == "baseline"


def test_saved_is_loaded(model, waters, tmp_path):
    model.save(tmp_path / "m.h5")
    again = linvop.load(tmp_path / "m.h5")
    assert isinstance(again, EffectiveOperatorModel)
    assert repr(again) == repr(model)
    atoms = waters[60].atoms()
    np.testing.assert_array_equal(again.predict(atoms), model.predict(atoms))
    assert again.report() == model.report()
    assert isinstance(linvop.load(tmp_path / "m.h5").operator_, linvop.OperatorModel)


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"targets": ("energy",)}, "targets: expected some of"),
        ({"targets": ()}, "targets: expected some of"),
        ({"targets": 3}, "targets: expected some of .*, got 3"),
        ({"weights": 3}, "weights: expected {target: number}, got 3"),
        ({"weights": {"dipole": None}}, "weights of dipole: expected a positive number, got None"),
        ({"tolerance": None}, "tolerance: expected a positive number, got None"),
        ({"start": "scf"}, "start: expected one of"),
        ({"window": -1.0}, "window: expected a positive number"),
        ({"n_virtual": -1}, "n_virtual: expected an integer"),
        ({"weights": {"charges": 2.0}}, "weights: expected some of"),
        ({"steps": 0}, "steps: expected an integer >= 1"),
    ],
    ids=str,
)
def test_bad_settings(settings, said):
    with pytest.raises(InputError, match=said):
        EffectiveOperatorModel(BASIS, **settings)


def test_bad_data(waters):
    few = waters[:4]
    bare = without_matrices(few)
    cases = [
        (
            EffectiveOperatorModel(BASIS, start="projected"),
            bare,
            "at least 2 structures with a fock, got 0 of 4",
        ),
        (EffectiveOperatorModel(BASIS, targets="charges"), bare, "frame 0: expected a density"),
        (EffectiveOperatorModel(BASIS, n_virtual=3), few, "8 levels .* has 7 orbitals here"),
        (EffectiveOperatorModel(BASIS), waters[:1], "at least 2 structures"),
    ]
    for model, data, said in cases:
        with pytest.raises(InputError, match=f"here.*{said}"):
            model.fit(data, source="here")
    with pytest.raises(InputError, match=r"data: expected a linvop.Dataset .*, got list"):
        EffectiveOperatorModel(BASIS).fit(few.frames())
    records = [replace(r, multiplicity=3) for r in bare]
    with pytest.raises(InputError, match="closed shell, got multiplicity 3"):
        EffectiveOperatorModel(BASIS).fit(Dataset(records, few.ao))
    with pytest.raises(InputError, match="not fitted"):
        EffectiveOperatorModel(BASIS).predict(few[0].atoms())


def test_features_that_do_not_fit_into_memory_are_refused(waters, monkeypatch):
    monkeypatch.setattr("linvop.features.memory.memory_of_machine", lambda: 1e3)
    with pytest.raises(InputError, match="features of 4 structures, held for all steps: .*memory"):
        EffectiveOperatorModel(BASIS, start="baseline").fit(without_matrices(waters[:4]))


@pytest.mark.filterwarnings("ignore")
def test_blocks_that_no_feature_reaches_are_left_as_they_start(waters):
    basis = linvop.Basis("sto-3g", kappa=1, nu_pair=(0, 0))
    model = EffectiveOperatorModel(basis, ao="6-31g", steps=2).fit(waters[:6])
    empty = [b for b, p in model.operator_.parts_.items() if not p.report["n_columns"]]
    assert empty
    assert model.predict(waters[6].atoms()).shape == (13, 13)


def test_open_shells_are_not_compared(model, waters):
    pair = {k: np.stack([getattr(waters[1], k)] * 2) for k in ("fock", "orbital_energies")}
    unrestricted = replace(waters[1], spin_channels=2, occupations=None, density=None, **pair)
    data = Dataset([waters[0], unrestricted], waters.ao)
    with pytest.raises(InputError, match="set: frame 1: expected a closed shell, got two spin"):
        model.score(data, source="set")
    bare = replace(waters[1], orbital_energies=None)
    with pytest.raises(InputError, match="set: frame 1: expected orbital_energies, got none"):
        model.score(Dataset([waters[0], bare], waters.ao), source="set")


def test_dipoles_alone_are_labels_enough(waters):
    frames = [r.atoms() for r in waters[:20]]
    data = Dataset.from_observables(frames)
    assert data[0].orbital_energies is None
    fitted = EffectiveOperatorModel(BASIS, "sto-3g", "dipole").fit(data)
    assert fitted.started_from_ == "baseline"
    first, last = (fitted.history_[k]["rms"]["dipole"] for k in (0, -1))
    assert last < 0.1 * first
    with pytest.raises(InputError, match="frame 0: expected orbital_energies, got none"):
        EffectiveOperatorModel(BASIS, "sto-3g").fit(data)
