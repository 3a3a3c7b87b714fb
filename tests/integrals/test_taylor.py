from __future__ import annotations

import numpy as np
import pytest

from linvop.integrals.taylor import (
    HIGHEST_ORDER,
    LANES,
    add_charges,
    along_segment,
    complete,
    shifted,
    tail,
)


def charges(n: int, r: float, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Charges at distances of r and more, and weights of two sets."""
    rng = np.random.default_rng(seed)
    y = rng.normal(size=(n, 3))
    y *= (r * (1 + rng.random(n)) / np.linalg.norm(y, axis=1))[:, None]
    y[0] *= r / np.linalg.norm(y[0])
    return y, rng.normal(size=(2, n))


def expanded(order: int, y: np.ndarray, w: np.ndarray) -> np.ndarray:
    a = np.zeros((2, order + 1, order + 1, order + 1))
    add_charges(order, y, w, 0, len(y), a)
    complete(order, a)
    return a


def value(a: np.ndarray, d: np.ndarray) -> np.ndarray:
    """Both sets at C + d, term by term."""
    k = np.arange(a.shape[1])
    return np.einsum("szxy,z,x,y->s", a, d[2] ** k, d[0] ** k, d[1] ** k)


@pytest.mark.parametrize("n", [1, LANES - 1, 2 * LANES + 3])
def test_the_series_is_the_potential_to_within_its_tail(n):
    y, w = charges(n, 5.0)
    rng = np.random.default_rng(1)
    for order in (0, 1, 4, 9, HIGHEST_ORDER):
        a = expanded(order, y, w)
        for _ in range(5):
            d = rng.normal(size=3)
            d *= 1.5 / np.linalg.norm(d)
            exact = (w / np.linalg.norm(y - d, axis=1)).sum(axis=1)
            left = [tail(order, 0, 1.5, r) for r in np.linalg.norm(y, axis=1)]
            error = np.abs(value(a, d) - exact)
            assert (error <= np.abs(w) @ left + 1e-14 * n).all()


def test_the_tail_is_reached_where_the_charge_lies_ahead():
    # On the line to the charge all terms add up: the bound of n = 0 is what is left out.
    y, w, d = np.asarray([[4.0, 0.0, 0.0]]), np.ones((2, 1)), np.asarray([1.0, 0.0, 0.0])
    for order in (3, 6):
        left = 1 / 3 - value(expanded(order, y, w), d)
        bound = tail(order, 0, 1.0, 4.0)
        np.testing.assert_array_less(left, bound * 1.001)
        assert left[0] > 0.8 * bound


def test_tails_bound_derivatives():
    # By differences of the exact potential less the series, at the edge of where it is used.
    y, w = charges(1, 4.0)
    order, delta, h = 6, 1.2, 1e-3
    a = expanded(order, y, w)

    def left(d: np.ndarray) -> float:
        return float(w[0, 0] / np.linalg.norm(y[0] - d) - value(a, d)[0])

    rng = np.random.default_rng(3)
    for _ in range(20):
        d, e = rng.normal(size=(2, 3))
        d *= (delta - 2 * h) / np.linalg.norm(d)
        e /= np.linalg.norm(e)
        first = (left(d + h * e) - left(d - h * e)) / (2 * h)
        second = (left(d + h * e) - 2 * left(d) + left(d - h * e)) / h**2
        assert abs(first) <= abs(w[0, 0]) * tail(order, 1, delta, 4.0) * 1.01
        assert abs(second) <= abs(w[0, 0]) * tail(order, 2, delta, 4.0) * 1.01 + 1e-8


def test_tails_without_displacement_are_the_terms_of_higher_order_alone():
    assert tail(4, 4, 0.0, 3.0) == 0.0
    assert tail(3, 4, 0.0, 3.0) == pytest.approx(24 / 3.0**5)
    assert tail(3, 2, 2.9, 3.0) == np.inf  # does not converge fast enough


def test_a_moved_series_is_the_same_function():
    y, w = charges(7, 5.0)
    a = expanded(10, y, w)
    step, d = np.asarray([0.7, -0.4, 0.9]), np.asarray([0.3, 0.5, -0.8])
    moved = np.zeros_like(a)
    shifted(10, a, step, moved)
    complete(10, moved)
    np.testing.assert_allclose(value(moved, d - step), value(a, d), rtol=1e-12)
    once = moved[:, :2].copy()
    shifted(10, a, step, moved)  # adds
    np.testing.assert_allclose(moved[:, :2], 2 * once, rtol=1e-12)


def test_derivatives_along_a_segment():
    y, w = charges(5, 5.0)
    order, n, t = 9, 4, 0.6
    a = expanded(order, y, w)[0]
    u = np.asarray([0.48, -0.6, 0.64])
    out = np.zeros((n + 1, n + 1, n + 1, order + 1))
    along_segment(order, a, u, n, out)
    k = np.arange(order + 1)
    for z, x, y_ in [(0, 0, 0), (1, 0, 0), (0, 2, 1), (1, 1, 2), (4, 0, 0)]:
        one = a
        for axis, times in enumerate((z, x, y_)):
            for _ in range(times):
                one = np.moveaxis(one, axis, 0)
                one = np.concatenate([one[1:] * k[1:, None, None], np.zeros_like(one[:1])])
                one = np.moveaxis(one, 0, axis)
        exact = value(one[None], t * u)[0]
        assert np.polyval(out[z, x, y_][::-1], t) == pytest.approx(exact, rel=1e-10)
