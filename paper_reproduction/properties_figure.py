r"""The picture of learning curves and AO sets."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from linvop.plotting.canvas import plain_log_ticks
from paper_reproduction.style import labelled_axes, look, panels

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["draw"]

_SECOND = "2.5 Å"
"""The second setting of SOAP: its colour, another line."""


def draw(numbers: Mapping[str, Any]) -> Figure:
    """Above learning curves, below AO sets; a column for each set and target."""
    columns = [(x["name"], t, x) for x in numbers.values() for t in x["curves"]]
    figure, axes = panels(2, len(columns), height=2.35)
    handles: dict[str, Any] = {}
    for k, (name, target, x) in enumerate(columns):
        _learning(axes[0, k], name, target, x)
        _ao_sets(axes[1, k], name, target, x)
        for handle, label in zip(*axes[0, k].get_legend_handles_labels(), strict=True):
            handles.setdefault(label, handle)
    figure.set_layout_engine("constrained", rect=(0, 0.07, 1, 0.93))
    figure.legend(handles.values(), handles.keys(), loc="lower center", ncols=6)
    return figure


def _style(kind: str, bars: bool = True) -> dict[str, Any]:
    found = look(kind).kwargs() | {"markersize": 3} | ({"capsize": 2} if bars else {})
    return found | ({"linestyle": ":", "mfc": "white"} if kind.endswith(_SECOND) else {})


def _learning(ax: Axes, name: str, target: str, x: Mapping[str, Any]) -> None:
    for kind, curve in x["curves"][target].items():
        errors = np.asarray(curve["rmse"])
        ax.errorbar(
            x["sizes"], np.median(errors, axis=1), yerr=_bars(errors), label=kind, **_style(kind)
        )
    more = x.get("more", {"sizes": [], "curves": {}})
    for kind, curve in more["curves"].items():
        ax.plot(more["sizes"], [errors[0] for errors in curve["rmse"]], **_style(kind, bars=False))
    y = f"RMSE ({_unit(x['units'][target])})"
    labelled_axes(ax, "training structures", y, log=("x", "y"))
    _few_decades(ax)
    ax.set_title(f"{name}, {target}", loc="right", fontsize=7.5)
    ticks = [*x["sizes"], *more["sizes"][1:]]
    ax.set_xticks(ticks, [str(n) for n in ticks], minor=False, rotation=45)
    ax.set_xticks([], minor=True)


def _few_decades(ax: Axes) -> None:
    """Plain numbers where powers of ten are too few to read by."""
    low, high = ax.get_ylim()
    if high < 100 * low:
        plain_log_ticks(ax.yaxis)


def _bars(errors: np.ndarray) -> np.ndarray:
    """Distances of the least and the largest error from the median, (2, n)."""
    middle = np.median(errors, axis=1)
    return np.stack([middle - errors.min(axis=1), errors.max(axis=1) - middle])


def _ao_sets(ax: Axes, name: str, target: str, x: Mapping[str, Any]) -> None:
    names: list[str] = []
    for kind, found in x["ao_sets"][target].items():
        names = list(found)
        errors = np.asarray([one["rmse"] for one in found.values()])
        ax.errorbar(
            range(len(names)), np.median(errors, axis=1), yerr=_bars(errors), **_style(kind)
        )
    labelled_axes(ax, "AO set of V", f"RMSE ({_unit(x['units'][target])})", log=("y",))
    ax.set_title(f"{name}, {target}", loc="right", fontsize=7.5)
    _few_decades(ax)
    ax.set_xticks(range(len(names)), names, rotation=45)
    ax.set_xlim(-0.4, len(names) - 0.6)


def _unit(unit: str) -> str:
    return unit.replace("1e-3 ", r"$10^{-3}$ ")
