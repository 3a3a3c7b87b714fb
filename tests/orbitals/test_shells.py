from __future__ import annotations

import warnings
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from pyscf import gto

from linvop.errors import InputError
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


def test_threads_that_ask_for_shells_do_not_silence_warnings():
    """PySCF's advice about a set is left out, and no warning of anybody else after that."""
    before = list(warnings.filters)
    for _ in range(20):
        ao = AOBasis("6-31g")
        with ThreadPoolExecutor(8) as pool:
            list(pool.map(ao.raw, 4 * ["H", "C", "N", "O"]))
        assert list(warnings.filters) == before
