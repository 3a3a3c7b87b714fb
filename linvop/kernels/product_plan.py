r"""Products of site features as flat arrays: A -> AA -> B.

For the site's features A (one row of `linvop.kernels.plan.WordPlan`), each product reads nu
irreps of A, forms the monomials AA that its table needs, and adds the table's entries:

.. math:: B_{t\mu} = \sum_a T_{t\mu,a} \prod_{s=1}^{\nu} A_{o_s + m_{a,s} d_s}

with o_s, d_s offset and stride of factor s. Products of equal shape share a table.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from linvop.angular.product_tables import ProductTable, product_table
from linvop.basis.products import ProductEnumeration
from linvop.basis.words import Irrep
from linvop.kernels.plan_parts import Rows, offsets, table

__all__ = ["Place", "ProductPlan", "Shape", "laid_out", "product_plan"]

Place = tuple[int, int]
"""Offset and stride of the components of a factor in a row of A."""

Shape = tuple[Any, ...]
"""What fixes a table: (powers, lam), or more where not all trees are taken."""

_NO_INDEX = np.zeros(0, np.int64)


@dataclass(frozen=True)
class ProductPlan(Rows):
    r"""Products of site features of one centre species, for some irreps, as arrays.

    Attributes
    ----------
    product_shape : (n_products,)
    product_first : (n_products + 1,)
        Slots of product p are ``product_first[p] : product_first[p + 1]``.
    slot_offset, slot_stride : (n_slots,)
        Component m of a factor is element ``offset + (m + l) stride`` of a row of A.
    product_offset, product_stride : (n_products,)
        Component mu of function t is element ``offset + t + mu stride`` of a row of B.
    shape_monomials : (n_shapes + 1,)
        Monomials of each shape.
    position : (n_monomials, nu_max)
        Position m + l in each slot; 0 beyond the shape's own slots.
    shape_rows : (n_shapes + 1,)
        Rows (function, mu) of each shape.
    shape_width : (n_shapes,)
        2 lam + 1.
    row_entries : (n_rows + 1,)
    entry_monomial : (n_entries,)
        Counted from the shape's first.
    entry_value : (n_entries,)
    """

    product_shape: np.ndarray
    product_first: np.ndarray
    slot_offset: np.ndarray
    slot_stride: np.ndarray
    product_offset: np.ndarray
    product_stride: np.ndarray
    shape_monomials: np.ndarray
    position: np.ndarray
    shape_rows: np.ndarray
    shape_width: np.ndarray
    row_entries: np.ndarray
    entry_monomial: np.ndarray
    entry_value: np.ndarray

    @property
    def arrays(self) -> tuple[np.ndarray, ...]:
        """What the compiled kernels read, in their order."""
        return (
            self.product_shape,
            self.product_first,
            self.slot_offset,
            self.slot_stride,
            self.product_offset,
            self.product_stride,
            self.shape_monomials,
            self.position,
            self.shape_rows,
            self.shape_width,
            self.row_entries,
            self.entry_monomial,
            self.entry_value,
        )


def product_plan(
    enumeration: ProductEnumeration, species: str, irreps: tuple[Irrep, ...]
) -> ProductPlan:
    r"""Lay out the products of one centre species.

    The row of A is that of ``site_plan(enumeration.factor_enumeration, species,
    enumeration.factor_irreps(species), "site")``.
    """
    places = _places(enumeration, species)
    products = [
        [
            ((product.powers, irrep[0]), [places[k] for k in product.factors])
            for product in enumeration.products(species, irrep)
        ]
        for irrep in irreps
    ]
    return laid_out(irreps, products, lambda shape: product_table(*shape))


def laid_out(
    irreps: tuple[Irrep, ...],
    products: Sequence[Sequence[tuple[Shape, Sequence[Place]]]],
    table_of: Callable[[Shape], ProductTable],
) -> ProductPlan:
    r"""A plan of products given by shape and places of their factors, irrep by irrep."""
    numbers: dict[Shape, int] = {}
    for those in products:
        for shape, _ in those:
            numbers.setdefault(shape, len(numbers))
    tables = [table_of(shape) for shape in numbers]
    heads: list[tuple[int, int, int]] = []
    slots: list[Sequence[Place]] = []
    n_columns, start = [], 0
    for (lam, _), those in zip(irreps, products, strict=True):
        n = sum(tables[numbers[shape]].n_functions for shape, _ in those)
        column = start
        for shape, places in those:
            number = numbers[shape]
            heads.append((number, column, n))
            slots.append(places)
            column += tables[number].n_functions
        n_columns.append(n)
        start += (2 * lam + 1) * n
    shape_of, offset, stride = table(heads, 3)
    slot_offset, slot_stride = table([slot for places in slots for slot in places], 2)
    return ProductPlan(
        product_shape=shape_of,
        product_first=offsets([len(places) for places in slots]),
        slot_offset=slot_offset,
        slot_stride=slot_stride,
        product_offset=offset,
        product_stride=stride,
        shape_width=np.asarray([2 * shape[1] + 1 for shape in numbers], np.int64),
        irreps=irreps,
        n_columns=tuple(n_columns),
        **_joined(tables),
    )


def _joined(tables: Sequence[ProductTable]) -> dict[str, np.ndarray]:
    """Tables one after the other."""
    nu_max = max((one.monomials.shape[1] for one in tables), default=1)
    position = [
        np.pad(one.monomials, ((0, 0), (0, nu_max - one.monomials.shape[1]))) for one in tables
    ]
    starts = offsets([len(one.value) for one in tables])
    row_entries = [one.row_start[:-1] + k for one, k in zip(tables, starts[:-1], strict=True)]
    return {
        "shape_monomials": offsets([len(x) for x in position]),
        "position": np.concatenate([*position, np.zeros((0, nu_max), np.int64)]),
        "shape_rows": offsets([len(x) for x in row_entries]),
        "row_entries": np.concatenate([*row_entries, starts[-1:]]).astype(np.int64),
        "entry_monomial": np.concatenate([*(one.monomial for one in tables), _NO_INDEX]),
        "entry_value": np.concatenate([*(one.value for one in tables), np.zeros(0)]),
    }


def _places(enumeration: ProductEnumeration, species: str) -> list[Place]:
    """Offset and stride of each factor in a row of A."""
    site = enumeration.factor_enumeration
    first, start = {}, 0
    for irrep in enumeration.factor_irreps(species):
        n = len(site.columns(species, irrep, "site"))
        first[irrep] = start, n
        start += (2 * irrep[0] + 1) * n
    return [
        (first[factor.irrep][0] + factor.column, first[factor.irrep][1])
        for factor in enumeration.factors(species)
    ]
