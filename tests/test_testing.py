"""The shipped assertions hold, and notice what is broken: each mutation makes one of them fail."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest

import linvop.basis.enumeration
import linvop.features.basis
import linvop.features.contractions
import linvop.kernels.cpu
import linvop.kernels.plan
import linvop.orbitals.order
from linvop import Basis, InputError, Shell
from linvop.basis.enumeration import SiteEnumeration
from linvop.features.contractions import SiteFeatures
from linvop.testing import (
    assert_body_order,
    assert_columns_independent,
    assert_equivariant,
    assert_kernels_agree,
    assert_resolutions_add_up,
    random_molecule,
)
from linvop.testing.yardstick import compare


def shells(exponents: dict[int, tuple[float, ...]]) -> tuple[Shell, ...]:
    return tuple(Shell(l, (a,), (1.0,)) for l, many in exponents.items() for a in many)


AO = {
    "H": shells({0: (1.1, 0.3), 1: (0.8,)}),
    "C": shells({0: (1.7, 0.4), 1: (0.6,), 2: (0.7,)}),
    "N": shells({0: (1.9,), 1: (0.9, 0.3)}),
    "O": shells({0: (2.1,), 1: (1.0,), 3: (1.2,)}),
    "S": shells({0: (0.9,), 1: (0.5,), 2: (0.8,), 4: (0.9,)}),
}
# Equal exponents: <1s|V|3p> and <2s|V|2p> are proportional.
EQUAL = {"H": AO["H"], "C": shells({0: (1.3, 0.4), 1: (1.3, 0.4)})}
SPECIES = tuple(AO)


@pytest.fixture
def broken(monkeypatch):
    """A monkeypatch between whose start and end no plan survives in a cache."""
    caches = (linvop.features.contractions.compiled, linvop.features.basis._enumeration)
    for cache in caches:
        cache.cache_clear()
    yield monkeypatch
    for cache in caches:
        cache.cache_clear()


def test_random_molecules_keep_their_distance():
    atoms = random_molecule(["O", "H"], 9, seed=2, min_distance=1.2)
    assert set(atoms.symbols) == {"H", "O"}
    assert atoms.get_all_distances()[np.triu_indices(9, 1)].min() >= 1.2
    assert random_molecule(["O", "H"], 9, seed=2, min_distance=1.2) == atoms
    assert random_molecule(["O", "H"], 9, seed=3, min_distance=1.2) != atoms
    with pytest.raises(InputError, match="at least one of each"):
        random_molecule(["O", "H"], 1, seed=0)
    with pytest.raises(InputError, match="do not fit"):
        random_molecule(["H"], 20, seed=0, min_distance=3.0)


BASES = [
    Basis(AO, kappa=3, resolution="species", lam_max=8),
    Basis(AO, kappa=2, metric="lowdin", screening=0.4),
    Basis(AO, kappa=2, metric="overlap", resolution="total", sources="species"),
]


@pytest.mark.parametrize("basis", BASES, ids=lambda b: f"{b.metric}-{b.resolution}-{b.sources}")
def test_laws_hold(basis):
    assert_equivariant(basis, random_molecule(SPECIES, 7, seed=1))
    atoms = random_molecule(SPECIES, 6, seed=2)
    assert_kernels_agree(basis, atoms)
    assert_resolutions_add_up(basis, atoms)


@pytest.mark.parametrize("sources", ["total", "species"])
@pytest.mark.parametrize("resolution", ["total", "species", "shell"])
@pytest.mark.parametrize("screening", [None, 0.4])
def test_body_order_holds(resolution, sources, screening):
    ao = {s: AO[s][-2:] for s in ("H", "C")}
    kappa = 3 if sources == "total" else 2
    basis = Basis(ao, kappa=kappa, resolution=resolution, sources=sources, screening=screening)
    assert_body_order(basis, random_molecule(["H", "C"], 2 * kappa + 1, seed=3))


@pytest.mark.parametrize("target", ["site", "structure"])
@pytest.mark.parametrize("metric", ["ao", "lowdin"])
def test_columns_are_independent(metric, target):
    assert_columns_independent(Basis(EQUAL, kappa=3, metric=metric), ["H", "C"], target)


@pytest.mark.slow
@pytest.mark.parametrize("metric", ["ao", "overlap", "lowdin"])
@pytest.mark.parametrize("sources", ["total", "species"])
@pytest.mark.parametrize("resolution", ["total", "species", "shell"])
@pytest.mark.parametrize("screening", [None, 0.3, (None, 0.3)], ids=str)
def test_every_law_for_every_option(metric, sources, resolution, screening):
    # Per-species sources of five elements in third order would be 125 words for each.
    kappa = 3 if sources == "total" else 2
    options = {"metric": metric, "resolution": resolution, "sources": sources}
    basis = Basis(AO, kappa=kappa, screening=screening, lam_max=8, **options)
    assert_equivariant(basis, random_molecule(SPECIES, 8, seed=4))
    assert_kernels_agree(basis, random_molecule(SPECIES, 6, seed=5))
    if (resolution, sources) != ("total", "total"):
        assert_resolutions_add_up(basis, random_molecule(SPECIES, 7, seed=6))
    if metric == "ao":
        ao = {s: AO[s][-2:] for s in ("H", "C", "O")}
        few = Basis(ao, kappa=kappa, screening=screening, lam_max=2, **options)
        assert_body_order(few, random_molecule(["H", "C", "O"], 2 * kappa + 2, seed=7))
    few = Basis({**EQUAL, "N": AO["N"]}, kappa=kappa, screening=screening, **options)
    for target in ("site", "structure"):
        assert_columns_independent(few, ["H", "C", "N"], target)


def test_laws_that_cannot_be_asked_are_refused():
    atoms = random_molecule(["H"], 3, seed=0)
    with pytest.raises(InputError, match="metric 'ao'"):
        assert_body_order(Basis("sto-3g", kappa=1, metric="lowdin"), atoms)
    with pytest.raises(InputError, match="5 to 12 atoms, got 3"):
        assert_body_order(Basis("sto-3g", kappa=2), atoms)
    with pytest.raises(InputError, match="total words"):
        assert_resolutions_add_up(Basis("sto-3g", kappa=2, resolution="total"), atoms)


@pytest.mark.parametrize("wrong", [1e-6, np.nan])
def test_failures_name_the_case_the_column_and_the_error(wrong):
    basis = Basis("sto-3g", kappa=1)
    wanted = basis.evaluate(random_molecule(["H", "O"], 4, seed=0))
    found = {key: x.copy() for key, x in wanted.items()}
    found["O", 1, 1][0, 2, 1] += wrong * np.abs(wanted["O", 1, 1]).max()
    error = "inf" if np.isnan(wrong) else "1.0e-06"
    message = rf"^turned: largest error {error} .* at O <2s\|V\|2p> lam=1 sigma=\+1"
    with pytest.raises(AssertionError, match=message):
        compare(basis, ("H", "O"), found, wanted, "turned", 1e-10)


def test_p_shells_in_the_wrong_order_do_not_turn(broken):
    broken.setattr(linvop.orbitals.order, "_P_FROM_PYSCF", np.arange(3))
    with pytest.raises(AssertionError, match="rotation"):
        assert_equivariant(Basis(AO, kappa=1), random_molecule(SPECIES, 6, seed=1))


def test_a_wrong_sigma_shows_under_inversion(broken):
    right = linvop.basis.words.allowed_irreps
    flipped = lambda *shells: [(lam, -sigma) for lam, sigma in right(*shells)]  # noqa: E731
    broken.setattr(linvop.basis.words, "allowed_irreps", flipped)
    broken.setattr(linvop.features.basis, "allowed_irreps", flipped)
    with pytest.raises(AssertionError, match="inversion"):
        assert_equivariant(Basis(AO, kappa=2, metric="lowdin"), random_molecule(SPECIES, 6, seed=1))


def factors_with(change):
    right = linvop.features.contractions.multiplied

    def multiplied(system, *arguments):
        return SimpleNamespace(matrices=change(system, *right(system, *arguments).matrices))

    return multiplied


def test_a_fixed_origin_shows_under_translation(broken):
    def nailed(system, *matrices):
        far = np.linalg.norm(system.positions.mean(axis=0))
        return [M + 1e-7 * far * np.eye(M.shape[-1]) for M in matrices]

    broken.setattr(linvop.features.contractions, "multiplied", factors_with(nailed))
    with pytest.raises(AssertionError, match="translation"):
        assert_equivariant(Basis(AO, kappa=2), random_molecule(SPECIES, 6, seed=1))


def test_sites_in_another_order_show_under_permutation(broken):
    right = SiteFeatures.sites

    def outermost_last(self, system, *kernel):
        distance = np.linalg.norm(system.positions - system.positions.mean(axis=0), axis=1)
        symbols = np.array(system.layout.symbols)
        values = right(self, system, *kernel)
        return {key: x[np.argsort(distance[symbols == key[0]])] for key, x in values.items()}

    broken.setattr(SiteFeatures, "sites", outermost_last)
    with pytest.raises(AssertionError, match="permutation"):
        assert_equivariant(Basis(AO, kappa=1), random_molecule(["C", "H"], 8, seed=1))


def test_one_body_more_shows_in_the_expansion(broken):
    def longer(_, *matrices):
        return [M + 1e-6 * M @ M for M in matrices]

    basis = Basis({s: AO[s][:1] for s in "HC"}, kappa=1)
    atoms = random_molecule(["H", "C"], 4, seed=1)
    assert_body_order(basis, atoms)
    broken.setattr(linvop.features.contractions, "multiplied", factors_with(longer))
    with pytest.raises(AssertionError, match=r"body order: of . <1s\|V\|1s>.* above body order 2"):
        assert_body_order(basis, atoms)


def test_a_wrong_slice_parts_the_kernels(broken):
    right = linvop.kernels.cpu.halves_of

    def shifted(plan, first, middle, channel_start, *rest):
        return right(plan, first, middle, np.maximum(channel_start - 1, 0), *rest)

    broken.setattr(linvop.kernels.cpu, "halves_of", shifted)
    with pytest.raises(AssertionError, match="kernels, site"):
        assert_kernels_agree(Basis(AO, kappa=3), random_molecule(["H", "C"], 4, seed=1))


@pytest.mark.parametrize(
    ("rule", "answer", "target", "message"),
    [
        ("_is_kept", lambda *_: True, "site", "proportional"),
        ("_is_kept", lambda self, s, i, t, z, c, a, b: a < b, "site", "zero"),
        ("_is_bracelet", lambda *_: True, "structure", "proportional"),
        ("_is_reaction", lambda *_: False, "structure", "proportional"),
        ("_drop_proportional", lambda self, s, i, t, words: words, "site", "proportional"),
    ],
)
def test_every_rule_of_the_enumeration_is_needed(broken, rule, answer, target, message):
    ao = {**EQUAL, "H": EQUAL["C"]} if rule == "_is_reaction" else EQUAL
    broken.setattr(SiteEnumeration, rule, answer)
    with pytest.raises(AssertionError, match=message):
        assert_columns_independent(Basis(ao, kappa=3), ["H", "C"], target)


def test_a_lost_word_is_missed_in_the_sum(broken):
    basis, atoms = Basis(AO, kappa=3), random_molecule(["H", "C"], 4, seed=1)
    right = SiteEnumeration._is_kept

    def forgetful(self, *word):
        channels = word[4]
        twice = self.resolution == "shell" and len(set(channels)) < len(channels)
        return right(self, *word) and not twice

    broken.setattr(SiteEnumeration, "_is_kept", forgetful)
    with pytest.raises(AssertionError, match="lacks the word"):
        assert_resolutions_add_up(basis, atoms)


def test_an_orbital_without_channel_is_missed_in_the_sum(broken):
    right = linvop.features.contractions.contracted

    def early(enumeration, system):
        one = right(enumeration, system)
        start = one.channel_start.copy()
        start[-1] -= len(start) > 2
        return replace(one, channel_start=start)

    broken.setattr(linvop.features.contractions, "contracted", early)
    with pytest.raises(AssertionError, match="sum to resolution='total'"):
        assert_resolutions_add_up(
            Basis(AO, kappa=2, resolution="species"), random_molecule(["H", "C", "O"], 4, seed=1)
        )
