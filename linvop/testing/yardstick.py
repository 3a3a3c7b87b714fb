r"""How errors of features are measured.

The rounding of a feature grows with the blocks of W that it is made from, so errors are
relative to the largest feature of the same species, lam, kappa and screening (for products, of
each factor). Both sigma
share it, because pseudotensors can vanish as a whole; and it is at least a thousandth of the
largest of any lam, because in a symmetric molecule other irreps vanish too.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TypeVar

import numpy as np

from linvop.basis.labels import Label, PairLabel
from linvop.features.basis import Basis

__all__ = [
    "FLOOR",
    "Features",
    "Key",
    "column_labels",
    "compare",
    "compare_columns",
    "scales_of",
    "yardsticks",
]

Key = tuple[str, int, int]
Features = Mapping[Key, np.ndarray]
AnyKey = TypeVar("AnyKey", bound=tuple)
"""(species, lam, sigma), or with two species for pairs."""

FLOOR = 1e-3
"""Least yardstick of one lam, in units of the largest of all lam."""


def column_labels(basis: Basis, species: tuple[str, ...], target: str) -> dict[Key, list[Label]]:
    """Labels of the columns of every species and irrep."""
    enumeration, products = basis.enumeration(species), basis.products(species)
    return {
        (s, *irrep): [
            *enumeration.labels(s, irrep, target),
            *(products.labels(s, irrep) if products else ()),
        ]
        for s in species
        for irrep in basis.irreps(species)
    }


def yardsticks(
    basis: Basis, species: tuple[str, ...], values: Features, target: str = "site"
) -> dict[Key, np.ndarray]:
    """The yardstick of each column; the last axis of the values is columns."""
    return scales_of(column_labels(basis, species, target), values)


def scales_of(
    labels: Mapping[AnyKey, Sequence[Label | PairLabel]], values: Mapping[AnyKey, np.ndarray]
) -> dict[AnyKey, np.ndarray]:
    """The yardstick of each column, given its label."""
    groups: dict[AnyKey, list[tuple]] = {}
    largest: dict[tuple, float] = {}
    for key, names in labels.items():
        groups[key] = [(*key[:-2], _kind(x)) for x in names]
        x = values[key]
        sizes = np.abs(x).max(axis=tuple(range(x.ndim - 1)), initial=0)
        for group, size in zip(groups[key], sizes, strict=True):
            for name in ((group, key[-2]), (group, None)):
                largest[name] = max(largest.get(name, 0.0), float(size))
    return {
        key: np.array([max(largest[g, key[-2]], FLOOR * largest[g, None]) for g in kinds])
        for key, kinds in groups.items()
    }


def _kind(label: Label | PairLabel) -> tuple:
    """What a column shares its yardstick with: powers of V and screening, factor by factor."""
    if isinstance(label, PairLabel):
        sites = sorted(_kind(x) for x in label.sites)
        return label.pair.kappa, label.pair.screening or 0.0, *sites
    return tuple(sorted((x.kappa, x.screening or 0.0) for x in label.parts))


def compare(
    basis: Basis,
    species: tuple[str, ...],
    found: Features,
    wanted: Features,
    case: str,
    tolerance: float,
    target: str = "site",
) -> None:
    """Raise unless all columns agree within ``tolerance`` of their yardsticks."""
    labels = column_labels(basis, species, target)
    compare_columns(basis, labels, found, wanted, case, tolerance)


def compare_columns(
    basis: Basis,
    labels: Mapping[AnyKey, Sequence[Label | PairLabel]],
    found: Mapping[AnyKey, np.ndarray],
    wanted: Mapping[AnyKey, np.ndarray],
    case: str,
    tolerance: float,
) -> None:
    """Raise unless columns of these labels agree within ``tolerance`` of their yardsticks."""
    scales = scales_of(labels, wanted)
    worst, name = 0.0, ""
    for key, x in wanted.items():
        if not x.size:
            continue
        error = np.abs(found[key] - x).max(axis=(0, 1))
        error /= np.where(scales[key] > 0, scales[key], 1)
        error[np.isnan(error)] = np.inf
        c = int(error.argmax())
        if error[c] > worst:
            worst, name = float(error[c]), str(labels[key][c])
    if not worst <= tolerance:
        raise AssertionError(
            f"{case}: largest error {worst:.1e} of the yardstick at {name}, "
            f"expected {tolerance:.0e}; {basis!r}"
        )
