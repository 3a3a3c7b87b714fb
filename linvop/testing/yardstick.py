r"""How errors of features are measured.

The rounding of a feature grows with the blocks of W that it is made from, so errors are
relative to the largest feature of the same species, lam, kappa and screening (for products, of
each factor). Both sigma
share it, because pseudotensors can vanish as a whole; and it is at least a thousandth of the
largest of any lam, because in a symmetric molecule other irreps vanish too.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from linvop.basis.labels import Label
from linvop.features.basis import Basis

__all__ = ["FLOOR", "Features", "Key", "column_labels", "compare", "yardsticks"]

Key = tuple[str, int, int]
Features = Mapping[Key, np.ndarray]

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
    groups: dict[Key, list[tuple]] = {}
    largest: dict[tuple, float] = {}
    for key, labels in column_labels(basis, species, target).items():
        groups[key] = [(key[0], _kind(x)) for x in labels]
        x = values[key]
        sizes = np.abs(x).max(axis=tuple(range(x.ndim - 1)), initial=0)
        for group, size in zip(groups[key], sizes, strict=True):
            for name in ((group, key[1]), (group, None)):
                largest[name] = max(largest.get(name, 0.0), float(size))
    return {
        key: np.array([max(largest[g, key[1]], FLOOR * largest[g, None]) for g in names])
        for key, names in groups.items()
    }


def _kind(label: Label) -> tuple:
    """What a column shares its yardstick with: powers of V and screening, factor by factor."""
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
    scales = yardsticks(basis, species, wanted, target)
    labels = column_labels(basis, species, target)
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
