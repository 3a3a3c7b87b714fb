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
from linvop.integrals.system import System, molecule

__all__ = [
    "System",
    "molecule",
    "overlap",
    "overlap_gradient",
    "point_charge_gradient",
    "point_charge_potential",
    "potential",
    "potential_gradient",
    "uniform_field",
]
