r"""Energies and forces in one fit of one coefficient vector.

.. math:: E = \sum_i c^{(s_i)} \cdot B_i + \sum_i b^{(s_i)}, \qquad
          -F_A = c \cdot \frac{dB}{dR_A}

so that a structure has one row of energy and 3 n_atoms rows of forces, in which the constants of
species have no part:

    min_{c, b}  sum_s w_s [ (E_s - c.B_s - b.n_s)^2 + ell^2 sum_A w_A |F_A + c.dB_s/dR_A|^2 ]
                + alpha |Gamma c|^2

All rows of a structure leave together when alpha is chosen. `ell`^2 is the *force weight*: errors
of energies change along a path by about their own size over a length ell, a few tenths of an
Angstrom, so that those of forces are larger by 1/ell. Results hardly depend on it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from numbers import Real
from typing import Any

import numpy as np

from linvop.errors import InputError
from linvop.models.contradiction import contradiction, sampled, without_constants
from linvop.models.feature_rows import FeatureRows
from linvop.models.linear_part import (
    LinearPart,
    fitted_to,
    part_of,
    prior_of,
    with_free_atoms,
    without_lone,
)
from linvop.models.training import TrainingSet
from linvop.regression.calibration import calibrated
from linvop.regression.ridge import Ridge

__all__ = ["FORCE_WEIGHT", "checked_weight", "fit_energies_and_forces"]

FORCE_WEIGHT = 0.1
"""ell^2 in Angstrom^2."""

_SUSPECT = 0.3
"""Errors of energies left out, relative to what constants of species leave of energies, above which
it is asked whether energies and forces belong together."""


def checked_weight(value: float | Sequence[float]) -> float | tuple[float, ...]:
    """A force weight or several, or `InputError` for anything but positive numbers."""
    several = isinstance(value, tuple | list)
    items = tuple(value) if isinstance(value, tuple | list) else (value,)
    for item in items:
        number = isinstance(item, Real) and not isinstance(item, bool)
        if not number or not 0.0 < item < np.inf:
            raise InputError(f"force_weight: expected a positive number, got {item!r}")
    if not items:
        raise InputError("force_weight: expected at least one number, got none")
    return tuple(map(float, items)) if several else float(items[0])  # type: ignore[arg-type]


def fit_energies_and_forces(
    rows: np.ndarray | FeatureRows,
    data: TrainingSet,
    *,
    counts: np.ndarray,
    groups: np.ndarray,
    penalty: np.ndarray,
    solver: Ridge,
    force_weight: float | tuple[float, ...],
    with_constants: bool = True,
    columns: np.ndarray | None = None,
    labels: Sequence[object] = (),
    lone: np.ndarray | None = None,
    rounding: np.ndarray | None = None,
) -> tuple[LinearPart, np.ndarray, np.ndarray]:
    r"""Fit the scalar part of the energy to energies and forces.

    Parameters
    ----------
    rows : (n + 3 N, p) float64, or FeatureRows
        Of `energy_and_force_rows`; an array is destroyed.
    data : TrainingSet
        With forces, (N, 3).
    counts, groups, penalty, solver, columns, labels, lone, rounding
        As for `linvop.models.linear_part.fit_parts`.
    force_weight : float or tuple of float
        Of several, with rows that are never in memory at once, the one with the largest evidence.
    with_constants : bool
        Whether species add constants, where there are no free atoms.

    Returns
    -------
    LinearPart, (n, 1), (N, 3)
        And the leave-one-structure-out residuals of energies and of forces.
    """
    n, forces = len(data.frames), data.forces
    if forces is None:
        raise InputError(f"{data.source}: expected forces, got none")
    sizes = 3 * np.asarray([len(a) for a in data.frames])
    y = np.concatenate([data.values["energy"], -forces.ravel()])
    fitted, free = with_constants and data.free_atoms is None, data.free_atoms
    if free is not None and lone is not None:
        y[:n] -= counts @ free
        rows = without_lone(rows, counts @ lone)
    of_structures = np.ones(n) if data.weights is None else data.weights
    several = _several_weights(force_weight, rows, n, len(y))
    first = 1.0 if isinstance(force_weight, tuple) else force_weight
    common: dict[str, Any] = {
        "constants": np.concatenate([counts, np.zeros((len(y) - n, counts.shape[1]))])
        if fitted
        else None,
        "weights": np.concatenate(
            [
                of_structures,
                first * np.repeat(of_structures, sizes) * np.repeat(data.atom_weights, 3),
            ]
        ),
        "groups": np.concatenate([groups, np.repeat(groups, sizes)]),
        "n_components": 1,
        "rounding": rounding,
    }
    prior = prior_of(rows, y[:, None], columns, penalty, solver, common)
    sample = sampled(rows, y, sizes, counts)
    try:
        one = fitted_to(
            solver,
            rows,
            y,
            penalty=prior,
            overwrite=True,
            **several,
            **common,
        )
    except InputError as error:
        raise InputError(
            f"{data.source}: energies and forces of {n} structures cannot be fitted: {error}"
        ) from error
    part = part_of(one, None, one.constants_ if fitted else np.zeros(counts.shape[1]), labels)
    if free is not None and lone is not None:
        part = with_free_atoms(part, free, lone)
    left_out = one.loo_residuals_
    # The solver's own is that of all rows with their weights, in no unit.
    of_energies = _weighted_rms(left_out[:n], of_structures)
    of_atoms = np.repeat(of_structures, sizes) * np.repeat(data.atom_weights, 3)
    part.report["loo_rmse"] = of_energies
    part.report["loo_rmse_forces"] = _weighted_rms(left_out[n:], of_atoms)
    spread = _weighted_rms(without_constants(y[:n], counts), of_structures)
    if of_energies > _SUSPECT * spread:
        part.report["contradiction"] = contradiction(sample, prior, rounding)
    if part.posterior is not None:
        part = _scaled_apart(part, one, n, common["weights"], first)
    if several:
        part.report["force_weight"] = part.report.pop("kind_weights")[1]
    return part, left_out[:n, None], -left_out[n:].reshape(-1, 3)


def _several_weights(
    force_weight: float | tuple[float, ...], rows: np.ndarray | FeatureRows, n: int, n_rows: int
) -> dict[str, Any]:
    """Kinds of rows, energies and forces, and what their weights may be."""
    if not isinstance(force_weight, tuple):
        return {}
    if not isinstance(rows, FeatureRows):
        raise InputError(
            "force_weight: several are compared in fits by chunks (chunk) with alpha = 'evidence': "
            "expected these, or one number"
        )
    kinds = (np.arange(n_rows) >= n).astype(np.int64)
    return {"kinds": kinds, "kind_weights": [(1.0, weight) for weight in force_weight]}


def _weighted_rms(values: np.ndarray, weights: np.ndarray) -> float:
    """Of what is known: structures that cannot be left out, or are not, have NaN."""
    known = np.isfinite(values)
    if not known.any():
        return float("nan")
    return float(np.sqrt(np.average(values[known] ** 2, weights=weights[known])))


def _scaled_apart(
    part: LinearPart, solver: Ridge, n: int, weights: np.ndarray, force_weight: float
) -> LinearPart:
    """Scales of variances of energies and of forces, each from its own residuals."""
    if part.posterior is None or solver.loo_variances_ is None:
        return part
    residuals, unit = solver.loo_residuals_[:, None], solver.loo_variances_[:, None]
    of_energies = calibrated(residuals[:n], unit[:n], weights[:n], 1)
    # In units of a force of weight 1; the components of one atom have one weight.
    of_forces = calibrated(
        residuals[n:], 1 + (unit[n:] - 1) / force_weight, weights[n:] / force_weight, 3
    )
    sigma2 = part.report["sigma"] ** 2
    for end, scale in (("", of_energies), ("_forces", of_forces)):
        part.report[f"calibration{end}"] = float(scale.model[0]) / sigma2
        part.report[f"noise{end}"] = float(np.sqrt(scale.noise[0]))
    return replace(
        part,
        posterior=replace(part.posterior, scale=of_energies),
        gradient_scale=of_forces,
    )
