r"""What rounding makes of a feature, and hence which columns are nothing else.

Elements of V are right to some 1e-16 of ``D_mn = (V_mm V_nn)^1/2``, by which V, a sum of
attractions, is bounded; those of the matrices that the metric makes of it likewise, but for the
smallest eigenvalue of S, by which rounding is divided. Their products and sums then err by

.. math:: \delta A = \sum |C| \, (\delta V \, |V| \cdots |V| + |V| \, \delta V \cdots |V| + \cdots),
          \qquad \delta (A B) = \delta A \, |B| + |A| \, \delta B .

Features that symmetry makes zero in all structures of a fit (in a molecule with one oxygen the
potential of that oxygen about itself has no angle; a methane that breathes has no dipole) evaluate
to such noise, to which a fit, for which columns are scaled, can give any coefficient.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import combinations_with_replacement
from typing import TYPE_CHECKING, Any

import numpy as np

from linvop.basis.words import Irrep
from linvop.features.contractions import Contracted, SiteFeatures, contracted
from linvop.features.neighbourhoods import Neighbourhoods, is_large
from linvop.features.operators import OperatorFeatures
from linvop.integrals import System
from linvop.kernels import cpu
from linvop.kernels.plan import WordPlan
from linvop.kernels.product_plan import ProductPlan
from linvop.orbitals.operator_blocks import OperatorBlock

if TYPE_CHECKING:
    from ase import Atoms

__all__ = ["operator_rounding", "structure_rounding"]

_ROUNDING = 3e-15
"""Of D: some ten times what is seen at worst."""

_STEP, _STEP_OF_V = 1e-8, 1e-6
"""Differences by which first orders in delta are taken; all terms are positive."""

_OF_BOUND = 0.1
"""What V of structures taken apart errs by, of the bound that is stated; more than is seen."""

_STRUCTURES = 4
"""Looked at, evenly spread, besides those that show all species and pairs of them."""


class _Erring:
    """Kernels that evaluate ``|A| + step dA`` and products of such; dA per unit of rounding."""

    def __init__(self, step: float, one: Contracted | Neighbourhoods) -> None:
        self.step = step
        self.condition, self.expansion = 1.0, 0.0
        if isinstance(one, Contracted):
            self.condition /= float(one.multiplied.s.min(initial=1.0))
        else:  # what is taken apart has no metric, but errs by expansions
            self.expansion = _OF_BOUND * one.bound / _ROUNDING

    def site_rows(self, plan: WordPlan, *given: Any) -> np.ndarray:
        return self._words(cpu.site_rows, plan, given)

    def pair_rows(self, plan: WordPlan, *given: Any) -> np.ndarray:
        return self._words(cpu.pair_rows, plan, given)

    def product_rows(self, plan: ProductPlan, *given: Any) -> np.ndarray:
        positive = replace(plan, entry_value=np.abs(plan.entry_value))
        return cpu.product_rows(positive, *given)

    def _words(self, kernel: Any, plan: WordPlan, given: tuple) -> np.ndarray:
        matrices, rest = given[:3], given[3:]
        out = np.abs(kernel(plan, *given))
        if self.step == 0.0:
            return out
        positive = replace(plan, coupling_value=np.abs(plan.coupling_value))
        sizes = [np.abs(x) for x in matrices]
        step = _STEP_OF_V * self.condition
        erring = [
            x + step * (d + self.expansion * (x != 0.0))
            for x, d in zip(sizes, _bounds(*matrices), strict=True)
        ]
        change = kernel(positive, *erring, *rest) - kernel(positive, *sizes, *rest)
        return out + self.step / _STEP_OF_V * change


def _bounds(K: np.ndarray, E: np.ndarray, M: np.ndarray) -> tuple[np.ndarray, ...]:
    """D of the matrices of each source: of K = V, E = V X and M = X V X, or of three equal ones."""
    k, m = (np.sqrt(np.abs(np.diagonal(x, axis1=1, axis2=2))) for x in (K, M))
    return tuple(a[:, :, None] * b[:, None, :] for a, b in ((k, k), (k, m), (m, m)))


def structure_rounding(features: SiteFeatures, frames: Sequence[Atoms]) -> dict[Irrep, np.ndarray]:
    r"""Rounding of the columns of structures, ``{irrep: (p,)}``."""
    out = {irrep: np.zeros(features.n_columns(irrep)) for irrep in features.irreps}
    for one in _looked_at(features.enumeration, features.enumeration.ao, frames):
        erring, exact = (features.structure(one, _Erring(step, one)) for step in (_STEP, 0.0))
        for irrep, size in out.items():
            error = (erring[irrep] - exact[irrep]).max(axis=0)
            np.maximum(size, _ROUNDING / _STEP * error, out=size)
    return out


def operator_rounding(
    features: OperatorFeatures, frames: Sequence[Atoms]
) -> dict[OperatorBlock, np.ndarray]:
    r"""Rounding of the columns of blocks, ``{block: (p,)}``; none of blocks that none has."""
    out: dict[OperatorBlock, np.ndarray] = {}
    if not (features.sites or features.pairs):
        return out
    # Exchange takes differences of a pair's two orders: their errors add up.
    pairs = {
        key: replace(x, exchange=None if x.exchange is None else 1)
        for key, x in features.pairs.items()
    }
    positive = replace(features, pairs=pairs)
    enumeration = features.basis.enumeration(features.species)
    for k in _chosen(frames):  # pairs take whole matrices
        one = contracted(enumeration, System.from_atoms(frames[k], features.ao))
        erring, exact = (positive.evaluate(one, _Erring(step, one)) for step in (_STEP, 0.0))
        for block, (_, values) in erring.items():
            error = (values - exact[block].values).max(axis=(0, 1), initial=0.0)
            out[block] = np.maximum(out.get(block, 0.0), _ROUNDING / _STEP * error)
    return out


def _looked_at(
    enumeration: Any, ao: Any, frames: Sequence[Atoms]
) -> Iterator[Contracted | Neighbourhoods]:
    for k in _chosen(frames):
        system = System.from_atoms(frames[k], ao)
        if is_large(enumeration, system):
            yield Neighbourhoods.of(enumeration, system)
        else:
            yield contracted(enumeration, system)


def _chosen(frames: Sequence[Atoms]) -> list[int]:
    """A few structures, the largest, and one with each species and pair of atoms that occurs."""
    found = set(np.linspace(0, len(frames) - 1, _STRUCTURES).round().astype(int).tolist())
    found.add(int(np.argmax([len(a) for a in frames])))
    seen: set[tuple[int, ...]] = set()
    for k, atoms in enumerate(frames):
        numbers, counts = np.unique(atoms.numbers, return_counts=True)
        # How many atoms of a species there are says what of its potential symmetry leaves.
        kinds = {(z, min(n, 2)) for z, n in zip(numbers.tolist(), counts.tolist(), strict=True)}
        own = {(a, m, b, n) for (a, m), (b, n) in combinations_with_replacement(sorted(kinds), 2)}
        if not own <= seen:
            seen |= own
            found.add(k)
    return sorted(found)
