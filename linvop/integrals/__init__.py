r"""Integrals over AOs through libcint: V, S, external charges and fields, and their gradients."""

from linvop.integrals.external import (
    overlap,
    point_charge_potential,
    potential,
    uniform_field,
)
from linvop.integrals.gradients import (
    overlap_gradient,
    point_charge_gradient,
    potential_gradient,
)
from linvop.integrals.motions import overlap_motion, potential_motion
from linvop.integrals.system import System, molecule

__all__ = [
    "System",
    "molecule",
    "overlap",
    "overlap_gradient",
    "overlap_motion",
    "point_charge_gradient",
    "point_charge_potential",
    "potential",
    "potential_gradient",
    "potential_motion",
    "uniform_field",
]
