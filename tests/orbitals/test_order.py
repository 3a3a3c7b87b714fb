from __future__ import annotations

import numpy as np
import pytest
from pyscf import gto

from linvop.orbitals.order import channel_order, from_m_order, m_order, to_m_order
from linvop.orbitals.shells import AOBasis, AOLayout, Shell

NUMBERS = (8, 1, 8, 1)
LAYOUT = AOLayout(NUMBERS, AOBasis("def2-svp"))


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


@pytest.mark.parametrize("species", [("H", "O"), ("O", "H"), ("H", "C", "O", "S")])
def test_channel_order_is_the_m_order_of_every_shell(species):
    order = channel_order(LAYOUT, species)
    m = m_order(LAYOUT)
    shell = 0
    for s, sites in zip(species, order.sites, strict=True):
        for a, one in enumerate(LAYOUT.ao.shells(s)):
            width, start = 2 * one.l + 1, order.shell_start[shell]
            for k, atom in enumerate(sites):
                first = LAYOUT.atom_offsets[atom] + LAYOUT.shell_offsets[s][a]
                found = order.order[start + k * width : start + (k + 1) * width]
                np.testing.assert_array_equal(found, m[first : first + width])
            shell += 1
            assert order.shell_start[shell] == start + len(sites) * width


def test_f_and_g_shells_stay():
    ao = AOBasis({"H": tuple(Shell(l, (0.5 + l,), (1.0,)) for l in (0, 1, 3, 4))})
    layout = AOLayout((1, 1), ao)
    still = np.setdiff1d(np.arange(layout.n_ao), [1, 2, 3, 21, 22, 23])
    np.testing.assert_array_equal(m_order(layout)[still], still)
    np.testing.assert_array_equal(m_order(layout)[[1, 2, 3]], [2, 3, 1])
