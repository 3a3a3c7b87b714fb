"""Laws of the linear ACE rows, and what is said where ace-jax is missing."""

from __future__ import annotations

import sys

import numpy as np
import pytest

from linvop.bench import ace
from linvop.bench.ace import AceSettings, ace_python, ace_rows
from linvop.bench.ace_program import _chunks
from linvop.bench.molecules import own_molecules
from linvop.errors import InputError


def _flat(frames):
    return {
        "numbers": np.concatenate([a.numbers for a in frames]),
        "positions": np.concatenate([a.positions for a in frames]),
        "counts": np.array([len(a) for a in frames]),
    }


@pytest.mark.parametrize("size", [1, 3, 4])
def test_chunks_hold_every_molecule_once_and_keep_them_apart(size):
    frames, cutoff = own_molecules(7), 4.0
    seen, sizes = [], set()
    for which, numbers, positions, owner in _chunks(_flat(frames), size, cutoff, 1):
        sizes.add(len(numbers))
        distances = np.linalg.norm(positions[:, None] - positions, axis=2)
        others = (owner[:, None] != owner) | (owner < 0)
        np.fill_diagonal(others, False)
        assert distances[others].min(initial=np.inf) > cutoff
        for k, atoms in enumerate(frames[which]):
            own = owner == k
            assert np.array_equal(numbers[own], atoms.numbers)
            assert np.allclose(distances[own][:, own], atoms.get_all_distances())
        seen += range(which.start, which.stop)
    assert seen == list(range(7))
    assert len(sizes) == 1, "a program is compiled for one number of atoms"


def test_a_python_without_ace_is_refused_and_none_is_no_error(monkeypatch):
    with pytest.raises(InputError, match="expected a Python with ace-jax, got ModuleNotFound"):
        # -S: no site packages, whatever is installed here
        ace.ace_versions(_bare_python(monkeypatch))
    with pytest.raises(InputError, match="--ace nowhere/python: expected a Python"):
        ace_python("nowhere/python")
    monkeypatch.setattr(ace, "find_spec", lambda name: None)
    assert ace_python(None) is None


def _bare_python(monkeypatch) -> str:
    """This Python, unable to import ace_jax."""
    run = ace.subprocess.run
    monkeypatch.setattr(
        ace.subprocess, "run", lambda command, **more: run([command[0], "-S", *command[1:]], **more)
    )
    return sys.executable


def test_what_the_program_says_is_passed_on(monkeypatch):
    monkeypatch.setattr(ace, "_PROGRAM", "nowhere.py")
    with pytest.raises(InputError, match="ACE, order 3.*nowhere.py"):
        ace_rows(own_molecules(1), (1, 6, 7, 8, 16), AceSettings(), sys.executable)


def test_rows_are_invariant_and_add_up():
    pytest.importorskip("ace_jax", reason="needs ace-jax: pip install 'linvop[ace]'")
    a, b = own_molecules(2, seed=5)
    turned = a[np.random.default_rng(0).permutation(len(a))]
    turned.rotate(50, (1, 2, 3))
    far = b.copy()
    far.translate((60, 0, 0))
    settings = AceSettings(order=2, degree=4, prior=True)
    found = ace_rows([a, b, turned, a + far], (1, 6, 7, 8, 16), settings, sys.executable)
    A = found.rows
    assert found.penalty is not None
    assert found.penalty.shape == A.shape[1:]
    assert np.abs(A[2] - A[0]).max() < 1e-10 * np.abs(A).max()
    assert np.abs(A[0] + A[1] - A[3]).max() < 1e-10 * np.abs(A).max()


def test_gradients_are_slopes_of_the_rows():
    pytest.importorskip("ace_jax", reason="needs ace-jax: pip install 'linvop[ace]'")
    frames, step = own_molecules(2, seed=5), 1e-4
    species, settings = (1, 6, 7, 8, 16), AceSettings(order=2, degree=4)
    found = ace_rows(frames, species, settings, sys.executable, gradients=True)
    moved = []
    places = ((0, 0, 2), (1, 1, 0))
    for frame, atom, x in places:
        for sign in (1, -1):
            moved.append(frames[frame].copy())
            moved[-1].positions[atom, x] += sign * step
    rows = ace_rows(moved, species, settings, sys.executable).rows
    np.testing.assert_allclose(
        found.rows[:2], ace_rows(frames, species, settings, sys.executable).rows, rtol=1e-12
    )
    for k, (frame, atom, x) in enumerate(places):
        row = found.rows[2 + 3 * (frame * len(frames[0]) + atom) + x]
        slope = (rows[2 * k] - rows[2 * k + 1]) / (2 * step)
        np.testing.assert_allclose(row, slope, atol=1e-6 * np.abs(row).max())
