r"""Design rows of energies and forces: features, and their derivatives by positions.

.. math:: -F_A = c \cdot \frac{dB}{dR_A}
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from linvop.conventions import BOHR
from linvop.errors import InputError
from linvop.features.contractions import SiteFeatures
from linvop.features.design import Progress
from linvop.features.tangent import structure_tangent
from linvop.features.threads import available_cores, one_thread_each
from linvop.integrals import System

if TYPE_CHECKING:
    from ase import Atoms

__all__ = ["energy_and_force_rows"]


def energy_and_force_rows(
    features: SiteFeatures,
    frames: Sequence[Atoms],
    energy_rows: np.ndarray,
    *,
    workers: int | None = None,
    progress: Progress | None = None,
    source: str = "frames",
    first: int = 0,
) -> np.ndarray:
    r"""Rows of the energies, then those of dB/dR atom by atom.

    Parameters
    ----------
    features : SiteFeatures
        With the irrep (0, 1), and ``target="structure"``.
    frames : sequence of ase.Atoms
    energy_rows : (n, p) float64
    workers, progress, source, first
        As for `linvop.features.design.structure_rows`.

    Returns
    -------
    (n + 3 n_atoms in all, p) float64
        The latter per Angstrom.
    """
    n, p = energy_rows.shape
    stops = n + 3 * np.cumsum([len(a) for a in frames])
    out = np.empty((int(stops[-1]), p))
    out[:n] = energy_rows

    def fill(index: int) -> None:
        atoms = frames[index]
        try:
            system = System.from_atoms(atoms, features.enumeration.ao)
            found = structure_tangent(features, system)[0, 1]
        except InputError as error:
            raise InputError(f"{source}, frame {first + index}: {error}") from error
        stop = stops[index]
        out[stop - 3 * len(atoms) : stop] = found.reshape(3 * len(atoms), p)

    with one_thread_each(workers or available_cores()) as pool:
        for done, _ in enumerate(pool.map(fill, range(n)), start=1):
            if progress is not None:
                progress(done, n)
    out[n:] /= BOHR
    return out
