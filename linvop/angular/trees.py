r"""Coupling trees: which independent functions couple a product of irreps to one irrep.

A product of distinct factors f, each to the power n_f, is coupled in two steps: every power
by itself (`symmetric_powers`, an irrep L_f and which of its copies), then the powers one after
the other by Clebsch-Gordan coefficients,

.. math:: (\ldots((L_1, L_2) J_2, L_3) J_3 \ldots, L_g) \lambda .

The leaves are orthonormal and so are the couplings: every tree is a function of its own, all of
them together are orthonormal as tensors, and their number is that of `characters`. Nothing is
found by cutting the rank of a larger set.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING

from linvop.angular.characters import number_of_couplings
from linvop.angular.clebsch_gordan import real_coupling
from linvop.angular.symmetric_powers import exact_power
from linvop.errors import InputError

if TYPE_CHECKING:
    import sympy

__all__ = ["CouplingTree", "coupling_trees", "exact_tree"]

Powers = tuple[tuple[int, int], ...]
"""(l, n) of each distinct factor."""


@dataclass(frozen=True, slots=True)
class CouplingTree:
    r"""One way to couple powers of distinct factors.

    Attributes
    ----------
    powers : tuple of (l, n)
    leaves : tuple of (L, copy)
        To what each power is coupled, and which of the irreps L in it.
    nodes : tuple of int
        J_1 = L_1, J_2, ..., J_g = lam: what the first 1, 2, ... g powers are coupled to.
    """

    powers: Powers
    leaves: tuple[tuple[int, int], ...]
    nodes: tuple[int, ...]

    @property
    def lam(self) -> int:
        """The irrep of the whole."""
        return self.nodes[-1]


@cache
def coupling_trees(powers: Powers, lam: int) -> tuple[CouplingTree, ...]:
    r"""All trees of a product that end in lam.

    Raises
    ------
    InputError
        For no factors, a negative l or lam, or a power below 1.

    Examples
    --------
    >>> [tree.nodes for tree in coupling_trees(((1, 1), (1, 1), (1, 1)), 1)]
    [(1, 0, 1), (1, 1, 1), (1, 2, 1)]
    """
    if not powers or lam < 0 or any(l < 0 or n < 1 for l, n in powers):
        raise InputError(
            f"coupling of powers {powers} to lam = {lam}: expected l, lam >= 0 and n >= 1"
        )
    partial: list[tuple[tuple[tuple[int, int], ...], tuple[int, ...]]] = [((), ())]
    for f, (l, n) in enumerate(powers):
        rest = sum(l * n for l, n in powers[f + 1 :])
        grown = []
        for L in range(l * n + 1):
            for copy in range(number_of_couplings([(l, (-1) ** l, n)], L, (-1) ** L)):
                for leaves, nodes in partial:
                    lowest = abs(nodes[-1] - L) if nodes else L
                    highest = nodes[-1] + L if nodes else L
                    grown += [
                        ((*leaves, (L, copy)), (*nodes, J))
                        for J in range(lowest, highest + 1)
                        if abs(J - lam) <= rest
                    ]
        partial = grown
    return tuple(CouplingTree(powers, *tree) for tree in sorted(partial))


def exact_tree(tree: CouplingTree) -> dict[tuple[tuple[int, ...], int], sympy.Expr]:
    r"""The polynomial of a tree in real components, exactly.

    Slow, with sums of different roots: what the float tables are tested against.

    Returns
    -------
    dict
        From (positions of all factors, mu + lam) to sympy numbers; positions ascend within each
        power.
    """
    import sympy

    total: dict[tuple[tuple[int, ...], int], sympy.Expr] = {}
    for f, ((l, n), (L, copy)) in enumerate(zip(tree.powers, tree.leaves, strict=True)):
        leaf = exact_power(l, n, L)[copy]
        if not f:
            total = dict(leaf)
            continue
        J = tree.nodes[f]
        coupling = real_coupling(tree.nodes[f - 1], L, J)
        coupled: dict[tuple[tuple[int, ...], int], sympy.Expr] = {}
        for (m1, m2, mu), c in coupling.items():
            for (first, a), x in total.items():
                if a == m1:
                    for (second, b), y in leaf.items():
                        if b == m2:
                            key = (first + second, mu)
                            coupled[key] = coupled.get(key, sympy.Integer(0)) + c * x * y
        total = {key: sympy.expand(value) for key, value in coupled.items()}
    return {key: value for key, value in total.items() if value != 0}
