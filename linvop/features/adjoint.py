r"""From derivatives by features to derivatives by V, S, positions and external charges.

For a number E that depends on the features B of one structure, the chain rule runs backwards
through products, words and metric (`linvop.kernels.reference_adjoint`, `linvop.features.metric`),

.. math:: \frac{dE}{dB} \to \frac{dE}{d(K, E, M)} \to G_V = \frac{dE}{dV},\;
          G_S = \frac{dE}{dS}, \qquad
          \frac{dE}{dR_A} = \operatorname{tr} G_V \frac{dV}{dR_A}
          + \operatorname{tr} G_S \frac{dS}{dR_A} ,

at about twice the cost of the features, whatever the number of atoms: neither dB/dR nor dV/dR is
formed.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from linvop.basis.enumeration import SiteEnumeration
from linvop.basis.words import Irrep
from linvop.errors import InputError
from linvop.features.contractions import Contracted, SiteFeatures, contracted
from linvop.features.threads import one_blas_thread
from linvop.integrals import System, overlap_gradient, point_charge_gradient, potential_gradient
from linvop.kernels import cpu, cpu_adjoint

__all__ = [
    "AdjointKernels",
    "MatrixGradient",
    "matrix_gradient",
    "site_adjoint",
    "structure_adjoint",
]


class AdjointKernels(Protocol):
    r"""`linvop.kernels.cpu_adjoint`, or its definition `linvop.kernels.reference_adjoint`."""

    def site_rows_adjoint(self, *arguments) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Derivatives by K, E and M."""

    def product_rows_adjoint(self, *arguments) -> np.ndarray:
        """Derivatives by the factors of products."""


@dataclass(frozen=True)
class MatrixGradient:
    r"""Derivatives of a number by the matrices of a structure, symmetric, in PySCF's order.

    Attributes
    ----------
    system : System
    screenings : tuple of (float or None)
    sources : tuple of str or None
        Species of nuclei, if V of each was told apart.
    by_potential : (n_screenings, n_sources, n_ao, n_ao) float64
        ``dE = sum tr(G dV)``; one source if they were not told apart.
    by_overlap : (n_ao, n_ao) float64, or None of metric "ao"
    by_reach : (n_atoms, 3) float64, or None where V is not cut
        What the cut of V adds to the derivatives by positions.
    """

    system: System
    screenings: tuple[float | None, ...]
    sources: tuple[str, ...] | None
    by_potential: np.ndarray
    by_overlap: np.ndarray | None
    by_reach: np.ndarray | None = None

    def by_positions(self) -> np.ndarray:
        """dE/dR, (n_atoms, 3) in units of E per Bohr; forces are its negative."""
        out = np.zeros((self.system.layout.n_atoms, 3))
        for screening, G in zip(self.screenings, self.by_potential, strict=True):
            one = G[0] if self.sources is None else G
            out += potential_gradient(self.system, one, screening=screening, sources=self.sources)
        if self.by_overlap is not None:
            out += overlap_gradient(self.system, self.by_overlap)
        if self.by_reach is not None:
            out += self.by_reach
        return out

    def by_point_charges(
        self, charges: np.ndarray, positions: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray]:
        r"""What point charges that act on V add: dE/dR of atoms and dE/dR of the charges.

        Raises
        ------
        InputError
            If V of each species of nuclei was told apart: charges are none of them.
        """
        if self.sources is not None:
            raise InputError("point charges: expected sources='total', got one V for each species")
        on_atoms = np.zeros((self.system.layout.n_atoms, 3))
        on_charges = np.zeros((len(charges), 3))
        for screening, G in zip(self.screenings, self.by_potential, strict=True):
            found = point_charge_gradient(
                self.system, G[0], charges, positions, screening=screening
            )
            on_atoms += found[0]
            on_charges += found[1]
        return on_atoms, on_charges


def structure_adjoint(
    features: SiteFeatures,
    system: System | Contracted,
    gradient: Mapping[Irrep, np.ndarray],
    kernels: AdjointKernels = cpu_adjoint,
) -> MatrixGradient:
    r"""From ``{irrep: (2 lam + 1, p)}``, derivatives by the features of the structure.

    Parameters
    ----------
    features : SiteFeatures
    system : System or Contracted
    gradient : {irrep: (2 lam + 1, p)}
        As `SiteFeatures.structure` lays its features out; irreps that are missing count zero.
    kernels : AdjointKernels
    """
    parts: dict[tuple[str, int, int], np.ndarray] = {}
    for k, irrep in enumerate(features.irreps):
        if irrep not in gradient:
            continue
        given, width = np.asarray(gradient[irrep]), 2 * irrep[0] + 1
        if given.shape != (width, features.n_columns(irrep)):
            raise InputError(
                f"gradient of lam={irrep[0]} sigma={irrep[1]}: expected shape "
                f"{(width, features.n_columns(irrep))}, got {given.shape}"
            )
        start = 0
        for s in features.species:
            n = features.plans[s].n_columns[k]
            if s in features.product_plans:
                n += features.product_plans[s].products.n_columns[k]
            parts[(s, *irrep)] = given[None, :, start : start + n]
            start += n
    return _adjoint(features, system, parts, True, kernels)


def site_adjoint(
    features: SiteFeatures,
    system: System | Contracted,
    gradient: Mapping[tuple[str, int, int], np.ndarray],
    kernels: AdjointKernels = cpu_adjoint,
) -> MatrixGradient:
    r"""From ``{(species, lam, sigma): (n_sites, 2 lam + 1, p)}``, derivatives by site features."""
    return _adjoint(features, system, gradient, False, kernels)


def _adjoint(
    features: SiteFeatures,
    system: System | Contracted,
    gradient: Mapping[tuple[str, int, int], np.ndarray],
    summed: bool,
    kernels: AdjointKernels,
) -> MatrixGradient:
    with one_blas_thread():
        one = contracted(features.enumeration, system)
        by = [np.zeros_like(M) for M in one.matrices]
        for s, sites in zip(features.species, one.order.sites, strict=True):
            if s not in features.plans or not len(sites):
                continue
            own = {(lam, sigma): g for (t, lam, sigma), g in gradient.items() if t == s}
            found = _of_species(features, one, s, own, len(sites), summed, kernels)
            for total, part in zip(by, found, strict=True):
                total += part
        return matrix_gradient(features.enumeration, one, by)


def matrix_gradient(
    enumeration: SiteEnumeration, one: Contracted, by: Sequence[np.ndarray]
) -> MatrixGradient:
    r"""From derivatives by K, E and M, three of (n_sources, n_ao, n_ao), those by V and S."""
    by_V, by_S = one.multiplied.adjoint(*by)
    q = np.argsort(one.order.order)
    sources = enumeration.species if enumeration.sources == "species" else None
    by_V = by_V[:, q[:, None], q]
    cut, by_reach = one.multiplied.reach, None
    if cut is not None and one.multiplied.bare is not None:
        by_reach = cut.by_positions(by_V, one.multiplied.bare[:, q[:, None], q])
        by_V = by_V * cut.of_aos  # derivatives by V before it was cut
    return MatrixGradient(
        one.system,
        enumeration.screenings,
        sources,
        by_V.reshape(len(enumeration.screenings), -1, *by_V.shape[1:]),
        None if by_S is None else by_S[q[:, None], q],
        by_reach,
    )


def _of_species(
    features: SiteFeatures,
    one: Contracted,
    species: str,
    gradient: Mapping[Irrep, np.ndarray],
    n_sites: int,
    summed: bool,
    kernels: AdjointKernels,
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Derivatives by K, E and M through the features of one centre species."""
    given = (*one.matrices, one.channel_start, one.shell_start[species])
    own = np.arange(n_sites)
    row_of_site = np.zeros(n_sites, np.int64) if summed else own
    n_rows = 1 if summed else n_sites
    plan = features.plans[species]
    n_words = dict(zip(plan.irreps, plan.n_columns, strict=True))
    of_words = {irrep: g[..., : n_words[irrep]] for irrep, g in gradient.items()}
    G = plan.joined(of_words, n_rows)
    by = kernels.site_rows_adjoint(plan, *given, row_of_site, G)
    if species not in features.product_plans:
        return by
    plans = features.product_plans[species]
    of_products = {irrep: g[..., n_words[irrep] :] for irrep, g in gradient.items()}
    G = plans.products.joined(of_products, n_rows)
    A = cpu.site_rows(plans.factors, *given, own, n_sites)
    by_A = kernels.product_rows_adjoint(plans.products, A, row_of_site, G)
    through = kernels.site_rows_adjoint(plans.factors, *given, own, by_A)
    return by[0] + through[0], by[1] + through[1], by[2] + through[2]
