"""Laws of operator models: motions, exactness where the target is in the span, bad input."""

from __future__ import annotations

import warnings
from dataclasses import replace

import numpy as np
import pytest
from ase import Atoms
from ase.build import molecule as molecule_of_ase
from pyscf import dft

import linvop
from linvop.errors import FileFormatError, GapError, InputError
from linvop.integrals import System, molecule, overlap, potential
from linvop.models.baselines import baseline
from linvop.models.domain import ExtrapolationWarning
from linvop.observables.lowdin import square_roots
from linvop.orbitals.operator_blocks import operator_blocks
from linvop.orbitals.shells import AOBasis
from linvop.scf import GuessWarning
from linvop.testing import assert_equivariant_operator, random_molecule, random_operator_model

SMALL = {"kappa": 2, "nu_pair": (1, 0), "pair_max_degree": (None, 5)}
FORMS = {
    "ao": {"ao": "6-31g", "metric": "ao", **SMALL},
    "lowdin": {"ao": "6-31g", "metric": "lowdin", "screening": 0.3, **SMALL},
    "products on site": {
        "ao": "sto-3g",
        "metric": "overlap",
        "nu": 2,
        "max_degree": (None, 5),
        "nu_pair": (1, 1),
        "pair_max_degree": (None, 5, 5),
    },
}


def water_set(n: int, target: str, ao: str = "sto-3g", seed: int = 0) -> linvop.Dataset:
    """Waters whose "Fock matrix" is V in `ao`, and whose "density" is that with 10 electrons."""
    rng = np.random.default_rng(seed)
    reference = np.array([[0, 0, 0.12], [0, 0.76, -0.48], [0, -0.76, -0.48]])
    frames, matrices, overlaps = [], [], []
    for _ in range(n):
        atoms = Atoms("OH2", positions=reference + 0.1 * rng.normal(size=(3, 3)))
        system = System.from_atoms(atoms, ao)
        frames.append(atoms)
        overlaps.append(overlap(system))
        V = potential(system, screening=0.3)
        matrices.append(V if target == "fock" else V * 10 / np.sum(V * overlaps[-1]))
    return linvop.Dataset.from_arrays(frames, ao, overlap=overlaps, **{target: matrices})


def closed_shell(species: list[str], n: int, seed: int) -> Atoms:
    """A random molecule with an even number of electrons: a hydrogen less if need be."""
    atoms = random_molecule(species, n, seed=seed)
    if atoms.numbers.sum() % 2:
        del atoms[int(np.flatnonzero(atoms.numbers == 1)[0])]
    return atoms


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("settings", [{}, {"orthogonal": True, "baseline": "core"}], ids=str)
def test_motions_and_hermiticity(form, settings):
    atoms = closed_shell(["H", "C", "O"], 7, seed=3)
    basis = linvop.Basis(**FORMS[form])
    model = random_operator_model(basis, "def2-svp", ["H", "C", "O"], **settings)
    assert_equivariant_operator(model, atoms)


def test_motions_of_densities_open_shells_and_a_cutoff():
    atoms = closed_shell(["H", "O"], 5, seed=1)
    basis = linvop.Basis(**FORMS["lowdin"], cutoff=2.0)
    model = random_operator_model(
        basis, "6-31g", ["H", "O"], spin_channels=2, target="density", orthogonal=True
    )
    assert model.predict(atoms).shape[0] == 2
    assert_equivariant_operator(model, atoms)


def test_a_broken_sign_of_exchange_is_noticed():
    atoms = closed_shell(["H", "C"], 6, seed=2)
    model = random_operator_model(linvop.Basis(**FORMS["ao"]), "6-31g", ["H", "C"])
    features = model.features()
    features.pairs["H", "H", 1] = features.pairs["H", "H", -1]
    model.features = lambda: features
    with pytest.raises((AssertionError, ValueError)):
        assert_equivariant_operator(model, atoms)


def test_v_itself_is_learned_exactly():
    """A target in the span of the features: V, in the AOs of the features."""
    basis = linvop.Basis("sto-3g", kappa=1, screening=0.3)
    data = water_set(30, "fock")
    model = linvop.OperatorModel(basis, baseline="none").fit(data[:20])
    errors = model.score(data[20:])
    assert errors["all"]["max"] < 1e-6 * errors["all"]["rms"]
    # H-H carries s shells only; its one column is its one target.
    assert {"all", "H", "O", "H-O", "H-H", "dipole", "occupied orbital energies"} <= set(errors)
    assert errors["occupied orbital energies"]["max"] < 1e-4


@pytest.mark.parametrize("spin_channels", [1, 2])
@pytest.mark.parametrize("name", ["sap", "core", "atoms"])
@pytest.mark.parametrize("orthogonal", [False, True])
def test_what_is_not_learned_is_the_baseline(orthogonal, name, spin_channels):
    """Of two spins a Fock matrix is that of either, a density half of it."""
    model = random_operator_model(
        linvop.Basis("sto-3g", kappa=1),
        "6-31g",
        ["H", "O"],
        spin_channels=spin_channels,
        target="density" if name == "atoms" else "fock",
        baseline=name,
        orthogonal=orthogonal,
    )
    for part in model.parts_.values():
        part.coefficients[:] = 0.0
        part.constants[:] = 0.0
    atoms = closed_shell(["H", "O"], 5, seed=0)
    expected = baseline(name, System.from_atoms(atoms, "6-31g"))
    found = model.predict(atoms).reshape(-1, *expected.shape)
    assert len(found) == spin_channels
    for matrix in found:
        share = spin_channels if name == "atoms" else 1
        np.testing.assert_allclose(matrix, expected / share, atol=1e-12)
    # What is subtracted before a fit is what is added after it: nothing is left to be learned.
    blocks = model.frame(atoms).to_blocks(found)
    assert max(np.abs(v).max() for v in blocks.values()) < 1e-11


def test_pairs_beyond_the_cutoff_are_the_baseline():
    basis = linvop.Basis("6-31g", kappa=1, cutoff=1.5)
    model = random_operator_model(basis, "6-31g", ["H", "O"], baseline="none")
    atoms = Atoms("OHH", positions=[[0, 0, 0], [0, 0, 1.0], [0, 0, 4.0]])
    F = model.predict(atoms)
    n = 9  # O has [3s2p], H [2s]
    assert F[:n, n : n + 2].any()
    assert not F[: n + 2, n + 2 :].any()


@pytest.mark.parametrize("metric", ["ao", "lowdin"])
def test_what_is_learned_exactly_errs_beyond_the_cutoff_only(metric):
    """The target is V, without a baseline: what a cutoff drops are labels of H-H, whole."""
    cutoff = 1.5
    lowdin = metric == "lowdin"
    data = water_set(30, "fock")
    basis = linvop.Basis("sto-3g", kappa=1, metric=metric, screening=0.3, cutoff=cutoff)
    model = linvop.OperatorModel(basis, baseline="none", orthogonal=lowdin).fit(data[:20])
    elements, _ = model.errors(data[20:], keep_elements=True)
    errors = elements.summary()
    dropped = []
    for atoms, F, _ in elements.structures:
        T = square_roots(overlap(System.from_atoms(atoms, "sto-3g")))[1] if lowdin else np.eye(7)
        if atoms.get_distance(1, 2) > cutoff:
            dropped += 2 * [(T @ F @ T)[5, 6]]
    assert 4 < len(dropped) < 20
    found = errors["beyond cutoff"]
    assert found["n"] == len(dropped)
    assert found["share"] == pytest.approx(1.0, abs=1e-9)
    assert found["mae"] == pytest.approx(np.abs(dropped).mean(), rel=1e-9)
    assert found["rmse"] == pytest.approx(found["rms"], rel=1e-9)
    assert found["max"] == pytest.approx(np.abs(dropped).max(), rel=1e-9)
    if not lowdin:
        whole = errors["all"]["rmse"] ** 2 * errors["all"]["n"]
        assert found["rmse"] ** 2 * found["n"] == pytest.approx(whole, rel=1e-9)
    assert "beyond cutoff" not in elements.elements()


def test_a_cutoff_that_drops_nothing_says_so_and_none_says_nothing():
    data = water_set(10, "fock")
    basis = {"ao": "sto-3g", "kappa": 1, "screening": 0.3}
    wide = linvop.OperatorModel(linvop.Basis(**basis, cutoff=9.0), baseline="none").fit(data)
    found = wide.score(data)["beyond cutoff"]
    assert found == dict.fromkeys(("mae", "rmse", "max", "rms", "n", "share"), 0)
    none = linvop.OperatorModel(linvop.Basis(**basis), baseline="none").fit(data)
    assert "beyond cutoff" not in none.score(data)


def test_copies_leave_together_and_the_report_says_what_was_learned():
    data = water_set(12, "fock")
    model = linvop.OperatorModel(linvop.Basis("sto-3g", kappa=2), baseline="none").fit(data)
    blocks = model.report()["blocks"]
    assert set(blocks) == {str(b) for b in operator_blocks(AOBasis("sto-3g"), ("H", "O"))}
    learned = {name for name, r in blocks.items() if r["learned"]}
    # One O a molecule: no O-O. Waters are planar: no pseudoscalar, which these shells lack.
    assert not any(name.startswith("O-O") for name in learned)
    assert {"H lam=0 sigma=+1", "O lam=1 sigma=+1", "H-O lam=1 sigma=+1"} <= learned
    assert blocks["H lam=0 sigma=+1"]["n_structures"] == 12


def test_saved_is_loaded(tmp_path):
    data = water_set(10, "density")
    basis = linvop.Basis("sto-3g", kappa=2, nu_pair=(1, 0), pair_max_degree=(None, 5))
    model = linvop.OperatorModel(basis, "density", orthogonal=True).fit(data)
    model.save(tmp_path / "m.h5")
    again = linvop.load(tmp_path / "m.h5")
    atoms = data[3].atoms()
    assert (again.predict(atoms) == model.predict(atoms)).all()
    assert again.report() == {**model.report(), "ao": "custom"}
    with pytest.raises(InputError, match="exists"):
        model.save(tmp_path / "m.h5")
    raw = bytearray((tmp_path / "m.h5").read_bytes())
    raw[-100] ^= 1
    (tmp_path / "m.h5").write_bytes(raw)
    with pytest.raises(FileFormatError, match="damaged"):
        linvop.load(tmp_path / "m.h5")


def test_a_list_is_predicted_in_order():
    data = water_set(8, "fock")
    model = linvop.OperatorModel(linvop.Basis("sto-3g", kappa=1)).fit(data)
    frames = data.frames()
    several = model.predict(frames)
    assert all((model.predict(a) == F).all() for F, a in zip(several, frames, strict=True))


def test_blocks_without_features_are_named():
    data = water_set(8, "fock", ao="6-31g*")
    with pytest.warns(UserWarning, match=r"blocks have no features .*nu_pair"):
        linvop.OperatorModel(linvop.Basis("sto-3g", kappa=2)).fit(data)


def test_pairs_that_were_not_trained_on_are_named():
    """A model of single waters knows no O-O pair."""
    data = water_set(8, "fock")
    model = linvop.OperatorModel(linvop.Basis("sto-3g", kappa=1)).fit(data)
    one = data[0].atoms()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        model.predict(one)
    other = one.copy()
    other.positions += [4.0, 0.0, 0.0]
    with pytest.warns(UserWarning, match="^O-O: in fewer than two of the training structures"):
        model.predict(one + other)


def test_an_element_of_two_structures_does_not_end_the_fit():
    """Two rows, one of them for the constant: its block stays at the mean, others are learned."""
    data = water_set(8, "fock")
    rng = np.random.default_rng(1)
    frames = [r.atoms() for r in data]
    for k in range(2):
        frames.append(Atoms("SH2", positions=frames[k].positions * 1.4 + 0.05 * rng.random((3, 3))))
    systems = [System.from_atoms(a, "sto-3g") for a in frames]
    mixed = linvop.Dataset.from_arrays(
        frames,
        "sto-3g",
        overlap=[overlap(s) for s in systems],
        fock=[potential(s, screening=0.3) for s in systems],
    )
    model = linvop.OperatorModel(linvop.Basis("sto-3g", kappa=1), baseline="none").fit(mixed)
    blocks = model.report()["blocks"]
    assert not blocks["S lam=0 sigma=+1"]["learned"]
    assert blocks["O lam=0 sigma=+1"]["learned"]
    size = sum(s.layout.n_ao**2 for s in systems)
    elements, _ = model.errors(mixed, keep_elements=True)
    summary = elements.summary()
    assert summary["all"]["n"] == size == sum(e["n"] for k, e in summary.items() if k != "all")
    for kind, (true, predicted) in elements.elements().items():
        assert np.abs(predicted - true).mean() == pytest.approx(summary[kind]["mae"])
    assert not model.errors(mixed)[0].elements()


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"solver": linvop.Ridge(covariance=True)}, "operators have no standard deviations"),
        ({"target": "energy"}, "target: expected one of fock, density"),
        ({"target": "density", "baseline": "sap"}, "expected one of none, atoms"),
        ({"baseline": "h"}, "expected one of none, core, sap"),
        ({"solver": "loo"}, "solver: expected"),
        ({"orthogonal": 1}, "orthogonal: expected True or False"),
        ({"kappa_cost": -1.0}, "kappa_cost"),
    ],
)
def test_bad_settings_are_refused(settings, message):
    with pytest.raises(InputError, match=message):
        linvop.OperatorModel(linvop.Basis("sto-3g"), **settings)


def test_bad_data_are_refused():
    data = water_set(6, "fock")
    basis = linvop.Basis("sto-3g", kappa=1)
    with pytest.raises(InputError, match=r"data: expected a linvop.Dataset .*, got list"):
        linvop.OperatorModel(basis).fit(data.frames())
    with pytest.raises(InputError, match=r"frame 0: expected density, got none \(6 of 6.*having"):
        linvop.OperatorModel(basis, "density").fit(data)
    with pytest.raises(InputError, match="not fitted"):
        linvop.OperatorModel(basis).predict(data[0].atoms())
    with pytest.raises(InputError, match="lam_max: expected at least 2"):
        linvop.OperatorModel(linvop.Basis("sto-3g", kappa=1, lam_max=1)).fit(data)
    with pytest.raises(InputError, match="expected structures, got none"):
        linvop.OperatorModel(basis).fit(data[:0])
    with pytest.raises(InputError, match="^mine: expected at least two structures .*, got one$"):
        linvop.OperatorModel(basis).fit(data[:1], source="mine")
    with pytest.raises(InputError, match="two structures that differ.*, got 3 copies of one"):
        linvop.OperatorModel(basis).fit(data[[2, 2, 2]])
    model = linvop.OperatorModel(basis).fit(data)
    with pytest.raises(InputError, match="frame 0.*C"):
        model.predict(Atoms("CO", positions=[[0, 0, 0], [0, 0, 1.1]]))
    ion = data[0].atoms()
    ion.info.update(charge=1, spin_mult=2)
    with pytest.raises(InputError, match="charge 1 and multiplicity 2, expected 0 and 1"):
        model.predict(ion)
    with pytest.raises(InputError, match="the shells of H differ"):
        model.score(water_set(3, "fock", ao="6-31g"))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        model.predict(data[0].atoms())


def test_on_the_fock_matrix_of_atoms(tmp_path):
    data = linvop.Dataset.open(linvop.data.water()).having("fock")
    train, test = data[:12], data[100:104]
    basis = linvop.Basis("def2-svp", kappa=1, metric="lowdin")
    settings = {"orthogonal": True}
    found = {}
    for name in ("sap", "minao"):
        model = linvop.OperatorModel(basis, baseline=name, **settings).fit(train)
        found[name] = model.score(test)["all"]["mae"]
    assert found["minao"] < 0.7 * found["sap"]
    model.save(tmp_path / "m.h5")
    again = linvop.load(tmp_path / "m.h5")
    assert model.functional_ is not None
    assert again.functional_ == model.functional_
    atoms = test[0].atoms()
    np.testing.assert_array_equal(again.predict(atoms), model.predict(atoms))
    # Equivariance as far as the grid has it.
    turned = atoms.copy()
    turned.rotate(40, (1, 2, 3))
    levels = [
        linvop.analyse(a, fock=model.predict(a), ao=model.ao).orbital_energies
        for a in (atoms, turned)
    ]
    np.testing.assert_allclose(*levels, atol=0.01)
    unnamed = linvop.Dataset(list(train), train.ao, {})
    with pytest.raises(InputError, match="expected settings with the functional"):
        linvop.OperatorModel(basis, baseline="minao").fit(unnamed)
    with pytest.raises(InputError, match="needs no functional"):
        linvop.EffectiveOperatorModel(basis, baseline="minao")


def test_density_matrices_on_one_step_of_scf(tmp_path):
    """What is left to learn is smaller, and the file knows the functional and the state."""
    data = linvop.Dataset.open(linvop.data.water()).having("density")
    basis = linvop.Basis("def2-svp", kappa=1, metric="overlap")
    found = {}
    for name in ("atoms", "minao"):
        model = linvop.OperatorModel(basis, "density", baseline=name, orthogonal=True)
        found[name] = model.fit(data[:12]).score(data[100:104])
    for key in ("all", "dipole", "lowdin charges"):
        assert found["minao"][key]["mae"] < 0.5 * found["atoms"][key]["mae"], key
    model.save(tmp_path / "m.h5")
    again = linvop.load(tmp_path / "m.h5")
    atoms = data[100].atoms()
    np.testing.assert_array_equal(again.predict(atoms), model.predict(atoms))
    # Two hydrogen atoms far apart: the orbitals of the baseline have no gap.
    apart = Atoms("HH", positions=[[0, 0, 0], [0, 0, 60.0]])
    with pytest.raises(GapError, match=r"^frames: frame 1: baseline minao.* levels 1 and 2 are"):
        model.predict([atoms, apart])
    mf = dft.RKS(molecule(System.from_atoms(apart, model.ao)), xc="pbe")
    with pytest.warns(GuessWarning, match="the model predicts nothing: frames: frame 0"):
        guess = linvop.initial_guess(mf, model)
    np.testing.assert_allclose(guess, mf.get_init_guess(mf.mol, "minao"), atol=1e-12)
    # The baseline has the right number of electrons, and each wrong coefficient would show here.
    frame = model.frame(atoms)
    blocks = {b: np.zeros_like(v) for b, v in frame.to_blocks(data[100].density[None]).items()}
    (P,) = frame.to_matrices(blocks, 1)
    assert np.sum(P * data[100].overlap) == pytest.approx(10, abs=1e-9)


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (lambda F: np.where(np.eye(len(F)), np.nan, F), "expected finite numbers"),
        (lambda F: F + np.eye(len(F), k=1), "expected a symmetric matrix; it is off by 1"),
        (lambda F: F[:5, :5], r"expected real numbers of shape \(7, 7\), got .* \(5, 5\)"),
    ],
)
def test_matrices_that_are_none_are_named(spoil, message):
    data = water_set(4, "fock")
    records = list(data)
    records[2] = replace(records[2], fock=spoil(records[2].fock))
    spoilt = linvop.Dataset(records, data.ao)
    model = linvop.OperatorModel(linvop.Basis("sto-3g", kappa=1))
    with pytest.raises(InputError, match=f"^data: frame 2: fock: {message}"):
        model.fit(spoilt)
    with pytest.raises(InputError, match=f"frame 2: fock: {message}"):
        model.fit(data).score(spoilt)


def test_a_part_of_a_data_set_names_the_frames_of_the_whole():
    data = water_set(6, "fock")
    records = [data[k] for k in range(5)] + [replace(data[5], fock=None)]
    with_gap = linvop.Dataset(records, data.ao)
    with pytest.raises(InputError, match=r"^data: frame 5: expected fock, got none \(1 of 4"):
        linvop.OperatorModel(linvop.Basis("sto-3g", kappa=1)).fit(with_gap[2:])


def test_structures_unlike_the_training_data_are_named(tmp_path):
    data = water_set(30, "fock")
    model = linvop.OperatorModel(linvop.Basis("sto-3g", kappa=1)).fit(data[:25])
    model.save(tmp_path / "model.h5")
    far = data[25].atoms()
    far.positions[1] *= 20
    for one in (model, linvop.load(tmp_path / "model.h5")):
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            one.predict(data[25:].frames())
        with pytest.warns(ExtrapolationWarning, match="x.xyz: frame 1: .*extrapolates"):
            one.predict([data[26].atoms(), far], source="x.xyz")


@pytest.fixture(scope="module")
def radicals(tmp_path_factory) -> linvop.Dataset:
    """NH2, doublets."""
    rng = np.random.default_rng(1)
    frames = []
    for _ in range(4):
        atoms = molecule_of_ase("NH2")
        atoms.positions += 0.05 * rng.normal(size=atoms.positions.shape)
        atoms.info["spin_mult"] = 2
        frames.append(atoms)
    out = tmp_path_factory.mktemp("radicals") / "nh2.h5"
    settings = {"method": "uks", "xc": "lda,vwn", "ao": "sto-3g", "grid_level": 0}
    quantities = ["fock", "density", "overlap", "orbital_energies"]
    linvop.label(frames, out, quantities=quantities, **settings)
    return linvop.Dataset.open(out)


@pytest.mark.filterwarnings("ignore:.*blocks have no features")
def test_a_filled_baseline_knows_the_spin_of_its_model(radicals, tmp_path):
    basis = linvop.Basis("sto-3g", kappa=1)
    model = linvop.OperatorModel(basis, "density", baseline="minao", orthogonal=True).fit(radicals)
    model.save(tmp_path / "m.h5")
    again = linvop.load(tmp_path / "m.h5")
    record = radicals[0]
    for m in (model, again):
        frame = m.frame(record.atoms())
        zero = {b: np.zeros_like(v) for b, v in frame.to_blocks(record.density).items()}
        electrons = np.sum(frame.to_matrices(zero, 2) * record.overlap, axis=(1, 2))
        np.testing.assert_allclose(electrons, [5, 4], atol=1e-9)


@pytest.mark.filterwarnings("ignore:.*blocks have no features")
@pytest.mark.parametrize("target", ["fock", "density"])
def test_spin_channels_of_data_and_model_must_be_the_same(target):
    data = water_set(5, target)
    model = linvop.OperatorModel(linvop.Basis("sto-3g", kappa=1), target).fit(data)
    halves = 1 if target == "fock" else 0.5
    both = [
        replace(r, spin_channels=2, **{target: np.stack([halves * getattr(r, target)] * 2)})
        for r in data
    ]
    unrestricted = linvop.Dataset(both, data.ao)
    with pytest.raises(
        InputError, match="^data: expected one spin channel as the model has, got tw"
    ):
        model.score(unrestricted)
    with pytest.raises(InputError, match="expected two spin channels as the model has, got one"):
        linvop.OperatorModel(linvop.Basis("sto-3g", kappa=1), target).fit(unrestricted).score(data)
    triplets = linvop.Dataset([replace(r, multiplicity=3) for r in data], data.ao)
    with pytest.raises(InputError, match="expected two spin channels of multiplicity 3, got one"):
        linvop.OperatorModel(linvop.Basis("sto-3g", kappa=1), target).fit(triplets)


def test_rounding_is_no_column_of_an_operator():
    """In water the potential of oxygen alone has no angle about itself: noise is not fitted."""
    data = linvop.Dataset.open(linvop.data.water())[:12]
    basis = linvop.Basis("sto-3g", kappa=2, metric="ao", sources="species")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model = linvop.OperatorModel(basis, baseline="none").fit(data)
    found = np.concatenate([np.abs(p.coefficients).ravel() for p in model.parts_.values()])
    assert found.max() < 1e9
    atoms = data.frames()[0]
    turned = atoms.copy()
    turned.rotate(37, (1, 2, 3))
    levels = []
    for one in (atoms, turned):
        S = overlap(System.from_atoms(one, model.ao_))
        X = square_roots(S)[1]
        levels.append(np.linalg.eigvalsh(X @ model.predict(one) @ X))
    np.testing.assert_allclose(*levels, atol=1e-8)
