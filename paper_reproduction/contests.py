r"""Property models beside their peers: one split, one solver, the same constants for all.

.. math:: y_{\lambda\mu} = \sum_i c^{(s_i)} \cdot B_i(\lambda\mu) + \sum_i b^{(s_i)}
          \quad (b \text{ for energies only})

with B of linvop, the power spectrum (SOAP) or its lam = 1 (lambda-SOAP). The features of a
structure are made once (`Design`) and serve all splits and all sizes of the training set; of
linvop's rows this is the fit that `linvop.PropertyModel` makes with its defaults.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from copy import copy
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from linvop.errors import InputError
from linvop.features.basis import ordered_species
from linvop.models.targets import as_target
from linvop.models.training import atom_counts
from linvop.regression.groups import duplicate_groups
from linvop.regression.ridge import Ridge
from paper_reproduction.designs import (
    IRREPS,
    Design,
    column_count,
    lambda_soap_design,
    linvop_designs,
    soap_design,
)

if TYPE_CHECKING:
    from ase import Atoms

__all__ = [
    "IRREPS",
    "Contest",
    "Design",
    "Fit",
    "column_count",
    "lambda_soap_design",
    "linvop_designs",
    "soap_design",
]


@dataclass(frozen=True, eq=False)
class Fit:
    r"""One fit.

    Attributes
    ----------
    predicted : (n, *shape) float64
        For all structures of the contest, those trained on among them.
    rmse, mae : float
        Of the test structures; of vectors, root mean square, and mean, over structures of the norm.
    left_out : float
        The same of the training structures, each predicted without itself and its copies.
    report : dict
        Of the solver.
    """

    predicted: np.ndarray
    rmse: float
    mae: float
    left_out: float
    report: dict[str, Any]


class Contest:
    r"""Structures and their labels.

    Parameters
    ----------
    frames : sequence of ase.Atoms
    labels : {"energy": (n,), "dipole": (n, 3)} float64, ASE units
    """

    def __init__(self, frames: Sequence[Atoms], labels: Mapping[str, np.ndarray]) -> None:
        self.frames = list(frames)
        self.labels = {name: np.asarray(value) for name, value in labels.items()}
        for name, value in self.labels.items():
            if len(value) != len(self.frames):
                raise InputError(f"{name}: expected {len(self.frames)} labels, got {len(value)}")
        self._species = ordered_species(z for a in frames for z in set(a.numbers.tolist()))
        self._counts = atom_counts(self.frames, self._species)
        self._groups = duplicate_groups(
            [a.numbers for a in self.frames], [a.positions for a in self.frames]
        )

    def spread(self, target: str, test: np.ndarray) -> float:
        """Root mean square distance of labels from their mean."""
        y = self.labels[target][test]
        return _rms(y - y.mean(axis=0))

    def fit(
        self,
        design: Design,
        target: str,
        train: np.ndarray,
        test: np.ndarray,
        solver: Ridge | None = None,
        groups: np.ndarray | None = None,
    ) -> Fit:
        r"""Fit to some structures, predict all.

        Parameters
        ----------
        design : Design
        target : str
        train, test : (n_train,), (n_test,) int
        solver : Ridge, optional
            Default alpha by leave-one-structure-out.
        groups : (n,) int, optional
            Of all structures: which leave together; default copies of each other.
        """
        t = as_target(target)
        irrep = IRREPS[target]
        width = 2 * irrep[0] + 1
        n, _, p = design.rows.shape
        y = t.to_irreps(self.labels[target])[irrep]
        scalar = t.has_constants(irrep)
        leaving = (self._groups if groups is None else groups)[train]
        model = copy(Ridge() if solver is None else solver).fit(
            design.rows[train].reshape(len(train) * width, p),
            y[train].ravel(),
            penalty=design.penalty,
            constants=self._counts[train] if scalar else None,
            groups=np.repeat(leaving, width),
            n_components=width,
            overwrite=True,
            warn=False,
            rounding=design.rounding,
        )
        flat = design.rows.reshape(n * width, p)
        found = model.predict(flat, self._counts if scalar else None).reshape(n, width)
        predicted = t.from_irreps({irrep: found})
        error = predicted[test] - self.labels[target][test]
        left_out = model.loo_residuals_.reshape(len(train), width)
        # NaN of structures that cannot be left out: a constant would be undetermined.
        left_out = left_out[np.isfinite(left_out).all(axis=1)]
        mae = float(np.linalg.norm(error.reshape(len(error), -1), axis=1).mean())
        return Fit(predicted, _rms(error), mae, _rms(left_out), model.report())


def _rms(error: np.ndarray) -> float:
    """Over structures, of the norm."""
    return float(np.sqrt((error.reshape(len(error), -1) ** 2).sum(axis=1).mean()))
