r"""Local expansions of the potential of point charges, in powers of the displacement.

Away from its charges a potential is harmonic; about a centre C,

.. math:: \Phi(C + d) = \sum_g \frac{w_g}{|C + d - R_g|} = \sum_{|k| \le L} a_k\, d^k, \qquad
          d^k = d_x^{k_x} d_y^{k_y} d_z^{k_z} .

With y = R - C, the coefficients of one charge obey the recursion of Legendre polynomials,

.. math:: n |y|^2 a_k = (2 n - 1) \sum_i y_i a_{k - e_i} - (n - 1) \sum_i a_{k - 2 e_i},
          \qquad n = |k|,

in which those of k_z = 0 and of k_z = 1 need no others; what is left follows from Laplace's
equation, once for all charges. What is left out beyond order L is, for derivatives of order n by
any directions at |d| <= delta < r = |y|,

.. math:: |\partial^n (\Phi - \Phi_L)| \le
          w \sum_{N > L} \frac{N!}{(N - n)!} \frac{\delta^{N - n}}{r^{N + 1}} ,

since ``|d|^N P_N`` is a mean of (d . v)^N over complex v with components of modulus at most 1
(Laplace's first integral).
"""

from __future__ import annotations

import numpy as np

from linvop.compiled import njit

__all__ = ["HIGHEST_ORDER", "LANES", "add_charges", "along_segment", "complete", "shifted", "tail"]

HIGHEST_ORDER = 16
"""Largest L."""

LANES = 64
"""Charges that are expanded at once."""


def _recursion() -> tuple[np.ndarray, np.ndarray]:
    r"""The coefficients k_z = 0, 1 by degree: their k, and the rows that each follows from.

    Rows of ``k - e_x, k - e_y, k - e_z, k - 2 e_x, k - 2 e_y``; one row of zeros stands at the end.
    """
    places = [
        (kz, kx, n - kz - kx)
        for n in range(HIGHEST_ORDER + 1)
        for kz in range(min(n, 1) + 1)
        for kx in range(n - kz + 1)
    ]
    rows = {place: row for row, place in enumerate(places)}
    parents = [
        [
            rows.get(parent, len(places)) if min(parent) >= 0 else len(places)
            for parent in (
                (kz, kx - 1, ky),
                (kz, kx, ky - 1),
                (kz - 1, kx, ky),
                (kz, kx - 2, ky),
                (kz, kx, ky - 2),
            )
        ]
        for kz, kx, ky in places
    ]
    return np.asarray(places, np.uintp), np.asarray(parents, np.uintp)


_PLACES, _PARENTS = _recursion()


@njit(nogil=True, fastmath={"contract", "reassoc"})
def add_charges(order, y, weights, first, last, a):
    r"""Add the coefficients k_z = 0, 1 of charges [first, last).

    Parameters
    ----------
    order : int
        L.
    y : (n, 3) float64
        R_g - C.
    weights : (n_sets, n) float64
    first, last : int
    a : (n_sets, L + 1, L + 1, L + 1) float64
        By k_z, k_x, k_y.
    """
    n_rows = np.uintp((order + 1) ** 2)
    b = np.zeros((len(_PLACES) + 1, LANES))
    sums = np.zeros((len(weights), n_rows, LANES))
    x0, x1, x2, inverse = np.zeros((4, LANES))
    w = np.zeros((len(weights), LANES))
    for start in range(first, last, LANES):
        lanes = min(LANES, last - start)
        for g in range(LANES):
            at = start + min(g, lanes - 1)
            x0[g], x1[g], x2[g] = y[at, 0], y[at, 1], y[at, 2]
            inverse[g] = 1.0 / (x0[g] ** 2 + x1[g] ** 2 + x2[g] ** 2)
            b[0, g] = np.sqrt(inverse[g])
            for s in range(len(weights)):
                w[s, g] = weights[s, at] if g < lanes else 0.0
        row = np.uintp(1)
        for n in range(1, order + 1):
            one, two = (2.0 * n - 1.0) / n, (n - 1.0) / n
            for _ in range(2 * n + 1):
                new = b[row]
                px, py, pz = b[_PARENTS[row, 0]], b[_PARENTS[row, 1]], b[_PARENTS[row, 2]]
                pxx, pyy = b[_PARENTS[row, 3]], b[_PARENTS[row, 4]]
                for g in range(LANES):
                    value = one * (x0[g] * px[g] + x1[g] * py[g] + x2[g] * pz[g])
                    new[g] = inverse[g] * (value - two * (pxx[g] + pyy[g]))
                row += np.uintp(1)
        for s in range(len(weights)):
            for k in range(n_rows):
                for g in range(LANES):
                    sums[s, k, g] += w[s, g] * b[k, g]
    for s in range(len(weights)):
        for k in range(n_rows):
            total = 0.0
            for g in range(LANES):
                total += sums[s, k, g]
            a[s, _PLACES[k, 0], _PLACES[k, 1], _PLACES[k, 2]] += total


@njit(nogil=True, fastmath={"contract", "reassoc"})
def complete(order, a):
    r"""Fill in the coefficients k_z > 1 of harmonic polynomials (n_sets, L + 1, L + 1, L + 1)."""
    for s in range(len(a)):
        for kz in range(2, order + 1):
            factor = -1.0 / (kz * (kz - 1))
            for kx in range(order - kz + 1):
                above = factor * (kx + 2) * (kx + 1)
                n = order - kz - kx + 1
                own, next_x = a[s, kz, kx, :n], a[s, kz - 2, kx + 2, :n]
                next_y = a[s, kz - 2, kx, 2 : n + 2]
                for ky in range(n):
                    own[ky] = above * next_x[ky] + factor * (ky + 2) * (ky + 1) * next_y[ky]


@njit(nogil=True, fastmath={"contract", "reassoc"})
def shifted(order, a, d, out):
    r"""Add the same harmonic polynomials about ``C + d``, k_z = 0 and 1 alone.

    A harmonic function follows from itself and its derivative by z in a plane z = const: these at
    z = d_z first, then moved within the plane by Horner's rule.

    Parameters
    ----------
    order : int
    a, out : (n_sets, L + 1, L + 1, L + 1) float64
        Complete; added to.
    d : (3,) float64
    """
    plane, turned = np.zeros((order + 1, order + 1)), np.zeros((order + 1, order + 1))
    for s in range(len(a)):
        for derivative in range(min(order, 1) + 1):
            plane[:] = 0.0
            top = order - derivative
            power = 1.0
            for kz in range(top + 1):
                factor = power * (kz + 1) if derivative else power
                for kx in range(top - kz + 1):
                    n = top - kz - kx + 1
                    row, own = a[s, kz + derivative, kx, :n], plane[kx, :n]
                    for ky in range(n):
                        own[ky] += factor * row[ky]
                power *= d[2]
            _along_rows(top, plane, d[0])
            for p in range(top + 1):
                for q in range(top - p + 1):
                    turned[q, p] = plane[p, q]
            _along_rows(top, turned, d[1])
            for p in range(top + 1):
                for q in range(top - p + 1):
                    out[s, derivative, p, q] += turned[q, p]


@njit(nogil=True, fastmath={"contract", "reassoc"})
def _along_rows(order, plane, d):
    """A polynomial in two variables moved along the first."""
    for k in range(order):
        for m in range(order - 1, k - 1, -1):
            n = order - m
            own, after = plane[m, :n], plane[m + 1, :n]
            for q in range(n):
                own[q] += d * after[q]


@njit(nogil=True, fastmath={"contract", "reassoc"})
def along_segment(order, a, direction, n_derivatives, out):
    r"""Derivatives at C + t u as polynomials in t.

    Parameters
    ----------
    order : int
    a : (L + 1, L + 1, L + 1) float64, complete
    direction : (3,) float64
        u.
    n_derivatives : int
        Largest order of derivatives.
    out : (n + 1, n + 1, n + 1, L + 1) float64
        ``[z, x, y, k]``: coefficient of t^k in the derivative of orders x, y, z.
    """
    # k! / (k - i)! u^(k - i) of each axis
    ux, uy, uz = np.zeros((3, n_derivatives + 1, order + 1))
    for i in range(n_derivatives + 1):
        value = 1.0
        for k in range(1, i + 1):
            value *= k
        x, y, z = value, value, value
        for k in range(i, order + 1):
            ux[i, k], uy[i, k], uz[i, k] = x, y, z
            grown = (k + 1.0) / (k + 1.0 - i)
            x *= grown * direction[0]
            y *= grown * direction[1]
            z *= grown * direction[2]
    for z in range(n_derivatives + 1):
        for x in range(n_derivatives - z + 1):
            for y in range(n_derivatives - z - x + 1):
                one = out[z, x, y]
                one[:] = 0.0
                for kz in range(z, order + 1):
                    for kx in range(x, order - kz + 1):
                        f, at = uz[z, kz] * ux[x, kx], kz + kx - z - x - y
                        for ky in range(y, order - kz - kx + 1):
                            one[at + ky] += f * uy[y, ky] * a[kz, kx, ky]


@njit(nogil=True)
def tail(order, n, delta, r):
    r"""Bound of the derivatives of order n of what is left out beyond L, per unit of charge.

    Infinite where the bound's series does not converge fast enough to be summed by its first
    term.
    """
    first = order + 1
    if delta == 0.0:  # only the term N = n is left
        if n < first:
            return 0.0
        value = 1.0 / r
        for k in range(1, n + 1):
            value *= k / r
        return value
    if n >= first:
        return np.inf
    q = (first + 1.0) / (first + 1.0 - n) * delta / r
    if q >= 0.9:
        return np.inf
    value = (delta / r) ** (first - n) / r
    for k in range(n):
        value *= (first - k) / r
    return value / (1.0 - q)
