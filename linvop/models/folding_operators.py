r"""An operator's coefficients folded into tables of whole blocks.

An operator is ``F = M + M^T`` with blocks

.. math:: M_{ij}[x, y] = \sum_{ab\lambda\mu} C^{\lambda\mu}_{l_a x, l_b y}\, w_{ab}\,
          c^{ab} \cdot f_{ij}(\lambda\mu, \sigma)

of atoms (i = j, a <= b, w = 1/2 for a = b, else 1) and of ordered pairs of atoms, f the features of
that order of the pair. Between like atoms, features of either exchange e are ``f_ij + e f_ji``
and stand in F_ij at ab and, times e sigma, at ba (`linvop.orbitals.operator_blocks`): transposing
such a block multiplies it by e, so that what f_ji adds to F_ij is the transpose of what f_ij does.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from linvop.angular.tables import sparse_coupling
from linvop.basis.words import Irrep
from linvop.conventions import M_FROM_CARTESIAN
from linvop.errors import InputError
from linvop.features.operators import OperatorFeatures
from linvop.models.folding import folded_pair, folded_site
from linvop.models.operator import OperatorModel
from linvop.orbitals.operator_blocks import OperatorBlock, operator_blocks
from linvop.orbitals.shells import Shell

__all__ = ["operator_tables"]

Arrays = dict[str, Any]

_LARGEST = 1e9
"""Bytes of the coefficients of one table."""


def operator_tables(
    model: OperatorModel,
) -> tuple[dict[str, Arrays], dict[str, Arrays], list[Arrays]]:
    r"""Tables of blocks on site, of site features that pairs need, and of pairs.

    Returns
    -------
    {species: tables}, {species: tables}, list of tables
        As docs/format.md describes (`species`, `sites`, `pairs`).

    Raises
    ------
    InputError
        For tables that would be too large.
    """
    features = model.features()
    if not isinstance(features, OperatorFeatures):
        raise InputError(f"export: expected features of linvop, got {type(features).__name__}")
    gradients = _gradients(model)
    on_site = {}
    for s, sites in features.sites.items():
        found, constants = gradients[s, s, True, 0]
        on_site[s] = folded_site(sites, s, found) | {"constants": constants}
    pairs: dict[tuple[str, str], list[Arrays]] = {}
    for (s, t, exchange), both in features.pairs.items():
        found, constants = gradients[s, t, False, exchange]
        if any(x.any() for x in found.values()):
            one = folded_pair(both.plans[s, t], found) | {"constants": constants}
            names = {"first": np.bytes_(s), "second": np.bytes_(t)}
            pairs.setdefault((s, t), []).append(one | names)
    return on_site, _site_features(features), [x for those in pairs.values() for x in those]


def _gradients(
    model: OperatorModel,
) -> dict[tuple[str, str, bool, int], tuple[dict[Irrep, np.ndarray], np.ndarray]]:
    """Derivatives of M's elements by the features of each kind, and what has none."""
    targets = operator_blocks(model.ao_, model.species_)
    found: dict[tuple[str, str, bool, int], tuple[dict[Irrep, np.ndarray], np.ndarray]] = {}
    for block, part in model.parts_.items():
        s, t = block.species_i, block.species_j
        first, second = model.ao_.shells(s), model.ao_.shells(t)
        width_s, width_t = (sum(2 * x.l + 1 for x in y) for y in (first, second))
        size = model.spin_channels_ * width_s * width_t
        p = len(part.coefficients)
        if 8.0 * size * (2 * block.lam + 1) * p > _LARGEST:
            raise InputError(
                f"export: block {block}: {size} elements x {p} columns are too many for tables of "
                "whole blocks; take a smaller AO basis of the operator or fewer columns"
            )
        irreps, constants = found.setdefault((*block.kind, block.exchange), ({}, np.zeros(size)))
        G = irreps[block.lam, block.sigma] = np.zeros((size, 2 * block.lam + 1, p))
        per_spin = zip(
            np.split(part.coefficients, model.spin_channels_, axis=1),
            np.split(part.constants, model.spin_channels_),
            strict=True,
        )
        for spin, (c, b) in enumerate(per_spin):
            for k, x, y, mu, value in _elements(block, targets[block], first, second):
                places = spin * width_s * width_t + x * width_t + y
                G[places, mu] += value[:, None] * c[:, k]
                if block.lam == 0:
                    constants[places] += value * b[k]
    return found


def _elements(
    block: OperatorBlock, targets: np.ndarray, first: tuple[Shell, ...], second: tuple[Shell, ...]
) -> Iterator[tuple[int, np.ndarray, np.ndarray, np.ndarray, np.ndarray]]:
    """Target, elements (x, y) of M in PySCF's order, component and factor."""
    of_first, of_second = _places(first), _places(second)
    for k, (a, b) in enumerate(targets.tolist()):
        weight = 0.5 if a == b and (block.on_site or block.exchange) else 1.0
        if block.exchange and a != b:
            weight = np.sqrt(0.5)
        orders = [(a, b, 1)]
        if block.exchange:
            orders.append((b, a, block.exchange * block.sigma))
        for i, j, sign in orders:
            m1, m2, mu, value = sparse_coupling(first[i].l, second[j].l, block.lam)
            yield k, of_first[i][m1], of_second[j][m2], mu, sign * weight * value


def _places(shells: tuple[Shell, ...]) -> list[np.ndarray]:
    """Of each shell the places of its components m = -l .. l among the AOs of an atom."""
    found, start = [], 0
    for shell in shells:
        width = 2 * shell.l + 1
        found.append(start + (np.asarray(M_FROM_CARTESIAN) if shell.l == 1 else np.arange(width)))
        start += width
    return found


def _site_features(features: OperatorFeatures) -> dict[str, Arrays]:
    """Tables of the features of each atom, in the order in which pairs read them."""
    sites = next((x.sites for x in features.pairs.values() if x.sites is not None), None)
    if sites is None:
        return {}
    found = {}
    for s in features.species:
        sizes = {irrep: _n_columns(sites, s, irrep) for irrep in sites.irreps}
        n_out = sum((2 * lam + 1) * n for (lam, _), n in sizes.items())
        gradient, start = {}, 0
        for irrep, n in sizes.items():
            width = 2 * irrep[0] + 1
            G = gradient[irrep] = np.zeros((n_out, width, n))
            G[start : start + width * n] = np.eye(width * n).reshape(width * n, width, n)
            start += width * n
        found[s] = folded_site(sites, s, gradient) | {"constants": np.zeros(n_out)}
    return found


def _n_columns(sites: Any, species: str, irrep: Irrep) -> int:
    """Columns of one species' features of an irrep: words and products."""
    plans = [sites.plans[species]]
    if species in sites.product_plans:
        plans.append(sites.product_plans[species].products)
    return sum(
        n
        for plan in plans
        for own, n in zip(plan.irreps, plan.n_columns, strict=True)
        if own == irrep
    )
