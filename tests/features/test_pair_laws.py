"""Laws of pair features: motions, exchange, kernels, body order, completeness, blocks."""

from __future__ import annotations

import numpy as np
import pytest

from linvop import Basis, InputError, Shell
from linvop.angular.tables import coupling_table
from linvop.basis.labels import ProductLabel
from linvop.integrals import System, potential
from linvop.orbitals.blocks import BlockKey, Irreps, couple, uncouple
from linvop.orbitals.order import to_m_order
from linvop.testing import (
    assert_equivariant_pairs,
    assert_exchange,
    assert_pair_body_order,
    assert_pair_kernels_agree,
    assert_pairs_complete,
    random_molecule,
)


def shells(exponents: dict[int, tuple[float, ...]]) -> tuple[Shell, ...]:
    return tuple(Shell(l, (a,), (1.0,)) for l, many in exponents.items() for a in many)


AO = {
    "H": shells({0: (1.1, 0.3), 1: (0.8,)}),
    "C": shells({0: (0.9,), 1: (0.6,), 2: (0.7,)}),
}
SPECIES = ("H", "C")
AO_SHELLS = {s: Basis(AO).ao_basis.shells(s) for s in SPECIES}
ORDERS = [
    {"kappa": 3, "resolution": "species"},
    {"kappa": 2, "nu_pair": (1, 1), "pair_max_degree": (None, 4, 4)},
    {"kappa": 1, "nu_pair": (2, 1), "pair_max_degree": (None, 3, 3, 4), "sources": "species"},
    {"kappa": 2, "nu_pair": (1, 0), "pair_max_degree": 4, "screening": (None, 0.5)},
]


@pytest.mark.parametrize("metric", ["ao", "overlap", "lowdin"])
@pytest.mark.parametrize("order", ORDERS, ids=str)
def test_pairs_follow_the_motions_of_the_atoms(metric, order):
    basis = Basis(AO, metric=metric, lam_max=3, **order)
    atoms = random_molecule(SPECIES, 5, seed=3)
    assert_equivariant_pairs(basis, atoms, seed=1)
    assert_exchange(basis, atoms)
    assert_pair_kernels_agree(basis, atoms)


@pytest.mark.parametrize("order", ORDERS[1:], ids=str)
def test_pairs_are_complete(order):
    assert_pairs_complete(Basis(AO, lam_max=2, **order), SPECIES)


def test_what_is_rounding_in_a_projection_is_no_function():
    order = {"kappa": 1, "nu_pair": (1, 1), "pair_max_degree": (None, 5, 5), "lam_max": 2}
    assert_pairs_complete(Basis("sto-3g", **order), ["H", "O"])


@pytest.mark.parametrize("exchange", [None, 1, -1])
@pytest.mark.parametrize(
    "order",
    [
        {"kappa": 2},
        {"kappa": 2, "nu_pair": (1, 1), "pair_max_degree": (2, 3, 3)},
        {"kappa": 1, "nu_pair": (1, 1), "pair_max_degree": (None, 3, 4), "sources": "species"},
    ],
    ids=str,
)
def test_the_many_body_expansion_of_pairs_ends(order, exchange):
    basis = Basis(AO, lam_max=1, **order)
    assert_pair_body_order(basis, random_molecule(SPECIES, 7, seed=1), exchange=exchange)


@pytest.mark.parametrize("exchange", [None, 1, -1])
def test_words_are_the_irreps_of_the_blocks_of_powers(exchange):
    atoms = random_molecule(SPECIES, 5, seed=2)
    basis = Basis(AO, kappa=3, resolution="total", lam_max=4)
    system = System.from_atoms(atoms, basis.ao_basis)
    V = to_m_order(potential(system), system.layout)
    values = basis.evaluate_pairs(atoms, SPECIES, exchange=exchange)
    labels = basis.pair_labels(SPECIES, exchange=exchange)
    symmetric = exchange is not None
    checked = 0
    for kappa in (1, 2, 3):
        irreps = couple(np.linalg.matrix_power(V, kappa), system.layout, symmetric=symmetric)
        scale = max(np.abs(x).max() for x in irreps.values.values())
        for key, x in values.items():
            own = [q for q in labels if (*q.species, q.lam, q.sigma) == key]
            block = BlockKey(key[0], key[1], False, *key[2:])
            if not own:
                continue
            assert (x.atoms == irreps.pairs[key[0], key[1], False]).all()
            names = [tuple(s.label for s in AO_SHELLS[s]) for s in key[:2]]
            for c, label in enumerate(own):
                if label.kappa != kappa:
                    continue
                a, b = (n.index(s) for n, s in zip(names, label.pair.shells, strict=True))
                pairs = irreps.shell_pairs[block].tolist()
                wanted = irreps.values[block][:, :, pairs.index([a, b])]
                if symmetric and key[0] == key[1]:
                    # B_ij + s B_ji with <W_ji; a b> = sigma <W_ij; b a>.
                    other = irreps.values[block][:, :, pairs.index([b, a])]
                    norm = 0.5 if a == b else np.sqrt(0.5)
                    wanted = norm * (wanted + exchange * label.sigma * other)
                np.testing.assert_allclose(x.values[:, :, c], wanted, rtol=0, atol=1e-12 * scale)
                checked += 1
    assert checked > 50


@pytest.mark.parametrize("lam_max", [4, 1])
def test_pair_words_alone_make_the_blocks_again(lam_max):
    """irreps -> blocks = V, if no irrep is left out."""
    atoms = random_molecule(SPECIES, 5, seed=2)
    basis = Basis(AO, kappa=1, lam_max=lam_max)
    system = System.from_atoms(atoms, basis.ao_basis)
    V = to_m_order(potential(system), system.layout)
    found = couple(V, system.layout)
    values = basis.evaluate_pairs(atoms, SPECIES)
    made = {}
    for key, x in found.values.items():
        made[key] = x
        if not key.on_site:
            made[key] = np.zeros_like(x)
            if key.lam <= lam_max:
                one = values[key.species_i, key.species_j, key.lam, key.sigma]
                kept = one.atoms[:, 0] < one.atoms[:, 1]
                kept |= key.species_i != key.species_j
                made[key][:] = one.values[kept]
    again = uncouple(Irreps(made, found.pairs, found.shell_pairs, True, system.layout))
    assert (np.abs(again - V).max() < 1e-12) == (lam_max == 4)


def test_a_column_is_the_product_that_its_label_names():
    basis = Basis(AO, 1, nu_pair=(2, 1), pair_max_degree=(None, 4, 4, 4), lam_max=2)
    sites = Basis(AO, 1, 2, max_degree=4, lam_max=2)
    atoms = random_molecule(SPECIES, 5, seed=7)
    atoms.symbols = "HCCHC"
    A, names = sites.evaluate(atoms, SPECIES), sites.labels(SPECIES)
    number = {}
    for s in SPECIES:
        for irrep in sites.irreps(SPECIES):
            own = [x for x in names if (x.species, x.lam, x.sigma) == (s, *irrep)]
            number |= {str(x): k for k, x in enumerate(own)}
    words = Basis(AO, 1, lam_max=2)
    q, q_names = words.evaluate_pairs(atoms, SPECIES), words.pair_labels(SPECIES)
    values = basis.evaluate_pairs(atoms, SPECIES)
    symbols = np.asarray(atoms.get_chemical_symbols())
    place = {k: int((symbols[:k] == symbols[k]).sum()) for k in range(len(atoms))}
    labels = basis.pair_labels(SPECIES)
    rng, kinds = np.random.default_rng(0), set()
    for label in [labels[k] for k in rng.permutation(len(labels))[:300]]:
        key = (*label.species, label.lam, label.sigma)
        own = [x for x in labels if (*x.species, x.lam, x.sigma) == key]
        pairs = values[key]
        word = (*label.species, label.pair.lam, label.pair.sigma)
        of_word = [x.pair for x in q_names if (*x.species, x.lam, x.sigma) == word]
        x = q[word].values[:, :, of_word.index(label.pair)]
        parts = []
        for site, atom in ((label.site_i, pairs.atoms[:, 0]), (label.site_j, pairs.atoms[:, 1])):
            if site is not None:
                one = A[site.species, site.lam, site.sigma][:, :, number[str(site)]]
                parts.append(one[[place[k] for k in atom.tolist()]])
        if len(parts) == 2:
            l1, l2 = (p.shape[1] // 2 for p in parts)
            parts = [np.einsum("pa,pb,abm->pm", *parts, coupling_table(l1, l2, label.L))]
        if parts:
            coupling = coupling_table(label.L, label.pair.lam, label.lam)
            x = np.einsum("pa,pb,abm->pm", parts[0], x, coupling)
        found = pairs.values[:, :, own.index(label)]
        np.testing.assert_allclose(found, x, rtol=1e-9, atol=1e-12 * np.abs(x).max())
        kinds.add((len(label.sites), any(isinstance(s, ProductLabel) for s in label.sites)))
    assert kinds == {(0, False), (1, False), (1, True), (2, False), (2, True)}


@pytest.mark.parametrize("metric", ["ao", "overlap", "lowdin"])
def test_no_word_is_zero_or_spanned_by_others(metric):
    """Equal exponents, which make columns coincide on site, do not between atoms."""
    equal = {"H": shells({0: (0.9,), 1: (0.9,)}), "C": shells({0: (1.3, 0.4), 1: (1.3,)})}
    assert_full_rank(Basis(equal, kappa=2, metric=metric, lam_max=2))
    assert_full_rank(Basis(equal, kappa=2, metric=metric, lam_max=2), exchange=-1)


@pytest.mark.parametrize("exchange", [None, 1, -1])
def test_no_pair_product_is_zero_or_spanned_by_others(exchange):
    # Diffuse shells: from afar, tight ones are all point charges.
    ao = {"H": shells({0: (0.3,), 1: (0.25,)}), "C": shells({0: (0.4, 0.15), 1: (0.2,)})}
    basis = Basis(ao, kappa=1, nu_pair=(1, 1), pair_max_degree=(None, 5, 4), lam_max=2)
    assert_full_rank(basis, exchange)


def columns_of(basis: Basis, frames, exchange: int | None = None) -> dict[tuple, np.ndarray]:
    rows: dict[tuple, list] = {}
    for atoms in frames:
        for key, x in basis.evaluate_pairs(atoms, SPECIES, exchange=exchange).items():
            n, width, p = x.values.shape
            rows.setdefault(key, []).append(x.values.reshape(n * width, p))
    return {key: np.concatenate(parts) for key, parts in rows.items()}


def rank_of(A: np.ndarray) -> int:
    s = np.linalg.svd(A / np.linalg.norm(A, axis=0), compute_uv=False)
    return int((s > 1e-9 * s[0]).sum())


def assert_full_rank(basis: Basis, exchange: int | None = None) -> None:
    frames = [random_molecule(SPECIES, 6, seed) for seed in range(60)]
    for key, A in columns_of(basis, frames, exchange).items():
        if A.shape[1]:
            assert len(A) > 1.2 * A.shape[1]
            assert rank_of(A) == A.shape[1], key


def test_a_species_that_occurs_once_makes_words_of_products():
    """Through the only C, <H a|V C:c V|C b> is q times a feature of C: a gap of molecules."""
    ao = {"H": shells({0: (0.8,)}), "C": shells({0: (0.5,)})}
    basis = Basis(ao, kappa=2, nu_pair=(0, 1), pair_max_degree=(None, 4), lam_max=0)
    names = [str(x) for x in basis.pair_labels(SPECIES) if x.species == ("H", "C")]
    word = names.index("H-C <1s|V C:1s V|1s> lam=0 sigma=+1 lam=0 sigma=+1")
    q = "<1s|V|1s> lam=0 sigma=+1"
    product = names.index(f"H-C {q} x j [{q}] L=0 lam=0 sigma=+1")
    for symbols, alike in (("CHHHH", True), ("CCHHH", False)):
        atoms = random_molecule(SPECIES, 5, seed=1)
        atoms.symbols = symbols
        B = basis.evaluate_pairs(atoms, SPECIES)["H", "C", 0, 1].values[:, 0]
        assert np.allclose(B[:, word], B[:, product], rtol=1e-10) == alike


def test_a_cutoff_leaves_out_pairs_and_changes_nothing_else():
    atoms = random_molecule(SPECIES, 6, seed=4)
    order = {"kappa": 2, "nu_pair": (1, 1), "pair_max_degree": 3, "metric": "lowdin"}
    every = Basis(AO, **order).evaluate_pairs(atoms)
    near = Basis(AO, cutoff=2.5, **order).evaluate_pairs(atoms)
    n_left_out = 0
    for key, x in every.items():
        kept = np.array([atoms.get_distance(*p) <= 2.5 for p in x.atoms], bool)
        assert (near[key].atoms == x.atoms[kept]).all()
        scale = max(np.abs(x.values).max(initial=0), 1)
        np.testing.assert_allclose(near[key].values, x.values[kept], atol=1e-13 * scale)
        n_left_out += int((~kept).sum())
    assert n_left_out > 0


def test_species_of_the_model_that_a_structure_lacks():
    basis = Basis(AO, 1, nu_pair=(1, 1), pair_max_degree=4)
    lone = random_molecule(["C"], 1, seed=0)
    for key, x in basis.evaluate_pairs(lone, SPECIES).items():
        assert x.atoms.shape == (0, 2)
        assert x.values.shape == (0, 2 * key[2] + 1, basis.pair_counts(SPECIES)[key])
    with pytest.raises(InputError, match="species C: expected H"):
        basis.evaluate_pairs(lone, ["H"])
