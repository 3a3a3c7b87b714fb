"""Adjoints: ``<G, dr> = <dr/dM^T G, dM>`` along random directions, and compiled = reference."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from linvop.basis.products import ProductEnumeration
from linvop.kernels import cpu_adjoint, reference, reference_adjoint
from linvop.kernels.product_plan import product_plan

from .conftest import IRREPS, Problem, problem

STEP = 1e-3


def gradients(kernel, one: Problem, row_of_site, gradient):
    return kernel(
        one.plan,
        one.local,
        one.first,
        one.middle,
        one.channel_start,
        one.shell_start,
        np.asarray(row_of_site, np.int64),
        gradient,
    )


def slope(function) -> float:
    """Fourth-order central difference at 0."""
    near, far = (function(x) - function(-x) for x in (STEP, 2 * STEP))
    return (8 * near - far) / (12 * STEP)


@pytest.mark.parametrize("rows", [[0, 1, 2], [0, 0, 1]], ids=str)
def test_words_along_random_directions(of_each_resolution, rows):
    one, rng = of_each_resolution, np.random.default_rng(1)
    G = rng.normal(size=(max(rows) + 1, one.plan.row_size))
    found = gradients(reference_adjoint.site_rows_adjoint, one, rows, G)
    for name, by in zip(("local", "first", "middle"), found, strict=True):
        along = rng.normal(size=by.shape)

        def value(x, name=name, along=along):
            moved = replace(one, **{name: getattr(one, name) + x * along})
            return np.sum(G * moved.rows(reference.site_rows, rows, len(G)))

        scale = np.linalg.norm(by) * np.linalg.norm(along)
        assert slope(value) == pytest.approx(np.sum(by * along), abs=1e-9 * scale)


def assert_compiled_is_reference(one: Problem, rows, n_rows: int) -> None:
    G = np.random.default_rng(2).normal(size=(n_rows, one.plan.row_size))
    expected = gradients(reference_adjoint.site_rows_adjoint, one, rows, G)
    found = gradients(cpu_adjoint.site_rows_adjoint, one, rows, G)
    for k, (x, y) in enumerate(zip(found, expected, strict=True)):
        a, b = (z + z.transpose(0, 2, 1) if k == 2 else z for z in (x, y))
        np.testing.assert_allclose(a, b, rtol=0, atol=1e-12 * np.abs(b).max(initial=1))


@pytest.mark.parametrize("rows", [[0, 1, 2], [0, 0, 0], [1, 3, 3]], ids=str)
def test_compiled_words(of_each_resolution, rows):
    assert_compiled_is_reference(of_each_resolution, rows, max(rows) + 1)


@pytest.mark.parametrize("kappa", [1, 2, 4])
def test_every_order(kappa):
    one = problem("species", kappa=kappa, sources="total")
    assert_compiled_is_reference(one, [0, 0, 1], 2)


def test_absent_species_and_nothing_to_do():
    assert_compiled_is_reference(problem("shell", n_atoms=(0, 2)), [0, 1], 2)
    assert_compiled_is_reference(problem("shell", n_atoms=(2, 0)), [], 1)


def test_products():
    enumeration = problem("total", kappa=1, sources="total").enumeration
    products = ProductEnumeration(enumeration, (6.0, 7.0))
    plan = product_plan(products, "C", IRREPS[:4])
    assert {len(x) for x in np.split(plan.slot_offset, plan.product_first[1:-1])} == {2, 3}
    rng, rows = np.random.default_rng(4), np.array([0, 0, 1])
    size = 1 + int(max((plan.slot_offset + plan.slot_stride * 20).max(), 0))
    A, along = rng.normal(size=(2, 3, size))
    G = rng.normal(size=(2, plan.row_size))
    found = reference_adjoint.product_rows_adjoint(plan, A, rows, G)

    def value(x):
        return np.sum(G * reference.product_rows(plan, A + x * along, rows, 2))

    assert slope(value) == pytest.approx(np.sum(found * along), rel=1e-8)
    np.testing.assert_allclose(
        cpu_adjoint.product_rows_adjoint(plan, A, rows, G), found, rtol=1e-10, atol=1e-10
    )
