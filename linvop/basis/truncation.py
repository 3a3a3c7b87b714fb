r"""Degrees: which of infinitely many features come first.

A shell (n, l) of an element counts n + l, with n the number of shells of the same l and element
that are more diffuse: smooth functions first, core shells last. A word of V has

.. math:: \deg\bigl(\langle V P_{c_1} V \cdots V;\, a b;\, \lambda \rangle\bigr)
          = \kappa + d_a + d_b + \sum_c d_c, \qquad d_{(n,l)} = n + l

(channels that are not resolved by shell count nothing), and a product the sum over its factors:
as r^l is the lowest power in a shell, this is a total degree, with one more for each factor V.
`max_degree` limits it for each order nu by itself, as in ACE.

R. Drautz, Phys. Rev. B 99, 014104 (2019); G. Dusson et al., J. Comput. Phys. 454, 110946 (2022).
"""

from __future__ import annotations

from collections.abc import Sequence
from math import gamma

from linvop.orbitals.shells import Shell

__all__ = ["mean_square_radius", "shell_degrees"]


def mean_square_radius(shell: Shell) -> float:
    r"""``<r^2>`` of a shell, Bohr^2.

    With ``int r^k e^(-a r^2) dr = Gamma((k+1)/2) / (2 a^((k+1)/2))``.
    """
    exponents, c = shell.radial()
    pairs = exponents[:, None] + exponents

    def moment(k: int) -> float:
        return float(c @ (gamma((k + 1) / 2) / (2 * pairs ** ((k + 1) / 2))) @ c)

    return moment(2 * shell.l + 4) / moment(2 * shell.l + 2)


def shell_degrees(shells: Sequence[Shell]) -> tuple[int, ...]:
    r"""Degrees n + l of the shells of one element.

    Examples
    --------
    >>> from linvop.orbitals.shells import AOBasis
    >>> shell_degrees(AOBasis("6-31g").shells("O"))  # 1s is the core, 3s the most diffuse
    (2, 1, 0, 2, 1)
    """
    radii = [mean_square_radius(shell) for shell in shells]
    return tuple(
        shell.l
        + sum(other.l == shell.l and r > radii[k] for other, r in zip(shells, radii, strict=True))
        for k, shell in enumerate(shells)
    )
