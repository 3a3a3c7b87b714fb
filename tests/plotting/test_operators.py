"""The pictures of an operator model: which there are, and that no structure is lost unsaid."""

from __future__ import annotations

import numpy as np
import pytest

import linvop
from linvop.models.operator_scores import MatrixErrors
from linvop.plotting import draw_operator_figures, operator_figures
from linvop.testing import random_operator_model

BASIS = linvop.Basis("sto-3g", kappa=1)


def errors(target: str, n: int, scales: tuple[float, ...]) -> MatrixErrors:
    """Of predictions that are off by scale times the overlap."""
    data = linvop.Dataset.open(linvop.data.water())[:n]
    found = MatrixErrors(data.ao, keep=True)
    for record, scale in zip(data, scales, strict=True):
        true = getattr(record, target)
        found.add(record.atoms(), true, true + scale * record.overlap)
    return found


@pytest.mark.parametrize("target", ["fock", "density"])
def test_all_pictures_are_drawn_and_the_median_structure_is_shown(figures, tmp_path, target):
    model = random_operator_model(BASIS, "def2-svp", ["H", "O"], target=target)
    draw_operator_figures(tmp_path, errors(target, 3, (1e-3, 1e-5, 1e-4)), model)
    assert {p.name for p in tmp_path.iterdir()} == set(operator_figures(target))
    assert ("density_of_states.png" in operator_figures(target)) == (target == "fock")
    title = next(t for f in figures if (t := f.get_suptitle()) and "matrix of structure" in t)
    assert "structure 2, H2O" in title
    assert "median of 3 structures" in title


def test_structures_without_a_gap_are_said(figures, tmp_path):
    model = random_operator_model(BASIS, "def2-svp", ["H", "O"])
    found = errors("fock", 2, (1e-4, 1e-4))
    atoms, true, _ = found.structures[1]
    found.structures[1] = atoms, true, np.zeros_like(true)
    draw_operator_figures(tmp_path, found, model)
    titles = [f.get_suptitle() for f in figures] + [f.axes[0].get_title() for f in figures]
    said = [t for t in titles if "1 structure, 1 without a gap left out" in t]
    assert len(said) == 2
