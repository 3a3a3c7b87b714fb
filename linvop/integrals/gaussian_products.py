r"""Products of Gaussians in a potential that is harmonic where they are: finite multipoles.

The product of two primitives is a Gaussian of exponent p = alpha + beta about
``P = (alpha A + beta B) / p`` times a polynomial, which is a sum of its derivatives (McMurchie
and Davidson, J. Comput. Phys. 26, 218 (1978)),

.. math:: x_A^{i} x_B^{j} e^{-\alpha x_A^2 - \beta x_B^2} = K \sum_{t \le i + j} E^{ij}_t\,
          \frac{\partial^t}{\partial P_x^t} e^{-p (x - P_x)^2} ,

and the mean of a harmonic function over a Gaussian is its value at the centre, so that

.. math:: \langle a | \Phi | b \rangle = \sum K c_a c_b \Bigl(\frac{\pi}{p}\Bigr)^{3/2}
          \sum_{tuv} E_t E_u E_v \; \partial_x^t \partial_y^u \partial_z^v \Phi(P) :

no derivative beyond l_a + l_b is seen. A charge at distance rho from P is not outside of the
Gaussian; what that changes (the penetration) is, per unit of charge and for n = t + u + v,

.. math:: \Bigl|\partial^n \frac{\operatorname{erfc}(\sqrt p \rho)}{\rho}\Bigr| \le
          \frac{2}{\sqrt\pi} \int_{\sqrt p}^\infty u^n \tilde H_n(u \rho) e^{-u^2 \rho^2} du,
          \qquad \tilde H_n(z) = i^{-n} H_n(i z) .
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from linvop.compiled import njit
from linvop.integrals.system import element_template
from linvop.orbitals.shells import AOBasis

__all__ = ["ElementShells", "element_shells", "far_blocks", "product_sizes", "spherical"]

_NEGLIGIBLE = 1e-17
"""Of K c_a c_b: products below are left out."""


@dataclass(frozen=True)
class ElementShells:
    r"""The shells of one element, as compiled code wants them.

    Attributes
    ----------
    l : (n_shells,) int64
    first_ao : (n_shells + 1,) int64
    first_primitive : (n_shells + 1,) int64
    exponents, coefficients : (n_primitives,) float64
        Of ``r^l Y_lm e^(-a r^2)``, the shell normalised.
    """

    l: np.ndarray
    first_ao: np.ndarray
    first_primitive: np.ndarray
    exponents: np.ndarray
    coefficients: np.ndarray

    @property
    def arrays(self) -> tuple[np.ndarray, ...]:
        """In the order of the fields."""
        return self.l, self.first_ao, self.first_primitive, self.exponents, self.coefficients


@lru_cache(maxsize=256)
def element_shells(ao: AOBasis, symbol: str) -> ElementShells:
    r"""Shells in PySCF's order; general contractions one by one."""
    bas, env = element_template(ao, symbol)
    ls, exponents, coefficients = [], [], []
    for _, l, n_primitives, n_contracted, _, at, coeff, _ in bas.tolist():
        for k in range(n_contracted):
            start = coeff + k * n_primitives
            own = env[start : start + n_primitives]
            ls.append(l)
            exponents.append(env[at : at + n_primitives][own != 0.0])
            coefficients.append(own[own != 0.0])
    sizes = [len(x) for x in exponents]
    return ElementShells(
        np.asarray(ls, np.int64),
        np.concatenate([[0], np.cumsum([2 * l + 1 for l in ls])]).astype(np.int64),
        np.concatenate([[0], np.cumsum(sizes)]).astype(np.int64),
        np.concatenate(exponents),
        np.concatenate(coefficients),
    )


@lru_cache(maxsize=1)
def spherical() -> tuple[np.ndarray, np.ndarray]:
    r"""From Cartesian monomials to r^l Y_lm in PySCF's order, for all l up to `L_MAX`.

    Returns
    -------
    table : (L_MAX + 1, n_cart, 2 L_MAX + 1) float64
        ``table[l, c, m]``; zero beyond a shell's own.
    powers : (L_MAX + 1, n_cart, 3) int64
        Powers of x, y, z.
    """
    from pyscf.gto import cart2sph

    from linvop.orbitals.shells import L_MAX

    n_cart = (L_MAX + 1) * (L_MAX + 2) // 2
    table = np.zeros((L_MAX + 1, n_cart, 2 * L_MAX + 1))
    powers = np.zeros((L_MAX + 1, n_cart, 3), np.int64)
    for l in range(L_MAX + 1):
        one = cart2sph(l)
        table[l, : one.shape[0], : one.shape[1]] = one
        rows = [(x, y, l - x - y) for x in range(l, -1, -1) for y in range(l - x, -1, -1)]
        powers[l, : len(rows)] = rows
    return table, powers


@njit(nogil=True)
def _hermite(la, lb, pa, pb, p, E):
    r"""``E[i, j, t]`` of one axis for i <= la, j <= lb, without K; pa = P - A, pb = P - B."""
    half = 0.5 / p
    E[: la + 1, : lb + 1, : la + lb + 2] = 0.0
    E[0, 0, 0] = 1.0
    for i in range(la):
        for t in range(i + 2):
            value = pa * E[i, 0, t] + (t + 1) * E[i, 0, t + 1]
            if t:
                value += half * E[i, 0, t - 1]
            E[i + 1, 0, t] = value
    for i in range(la + 1):
        for j in range(lb):
            for t in range(i + j + 2):
                value = pb * E[i, j, t] + (t + 1) * E[i, j, t + 1]
                if t:
                    value += half * E[i, j, t - 1]
                E[i, j + 1, t] = value


@njit(nogil=True)
def far_blocks(shells_i, shells_j, A, B, centre, direction, order, derivatives, table, powers, out):
    r"""Add ``<a| Phi |b>`` for all AOs a of one atom and b of another, or of the same.

    Parameters
    ----------
    shells_i, shells_j : ElementShells.arrays
    A, B : (3,) float64
        Positions.
    centre, direction : (3,) float64
        C and u: all products lie at C + t u.
    order : int
        L; of what `derivatives` holds.
    derivatives : (n_sets, n + 1, n + 1, n + 1, L + 1) float64
        `linvop.integrals.taylor.along_segment`, n at least l_a + l_b.
    table, powers
        `spherical`.
    out : (n_sets, n_ao_i, n_ao_j) float64
    """
    l_i, ao_i, start_i, exponents_i, coefficients_i = shells_i
    l_j, ao_j, start_j, exponents_j, coefficients_j = shells_j
    apart = (A[0] - B[0]) ** 2 + (A[1] - B[1]) ** 2 + (A[2] - B[2]) ** 2
    n_sets = len(out)
    top_a, top_b = l_i.max(), l_j.max()
    top = top_a + top_b
    E = np.zeros((3, top_a + 1, top_b + 1, top + 2))
    field = np.zeros((top + 1, top + 1, top + 1))
    n_cart_a, n_cart_b = (top_a + 1) * (top_a + 2) // 2, (top_b + 1) * (top_b + 2) // 2
    cart = np.zeros((n_sets, n_cart_a, n_cart_b))
    P = np.zeros(3)
    for a in range(len(l_i)):
        la = l_i[a]
        for b in range(len(l_j)):
            lb = l_j[b]
            n_a, n_b = (la + 1) * (la + 2) // 2, (lb + 1) * (lb + 2) // 2
            cart[:, :n_a, :n_b] = 0.0
            for k in range(start_i[a], start_i[a + 1]):
                for m in range(start_j[b], start_j[b + 1]):
                    alpha, beta = exponents_i[k], exponents_j[m]
                    p = alpha + beta
                    size = coefficients_i[k] * coefficients_j[m]
                    size *= np.exp(-alpha * beta / p * apart)
                    if abs(size) < _NEGLIGIBLE:
                        continue
                    size *= (np.pi / p) ** 1.5
                    t = 0.0
                    for x in range(3):
                        P[x] = (alpha * A[x] + beta * B[x]) / p
                        t += (P[x] - centre[x]) * direction[x]
                        _hermite(la, lb, P[x] - A[x], P[x] - B[x], p, E[x])
                    for s in range(n_sets):
                        _at(order, t, size, la + lb, derivatives[s], field)
                        _couple_cartesian(la, lb, n_a, n_b, powers, E, field, cart[s])
            for s in range(n_sets):
                for m1 in range(2 * la + 1):
                    for m2 in range(2 * lb + 1):
                        total = 0.0
                        for c1 in range(n_a):
                            if table[la, c1, m1] == 0.0:
                                continue
                            for c2 in range(n_b):
                                total += table[la, c1, m1] * cart[s, c1, c2] * table[lb, c2, m2]
                        out[s, ao_i[a] + m1, ao_j[b] + m2] += total


@njit(nogil=True)
def _at(order, t, size, n, derivatives, field):
    """Derivatives at C + t u times a number."""
    for z in range(n + 1):
        for x in range(n - z + 1):
            for y in range(n - z - x + 1):
                one = derivatives[z, x, y]
                value = 0.0
                for k in range(order - z - x - y, -1, -1):
                    value = value * t + one[k]
                field[z, x, y] = size * value


@njit(nogil=True)
def _couple_cartesian(la, lb, n_a, n_b, powers, E, field, cart):
    for c1 in range(n_a):
        for c2 in range(n_b):
            i, j = powers[la, c1], powers[lb, c2]
            total = 0.0
            for z in range(i[2] + j[2] + 1):
                for x in range(i[0] + j[0] + 1):
                    both = E[2, i[2], j[2], z] * E[0, i[0], j[0], x]
                    if both == 0.0:
                        continue
                    for y in range(i[1] + j[1] + 1):
                        total += both * E[1, i[1], j[1], y] * field[z, x, y]
            cart[c1, c2] += total


@njit(nogil=True)
def product_sizes(shells_i, shells_j, R, table, powers):
    r"""How much products weigh on derivatives of each order, for bounds.

    Parameters
    ----------
    shells_i, shells_j, table, powers
        As for `far_blocks`.
    R : float
        Distance of the atoms.

    Returns
    -------
    exponents : (n_products,) float64
        p of each product of primitives.
    pairs : (n_products,) int64
        Which pair of shells it belongs to.
    places : (n_products,) float64
        Distance of P from the middle of the atoms, of R / 2.
    sizes : (n_products, l_i + l_j + 1) float64
        Sums over t + u + v = n of the coefficients' moduli, as the Frobenius norm over all
        components: no single one is larger, in any frame.
    """
    l_i, _, start_i, exponents_i, coefficients_i = shells_i
    l_j, _, start_j, exponents_j, coefficients_j = shells_j
    top_a, top_b = l_i.max(), l_j.max()
    top = top_a + top_b
    n_products = start_i[-1] * start_j[-1]
    exponents, pairs = np.zeros(n_products), np.zeros(n_products, np.int64)
    places = np.zeros(n_products)
    sizes = np.zeros((n_products, top + 1))
    E = np.zeros((3, top_a + 1, top_b + 1, top + 2))
    components = np.zeros((top + 1, top + 1, top + 1))
    sums = np.zeros(top + 1)
    at = 0
    for a in range(len(l_i)):
        la = l_i[a]
        for b in range(len(l_j)):
            lb = l_j[b]
            for k in range(start_i[a], start_i[a + 1]):
                for m in range(start_j[b], start_j[b + 1]):
                    alpha, beta = exponents_i[k], exponents_j[m]
                    p = alpha + beta
                    size = abs(coefficients_i[k] * coefficients_j[m]) * (np.pi / p) ** 1.5
                    size *= np.exp(-alpha * beta / p * R**2)
                    exponents[at], pairs[at] = p, a * len(l_j) + b
                    places[at] = abs(alpha - beta) / p
                    _hermite(la, lb, 0.0, 0.0, p, E[0])
                    _hermite(la, lb, 0.0, 0.0, p, E[1])
                    _hermite(la, lb, beta / p * R, -alpha / p * R, p, E[2])
                    for m1 in range(2 * la + 1):
                        for m2 in range(2 * lb + 1):
                            _components(la, lb, m1, m2, table, powers, E, components)
                            sums[:] = 0.0
                            for z in range(la + lb + 1):
                                for x in range(la + lb - z + 1):
                                    for y in range(la + lb - z - x + 1):
                                        sums[z + x + y] += abs(components[z, x, y])
                            for n in range(la + lb + 1):
                                sizes[at, n] += (size * sums[n]) ** 2
                    at += 1
    return exponents, pairs, places, np.sqrt(sizes)


@njit(nogil=True)
def _components(la, lb, m1, m2, table, powers, E, components):
    """Coefficients of all derivatives for two spherical components."""
    n = la + lb
    components[: n + 1, : n + 1, : n + 1] = 0.0
    for c1 in range((la + 1) * (la + 2) // 2):
        for c2 in range((lb + 1) * (lb + 2) // 2):
            both = table[la, c1, m1] * table[lb, c2, m2]
            if both == 0.0:
                continue
            i, j = powers[la, c1], powers[lb, c2]
            for z in range(i[2] + j[2] + 1):
                for x in range(i[0] + j[0] + 1):
                    for y in range(i[1] + j[1] + 1):
                        components[z, x, y] += (
                            both * E[2, i[2], j[2], z] * E[0, i[0], j[0], x] * E[1, i[1], j[1], y]
                        )
