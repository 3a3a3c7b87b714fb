r"""Exact coefficients as float64: computed exactly, rounded once, cached in memory and on disk.

The only module of linvop that turns exact coefficients into floats. A table is looked up in
memory, then on the disk (`disk_cache`), and else computed. Tables come in *sets*, one file each:

- couplings: set n holds every (l1, l2, lam) with max(l1, l2) = n, the first one all up to
  `FIRST_SET`;
- symmetric powers: for each (l, n) every lam up to `FIRST_LAM`, and one for those above.
"""

from __future__ import annotations

from collections.abc import Mapping
from fractions import Fraction
from functools import cache
from math import isqrt

import numpy as np

from linvop.angular.clebsch_gordan import check_triangle, real_squares
from linvop.angular.disk_cache import cached_arrays
from linvop.angular.symmetric_powers import symmetric_power
from linvop.errors import InputError

__all__ = ["FIRST_SET", "coupling_table", "power_table", "sparse_coupling"]

FIRST_SET = 4
"""Largest l of the tables that are made together at first use."""

FIRST_LAM = 12
"""Largest lam of the symmetric powers that are made together."""

Sparse = tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]

_SOURCES = ("real_harmonics.py", "clebsch_gordan.py", "tables.py")
"""What a coupling depends on; this file because of the rounding and the file's layout."""

_POWER_SOURCES = (*_SOURCES, "symmetric_powers.py")


@cache
def coupling_table(l1: int, l2: int, lam: int) -> np.ndarray:
    r"""Return the real coupling coefficients ``C[m1, m2, mu]``, dense.

    Returns
    -------
    (2 l1 + 1, 2 l2 + 1, 2 lam + 1) float64, read-only
        In m order on every axis; each number correctly rounded. The same array on every call.

    Raises
    ------
    InputError
        Unless ``|l1 - l2| <= lam <= l1 + l2`` with l1, l2 >= 0.

    See Also
    --------
    linvop.angular.clebsch_gordan.real_coupling : the exact numbers and their laws.
    """
    m1, m2, mu, value = sparse_coupling(l1, l2, lam)
    table = np.zeros((2 * l1 + 1, 2 * l2 + 1, 2 * lam + 1))
    table[m1, m2, mu] = value
    table.flags.writeable = False
    return table


@cache
def sparse_coupling(l1: int, l2: int, lam: int) -> Sparse:
    r"""Return the non-zeros of `coupling_table` as flat arrays.

    Returns
    -------
    m1, m2, mu : (n_nonzero,) int64, read-only
        *Positions* on the axes of the table, ``m1 = 0 .. 2 l1`` and so on (m = position - l);
        sorted by mu, then m1, then m2.
    value : (n_nonzero,) float64, read-only

    Raises
    ------
    InputError
        Unless ``|l1 - l2| <= lam <= l1 + l2`` with l1, l2 >= 0.
    """
    check_triangle(l1, l2, lam)
    return _set(max(l1, l2, FIRST_SET))[l1, l2, lam]


@cache
def power_table(l: int, n: int, lam: int) -> tuple[tuple[np.ndarray, np.ndarray, np.ndarray], ...]:
    r"""Return the polynomials of `symmetric_power` as flat arrays.

    Returns
    -------
    tuple of (monomials, mu, value), one for each polynomial
        monomials : (n_nonzero, n) int64, ascending positions m + l;
        mu : (n_nonzero,) int64, position on the axis of lam; value : (n_nonzero,) float64,
        each number correctly rounded. Sorted by mu, then monomial; read-only.

    Raises
    ------
    InputError
        If l or lam is negative, or n is below 1.
    """
    if l < 0 or n < 1 or lam < 0:
        raise InputError(f"power {n} of l = {l} to lam = {lam}: expected l, lam >= 0 and n >= 1")
    return _power_set(l, n, lam > FIRST_LAM).get(lam, ())


@cache
def _power_set(
    l: int, n: int, high: bool
) -> dict[int, tuple[tuple[np.ndarray, np.ndarray, np.ndarray], ...]]:
    """All polynomials of one power with lam up to `FIRST_LAM`, or above."""
    name = f"powers-l{l}-n{n}-{'high' if high else 'low'}"
    arrays = cached_arrays(name, _POWER_SOURCES, lambda: _compute_powers(l, n, high))
    tables: dict[int, list[tuple[np.ndarray, np.ndarray, np.ndarray]]] = {}
    starts = arrays["starts"]
    for lam, first, last in zip(arrays["lams"].tolist(), starts[:-1], starts[1:], strict=True):
        chosen = slice(first, last)
        table = arrays["monomials"][chosen], arrays["mu"][chosen], arrays["value"][chosen]
        tables.setdefault(lam, []).append(table)
    return {lam: tuple(polynomials) for lam, polynomials in tables.items()}


def _compute_powers(l: int, n: int, high: bool) -> dict[str, np.ndarray]:
    wanted = range(FIRST_LAM + 1, l * n + 1) if high else range(min(FIRST_LAM, l * n) + 1)
    polynomials = [(lam, p) for lam in wanted for p in symmetric_power(l, n, lam)]
    keys = [key for _, p in polynomials for key in p]
    return {
        "lams": np.array([lam for lam, _ in polynomials], dtype=np.int64),
        "starts": np.cumsum([0, *(len(p) for _, p in polynomials)], dtype=np.int64),
        "monomials": np.array([a for a, _ in keys], dtype=np.int64).reshape(len(keys), n),
        "mu": np.array([mu for _, mu in keys], dtype=np.int64),
        "value": np.array([_rounded_root(x) for _, p in polynomials for x in p.values()]),
    }


@cache
def _set(n: int) -> dict[tuple[int, int, int], Sparse]:
    """Set n from its file or, that failing, computed and left there for the next time."""
    arrays = cached_arrays(f"couplings-l{n}", _SOURCES, lambda: _compute(n))
    index, value, starts = arrays["index"], arrays["value"], arrays["starts"]
    tables = {}
    for triple, first, last in zip(arrays["triples"], starts[:-1], starts[1:], strict=True):
        m1, m2, mu = index[:, first:last]
        tables[tuple(triple.tolist())] = (m1, m2, mu, value[first:last])
    return tables


def _triples(n: int) -> list[tuple[int, int, int]]:
    """The (l1, l2, lam) of set n."""
    return [
        (l1, l2, lam)
        for l1 in range(n + 1)
        for l2 in range(n + 1)
        for lam in range(abs(l1 - l2), l1 + l2 + 1)
        if n == FIRST_SET or max(l1, l2) == n
    ]


def _compute(n: int) -> dict[str, np.ndarray]:
    triples = _triples(n)
    made = {triple: real_squares(*triple) for triple in triples if triple[0] <= triple[1]}
    couplings = [
        made[l1, l2, lam] if l1 <= l2 else _swapped(made[l2, l1, lam], (-1) ** (l1 + l2 + lam))
        for l1, l2, lam in triples
    ]
    keys = [key for coupling in couplings for key in coupling]
    value = [_rounded_root(square) for coupling in couplings for square in coupling.values()]
    return {
        "triples": np.array(triples, dtype=np.int64),
        "starts": np.cumsum([0, *map(len, couplings)], dtype=np.int64),
        "index": np.ascontiguousarray(np.array(keys, dtype=np.int64).T),
        "value": np.array(value, dtype=np.float64),
    }


def _swapped(
    squares: Mapping[tuple[int, int, int], Fraction], sign: int
) -> dict[tuple[int, int, int], Fraction]:
    r"""``C(l2, l1)`` of ``C(l1, l2)``: ``C_ba = (-1)^(l1 + l2 + lam) C_ab``, complex or real."""
    keys = sorted(((b, a, mu) for a, b, mu in squares), key=lambda key: (key[2], *key[:2]))
    return {(b, a, mu): sign * squares[a, b, mu] for b, a, mu in keys}


def _rounded_root(square: Fraction) -> float:
    """The float64 nearest to the number with this signed square."""
    n, d = abs(square.numerator), square.denominator
    shift = 64 + max(0, d.bit_length() - n.bit_length())
    scaled, rest = divmod(n << 2 * shift, d)
    root = isqrt(scaled)
    # A last bit for "and a little more" keeps the division, which rounds correctly, from
    # taking the cut-off root for a tie.
    sticky = bool(rest) or root * root != scaled
    magnitude = (2 * root + sticky) / (1 << shift + 1)
    return magnitude if square >= 0 else -magnitude
