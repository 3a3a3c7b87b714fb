r"""Products of site features as flat arrays: A -> AA -> B.

For the site's features A (one row of `linvop.kernels.plan.SitePlan`), each product reads nu
irreps of A, forms the monomials AA that its table needs, and adds the table's entries:

.. math:: B_{t\mu} = \sum_a T_{t\mu,a} \prod_{s=1}^{\nu} A_{o_s + m_{a,s} d_s}

with o_s, d_s offset and stride of factor s. Products of equal shape share a table.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from linvop.angular.product_tables import product_table
from linvop.basis.enumeration import Irrep
from linvop.basis.products import ProductEnumeration
from linvop.kernels.plan import Rows

__all__ = ["ProductPlan", "product_plan"]


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


def product_plan(
    enumeration: ProductEnumeration, species: str, irreps: tuple[Irrep, ...]
) -> ProductPlan:
    r"""Lay out the products of one centre species.

    The row of A is that of ``site_plan(enumeration.factor_enumeration, species,
    enumeration.factor_irreps(species), "site")``.
    """
    places = _places(enumeration, species)
    shapes: dict[tuple, int] = {}
    products: list[tuple[int, int, int]] = []
    slots: list[list[tuple[int, int]]] = []
    n_columns, start = [], 0
    for lam, sigma in irreps:
        n = enumeration.count(species, (lam, sigma))
        column = start
        for product in enumeration.products(species, (lam, sigma)):
            shape = shapes.setdefault((product.powers, lam), len(shapes))
            products.append((shape, column, n))
            slots.append([places[k] for k in product.factors])
            column += product.n_functions
        n_columns.append(n)
        start += (2 * lam + 1) * n
    tables = [product_table(powers, lam) for powers, lam in shapes]
    nu_max = max((table.monomials.shape[1] for table in tables), default=1)
    position = [
        np.pad(table.monomials, ((0, 0), (0, nu_max - table.monomials.shape[1])))
        for table in tables
    ]
    starts = np.cumsum([0, *(len(table.value) for table in tables)])
    row_entries = [t.row_start[:-1] + first for t, first in zip(tables, starts[:-1], strict=True)]
    columns = np.asarray(products, np.int64).reshape(-1, 3).T
    flat = np.asarray([slot for one in slots for slot in one], np.int64).reshape(-1, 2).T
    return ProductPlan(
        product_shape=np.ascontiguousarray(columns[0]),
        product_first=_offsets([len(one) for one in slots]),
        slot_offset=np.ascontiguousarray(flat[0]),
        slot_stride=np.ascontiguousarray(flat[1]),
        product_offset=np.ascontiguousarray(columns[1]),
        product_stride=np.ascontiguousarray(columns[2]),
        shape_monomials=_offsets([len(x) for x in position]),
        position=np.concatenate([*position, np.zeros((0, nu_max), np.int64)]),
        shape_rows=_offsets([len(x) for x in row_entries]),
        shape_width=np.asarray([2 * lam + 1 for _, lam in shapes], np.int64),
        row_entries=np.concatenate([*row_entries, starts[-1:]]).astype(np.int64),
        entry_monomial=np.concatenate([*(t.monomial for t in tables), np.zeros(0, np.int64)]),
        entry_value=np.concatenate([*(t.value for t in tables), np.zeros(0)]),
        irreps=irreps,
        n_columns=tuple(n_columns),
    )


def _places(enumeration: ProductEnumeration, species: str) -> list[tuple[int, int]]:
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


def _offsets(counts: list[int]) -> np.ndarray:
    return np.concatenate([[0], np.cumsum(counts)]).astype(np.int64)
