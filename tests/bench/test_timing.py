"""Laws of the ratios that `linvop bench speed` reports."""

from __future__ import annotations

import pytest

from linvop.bench import timing
from linvop.bench.timing import Timed, compare


@pytest.fixture
def spend(monkeypatch):
    """A clock that stands still but for what is spent: no load on the machine can matter."""
    now = [0.0]
    monkeypatch.setattr(timing, "process_time", lambda: now[0])

    def spend(seconds: float) -> None:
        now[0] += seconds

    return spend


def test_ratio_is_that_of_the_times(spend):
    timed = compare([1e-3, 2e-3], spend, {"same": spend, "half": lambda s: spend(s / 2)}, rounds=3)
    assert timed["same"].ratio == pytest.approx(1.0)
    assert timed["half"].ratio == pytest.approx(0.5)
    assert timed["half"].yardstick_ms == pytest.approx(1.5)


def test_first_run_and_outliers_do_not_count(spend):
    calls = []

    def sometimes_slow(item: int) -> None:
        calls.append(item)
        spend(5.0 if len(calls) in (1, 3) else 1e-3)

    timed = compare([0], lambda item: spend(1e-3), {"c": sometimes_slow}, rounds=3)
    assert timed["c"].ratio == pytest.approx(1.0)
    assert len(calls) == 4


def test_yardstick_runs_directly_before_each_candidate():
    order: list[str] = []
    candidates = {name: (lambda item, name=name: order.append(name)) for name in "ab"}
    compare([0, 1], lambda item: order.append("yardstick"), candidates, rounds=2)
    assert order[::2] == ["yardstick"] * (len(order) // 2)
    assert sorted(order[1::2]) == ["a"] * 6 + ["b"] * 6


def test_ratio():
    assert Timed(1.0, 4.0).ratio == 0.25
