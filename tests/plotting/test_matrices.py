"""The heat map of an error: every element at its place, atoms and shells named."""

from __future__ import annotations

import numpy as np
import pytest

from linvop.orbitals.shells import AOBasis, AOLayout
from linvop.plotting import matrix_error_figure

WATER = AOLayout((8, 1, 1), AOBasis("6-31g"))


def error(layout: AOLayout, channels: tuple[int, ...] = ()) -> np.ndarray:
    n = layout.n_ao
    E = 1e-3 * np.random.default_rng(0).normal(size=(*channels, n, n))
    return E + np.swapaxes(E, -1, -2)


def test_every_element_is_shown_at_its_place(figures, tmp_path):
    E = error(WATER)
    E[3, 4] = E[4, 3] = 1e-12  # below the colours
    matrix_error_figure(tmp_path / "a.png", WATER, E, "a title", "Hartree")
    ax, bar = figures[0].axes
    shown = np.asarray(ax.images[0].get_array())
    size = np.abs(E)
    np.testing.assert_allclose(shown, np.maximum(size, 1e-4 * size.max()))
    assert "(Hartree)" in bar.get_ylabel()
    assert figures[0].get_suptitle() == "a title"


def test_atoms_and_shells_are_named_where_they_stand(figures, tmp_path):
    matrix_error_figure(tmp_path / "a.png", WATER, error(WATER), "", "Hartree")
    ax = figures[0].axes[0]
    assert [t.get_text() for t in ax.get_yticklabels()] == ["O 0", "H 1", "H 2"]
    np.testing.assert_allclose(ax.get_yticks(), [4.0, 9.5, 11.5])
    shells = [t.get_text() for t in ax.get_yticklabels(minor=True)]
    assert shells == ["1s", "2s", "3s", "2p", "3p", "1s", "2s", "1s", "2s"]
    np.testing.assert_allclose(ax.get_yticks(minor=True), [0, 1, 2, 4, 7, 9, 10, 11, 12])
    edges = sorted({float(line.get_ydata()[0]) for line in ax.lines if line.get_xdata()[1] == 1})
    assert edges[-2:] == [8.5, 10.5]


@pytest.mark.parametrize("case", ["two spins", "many atoms", "no error"])
def test_odd_matrices_are_drawn(figures, tmp_path, case):
    layout = WATER if case != "many atoms" else AOLayout((6, 1) * 40, AOBasis("sto-3g"))
    E = error(layout, (2,) if case == "two spins" else ())
    if case == "no error":
        E = np.zeros_like(E)
    matrix_error_figure(tmp_path / "a.png", layout, E, "a title", "")
    axes = figures[0].axes
    assert len(axes) == (3 if case == "two spins" else 2)
    assert "no unit" in axes[-1].get_ylabel()
    if case == "many atoms":
        assert len(axes[0].get_yticklabels()) <= 40
        assert not axes[0].get_yticklabels(minor=True)
