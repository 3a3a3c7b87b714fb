"""Every function once: no column is zero or proportional to another, and none is lost."""

from __future__ import annotations

from itertools import pairwise, product

import numpy as np
import pytest
from ase import Atoms

from linvop.angular.tables import coupling_table
from linvop.basis.words import allowed_irreps
from linvop.features.basis import Basis
from linvop.features.metric import factors
from linvop.features.threads import one_blas_thread
from linvop.integrals import System
from linvop.orbitals.order import channel_order
from linvop.orbitals.shells import Shell

# Equal exponents on purpose: products of shells then coincide for kappa = 1.
AO = {
    "H": (Shell(0, (0.9,), (1.0,)), Shell(1, (0.9,), (1.0,))),
    "C": (Shell(0, (1.3,), (1.0,)), Shell(0, (0.4,), (1.0,)), Shell(1, (1.3,), (1.0,))),
}
SPLIT = {
    "H": ((0, 1.1), (0, 0.3), (1, 0.8)),
    "C": ((0, 1.7), (0, 0.45), (1, 1.3), (1, 0.4)),
}
SPECIES = ("H", "C")


def molecule(rng: np.random.Generator, symbols: str = "HCHCHC") -> Atoms:
    """Atoms at random; three of each species: fewer would be symmetric by accident."""
    n = len(Atoms(symbols))
    while True:
        positions = rng.uniform(-1.7, 1.7, (n, 3)) * (n / 6) ** (1 / 3)
        apart = np.linalg.norm(positions[:, None] - positions, axis=-1)[np.triu_indices(n, 1)]
        if apart.min() > 0.8:
            return Atoms(symbols, positions=positions)


@one_blas_thread()
def naive_columns(basis: Basis, atoms: Atoms, irrep: tuple[int, int]) -> dict[str, np.ndarray]:
    """All words and all (a, b), nothing left out: {species: (n_sites, 2 lam + 1, n)}."""
    lam = irrep[0]
    system = System.from_atoms(atoms, basis.ao_basis)
    order = channel_order(system.layout, SPECIES)
    by_species = basis.sources == "species"
    local, first, middle = factors(system, order, basis.metric, basis.screenings, by_species)
    shells = {s: basis.ao_basis.shells(s) for s in SPECIES}
    starts, out, shell = order.shell_start, {}, 0
    channels = {
        "shell": list(pairwise(starts)),
        "species": [(starts[0], starts[2]), (starts[2], starts[-1])],
        "total": [(starts[0], starts[-1])],
    }[basis.resolution]
    words = list(local)
    for kappa in range(2, basis.kappa + 1):
        for z in product(range(len(first)), repeat=kappa):
            for path in product(channels, repeat=kappa - 1):
                word = first[z[0]]
                for k, (lo, hi) in enumerate(path, start=1):
                    last = first[z[k]].T if k == kappa - 1 else middle[z[k]]
                    word = word[:, lo:hi] @ last[lo:hi]
                words.append(word)
    for s, sites in zip(SPECIES, order.sites, strict=True):
        columns = []
        for (i, a), (j, b) in product(enumerate(shells[s]), repeat=2):
            if irrep not in allowed_irreps(a.l, b.l, basis.lam_max):
                continue
            coupling = coupling_table(a.l, b.l, lam)
            for word in words:
                values = []
                for k in range(len(sites)):
                    x = starts[shell + i] + k * (2 * a.l + 1)
                    y = starts[shell + j] + k * (2 * b.l + 1)
                    block = word[x : x + 2 * a.l + 1, y : y + 2 * b.l + 1]
                    values.append(np.einsum("ab,abm->m", block, coupling))
                columns.append(values)
        out[s] = np.array(columns).transpose(1, 2, 0) if columns else np.zeros((len(sites), 0, 0))
        shell += len(shells[s])
    return out


def rank(columns: np.ndarray, scale: float) -> int:
    """Numerical rank of columns scaled to length one; those that are rounding do not count."""
    length = np.linalg.norm(columns, axis=0)
    columns = (columns / np.where(length > 0, length, 1))[:, length > 1e-10 * scale]
    s = np.linalg.svd(columns, compute_uv=False)
    return int((s > 1e-9 * s[0]).sum()) if s.size else 0


CASES = [
    (metric, resolution, sources, target)
    for metric in ("ao", "overlap", "lowdin")
    for resolution in ("shell", "species", "total")
    for sources in ("total", "species")
    for target in ("site", "structure")
]


@pytest.mark.parametrize(("metric", "resolution", "sources", "target"), CASES)
def test_no_column_is_zero_or_a_copy_and_none_is_lost(metric, resolution, sources, target):
    # Per-species sources multiply the words: two factors suffice there for every rule.
    kappa = 3 if sources == "total" else 2
    basis = Basis(AO, kappa=kappa, metric=metric, resolution=resolution, sources=sources)
    check(basis, target)


@pytest.mark.parametrize("metric", ["ao", "overlap"])
@pytest.mark.parametrize("target", ["site", "structure"])
def test_same_shells_on_all_species(metric, target):
    shells = (Shell(0, (0.9,), (1.0,)), Shell(1, (0.7,), (1.0,)))
    ao = {"H": shells, "C": shells}
    for sources in ("total", "species"):
        check(Basis(ao, kappa=2, metric=metric, sources=sources), target)


@pytest.mark.parametrize("metric", ["ao", "lowdin"])
@pytest.mark.parametrize("sources", ["total", "species"])
def test_a_species_of_one_shell(metric, sources):
    ao = {**AO, "H": AO["H"][:1]}  # the channel H is the shell H:1s, but C is not C:1s
    for target in ("site", "structure"):
        check(Basis(ao, kappa=2, metric=metric, resolution="species", sources=sources), target)


def summed_columns(basis: Basis, species: tuple[str, ...], symbols: str, irrep: tuple[int, int]):
    """Site features summed over the atoms of a species, and structure features: (rows, n) each."""
    rng = np.random.default_rng(7)
    sites, structures = [], []
    features = {t: basis.compile(species, [irrep], t) for t in ("site", "structure")}
    for _ in range(130):
        system = System.from_atoms(molecule(rng, symbols), basis.ao_basis)
        found = features["site"].sites(system)
        sums = [found[(s, *irrep)].sum(axis=0) for s in species if (s, *irrep) in found]
        sites.append(np.concatenate(sums, axis=1))
        structures.append(features["structure"].structure(system)[irrep])
    return np.concatenate(sites), np.concatenate(structures)


def assert_same_span(sites: np.ndarray, structures: np.ndarray) -> None:
    scale = np.linalg.norm(sites, axis=0).max()
    found = [rank(x, scale) for x in (sites, structures, np.hstack([sites, structures]))]
    assert found[0] == found[1] == found[2]


@pytest.mark.parametrize("metric", ["ao", "lowdin"])
@pytest.mark.parametrize("limit", [3, 4, 5, None])
def test_a_degree_loses_no_trace_that_it_admits(metric, limit):
    ao = {s: tuple(Shell(l, (a,), (1.0,)) for l, a in found) for s, found in SPLIT.items()}
    basis = Basis(ao, kappa=2, metric=metric, max_degree=limit)
    sites, structures = summed_columns(basis, SPECIES, "HCHCHC", (0, 1))
    assert_same_span(sites, structures)


@pytest.mark.parametrize("limit", [2, 3, None])
def test_a_degree_loses_no_action_whose_reaction_is_above_it(limit):
    # Of H's shells two are more diffuse than those it shares with C: they have higher degrees.
    shared = (Shell(0, (0.9,), (1.0,)), Shell(1, (0.7,), (1.0,)))
    ao = {"C": shared, "H": (*shared, Shell(0, (0.2,), (1.0,)), Shell(1, (0.15,), (1.0,)))}
    basis = Basis(ao, kappa=1, metric="ao", max_degree=limit)
    sites, structures = summed_columns(basis, SPECIES, "HCHCHC", (1, 1))
    assert_same_span(sites, structures)


def test_three_species_of_equal_shells_and_total_sources():
    shells = (Shell(0, (0.9,), (1.0,)), Shell(1, (0.7,), (1.0,)))
    species = ("H", "C", "O")
    basis = Basis(dict.fromkeys(species, shells), kappa=1, metric="ao")
    sites, structures = summed_columns(basis, species, "HCOHCOHCO", (1, 1))
    assert_same_span(sites, structures)
    scale = np.linalg.norm(structures, axis=0).max()
    assert rank(structures, scale) == structures.shape[1] == 2


def check(basis: Basis, target: str) -> None:
    irreps = basis.irreps(SPECIES)
    n_molecules = 40 if target == "site" else 130
    rng = np.random.default_rng(5)
    molecules = [molecule(rng) for _ in range(n_molecules)]
    features = basis.compile(SPECIES, irreps, target)
    scale = 0.0
    for irrep in irreps:
        kept, naive = [], []
        for atoms in molecules:
            system = System.from_atoms(atoms, basis.ao_basis)
            every = naive_columns(basis, atoms, irrep)
            if target == "structure":
                kept.append(features.structure(system)[irrep])
                sums = [v.sum(axis=0) for v in every.values() if v.size]
                naive.append(np.concatenate(sums, axis=1))
            else:
                sites = features.sites(system)[("C", *irrep)]
                kept.append(np.concatenate(list(sites)))
                naive.append(np.concatenate(list(every["C"])))
        kept, naive = np.concatenate(kept), np.concatenate(naive)
        length = np.linalg.norm(kept, axis=0)
        # The first irrep is (0, 1); some of the others are rounding as a whole.
        scale = max(scale, np.linalg.norm(naive, axis=0).max())
        species = ("C",) if target == "site" else SPECIES
        labels = basis.labels(SPECIES, target=target, irreps=[irrep])
        labels = [str(label) for label in labels if label.species in species]
        zero = np.flatnonzero(length <= 1e-10 * scale)
        assert not zero.size, f"zero: {[labels[k] for k in zero]}"
        cosine = np.abs((kept / length).T @ (kept / length)) - np.eye(kept.shape[1])
        alike = np.argwhere(np.triu(cosine, 1) > 1 - 1e-9)
        assert not alike.size, f"proportional: {[(labels[i], labels[j]) for i, j in alike]}"
        if naive.shape[1] < 0.8 * len(naive):
            assert rank(kept, scale) == rank(naive, scale), f"{irrep}: functions were lost"
