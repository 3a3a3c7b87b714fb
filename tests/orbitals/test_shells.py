from __future__ import annotations

import numpy as np
import pytest
from pyscf import gto

from linvop.errors import InputError
from linvop.orbitals.order import channel_order, from_m_order, m_order, to_m_order
from linvop.orbitals.shells import AOBasis, AOLayout, Shell


@pytest.mark.parametrize("name", ["sto-3g", "6-31g*", "def2-tzvp", "cc-pvtz", "unc-sto-3g"])
def test_shells_stand_as_in_pyscf(name):
    mol = gto.M(atom="O 0 0 0; H 0 0 1; S 0 2 0; H 0 3 0", basis=name, verbose=0)
    layout = AOLayout((8, 1, 16, 1), AOBasis(name))
    assert layout.n_ao == mol.nao
    expected = [label.split()[2] for label in mol.ao_labels()]
    found = [
        shell.label
        for symbol in layout.symbols
        for shell in layout.ao.shells(symbol)
        for _ in range(2 * shell.l + 1)
    ]
    assert [x[: len(y)] for x, y in zip(expected, found, strict=True)] == found
    np.testing.assert_array_equal(layout.atom_offsets[:-1], mol.aoslice_by_atom()[:, 2])


def test_only_p_shells_change_places():
    layout = AOLayout((8, 1), AOBasis("def2-svp"))
    mol = gto.M(atom="O 0 0 0; H 0 0 1", basis="def2-svp", spin=1, verbose=0)
    labels = [x.split()[2] for x in mol.ao_labels()]
    q = m_order(layout)
    moved = [labels[k] for k in q]
    assert [x for x in moved if x.startswith("2p")] == ["2py", "2pz", "2px"] * 2
    d = [x for x in labels if "d" in x]
    assert [x for x in moved if "d" in x] == d
    M = np.random.default_rng(0).normal(size=(2, layout.n_ao, layout.n_ao))
    np.testing.assert_array_equal(from_m_order(to_m_order(M, layout), layout), M)
    np.testing.assert_array_equal(to_m_order(M, layout)[1], M[1][np.ix_(q, q)])


def test_channel_order_gathers_channels():
    layout = AOLayout((8, 1, 8, 1), AOBasis("6-31g"))
    order = channel_order(layout, ("H", "C", "O"))
    assert sorted(order.order) == list(range(layout.n_ao))
    owner = np.repeat(np.arange(4), np.diff(layout.atom_offsets))
    symbols = np.asarray(layout.symbols)[owner[order.order]]
    assert list(symbols) == ["H"] * 4 + ["O"] * 18
    # Carbon is absent: its shells are empty, between those of H and O.
    np.testing.assert_array_equal(order.shell_start, [0, 2, 4, 4, 4, 4, 4, 4, 6, 8, 10, 16, 22])
    assert [list(x) for x in order.sites] == [[1, 3], [], [0, 2]]


def test_custom_sets_equal_named_ones():
    named = AOBasis("cc-pvdz")
    spelled = named.frozen(["O", "H"])
    for s in ("O", "H"):
        assert spelled.shells(s) == named.shells(s)
    assert AOBasis(spelled) == spelled
    assert hash(AOBasis(spelled)) == hash(spelled)
    assert eval(repr(spelled), {"AOBasis": AOBasis, "Shell": Shell}) == spelled


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: AOBasis("no-such-set").shells("O"), "no-such-set"),
        (lambda: AOBasis("sto-3g").shells("Xx"), "Xx"),
        (lambda: AOBasis({"H": "sto-3g"}).shells("O"), "no shells for O"),
        (lambda: AOBasis({"H": ()}), "at least one shell"),
        (lambda: AOBasis(3), "expected a name"),
        (lambda: Shell(7, (1.0,), (1.0,)), "l = 7"),
        (lambda: Shell(0, (1.0, 2.0), (1.0,)), "2 exponents and 1"),
        (lambda: Shell(0, (-1.0,), (1.0,)), "positive"),
        (lambda: Shell(0, (1.0,), (0.0,)), "not all zero"),
        (
            lambda: AOBasis({"H": (Shell(0, (1.0,), (1.0,)), Shell(0, (1.0,), (2.0,)))}),
            "same function",
        ),
    ],
)
@pytest.mark.filterwarnings("ignore:Basis may be available")
def test_bad_sets_are_named(make, message):
    with pytest.raises(InputError, match=message):
        make()
