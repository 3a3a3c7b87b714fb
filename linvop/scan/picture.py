r"""The picture of a scan: error against number of columns and against time, both logarithmic."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from linvop.plotting.canvas import COLOURS, new_figure, plain_log_ticks, write_png
from linvop.report import readable_unit

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["scan_figure"]

_MARKERS = "osD^vP*X"
_COSTS = (
    ("columns", 1.0, "number of columns"),
    ("seconds_per_structure", 1e3, "features, ms per structure (one thread)"),
)
_NUMBERED = 40
"""Where there are more settings, only those on a front have their number beside the point."""


def scan_figure(path: str | Path, result: Mapping[str, Any], *, force: bool = False) -> None:
    r"""Draw a scan into a PNG, a row of two panels for each target.

    Colour and marker tell the values of the first scanned parameter. Points bear the rank of
    their setting, and the settings on a Pareto front (of either panel) are named at the side.

    Parameters
    ----------
    path : path
    result : mapping
        Of `linvop.scan.runner.run_scan`.
    force : bool

    Raises
    ------
    InputError
        If the file exists and ``force`` is not set.
    """
    names = list(result["targets"])
    figure = new_figure(14.0, 5.2 * len(names))
    axes = figure.subplots(len(names), 2, squeeze=False, sharey="row")
    for line, name in zip(axes, names, strict=True):
        for ax, (cost, factor, label) in zip(line, _COSTS, strict=True):
            _draw(ax, result, name, cost, factor)
            ax.set_xlabel(label)
        unit = readable_unit(result["settings"][0]["targets"][name]["unit"])[1] or "no unit"
        line[0].set_ylabel(f"{name}: RMSE ({unit}), {result['validation']}")
        handles, words = line[1].get_legend_handles_labels()
        for row in _on_front(result, name):
            handles.append(line[0].scatter([], [], s=0))
            words.append(f"{row['rank']}  {row['label']}")
        line[1].legend(
            handles,
            words,
            loc="upper left",
            bbox_to_anchor=(1.01, 1.0),
            fontsize=7.5,
            frameon=False,
            handletextpad=0.3,
        )
    figure.suptitle(
        f"{result['train']}, {result['n_train']} structures; numbers are ranks", fontsize=10
    )
    write_png(figure, path, force=force, dpi=110)


def _on_front(result: Mapping[str, Any], name: str) -> list[Mapping[str, Any]]:
    return [row for row in result["settings"] if any(row["targets"][name]["front"].values())]


def _draw(ax: Axes, result: Mapping[str, Any], name: str, cost: str, factor: float) -> None:
    rows = result["settings"]
    scale = readable_unit(rows[0]["targets"][name]["unit"])[0]
    x = {row["rank"]: factor * row[cost] for row in rows}
    y = {row["rank"]: scale * row["targets"][name]["rmse"] for row in rows}
    first, values = next(iter(result["scanned"].items()))
    for k, value in enumerate(values):
        ranks = [row["rank"] for row in rows if row["setting"][first] == value]
        if ranks:
            ax.scatter(
                [x[r] for r in ranks],
                [y[r] for r in ranks],
                s=34,
                color=COLOURS[k % len(COLOURS)],
                marker=_MARKERS[(k // len(COLOURS) + k) % len(_MARKERS)],
                alpha=0.85,
                linewidths=0,
                label=value if isinstance(value, str) else f"{first} {value}",
                zorder=3,
            )
    front = [row["rank"] for row in rows if row["targets"][name]["front"][cost]]
    front.sort(key=lambda r: (x[r], -y[r]))
    ax.plot(
        [x[r] for r in front],
        [y[r] for r in front],
        color="0.4",
        linewidth=0.9,
        drawstyle="steps-post",
        label="Pareto front",
        zorder=1,
    )
    ax.set(xscale="log", yscale="log")
    ax.margins(x=0.08, y=0.08)
    ax.grid(visible=True, which="both", linewidth=0.3, color="0.88", zorder=0)
    for axis in (ax.xaxis, ax.yaxis):
        plain_log_ticks(axis)
    for r in x if len(rows) <= _NUMBERED else front:
        on = r in front
        ax.annotate(
            str(r),
            (x[r], y[r]),
            xytext=(-4, -3) if on else (4, 3),
            textcoords="offset points",
            fontsize=8 if on else 6.5,
            fontweight="bold" if on else "normal",
            color="0.1" if on else "0.45",
            ha="right" if on else "left",
            va="top" if on else "bottom",
        )
