r"""What the parameters of a basis may be: checked and brought to one form.

All raise `InputError` with what was expected and what came.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from linvop.errors import InputError

__all__ = ["check_body_order", "cutoff", "degrees", "pair_orders", "reach", "screenings"]


def screenings(value: object) -> tuple[float | None, ...]:
    """One screening for each family of features."""
    items = tuple(value) if isinstance(value, tuple | list) else (value,)
    out: list[float | None] = []
    for item in items:
        if item is None:
            out.append(None)
        elif (
            isinstance(item, int | float | np.number)
            and not isinstance(item, bool)
            and np.isfinite(item)
            and item > 0
        ):
            out.append(float(item))
        else:
            raise InputError(f"screening: expected None or positive exponents, got {item!r}")
    if not out or len(set(out)) != len(out):
        raise InputError(f"screening: expected distinct values, got {value!r}")
    return tuple(out)


def degrees(
    value: object, orders: Sequence[int], *, name: str = "max_degree", of: str = "nu"
) -> tuple[float | None, ...]:
    """One limit for each order of products; the lowest order may have none."""
    items: Sequence[object]
    if isinstance(value, Mapping):
        keys = {str(k): v for k, v in value.items()}
        if not set(keys) <= {str(k) for k in orders}:
            raise InputError(
                f"{name}: expected keys {orders[0]} to {orders[-1]} ({of}), got {list(value)}"
            )
        items = [keys.get(str(k)) for k in orders]
    elif isinstance(value, list | tuple):
        items = value
    else:
        items = [value] * len(orders)
    if len(items) != len(orders):
        raise InputError(f"{name}: expected {len(orders)} values, one for each {of}, got {value!r}")
    out: list[float | None] = []
    for k, item in zip(orders, items, strict=True):
        if item is None and k > orders[0]:
            raise InputError(
                f"{name}: expected a number for {of} = {k}, got none: products need a limit, "
                f"such as {name}=8 or {name}={{{k}: 8}}"
            )
        number = isinstance(item, int | float | np.number) and not isinstance(item, bool)
        if item is not None and not (number and np.isfinite(item) and item > 0):  # type: ignore
            raise InputError(f"{name}: expected positive numbers, got {item!r}")
        out.append(None if item is None else float(item))  # type: ignore[arg-type]
    return tuple(out)


def pair_orders(value: object) -> tuple[int, int]:
    """Largest orders of the site factors of a pair."""
    given = tuple(value) if isinstance(value, list | tuple) else ()
    if len(given) != 2 or not all(
        isinstance(n, int | np.integer) and not isinstance(n, bool) and 0 <= n <= 4 for n in given
    ):
        raise InputError(f"nu_pair: expected two integers of 0 to 4, got {value!r}")
    return int(given[0]), int(given[1])


def cutoff(value: object) -> float | None:
    """Largest distance of the atoms of a pair."""
    return _distance("cutoff", value)


def reach(value: object, metric: str) -> float | None:
    """Largest distance of atoms between which V is not zero."""
    found = _distance("reach", value)
    if found is not None and metric != "ao":
        raise InputError(
            f"reach: expected metric 'ao', got {metric!r}, in which all atoms of a molecule meet"
        )
    return found


def _distance(name: str, value: object) -> float | None:
    if value is None:
        return None
    number = isinstance(value, int | float | np.number) and not isinstance(value, bool)
    if not (number and np.isfinite(value) and value > 0):  # type: ignore
        raise InputError(f"{name}: expected None or a positive distance, got {value!r}")
    return float(value)  # type: ignore[arg-type]


def check_body_order(value: object, metric: str) -> None:
    """Refuse a body order that is none, or that the metric does not have."""
    if value is None:
        return
    if isinstance(value, bool) or not isinstance(value, int | np.integer) or value < 2:
        raise InputError(f"body_order: expected an integer of at least 2, got {value!r}")
    if metric != "ao":
        raise InputError(f"body_order: expected metric 'ao', got {metric!r}, which has none")
