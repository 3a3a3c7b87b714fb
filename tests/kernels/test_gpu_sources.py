"""The CUDA sources give the reference's numbers: compiled for the CPU here, on a GPU (marker gpu).

Structures of a batch differ in size, and some lack a species.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from linvop.basis.products import ProductEnumeration
from linvop.errors import InputError
from linvop.kernels import reference, reference_adjoint
from linvop.kernels.batch import Batch
from linvop.kernels.cpu_batches import CpuBatches
from linvop.kernels.dispatch import SOURCES, compile_source, device
from linvop.kernels.gpu import GpuKernels
from linvop.kernels.plan import site_plan
from linvop.kernels.product_plan import ProductPlan, product_plan

from .conftest import AO, IRREPS, SPECIES, Problem, problem
from .cuda_on_cpu import HostLauncher, compiler
from .strict_arrays import strict

ORACLE = CpuBatches(reference, reference_adjoint)

ATOMS = ((2, 3), (0, 3), (2, 1), (1, 0))
"""Atoms of H and C of the structures of a batch."""


def kernels_for(kind: str, folder) -> Any:
    """Kernels of a kind: NumPy's, CUDA on the CPU (threads x blocks), or a GPU's."""
    if kind == "numpy":
        return CpuBatches()
    if kind == "cupy":
        return device("gpu").kernels
    if compiler() is None:
        pytest.skip("needs a g++ that knows C++20, to compile the CUDA sources for the CPU")
    threads, blocks = (int(x) for x in kind.removeprefix("cuda on cpu ").split("x"))
    return GpuKernels(strict, HostLauncher(folder, threads, blocks))


@pytest.fixture(
    params=[
        "numpy",
        "cuda on cpu 1x1",
        "cuda on cpu 3x2",
        pytest.param("cupy", marks=pytest.mark.gpu),
    ]
)
def kernels(request, cuda_folder) -> Any:
    return kernels_for(request.param, cuda_folder)


def starts_of(atoms) -> tuple[np.ndarray, np.ndarray]:
    """First AOs of all shells of H and of C, (n_structures, 4) each."""
    widths = [(2 * a.l + 1, k) for k, s in enumerate(SPECIES) for a in AO.shells(s)]
    sizes = [[w * counts[k] for w, k in widths] for counts in atoms]
    starts = np.concatenate([np.zeros((len(atoms), 1)), np.cumsum(sizes, axis=1)], axis=1)
    return starts[:, :4].astype(np.int64), starts[:, 3:].astype(np.int64)


def batch_of(
    one: Problem, xp=np, atoms=ATOMS, beyond: float = np.nan
) -> tuple[Batch, np.ndarray, np.ndarray]:
    """Random structures, and where shells of H and C start; NaN shows what should not be read."""
    of_h, of_c = starts_of(atoms)
    every = np.concatenate([of_h[:, :-1], of_c], axis=1)
    ranges = one.enumeration.channel_shells
    channels = every[:, [lo for lo, _ in ranges] + [ranges[-1][1]]]
    n_ao, n_sources = int(every[:, -1].max()), one.local.shape[0]
    K, E, M = np.random.default_rng(5).normal(size=(3, len(atoms), n_sources, n_ao, n_ao))
    M += M.transpose(0, 1, 3, 2)
    for x in (K, E, M):
        for k, n in enumerate(every[:, -1]):
            x[k, :, n:] = x[k, :, :, n:] = beyond
    return Batch(*(xp.asarray(x) for x in (K, E, M)), channels), of_h, of_c


def rows_of(atoms, summed: bool) -> np.ndarray:
    """(structure, first site, number of sites) of the rows for the centre C."""
    counts = [c for _, c in atoms]
    if summed:
        return np.asarray([(k, 0, n) for k, n in enumerate(counts)], np.int64)
    rows = [(k, i, 1) for k, n in enumerate(counts) for i in range(n)]
    return np.asarray(rows, np.int64).reshape(-1, 3)


def host(x: Any) -> np.ndarray:
    return x if isinstance(x, np.ndarray) else x.get()


def assert_same(found: Any, expected: np.ndarray) -> None:
    scale = np.abs(expected).max(initial=1.0)
    assert found.shape == expected.shape
    np.testing.assert_allclose(host(found), expected, rtol=0, atol=1e-12 * scale)


def check_sites(kernels, one: Problem, summed: bool, atoms=ATOMS, beyond: float = np.nan) -> None:
    rows = rows_of(atoms, summed)
    given, _, starts = batch_of(one, atoms=atoms)
    expected = ORACLE.site_rows(one.plan, given, starts, rows)
    given, _, starts = batch_of(one, kernels.xp, atoms, beyond)
    assert_same(kernels.site_rows(one.plan, given, starts, rows), expected)


@pytest.mark.parametrize("summed", [False, True])
def test_words_at_sites(kernels, of_each_resolution, summed):
    check_sites(kernels, of_each_resolution, summed)


@pytest.mark.parametrize("kappa", [1, 2, 4])
@pytest.mark.parametrize(("resolution", "sources"), [("species", "total"), ("total", "species")])
def test_every_order(kernels, kappa, resolution, sources):
    check_sites(kernels, problem(resolution, kappa=kappa, sources=sources), True)


@pytest.mark.parametrize("target", ["site", "structure"])
@pytest.mark.parametrize("irreps", [((0, 1),), ((1, 1), (2, -1))])
def test_targets_and_single_irreps(kernels, target, irreps):
    check_sites(kernels, problem("shell", sources="total", target=target, irreps=irreps), True)


def test_an_absent_species_has_empty_channels(kernels):
    for summed in (False, True):
        one = problem("shell", n_atoms=(0, 3))
        check_sites(kernels, one, summed, ((0, 3), (0, 1)))
    one = problem("shell", n_atoms=(2, 0))
    check_sites(kernels, one, True, ((2, 0), (1, 0)))
    check_sites(kernels, one, False, ((2, 0), (1, 0)))
    check_sites(kernels, problem("total", irreps=((0, -1),)), False)


@pytest.mark.parametrize("species", [("H", "C"), ("C", "C")])
def test_words_between_atoms(kernels, species):
    from linvop.basis.pair_factors import PairFactors
    from linvop.kernels.plan import pair_word_plan

    one = problem("shell", sources="total")
    plan = pair_word_plan(PairFactors(one.enumeration, (0, 0), (None,)), *species)
    which = [SPECIES.index(s) for s in species]
    pairs = np.asarray(
        [
            (k, i, j)
            for k, n in enumerate(ATOMS)
            for i in range(n[which[0]])
            for j in range(n[which[1]])
            if species[0] != species[1] or i != j
        ],
        np.int64,
    )
    given, *starts = batch_of(one)
    expected = ORACLE.pair_rows(plan, given, *(starts[k] for k in which), pairs)
    given, *starts = batch_of(one, kernels.xp)
    assert_same(kernels.pair_rows(plan, given, *(starts[k] for k in which), pairs), expected)


@pytest.mark.parametrize("summed", [False, True])
@pytest.mark.parametrize("shared", [False, True])
def test_words_backwards(kernels, of_each_resolution, summed, shared):
    check_backwards(kernels, of_each_resolution, summed, shared)


@pytest.mark.parametrize("kappa", [1, 2, 4])
def test_every_order_backwards(kernels, kappa):
    check_backwards(kernels, problem("species", kappa=kappa, sources="total"), False, False)


def test_absent_species_backwards(kernels):
    one = problem("shell", n_atoms=(0, 2))
    check_backwards(kernels, one, True, False, ((0, 2), (0, 1)))
    one = problem("shell", n_atoms=(2, 0))
    check_backwards(kernels, one, True, False, ((2, 0), (1, 0)))


def check_backwards(
    kernels, one: Problem, summed: bool, shared: bool, atoms=ATOMS, beyond: float = np.nan
) -> None:
    rows = rows_of(atoms, summed)
    n_rows = 1 if shared else len(rows)
    G = np.random.default_rng(2).normal(size=(n_rows, one.plan.row_size))
    given, _, starts = batch_of(one, atoms=atoms)
    expected = ORACLE.site_rows_adjoint(one.plan, given, starts, rows, G)
    given, _, starts = batch_of(one, kernels.xp, atoms, beyond)
    found = kernels.site_rows_adjoint(one.plan, given, starts, rows, kernels.xp.asarray(G))
    for k, (x, y) in enumerate(zip(found, expected, strict=True)):
        a, b = (host(z) for z in (x, y))
        if k == 2:  # the middle matrices are symmetric
            a, b = (z + z.transpose(0, 1, 3, 2) for z in (a, b))
        assert_same(a, b)


def product_case() -> tuple[ProductPlan, np.ndarray, np.ndarray]:
    """Products of two and three factors, powers among them; A, and rows with none to two sites."""
    enumeration = problem("total", kappa=1, sources="total").enumeration
    products = ProductEnumeration(enumeration, (6.0, 7.0))
    plan = product_plan(products, "C", IRREPS[:4])
    factors = site_plan(enumeration, "C", products.factor_irreps("C"), "site")
    A = np.random.default_rng(4).normal(size=(4, factors.row_size))
    return plan, A, np.asarray([0, 2, 2, 3, 4])


def test_products(kernels):
    plan, A, first = product_case()
    expected = ORACLE.product_rows(plan, A, first)
    assert_same(kernels.product_rows(plan, kernels.xp.asarray(A), first), expected)


@pytest.mark.parametrize("shared", [False, True])
def test_products_backwards(kernels, shared):
    plan, A, first = product_case()
    n_rows = 1 if shared else len(first) - 1
    G = np.random.default_rng(6).normal(size=(n_rows, plan.row_size))
    expected = ORACLE.product_rows_adjoint(plan, A, first, G)
    given = kernels.xp.asarray(A), first, kernels.xp.asarray(G)
    found = kernels.product_rows_adjoint(plan, *given)
    assert_same(found, expected)


def test_nothing_to_do(kernels):
    one, none = problem("shell"), np.zeros((0, 3), np.int64)
    batch, _, starts = batch_of(one, kernels.xp)
    assert kernels.site_rows(one.plan, batch, starts, none).shape == (0, one.plan.row_size)
    G = kernels.xp.zeros((0, one.plan.row_size))
    by = kernels.site_rows_adjoint(one.plan, batch, starts, none, G)
    assert all(not host(x).any() for x in by)
    plan, A, _ = product_case()
    found = kernels.product_rows(plan, kernels.xp.asarray(A[:0]), np.zeros(1, np.int64))
    assert found.shape == (0, plan.row_size)


def test_results_do_not_depend_on_the_launch(cuda_folder):
    """To the last bit: sums have one order."""
    one = problem("shell", irreps=IRREPS[:3])
    (batch, _, starts), rows = batch_of(one, strict), rows_of(ATOMS, True)
    G = strict.asarray(np.random.default_rng(2).normal(size=(len(rows), one.plan.row_size)))
    found = []
    for kind in ("cuda on cpu 1x1", "cuda on cpu 4x3"):
        kernels = kernels_for(kind, cuda_folder)
        found.append([kernels.site_rows(one.plan, batch, starts, rows)])
        found[-1] += kernels.site_rows_adjoint(one.plan, batch, starts, rows, G)
    for x, y in zip(*found, strict=True):
        np.testing.assert_array_equal(host(x), host(y))


@pytest.mark.parametrize("summed", [False, True])
def test_wide_channels_by_matrix_products(cuda_folder, summed):
    """What large molecules and plain powers take: the library's products for the groups."""
    if compiler() is None:
        pytest.skip("needs a g++ that knows C++20, to compile the CUDA sources for the CPU")
    launcher, alike = HostLauncher(cuda_folder), ((2, 3), (2, 3))
    kernels = GpuKernels(strict, launcher, wide=0)
    check_sites(kernels, problem("shell", kappa=4), summed, alike)
    check_backwards(kernels, problem("species", kappa=4), summed, False, alike)
    assert launcher.ran.count("groups") == 2  # V alone
    assert "parents_adjoint" not in launcher.ran
    # One channel of all AOs, filled up by zeros; several channels of other widths are not.
    check_sites(kernels, problem("total", kappa=5), summed, beyond=0.0)
    assert launcher.ran.count("groups") == 3
    check_backwards(kernels, problem("total", kappa=5), summed, False, beyond=0.0)
    assert "parents_adjoint" in launcher.ran
    check_sites(kernels, problem("shell"), summed)
    assert launcher.ran.count("groups") == 6
    # Other atoms, and yet as many AOs in the one channel: each has its own rows.
    for unlike in (((13, 1), (2, 6)), ((2, 6), (13, 1))):
        check_sites(kernels, problem("total"), summed, unlike)
        check_backwards(kernels, problem("total"), summed, False, unlike)


def test_every_kernel_runs_here(cuda_folder):
    if compiler() is None:
        pytest.skip("needs a g++ that knows C++20, to compile the CUDA sources for the CPU")
    launcher = HostLauncher(cuda_folder)
    kernels = GpuKernels(strict, launcher)
    check_backwards(kernels, problem("shell"), True, False)
    check_sites(kernels, problem("shell"), True)
    test_products(kernels)
    test_products_backwards(kernels, True)
    assert set(launcher.ran) == {name for names in SOURCES.values() for name in names}


@pytest.mark.parametrize("source", sorted(SOURCES))
@pytest.mark.parametrize("architecture", ["compute_80", "compute_90"])
def test_sources_compile_for_a_gpu(source, architecture):
    pytest.importorskip("cupy", reason="needs CuPy")
    try:
        found = compile_source(source, architecture)
    except InputError as error:
        if "cannot be loaded" in str(error):
            pytest.skip(str(error))
        raise
    for kernel in SOURCES[source]:
        assert f".visible .entry {kernel}(" in found
