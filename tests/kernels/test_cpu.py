"""The compiled kernel equals the reference, also where there is nothing to do."""

from __future__ import annotations

import numpy as np
import pytest

from linvop.kernels import cpu, reference

from .conftest import Problem, problem


def check(one: Problem, row_of_site, n_rows: int) -> None:
    expected = one.rows(reference.site_rows, row_of_site, n_rows)
    found = one.rows(cpu.site_rows, row_of_site, n_rows)
    assert found.shape == expected.shape == (n_rows, one.plan.row_size)
    np.testing.assert_allclose(
        found, expected, rtol=0, atol=1e-12 * np.abs(expected).max(initial=1)
    )


@pytest.mark.parametrize("rows", [[0, 1, 2], [0, 0, 0], [0, 0, 1], [1, 3, 3]], ids=str)
def test_sites_and_sums(of_each_resolution, rows):
    check(of_each_resolution, rows, max(rows) + 1)


@pytest.mark.parametrize("kappa", [1, 2, 4, 5])
@pytest.mark.parametrize(("resolution", "sources"), [("species", "total"), ("total", "species")])
def test_every_order(kappa, resolution, sources):
    check(problem(resolution, kappa=kappa, sources=sources), [0, 0, 1], 2)


@pytest.mark.parametrize("target", ["site", "structure"])
def test_targets(target):
    check(problem("shell", sources="total", target=target), [0, 0, 0], 1)


@pytest.mark.parametrize("irrep", [(0, 1), (1, -1), (4, 1)])
def test_one_irrep_alone(irrep):
    """Scalars take a short cut: the diagonal of the block."""
    one, every = problem("shell", irreps=(irrep,)), problem("shell")
    check(one, range(3), 3)
    rows = [x.plan.split(x.rows(cpu.site_rows, range(3), 3))[irrep] for x in (one, every)]
    np.testing.assert_allclose(*rows, atol=1e-10)


def test_an_absent_species_has_empty_channels():
    check(problem("shell", n_atoms=(0, 3)), range(3), 3)
    check(problem("species", n_atoms=(0, 1)), [0], 1)


def test_no_sites_and_no_columns():
    check(problem("shell", n_atoms=(2, 0)), [], 0)
    check(problem("shell", n_atoms=(2, 0)), [], 1)
    check(problem("total", irreps=((0, -1),)), range(3), 3)
