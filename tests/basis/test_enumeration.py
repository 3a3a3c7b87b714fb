"""How many columns there must be, by closed formulas."""

from __future__ import annotations

from itertools import product
from math import gcd

import pytest

from linvop.basis.enumeration import SiteEnumeration
from linvop.basis.words import allowed_irreps
from linvop.errors import InputError
from linvop.orbitals.shells import AOBasis, Shell

AO = AOBasis(
    {
        "H": (Shell(0, (1.1,), (1.0,)), Shell(0, (0.3,), (1.0,)), Shell(1, (0.8,), (1.0,))),
        "C": (Shell(0, (1.7,), (1.0,)), Shell(1, (0.6,), (1.0,)), Shell(2, (0.7,), (1.0,))),
    }
)
SPECIES = ("H", "C")
IRREPS = [(lam, sigma) for lam in range(5) for sigma in (1, -1)]


def enumeration(**changes) -> SiteEnumeration:
    values = {
        "ao": AO,
        "species": SPECIES,
        "kappa": 3,
        "resolution": "shell",
        "metric": "lowdin",
        "sources": "total",
        "screenings": (None,),
        "lam_max": 4,
    }
    return SiteEnumeration(**(values | changes))


def test_two_shells_reach_these_irreps():
    assert allowed_irreps(1, 2, 9) == [(1, 1), (2, -1), (3, 1)]
    assert allowed_irreps(1, 2, 1) == [(1, 1)]
    assert allowed_irreps(0, 3, 2) == []


@pytest.mark.parametrize("resolution", ["shell", "species", "total"])
@pytest.mark.parametrize("sources", ["total", "species"])
def test_one_of_each_reversal_orbit_stays(resolution, sources):
    """Of N words f are their own reverse: (N + f) / 2 columns of sigma = 1, (N - f) / 2 of -1."""
    one = enumeration(resolution=resolution, sources=sources)
    n_channels = {"shell": 6, "species": 2, "total": 1}[resolution]
    n_sources = 2 if sources == "species" else 1
    for species, irrep in product(SPECIES, IRREPS):
        shells = AO.shells(species)
        pairs = [(a, b) for a in shells for b in shells if irrep in allowed_irreps(a.l, b.l, 4)]
        expected = 0
        for kappa in (1, 2, 3):
            words = len(pairs) * n_channels ** (kappa - 1) * n_sources**kappa
            middle_channel, middle_source = kappa // 2, (kappa + 1) // 2
            alike = sum(a == b for a, b in pairs)
            fixed = alike * n_channels**middle_channel * n_sources**middle_source
            expected += (words + irrep[1] * fixed) // 2
        assert len(one.columns(species, irrep, "site")) == expected


def bracelets(n: int, m: int, k: int) -> int:
    """Rings of k beads of n colours joined by links of m colours, turned or turned over."""
    turned = sum((n * m) ** gcd(k, d) for d in range(k))
    half = k // 2
    odd, even = k * (n * m) ** (half + 1), half * (n * m) ** half * (n + m)
    flipped = odd if k % 2 else even
    return (turned + flipped) // (2 * k)


@pytest.mark.parametrize("metric", ["ao", "lowdin"])
@pytest.mark.parametrize(("sources", "m", "highest"), [("total", 1, 5), ("species", 2, 4)])
def test_traces_are_bracelets_of_shells(metric, sources, m, highest):
    """Words c0 z1 c1 z2 .. of all shells of all species, up to rotation and reversal."""
    one = enumeration(metric=metric, kappa=highest, sources=sources)
    # AAAA AAAB AABB ABAB ABBB BBBB
    assert bracelets(2, 1, 4) == 6
    orders = [
        len(z) for s in SPECIES for _, z, _, a, b in one.columns(s, (0, 1), "structure") if a == b
    ]
    for kappa in range(1, highest + 1):
        assert orders.count(kappa) == bracelets(6, m, kappa)


@pytest.mark.parametrize("resolution", ["shell", "species", "total"])
def test_nothing_but_traces_turns(resolution):
    one = enumeration(resolution=resolution, sources="species")
    for species, irrep in product(SPECIES, IRREPS):
        site, structure = (
            [x for x in one.columns(species, irrep, target) if irrep[0] or x[3] != x[4]]
            for target in ("site", "structure")
        )
        assert site == structure


def test_traces_through_all_orbitals_are_no_bracelets():
    """With one letter that is all AOs, a word is turned onto nothing but itself."""
    site, structure = (
        enumeration(resolution="total").columns("C", (0, 1), target)
        for target in ("site", "structure")
    )
    assert site == structure


def test_overlap_words_do_not_turn():
    one = enumeration(metric="overlap")
    later = [[c for c in one.columns("H", (0, 1), t) if c[2]] for t in ("site", "structure")]
    assert later[0] == later[1]


@pytest.mark.parametrize("metric", ["ao", "overlap"])
def test_v_is_local(metric):
    """First powers: no pseudotensor, and of products of equal exponents one."""
    shells = tuple(Shell(l, (x,), (1.0,)) for l in (0, 1) for x in (1.3, 0.4))
    one = enumeration(ao=AOBasis({"C": shells}), species=("C",), metric=metric, kappa=1)
    assert one.columns("C", (1, -1), "site") == []
    # <1s|3p> = <2s|2p> but for the norms: three of four products.
    outer = [(a, b) for *_, a, b in one.columns("C", (1, 1), "site")]
    assert outer == [(0, 2), (0, 3), (1, 3)]
    # s s, p p: three products each, all different.
    assert len(one.columns("C", (0, 1), "site")) == 6


@pytest.mark.parametrize("lam", [1, 3])
def test_action_and_reaction(lam):
    """Of kappa = 1 sums of odd lam, what a species does to its own kind cancels."""
    one = enumeration(metric="ao", kappa=1, sources="species")
    for species in SPECIES:
        site = one.columns(species, (lam, 1), "site")
        structure = one.columns(species, (lam, 1), "structure")
        own = SPECIES.index(species)
        assert structure == [column for column in site if column[1] != (own,)]


def test_storage_order_and_labels():
    one = enumeration(sources="species", kappa=2, screenings=(None, 0.3))
    for species, irrep in product(SPECIES, IRREPS):
        columns = one.columns(species, irrep, "site")
        keys = [(f, len(z), a, b, c, z) for f, z, c, a, b in columns]
        assert keys == sorted(set(keys))
        labels = one.labels(species, irrep, "site")
        assert [x.shells for x in labels] == [
            (AO.shells(species)[a].label, AO.shells(species)[b].label) for *_, a, b in columns
        ]
        assert [x.sources for x in labels] == [tuple(SPECIES[k] for k in z) for _, z, *_ in columns]
        assert [x.screening for x in labels] == [(None, 0.3)[f] for f, *_ in columns]


def test_channels_hold_consecutive_shells():
    names = {r: enumeration(resolution=r).channel_names for r in ("shell", "species", "total")}
    assert names["shell"] == ("H:1s", "H:2s", "H:2p", "C:1s", "C:2p", "C:3d")
    assert names["species"] == SPECIES
    assert names["total"] == ("*",)
    for resolution, of in names.items():
        ranges = enumeration(resolution=resolution).channel_shells
        assert len(ranges) == len(of)
        assert [k for lo, hi in ranges for k in range(lo, hi)] == list(range(6))


def test_unknown_targets_are_refused():
    with pytest.raises(InputError, match="'atom'"):
        enumeration().columns("H", (0, 1), "atom")
