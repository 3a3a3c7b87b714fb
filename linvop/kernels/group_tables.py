r"""The groups of a plan as the CUDA kernels read them: level by level, and their children."""

from __future__ import annotations

from dataclasses import dataclass, fields

import numpy as np

from linvop.kernels.plan import WordPlan
from linvop.kernels.plan_parts import offsets

__all__ = ["GroupTables", "group_tables"]


@dataclass(frozen=True)
class GroupTables:
    r"""Integers are int32; ranges of x are ``first[x] : first[x + 1]``.

    Attributes
    ----------
    parent, channel, source : (n_groups,)
    order, level_first
        Groups level by level; those of a level have all their parents in the one before.
    step_parent, step_channel, step_first, step_child
        Groups by parent and channel, in the order of levels.
    level_steps : (n_levels + 1,)
        Which of these have children in a level; none in the first.
    end_source, end_channel, end_first, end_child
        Groups by the last matrix and the channel before it, -1 for those without.
    """

    parent: np.ndarray
    channel: np.ndarray
    source: np.ndarray
    order: np.ndarray
    level_first: np.ndarray
    step_parent: np.ndarray
    step_channel: np.ndarray
    step_first: np.ndarray
    step_child: np.ndarray
    level_steps: np.ndarray
    end_source: np.ndarray
    end_channel: np.ndarray
    end_first: np.ndarray
    end_child: np.ndarray

    @property
    def arrays(self) -> dict[str, np.ndarray]:
        """All tables by name."""
        return {f.name: getattr(self, f.name) for f in fields(self)}


def group_tables(plan: WordPlan) -> GroupTables:
    r"""Lay the groups of a plan out for the CUDA kernels."""
    parent = plan.group_parent
    level = np.zeros(len(parent), np.int64)
    for g, above in enumerate(parent.tolist()):  # parents come first
        level[g] = 0 if above < 0 else level[above] + 1
    n_levels = int(level.max(initial=-1)) + 1
    order = np.argsort(level, kind="stable")
    below = np.flatnonzero(parent >= 0)
    steps, step_first, step_child = _gathered(
        below, level[below], parent[below], plan.group_channel[below]
    )
    ends, end_first, end_child = _gathered(
        np.arange(len(parent)), plan.group_source, plan.group_channel
    )
    found = {
        "parent": parent,
        "channel": plan.group_channel,
        "source": plan.group_source,
        "order": order,
        "level_first": offsets(np.bincount(level, minlength=n_levels).tolist()),
        "step_parent": steps[:, 1],
        "step_channel": steps[:, 2],
        "step_first": step_first,
        "step_child": step_child,
        "level_steps": offsets(np.bincount(steps[:, 0], minlength=n_levels).tolist()),
        "end_source": ends[:, 0],
        "end_channel": ends[:, 1],
        "end_first": end_first,
        "end_child": end_child,
    }
    return GroupTables(**{k: np.ascontiguousarray(x, np.int32) for k, x in found.items()})


def _gathered(items: np.ndarray, *keys: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Distinct keys in order, where the items of each start, and the items."""
    order = np.lexsort(keys[::-1])
    table = np.column_stack(keys)[order].reshape(-1, len(keys))
    distinct, counts = np.unique(table, axis=0, return_counts=True)
    return distinct, offsets(counts.tolist()), items[order]
