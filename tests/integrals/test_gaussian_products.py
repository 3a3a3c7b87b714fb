from __future__ import annotations

from math import comb

import numpy as np
import pytest
from scipy.special import erfc

from linvop.integrals import System, overlap, point_charge_potential
from linvop.integrals.error_bounds import penetration
from linvop.integrals.gaussian_products import (
    element_shells,
    far_blocks,
    product_sizes,
    spherical,
)
from linvop.integrals.taylor import HIGHEST_ORDER, add_charges, along_segment, complete
from linvop.orbitals.shells import AOBasis, Shell

SETS = ["def2-svp", "cc-pvtz", {"O": [Shell(l, (0.9, 2.0), (0.6, 0.5)) for l in range(5)],
                                "H": [Shell(l, (0.7,), (1.0,)) for l in range(4)]}]  # fmt: skip


def pair(ao) -> System:
    return System((8, 1), np.asarray([[0.1, 0.2, -0.3], [1.3, 1.7, -1.5]]), AOBasis(ao))


def block(system: System, derivatives: np.ndarray, centre, unit, order: int) -> np.ndarray:
    shells = [element_shells(system.ao, s).arrays for s in ("O", "H")]
    out = np.zeros((1, shells[0][1][-1], shells[1][1][-1]))
    far_blocks(
        *shells, *system.positions, centre, unit, order, derivatives, *spherical(), out
    )  # fmt: skip
    return out[0]


def middle(system: System) -> tuple[np.ndarray, np.ndarray]:
    A, B = system.positions
    return (A + B) / 2, (B - A) / np.linalg.norm(B - A)


@pytest.mark.parametrize("ao", SETS, ids=["def2-svp", "cc-pvtz", "up to g"])
def test_a_constant_potential_gives_the_overlap(ao):
    system = pair(ao)
    centre, unit = middle(system)
    n = 8
    derivatives = np.zeros((1, n + 1, n + 1, n + 1, 2))
    derivatives[0, 0, 0, 0, 0] = 1.0
    split = int(system.layout.atom_offsets[1])
    found = block(system, derivatives, centre, unit, 1)
    np.testing.assert_allclose(found, overlap(system)[:split, split:], atol=1e-14)


@pytest.mark.parametrize("ao", SETS, ids=["def2-svp", "cc-pvtz", "up to g"])
def test_charges_outside_are_seen_through_finite_multipoles(ao):
    system = pair(ao)
    centre, unit = middle(system)
    rng = np.random.default_rng(2)
    y = rng.normal(size=(9, 3))
    y *= (30.0 / np.linalg.norm(y, axis=1))[:, None]
    charges = rng.random(9)
    order, n = HIGHEST_ORDER, 8
    a = np.zeros((1, order + 1, order + 1, order + 1))
    add_charges(order, y, -charges[None], 0, 9, a)
    complete(order, a)
    derivatives = np.zeros((1, n + 1, n + 1, n + 1, order + 1))
    along_segment(order, a[0], unit, n, derivatives[0])
    split = int(system.layout.atom_offsets[1])
    exact = point_charge_potential(system, charges, y + centre)[:split, split:]
    found = block(system, derivatives, centre, unit, order)
    np.testing.assert_allclose(found, exact, atol=1e-13)


def test_general_contractions_are_taken_apart():
    """Of zinc, whose primitives mostly have no part in a contraction."""
    system = System((30, 1), np.asarray([[0.0, 0, 0], [0.5, 1.0, 2.0]]), AOBasis("cc-pvdz"))
    shells = [element_shells(system.ao, s).arrays for s in ("Zn", "H")]
    split = int(system.layout.atom_offsets[1])
    assert shells[0][1][-1] == split
    assert all(element_shells(system.ao, "Zn").coefficients != 0.0)
    centre, unit = middle(system)
    derivatives = np.zeros((1, 9, 9, 9, 2))
    derivatives[0, 0, 0, 0, 0] = 1.0
    out = np.zeros((1, split, shells[1][1][-1]))
    given = centre, unit, 1, derivatives, *spherical()
    far_blocks(*shells, *system.positions, *given, out)
    np.testing.assert_allclose(out[0], overlap(system)[:split, split:], atol=1e-13)


@pytest.mark.parametrize("n", range(5))
def test_penetration_bounds_what_a_charge_inside_changes(n):
    # Along x, n-th differences of erfc(p^1/2 r) / r.
    p, rho, h = 0.7, 2.5, 0.02
    offsets = np.arange(-n, n + 1, 2) * h
    weights = [(-1) ** (n - k) * comb(n, k) for k in range(n + 1)]
    directions = np.random.default_rng(0).normal(size=(50, 3))
    directions /= np.linalg.norm(directions, axis=1)[:, None]
    bound = float(penetration(n, np.asarray(p), np.asarray(rho)))
    worst = 0.0
    for u in directions:
        r = np.linalg.norm(rho * np.asarray([1.0, 0, 0]) + offsets[:, None] * u, axis=1)
        worst = max(worst, abs(float(np.dot(weights, erfc(np.sqrt(p) * r) / r))) / (2 * h) ** n)
    assert worst <= 1.02 * bound
    assert worst >= 0.05 * bound  # and it is no more than some ten times too large


def test_sizes_bound_the_blocks_of_every_potential():
    # The potential of a charge far away: derivatives of order n are at most n! / r^(n + 1).
    system = pair("def2-svp")
    centre, unit = middle(system)
    R = float(np.linalg.norm(np.diff(system.positions, axis=0)))
    shells = [element_shells(system.ao, s).arrays for s in ("O", "H")]
    exponents, pairs, places, sizes = product_sizes(*shells, R, *spherical())
    assert (places <= 1.0).all()
    assert len(exponents) == len(pairs) == len(sizes)
    r = 40.0
    bound = np.zeros(pairs.max() + 1)
    factorial = np.asarray([1.0, 1, 2, 6, 24])
    for k, one in zip(pairs, sizes, strict=True):
        bound[k] += (one * factorial[: len(one)] / (r - R) ** np.arange(1, len(one) + 1)).sum()
    split = int(system.layout.atom_offsets[1])
    n_shells = len(shells[1][0])
    for u in [unit, *np.random.default_rng(4).normal(size=(30, 3))]:
        place = centre[None] + r * u / np.linalg.norm(u)
        exact = point_charge_potential(system, np.ones(1), place)[:split, split:]
        for k, largest in enumerate(bound):
            i, j = divmod(k, n_shells)
            rows = slice(*shells[0][1][i : i + 2])
            columns = slice(*shells[1][1][j : j + 2])
            assert np.abs(exact[rows, columns]).max() <= largest
