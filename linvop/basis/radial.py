r"""Products of the radial functions of two shells: what a local potential sees of them.

.. math:: R_a(r) R_b(r) = \sum_{pq} c_p c_q e^{-(\alpha_p + \alpha_q) r^2}

With V local, two pairs of shells of the same l_a + l_b whose products are proportional give
proportional on-site blocks for kappa = 1.
"""

from __future__ import annotations

import numpy as np

from linvop.orbitals.shells import Shell

__all__ = ["RadialProduct", "proportional", "radial_product"]

RadialProduct = tuple[np.ndarray, np.ndarray]
"""Exponents and coefficients."""


def radial_product(a: Shell, b: Shell) -> RadialProduct:
    r"""Return exponents and coefficients of the product, the largest coefficient one.

    Both are sums of bare Gaussians (`linvop.orbitals.shells.Shell.radial`).
    """
    (ea, ca), (eb, cb) = a.radial(), b.radial()
    exponents = (ea[:, None] + eb).ravel()
    coefficients = (ca[:, None] * cb).ravel()
    order = np.argsort(exponents)
    exponents, coefficients = exponents[order], coefficients[order]
    # Sums of exponents that agree to rounding are one Gaussian.
    first = np.concatenate([[True], np.diff(exponents) > 1e-12 * exponents[1:]])
    group = np.cumsum(first) - 1
    merged = np.bincount(group, weights=coefficients)
    return exponents[first], merged / np.abs(merged).max()


def proportional(f: RadialProduct, g: RadialProduct) -> bool:
    r"""Whether two products are multiples of each other, to 1e-10."""
    if f[0].shape != g[0].shape or not np.allclose(f[0], g[0], rtol=1e-11, atol=0):
        return False
    return np.allclose(f[1], g[1], rtol=0, atol=1e-10) or np.allclose(
        f[1], -g[1], rtol=0, atol=1e-10
    )
