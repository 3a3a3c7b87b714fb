"""The picture of the study `beyond`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from matplotlib.lines import Line2D
from matplotlib.ticker import NullLocator

from linvop.plotting.canvas import plain_log_ticks
from paper_reproduction.style import KINDS, SERIES, Look, labelled_axes, look, panels

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["draw"]


def draw(numbers: Mapping[str, Any]) -> Figure:
    """AO sets by columns and by time; cost per atom; dipoles, and gaps of the operator."""
    figure, axes = panels(2, 3, height=2.7)
    rows = numbers["aos"]
    _scan(axes[0, 0], rows, "energy", "columns", "columns")
    _scan(axes[0, 1], rows, "energy", "ms", "CPU time (ms/structure)")
    _scan(axes[0, 2], rows, "dipole", "ms", "CPU time (ms/structure)")
    _legend(figure, rows)
    _large(axes[1, 0], numbers["large"])
    _curves(axes[1, 1], numbers["sizes"], numbers["curves"])
    _gaps(axes[1, 2], numbers["besides"])
    return figure


def _marks(rows: Sequence[Mapping[str, Any]]) -> dict[str, str]:
    sets = dict.fromkeys(row["ao"] for row in rows)
    return {ao: SERIES[k % len(SERIES)].marker for k, ao in enumerate(sets)}


def _scan(ax: Axes, rows: Sequence[Mapping[str, Any]], target: str, axis: str, label: str) -> None:
    marks = _marks(rows)
    for row in rows:
        y = 1e3 * np.asarray(row["rmse"][target])
        middle = float(np.sqrt((y**2).mean()))
        colour = KINDS[row["features"]].colour
        ax.plot([row[axis]] * 2, [y.min(), y.max()], color=colour, linewidth=0.8)
        ax.plot(row[axis], middle, color=colour, marker=marks[row["ao"]], markersize=4.5)
    unit = "energy RMSE (meV)" if target == "energy" else "dipole RMSE (me Å)"
    labelled_axes(ax, label, unit, title=target, log=("x", "y") if axis == "columns" else ("y",))
    if axis == "columns":
        plain_log_ticks(ax.xaxis)
    else:
        ax.set_xlim(left=0)
    plain_log_ticks(ax.yaxis)


def _legend(figure: Figure, rows: Sequence[Mapping[str, Any]]) -> None:
    kinds = dict.fromkeys(row["features"] for row in rows)
    entries = [Line2D([], [], color=KINDS[k].colour, linewidth=2.5, label=k) for k in kinds]
    entries += [
        Line2D([], [], color="0.3", linestyle="", marker=m, label=ao)
        for ao, m in _marks(rows).items()
    ]
    figure.legend(handles=entries, loc="outside upper center", ncol=5, title="in (a) to (c)")


def _large(ax: Axes, rows: Sequence[Mapping[str, Any]]) -> None:
    atoms = [row["atoms"] for row in rows]
    for k, (key, label) in enumerate((("V", "V"), ("features", "features, V given"))):
        ax.plot(atoms, [row[key] for row in rows], **SERIES[k].kwargs(), label=label)
    whole = [(r["atoms"], r["int1e_nuc"]) for r in rows if r["int1e_nuc"] is not None]
    if whole:
        line = Look("#999999", "x", ":")
        ax.plot(*zip(*whole, strict=True), **line.kwargs(), label="int1e_nuc, PySCF")
    labelled_axes(ax, "atoms", "CPU time (ms/atom)", title="water clusters", log=("x", "y"))
    plain_log_ticks(ax.yaxis)
    ax.set_xticks(atoms, [str(n) for n in atoms])
    ax.xaxis.set_minor_locator(NullLocator())
    _below(ax)


def _curves(ax: Axes, sizes: Sequence[int], curves: Mapping[str, Mapping[str, Any]]) -> None:
    for name, one in curves.items():
        kind = SERIES[3] if name.startswith("effective") else look(name)
        ax.plot(sizes, 1e3 * np.asarray(one["rmse"]), **kind.kwargs(), label=name)
    labelled_axes(
        ax,
        "training structures",
        "dipole RMSE (me Å)",
        title="dipoles alone",
        log=("x", "y"),
    )
    ax.set_xticks(sizes, [str(n) for n in sizes])
    ax.xaxis.set_minor_locator(NullLocator())
    plain_log_ticks(ax.yaxis)
    _below(ax)


def _gaps(ax: Axes, besides: Mapping[str, Mapping[str, Any]]) -> None:
    true = np.asarray(besides["reference"]["gap"])
    for name, kind in (("baseline", SERIES[4]), ("effective operator", SERIES[3])):
        ax.plot(
            true,
            besides[name]["gap"],
            color=kind.colour,
            marker=kind.marker,
            linestyle="",
            label=name,
        )
    ends = [float(true.min()), float(true.max())]
    ax.plot(ends, ends, color="black", linewidth=0.8, label="equal")
    labelled_axes(ax, "gap of PBE, same AOs (eV)", "gap (eV)", title="not fitted")
    _below(ax)


def _below(ax: Axes) -> None:
    ax.legend(loc="upper center", bbox_to_anchor=(0.45, -0.22), ncol=1, fontsize=6.5)
