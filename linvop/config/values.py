r"""Values of a configuration, one by one: what TOML gives to what the package takes."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

from linvop.errors import InputError

__all__ = [
    "SHIPPED",
    "alpha",
    "alpha_bounds",
    "basis_values",
    "listed",
    "number",
    "path_of",
    "place",
    "size_and_seed",
    "state_of",
    "switch",
]

SHIPPED = "shipped:water"
"""What stands in place of a path for the data set that comes with linvop."""

_CRITERIA = ("loo", "gcv", "evidence")


def size_and_seed(data: dict[str, Any]) -> tuple[int | None, int]:
    """``n_train`` and ``seed`` of a split."""
    n_train, seed = data.get("n_train"), data.get("seed", 0)
    for name, value in (("n_train", n_train), ("seed", seed)):
        lowest = 0 if name == "seed" else 1
        if value is not None and (
            isinstance(value, bool) or not isinstance(value, int) or value < lowest
        ):
            raise InputError(f"[data] {name}: expected an integer >= {lowest}, got {value!r}")
    if n_train is not None and "test" in data:
        raise InputError("[data]: expected either test or n_train, got both")
    return n_train, seed


def state_of(data: dict[str, Any]) -> tuple[int, int] | None:
    """Charge and multiplicity, if they are given."""
    value = data.get("state")
    if value is None:
        return None
    if not (isinstance(value, list) and len(value) == 2 and all(type(x) is int for x in value)):
        raise InputError(f"[data] state: expected [charge, multiplicity], got {value!r}")
    return value[0], value[1]


def basis_values(section: dict[str, Any]) -> dict[str, Any]:
    """Parameters of `Basis`; TOML has no None, so "none" is it."""
    out = dict(section)
    for key in ("screening", "max_degree", "pair_max_degree"):
        if isinstance(out.get(key), list):
            out[key] = tuple(None if x == "none" else x for x in out[key])
    return {key: None if value == "none" else value for key, value in out.items()}


def number(section: dict[str, Any], key: str, default: float) -> float:
    """A number >= 0."""
    value = section.get(key, default)
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value < math.inf:
        raise InputError(f"[solver] {key}: expected a number >= 0, got {value!r}")
    return value


def switch(section: dict[str, Any], key: str) -> bool:
    """True or false, by default false."""
    value = section.get(key, False)
    if not isinstance(value, bool):
        raise InputError(f"[solver] {key}: expected true or false, got {value!r}")
    return value


def alpha(section: dict[str, Any]) -> float | str:
    """How alpha is chosen, or its value."""
    value = section.get("alpha", "loo")
    if value in _CRITERIA:
        return value
    number = isinstance(value, int | float) and not isinstance(value, bool)
    if not number or not 0 < value < math.inf:
        raise InputError(
            f"[solver] alpha: expected a positive number or one of {listed(_CRITERIA)}, "
            f"got {value!r}"
        )
    return value


def alpha_bounds(section: dict[str, Any]) -> tuple[float, float] | None:
    """Bounds of alpha, if they are given."""
    value = section.get("alpha_bounds")
    if value is None:
        return None
    if not (isinstance(value, list) and len(value) == 2):
        raise InputError(f"[solver] alpha_bounds: expected two numbers, got {value!r}")
    return value[0], value[1]  # the solver checks the rest


def place(path: Path, value: Any, key: str) -> str:
    """A file relative to the configuration, or `SHIPPED`."""
    given = path_of(value, f"[data] {key}")
    if not given.startswith("shipped:"):
        return str(path.parent / given)
    if given != SHIPPED:
        raise InputError(f"[data] {key}: expected a path or {SHIPPED}, got {given!r}")
    return given


def path_of(value: Any, name: str) -> str:
    """A path."""
    if not isinstance(value, str):
        raise InputError(f"{name}: expected a path, got {value!r}")
    return value


def listed(names: Any) -> str:
    """Names with commas between."""
    return ", ".join(names)
