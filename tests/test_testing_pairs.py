"""The assertions of pairs notice what is broken: each mutation makes one of them fail."""

from __future__ import annotations

import pytest

import linvop.basis.pairs
import linvop.features.basis
import linvop.features.pairs
import linvop.kernels.cpu
import linvop.kernels.pair_plan
import linvop.testing.pairs
from linvop import Basis, InputError, Shell
from linvop.basis.labels import PairLabel
from linvop.basis.pairs import PairEnumeration
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


@pytest.fixture
def broken(monkeypatch):
    """A monkeypatch between whose start and end no plan survives in a cache."""
    caches = (linvop.features.pairs.compiled_pairs, linvop.features.basis._pairs)
    for cache in caches:
        cache.cache_clear()
    yield monkeypatch
    for cache in caches:
        cache.cache_clear()


BASIS = Basis(AO, 1, nu_pair=(1, 1), pair_max_degree=(None, 4, 5), lam_max=2)


def test_a_lost_sign_of_exchange_is_noticed(broken):
    reversal = linvop.testing.pairs._partner
    broken.setattr(linvop.testing.pairs, "_partner", lambda x: (reversal(x)[0], x.pair.sigma))
    with pytest.raises(AssertionError, match="^exchange: largest error"):
        assert_exchange(BASIS, random_molecule(SPECIES, 6, seed=0))


def test_functions_of_the_wrong_symmetry_are_noticed(broken):
    chosen = linvop.basis.pairs.chosen_trees
    broken.setattr(linvop.basis.pairs, "chosen_trees", lambda powers, lam, _: chosen(powers, lam))
    with pytest.raises(AssertionError, match=r"exchange -?1, .* functions, dimension"):
        assert_pairs_complete(BASIS, SPECIES)


def test_orbits_kept_twice_are_noticed(broken):
    def enumerated(self, s1, s2, irrep, sign):
        return original(self, s1, s2, irrep, None)

    original = PairEnumeration._enumerated
    broken.setattr(PairEnumeration, "_enumerated", enumerated)
    with pytest.raises(AssertionError, match="functions, rank on random factors"):
        assert_pairs_complete(Basis(AO, 1, lam_max=2), SPECIES)


def test_places_mixed_up_are_noticed(broken):
    original = linvop.kernels.pair_plan._places
    broken.setattr(linvop.kernels.pair_plan, "_places", lambda rows, start: original(rows, 0))
    with pytest.raises((AssertionError, IndexError)):
        assert_equivariant_pairs(BASIS, random_molecule(SPECIES, 5, seed=0))


def test_a_kernel_that_forgets_a_word_is_noticed(broken):
    original = linvop.kernels.cpu.couple_words

    def forgetful(*arguments):
        original(*arguments)
        arguments[-1][:, 0] = 0

    broken.setattr(linvop.kernels.cpu, "couple_words", forgetful)
    with pytest.raises(AssertionError, match="^kernels, exchange None: largest error"):
        assert_pair_kernels_agree(BASIS, random_molecule(SPECIES, 5, seed=0))


def test_body_order_stated_too_low_is_noticed(broken):
    right = PairLabel.body_order.fget
    broken.setattr(PairLabel, "body_order", property(lambda label: right(label) - 1))
    basis = Basis(AO, 1, lam_max=1)
    with pytest.raises(AssertionError, match="^body order: of .* above body order 2"):
        assert_pair_body_order(basis, random_molecule(SPECIES, 4, seed=1))


def test_body_order_needs_metric_ao_and_enough_atoms():
    atoms = random_molecule(SPECIES, 4, seed=1)
    with pytest.raises(InputError, match="expected metric 'ao', got 'lowdin'"):
        assert_pair_body_order(Basis(AO, 1, metric="lowdin"), atoms)
    with pytest.raises(InputError, match="expected 6 to 12 atoms, got 4"):
        assert_pair_body_order(Basis(AO, 2), atoms)
