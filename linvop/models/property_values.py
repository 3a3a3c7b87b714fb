r"""Predictions of fitted parts: of rows that are made, and forces by the adjoint.

.. math:: y_{\lambda\mu} = \sum_i c^{(s_i)} \cdot B_i(\lambda\mu, \sigma) + \sum_i b^{(s_i)},
          \qquad F_A = -\frac{dE}{dR_A}
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from linvop.basis.words import Irrep
from linvop.conventions import BOHR
from linvop.features.batched import Structures
from linvop.features.contractions import SiteFeatures, contracted
from linvop.features.design import Progress
from linvop.features.device_rows import adjoints, structure_rows_on
from linvop.features.threads import available_cores, one_thread_each
from linvop.integrals import System
from linvop.kernels.dispatch import Device
from linvop.models.derivatives import position_derivatives, position_deviations
from linvop.models.linear_part import LinearPart
from linvop.models.targets import Target

if TYPE_CHECKING:
    from ase import Atoms

__all__ = ["forces_of", "rows_and_forces_on", "values_of_rows"]

Parts = Mapping[str, Mapping[Irrep, LinearPart]]


def values_of_rows(
    targets: Sequence[Target],
    parts: Parts,
    rows: Mapping[Irrep, np.ndarray],
    counts: np.ndarray,
    std: bool = False,
) -> dict[str, np.ndarray]:
    r"""Predictions, and their standard deviations, of structures whose features are made.

    Parameters
    ----------
    targets : sequence of Target
    parts : {target: {irrep: LinearPart}}
    rows : {irrep: (n, 2 lam + 1, p) float64}
    counts : (n, n_species) float64
        Atoms of each species.
    std : bool

    Returns
    -------
    {target: (n, *shape)}, with `std` also ``<target>_std``
    """
    out = {}
    for t in targets:
        values, covariances = {}, {}
        for irrep, part in parts[t.name].items():
            values[irrep] = rows[irrep] @ part.coefficients
            if irrep == (0, 1):  # constants that were fitted or given; else zeros
                values[irrep] += (counts @ part.constants)[:, None]
            if std:
                covariances[irrep] = part.covariances(rows[irrep], counts)
        out[t.name] = t.from_irreps(values)
        if std:
            out[f"{t.name}_std"] = np.sqrt(t.variances(covariances))
    return out


def forces_of(
    features: SiteFeatures,
    energy: Target,
    parts: Mapping[Irrep, LinearPart],
    frames: Sequence[Atoms],
    workers: int | None,
    std: bool,
) -> dict[str, np.ndarray]:
    r"""``forces`` of checked frames, (n_atoms in all, 3), and with `std` ``forces_std``."""

    def one(atoms: Atoms) -> np.ndarray:
        V = contracted(features.enumeration, System.from_atoms(atoms, features.enumeration.ao))
        found = [-position_derivatives(features, V, energy, parts)]
        if std:
            found.append(position_deviations(features, V, parts[0, 1]))
        return np.stack(found)

    with one_thread_each(workers or available_cores()) as pool:
        found = np.concatenate(list(pool.map(one, frames)), axis=1)
    return dict(zip(("forces", "forces_std"), found, strict=False))


def rows_and_forces_on(
    device: Device,
    features: SiteFeatures,
    of_energy: SiteFeatures,
    energy: Target,
    parts: Mapping[Irrep, LinearPart],
    frames: Sequence[Atoms],
    *,
    workers: int | None = None,
    progress: Progress | None = None,
    source: str = "frames",
    first: int = 0,
) -> tuple[dict[Irrep, np.ndarray], np.ndarray]:
    r"""Structure features and forces of checked frames, V made and copied once for both.

    Derivatives by V and S come from the device, those of V and S by positions from the CPU's cores.

    Parameters
    ----------
    device : Device
    features, of_energy : SiteFeatures
        Of all targets, and of the energy.
    energy : Target
    parts : {irrep: LinearPart}
        Of the energy.
    frames, workers, progress, source, first
        As for `linvop.features.design.structure_rows`.

    Returns
    -------
    {irrep: (n, 2 lam + 1, p)}, (n_atoms in all, 3) eV/Angstrom
    """
    weights = energy.to_irreps(np.ones((1, *energy.shape)))
    gradient = {irrep: np.outer(w[0], parts[irrep].coefficients) for irrep, w in weights.items()}
    forces: list[np.ndarray] = [np.zeros((0, 3))] * len(frames)
    with one_thread_each(workers or available_cores()) as pool:

        def then(chosen: np.ndarray, some: Structures) -> None:
            by = adjoints(device, of_energy, some, gradient)
            found = pool.map(lambda one: -one.by_positions() / BOHR, by)
            for k, own in zip(chosen.tolist(), found, strict=True):
                forces[k] = own

        rows = structure_rows_on(
            device,
            features,
            frames,
            workers=workers,
            progress=progress,
            source=source,
            first=first,
            then=then,
        )
    return rows, np.concatenate(forces)
