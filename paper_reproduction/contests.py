r"""Property models beside their peers: one split, one solver, the same constants for all.

.. math:: y_{\lambda\mu} = \sum_i c^{(s_i)} \cdot B_i(\lambda\mu) + \sum_i b^{(s_i)}
          \quad (b \text{ for energies only})

with B of linvop, the power spectrum (SOAP) or its lam = 1 (lambda-SOAP). The features of a
structure are made once (`Design`) and serve all splits and all sizes of the training set; of
linvop's rows this is the fit that `linvop.PropertyModel` makes with its defaults.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from linvop.bench.soap import SoapSettings, soap_rows
from linvop.errors import InputError
from linvop.features.basis import Basis, ordered_species
from linvop.features.design import structure_rows
from linvop.features.magnitudes import structure_rounding
from linvop.models.targets import as_target
from linvop.models.training import atom_counts
from linvop.regression.groups import duplicate_groups
from linvop.regression.prior import label_prior
from linvop.regression.ridge import Ridge

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

IRREPS = {"energy": (0, 1), "dipole": (1, 1)}
"""(lam, sigma) of what is learned."""

_CHUNK = 100
"""Structures at a time in featomic."""


@dataclass(frozen=True, eq=False)
class Design:
    r"""Features of structures, of one irrep.

    Attributes
    ----------
    rows : (n, 2 lam + 1, p) float64
    penalty : (p,) float64 or None
        The prior of each column; None is the same for all.
    rounding : (p,) float64 or None
        What rounding makes of each column.
    """

    rows: np.ndarray
    penalty: np.ndarray | None = None
    rounding: np.ndarray | None = None

    @property
    def n_columns(self) -> int:
        """Of the rows."""
        return int(self.rows.shape[2])


def column_count(basis: Basis, species: Sequence[str], target: str) -> int:
    r"""Columns of a target, before anything is evaluated."""
    irrep = IRREPS[target]
    return len(basis.labels(species, target="structure", irreps=[irrep]))


def linvop_designs(
    basis: Basis,
    frames: Sequence[Atoms],
    targets: Sequence[str],
    *,
    workers: int | None = None,
) -> dict[str, Design]:
    r"""Features of linvop.

    Parameters
    ----------
    basis : Basis
    frames : sequence of ase.Atoms
    targets : sequence of {"energy", "dipole"}
    workers : int, optional
        Threads.

    Returns
    -------
    {target: Design}
    """
    species = ordered_species(z for a in frames for z in set(a.numbers.tolist()))
    irreps = tuple(IRREPS[t] for t in targets)
    features = basis.compile(species, irreps, "structure")
    rows = structure_rows(features, frames, workers=workers)
    rounding = structure_rounding(features, frames)
    return {
        t: Design(
            rows[irrep],
            label_prior(basis.labels(species, target="structure", irreps=[irrep])),
            rounding[irrep],
        )
        for t, irrep in zip(targets, irreps, strict=True)
    }


def soap_design(frames: Sequence[Atoms], settings: SoapSettings | None = None) -> Design:
    r"""The power spectrum, summed over the atoms of each species: energies."""
    rows = soap_rows(frames, _numbers(frames), settings or SoapSettings())
    return Design(rows[:, None])


def lambda_soap_design(frames: Sequence[Atoms], settings: SoapSettings | None = None) -> Design:
    r"""Lambda-SOAP of lam = 1, sigma = +1, summed over the atoms of each species: dipoles.

    featomic's `EquivariantPowerSpectrum`; centre species by centre species, in each the columns
    (l1, l2 = l1 + 1, neighbour species and n of both).

    Raises
    ------
    InputError
        If featomic is not installed.
    """
    try:
        from featomic import SphericalExpansion
        from featomic.clebsch_gordan import EquivariantPowerSpectrum
        from metatensor import Labels
    except ImportError as error:
        raise InputError("lambda-SOAP needs featomic: pip install 'linvop[peers]'") from error
    settings = settings or SoapSettings()
    numbers = _numbers(frames)
    program = EquivariantPowerSpectrum(
        SphericalExpansion(**settings.hypers()), neighbor_types=numbers
    )
    keys = Labels(["o3_lambda", "o3_sigma"], np.asarray([IRREPS["dipole"]]))
    width = settings.max_angular * (len(numbers) * (settings.max_radial + 1)) ** 2
    out = np.zeros((len(frames), 3, len(numbers) * width))
    for first in range(0, len(frames), _CHUNK):
        chunk = list(frames[first : first + _CHUNK])
        spectra = program.compute(chunk, selected_keys=keys, neighbors_to_properties=True)
        for key, block in spectra.items():
            start = numbers.index(int(key["center_type"])) * width
            rows = first + np.asarray(block.samples["system"])
            np.add.at(out[:, :, start : start + width], rows, block.values)
    return Design(out)


def _numbers(frames: Sequence[Atoms]) -> list[int]:
    return sorted({int(z) for a in frames for z in a.numbers})


@dataclass(frozen=True, eq=False)
class Fit:
    r"""One fit.

    Attributes
    ----------
    predicted : (n, *shape) float64
        For all structures of the contest, those trained on among them.
    train, test : (n_train,), (n_test,) int
    rmse : float
        Of the test structures; of vectors, root mean square over structures of the norm.
    left_out : float
        The same of the training structures, each predicted without itself and its copies.
    report : dict
        Of the solver.
    """

    predicted: np.ndarray
    train: np.ndarray
    test: np.ndarray
    rmse: float
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
        model = (Ridge() if solver is None else solver).fit(
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
        return Fit(predicted, train, test, _rms(error), _rms(left_out), model.report())


def _rms(error: np.ndarray) -> float:
    """Over structures, of the norm; NaN of structures that cannot be left out does not count."""
    return float(np.sqrt(np.nanmean((error.reshape(len(error), -1) ** 2).sum(axis=1))))
