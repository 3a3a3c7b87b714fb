r"""Geometries to label: water monomers drawn from a fixed distribution.

The two O-H lengths and the angle are independent Gaussians, cut off at both sides; the
molecule is then turned at random (uniformly over the rotations), O at the origin:

    r_1, r_2 ~ N(0.97, 0.10) Angstrom in [0.75, 1.30]
    angle    ~ N(104.2, 13) degrees   in [75, 140]

0.975 Angstrom and 102.0 degrees is the PBE/def2-SVP minimum, 0.958 and 104.5 the measured one.
The widths are those of no temperature: they are wide enough to ask a model for bonds that are
far from harmonic, up to about 3 eV above the minimum.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from linvop.errors import InputError
from linvop.sampling.rotations import random_rotation

if TYPE_CHECKING:
    from ase import Atoms

__all__ = ["sample_water"]

_LENGTH = (0.97, 0.10, 0.75, 1.30)
_ANGLE = (104.2, 13.0, 75.0, 140.0)


def sample_water(n: int, seed: int = 2026) -> list[Atoms]:
    r"""Return `n` water monomers, atoms in the order O, H, H.

    The same `seed` gives the same molecules, and a larger `n` only appends to them.

    Raises
    ------
    InputError
        If `n` is not positive.

    Examples
    --------
    >>> [a.get_chemical_formula() for a in sample_water(2)]
    ['H2O', 'H2O']
    """
    from ase import Atoms

    if n < 1:
        raise InputError(f"n: expected at least 1 structure, got {n}")
    rng = np.random.default_rng(seed)
    frames = []
    for _ in range(n):
        r1, r2 = _truncated(rng, *_LENGTH), _truncated(rng, *_LENGTH)
        angle = np.radians(_truncated(rng, *_ANGLE))
        flat = np.array([[0, 0, 0], [r1, 0, 0], [r2 * np.cos(angle), r2 * np.sin(angle), 0]])
        frames.append(Atoms("OH2", positions=flat @ random_rotation(rng).T))
    return frames


def _truncated(
    rng: np.random.Generator, mean: float, sd: float, lowest: float, highest: float
) -> float:
    """A Gaussian number, drawn again until it is within its limits."""
    while True:
        x = rng.normal(mean, sd)
        if lowest <= x <= highest:
            return float(x)
