"""Streamed rows: one factor in any order, and the fit of all rows at once."""

from __future__ import annotations

import numpy as np
import pytest

from linvop.errors import InputError
from linvop.regression.problem import Problem
from linvop.regression.ridge import Ridge
from linvop.regression.scaling import column_scales
from linvop.regression.streamed_ridge import (
    ArrayRows,
    _Kinds,
    _Progress,
    _Streamed,
    fit_streamed,
)
from linvop.regression.streaming import ColumnSpread, RowFactor


def graded(n: int, p: int, condition: float, seed: int = 0) -> np.ndarray:
    """Rows of a matrix with singular values from 1 down to 1 / condition."""
    rng = np.random.default_rng(seed)
    U = np.linalg.qr(rng.normal(size=(n, min(n, p))))[0]
    V = np.linalg.qr(rng.normal(size=(p, min(n, p))))[0]
    return (U * np.geomspace(1.0, 1 / condition, min(n, p))) @ V.T


@pytest.mark.parametrize(("n", "p"), [(300, 20), (15, 20), (2000, 7)])
@pytest.mark.parametrize("step", [1, 11, 1000])
def test_a_factor_has_the_singular_values_of_all_rows(n, p, step):
    A = graded(n, p, 1e10)
    factor = RowFactor(p)
    for start in range(0, n, step):
        factor.add(A[start : start + step])
    s = np.linalg.svd(factor.R, compute_uv=False)[: min(n, p)]
    np.testing.assert_allclose(s, np.linalg.svd(A, compute_uv=False), rtol=1e-5, atol=1e-15)
    assert factor.n_rows == n
    np.testing.assert_array_equal(np.tril(factor.R, -1), 0)


def test_factors_merge_in_any_order():
    A = graded(200, 12, 1e6)
    parts = [RowFactor(12).add(A[k : k + 25]) for k in range(0, 200, 25)]
    tree = [a.merge(b) for a, b in zip(parts[::2], parts[1::2], strict=True)]
    one = tree[2].merge(tree[0]).merge(tree[3]).merge(tree[1])
    assert one.n_rows == 200
    np.testing.assert_allclose(one.R.T @ one.R, A.T @ A, atol=1e-13)


@pytest.mark.parametrize("centred", ["all", "some", "none"])
def test_spreads_add_up(centred):
    rng = np.random.default_rng(1)
    A, w = rng.normal(size=(90, 5)) + 100.0, rng.uniform(0.1, 2.0, 90)
    about = {"all": np.ones(90, bool), "some": np.arange(90) < 40, "none": np.zeros(90, bool)}
    about = about[centred]
    spread = ColumnSpread.empty(5)
    for rows in (slice(0, 7), slice(7, 60), slice(60, 90)):
        spread = spread.merged(ColumnSpread.of(A[rows], w[rows], about[rows]))
    scale, active = spread.scales(0.5, 1e-12)
    expected = column_scales(A, w, power=0.5, centred=about)
    np.testing.assert_allclose(scale, expected.scale, rtol=1e-10)
    np.testing.assert_array_equal(active, expected.active)


CASES = {
    "tall": {"n": 240, "p": 30},
    "wide": {"n": 60, "p": 90},
    "two targets": {"n": 240, "p": 30, "t": 2},
    "tensors": {"n": 240, "p": 30, "n_components": 3, "constants": False},
    "groups apart": {"n": 240, "p": 30, "groups": "apart"},
}


@pytest.mark.parametrize("alpha", ["loo", "evidence", "gcv", 1e-6])
@pytest.mark.parametrize("case", CASES)
def test_the_fit_of_all_rows_at_once(case, alpha):
    """Coefficients, constants, alpha, what is left out, to 1e-9 of the predictions."""
    of = CASES[case]
    n, p, t = of["n"], of["p"], of.get("t", 1)
    rng = np.random.default_rng(2)
    A = graded(n, p, 1e6) * 10.0 ** rng.uniform(-2, 2, p)
    A[:, 3] = 1.0  # explained by the constants, where there are some
    Y = A @ rng.normal(size=(p, t)) + 1e-3 * rng.normal(size=(n, t))
    counts = rng.integers(1, 4, size=(n, 2)).astype(float)
    common = {
        "penalty": rng.uniform(0.5, 2.0, p),
        "weights": np.repeat(rng.uniform(0.2, 3.0, n // 3), 3),
        "n_components": of.get("n_components", 1),
        "constants": np.hstack([counts, counts[:, :1]]) if of.get("constants", True) else None,
        "groups": np.arange(n) % 40 if "groups" in of else np.arange(n) // 3,
    }
    y = Y if t > 1 else Y[:, 0]
    settings = Ridge(alpha, refine=False)
    whole = Ridge(alpha, refine=False).fit(A, y, warn=False, **common)
    for step in (7, 50, 1000):
        one = fit_streamed(settings, ArrayRows(A, step), y, **common)
        np.testing.assert_allclose(one.alpha_, whole.alpha_, rtol=1e-9)
        expected, found = A @ whole.coef_, A @ one.coef_
        np.testing.assert_allclose(found, expected, atol=1e-9 * np.abs(expected).max())
        np.testing.assert_allclose(one.constants_, whole.constants_, atol=1e-8)
        if alpha in ("loo", 1e-6):
            scale = np.abs(whole.loo_residuals_).max()
            np.testing.assert_allclose(one.loo_residuals_, whole.loo_residuals_, atol=1e-6 * scale)
            np.testing.assert_allclose(one.loo_rmse_, whole.loo_rmse_, rtol=1e-6)
        np.testing.assert_allclose(one.effective_dof_, whole.effective_dof_, rtol=1e-6)
        assert one.report().keys() >= {"rank", "n_groups", "condition_number"}


def test_small_singular_values_survive_as_normal_equations_lose_them():
    """Condition 1e12, s_max / sqrt(alpha) = 1e9: predictions to 1e-9; by A^T A they are lost."""
    rng = np.random.default_rng(3)
    A = graded(400, 25, 1e12)
    y = A @ rng.normal(size=25) * 1e3 + 1e-9 * rng.normal(size=400)
    alpha = (np.linalg.svd(A, compute_uv=False)[0] / 1e9) ** 2
    settings = Ridge(alpha, column_scale=0.0)
    whole = Ridge(alpha, column_scale=0.0).fit(A, y)
    one = fit_streamed(settings, ArrayRows(A, 37), y)
    normal = np.linalg.solve(A.T @ A + alpha * np.eye(25), A.T @ y)
    expected = A @ whole.coef_
    size = np.abs(expected).max()
    streamed = np.abs(A @ one.coef_ - expected).max()
    assert streamed < 1e-9 * size
    assert np.abs(A @ normal - expected).max() > max(1e-8 * size, 30 * streamed)


class Killed(ArrayRows):
    """Rows that end in the middle after so many lots; counts those that are made."""

    made = 0
    left = 10**9

    def lot(self, k):
        if Killed.left == 0:
            raise KeyboardInterrupt
        Killed.left -= 1
        Killed.made += 1
        return super().lot(k)


@pytest.mark.parametrize("after", [3, 8, 11, 17])
def test_a_killed_fit_goes_on(tmp_path, after):
    """Twenty lots in two passes, stopped in either; groups are spread over several lots."""
    rng = np.random.default_rng(0)
    A, counts = rng.normal(size=(100, 6)), rng.integers(1, 3, size=(100, 2)).astype(float)
    y = A.sum(axis=1) + counts @ [1.0, 2.0] + 0.1 * rng.normal(size=100)
    given = {"constants": counts, "groups": np.arange(100) % 25}
    whole = fit_streamed(Ridge(), ArrayRows(A, 10), y, **given)
    Killed.made, Killed.left = 0, after
    saved = {"checkpoints": tmp_path / "parts", "every": 0.0}
    with pytest.raises(KeyboardInterrupt):
        fit_streamed(Ridge(), Killed(A, 10), y, **given, **saved)
    assert len(list((tmp_path / "parts").iterdir())) == 1
    other = fit_streamed(Ridge(), ArrayRows(A, 10), 2 * y, **given, **saved)  # takes not its state
    Killed.left = 10**9
    steps = []
    again = fit_streamed(
        Ridge(), Killed(A, 10), y, **given, **saved, progress=lambda *x: steps.append(x)
    )
    assert Killed.made == 20
    assert steps[-1] == (200, 200)
    np.testing.assert_array_equal(again.coef_, whole.coef_)
    np.testing.assert_array_equal(again.loo_residuals_, whole.loo_residuals_)
    np.testing.assert_allclose(other.coef_, 2 * whole.coef_, rtol=1e-9)
    assert not (tmp_path / "parts").exists()


def test_a_damaged_state_is_made_anew(tmp_path):
    rng = np.random.default_rng(0)
    A, y = rng.normal(size=(60, 4)), rng.normal(size=60)
    Killed.left = 2
    saved = {"checkpoints": tmp_path, "every": 0.0}
    with pytest.raises(KeyboardInterrupt):
        fit_streamed(Ridge(), Killed(A, 10), y, **saved)
    (state,) = tmp_path.iterdir()
    state.write_bytes(state.read_bytes()[:100])
    Killed.left = 10**9
    again = fit_streamed(Ridge(), Killed(A, 10), y, **saved)
    np.testing.assert_array_equal(again.coef_, fit_streamed(Ridge(), ArrayRows(A, 10), y).coef_)


def test_what_is_refused():
    A, y = np.ones((10, 3)) * np.arange(10)[:, None], np.arange(10.0)
    for settings in ({"covariance": True}, {"rarity": 30.0}, {"prune": 1e-8}):
        with pytest.raises(InputError, match="expected no covariance, no rarity and no prune"):
            fit_streamed(Ridge(**settings), ArrayRows(A), y)
    A[4, 1] = np.nan
    with pytest.raises(InputError, match="rows 4 to 5: expected finite numbers of 3 columns"):
        fit_streamed(Ridge(), ArrayRows(A, 2), y)
    with pytest.raises(InputError, match=r"rows: expected shape \(b, 4\), got \(2, 3\)"):
        RowFactor(4).add(A[:2])
    with pytest.raises(InputError, match="factor: expected 4 columns, got 3"):
        RowFactor(4).merge(RowFactor(3))
    with pytest.raises(InputError, match="width: expected at least 1"):
        RowFactor(0)
    with pytest.raises(InputError, match=r"y: expected shape \(10,\)"):
        fit_streamed(Ridge(), ArrayRows(A), y[:5])


def kinds_of_rows(n: int = 240, p: int = 12):
    """Rows of two kinds, the second with twenty times the noise; constants in the first alone."""
    rng = np.random.default_rng(5)
    A = rng.normal(size=(n, p))
    kinds = (np.arange(n) % 3 > 0).astype(int)
    constants = np.where(kinds[:, None] == 0, rng.integers(1, 4, size=(n, 2)), 0).astype(float)
    noise = np.where(kinds == 0, 0.01, 0.2)
    y = A @ rng.normal(size=p) + constants @ [3.0, -1.0] + noise * rng.normal(size=n)
    return A, y, constants, kinds


def test_weights_of_kinds_are_found_without_another_reading():
    A, y, constants, kinds = kinds_of_rows()
    Killed.made, Killed.left = 0, 10**9
    candidates = [(1.0, w) for w in (1.0, 0.05, 0.0025, 1e-4)]
    found = fit_streamed(
        Ridge("evidence", refine=False),
        Killed(A, 17),
        y,
        constants=constants,
        kinds=kinds,
        kind_weights=candidates,
    )
    assert Killed.made == -(-len(A) // 17)
    assert found.report()["kind_weights"] == [1.0, 0.0025]  # the ratio of the variances
    # It is the fit with these weights, and so is one of theirs alone.
    weights = np.where(kinds == 0, 1.0, 0.0025)
    alone = Ridge("evidence", refine=False).fit(A, y, constants=constants, weights=weights)
    for one in (
        found,
        fit_streamed(
            Ridge("evidence", refine=False), ArrayRows(A, 17), y, constants=constants,
            kinds=kinds, kind_weights=[(1.0, 0.0025)],
        ),
    ):  # fmt: skip
        assert one.alpha_ == pytest.approx(alone.alpha_)
        np.testing.assert_allclose(one.coef_, alone.coef_, rtol=1e-9)
        np.testing.assert_allclose(one.constants_, alone.constants_, rtol=1e-9)


def test_weights_of_the_kind_with_constants():
    A, y, constants, kinds = kinds_of_rows()
    given = {"constants": constants, "groups": np.arange(len(A)) // 4}
    found = fit_streamed(
        Ridge(refine=False), ArrayRows(A, 17), y, **given, kinds=kinds, kind_weights=[(9.0, 0.5)]
    )
    weights = np.where(kinds == 0, 9.0, 0.5)
    alone = Ridge(refine=False).fit(A, y, **given, weights=weights)
    np.testing.assert_allclose(found.constants_, alone.constants_, rtol=1e-9)
    np.testing.assert_allclose(found.loo_residuals_, alone.loo_residuals_, atol=1e-9)


def test_a_killed_fit_of_kinds_goes_on(tmp_path):
    A, y, constants, kinds = kinds_of_rows()
    given = {"constants": constants, "kinds": kinds, "kind_weights": [(1.0, 1.0), (1.0, 0.0025)]}
    solver, saved = Ridge("evidence"), {"checkpoints": tmp_path, "every": 0.0}
    whole = fit_streamed(solver, ArrayRows(A, 17), y, **given)
    Killed.made, Killed.left = 0, 7
    with pytest.raises(KeyboardInterrupt):
        fit_streamed(solver, Killed(A, 17), y, **given, **saved)
    Killed.left = 10**9
    again = fit_streamed(solver, Killed(A, 17), y, **given, **saved)
    assert Killed.made == -(-len(A) // 17)
    np.testing.assert_array_equal(again.coef_, whole.coef_)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"kind_weights": [(1.0, -1.0)]}, "expected 2 positive numbers"),
        ({"kind_weights": [(1.0,)]}, "expected 2 positive numbers"),
        ({"kinds": [0, 1]}, "kinds: expected 240 numbers"),
        ({"kind_weights": [(1, 1), (1, 2)]}, "expected alpha = 'evidence', got 'loo'"),
        ({"constants": np.ones((240, 1))}, "constants in rows of one kind alone"),
    ],
)
def test_kinds_that_mean_nothing(given, message):
    A, y, constants, kinds = kinds_of_rows()
    with pytest.raises(InputError, match=message):
        fit_streamed(
            Ridge(), ArrayRows(A, 17), y, **{"constants": constants, "kinds": kinds, **given}
        )


@pytest.mark.parametrize("weights", [(1.0, 1.0), (1.0, 0.01), (7.0, 0.3)])
def test_the_evidence_of_weights_is_the_restricted_likelihood(weights):
    """Beside the density of y itself, with a flat prior of the constants."""
    from scipy.optimize import minimize_scalar

    rng = np.random.default_rng(3)
    n, p, k0 = 60, 4, 5
    kinds = (np.arange(n) >= 20).astype(int)
    A, constants = rng.normal(size=(n, p)), np.zeros((n, k0))
    constants[:20] = rng.normal(size=(20, k0))
    y = A @ rng.normal(size=p) + constants @ rng.normal(size=k0) + 0.1 * rng.normal(size=n)
    w = np.asarray(weights)[kinds]

    def twice(log_alpha: float) -> float:  # -2 log L, sigma^2 profiled out
        S = A @ A.T / np.exp(log_alpha) + np.diag(1 / w)
        inverse = np.linalg.inv(S)
        inner = constants.T @ inverse @ constants
        P = inverse - inverse @ constants @ np.linalg.solve(inner, constants.T @ inverse)
        dets = np.linalg.slogdet(S)[1] + np.linalg.slogdet(inner)[1]
        return (n - k0) * np.log(y @ P @ y / (n - k0)) + dets

    exact = minimize_scalar(twice, bounds=(-25, 10), method="bounded").fun
    solver = Ridge("evidence", column_scale=0.0, alpha_bounds=(1e-11, 1e4))
    none = dict.fromkeys(("penalty", "groups", "weights"))
    problem = Problem.of_rows(A, y, constants=constants, n_components=1, **none)
    given = _Kinds.checked(solver, problem, kinds, [weights])
    fit = _Streamed(solver, ArrayRows(A, 7), problem, _Progress(None, n), None, None, given)
    reduced = fit.geometry, fit.spectrum
    found = (n - k0) * fit.evidence(reduced, weights)
    # Up to what does not depend on the weights: |A0^T A0|.
    found += np.linalg.slogdet(constants.T @ constants)[1]
    assert found == pytest.approx(exact, abs=1e-4)


def test_other_weights_take_no_residuals_of_a_killed_fit(tmp_path):
    A, y, constants, kinds = kinds_of_rows()
    given = {"constants": constants, "kinds": kinds, "groups": np.arange(len(A)) // 4}
    saved = {"checkpoints": tmp_path, "every": 0.0}
    Killed.made, Killed.left = 0, 20  # 15 lots, then five of the second pass
    with pytest.raises(KeyboardInterrupt):
        fit_streamed(Ridge(), Killed(A, 17), y, **given, kind_weights=[(1.0, 1e-3)], **saved)
    Killed.left = 10**9
    found = fit_streamed(Ridge(), Killed(A, 17), y, **given, kind_weights=[(1.0, 1.0)], **saved)
    assert Killed.made == 20 + 15  # the triangle is the same, the second pass another
    alone = fit_streamed(Ridge(), ArrayRows(A, 17), y, **given, kind_weights=[(1.0, 1.0)])
    assert found.alpha_ == alone.alpha_
    np.testing.assert_array_equal(found.loo_residuals_, alone.loo_residuals_)
