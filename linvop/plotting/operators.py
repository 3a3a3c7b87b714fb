r"""The pictures of an operator model on labelled structures."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from linvop.errors import InputError
from linvop.observables.analysis import analyse
from linvop.orbitals.shells import AOLayout
from linvop.plotting.matrices import matrix_error_figure, matrix_parity_figure
from linvop.plotting.spectra import level_figure, state_density_figure
from linvop.report import number

if TYPE_CHECKING:
    from linvop.models.operator import OperatorModel
    from linvop.models.operator_scores import MatrixErrors
    from linvop.observables.result import Observables

__all__ = ["draw_operator_figures", "operator_figures"]

_OF_MATRICES = ("parity.png", "matrix_error.png")
_OF_LEVELS = ("orbital_energies.png", "density_of_states.png")


def operator_figures(target: str) -> tuple[str, ...]:
    r"""Names of the pictures of a model: only Fock matrices have orbital energies."""
    return (*_OF_MATRICES, *_OF_LEVELS) if target == "fock" else _OF_MATRICES


def draw_operator_figures(folder: Path, errors: MatrixErrors, model: OperatorModel) -> None:
    r"""Draw parity by block type, the error of one matrix, orbital energies and their density.

    Parameters
    ----------
    folder : Path
        Gets the files `operator_figures`, none of which may be there.
    errors : MatrixErrors
        With its structures kept.
    model : OperatorModel
        Whose errors they are.
    """
    name = model.target.capitalize()
    matrix_parity_figure(folder / _OF_MATRICES[0], errors, model.target, model.unit)
    k = _median_structure(errors)
    atoms, true, predicted = errors.structures[k]
    error = predicted - true
    matrix_error_figure(
        folder / _OF_MATRICES[1],
        AOLayout(tuple(int(z) for z in atoms.numbers), model.ao),
        error,
        f"{name} matrix of structure {k}, {atoms.get_chemical_formula()}: RMSE "
        f"{number(float(np.sqrt((error**2).mean())))}{f' {model.unit}' * bool(model.unit)}\n"
        f"(the median of {len(errors.structures)} structures)",
        model.unit,
    )
    if model.target == "fock":
        spectra = _spectra(errors, model)
        left_out = len(errors.structures) - len(spectra)
        failed = f", {left_out} without a gap left out" if left_out else ""
        count = f"{len(spectra)} structure{'s' * (len(spectra) != 1)}{failed}"
        level_figure(folder / _OF_LEVELS[0], spectra, f"predicted Fock matrices of {count}")
        title = f"density of states, mean of {count}"
        state_density_figure(folder / _OF_LEVELS[1], spectra, title)


def _median_structure(errors: MatrixErrors) -> int:
    """Neither a lucky nor an unlucky one."""
    size = [float(((p - t) ** 2).mean()) for _, t, p in errors.structures]
    return int(np.argsort(size)[(len(size) - 1) // 2])


def _spectra(errors: MatrixErrors, model: OperatorModel) -> list[tuple[Observables, Observables]]:
    found = []
    for atoms, true, predicted in errors.structures:
        reference = analyse(atoms, fock=true, ao=model.ao)
        try:
            found.append((reference, analyse(atoms, fock=predicted, ao=model.ao)))
        except InputError:  # no gap: the errors count it
            continue
    return found
