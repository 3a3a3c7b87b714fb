r"""One irrep of one target: the coefficients of its columns, and how they are fitted.

.. math:: y_{\lambda\mu} = \sum_i c^{(s_i)} \cdot B_i(\lambda\mu, \sigma) + \sum_i b^{(s_i)}

Targets whose rows and constants are the same share one factorisation.
"""

from __future__ import annotations

from collections.abc import Sequence
from copy import copy
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from linvop.basis.words import Irrep
from linvop.errors import InputError
from linvop.models.feature_rows import FeatureRows
from linvop.models.targets import Target
from linvop.models.training import TrainingSet
from linvop.regression.calibration import Scale
from linvop.regression.relevance import relevance
from linvop.regression.ridge import Ridge
from linvop.regression.streamed_ridge import fit_streamed
from linvop.regression.uncertainty import Posterior

__all__ = [
    "LinearPart",
    "fit_parts",
    "fitted_to",
    "part_of",
    "prior_of",
    "with_free_atoms",
    "without_lone",
]

_NAMED = 50
"""So many pruned columns are named in a report; all have coefficients of exactly zero."""


@dataclass(frozen=True)
class LinearPart:
    r"""The fitted coefficients of one irrep of one target.

    Attributes
    ----------
    coefficients : (p,) float64
        In the order of ``basis.labels(species, target="structure", irreps=[irrep])``.
    constants : (n_species,) float64
        Added for each atom; zeros where the part has none. Of given free atoms
        ``E_s - c.F_s``, so that they have these energies exactly.
    report : dict
        alpha, effective degrees of freedom, condition number, leave-one-out error ...
    posterior : Posterior or None
        Of this part alone, if the solver keeps the covariance.
    gradient_scale : Scale or None
        Of the variances of derivatives, per Angstrom, where such were fitted.
    lone : (n_species, p) float64 or None
        F, the features of free atoms, where their energies are given: columns are ``B - n.F``.
    """

    coefficients: np.ndarray
    constants: np.ndarray
    report: dict[str, Any] = field(default_factory=dict)
    posterior: Posterior | None = None
    gradient_scale: Scale | None = None
    lone: np.ndarray | None = None

    def gradient_variances(self, rows: np.ndarray) -> np.ndarray:
        r"""Variances of derivatives, (n,): of labels if such were fitted, else of predictions.

        Parameters
        ----------
        rows : (n, p) float64
            Derivatives of the features, per Angstrom; constants have none.
        """
        if self.posterior is None:
            raise InputError("variances: expected a fit with Ridge(..., covariance=True)")
        scale = self.gradient_scale
        if scale is None:
            scale = replace(self.posterior.scale, noise=np.zeros(1))
        k = len(self.posterior.directions.constants)
        known = replace(self.posterior, scale=scale)
        return known.covariances(rows, np.zeros((len(rows), k)) if k else None)[:, 0, 0, 0]

    def covariances(self, rows: np.ndarray, counts: np.ndarray) -> np.ndarray:
        r"""Covariance of the components of each structure, (n, 2 lam + 1, 2 lam + 1).

        Parameters
        ----------
        rows : (n, 2 lam + 1, p) float64
        counts : (n, n_species) float64

        Raises
        ------
        InputError
            If the solver did not keep the covariance.
        """
        if self.posterior is None:
            raise InputError("covariances: expected a fit with Ridge(..., covariance=True)")
        n, m, p = rows.shape
        if self.lone is not None:
            rows = rows - (counts @ self.lone)[:, None]
        fitted = len(self.posterior.directions.constants) > 0
        constants = np.repeat(counts, m, axis=0) if fitted else None
        return self.posterior.covariances(rows.reshape(n * m, p), constants, m)[..., 0]


def fit_parts(
    rows: np.ndarray | FeatureRows,
    irrep: Irrep,
    targets: Sequence[Target],
    data: TrainingSet,
    *,
    counts: np.ndarray,
    groups: np.ndarray,
    penalty: np.ndarray,
    solver: Ridge,
    columns: np.ndarray | None = None,
    labels: Sequence[object] = (),
    lone: np.ndarray | None = None,
    rounding: np.ndarray | None = None,
) -> dict[str, tuple[LinearPart, np.ndarray]]:
    r"""Fit one irrep of all targets that have it.

    Parameters
    ----------
    rows : (n, 2 lam + 1, p) float64, or FeatureRows
        Features of the structures; an array is destroyed.
    irrep : (lam, sigma)
    targets : sequence of Target
    data : TrainingSet
    counts : (n, n_species) float64
        Atoms of each species.
    groups : (n,) int
        Structures that are left out together.
    penalty : (p,) float64
        The prior.
    solver : Ridge
        Its settings.
    columns : (p,) int, optional
        Groups of columns whose relevances are determined, target by target.
    labels : sequence, length p
        Names of the columns, for reports of pruning.
    lone : (n_species, p) float64, optional
        Features of free atoms, where the energies of these are given.
    rounding : (p,) float64, optional
        Of the features: columns that spread no more have no coefficient.

    Returns
    -------
    {target name: (LinearPart, (n, 2 lam + 1) leave-one-out residuals)}

    Raises
    ------
    InputError
        Of the solver, with the source and the targets.
    """
    n, width, p = len(data.frames), 2 * irrep[0] + 1, rows.shape[-1]
    if not p:
        names = ", ".join(t.name for t in targets if irrep in t.irreps)
        raise InputError(
            f"{data.source}: {names}: expected features with lam = {irrep[0]}, sigma = "
            f"{irrep[1]:+d}, got none in this basis; a larger kappa or nu, or an AO basis with "
            "higher shells, may have some"
        )
    fitted: dict[str, tuple[LinearPart, np.ndarray]] = {}
    shared = _by_constants(targets, irrep, data)
    jobs = [
        (kind, part)
        for kind, together in shared.items()
        for part in ([together] if columns is None else [[t] for t in together])
    ]
    flat = rows if isinstance(rows, FeatureRows) else rows.reshape(n * width, p)
    weights = None if data.weights is None else np.repeat(data.weights, width)
    for k, (kind, together) in enumerate(jobs, start=1):
        free = data.free_atoms if kind == "given" else None
        y = _labels_of(together, irrep, data)
        own, moved = flat, None
        if free is not None and lone is not None:
            y = y - (counts @ free)[:, None]
            moved = counts @ lone
            own = without_lone(flat, moved)
        common = {
            "constants": counts if kind == "fitted" else None,
            "weights": weights,
            "groups": np.repeat(groups, width),
            "n_components": width,
            "rounding": rounding,
        }
        try:
            one = fitted_to(
                solver,
                own,
                y,
                penalty=prior_of(own, y, columns, penalty, solver, common),
                overwrite=k == len(jobs),
                **common,
            )
        except InputError as error:
            names = ", ".join(t.name for t in together)
            raise InputError(
                f"{data.source}: {names} of {n} structures cannot be fitted: {error}"
            ) from error
        if moved is not None and k < len(jobs) and not isinstance(flat, FeatureRows):
            flat += moved
        for column, t in enumerate(together):
            added = np.zeros(counts.shape[1])
            if kind == "fitted":
                added = one.constants_[:, column]
            part = part_of(one, column, added, labels)
            if free is not None and lone is not None:
                part = with_free_atoms(part, free, lone)
            fitted[t.name] = part, one.loo_residuals_[:, column].reshape(n, width)
    return fitted


def without_lone(rows: np.ndarray | FeatureRows, moved: np.ndarray) -> Any:
    """Rows of structures without features of free atoms, (n, p); in place where they are there."""
    if isinstance(rows, FeatureRows):
        return replace(rows, moved=moved)
    rows[: len(moved)] -= moved
    return rows


def fitted_to(
    solver: Ridge, rows: np.ndarray | FeatureRows, y: np.ndarray, *, overwrite: bool, **more: Any
) -> Ridge:
    """A solver fitted to rows that are there, or to rows as they come."""
    if isinstance(rows, FeatureRows):
        given = solver, rows, y
        return fit_streamed(*given, checkpoints=rows.checkpoints, workers=rows.executor, **more)
    # No warnings: the solver counts targets, whose names are known later.
    return copy(solver).fit(rows, y, overwrite=overwrite, warn=False, **more)


def _labels_of(together: Sequence[Target], irrep: Irrep, data: TrainingSet) -> np.ndarray:
    """One irrep of some targets, (n * (2 lam + 1), n_targets)."""
    parts = [t.to_irreps(data.values[t.name])[irrep] for t in together]
    return np.stack([part.ravel() for part in parts], axis=1)


def part_of(
    solver: Ridge, column: int | None, constants: np.ndarray, labels: Sequence[object]
) -> LinearPart:
    """What a solver has found for one of its targets; None where it has one without an axis."""
    report = solver.report() if column is None else _report_of(solver, column)
    coef = solver.coef_ if column is None else solver.coef_[:, column]
    posterior = solver.posterior_
    return LinearPart(
        np.ascontiguousarray(coef),
        np.ascontiguousarray(constants),
        report | _pruned(solver, labels),
        None if posterior is None else posterior.select(column or 0),
    )


def with_free_atoms(part: LinearPart, free: np.ndarray, lone: np.ndarray) -> LinearPart:
    """A part fitted to energies without those of free atoms, by features without theirs."""
    return replace(part, constants=free - lone @ part.coefficients, lone=lone)


def prior_of(
    rows: np.ndarray | FeatureRows,
    y: np.ndarray,
    columns: np.ndarray | None,
    penalty: np.ndarray,
    solver: Ridge,
    common: dict[str, Any],
) -> np.ndarray:
    """The given prior, or the one that the data determine for groups of columns."""
    if columns is None:
        return penalty
    if isinstance(rows, FeatureRows):
        raise InputError("relevance: expected all rows at once, got a fit by chunks")
    return relevance(
        rows,
        y[:, 0],
        columns=columns,
        penalty=penalty,
        column_scale=solver.column_scale,
        rarity=solver.rarity,
        **common,
    ).penalty


def _by_constants(
    targets: Sequence[Target], irrep: Irrep, data: TrainingSet
) -> dict[str, list[Target]]:
    """Targets with this irrep, by whether their constants are none, fitted or given."""
    shared: dict[str, list[Target]] = {}
    for t in targets:
        if irrep in t.irreps:
            kind = "fitted" if t.has_constants(irrep) else "none"
            if t.name == "energy" and data.free_atoms is not None:
                kind = "given"
            shared.setdefault(kind, []).append(t)
    return shared


def _report_of(solver: Ridge, k: int) -> dict[str, Any]:
    """The solver's report on its k-th target."""
    return {
        key: value[k] if isinstance(value, list) else value
        for key, value in solver.report().items()
    }


def _pruned(solver: Ridge, labels: Sequence[object]) -> dict[str, Any]:
    """The first columns that were pruned: names, and what the others leave of each."""
    if solver.selection_ is None:
        return {}
    dropped = np.flatnonzero(~solver.selection_.kept)[:_NAMED]
    return {"pruned": [[str(labels[j]), float(solver.selection_.residuals[j])] for j in dropped]}
