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


@pytest.mark.parametrize(
    ("settings", "named"),
    [
        ({"kappa": 4}, "O, lam = 0, sigma = .1, nu = 1"),
        ({"kappa": 2, "nu": 3, "max_degree": (1, 99, 99)}, "O, lam = 0, sigma = .1, nu > 1"),
    ],
)
def test_huge_bases_are_refused_by_name_when_counted(monkeypatch, settings, named):
    monkeypatch.setattr(limits, "LARGEST", 500)
    basis = Basis("6-31g", **settings)
    with pytest.raises(InputError, match=f"^{named}: more than 500 features"):
        basis.count(["O"], irreps=[(0, 1)])


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
