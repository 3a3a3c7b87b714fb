"""Laws of the peer's rows: they are sums over atoms, with columns for each centre species."""

from __future__ import annotations

import numpy as np
import pytest

from linvop.bench.molecules import own_molecules
from linvop.bench.soap import SoapSettings, soap_rows

pytest.importorskip("featomic", reason="needs featomic: pip install 'linvop[peers]'")

NUMBERS = (1, 6, 7, 8, 16)
SMALL = SoapSettings(max_radial=1, max_angular=2)


def test_columns_are_counted():
    frames = own_molecules(3)
    assert soap_rows(frames, NUMBERS, SMALL).shape == (3, 5 * 15 * 3 * 2 * 2)
    assert soap_rows(frames[:1], NUMBERS, SoapSettings()).shape == (1, 18375)


def test_rows_do_not_change_under_rotation_and_permutation():
    (atoms,) = own_molecules(1)
    turned = atoms[np.random.default_rng(0).permutation(len(atoms))]
    turned.rotate(50, (1, 2, 3))
    A = soap_rows([atoms, turned], NUMBERS, SMALL)
    assert np.abs(A[1] - A[0]).max() < 1e-10 * np.abs(A).max()


def test_molecules_far_apart_add_up():
    a, b = own_molecules(2, seed=5)
    far = b.copy()
    far.translate((60, 0, 0))
    A = soap_rows([a, b, a + far], NUMBERS, SMALL)
    assert np.abs(A[0] + A[1] - A[2]).max() < 1e-10 * np.abs(A).max()


def test_chunks_make_no_difference(monkeypatch):
    frames = own_molecules(7)
    whole = soap_rows(frames, NUMBERS, SMALL)
    monkeypatch.setattr("linvop.bench.soap._CHUNK", 3)
    assert np.array_equal(soap_rows(frames, NUMBERS, SMALL), whole)
