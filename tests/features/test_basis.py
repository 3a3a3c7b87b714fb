from __future__ import annotations

from dataclasses import FrozenInstanceError, replace

import numpy as np
import pytest
from ase import Atoms

from linvop.errors import InputError
from linvop.features.basis import Basis, ordered_species
from linvop.orbitals.shells import AOBasis, Shell

from .conftest import AO, SPECIES, molecule

NAMES = {"Basis": Basis, "Shell": Shell, "AOBasis": AOBasis}


@pytest.mark.parametrize(
    "basis",
    [
        Basis("6-31g"),
        Basis("def2-svp", kappa=2, metric="lowdin", screening=0.3, lam_max=0),
        Basis("6-31g", nu_pair=(2, 1), pair_max_degree=(None, 5, 4, 4), cutoff=5),
        Basis("6-31g", nu_pair=[1, 0], pair_max_degree={0: 6, 1: 5}),
        Basis({"H": "sto-3g", "O": "6-31g"}, resolution="species", sources="species"),
        Basis(AO, screening=(None, 0.1, 2), resolution="total"),
        Basis(AOBasis("6-31g").frozen(["H", "S"]), metric="overlap"),
        Basis({"H": "sto-3g", "C": AO["C"]}, kappa=np.int64(2), screening=np.float64(0.2)),
    ],
    ids=lambda b: str(b.ao_basis.name),
)
def test_repr_makes_the_basis_again(basis):
    again = eval(repr(basis), NAMES)
    assert again == basis
    assert hash(again) == hash(basis)
    assert repr(again) == repr(basis)
    species = ["H"]
    assert again.labels(species) == basis.labels(species)


def test_a_basis_is_a_value():
    basis = Basis("6-31g")
    with pytest.raises(FrozenInstanceError):
        basis.kappa = 2
    for change in (
        {"ao": "sto-3g"},
        {"kappa": 2},
        {"resolution": "total"},
        {"metric": "lowdin"},
        {"sources": "species"},
        {"screening": 0.3},
        {"lam_max": 2},
        {"nu_pair": (1, 0), "pair_max_degree": 5},
        {"pair_max_degree": 5},
        {"cutoff": 4.0},
    ):
        assert replace(basis, **change) != basis
    assert replace(basis, screening=None) == Basis("6-31g", screening=(None,)) == basis


@pytest.mark.parametrize("target", ["site", "structure"])
@pytest.mark.parametrize("metric", ["ao", "overlap", "lowdin"])
def test_counts_are_labels_are_columns(metric, target):
    basis = Basis(AO, kappa=2, metric=metric, sources="species", screening=(None, 0.3))
    labels = basis.labels(SPECIES, target=target)
    counts = basis.counts(SPECIES, target=target)
    assert basis.count(SPECIES, target=target) == len(labels) == sum(counts.values())
    features = basis.compile(SPECIES, target=target)
    found = {
        (s, *irrep): n
        for s, plan in features.plans.items()
        for irrep, n in zip(plan.irreps, plan.n_columns, strict=True)
    }
    assert found == counts
    # Storage order: species, irrep, column.
    assert [(x.species, x.lam, x.sigma) for x in labels] == [
        key for key, n in counts.items() for _ in range(n)
    ]


def test_evaluate_returns_every_irrep_of_every_species():
    atoms = molecule("OHHC", np.random.default_rng(2))
    basis = Basis(AO, kappa=2, lam_max=3)
    values = basis.evaluate(atoms)
    counts = basis.counts(["H", "C", "O"])
    n_atoms = {"H": 2, "C": 1, "O": 1}
    assert {k: x.shape for k, x in values.items()} == {
        (s, lam, sigma): (n_atoms[s], 2 * lam + 1, n) for (s, lam, sigma), n in counts.items()
    }
    one = basis.evaluate(atoms, irreps=[(2, 1)])
    assert {key[1:] for key in one} == {(2, 1)}
    for key, x in one.items():
        np.testing.assert_allclose(x, values[key], atol=1e-12 * np.abs(values[key]).max())


def test_irreps_are_those_of_the_shells():
    assert Basis("sto-3g").irreps(["H"]) == ((0, 1),)
    assert Basis("sto-3g").irreps(["H", "O"]) == ((0, 1), (1, 1), (1, -1), (2, 1))
    assert max(lam for lam, _ in Basis(AO, lam_max=12).irreps(SPECIES)) == 6
    assert max(lam for lam, _ in Basis(AO, lam_max=3).irreps(SPECIES)) == 3


def test_lam_max_cuts_and_changes_nothing_else():
    full, cut = Basis(AO, kappa=2, lam_max=6), Basis(AO, kappa=2, lam_max=2)
    assert cut.labels(SPECIES) == [x for x in full.labels(SPECIES) if x.lam <= 2]


def test_kappas_are_nested():
    for target in ("site", "structure"):
        low, high = (Basis(AO, kappa=k).labels(SPECIES, target=target) for k in (2, 3))
        assert set(low) == {x for x in high if x.kappa <= 2}


def test_species_are_ordered_by_atomic_number():
    assert ordered_species(["O", "H", 6, "O", 1]) == ("H", "C", "O")
    basis = Basis("sto-3g", kappa=1)
    assert basis.labels(["O", "H"]) == basis.labels([1, 8])


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Basis("sto-3g", resolution="atom"), "resolution: expected one of total"),
        (lambda: Basis("sto-3g", metric="ortho"), "metric: expected one of ao"),
        (lambda: Basis("sto-3g", sources="all"), "sources: expected one of"),
        (lambda: Basis("sto-3g", kappa=0), "kappa: expected 1 to 6, got 0"),
        (lambda: Basis("sto-3g", kappa=2.0), "kappa: expected an integer"),
        (lambda: Basis("sto-3g", kappa=True), "kappa: expected an integer"),
        (lambda: Basis("sto-3g", lam_max=-1), "lam_max: expected 0 to"),
        (lambda: Basis("sto-3g", nu=6), "nu: expected 1 to 5, got 6"),
        (lambda: Basis("sto-3g", nu=2), "max_degree: expected a number for nu = 2, got none"),
        (lambda: Basis("sto-3g", nu=2, max_degree=(None, 3, 3)), "expected 2 values"),
        (lambda: Basis("sto-3g", nu=2, max_degree={3: 4}), r"expected keys 1 to 2"),
        (lambda: Basis("sto-3g", nu_pair=(1,)), "nu_pair: expected two integers of 0 to 4"),
        (lambda: Basis("sto-3g", nu_pair=(0, 5)), "nu_pair: expected two integers of 0 to 4"),
        (lambda: Basis("sto-3g", nu_pair=(0, True)), "nu_pair: expected two integers of 0 to 4"),
        (
            lambda: Basis("sto-3g", nu_pair=(1, 0)),
            "pair_max_degree: expected a number for number of site factors = 1, got none",
        ),
        (lambda: Basis("sto-3g", nu_pair=(1, 1), pair_max_degree=(None, 3)), "expected 3 values"),
        (lambda: Basis("sto-3g", nu_pair=(1, 0), pair_max_degree={2: 3}), "expected keys 0 to 1"),
        (lambda: Basis("sto-3g", cutoff=0), "cutoff: expected None or a positive distance, got 0"),
        (lambda: Basis("sto-3g", cutoff="5"), "cutoff: expected None or a positive distance"),
        (lambda: Basis("sto-3g").pair_count(["H"], exchange=2), "exchange: expected None, 1 or"),
        (lambda: Basis("sto-3g", max_degree=0), "positive numbers, got 0"),
        (lambda: Basis("sto-3g", max_degree="8"), "positive numbers, got '8'"),
        (lambda: Basis("sto-3g", body_order=1), "body_order: expected an integer of at least 2"),
        (lambda: Basis("sto-3g", body_order=4, metric="lowdin"), "body_order: expected metric"),
        (lambda: Basis("sto-3g", screening=0.0), "screening"),
        (lambda: Basis("sto-3g", screening=np.nan), "screening"),
        (lambda: Basis("sto-3g", screening=(0.3, 0.3)), "distinct"),
        (lambda: Basis("sto-3g", screening=()), "distinct"),
        (lambda: Basis("sto-3g", screening="0.3"), "screening"),
        (lambda: Basis("sto-3g", screening=(0.3, True)), "screening"),
        (lambda: Basis("sto-3g").labels(["Xq"]), "Xq"),
        (lambda: Basis("sto-3g").labels([]), "at least one element"),
        (lambda: Basis("sto-3g").labels([200]), "200"),
        (lambda: Basis("sto-3g").compile(["H"], target="atom"), "target"),
    ],
)
def test_bad_options_are_named(make, message):
    with pytest.raises(InputError, match=message):
        make()


@pytest.mark.parametrize("evaluate", ["evaluate", "evaluate_pairs"])
def test_what_is_no_structure_is_named(evaluate):
    basis = Basis("sto-3g", kappa=1, nu_pair=(1, 0), pair_max_degree=2)
    make = getattr(basis, evaluate)
    atoms = Atoms("H2", [[0, 0, 0], [0, 0, np.nan]])
    for bad, message in (
        ([atoms], r"expected one structure \(ase.Atoms\), got list"),
        ("water.xyz", "got str"),
        (Atoms(), "at least one atom"),
        (atoms, r"atom 1: expected a finite position, got \[0.0, 0.0, nan\]"),
    ):
        with pytest.raises(InputError, match=message):
            make(bad)
