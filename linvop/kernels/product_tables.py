r"""A `ProductPlan` as the CUDA kernels read it: elements of B, and factors with their uses."""

from __future__ import annotations

from dataclasses import dataclass, fields

import numpy as np

from linvop.kernels.plan_parts import offsets
from linvop.kernels.product_plan import ProductPlan

__all__ = ["ProductTables", "product_tables"]


@dataclass(frozen=True)
class ProductTables:
    r"""Integers are int32; ranges of x are ``first[x] : first[x + 1]``.

    Attributes
    ----------
    element_product, element_row, element_place : (n_elements,)
        Product, row of its table, and place in a row of B, by place.
    product_monomial : (n_products,)
        First monomial of the product's shape.
    factor_first, factor_offset, factor_stride, factor_width
        The irreps of A that are factors of some product.
    use_product, use_slot
        The products that a factor is in, and where.
    plan : {name: array}
        The arrays of the plan itself.
    """

    element_product: np.ndarray
    element_row: np.ndarray
    element_place: np.ndarray
    product_monomial: np.ndarray
    factor_first: np.ndarray
    factor_offset: np.ndarray
    factor_stride: np.ndarray
    factor_width: np.ndarray
    use_product: np.ndarray
    use_slot: np.ndarray
    plan: dict[str, np.ndarray]

    @property
    def arrays(self) -> dict[str, np.ndarray]:
        """All tables by name."""
        own = {f.name: getattr(self, f.name) for f in fields(self) if f.name != "plan"}
        return own | self.plan

    @property
    def widest(self) -> int:
        """Components of the largest factor."""
        return int(self.factor_width.max(initial=1))


_PLAN = (
    "product_shape",
    "product_first",
    "slot_offset",
    "slot_stride",
    "product_offset",
    "product_stride",
    "position",
    "shape_rows",
    "shape_width",
    "row_entries",
    "entry_monomial",
)


def product_tables(plan: ProductPlan) -> ProductTables:
    r"""Lay a plan out for the CUDA kernels."""
    shape = plan.product_shape
    counts = (plan.shape_rows[1:] - plan.shape_rows[:-1])[shape]
    product = np.repeat(np.arange(len(shape)), counts)
    k = np.arange(len(product)) - np.repeat(offsets(counts.tolist())[:-1], counts)
    t, mu = np.divmod(k, plan.shape_width[shape[product]])
    place = plan.product_offset[product] + t + mu * plan.product_stride[product]
    order = np.argsort(place)
    first, offset, stride, width, uses, slots = _factors(plan)
    kept = {name: _int32(getattr(plan, name)) for name in _PLAN}
    return ProductTables(
        element_product=_int32(product[order]),
        element_row=_int32((plan.shape_rows[shape[product]] + k)[order]),
        element_place=_int32(place[order]),
        product_monomial=_int32(plan.shape_monomials[shape]),
        factor_first=_int32(first),
        factor_offset=_int32(offset),
        factor_stride=_int32(stride),
        factor_width=_int32(width),
        use_product=_int32(uses),
        use_slot=_int32(slots),
        plan={**kept, "entry_value": np.ascontiguousarray(plan.entry_value)},
    )


def _factors(plan: ProductPlan) -> tuple[np.ndarray, ...]:
    """Irreps of A with their uses: first, offset, stride, width; product and slot of each use."""
    n_slots = np.diff(plan.product_first)
    product = np.repeat(np.arange(len(n_slots)), n_slots)
    slot = np.arange(len(product)) - plan.product_first[product]
    widths = [  # of the slots of each shape
        plan.position[a:b].max(axis=0, initial=0) + 1
        for a, b in zip(plan.shape_monomials[:-1], plan.shape_monomials[1:], strict=True)
    ]
    of_shape = np.asarray(widths, np.int64).reshape(len(widths), plan.position.shape[1])
    width = of_shape[plan.product_shape[product], slot]
    order = np.argsort(plan.slot_offset, kind="stable")
    offset, first = np.unique(plan.slot_offset[order], return_index=True)
    widest = np.maximum.reduceat(width[order], first) if len(first) else width[:0]
    return (
        np.append(first, len(order)),
        offset,
        plan.slot_stride[order][first],
        widest,
        product[order],
        slot[order],
    )


def _int32(x: np.ndarray) -> np.ndarray:
    if x.size and x.max() > np.iinfo(np.int32).max:
        raise OverflowError("a plan is too large for 32-bit places")
    return np.ascontiguousarray(x, np.int32)
