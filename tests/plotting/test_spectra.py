"""Orbital energies and densities of states: what is drawn is what the operators have."""

from __future__ import annotations

import numpy as np
import pytest

import linvop
from linvop.plotting import level_figure, state_density_figure


@pytest.fixture(scope="module")
def spectra():
    """Three waters, with levels that all err by 10 meV."""
    data = linvop.Dataset.open(linvop.data.water())[:3]
    found = []
    for record in data:
        F = record.fock
        shift = 0.01 / 27.211386245988 * record.overlap
        found.append(
            tuple(linvop.analyse(record.atoms(), fock=M, ao="def2-svp") for M in (F, F + shift))
        )
    return found


def test_levels_are_counted_by_kind_with_their_errors(figures, tmp_path, spectra):
    level_figure(tmp_path / "a.png", spectra, "a title")
    left, right = figures[0].axes
    words = [t.get_text() for t in right.get_legend().get_texts()]
    assert words == [
        "core: MAE 10 meV, n = 3",
        "occupied: MAE 10 meV, n = 12",
        "LUMO: MAE 10 meV, n = 3",
        "other empty: MAE 10 meV, n = 54",
    ]
    assert [t.get_text() for t in left.get_legend().get_texts()] == [
        "occupied",
        "LUMO",
        "other empty",
    ]
    assert "(eV)" in left.get_xlabel()
    assert "(meV)" in right.get_xlabel()
    assert left.get_xlim() == left.get_ylim()
    points = np.concatenate([c.get_offsets() for c in left.collections])
    np.testing.assert_allclose(points[:, 1] - points[:, 0], 0.01, atol=1e-6)
    # Core levels, 500 eV below, would make one point of all others.
    assert points.min() > -60


def test_densities_of_states_are_those_of_linvop(figures, tmp_path, spectra):
    state_density_figure(tmp_path / "a.png", spectra, "a title")
    top, bottom = figures[0].axes
    energies, shown = top.lines[0].get_data()
    ours = [linvop.density_of_states(o.orbital_energies, energies, width=0.2) for _, o in spectra]
    np.testing.assert_allclose(shown, np.mean(ours, axis=0))
    true = [linvop.density_of_states(t.orbital_energies, energies, width=0.2) for t, _ in spectra]
    difference = bottom.lines[0].get_ydata()
    np.testing.assert_allclose(difference, np.mean(ours, axis=0) - np.mean(true, axis=0))
    assert "(eV)" in bottom.get_xlabel()
    assert "per eV" in top.get_ylabel()
    assert any("core" in t.get_text() for t in top.texts)


@pytest.mark.parametrize("draw", [level_figure, state_density_figure])
def test_no_structure_is_said(figures, tmp_path, draw):
    draw(tmp_path / "a.png", [], "a title")
    assert any("no structure" in t.get_text() for ax in figures[0].axes for t in ax.texts)


def test_open_shells_count_both_spins(figures, tmp_path):
    from ase import Atoms

    from linvop.integrals import System, potential

    atoms = Atoms("OH", positions=[[0, 0, 0], [0, 0, 1.0]])
    V = potential(System.from_atoms(atoms, "6-31g"), screening=0.3)
    one = linvop.analyse(atoms, fock=np.stack([V, 0.98 * V]), ao="6-31g", multiplicity=2)
    level_figure(tmp_path / "a.png", [(one, one)], "")
    state_density_figure(tmp_path / "b.png", [(one, one)], "")
    words = [t.get_text() for t in figures[0].axes[1].get_legend().get_texts()]
    n = {w.split(":")[0]: int(w.split("= ")[1]) for w in words}
    assert sum(n.values()) == 2 * 11
    assert n["LUMO"] == 2
    assert n.get("core", 0) + n.get("occupied", 0) == 9
