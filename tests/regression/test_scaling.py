from __future__ import annotations

import numpy as np
import pytest

from linvop.errors import InputError
from linvop.regression.ridge import Ridge
from linvop.regression.scaling import column_norms, column_scales, row_blocks, scaled_rows


@pytest.mark.parametrize("power", [0.0, 0.5, 1.0])
@pytest.mark.parametrize("centred", [True, False])
def test_scale_is_homogeneous_in_each_column(power, centred):
    rng = np.random.default_rng(0)
    A, w = rng.normal(size=(30, 8)) + 2.0, rng.uniform(0.1, 2.0, 30)
    factors = 10.0 ** np.array([-200, -20, -3, 0, 1, 5, 30, 200.0])
    a = column_scales(A, w, power=power, centred=centred)
    b = column_scales(A * factors, w, power=power, centred=centred)
    np.testing.assert_allclose(b.scale, a.scale * factors**power, rtol=1e-12)
    assert a.active.all()
    assert b.active.all()


def test_norms_neither_overflow_nor_underflow():
    factors = 10.0 ** np.array([-250, -20, 0, 20, 250.0])
    A = np.random.default_rng(0).normal(size=(30, 5))
    np.testing.assert_allclose(
        column_norms(A * factors), np.linalg.norm(A, axis=0) * factors, rtol=1e-14
    )
    assert column_norms(np.zeros((3, 2))).tolist() == [0.0, 0.0]


def test_weight_two_is_the_row_twice():
    A = np.random.default_rng(0).normal(size=(10, 4))
    counts = np.arange(1, 11)
    a = column_scales(A, counts.astype(float), power=1.0, centred=True)
    np.testing.assert_allclose(a.scale, np.repeat(A, counts, axis=0).std(axis=0), rtol=1e-13)


def test_constant_is_relative_to_the_column():
    rng = np.random.default_rng(0)
    A = np.c_[np.full(20, 1e8 / 3), 1e-30 * rng.normal(size=20), 1 + 1e-9 * rng.normal(size=20)]
    assert column_scales(A, np.ones(20), power=0.5, centred=True).active.tolist() == [0, 1, 1]
    assert column_scales(A, np.ones(20), power=0.5, centred=False).active.all()


@pytest.mark.parametrize("overwrite", [True, False])
def test_scaled_rows_compacts_in_place(overwrite, monkeypatch):
    monkeypatch.setattr("linvop.regression.scaling._BLOCK_ENTRIES", 12)  # many blocks
    rng = np.random.default_rng(0)
    A, w = rng.normal(size=(25, 5)), rng.uniform(1, 2, 25)
    active, divisor = np.array([True, False, True, True, False]), np.array([2.0, 3.0, 4.0])
    expected = w[:, None] * A[:, active] / divisor
    before = A.copy()
    out = scaled_rows(A, w, divisor, active, overwrite=overwrite)
    np.testing.assert_allclose(out, expected, rtol=1e-15)
    assert out.flags.c_contiguous
    assert np.shares_memory(out, A) == overwrite
    assert np.array_equal(A, before) != overwrite


def test_row_blocks_cover_all_rows_once():
    rows = np.concatenate([np.arange(5000)[b] for b in row_blocks(5000, 3000)])
    np.testing.assert_array_equal(rows, np.arange(5000))


def test_columns_below_their_rounding_have_no_coefficient():
    rng = np.random.default_rng(0)
    A = rng.normal(size=(40, 5))
    A[:, 2] = 1e-17 * rng.normal(size=40)
    y = A @ np.ones(5) + 0.1 * rng.normal(size=40)
    free = Ridge("loo", alpha_bounds=(1e-30, 1.0)).fit(A, y)
    bound = Ridge("loo").fit(A, y, rounding=np.full(5, 1e-14))
    assert abs(free.coef_[2]) > 1e-3  # what it would be
    assert bound.coef_[2] == 0.0
    without = Ridge("loo").fit(np.delete(A, 2, axis=1), y)
    np.testing.assert_allclose(np.delete(bound.coef_, 2), without.coef_, rtol=1e-9)
    with pytest.raises(InputError, match="rounding: expected 5 numbers >= 0"):
        Ridge().fit(A, y, rounding=-np.ones(5))
