"""The CUDA sources give the reference's numbers: compiled for the CPU here, on a GPU (marker gpu).

Batches are ragged: structures with fewer atoms, or none of a species, have zeros in their places.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from linvop.basis.products import ProductEnumeration
from linvop.errors import InputError
from linvop.kernels import reference, reference_adjoint
from linvop.kernels.cpu_batches import CpuBatches
from linvop.kernels.dispatch import SOURCES, compile_source, device, kernels_of
from linvop.kernels.gpu import GpuKernels
from linvop.kernels.plan import site_plan
from linvop.kernels.product_plan import ProductPlan, product_plan

from .conftest import AO, IRREPS, SPECIES, Problem, problem
from .cuda_on_cpu import HostLauncher, compiler

ORACLE = CpuBatches(reference, reference_adjoint)

ATOMS = ((2, 3), (0, 3), (2, 1), (1, 0))
"""Atoms of H and C of the structures of a batch; the layout is that of the first."""


@pytest.fixture(scope="session")
def built(tmp_path_factory):
    return tmp_path_factory.mktemp("cuda")


def kernels_for(kind: str, folder) -> Any:
    """Kernels of a kind: NumPy's, CUDA on the CPU (threads x blocks), or a GPU's."""
    if kind == "numpy":
        return CpuBatches()
    if kind == "cupy":
        return device("gpu").kernels
    if compiler() is None:
        pytest.skip("needs g++ to compile the CUDA sources for the CPU")
    threads, blocks = (int(x) for x in kind.removeprefix("cuda on cpu ").split("x"))
    return GpuKernels(np, HostLauncher(folder, threads, blocks))


@pytest.fixture(
    params=["numpy", "cuda on cpu 1x1", "cuda on cpu 3x2", pytest.param("cupy", marks=pytest.mark.gpu)]
)
def kernels(request, built) -> Any:
    return kernels_for(request.param, built)


def batch(one: Problem, atoms=ATOMS) -> tuple[np.ndarray, ...]:
    """K, E and M of structures, (n_structures, n_sources, n_ao, n_ao), zero beyond their atoms."""
    rng = np.random.default_rng(5)
    most = atoms[0]
    own = np.ones((len(atoms), one.local.shape[-1]))
    start = 0
    for s, species in enumerate(SPECIES):
        for shell in AO.shells(species):
            width = 2 * shell.l + 1
            for k, counts in enumerate(atoms):
                own[k, start + counts[s] * width : start + most[s] * width] = 0
            start += most[s] * width
    shape = (3, len(atoms), *one.local.shape)
    K, E, M = rng.normal(size=shape) * own[:, None, :, None] * own[:, None, None, :]
    return K, E, M + M.transpose(0, 1, 3, 2)


def rows_of(atoms, summed: bool) -> np.ndarray:
    """(structure, first site, number of sites) of the rows for the centre C."""
    counts = [c for _, c in atoms]
    if summed:
        return np.asarray([(k, 0, n) for k, n in enumerate(counts)], np.int64)
    rows = [(k, i, 1) for k, n in enumerate(counts) for i in range(n)]
    return np.asarray(rows, np.int64).reshape(-1, 3)


def on(kernels, *arrays: np.ndarray) -> list[Any]:
    return [kernels.xp.asarray(x) for x in arrays]


def host(x: Any) -> np.ndarray:
    return x if isinstance(x, np.ndarray) else x.get()


def assert_same(found: Any, expected: np.ndarray) -> None:
    scale = np.abs(expected).max(initial=1.0)
    assert found.shape == expected.shape
    np.testing.assert_allclose(host(found), expected, rtol=0, atol=1e-12 * scale)


def check_sites(kernels, one: Problem, summed: bool, atoms=ATOMS) -> None:
    matrices, rows = batch(one, atoms), rows_of(atoms, summed)
    starts = one.channel_start, one.shell_start
    expected = ORACLE.site_rows(one.plan, *matrices, *starts, rows)
    assert_same(kernels.site_rows(one.plan, *on(kernels, *matrices), *starts, rows), expected)


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


def test_padding_changes_nothing(kernels):
    """A structure in a batch of larger ones has the features that it has alone."""
    big, small = problem("shell", n_atoms=(2, 3)), problem("shell", n_atoms=(1, 2))
    alone = batch(small, ((1, 2),))
    kept = []
    start = 0
    for s, species in enumerate(SPECIES):
        for shell in AO.shells(species):
            width = 2 * shell.l + 1
            kept += list(range(start, start + (1, 2)[s] * width))
            start += (2, 3)[s] * width
    padded = [np.zeros((1, x.shape[1], start, start)) for x in alone]
    for x, y in zip(padded, alone, strict=True):
        x[:, :, np.asarray(kept)[:, None], kept] = y
    rows = rows_of(((1, 2),), False)
    expected = ORACLE.site_rows(small.plan, *alone, small.channel_start, small.shell_start, rows)
    given = (*on(kernels, *padded), big.channel_start, big.shell_start)
    assert_same(kernels.site_rows(big.plan, *given, rows), expected)


@pytest.mark.parametrize("species", [("H", "C"), ("C", "C")])
def test_words_between_atoms(kernels, species):
    from linvop.basis.pair_factors import PairFactors
    from linvop.kernels.plan import pair_word_plan

    one = problem("shell", sources="total")
    matrices = batch(one)
    factors = PairFactors(one.enumeration, (0, 0), (None,))
    plan = pair_word_plan(factors, *species)
    start_h = np.concatenate([[0], np.cumsum([2, 2, 6])]).astype(np.int64)
    assert start_h[-1] == one.shell_start[0]
    starts = [start_h if s == "H" else one.shell_start for s in species]
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
    expected = ORACLE.pair_rows(plan, *matrices, one.channel_start, *starts, pairs)
    found = kernels.pair_rows(plan, *on(kernels, *matrices), one.channel_start, *starts, pairs)
    assert_same(found, expected)


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


def check_backwards(kernels, one: Problem, summed: bool, shared: bool, atoms=ATOMS) -> None:
    matrices, rows = batch(one, atoms), rows_of(atoms, summed)
    starts = one.channel_start, one.shell_start
    n_rows = 1 if shared else len(rows)
    G = np.random.default_rng(2).normal(size=(n_rows, one.plan.row_size))
    expected = ORACLE.site_rows_adjoint(one.plan, *matrices, *starts, rows, G)
    given = on(kernels, *matrices)
    found = kernels.site_rows_adjoint(one.plan, *given, *starts, rows, kernels.xp.asarray(G))
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
    assert_same(kernels.product_rows(plan, *on(kernels, A), first), expected)


@pytest.mark.parametrize("shared", [False, True])
def test_products_backwards(kernels, shared):
    plan, A, first = product_case()
    n_rows = 1 if shared else len(first) - 1
    G = np.random.default_rng(6).normal(size=(n_rows, plan.row_size))
    expected = ORACLE.product_rows_adjoint(plan, A, first, G)
    given = on(kernels, A)
    found = kernels.product_rows_adjoint(plan, *given, first, kernels.xp.asarray(G))
    assert_same(found, expected)


def test_nothing_to_do(kernels):
    one, none = problem("shell"), np.zeros((0, 3), np.int64)
    given = (*on(kernels, *batch(one)), one.channel_start, one.shell_start, none)
    assert kernels.site_rows(one.plan, *given).shape == (0, one.plan.row_size)
    by = kernels.site_rows_adjoint(one.plan, *given, kernels.xp.zeros((0, one.plan.row_size)))
    assert all(not host(x).any() for x in by)
    plan, A, _ = product_case()
    none = kernels.product_rows(plan, kernels.xp.asarray(A[:0]), np.zeros(1, np.int64))
    assert none.shape == (0, plan.row_size)


def test_results_do_not_depend_on_the_launch(built):
    """To the last bit: sums have one order."""
    one = problem("shell", irreps=IRREPS[:3])
    matrices, rows = batch(one), rows_of(ATOMS, True)
    G = np.random.default_rng(2).normal(size=(len(rows), one.plan.row_size))
    given = (one.plan, *matrices, one.channel_start, one.shell_start, rows)
    found = []
    for kind in ("cuda on cpu 1x1", "cuda on cpu 4x3"):
        kernels = kernels_for(kind, built)
        found.append([kernels.site_rows(*given), *kernels.site_rows_adjoint(*given, G)])
    for x, y in zip(*found, strict=True):
        np.testing.assert_array_equal(x, y)


def test_every_kernel_runs_here(built):
    if compiler() is None:
        pytest.skip("needs g++ to compile the CUDA sources for the CPU")
    launcher = HostLauncher(built)
    kernels = GpuKernels(np, launcher)
    one, (plan, A, first) = problem("shell"), product_case()
    rows = rows_of(ATOMS, True)
    G = np.ones((1, one.plan.row_size))
    kernels.site_rows_adjoint(
        one.plan, *batch(one), one.channel_start, one.shell_start, rows, G
    )
    check_sites(kernels, one, True)
    kernels.product_rows(plan, A, first)
    kernels.product_rows_adjoint(plan, A, first, np.ones((1, plan.row_size)))
    assert set(launcher.ran) == {name for names in SOURCES.values() for name in names}


@pytest.mark.parametrize("source", sorted(SOURCES))
@pytest.mark.parametrize("architecture", ["compute_70", "compute_90"])
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


def test_kernels_go_by_the_type_of_an_array():
    assert isinstance(kernels_of(np.zeros(1)), CpuBatches)
    with pytest.raises(InputError, match="NumPy's or CuPy's, got list"):
        kernels_of([0.0])

