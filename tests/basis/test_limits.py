from __future__ import annotations

import pytest

from linvop.basis import limits
from linvop.basis.limits import no_more_than
from linvop.errors import InputError
from linvop.features.basis import Basis


def test_as_many_as_allowed_and_not_one_more():
    assert list(no_more_than(range(3), "these", "take fewer", limit=3)) == [0, 1, 2]
    with pytest.raises(InputError, match="^these: more than 3 features; take fewer$"):
        list(no_more_than(range(4), "these", "take fewer", limit=3))


def test_huge_words_are_refused_by_name_when_counted(monkeypatch):
    monkeypatch.setattr(limits, "LARGEST", 500)
    with pytest.raises(InputError, match=r"^O, lam = 0, sigma = .1, nu = 1: more than 500 feat"):
        Basis("6-31g", kappa=4).count(["O"], irreps=[(0, 1)])


def test_huge_products_are_counted_and_refused_by_name_when_listed():
    # Millions: listing them would take minutes.
    basis = Basis("6-31g", kappa=2, nu=5, max_degree=(1, 4, 4, 6, 20))
    n = basis.count(["O"], irreps=[(0, 1)])
    assert n > 1_000_000
    with pytest.raises(InputError, match=rf"^O, lam = 0, sigma = .1, nu > 1: {n - 1} features, mo"):
        basis.labels(["O"], irreps=[(0, 1)])


def test_huge_pair_bases_are_refused_by_name(monkeypatch):
    monkeypatch.setattr(limits, "LARGEST", 500)
    with pytest.raises(InputError, match="^words between H and H, lam = 0.*pair_max_degree"):
        Basis("6-31g", kappa=4).pair_count(["H", "O"])


def test_a_degree_prunes_as_it_filters():
    every = Basis("6-31g", kappa=4).enumeration(["H", "O"])
    some = Basis("6-31g", kappa=4, max_degree=7).enumeration(["H", "O"])
    for species, irrep in (("H", (0, 1)), ("O", (0, 1)), ("O", (1, -1)), ("O", (2, 1))):
        words = every.columns(species, irrep, "site")
        wanted = [word for word in words if every.degree(species, *word[2:]) <= 7]
        assert some.columns(species, irrep, "site") == wanted
        assert 0 < len(wanted) < len(words)
