r"""Features of structures, made once: linvop's, SOAP and lambda-SOAP, of one shape."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from linvop.bench.soap import SoapSettings, soap_rows
from linvop.errors import InputError
from linvop.features.basis import Basis, ordered_species
from linvop.features.design import structure_rows
from linvop.features.magnitudes import structure_rounding
from linvop.regression.prior import label_prior

if TYPE_CHECKING:
    from ase import Atoms

__all__ = [
    "IRREPS",
    "Design",
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
