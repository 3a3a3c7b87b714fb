r"""The density of states: levels, broadened.

.. math:: D(E) = g \sum_p \frac{1}{w \sqrt{2 \pi}} e^{-(E - \epsilon_p)^2 / 2 w^2}
          \quad \text{or} \quad
          D(E) = g \sum_p \frac{w / \pi}{(E - \epsilon_p)^2 + w^2} ,

with g = 2 where a level takes two electrons and 1 where each spin has its own levels: the integral
over all energies is the number of spin orbitals.
"""

from __future__ import annotations

import numpy as np

from linvop.errors import InputError

__all__ = ["density_of_states"]


def density_of_states(
    orbital_energies: np.ndarray,
    energies: np.ndarray,
    *,
    width: float = 0.2,
    shape: str = "gaussian",
) -> np.ndarray:
    r"""Density of states at given energies.

    Parameters
    ----------
    orbital_energies : (n_levels,) or (2, n_levels) float64, eV
        As `linvop.analyse` gives them; two rows are (alpha, beta).
    energies : (n_energies,) float64, eV
    width : float, eV
        Standard deviation of the Gaussians, or half width at half height of the Lorentzians.
    shape : {"gaussian", "lorentzian"}

    Returns
    -------
    (n_energies,) or (2, n_energies) float64, 1/eV

    Raises
    ------
    InputError
        For a width that is not positive, another shape, or numbers that are not finite.
    """
    levels = np.asarray(orbital_energies, dtype=float)
    grid = np.asarray(energies, dtype=float)
    if levels.ndim not in (1, 2) or (levels.ndim == 2 and len(levels) != 2):
        raise InputError(
            f"orbital_energies: expected shape (n_levels,) or (2, n_levels), got {levels.shape}"
        )
    if grid.ndim != 1:
        raise InputError(f"energies: expected shape (n_energies,), got {grid.shape}")
    if not (np.isfinite(levels).all() and np.isfinite(grid).all()):
        raise InputError("density of states: expected finite levels and energies")
    if not (np.isfinite(width) and width > 0):
        raise InputError(f"width: expected a positive number (eV), got {width!r}")
    x = (grid[:, None] - levels[..., None, :]) / width
    if shape == "gaussian":
        peaks = np.exp(-0.5 * x**2) / (width * np.sqrt(2 * np.pi))
    elif shape == "lorentzian":
        peaks = 1 / (np.pi * width * (1 + x**2))
    else:
        raise InputError(f"shape: expected gaussian or lorentzian, got {shape!r}")
    return (2 if levels.ndim == 1 else 1) * peaks.sum(axis=-1)
