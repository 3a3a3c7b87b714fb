r"""The input of a ridge fit, checked, and every target and constant a column.

Shapes: n rows, p penalised columns, k constants, t targets.
"""

from __future__ import annotations

from dataclasses import dataclass
from numbers import Integral, Real
from typing import Any

import numpy as np

from linvop.errors import InputError
from linvop.regression.groups import row_groups
from linvop.regression.scaling import check_finite_rows

__all__ = ["CRITERIA", "Problem", "check_parameters", "check_targets_vary"]

CRITERIA = ("loo", "gcv", "evidence")
"""How alpha can be chosen."""

_CONSTANT_TARGET = 1e-13
"""What is left of a target next to the constants, relative to its norm, if it is rounding."""


@dataclass(frozen=True)
class Problem:
    r"""``min sum_rows w (A c + A0 b - y)^2 + alpha |Gamma c|^2``, as arrays.

    Attributes
    ----------
    A : (n, p) float64
    y : (n, t) float64
    constants : (n, k) float64
        A0; k may be 0.
    weights : (n,) float64
    labels : (n,) int
        Groups of rows that leave together.
    penalty : (p,) float64
        The prior part of Gamma.
    n_components : int
    rounding : (p,) float64 or None
        Of the entries of each column of A.
    """

    A: np.ndarray
    y: np.ndarray
    constants: np.ndarray
    weights: np.ndarray
    labels: np.ndarray
    penalty: np.ndarray
    n_components: int
    rounding: np.ndarray | None = None

    @classmethod
    def checked(cls, A: np.ndarray, y: np.ndarray, **given: Any) -> Problem:
        """Return the problem, or raise `InputError` with what was expected and what was got."""
        A = _real_array(A, "A")
        if A.ndim != 2 or A.size == 0:
            raise InputError(f"A: expected a matrix with rows and columns, got shape {A.shape}")
        check_finite_rows(A, "A")
        return cls.of_rows(A, y, **given)

    @classmethod
    def of_rows(
        cls,
        A: np.ndarray,
        y: np.ndarray,
        *,
        penalty: np.ndarray | None,
        constants: np.ndarray | None,
        groups: np.ndarray | None,
        weights: np.ndarray | None,
        n_components: int,
        rounding: np.ndarray | None = None,
    ) -> Problem:
        """As `checked`, without a look at the entries of A, which may be a view of one zero."""
        n, p = A.shape
        y = _real_array(y, "y")
        if y.ndim not in (1, 2) or len(y) != n or y.size == 0:
            raise InputError(f"y: expected shape ({n},) or ({n}, n_targets), got {y.shape}")
        if not isinstance(n_components, Integral) or n_components < 1 or n % n_components:
            raise InputError(
                f"n_components: expected a positive divisor of the {n} rows, got {n_components!r}"
            )
        A0 = np.zeros((n, 0)) if constants is None else _real_array(constants, "constants")
        if A0.ndim != 2 or len(A0) != n:
            raise InputError(f"constants: expected shape ({n}, k), got {A0.shape}")
        if n_components > 1 and A0.shape[1]:
            raise InputError(
                f"constants: expected none for a target of {n_components} components (a constant "
                f"tensor is not equivariant), got {A0.shape[1]}"
            )
        check_finite_rows(y, "y")
        if A0.shape[1]:
            check_finite_rows(A0, "constants")
        return cls(
            A=A,
            y=y.reshape(n, -1),
            constants=A0,
            weights=_positive(weights, n, "weights"),
            labels=row_groups(groups, n, n_components),
            penalty=_positive(penalty, p, "penalty"),
            n_components=int(n_components),
            rounding=None if rounding is None else _sizes(rounding, p),
        )

    @property
    def centred(self) -> np.ndarray:
        """Rows, (n,), in which columns vary about their mean: with constants to absorb it."""
        single = self.n_components == 1
        return np.asarray(np.any(self.constants, axis=1)) & single


def check_parameters(
    alpha: Any,
    column_scale: Any,
    alpha_bounds: Any,
    covariance: Any = False,
    refine: Any = True,
    prune: Any = None,
    rarity: Any = 0.0,
) -> None:
    """Raise `InputError` for parameters of a `Ridge` that mean nothing."""
    if isinstance(alpha, str):
        if alpha not in CRITERIA:
            raise InputError(
                f"alpha: expected a number or one of {', '.join(CRITERIA)}, got {alpha!r}"
            )
    elif not (_is_real(alpha) and 0.0 < alpha < np.inf):
        raise InputError(f"alpha: expected a positive number, got {alpha!r}")
    if not (_is_real(column_scale) and 0.0 <= column_scale < np.inf):
        raise InputError(f"column_scale: expected a number >= 0, got {column_scale!r}")
    if not (_is_real(rarity) and 0.0 <= rarity < np.inf):
        raise InputError(f"rarity: expected a number >= 0, got {rarity!r}")
    if rarity and covariance is True:
        raise InputError(
            f"rarity: expected 0 with covariance, got {rarity!r}: standard deviations of a prior "
            "that hardly believes in what is rare would be far too small there"
        )
    for name, value in (("covariance", covariance), ("refine", refine)):
        if not isinstance(value, bool):
            raise InputError(f"{name}: expected True or False, got {value!r}")
    if prune is not None and not (_is_real(prune) and 0.0 < prune < 1.0):
        raise InputError(f"prune: expected None or a number between 0 and 1, got {prune!r}")
    if alpha_bounds is None:
        return
    pair = isinstance(alpha_bounds, (tuple, list)) and len(alpha_bounds) == 2
    if not (pair and all(map(_is_real, alpha_bounds))):
        raise InputError(f"alpha_bounds: expected two numbers, got {alpha_bounds!r}")
    if not 0.0 < alpha_bounds[0] < alpha_bounds[1] < np.inf:
        raise InputError(f"alpha_bounds: expected 0 < lower < upper, got {alpha_bounds!r}")


def check_targets_vary(y: np.ndarray, rotated: np.ndarray) -> None:
    r"""Raise `InputError` if the constants alone explain a target to rounding.

    Parameters
    ----------
    y : (n, t) float64
        Weighted targets.
    rotated : (n - k0, t) float64
        What the constants leave of them.
    """
    left, total = np.linalg.norm(rotated, axis=0), np.linalg.norm(y, axis=0)
    constant = left <= _CONSTANT_TARGET * total
    if constant.any():
        raise InputError(
            f"y: expected targets that vary, got zero variance in target {int(constant.argmax())} "
            "once the constants are taken out"
        )


def _positive(values: np.ndarray | None, size: int, name: str) -> np.ndarray:
    if values is None:
        return np.ones(size)
    array = _real_array(values, name)
    if array.shape != (size,):
        raise InputError(f"{name}: expected shape ({size},), got {array.shape}")
    good = np.isfinite(array) & (array > 0.0)
    if not good.all():
        index = int(np.argmin(good))
        raise InputError(f"{name}: expected positive numbers, got {array[index]} at {index}")
    return array


def _sizes(values: np.ndarray, p: int) -> np.ndarray:
    array = _real_array(values, "rounding")
    if array.shape != (p,) or not (np.isfinite(array) & (array >= 0.0)).all():
        raise InputError(f"rounding: expected {p} numbers >= 0, got shape {array.shape}")
    return array


def _is_real(value: object) -> bool:
    return isinstance(value, Real) and not isinstance(value, bool)


def _real_array(values: Any, name: str) -> np.ndarray:
    """Return float64; complex numbers and text are refused instead of converted."""
    try:
        array = np.asarray(values)
    except ValueError as error:  # rows of different length
        raise InputError(f"{name}: expected an array of numbers, got {error}") from error
    if array.dtype.kind not in "biuf":
        raise InputError(f"{name}: expected real numbers, got {array.dtype}")
    return array.astype(float, copy=False)
