"""Factors on a device are those of the CPU, up to signs of rows."""

from __future__ import annotations

import numpy as np
import pytest

from linvop.errors import InputError
from linvop.kernels.dispatch import Device, device
from linvop.regression.device_streaming import DeviceRowFactor
from linvop.regression.ridge import Ridge
from linvop.regression.streamed_lots import ArrayRows
from linvop.regression.streamed_ridge import fit_streamed
from linvop.regression.streaming import RowFactor

RNG = np.random.default_rng(0)


@pytest.fixture(params=["numpy", pytest.param("gpu", marks=pytest.mark.gpu)])
def on(request) -> Device:
    """A GPU, and NumPy in its place."""
    if request.param == "gpu":
        return device("gpu")
    cpu = device("cpu")
    return Device("gpu", np, cpu.kernels, np.asarray, cpu.free_memory, cpu.synchronize)


@pytest.mark.parametrize("sizes", [(3,), (5, 40, 1, 0, 300), (12,), (11, 11)])
def test_triangles_are_those_of_the_cpu(on, sizes):
    width = 12
    parts = [RNG.normal(size=(n, width)) * 10.0 ** RNG.integers(-6, 6, width) for n in sizes]
    one, other = DeviceRowFactor(width, on.xp, lot=2), RowFactor(width)
    for part in parts:
        one.add(part)
        other.add(part)
    assert one.n_rows == other.n_rows == sum(sizes)
    signs = np.where(np.sign(np.diagonal(one.R)) == np.sign(np.diagonal(other.R)), 1.0, -1.0)
    scale = np.linalg.norm(np.concatenate(parts), axis=0)
    known = slice(0, sum(sizes))  # rows beyond are zero
    np.testing.assert_allclose(((signs[:, None] * one.R - other.R) / scale)[known], 0.0, atol=1e-12)
    assert not np.tril(one.R, -1).any()


def test_small_singular_values_survive(on):
    """As those of A^T A would not."""
    Q, _ = np.linalg.qr(RNG.normal(size=(200, 4)))
    A = Q * [1.0, 1e-4, 1e-8, 1e-12] @ np.linalg.qr(RNG.normal(size=(4, 4)))[0]
    s = np.linalg.svd(DeviceRowFactor(4, on.xp).add(A).R, compute_uv=False)
    np.testing.assert_allclose(s, [1.0, 1e-4, 1e-8, 1e-12], rtol=1e-3)


def test_a_state_is_taken_up(on):
    A = RNG.normal(size=(50, 5))
    before = DeviceRowFactor(5, on.xp).add(A[:20])
    again = DeviceRowFactor(5, on.xp)
    again.R = before.R
    np.testing.assert_allclose(
        np.abs(again.add(A[20:]).R), np.abs(before.add(A[20:]).R), atol=1e-12
    )


def test_bad_rows(on):
    with pytest.raises(InputError, match=r"expected shape \(b, 3\)"):
        DeviceRowFactor(3, on.xp).add(np.zeros((2, 4)))
    with pytest.raises(InputError, match="finite"):
        _ = DeviceRowFactor(3, on.xp).add(np.full((5, 3), np.nan)).R
    with pytest.raises(InputError, match="width"):
        DeviceRowFactor(0, on.xp)


def test_streamed_fits_are_the_same(on):
    A, y = RNG.normal(size=(300, 20)), RNG.normal(size=300)
    given = {"constants": np.ones((300, 1)), "groups": np.repeat(np.arange(100), 3)}
    settings = Ridge(refine=False)
    here = fit_streamed(settings, ArrayRows(A, 70), y, **given)
    there = fit_streamed(settings, ArrayRows(A, 70, on), y, **given)
    np.testing.assert_allclose(there.coef_, here.coef_, rtol=1e-9, atol=1e-12)
    assert there.alpha_ == pytest.approx(here.alpha_, rel=1e-10)
