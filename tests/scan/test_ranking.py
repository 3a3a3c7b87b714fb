from __future__ import annotations

import numpy as np
import pytest

from linvop.scan.ranking import order_of_errors, pareto_front


def dominated(k: int, x, y) -> bool:
    """By definition: another is nowhere worse, and somewhere better."""
    return any(
        x[j] <= x[k] and y[j] <= y[k] and (x[j] < x[k] or y[j] < y[k]) for j in range(len(x))
    )


@pytest.mark.parametrize("seed", range(20))
def test_the_front_is_what_nothing_dominates(seed):
    rng = np.random.default_rng(seed)
    n = int(rng.integers(1, 40))
    # few distinct values, so that there are ties in one and in both coordinates
    x, y = rng.integers(0, 8, size=(2, n)).astype(float)
    expected = [not dominated(k, x, y) for k in range(n)]
    assert pareto_front(x, y).tolist() == expected
    assert any(expected)


def test_the_order_does_not_depend_on_units():
    errors = np.random.default_rng(0).random((12, 3))
    order = order_of_errors(errors)
    assert order_of_errors(errors * [1e3, 27.2, 1e-5]).tolist() == order.tolist()
    product = errors.prod(axis=1)
    assert (np.diff(product[order]) >= 0).all()


def test_one_target_is_ranked_by_its_error():
    errors = np.array([[3.0], [1.0], [0.0], [2.0]])
    assert order_of_errors(errors).tolist() == [2, 1, 3, 0]
