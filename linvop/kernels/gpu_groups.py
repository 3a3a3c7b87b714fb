r"""Groups of many structures on a GPU, and their derivatives.

By the kernels of ``cuda/groups.cu``, which take structures of any size in one launch for all groups
of a level: QM7's molecules have some ten AOs in a channel, so that such a product writes more than
it computes. Where channels are wide it computes more than it writes, and batched matrix products
of the library do it: of structures that are alike, or of one channel of all AOs, which zeros
fill up to the largest.
"""

from __future__ import annotations

from itertools import pairwise
from typing import Any, NamedTuple

import numpy as np

from linvop.kernels.batch import Batch
from linvop.kernels.group_tables import GroupTables, group_tables
from linvop.kernels.launching import Launcher
from linvop.kernels.plan import WordPlan

__all__ = ["WIDE", "Groups", "groups_of", "put_back"]

WIDE = 48
"""Mean width of the channels from which matrix products are the library's: about where twice the
width, in operations a number written, is a GPU's ratio of FP64 rate to bandwidth."""

_SHARED = 8 * (32 * 33 + 32 * 64)
"""Bytes of shared memory of the kernel `groups`."""


class Groups(NamedTuple):
    r"""Groups of a centre species in all structures.

    Attributes
    ----------
    values : (n_slots, n_structures, n_rows, n_ao) float64
        Defined on the rows and columns that a structure has.
    slots : (n_structures, n_groups) int64
        Where a group stands; -1 where it is zero.
    slots_there, n_own : arrays of the device
        The same, and the rows of each structure.
    """

    values: Any
    slots: np.ndarray
    slots_there: Any
    n_own: Any


def groups_of(
    device: Launcher, plan: WordPlan, batch: Batch, shell_start: np.ndarray, wide: int = WIDE
) -> Groups:
    r"""All groups of a plan, each from its parent."""
    made, on = device.tables(plan, "groups", group_tables)
    n_own = shell_start[:, -1] - shell_start[:, 0]
    slots = _slots(plan, batch, n_own)
    n_slots, n_rows = int(slots.max(initial=-1)) + 1, int(n_own.max(initial=0))
    library = _wide(batch, wide) and (batch.uniform or batch.channel_start.shape[1] == 2)
    shape = (n_slots, batch.n_structures, n_rows, batch.n_ao)
    values = device.xp.zeros(shape) if library else device.xp.empty(shape)
    base, own = device.own(batch, shell_start)
    found = Groups(values, slots, device.int32(slots), own)
    n_chosen = np.diff(made.level_first).tolist()[: 1 if library else None]
    tiles = -(-n_rows // 32) * -(-batch.n_ao // 64)
    fixed = (device.channels(batch), base, own)
    n_channels = batch.channel_start.shape[1] - 1
    for first, n in zip(made.level_first.tolist(), n_chosen, strict=False):
        device.run(
            "groups",
            "groups",
            batch.n_structures * n * tiles if values.size else 0,
            _SHARED,
            [
                *(values, batch.first, batch.middle, *fixed, found.slots_there),
                *(on["order"][first : first + n], on["parent"], on["channel"], on["source"]),
                *(batch.n_structures, n, len(made.parent), n_channels),
                *(batch.first.shape[1], n_rows, batch.n_ao),
            ],
        )
    if library:
        _by_products(device.xp, plan, batch, found)
    return found


def put_back(
    device: Launcher,
    plan: WordPlan,
    batch: Batch,
    shell_start: np.ndarray,
    groups: Groups,
    by_groups: Any,
    by: tuple[Any, Any],
    wide: int = WIDE,
) -> None:
    r"""Add what derivatives by groups say of those by first and middle matrices, `by`."""
    alike = bool(
        (shell_start == shell_start[:1]).all() and (groups.slots == groups.slots[:1]).all()
    )
    if alike and batch.uniform and _wide(batch, wide):
        _products_back(device.xp, plan, batch, shell_start, groups, by_groups, by)
        return
    made, on = device.tables(plan, "groups", group_tables)
    n_structures, n_groups = groups.slots.shape
    n_channels = batch.channel_start.shape[1] - 1
    channels = device.channels(batch)
    base, _ = device.own(batch, shell_start)
    sizes = (n_groups, n_channels, batch.first.shape[1], groups.values.shape[2], batch.n_ao)
    steps = [on[name] for name in ("step_parent", "step_channel", "step_first", "step_child")]
    for low, high in _levels_back(made):
        arguments = [by_groups, batch.middle, channels, groups.n_own, groups.slots_there]
        arguments += [*steps, on["source"], n_structures, low, high - low, *sizes]
        device.run("groups", "parents_adjoint", n_structures * (high - low), 0, arguments)
    n = len(made.end_source)
    ends = [on[name] for name in ("end_source", "end_channel", "end_first", "end_child")]
    arguments = [groups.values, by_groups, *by, channels, base]
    arguments += [groups.n_own, groups.slots_there, *ends, on["parent"], n_structures, n, *sizes]
    device.run("groups", "matrices_adjoint", n_structures * n, 0, arguments)


def _levels_back(made: GroupTables) -> list[tuple[int, int]]:
    """Ranges of steps, children in the last level first."""
    bounds = made.level_steps.tolist()
    ranges = list(pairwise(bounds))
    return [(low, high) for low, high in reversed(ranges) if high > low]


def _slots(plan: WordPlan, batch: Batch, n_own: np.ndarray) -> np.ndarray:
    """Places of groups, (n_structures, n_groups); -1 where a channel on the way is empty."""
    width = np.diff(batch.channel_start, axis=1)
    alive = np.zeros((batch.n_structures, len(plan.group_parent)), bool)
    pairs = zip(plan.group_parent.tolist(), plan.group_channel.tolist(), strict=True)
    for g, (parent, channel) in enumerate(pairs):
        alive[:, g] = n_own > 0 if parent < 0 else alive[:, parent] & (width[:, channel] > 0)
    place = np.cumsum(alive.any(axis=0)) - 1
    return np.where(alive, place, -1)


def _wide(batch: Batch, wide: int) -> bool:
    return batch.n_structures > 0 and np.diff(batch.channel_start, axis=1).mean() >= wide


def _by_products(xp: Any, plan: WordPlan, batch: Batch, groups: Groups) -> None:
    """One batched product for each group that has a parent."""
    slots = groups.slots.max(axis=0, initial=-1).tolist()
    for g, slot in enumerate(slots):
        parent, source = int(plan.group_parent[g]), int(plan.group_source[g])
        if slot < 0 or parent < 0:
            continue
        inner = _inner(batch, plan, g) if batch.uniform else slice(None)
        head = groups.values[slots[parent]][:, :, inner]
        xp.matmul(head, batch.middle[:, source, inner], out=groups.values[slot])


def _products_back(
    xp: Any,
    plan: WordPlan,
    batch: Batch,
    shell_start: np.ndarray,
    groups: Groups,
    by_groups: Any,
    by: tuple[Any, Any],
) -> None:
    by_first, by_middle = by
    rows = slice(int(shell_start[0, 0]), int(shell_start[0, -1]))
    slots = groups.slots[0].tolist()
    for g in reversed(range(len(slots))):
        if slots[g] < 0:
            continue
        parent, source = int(plan.group_parent[g]), int(plan.group_source[g])
        own = by_groups[slots[g]]
        if parent < 0:
            by_first[:, source, rows] += own
            continue
        inner = _inner(batch, plan, g)
        before = groups.values[slots[parent]][:, :, inner]
        by_middle[:, source, inner] += xp.matmul(before.transpose(0, 2, 1), own)
        there = batch.middle[:, source, inner].transpose(0, 2, 1)
        by_groups[slots[parent]][:, :, inner] += xp.matmul(own, there)


def _inner(batch: Batch, plan: WordPlan, g: int) -> slice:
    start = batch.channel_start[0, plan.group_channel[g] :]
    return slice(int(start[0]), int(start[1]))
