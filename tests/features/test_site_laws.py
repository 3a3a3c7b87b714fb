"""What site features must obey, for every metric, resolution and kind of source."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest
from ase import Atoms
from scipy.spatial.transform import Rotation

from linvop.angular.wigner import rotation_matrix
from linvop.features.basis import Basis
from linvop.integrals import System
from linvop.kernels import cpu, reference

from .conftest import AO, SPECIES, molecule

CASES = [
    Basis(AO, kappa=3, resolution="species", lam_max=6),
    Basis(AO, kappa=2, metric="lowdin", lam_max=6),
    Basis(AO, kappa=2, metric="overlap", resolution="species", screening=0.4),
    Basis(AO, kappa=2, resolution="total", sources="species", screening=(None, 0.4)),
    Basis(AO, kappa=4, resolution="total", metric="lowdin"),
]
IDS = ["ao", "lowdin", "overlap-screened", "sources", "kappa4"]


def largest_error(a: dict, b: dict) -> float:
    """Largest deviation, relative to the largest feature of each species and lam.

    Irreps of both sigma share the yardstick: pseudotensors may vanish as a whole.
    """
    assert a.keys() == b.keys()
    worst = 0.0
    for species, lam in {(s, lam) for s, lam, _ in a}:
        keys = [k for k in a if k[:2] == (species, lam) and a[k].size]
        if keys:
            scale = max(np.abs(a[k]).max() for k in keys)
            worst = max(worst, max(np.abs(a[k] - b[k]).max() for k in keys) / scale)
    return worst


@pytest.mark.parametrize("basis", CASES, ids=IDS)
@pytest.mark.parametrize("improper", [False, True], ids=["rotation", "with inversion"])
def test_features_turn_with_wigner_matrices(basis, five_elements, improper):
    rng = np.random.default_rng(3)
    R = Rotation.random(rng=rng).as_matrix()
    sign = -1 if improper else 1
    turned = five_elements.copy()
    turned.positions = sign * turned.positions @ R.T + rng.normal(size=3)
    a, b = basis.evaluate(five_elements, SPECIES), basis.evaluate(turned, SPECIES)
    expected = {
        (s, lam, sigma): (sigma * (-1) ** lam if improper else 1)
        * np.einsum("mn,inc->imc", rotation_matrix(lam, R), values)
        for (s, lam, sigma), values in a.items()
    }
    assert largest_error(expected, b) < 1e-10


@pytest.mark.parametrize("basis", CASES, ids=IDS)
def test_order_of_atoms_is_order_of_sites(basis, five_elements):
    order = np.random.default_rng(4).permutation(len(five_elements))
    a, b = (
        basis.evaluate(five_elements, SPECIES),
        basis.evaluate(five_elements[order.tolist()], SPECIES),
    )
    numbers = five_elements.numbers
    expected = {}
    for (s, lam, sigma), values in a.items():
        z = Atoms(s).numbers[0]
        sites = np.flatnonzero(numbers == z).tolist()
        moved = [sites.index(k) for k in order.tolist() if numbers[k] == z]
        expected[s, lam, sigma] = values[moved]
    assert largest_error(expected, b) < 1e-11


@pytest.mark.parametrize("basis", CASES, ids=IDS)
def test_numba_equals_numpy(basis):
    atoms = molecule("HCOSH", np.random.default_rng(12))
    for target in ("site", "structure"):
        features = basis.compile(SPECIES, target=target)
        system = System.from_atoms(atoms, basis.ao_basis)
        a = features.sites(system, reference)
        b = features.sites(system, cpu)
        assert largest_error(a, b) < 1e-11


@pytest.mark.parametrize("basis", CASES, ids=IDS)
def test_structure_features_are_sums_over_sites(basis, five_elements):
    system = System.from_atoms(five_elements, basis.ao_basis)
    irreps = basis.irreps(SPECIES)
    features = basis.compile(SPECIES, irreps, "structure")
    sites = basis.evaluate(five_elements, SPECIES)
    for irrep, row in features.structure(system).items():
        start = 0
        for s in SPECIES:
            names = [
                str(x)
                for x in basis.labels(SPECIES, target="structure", irreps=[irrep])
                if x.species == s
            ]
            every = [str(x) for x in basis.labels(SPECIES, irreps=[irrep]) if x.species == s]
            part = sites[(s, *irrep)][:, :, [every.index(n) for n in names]].sum(axis=0)
            found = row[:, start : start + len(names)]
            start += len(names)
            if found.size:
                np.testing.assert_allclose(found, part, atol=1e-11 * np.abs(part).max())
        assert start == row.shape[1] == features.n_columns(irrep)


def test_labels_name_the_columns():
    for basis in CASES:
        for target in ("site", "structure"):
            labels = basis.labels(SPECIES, target=target)
            assert len({str(label) for label in labels}) == len(labels)
            assert len(labels) == basis.count(SPECIES, target=target)
            for (s, lam, sigma), n in basis.counts(SPECIES, target=target).items():
                mine = [x for x in labels if (x.species, x.lam, x.sigma) == (s, lam, sigma)]
                assert len(mine) == n
                assert all(x.sigma == (-1) ** (x.l1 + x.l2 + x.lam) for x in mine)
        assert eval(repr(basis), {"Basis": Basis, "Shell": type(AO["H"][0])}) == basis


@pytest.mark.parametrize("screening", [None, 0.5])
def test_sources_add_up_to_the_total(five_elements, screening):
    apart = Basis(AO, kappa=1, sources="species", screening=screening)
    total = Basis(AO, kappa=1, screening=screening)
    check_sum(apart, total, five_elements)


@pytest.mark.parametrize("metric", ["ao", "overlap", "lowdin"])
@pytest.mark.parametrize("fine", ["shell", "species"])
def test_channels_add_up_to_the_total(five_elements, metric, fine):
    check_sum(
        Basis(AO, kappa=2, metric=metric, resolution=fine),
        Basis(AO, kappa=2, metric=metric, resolution="total"),
        five_elements,
    )


def check_sum(fine: Basis, coarse: Basis, atoms: Atoms) -> None:
    """For kappa <= 2 a total word's column is the sum of the resolved ones with its shells."""
    a, b = fine.evaluate(atoms, SPECIES), coarse.evaluate(atoms, SPECIES)
    summed = {}
    for s, lam, sigma in b:
        names = [x for x in fine.labels(SPECIES, irreps=[(lam, sigma)]) if x.species == s]
        want = [x for x in coarse.labels(SPECIES, irreps=[(lam, sigma)]) if x.species == s]
        out = np.zeros_like(b[s, lam, sigma])
        for k, label in enumerate(want):
            mine = [
                j
                for j, x in enumerate(names)
                if x.shells == label.shells and x.kappa == label.kappa
            ]
            out[:, :, k] = a[s, lam, sigma][:, :, mine].sum(axis=2)
        summed[s, lam, sigma] = out
    assert largest_error(b, summed) < 1e-11


@pytest.mark.parametrize("kappa", [1, 2, 3])
@pytest.mark.parametrize("screening", [None, 0.4])
def test_body_order(kappa, screening):
    """The many-body expansion about a centre ends at the label's body order."""
    n_neighbours = 2 * kappa
    atoms = molecule("C" + "HO"[: min(2, n_neighbours)] * kappa, np.random.default_rng(13), 1.4)
    basis = Basis(
        {s: AO[s][:2] if s == "O" else AO[s][:1] + AO[s][-1:] for s in ("H", "C", "O")},
        kappa=kappa,
        resolution="species",
        screening=screening,
    )
    labels = basis.labels(["H", "C", "O"], irreps=[(0, 1)])
    labels = [x for x in labels if x.species == "C"]
    order = np.array([x.body_order for x in labels])
    np.testing.assert_array_equal(order, [2 * x.kappa for x in labels])

    def value(neighbours: tuple[int, ...]) -> np.ndarray:
        chosen = atoms[[0, *neighbours]]
        return basis.evaluate(chosen, ["H", "C", "O"], [(0, 1)])["C", 0, 1][0, 0]

    values = {
        subset: value(subset)
        for n in range(n_neighbours + 1)
        for subset in combinations(range(1, n_neighbours + 1), n)
    }
    terms = {
        subset: sum(
            (-1) ** (len(subset) - len(inner)) * values[inner]
            for n in range(len(subset) + 1)
            for inner in combinations(subset, n)
        )
        for subset in values
    }
    largest = np.max([np.abs(t) for t in terms.values()], axis=0)
    for subset, term in terms.items():
        beyond = len(subset) + 1 > order
        assert (np.abs(term[beyond]) < 1e-10 * largest[beyond]).all(), subset
    # And it is reached: the highest term of kappa itself does not vanish.
    if screening is not None:
        return
    reached = [np.abs(t) / largest for s, t in terms.items() if len(s) + 1 == 2 * kappa]
    assert np.max([r[order == 2 * kappa] for r in reached]) > 1e-6


def test_cross_metrics_have_no_body_order():
    for metric in ("overlap", "lowdin"):
        labels = Basis("sto-3g", kappa=2, metric=metric).labels(["H", "O"])
        assert {x.body_order for x in labels} == {None}
