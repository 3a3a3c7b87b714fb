"""How blocks are fitted: rows in passes, memory asked for first, copies together, the prior."""

from __future__ import annotations

import numpy as np
import pytest
from ase import Atoms
from scipy.spatial.transform import Rotation

import linvop
from linvop.errors import InputError
from linvop.features.block_features import count_rows
from linvop.features.operators import operator_features, operator_rows
from linvop.integrals import System, overlap, potential
from linvop.io.dataset import Dataset
from linvop.models.operator_data import OperatorFrame
from linvop.orbitals.operator_blocks import operator_blocks
from linvop.orbitals.shells import AOBasis
from linvop.testing import random_molecule

SMALL = {"ao": "6-31g", "kappa": 2, "nu_pair": (1, 0), "pair_max_degree": (None, 4)}


@pytest.fixture(scope="module")
def data() -> Dataset:
    shipped = linvop.Dataset.open(linvop.data.water()).having("fock")[:8]
    return Dataset(list(shipped), shipped.ao, shipped.settings)


@pytest.mark.parametrize("cutoff", [None, 2.0])
def test_counted_rows_are_those_that_are_made(cutoff):
    species, ao = ("H", "C", "O"), AOBasis("6-31g")
    basis = linvop.Basis(**SMALL, cutoff=cutoff)
    blocks = operator_blocks(ao, species)
    features = operator_features(basis, species, blocks)
    atoms = random_molecule(list(species), 9, seed=4)
    found = features.evaluate(System.from_atoms(atoms, basis.ao_basis))
    made = {b.kind: len(v.atoms) for b, v in found.items()}
    counted = {kind: count_rows(kind, atoms, features.cutoff) for kind in features.kinds}
    assert {k: n for k, n in counted.items() if n} == made
    near = counted["C", "C", False] + counted["H", "C", False]
    n_h, n_c = counted["H", "H", True], counted["C", "C", True]
    assert (near < n_c * (n_c - 1) // 2 + n_h * n_c) == (cutoff is not None)


def test_kinds_in_one_pass_or_each_in_its_own_give_one_model(data, monkeypatch):
    calls: list[list[tuple[int, int]]] = []
    models = []
    for budget in (0.0, 4e4, 2.0**31):
        monkeypatch.setattr("linvop.models.operator_training._ROWS_AT_ONCE", budget)
        calls.append([])
        model = linvop.OperatorModel(linvop.Basis(**SMALL))
        with pytest.warns(UserWarning, match="blocks have no features"):
            model.fit(data, progress=lambda *x: calls[-1].append(x))
        models.append(model)
    steps = [c[-1][1] // len(data) for c in calls]
    assert steps[0] == 5 > steps[1] > steps[2] == 1  # H, O, H-H, H-O, O-O
    for made in calls:
        assert [k for k, _ in made] == list(range(1, made[-1][1] + 1))
    for other in models[1:]:
        assert list(other.parts_) == list(models[0].parts_)
        for block, part in models[0].parts_.items():
            np.testing.assert_array_equal(part.coefficients, other.parts_[block].coefficients)
            assert part.report == other.parts_[block].report


def test_what_does_not_fit_into_memory_is_refused_before_the_work(data, monkeypatch):
    """With a cutoff as without one: the pairs that it keeps are counted first."""
    monkeypatch.setattr("linvop.features.memory.memory_of_machine", lambda: 4e4)
    for cutoff in (None, 1.3):
        model = linvop.OperatorModel(linvop.Basis(**SMALL, cutoff=cutoff))
        with pytest.raises(InputError, match="mine: fock of 8 structures, 16 pairs H-O .* memory"):
            model.fit(data, source="mine", workers=1)
    without_pairs = linvop.OperatorModel(linvop.Basis(**SMALL, cutoff=0.5))
    with pytest.warns(UserWarning, match="blocks have no features"):
        without_pairs.fit(data, workers=1)


def of_potentials(frames: list[Atoms]) -> Dataset:
    """Structures with an operator that is known in closed form: V in 6-31G."""
    systems = [System.from_atoms(a, "6-31g") for a in frames]
    matrices = [potential(s, screening=0.3) for s in systems]
    return Dataset.from_arrays(
        frames, "6-31g", overlap=[overlap(s) for s in systems], fock=matrices
    )


def turned(atoms: Atoms, rng: np.random.Generator) -> Atoms:
    """A copy somewhere else, its atoms in another order."""
    copy = Atoms(atoms.numbers, positions=atoms.positions)[rng.permutation(len(atoms))]
    copy.positions = copy.positions @ Rotation.random(rng=rng).as_matrix().T + rng.normal(size=3)
    return copy


def test_a_turned_copy_leaves_with_its_original(data):
    """Every structure twice, twice the alpha: the same fit, and the same error left out.

    Were a copy to stay behind, it would give the answer away and the second be near the residual.
    """
    rng = np.random.default_rng(0)
    frames = [Atoms(a.numbers, positions=a.positions) for a in data.frames()]
    basis = linvop.Basis("sto-3g", kappa=2)
    once, twice = (
        linvop.OperatorModel(basis, solver=linvop.Ridge(alpha=a), baseline="none").fit(
            of_potentials(some)
        )
        for a, some in ((1e-4, frames), (2e-4, frames + [turned(a, rng) for a in frames]))
    )
    learned = {str(b) for b, p in once.parts_.items() if p.report["learned"]}
    assert {"H lam=0 sigma=+1", "O lam=1 sigma=+1", "H-O lam=1 sigma=+1"} <= learned
    for block, part in twice.parts_.items():
        assert part.report["n_structures"] == (8 if part.report["n_rows"] else 0)
        other = once.parts_[block]
        np.testing.assert_allclose(part.coefficients, other.coefficients, rtol=1e-4, atol=1e-6)
        if part.report["learned"]:
            found, expected = (x.report["loo_rmse_all"] for x in (part, other))
            assert found == pytest.approx(expected, rel=1e-4), block


def test_each_power_of_v_costs_kappa_cost(data):
    """At the minimum A^T (y - A c) = alpha Gamma^2 c, so that coefficients tell their Gamma."""
    frames = [Atoms(a.numbers, positions=a.positions) for a in data.frames()]
    labelled = of_potentials(frames)
    basis = linvop.Basis("sto-3g", kappa=2)

    def squared_gamma(cost: float) -> tuple[np.ndarray, np.ndarray]:
        model = linvop.OperatorModel(
            basis, solver=linvop.Ridge(alpha=1e-3), baseline="none", kappa_cost=cost
        ).fit(labelled)
        features = model.features()
        (block,) = [b for b in model.parts_ if str(b) == "H-O lam=1 sigma=+1"]
        A, _ = operator_rows(features, frames)[block]
        values = [model.frame(r.atoms()).to_blocks(r.fock[None])[block] for r in labelled]
        flat, y = (np.concatenate(list(x)) for x in (A, np.concatenate(values)))
        c = model.parts_[block].coefficients
        gradient, kappa = flat.T @ (y - flat @ c), [x.kappa for x in features.labels(block)]
        return (gradient * c).sum(axis=1) / (c**2).sum(axis=1), np.array(kappa)

    (plain, kappa), (costly, _) = squared_gamma(1.0), squared_gamma(3.0)
    ratio = costly / plain
    assert set(kappa) == {1, 2}
    np.testing.assert_allclose(ratio / ratio[kappa == 1].mean(), 9.0 ** (kappa - 1), rtol=1e-3)


@pytest.mark.parametrize("target", ["fock", "density"])
def test_operators_between_lowdin_orbitals(data, target):
    """F -> S^-1/2 F S^-1/2 and P -> S^1/2 P S^1/2: F = S and P = S^-1 become the identity."""
    system = System.from_atoms(data[0].atoms(), "6-31g")
    S = overlap(system)
    one = S if target == "fock" else np.linalg.inv(S)
    frame = OperatorFrame(system, target, "none", True)
    found = frame.to_blocks(one[None])
    unit = OperatorFrame(system, target, "none", False).to_blocks(np.eye(len(S))[None])
    for block, values in found.items():
        np.testing.assert_allclose(values, unit[block], atol=1e-10)
        assert values.any() == (block.on_site and block.lam == 0) or np.abs(values).max() < 1e-10
    np.testing.assert_allclose(frame.to_matrices(found, 1)[0], one, atol=1e-9)


def test_rows_are_those_of_the_features_alone(data):
    """`operator_rows` of some kinds is what all kinds give of them."""
    basis = linvop.Basis(**SMALL)
    features = operator_features(basis, ("H", "O"), operator_blocks(AOBasis("6-31g"), ("H", "O")))
    frames = data.frames()[:2]
    whole = operator_rows(features, frames)
    some = [("H", "H", False), ("O", "O", True)]
    part = operator_rows(features.of_kinds(some), frames)
    assert {b.kind for b in part} == set(some)
    for block, (values, _) in part.items():
        np.testing.assert_array_equal(values, whole[block][0])
