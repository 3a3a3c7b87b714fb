"""Which products there are: counted by brute force, each once, within their limits."""

from __future__ import annotations

from itertools import combinations_with_replacement

import pytest

from linvop import Basis
from linvop.angular.characters import number_of_couplings

CASES = [
    {"kappa": 1, "nu": 2, "max_degree": 5},
    {"kappa": 2, "nu": 2, "max_degree": (None, 5), "metric": "lowdin"},
    {"kappa": 1, "nu": 3, "max_degree": {2: 6, 3: 5}, "lam_max": 2},
    {"kappa": 2, "nu": 3, "max_degree": (3, 5, 4), "resolution": "total", "screening": (None, 0.5)},
]


def make(**changes):
    return Basis(**({"ao": "6-31g", "lam_max": 3} | changes))


@pytest.mark.parametrize("case", CASES)
def test_number_of_columns_by_brute_force(case):
    basis = make(**case)
    limits = basis.max_degrees
    # All words that can be factors, from a basis without any limit; degrees as documented.
    words = make(**{**case, "nu": 1, "max_degree": None})
    enumeration = words.enumeration(["H", "O"])
    for s in ("H", "O"):
        factors = []
        for irrep in words.irreps(["H", "O"]):
            for column in enumeration.columns(s, irrep, "site"):
                factors.append((enumeration.degree(s, *column[2:]), irrep, column))
        for lam, sigma in basis.irreps(["H", "O"]):
            expected = 0
            for nu in range(2, basis.nu + 1):
                short = [f for f in factors if f[0] <= limits[nu - 1]]
                for chosen in combinations_with_replacement(short, nu):
                    if sum(f[0] for f in chosen) <= limits[nu - 1]:
                        powers = [
                            (f[1][0], f[1][1], chosen.count(f)) for f in dict.fromkeys(chosen)
                        ]
                        expected += number_of_couplings(powers, lam, sigma)
            assert basis.products(["H", "O"]).count(s, (lam, sigma)) == expected


LIMITED = {"kappa": 2, "nu": 4, "max_degree": 6, "body_order": 5, "lam_max": 2}


@pytest.mark.parametrize("case", [*CASES, LIMITED])
def test_every_column_has_a_name_of_its_own(case):
    basis = make(**case)
    labels = basis.labels(["H", "O"])
    assert len(labels) == basis.count(["H", "O"])
    assert len(set(map(str, labels))) == len(labels)
    assert eval(repr(basis)) == basis
    assert {label.nu for label in labels} == set(range(1, basis.nu + 1))
    for label in labels:
        if label.nu > 1:
            assert label.kappa == sum(f.kappa for f in label.factors)
            assert (label.body_order is None) == (basis.metric != "ao")


def test_without_products_nothing_changes():
    assert make(nu=1).products(["H"]) is None
    plain = make(kappa=2).labels(["H", "O"])
    with_products = make(kappa=2, nu=2, max_degree=(None, 4)).labels(["H", "O"])
    assert [x for x in with_products if x.nu == 1] == plain
