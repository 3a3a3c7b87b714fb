r"""What a GPU can do at most, measured, and how near contractions come to it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from time import perf_counter
from typing import Any

import numpy as np

from linvop.features.batched import Structures
from linvop.features.contractions import SiteFeatures
from linvop.kernels.dispatch import Device
from linvop.kernels.gpu import GpuKernels
from linvop.kernels.plan import WordPlan
from linvop.kernels.word_tables import word_tables

__all__ = ["Roofs", "contraction_rows", "measured_roofs", "roof_rows"]

TARGET = 0.4
"""Smallest accepted fraction of a roof."""

_SIDES = (64, 138, 512, 2048)
"""Of matrices that are multiplied; 138 AOs is a QM7 molecule in def2-SVP."""


@dataclass(frozen=True)
class Roofs:
    r"""Operations a second in FP64 by side of the matrices, and bytes a second."""

    rates: dict[int, float]
    bandwidth: float

    @property
    def rate(self) -> float:
        """Of the best size."""
        return max(self.rates.values())

    def seconds(self, operations: float, moved: float) -> float:
        """The shortest time for so many operations and bytes."""
        return max(operations / self.rate, moved / self.bandwidth)


def timed(on: Device, function: Callable[[], object], rounds: int) -> float:
    """Median wall time, the device waited for; a first run is not counted."""
    times = []
    for _ in range(rounds + 1):
        on.synchronize()
        start = perf_counter()
        function()
        on.synchronize()
        times.append(perf_counter() - start)
    return float(np.median(times[1:]))


def measured_roofs(on: Device, rounds: int) -> Roofs:
    r"""Batched FP64 matrix products of several sizes, and a copy."""
    room = min(on.free_memory() / 8, 4e9)
    rates = {}
    for side in _SIDES:
        count = max(1, min(2000, int(room / (24 * side**2))))
        if 24 * side**2 > room:
            continue
        A, B, C = (on.xp.ones((count, side, side)) for _ in range(3))
        seconds = timed(on, partial(on.xp.matmul, A, B, out=C), rounds)
        rates[side] = 2 * count * side**3 / seconds
    x = on.xp.ones(int(room / 16))
    y = on.xp.empty_like(x)
    seconds = timed(on, lambda: on.xp.copyto(y, x), rounds)
    return Roofs(rates, 2 * x.nbytes / seconds)


def roof_rows(roofs: Roofs) -> list[dict[str, Any]]:
    r"""Rows of a table."""
    rows = [
        {"what": f"batched FP64 products, {side} x {side}", "value": rate / 1e12, "unit": "TFLOP/s"}
        for side, rate in roofs.rates.items()
    ]
    return [*rows, {"what": "memory, read + write", "value": roofs.bandwidth / 1e9, "unit": "GB/s"}]


def contraction_rows(
    on: Device,
    features: SiteFeatures,
    some: Sequence[Structures],
    roofs: Roofs,
    rounds: int,
) -> list[dict[str, Any]]:
    r"""Halves of words, words from them, and V^3 as matrices."""
    kernels = on.kernels
    if not isinstance(kernels, GpuKernels):
        return []
    operations = moved = 0.0
    of_words = results = 0.0
    for batch in some:
        for s, plan in features.plans.items():
            a, b, c = _work(plan, batch, s)
            operations, moved, of_words = operations + a, moved + b, of_words + c
            results += 8.0 * len(batch.sums(s)) * plan.row_size

    def halves() -> None:
        for batch in some:
            for s, plan in features.plans.items():
                kernels.groups(plan, batch.batch, batch.shell_start[s])

    def whole() -> None:
        for batch in some:
            for s, plan in features.plans.items():
                kernels.site_rows(plan, batch.batch, batch.shell_start[s], batch.sums(s))

    cubes = [_padded(on, batch) for batch in some]
    sizes = [one.channel_start[-1] for batch in some for one in batch.each]
    of_cubes = sum(4.0 * float(n) ** 3 for n in sizes)
    rows = []
    for what, function, flops, data in (
        ("halves of words", halves, operations, moved),
        ("words, halves included", whole, operations + of_words, 2 * moved + results),
    ):
        seconds = timed(on, function, rounds)
        rows.append(_row(what, seconds, flops, data, roofs.seconds(flops, data) / seconds))
    seconds = timed(on, lambda: [on.xp.matmul(on.xp.matmul(x, x), x) for x in cubes], rounds)
    alike = on.xp.ones((len(sizes), *2 * [round(float(np.mean(sizes)))]))
    out = on.xp.empty_like(alike)
    product = timed(on, partial(on.xp.matmul, alike, alike, out=out), rounds)
    rate = 2.0 * len(sizes) * alike.shape[1] ** 3 / product
    rows.append(_row("V^3, whole matrices", seconds, of_cubes, 0.0, of_cubes / rate / seconds))
    return rows


def _work(plan: WordPlan, some: Structures, species: str) -> tuple[float, float, float]:
    """Operations and bytes of the groups of all structures, and operations of their words."""
    start = some.shell_start[species]
    rows = (start[:, -1] - start[:, 0]).astype(float)
    width = np.diff(some.batch.channel_start, axis=1).astype(float)
    n_ao = some.batch.channel_start[:, -1].astype(float)
    operations, written, read = 0.0, 0.0, 0.0
    for parent, channel in zip(plan.group_parent, plan.group_channel, strict=True):
        c = width[:, channel] if parent >= 0 else np.zeros(len(rows))
        there = (c > 0) if parent >= 0 else np.ones(len(rows), bool)
        operations += float((2 * rows * c * n_ao).sum())
        written += float((8 * rows * n_ao * there).sum())
        read += float((8 * (rows + n_ao) * c).sum())
    tables = word_tables(plan)
    n_entries = np.diff(tables.pattern_first)[tables.word_pattern]
    n_sites = some.n_sites[species]
    words = 0.0
    for c, head, n in zip(plan.word_channel, plan.word_head, n_entries, strict=True):
        if head >= 0:
            words += float((2 * n_sites * n * width[:, c]).sum())
    return operations, written + read, words


def _padded(on: Device, some: Structures) -> Any:
    """V of the first source with zeros beyond a structure's own AOs."""
    V = np.zeros((len(some.each), some.batch.n_ao, some.batch.n_ao))
    for own, one in zip(V, some.each, strict=True):
        n = one.channel_start[-1]
        own[:n, :n] = one.matrices[0][0]
    return on.xp.asarray(V)


def _row(
    what: str, seconds: float, operations: float, moved: float, fraction: float
) -> dict[str, Any]:
    return {
        "what": what,
        "s": seconds,
        "TFLOP/s": operations / seconds / 1e12,
        "GB/s": moved / seconds / 1e9,
        "of the roof": fraction,
        "target": TARGET,
        "met": "yes" if fraction >= TARGET else "NO",
    }
