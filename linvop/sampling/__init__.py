r"""Geometries made here, for labels and measurements of those who have no data of their own."""

from linvop.sampling.chains import acene, alkane, polyene
from linvop.sampling.clusters import water_cluster
from linvop.sampling.dimers import DISTANCES, dissociation_curves
from linvop.sampling.methane import degenerate_methanes
from linvop.sampling.normal_modes import NormalModes, normal_modes
from linvop.sampling.rotations import random_rotation
from linvop.sampling.water import sample_water

__all__ = [
    "DISTANCES",
    "NormalModes",
    "acene",
    "alkane",
    "degenerate_methanes",
    "dissociation_curves",
    "normal_modes",
    "polyene",
    "random_rotation",
    "sample_water",
    "water_cluster",
]
