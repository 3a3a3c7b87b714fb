"""Which pair features there are: counted by brute force, each once, within their limits."""

from __future__ import annotations

from itertools import product

import pytest

from linvop import Basis
from linvop.angular.characters import number_of_couplings, number_of_exchange_couplings

SPECIES = ["H", "O"]
CASES = [
    {"kappa": 2},
    {"kappa": 2, "pair_max_degree": 3, "metric": "lowdin"},
    {"kappa": 1, "nu_pair": (1, 1), "pair_max_degree": (None, 4, 4)},
    {"kappa": 2, "nu_pair": (1, 0), "pair_max_degree": (3, 4), "sources": "species"},
    {"kappa": 1, "nu_pair": (2, 1), "pair_max_degree": (3, 4, 3, 4), "screening": (None, 0.5)},
    {"kappa": 2, "nu_pair": (1, 1), "pair_max_degree": 4, "body_order": 6},
]


def make(**changes) -> Basis:
    return Basis(**({"ao": "sto-3g", "lam_max": 2} | changes))


def words(basis: Basis, s1: str, s2: str) -> list[tuple]:
    """All words as (degree, irrep, name, name of the reverse, bodies), from the definition."""
    site = basis.enumeration(SPECIES)
    first, second = site.shells[s1], site.shells[s2]
    found = []
    for family, kappa in product(range(len(basis.screenings)), range(1, basis.kappa + 1)):
        for (a, x), (b, y) in product(enumerate(first), enumerate(second)):
            for z, c in site.paths(kappa):
                degree = kappa + site.shell_degrees[s1][a] + site.shell_degrees[s2][b]
                degree += sum(site.channel_degrees[k] for k in c)
                for lam in range(abs(x.l - y.l), min(x.l + y.l, basis.lam_max) + 1):
                    irrep = lam, (-1) ** (x.l + y.l + lam)
                    name, back = (
                        (irrep, family, a, b, z, c),
                        (irrep, family, b, a, z[::-1], c[::-1]),
                    )
                    found.append((degree, irrep, name, back, 2 * kappa + 1))
    return found


def site_features(basis: Basis, s: str) -> list[tuple]:
    """All site features of order nu as (degree, irrep, name, nu, bodies), and their absence."""
    highest = max(d for d in basis.pair_max_degree if d) - 1
    nu = max(basis.nu_pair)
    limits = (highest,) * nu if nu else 1
    one = make(
        **{
            "kappa": basis.kappa,
            "sources": basis.sources,
            "screening": basis.screening,
            "nu": max(nu, 1),
            "max_degree": limits,
        }
    )
    enumeration = one.enumeration(SPECIES)

    def degree(label) -> int:
        factors = getattr(label, "factors", (label,))
        total = 0
        for x in factors:
            channels = tuple(enumeration.channel_names.index(c) for c in x.channels)
            shells = [y.label for y in enumeration.shells[s]]
            total += enumeration.degree(s, channels, *(shells.index(y) for y in x.shells))
        return total

    found = [(0, (0, 1), "", 0, 0)]
    for x in one.labels(SPECIES):
        if x.species == s:
            found.append((degree(x), (x.lam, x.sigma), str(x), x.nu, x.body_order - 1))
    return found


@pytest.mark.parametrize("case", CASES, ids=str)
def test_number_of_columns_by_brute_force(case):
    basis = make(**case)
    limits = [float("inf") if d is None else d for d in basis.pair_max_degree]
    n_i, n_j = basis.nu_pair
    features = {s: site_features(basis, s) if n_i else [(0, (0, 1), "", 0, 0)] for s in SPECIES}
    for s1, s2 in (("H", "H"), ("H", "O"), ("O", "O")):
        allowed = {(i, j) for i in range(n_i + 1) for j in range(n_j + 1)}
        if s1 == s2:
            allowed |= {(j, i) for i, j in allowed}
        found = [
            (q, x, y)
            for q, x, y in product(words(basis, s1, s2), features[s1], features[s2])
            if (x[3], y[3]) in allowed
            and q[0] + x[0] + y[0] <= limits[x[3] + y[3]]
            and q[4] + x[4] + y[4] <= (basis.body_order or 99)
        ]
        for irrep in [(lam, sigma) for lam in range(3) for sigma in (1, -1)]:
            numbers = {(q[2], x[2], y[2]): _all(irrep, q, x, y) for q, x, y in found}
            pairs = basis.pairs(SPECIES)
            assert pairs.count(s1, s2, irrep) == sum(numbers.values())
            for sign in (1, -1):
                # Every function is an orbit of two with another, or its own partner.
                expected = 0
                for q, x, y in found:
                    own, partner = (q[2], x[2], y[2]), (q[3], y[2], x[2])
                    if s1 != s2:
                        expected += numbers[own]
                    elif own == partner:
                        expected += _fixed(irrep, q, x, sign)
                    else:
                        assert numbers[own] == numbers[partner]
                        expected += numbers[own] / 2
                assert pairs.count(s1, s2, irrep, sign) == expected


def _all(irrep, q, x, y) -> int:
    return number_of_couplings([(*f[1], 1) for f in (q, x, y)], *irrep)


def _fixed(irrep, q, x, sign) -> int:
    (lam, sigma), (l, sigma_q) = irrep, q[1]
    if sigma * (-1) ** lam != sigma_q * (-1) ** l:
        return 0
    return number_of_exchange_couplings(x[1][0], l, lam, sign * sigma_q)


@pytest.mark.parametrize("case", CASES, ids=str)
@pytest.mark.parametrize("exchange", [None, 1, -1])
def test_every_column_has_a_name_of_its_own(case, exchange):
    basis = make(**case)
    labels = basis.pair_labels(SPECIES, exchange=exchange)
    assert len(labels) == basis.pair_count(SPECIES, exchange=exchange)
    assert len(set(map(str, labels))) == len(labels)
    for x in labels:
        assert x.kappa == x.pair.kappa + sum(y.kappa for y in x.sites)
        assert (x.body_order is None) == (basis.metric != "ao")
        assert x.exchange == (exchange if x.species[0] == x.species[1] else None)
        if basis.body_order:
            assert x.body_order <= basis.body_order


def test_a_word_is_named_as_it_reads():
    label = make(kappa=2).pair_labels(["H", "O"], irreps=[(1, 1)])[0]
    assert str(label) == "H-O <1s|V|2p> lam=1 sigma=+1 lam=1 sigma=+1"
    label = make(kappa=1, nu_pair=(1, 1), pair_max_degree=3).pair_labels(["H"])[-1]
    expected = "<1s|V|1s> lam=0 sigma=+1"
    assert str(label) == (f"H-H {expected} x i [{expected}] x j [{expected}] L=0 lam=0 sigma=+1")
    assert label.body_order == 5


def test_both_exchange_sets_together_are_all_functions():
    basis = make(kappa=2, nu_pair=(1, 1), pair_max_degree=4)
    every, plus, minus = (basis.pair_counts(SPECIES, exchange=s) for s in (None, 1, -1))
    for key, n in every.items():
        if key[0] == key[1]:
            assert plus.get(key, 0) + minus.get(key, 0) == n
        else:
            assert plus[key] == minus[key] == n
