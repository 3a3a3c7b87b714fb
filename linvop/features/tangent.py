r"""Derivatives of the features of a structure by the positions of its atoms: rows for forces.

.. math:: \frac{dB}{dR_A} = \frac{\partial B}{\partial V} : \frac{dV}{dR_A}
          + \frac{\partial B}{\partial S} : \frac{dS}{dR_A}

by the product rule forwards (`linvop.kernels.reference_tangent`), some atoms at a time: a
structure costs some 3 n_atoms times its features. For a number made of features, and not all of
them one by one, the adjoint (`linvop.features.adjoint`) costs twice them, whatever n_atoms.
"""

from __future__ import annotations

from typing import Protocol

import numpy as np

from linvop.basis.words import Irrep
from linvop.features.contractions import Contracted, SiteFeatures, contracted
from linvop.features.threads import one_blas_thread
from linvop.integrals import System, overlap_motion, potential_motion
from linvop.kernels import cpu, cpu_tangent

__all__ = ["TangentKernels", "structure_tangent"]

_BYTES = 2**28
"""Memory of what the atoms of one pass need."""


class TangentKernels(Protocol):
    r"""`linvop.kernels.cpu_tangent`, or its definition `linvop.kernels.reference_tangent`."""

    def site_rows_tangent(self, *arguments) -> np.ndarray:
        """Derivatives of words along directions."""

    def product_rows_tangent(self, *arguments) -> np.ndarray:
        """Derivatives of products of them."""


def structure_tangent(
    features: SiteFeatures,
    system: System | Contracted,
    kernels: TangentKernels = cpu_tangent,
) -> dict[Irrep, np.ndarray]:
    r"""dB/dR of the features of a structure.

    Returns
    -------
    {irrep: (n_atoms, 3, 2 lam + 1, p) float64}
        Per Bohr; columns as in `SiteFeatures.structure`.
    """
    with one_blas_thread():
        one = contracted(features.enumeration, system)
        n_atoms = one.system.layout.n_atoms
        out = {
            irrep: np.empty((n_atoms, 3, 2 * irrep[0] + 1, features.n_columns(irrep)))
            for irrep in features.irreps
        }
        step = _atoms_at_a_time(features, one)
        for first in range(0, n_atoms, step):
            atoms = range(first, min(n_atoms, first + step))
            found = _of_atoms(features, one, atoms, kernels)
            for irrep, values in found.items():
                out[irrep][first : atoms.stop] = values.reshape(len(atoms), 3, *values.shape[1:])
    return out


def _atoms_at_a_time(features: SiteFeatures, one: Contracted) -> int:
    """As many as the directions of matrices and groups of have room for."""
    n_ao = one.matrices[0].shape[-1]
    plans = [*features.plans.values(), *(p.factors for p in features.product_plans.values())]
    n_groups = max((len(plan.group_parent) for plan in plans), default=0)
    rows = max(starts[-1] - starts[0] for starts in one.shell_start.values())
    numbers = 6 * len(one.matrices[0]) * n_ao**2 + 2 * n_groups * int(rows) * n_ao
    return max(1, int(_BYTES / (24 * max(numbers, 1))))


def _of_atoms(
    features: SiteFeatures, one: Contracted, atoms: range, kernels: TangentKernels
) -> dict[Irrep, np.ndarray]:
    """``{irrep: (n_directions, 2 lam + 1, p)}`` along x, y and z of some atoms."""
    directions = one.multiplied.tangent(*_motions(features, one, atoms))
    by_species: list[dict[Irrep, np.ndarray]] = []
    for s, sites in zip(features.species, one.order.sites, strict=True):
        if s not in features.plans:
            continue
        starts = one.channel_start, one.shell_start[s]
        own, summed = np.arange(len(sites)), np.zeros(len(sites), np.int64)
        plan = features.plans[s]

        def words(plan, row_of_site, n_rows, starts=starts):
            return kernels.site_rows_tangent(
                plan, one.matrices, directions, *starts, row_of_site, n_rows
            )

        rows = plan.split(words(plan, summed, 1)[:, 0])
        if s in features.product_plans:
            plans = features.product_plans[s]
            A = cpu.site_rows(plans.factors, *one.matrices, *starts, own, len(sites))
            along = words(plans.factors, own, len(sites))
            B = kernels.product_rows_tangent(plans.products, A, along, summed, 1)
            for irrep, values in plans.products.split(B[:, 0]).items():
                rows[irrep] = np.concatenate([rows[irrep], values], axis=2)
        by_species.append(rows)
    return {
        irrep: np.concatenate([rows[irrep] for rows in by_species], axis=2)
        for irrep in features.irreps
    }


def _motions(
    features: SiteFeatures, one: Contracted, atoms: range
) -> tuple[np.ndarray, np.ndarray | None]:
    """dV, (n_directions, n_sources, n_ao, n_ao), and dS, in channel order."""
    enumeration = features.enumeration
    sources = enumeration.species if enumeration.sources == "species" else None
    q = one.order.order
    parts = [
        potential_motion(one.system, atoms, screening=zeta, sources=sources)
        for zeta in enumeration.screenings
    ]
    along = np.concatenate(parts, axis=2)
    cut, bare = one.multiplied.reach, one.multiplied.bare
    if cut is not None and bare is not None:
        back = np.argsort(q)
        V = bare[:, back[:, None], back]
        along = along * cut.of_aos + np.stack([cut.motion(atom, V) for atom in atoms])
    along = along[..., q[:, None], q]
    along = along.reshape(-1, *along.shape[2:])
    if enumeration.metric == "ao":
        return along, None
    by_overlap = overlap_motion(one.system, atoms)[..., q[:, None], q]
    return along, by_overlap.reshape(-1, *by_overlap.shape[2:])
