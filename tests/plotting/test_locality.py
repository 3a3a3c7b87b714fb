"""Pictures of locality: a panel for each matrix and property, every point in it."""

from __future__ import annotations

import numpy as np
import pytest

from linvop.observables.block_norms import BlockNorms
from linvop.plotting import block_norm_figure, truncation_figure


def norms(matrix: str, orbitals: str = "ao", n: int = 20) -> BlockNorms:
    rng = np.random.default_rng(0)
    distance = np.where(np.arange(n) % 2, rng.uniform(1, 4, n), 0.0)
    pair = np.where(distance > 0, "H-O", "O")
    unit = "" if matrix == "P" else "Hartree"
    atoms = np.zeros((n, 2), int)
    size = np.exp(-distance)
    return BlockNorms(matrix, orbitals, unit, np.zeros(n, int), atoms, pair, distance, size)


def rows(quantity: str = "dipole", unit: str = "e*Angstrom", scale: float = 1.0) -> list[dict]:
    return [
        {"quantity": quantity, "matrix": m, "cutoff": c, "mae": y and scale * y, "unit": unit}
        for m, ys in (("F", (1.0, 0.1, 0.0)), ("P, purified", (2.0, None, 0.0)))
        for c, y in zip((1.0, 2.0, 3.0), ys, strict=True)
    ]


def test_block_norms_are_drawn_by_matrix_orbitals_and_pair(figures, tmp_path):
    several = [norms(m, o) for o in ("ao", "lowdin") for m in "VFP"]
    block_norm_figure(tmp_path / "a.png", several, "a title")
    axes = figures[0].axes
    assert len(axes) == 6
    for ax, one in zip(axes, several, strict=True):
        assert ax.get_yscale() == "log"
        assert f"({one.unit or 'no unit'})" in ax.get_ylabel()
        points = np.concatenate([c.get_offsets() for c in ax.collections])
        assert len(points) == len(one.norm)
        np.testing.assert_allclose(np.sort(points[:, 1]), np.sort(one.norm))
    assert "density matrix" in axes[2].get_title()
    assert "Lowdin" in axes[5].get_title()
    (legend,) = figures[0].legends
    assert [t.get_text() for t in legend.get_texts()] == ["O (on site)", "H-O"]


def test_changes_are_drawn_in_readable_units_without_what_is_zero(figures, tmp_path):
    truncation_figure(tmp_path / "a.png", rows(), "a title")
    (ax,) = figures[0].axes
    assert ax.get_yscale() == "log"
    assert "me*Angstrom" in ax.get_ylabel()
    assert "Angstrom" in ax.get_xlabel()
    F, P = (line.get_ydata() for line in ax.lines)
    np.testing.assert_allclose(F, [1000.0, 100.0, np.nan])
    np.testing.assert_allclose(P, [2000.0, np.nan, np.nan])
    (legend,) = figures[0].legends
    assert [t.get_text() for t in legend.get_texts()] == ["F, diagonalised", "P, purified"]


def test_a_property_that_does_not_change_takes_no_ticks_from_the_others(figures, tmp_path):
    truncation_figure(tmp_path / "a.png", rows() + rows("electrons", "e", 0.0), "a title")
    first, second = figures[0].axes
    assert len(first.get_xticks()) > 2
    assert first.get_xlim() == second.get_xlim()


@pytest.mark.parametrize("scale", [0.0, 1e-14])
def test_no_change_is_said(figures, tmp_path, scale):
    truncation_figure(tmp_path / "a.png", rows(scale=scale), "a title")
    (ax,) = figures[0].axes
    assert [t.get_text() for t in ax.texts] == ["no change but rounding"]
