r"""How large the numbers are that a feature is the sum of, and hence its rounding.

With absolute values in place of all numbers,

.. math:: |B| \le \sum |C| \, |V| \cdots |V| ,

and rounding makes some 1e-16 of the right side. What is smaller than that is zero: features that
symmetry makes zero (in a molecule with one oxygen the potential of that oxygen about itself has no
angle) evaluate to noise, to which a fit, for which columns are scaled, can give any coefficient.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from linvop.basis.words import Irrep
from linvop.features.contractions import Contracted, ProductPlans, SiteFeatures, contracted
from linvop.features.operators import OperatorFeatures
from linvop.features.pairs import PairFeatures
from linvop.integrals import System
from linvop.kernels.plan import WordPlan
from linvop.kernels.product_plan import ProductPlan
from linvop.orbitals.operator_blocks import OperatorBlock

if TYPE_CHECKING:
    from ase import Atoms

__all__ = ["operator_rounding", "structure_rounding"]

_ROUNDING = 1e-14
"""Of the sum of absolute values: some hundred times what is seen, and a column above it has two
digits left."""

_STRUCTURES = 6
"""Looked at, evenly spread."""


@dataclass(frozen=True)
class _Absolute(Contracted):
    """A structure whose matrices are those of absolute values."""

    @property
    def matrices(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        K, E, M = (np.abs(x) for x in self.multiplied.matrices)
        return K, E, M


def structure_rounding(features: SiteFeatures, frames: Sequence[Atoms]) -> dict[Irrep, np.ndarray]:
    r"""Rounding of the columns of structures, ``{irrep: (p,)}``; 0 of species not looked at."""
    absolute = _sites(features)
    found = [absolute.structure(one) for one in _spread(features, frames)]
    return {
        irrep: _ROUNDING * np.max([x[irrep].max(axis=0) for x in found], axis=0)
        for irrep in features.irreps
    }


def operator_rounding(
    features: OperatorFeatures, frames: Sequence[Atoms]
) -> dict[OperatorBlock, np.ndarray]:
    r"""Rounding of the columns of blocks, ``{block: (p,)}``; none of blocks not looked at."""
    absolute = replace(
        features,
        sites={s: _sites(x) for s, x in features.sites.items()},
        pairs={key: _pairs(x) for key, x in features.pairs.items()},
    )
    out: dict[OperatorBlock, np.ndarray] = {}
    some = features.sites or features.pairs
    if not some:
        return out
    enumeration = features.basis.enumeration(features.species)
    for atoms in _chosen(frames):
        one = contracted(enumeration, System.from_atoms(atoms, features.ao))
        for block, (_, values) in absolute.evaluate(_Absolute(**vars(one))).items():
            size = _ROUNDING * values.max(axis=(0, 1), initial=0.0)
            out[block] = np.maximum(out.get(block, 0.0), size)
    return out


def _chosen(frames: Sequence[Atoms]) -> list[Atoms]:
    places = np.unique(np.linspace(0, len(frames) - 1, _STRUCTURES).round().astype(int))
    return [frames[k] for k in places]


def _spread(features: SiteFeatures, frames: Sequence[Atoms]) -> list[_Absolute]:
    """Some structures with absolute values."""
    ao, enumeration = features.enumeration.ao, features.enumeration
    ones = (contracted(enumeration, System.from_atoms(a, ao)) for a in _chosen(frames))
    return [_Absolute(**vars(one)) for one in ones]


def _words(plan: WordPlan) -> WordPlan:
    return replace(plan, coupling_value=np.abs(plan.coupling_value))


def _products(plan: ProductPlan) -> ProductPlan:
    return replace(plan, entry_value=np.abs(plan.entry_value))


def _sites(features: SiteFeatures) -> SiteFeatures:
    return replace(
        features,
        plans={s: _words(plan) for s, plan in features.plans.items()},
        product_plans={
            s: ProductPlans(_words(x.factors), _products(x.products))
            for s, x in features.product_plans.items()
        },
    )


def _pairs(features: PairFeatures) -> PairFeatures:
    return replace(
        features,
        exchange=None if features.exchange is None else 1,  # f_ij - f_ji as a sum
        sites=None if features.sites is None else _sites(features.sites),
        plans={
            key: replace(plan, words=_words(plan.words), products=_products(plan.products))
            for key, plan in features.plans.items()
        },
    )
