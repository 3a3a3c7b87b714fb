r"""The picture of a scan: error against number of columns and against time, both logarithmic."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from linvop.report import readable_unit

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["scan_figure"]

_COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000", "#999999")
"""Colours that stay apart for colour-blind eyes (after Okabe and Ito)."""

_MARKERS = "osD^vP*X"
_COSTS = (
    ("columns", 1.0, "number of columns"),
    ("seconds_per_structure", 1e3, "features, ms per structure (one thread)"),
)


def scan_figure(path: str | Path, result: Mapping[str, Any], *, force: bool = False) -> None:
    r"""Draw a scan into a PNG, a row of two panels for each target.

    Colour and marker tell the values of the first scanned parameter; the Pareto front of each
    panel is drawn and its points are labelled by the rest of their setting.

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
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    from linvop.io.atomic import atomic

    names = list(result["targets"])
    figure = Figure(figsize=(12.5, 4.9 * len(names)), layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.subplots(len(names), 2, squeeze=False, sharey="row")
    for line, name in zip(axes, names, strict=True):
        for ax, (cost, factor, label) in zip(line, _COSTS, strict=True):
            _draw(ax, result, name, cost, factor)
            ax.set_xlabel(label)
        unit = readable_unit(result["settings"][0]["targets"][name]["unit"])[1] or "no unit"
        line[0].set_ylabel(f"{name}: RMSE ({unit}), {result['validation']}")
    handles, words = axes[0, 0].get_legend_handles_labels()
    figure.legend(handles, words, loc="outside right upper", frameon=False, fontsize=8)
    figure.suptitle(f"{result['train']}, {result['n_train']} structures", fontsize=10)
    with atomic(path, force) as beside:
        figure.savefig(beside, dpi=120, format="png")


def _families(result: Mapping[str, Any]) -> list[str]:
    """Values of the first scanned parameter, in the order of the file."""
    first = result["scanned"][0]
    rows = [*result["settings"], *result["left_out"]]
    return sorted({str(row["setting"][first]) for row in rows}, key=_natural)


def _natural(text: str) -> tuple[str, ...]:
    return (text.lower(), text)


def _draw(ax: Axes, result: Mapping[str, Any], name: str, cost: str, factor: float) -> None:
    first = result["scanned"][0]
    families = _families(result)
    scale = readable_unit(result["settings"][0]["targets"][name]["unit"])[0]
    points = [
        (factor * row[cost], scale * row["targets"][name]["rmse"], row)
        for row in result["settings"]
    ]
    for k, family in enumerate(families):
        of_family = [(x, y) for x, y, row in points if str(row["setting"][first]) == family]
        if of_family:
            ax.scatter(
                *zip(*of_family, strict=True),
                s=30,
                color=_COLOURS[k % len(_COLOURS)],
                marker=_MARKERS[(k // len(_COLOURS) + k) % len(_MARKERS)],
                alpha=0.85,
                linewidths=0,
                label=family,
                zorder=3,
            )
    front = sorted((p for p in points if p[2]["targets"][name]["front"][cost]), key=lambda p: p[0])
    ax.plot(
        [x for x, _, _ in front],
        [y for _, y, _ in front],
        color="0.4",
        linewidth=0.9,
        drawstyle="steps-post",
        label="Pareto front",
        zorder=1,
    )
    ax.set(xscale="log", yscale="log")
    ax.margins(x=0.12, y=0.1)
    ax.grid(visible=True, which="both", linewidth=0.3, color="0.88", zorder=0)
    _annotate(ax, front)


def _annotate(ax: Axes, front: Sequence[tuple[float, float, Any]]) -> None:
    """Label the points of the front, away from those above and to the right of it."""
    for x, y, row in front:
        ax.annotate(
            row["label"],
            (x, y),
            xytext=(-4, -4),
            textcoords="offset points",
            fontsize=7,
            ha="right",
            va="top",
            annotation_clip=False,
        )
