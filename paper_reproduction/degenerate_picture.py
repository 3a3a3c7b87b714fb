"""The picture of the study `degeneracy`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from matplotlib.ticker import NullLocator

from linvop.plotting.canvas import plain_log_ticks
from paper_reproduction.degenerate_fits import pooled
from paper_reproduction.style import labelled_axes, look, panels

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["draw"]

_SHARED, _OTHER = "#999999", "#0072B2"
_SMALLEST = 1e-18


def draw(numbers: Mapping[str, Any]) -> Figure:
    """Distances of features and of blocks; learning curves about carbon and about all atoms."""
    figure, axes = panels(2, 2, height=3.0)
    features = [
        {**f, "kind": f"{f['centre']}:  {f['kind']}"}
        for f in sorted(numbers["features"], key=lambda f: f["centre"])
    ]
    _distances(axes[0, 0], features, numbers["limits"], "features, by centre")
    _distances(axes[0, 1], numbers["blocks"], numbers["limits"], "blocks of V")
    about = {n: c for n, c in numbers["curves"].items() if "about C" in n}
    rest = {n: c for n, c in numbers["curves"].items() if n not in about}
    _curves(axes[1, 0], about, numbers, "about carbon")
    _curves(axes[1, 1], rest, numbers, "about all atoms")
    lows, highs = zip(*(ax.get_ylim() for ax in axes[1]), strict=True)
    for ax in axes[1]:
        ax.set_ylim(min(lows), max(highs))
    return figure


def _distances(
    ax: Axes, rows: Sequence[Mapping[str, Any]], limits: Sequence[float], title: str
) -> None:
    for k, row in enumerate(rows):
        low, middle, high = np.maximum(row["distance"], _SMALLEST)
        colour = _SHARED if row["same"] else _OTHER
        ax.plot([low, high], [k, k], color=colour, linewidth=2.5)
        ax.plot(middle, k, marker="o" if row["same"] else "D", color=colour)
    labelled_axes(ax, "relative distance of members", "", title=title, log="x")
    ax.axvspan(*limits, color="0.94", zorder=0)
    ax.set_yticks(range(len(rows)), [row["kind"] for row in rows], fontsize=6.5)
    ax.set_ylim(len(rows) - 0.4, -0.6)
    ax.set_xlim(_SMALLEST / 2, 3)
    ax.set_xticks([1e-16, 1e-12, 1e-8, 1e-4, 1])


def _curves(
    ax: Axes, curves: Mapping[str, Mapping[str, Any]], numbers: Mapping[str, Any], title: str
) -> None:
    sizes = numbers["sizes"]
    for name, one in curves.items():
        kind = look(name)
        fill = kind.colour if name.split(",")[0][-1] not in "12" else "white"
        line = {"1": ":", "2": "--"}.get(name.split(",")[0][-1], kind.line)
        ax.plot(
            sizes,
            pooled(one["rmse"]),
            color=kind.colour,
            marker=kind.marker,
            markerfacecolor=fill,
            linestyle=line,
            label=name.split(", about")[0],
        )
    least = float(pooled(numbers["floors"]))
    ax.axhline(least, color="black", linewidth=1.0, linestyle=(0, (1, 1)), label="floor")
    labelled_axes(ax, "training structures", "RMSE (eV)", title=title, log=("x", "y"))
    ax.set_xticks(sizes, [str(n) for n in sizes])
    plain_log_ticks(ax.yaxis)
    ax.xaxis.set_minor_locator(NullLocator())
    ax.legend(loc="upper center", bbox_to_anchor=(0.45, -0.18), ncol=2, fontsize=6.5)
