"""Arrays that live elsewhere: NumPy's in a box, which like CuPy's never mix with NumPy's.

The CUDA sources run on what is in the box. Host code that would hand a NumPy array to a device, or
take one from it unasked, fails here as it would on a GPU.
"""

from __future__ import annotations

import operator
from collections.abc import Sequence
from types import SimpleNamespace
from typing import Any

import numpy as np


class Boxed:
    """An array of the device: only its own kind and numbers may meet it."""

    __array_ufunc__ = None  # a NumPy array on the other side of an operator is refused

    def __init__(self, x: np.ndarray) -> None:
        assert isinstance(x, np.ndarray)
        self.inside = x

    def __array__(self, *_: Any, **__: Any) -> None:
        raise TypeError("implicit conversion to a NumPy array is not allowed")

    def get(self) -> np.ndarray:
        """A copy on the host."""
        return self.inside.copy()

    def __len__(self) -> int:
        return len(self.inside)

    def __bool__(self) -> bool:
        return bool(self.inside)

    def __getitem__(self, key: Any) -> Boxed:
        return Boxed(np.asarray(self.inside[unboxed(key)]))

    def __setitem__(self, key: Any, value: Any) -> None:
        self.inside[unboxed(key)] = unboxed(value)

    def reshape(self, *shape: Any) -> Boxed:
        return Boxed(self.inside.reshape(*shape))

    def transpose(self, *axes: int) -> Boxed:
        return Boxed(self.inside.transpose(*axes))

    def all(self) -> Boxed:
        return Boxed(np.asarray(self.inside.all()))


for name in ("shape", "ndim", "size", "nbytes", "dtype"):
    setattr(Boxed, name, property(lambda self, name=name: getattr(self.inside, name)))
for name in ("add", "sub", "mul", "truediv", "iadd", "imul"):

    def apply(self: Boxed, other: Any, name: str = name) -> Boxed:
        if name.startswith("i"):
            getattr(operator, name)(self.inside, unboxed(other))
            return self
        return Boxed(getattr(operator, name)(self.inside, unboxed(other)))

    setattr(Boxed, f"__{name}__", apply)


def unboxed(x: Any) -> Any:
    """What is in a box; numbers, slices and tuples of such as they are."""
    if isinstance(x, Boxed):
        return x.inside
    if isinstance(x, tuple):
        return tuple(unboxed(part) for part in x)
    assert not isinstance(x, np.ndarray), "a NumPy array on a device"
    return x


def _asarray(x: Any, dtype: Any = None) -> Boxed:
    return Boxed(np.array(x.inside if isinstance(x, Boxed) else x, dtype=dtype, order="C"))


def _function(function: Any) -> Any:
    """Of boxes and numbers alone; the result is boxed."""

    def called(*arguments: Any, out: Boxed | None = None, **named: Any) -> Boxed:
        if out is not None:
            named["out"] = out.inside
        given = [
            [unboxed(one) for one in x] if isinstance(x, list) else unboxed(x) for x in arguments
        ]
        found = function(*given, **named)
        return out if out is not None else Boxed(np.asarray(found))

    return called


def _copyto(there: Boxed, here: Boxed) -> None:
    np.copyto(there.inside, unboxed(here))


class _Random:
    def __init__(self, seed: int) -> None:
        self.inside = np.random.RandomState(seed)

    def standard_normal(self, shape: Sequence[int]) -> Boxed:
        return Boxed(self.inside.standard_normal(shape))


def _empty(shape: Any) -> Boxed:
    return Boxed(np.full(shape, np.nan))


strict = SimpleNamespace(
    asarray=_asarray,
    empty=_empty,
    empty_like=lambda x: _empty(x.shape),
    copyto=_copyto,
    linalg=SimpleNamespace(qr=_function(np.linalg.qr)),
    random=SimpleNamespace(RandomState=_Random),
    **{
        name: _function(getattr(np, name))
        for name in (
            *("zeros", "ones", "matmul", "concatenate", "ascontiguousarray", "isfinite"),
            "diagonal",
        )
    },
)
"""An array module with the little of NumPy's interface that linvop uses on a device."""
