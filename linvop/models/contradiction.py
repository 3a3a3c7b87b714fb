r"""Whether energies and forces belong together: what forces alone say of the energies.

Forces determine energies up to constants of species, and no energy is needed to fit them. So
where a joint fit learns the energies badly, the forces of some structures are fitted alone,

    c_F = argmin_c sum_A |F_A + c.dB/dR_A|^2 + alpha |Gamma c|^2,

and the energies E, without their constants, are compared with ``B c_F`` without its own: the
slope of least squares is 1 if they belong together, -1 if gradients were given for forces, 1/27.2
of energies in Hartree beside forces in eV/Angstrom.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from linvop.errors import InputError
from linvop.models.feature_rows import FeatureRows
from linvop.regression.ridge import Ridge

__all__ = ["Sample", "contradiction", "sampled", "without_constants"]

_STRUCTURES = 30
"""Whose rows are kept for the question: a few per cent of those of a fit of a thousand."""

_LEAST = 5
_ENOUGH = 15
_UNRELATED = 0.5
_LEARNED = 0.3
_CORRELATED = 0.9
_SLOPES = 0.7, 1.4
"""Taken for 1: eV/Bohr beside eV/Angstrom makes 0.53 or 1.89."""


@dataclass(frozen=True)
class Sample:
    r"""Rows of a few structures.

    Attributes
    ----------
    energy_rows, energies : (n, p), (n,) float64
    force_rows, gradients : (3 N, p), (3 N,) float64
        dB/dR and minus the forces.
    structures : (3 N,) int
    counts : (n, n_species) float64
    """

    energy_rows: np.ndarray
    energies: np.ndarray
    force_rows: np.ndarray
    gradients: np.ndarray
    structures: np.ndarray
    counts: np.ndarray


def sampled(
    rows: np.ndarray | FeatureRows, y: np.ndarray, sizes: np.ndarray, counts: np.ndarray
) -> Sample:
    r"""Copies of the rows of evenly spread structures.

    Parameters
    ----------
    rows, y : (n + 3 N, p), (n + 3 N,) float64, rows as `FeatureRows` too
        Of energies, then of gradients, structure by structure.
    sizes : (n,) int
        Rows of gradients of each structure.
    counts : (n, n_species) float64
    """
    n = len(sizes)
    chosen = np.unique(np.linspace(0, n - 1, _STRUCTURES).round().astype(int))
    owner = np.repeat(np.arange(n), sizes)
    places = n + np.flatnonzero(np.isin(owner, chosen))
    if isinstance(rows, FeatureRows):
        made = rows.of(chosen)[1]
        first, second = made[: len(chosen)], made[len(chosen) :]
    else:
        first, second = rows[chosen], rows[places]
    return Sample(first, y[chosen], second, y[places], owner[places - n], counts[chosen])


def without_constants(y: np.ndarray, counts: np.ndarray) -> np.ndarray:
    """What constants of species leave of numbers of structures."""
    return y - counts @ np.linalg.lstsq(counts, y, rcond=None)[0]


def contradiction(
    sample: Sample, penalty: np.ndarray, rounding: np.ndarray | None = None
) -> str | None:
    """What to say of energies that are not what the forces make them; None of others."""
    if len(sample.energies) < _LEAST:
        return None
    try:
        forces = Ridge().fit(
            sample.force_rows,
            sample.gradients,
            penalty=penalty,
            groups=sample.structures,
            rounding=rounding,
            warn=False,
        )
    except InputError:  # forces that no column explains
        return None
    x = without_constants(sample.energy_rows @ forces.coef_, sample.counts)
    y = without_constants(sample.energies, sample.counts)
    xx, yy, xy = float(x @ x), float(y @ y), float(x @ y)
    if not (xx > 0.0 and yy > 0.0):
        return None
    slope, r = xy / xx, xy / np.sqrt(xx * yy)
    # Between compositions energies differ by more than forces say; of one they must follow.
    one = len(np.unique(sample.counts, axis=0)) == 1
    learned = forces.loo_rmse_ < _LEARNED * np.sqrt(np.mean(sample.gradients**2))
    if one and learned and len(y) >= _ENOUGH and abs(r) < _UNRELATED:
        return (
            f"energies have a correlation of only {r:.2f} with what the forces make them: are the "
            "atoms of positions and forces in one order, and both of one structure?"
        )
    if abs(r) < _CORRELATED or _SLOPES[0] < slope < _SLOPES[1]:
        return None
    return (
        f"energies are {slope:.3g} times what the forces make them (correlation {r:.3f}): were "
        "gradients given as forces, or is one of the two in another unit?"
    )
