"""Relevances minimise the marginal likelihood and find what a sparse target is made of."""

from __future__ import annotations

import numpy as np
import pytest

from linvop.errors import InputError
from linvop.regression.relevance import relevance
from linvop.regression.ridge import Ridge


def minus_log_likelihood(A, y, A0, w, tau, noise):
    """L of its definition, dense: rows weighted, the constants projected out."""
    root = np.sqrt(w)[:, None]
    null = np.linalg.svd(root * A0)[0][:, A0.shape[1] :]
    X, t = null.T @ (root * A), null.T @ (root[:, 0] * y)
    C = noise * np.eye(len(t)) + (X * tau) @ X.T
    return t @ np.linalg.solve(C, t) + np.linalg.slogdet(C)[1]


@pytest.mark.parametrize(("n", "p"), [(30, 45), (30, 9)])
def test_objective_is_its_definition_and_never_rises(n, p):
    rng = np.random.default_rng(0)
    A, A0, w = rng.normal(size=(n, p)), np.ones((n, 1)), rng.uniform(0.5, 2.0, n)
    y = A[:, :3] @ [1.0, -2.0, 0.5] + 0.3 * rng.normal(size=n) + 7.0
    groups = np.arange(p) // 3
    options = {"constants": A0, "weights": w, "columns": groups, "column_scale": 0.0}
    found = relevance(A, y, steps=400, tolerance=1e-9, **options)
    assert (np.diff(found.objective) < 1e-9 * n).all()
    assert found.objective[-1] < found.objective[0] - 1.0
    best = minus_log_likelihood(A, y, A0, w, found.tau[groups], found.noise)
    assert best == pytest.approx(found.objective[-1], abs=1e-5)
    for factor in (0.8, 1.25):
        for g in range(len(found.tau)):
            tau = found.tau.copy()
            tau[g] *= factor
            other = minus_log_likelihood(A, y, A0, w, tau[groups], found.noise)
            assert other > best - 1e-4
        other = minus_log_likelihood(A, y, A0, w, found.tau[groups], factor * found.noise)
        assert other > best - 1e-4


@pytest.mark.filterwarnings("ignore::linvop.regression.ridge.RegularisationWarning")
def test_support_of_a_sparse_target_is_recovered_and_helps():
    rng = np.random.default_rng(4)
    n, p = 80, 400
    A = rng.normal(size=(2 * n, p))
    support = np.sort(rng.choice(p, size=6, replace=False))
    c = np.zeros(p)
    c[support] = rng.choice([-1.0, 1.0], size=6) * rng.uniform(1.0, 2.0, 6)
    y = A @ c + 0.05 * rng.normal(size=2 * n)
    found = relevance(A[:n], y[:n], steps=200, column_scale=0.0)
    np.testing.assert_array_equal(np.sort(np.argsort(found.tau)[-6:]), support)
    assert np.sort(found.tau)[-7] < 1e-3 * found.tau[support].min()
    kept = found.kept
    sparse = Ridge(column_scale=0.0).fit(A[:n][:, kept], y[:n], penalty=found.penalty[kept])
    plain = Ridge(column_scale=0.0).fit(A[:n], y[:n])
    errors = [np.std(x - y[n:]) for x in (sparse.predict(A[n:][:, kept]), plain.predict(A[n:]))]
    assert errors[0] < 0.1
    assert errors[1] > 10 * errors[0]


def test_constant_columns_are_left_out_and_rotations_change_nothing():
    rng = np.random.default_rng(1)
    A = rng.normal(size=(12, 3, 20))
    y = A[..., 4] + 0.1 * rng.normal(size=(12, 3))
    A[..., 7] = 0.0
    D = np.linalg.qr(rng.normal(size=(12, 3, 3)))[0]
    found = [
        relevance(X.reshape(36, 20), t.reshape(36), n_components=3, steps=20)
        for X, t in ((A, y), (np.einsum("sij,sjp->sip", D, A), np.einsum("sij,sj->si", D, y)))
    ]
    assert not found[0].kept[7]
    assert found[0].penalty[7] == pytest.approx(1e5)
    np.testing.assert_allclose(found[0].tau, found[1].tau, rtol=1e-6, atol=1e-12)


def test_bad_input_is_named():
    A, y = np.random.default_rng(0).normal(size=(9, 3)), np.arange(9.0)
    with pytest.raises(InputError, match="columns: expected 3 group numbers"):
        relevance(A, y, columns=np.array([0, 1]))
    with pytest.raises(InputError, match="steps: expected at least 1"):
        relevance(A, y, steps=0)
    with pytest.raises(InputError, match="y: expected one target"):
        relevance(A, np.c_[y, y])
