"""Float tables: their rounding, their laws, and the cache they are kept in."""

from __future__ import annotations

import itertools
import os
import subprocess
import sys
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from linvop.angular import disk_cache, tables
from linvop.angular.clebsch_gordan import complex_coefficient, real_squares
from linvop.angular.disk_cache import cache_directory
from linvop.angular.real_harmonics import solid_harmonics
from linvop.angular.symmetric_powers import symmetric_power
from linvop.angular.tables import FIRST_SET, coupling_table, power_table, sparse_coupling
from linvop.errors import InputError

GOLDEN = Path(__file__).parents[2].parent / "shared" / "golden" / "cg_real.npz"
PAIRS = list(itertools.product(range(5), repeat=2))


def _forget():
    for function in (tables._set, tables._power_set, coupling_table, sparse_coupling, power_table):
        function.cache_clear()


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """An empty cache folder of the test's own, and nothing in memory."""
    monkeypatch.setenv("LINVOP_CACHE_DIR", str(tmp_path / "cache"))
    _forget()
    yield tmp_path / "cache"
    _forget()


@pytest.fixture
def computed(monkeypatch):
    """The sets that were computed and not read, in order."""
    calls = []
    compute = tables._compute
    monkeypatch.setattr(tables, "_compute", lambda n: calls.append(n) or compute(n))
    return calls


def _lams(l1, l2):
    return range(abs(l1 - l2), l1 + l2 + 1)


@pytest.mark.parametrize(("l1", "l2", "lam"), [(1, 2, 3), (2, 2, 3), (4, 3, 4), (6, 5, 6)])
def test_every_number_is_the_float_nearest_to_the_exact_one(l1, l2, lam):
    C = coupling_table(l1, l2, lam)
    squares = real_squares(l1, l2, lam)
    assert np.count_nonzero(C) == len(squares)
    for key, square in squares.items():
        value = abs(C[key])
        below, above = (Fraction(np.nextafter(value, to)) for to in (0, 2))
        exact = Fraction(value)
        assert ((below + exact) / 2) ** 2 <= abs(square) <= ((exact + above) / 2) ** 2
        assert (C[key] > 0) == (square > 0)


@pytest.mark.parametrize(
    ("square", "root"), [(Fraction(9, 16), 0.75), (Fraction(-2), -np.sqrt(2)), (Fraction(0), 0.0)]
)
def test_rounded_root(square, root):
    assert tables._rounded_root(square) == root


def test_rounded_root_of_tiny_and_of_almost_tied_numbers():
    assert tables._rounded_root(Fraction(1, 10**60)) == 1e-30
    # 1 + 2^-53 is half way between 1 and its neighbour: a hair more must round up.
    tie = 1 + Fraction(1, 2**53)
    assert tables._rounded_root(tie**2) == 1.0
    assert tables._rounded_root(tie**2 + Fraction(1, 10**40)) == np.nextafter(1, 2)


@pytest.mark.parametrize(("l1", "l2"), PAIRS)
def test_tables_of_a_pair_make_an_orthogonal_matrix(l1, l2):
    n = (2 * l1 + 1) * (2 * l2 + 1)
    C = np.concatenate([coupling_table(l1, l2, lam).reshape(n, -1) for lam in _lams(l1, l2)], 1)
    np.testing.assert_allclose(C.T @ C, np.eye(n), rtol=0, atol=1e-14)


def test_tables_agree_with_the_golden_ones():
    if not GOLDEN.exists():
        pytest.skip(f"no golden tables beside the repository ({GOLDEN.parent.name})")
    with np.load(GOLDEN) as golden:
        assert len(golden.files) == 44
        for name in golden.files:
            ours = coupling_table(*map(int, name.split("_")[1:]))
            np.testing.assert_allclose(ours, golden[name], rtol=0, atol=1e-15, err_msg=name)


def test_even_tables_are_proportional_to_the_integrals_of_three_harmonics():
    # int Y_1 Y_2 Y_3 = sqrt((2 l1 + 1)(2 l2 + 1) / (4 pi (2 lam + 1))) <l1 0 l2 0|lam 0> C
    z, w = np.polynomial.legendre.leggauss(8)
    phi = 2 * np.pi * np.arange(16) / 16
    rho = np.sqrt(1 - z**2)[:, None]
    x, y, z = np.broadcast_arrays(rho * np.cos(phi), rho * np.sin(phi), z[:, None])
    xyz = np.stack([x.ravel(), y.ravel(), z.ravel()], 1)
    weights = np.repeat(w, 16) * 2 * np.pi / 16
    Y = [solid_harmonics(l, xyz) for l in range(7)]
    for l1, l2 in itertools.product(range(4), repeat=2):
        for lam in range(abs(l1 - l2), l1 + l2 + 1, 2):
            integral = np.einsum("p,pa,pb,pc->abc", weights, Y[l1], Y[l2], Y[lam], optimize=True)
            factor = np.sqrt((2 * l1 + 1) * (2 * l2 + 1) / (4 * np.pi * (2 * lam + 1)))
            factor *= float(complex_coefficient(l1, 0, l2, 0, lam, 0))
            C = coupling_table(l1, l2, lam)
            np.testing.assert_allclose(integral, factor * C, rtol=0, atol=1e-14)


@pytest.mark.parametrize(("l1", "l2", "lam"), [(0, 0, 0), (2, 1, 2), (3, 4, 6), (5, 2, 4)])
def test_sparse_and_dense_tables_are_the_same(l1, l2, lam):
    m1, m2, mu, value = sparse_coupling(l1, l2, lam)
    dense = np.zeros((2 * l1 + 1, 2 * l2 + 1, 2 * lam + 1))
    dense[m1, m2, mu] = value
    assert np.array_equal(dense, coupling_table(l1, l2, lam))
    assert value.all()
    assert np.array_equal(np.lexsort((m2, m1, mu)), np.arange(len(value)))
    assert {array.dtype for array in (m1, m2, mu)} == {np.dtype(np.int64)}


def test_tables_cannot_be_written_to(folder):
    for _ in ("computed", "read from disk"):
        for array in (coupling_table(1, 1, 2), *sparse_coupling(1, 1, 2)):
            with pytest.raises(ValueError, match="read-only"):
                array[...] = 0
        _forget()


def test_no_triangle_is_refused():
    for function in (coupling_table, sparse_coupling):
        with pytest.raises(InputError, match="expected 0 <= lam <= 2"):
            function(1, 1, 3)


def test_a_set_is_computed_once_and_then_read(folder, computed):
    first = {pair: coupling_table(*pair, max(pair)) for pair in PAIRS}
    assert computed == [FIRST_SET]
    _forget()
    for pair, C in first.items():
        assert np.array_equal(coupling_table(*pair, max(pair)), C)
    assert computed == [FIRST_SET]
    coupling_table(1, FIRST_SET + 1, FIRST_SET)
    coupling_table(FIRST_SET + 1, 2, FIRST_SET + 3)
    assert computed == [FIRST_SET, FIRST_SET + 1]
    assert len(list(folder.iterdir())) == 2


@pytest.mark.parametrize("damage", ["empty", "cut", "foreign", "one bit", "folder"])
def test_a_damaged_file_is_made_afresh(folder, computed, damage):
    C = coupling_table(2, 2, 3).copy()
    (path,) = folder.iterdir()
    content = path.read_bytes()
    middle = len(content) // 2
    flipped = content[:middle] + bytes([content[middle] ^ 4]) + content[middle + 1 :]
    path.unlink()
    if damage == "folder":
        path.mkdir()
    else:
        versions = {"empty": b"", "cut": content[:middle], "foreign": b"\x89HDF" * 50}
        path.write_bytes(versions.get(damage, flipped))
    _forget()
    assert np.array_equal(coupling_table(2, 2, 3), C)
    assert computed == [FIRST_SET] * 2
    if damage != "folder":  # which no rename replaces
        assert path.read_bytes() == content
    assert [p.name for p in folder.iterdir()] == [path.name]


def test_changed_mathematics_is_not_served_old_tables(folder, computed, tmp_path, monkeypatch):
    here = Path(disk_cache.__file__)
    for name in tables._SOURCES:
        (tmp_path / name).write_bytes(here.with_name(name).read_bytes())
    monkeypatch.setattr(disk_cache, "__file__", str(tmp_path / here.name))
    for name in tables._SOURCES:
        coupling_table(1, 1, 1)
        with (tmp_path / name).open("a") as source:
            source.write("# changed\n")
        _forget()
    coupling_table(1, 1, 1)
    assert computed == [FIRST_SET] * 4
    assert len(list(folder.iterdir())) == 4


def test_without_sources_or_a_writable_folder_tables_are_computed(computed, tmp_path, monkeypatch):
    (tmp_path / "file").write_text("not a folder")
    monkeypatch.setenv("LINVOP_CACHE_DIR", str(tmp_path / "file" / "below"))
    _forget()
    C = coupling_table(1, 1, 2).copy()
    monkeypatch.setattr(disk_cache, "__file__", str(tmp_path / "nowhere.py"))
    _forget()
    assert np.array_equal(coupling_table(1, 1, 2), C)
    assert computed == [FIRST_SET] * 2
    _forget()


def test_a_full_disk_leaves_nothing_behind(folder, monkeypatch):
    def no_space(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "replace", no_space)
    assert coupling_table(1, 1, 0).shape == (3, 3, 1)
    assert list(folder.iterdir()) == []


def test_the_folder_is_the_users_unless_named(monkeypatch):
    monkeypatch.setenv("LINVOP_CACHE_DIR", "elsewhere")
    assert cache_directory() == Path("elsewhere")
    monkeypatch.delenv("LINVOP_CACHE_DIR")
    assert "linvop" in cache_directory().parts


def test_processes_may_meet_in_one_folder_and_none_needs_sympy(folder):
    program = (
        "import sys; from linvop.angular.tables import coupling_table as c; "
        "x = c(2, 3, 4); print(float(abs(x).sum()), 'sympy' in sys.modules)"
    )
    command = [sys.executable, "-c", program]
    for _ in ("cold", "warm"):
        running = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(4)]
        replies = {process.communicate()[0].strip() for process in running}
        assert replies == {f"{float(abs(coupling_table(2, 3, 4)).sum())} False"}
    assert len(list(folder.iterdir())) == 1


@pytest.mark.parametrize(
    ("l", "n", "lam"), [(1, 3, 1), (2, 3, 2), (3, 2, 4), (2, 4, 4), (4, 4, 13)]
)
def test_powers_are_the_exact_ones_rounded(folder, l, n, lam):
    for _ in ("computed", "read from disk"):
        found = power_table(l, n, lam)
        exact = symmetric_power(l, n, lam)
        assert len(found) == len(exact) > 0
        for (monomials, mu, value), polynomial in zip(found, exact, strict=True):
            keys = list(zip(map(tuple, monomials.tolist()), mu.tolist(), strict=True))
            assert keys == list(polynomial)
            squares = [Fraction(x) * abs(Fraction(x)) for x in value.tolist()]
            for square, wanted in zip(squares, polynomial.values(), strict=True):
                assert abs(square / wanted - 1) < Fraction(1, 2**51)
        _forget()
    assert len(list(folder.iterdir())) == 1
    assert power_table(1, 2, 1) == ()
    with pytest.raises(InputError, match="n >= 1"):
        power_table(1, 0, 0)


def test_exchanged_tables_are_those_made_directly():
    for l1, l2 in itertools.product(range(5), repeat=2):
        for lam in range(abs(l1 - l2), l1 + l2 + 1):
            expected = real_squares(l1, l2, lam)
            found = tables._swapped(real_squares(l2, l1, lam), (-1) ** (l1 + l2 + lam))
            assert found == expected
            assert list(found) == list(expected)
