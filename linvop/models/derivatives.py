r"""Derivatives of a property model's predictions by positions: forces, dipole derivatives.

.. math:: F_A = -\frac{dE}{dR_A}, \qquad E = \sum_i c^{(s_i)} \cdot B_i ,

by the adjoint (`linvop.features.adjoint`): one pass backwards for each component of a label, and
constants of species drop out. The components of a label are orthogonal combinations of those of its
irreps (`linvop.models.targets`), so that ``dT/dB`` is read off the label of a unit vector.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np

from linvop.basis.words import Irrep
from linvop.conventions import BOHR
from linvop.features.adjoint import structure_adjoint
from linvop.features.contractions import Contracted, SiteFeatures, contracted
from linvop.features.tangent import structure_tangent
from linvop.integrals import System
from linvop.models.linear_part import LinearPart
from linvop.models.targets import Target

if TYPE_CHECKING:
    from ase import Atoms

__all__ = ["position_derivatives", "position_deviations"]


def position_derivatives(
    features: SiteFeatures,
    structure: Atoms | Contracted,
    target: Target,
    parts: Mapping[Irrep, LinearPart],
) -> np.ndarray:
    r"""Derivatives of a target of one structure by the positions of its atoms.

    Parameters
    ----------
    features : SiteFeatures
        Compiled with ``target="structure"``.
    structure : ase.Atoms or Contracted
    target : Target
    parts : {irrep: LinearPart}
        Its coefficients.

    Returns
    -------
    (*target.shape, n_atoms, 3) float64
        In the target's unit per Angstrom.
    """
    if isinstance(structure, Contracted):
        one = structure
    else:
        system = System.from_atoms(structure, features.enumeration.ao)
        one = contracted(features.enumeration, system)  # made once for all components
    size = int(np.prod(target.shape, dtype=int))
    out = []
    for unit in np.eye(size):
        weights = target.to_irreps(unit.reshape(1, *target.shape))
        gradient = {
            irrep: np.outer(w[0], parts[irrep].coefficients) for irrep, w in weights.items()
        }
        out.append(structure_adjoint(features, one, gradient).by_positions() / BOHR)
    return np.reshape(out, (*target.shape, *out[0].shape))


def position_deviations(
    features: SiteFeatures, structure: Atoms | Contracted, part: LinearPart
) -> np.ndarray:
    r"""Standard deviations of the forces, (n_atoms, 3) eV/Angstrom.

    Of the scalar part of the energy, from its posterior: derivatives of the prediction are
    linear in the coefficients too, and their rows are dB/dR. If forces were fitted, of a label from
    its prediction; if not, of the exact derivative.
    """
    if not isinstance(structure, Contracted):
        structure = contracted(
            features.enumeration, System.from_atoms(structure, features.enumeration.ao)
        )
    rows = structure_tangent(features, structure)[0, 1] / BOHR
    variances = part.gradient_variances(rows.reshape(-1, rows.shape[-1]))
    return np.sqrt(np.maximum(variances, 0.0)).reshape(-1, 3)
