r"""A figure without a window, and its PNG: written beside its place and renamed into it."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = [
    "COLOURS",
    "FIRST",
    "SECOND",
    "grid",
    "new_figure",
    "plain_log_ticks",
    "say",
    "smallest_shown",
    "write_png",
]

FIRST, SECOND = "#56B4E9", "#D55E00"
"""Of two series; they stay apart for colour-blind eyes (after Okabe and Ito)."""

COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000", "#999999")
"""Of more than two."""


def new_figure(width: float, height: float) -> Figure:
    r"""An empty figure (inches)."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, height), layout="constrained")
    FigureCanvasAgg(figure)
    return figure


def write_png(figure: Figure, path: str | Path, *, force: bool = False, dpi: int = 120) -> None:
    r"""Write a figure.

    Raises
    ------
    InputError
        If the file exists and ``force`` is not set.
    """
    from linvop.io.atomic import atomic

    with atomic(path, force) as beside:
        figure.savefig(beside, dpi=dpi, format="png")


def smallest_shown(errors: Iterable[np.ndarray]) -> float:
    r"""Where a logarithmic axis of errors begins: below nine tenths of each kind of them.

    Eight decades below the largest at the earliest: rounding would stretch the axis.
    """
    sizes = [e[np.isfinite(e)] for e in errors]
    sizes = [e for e in sizes if e.size]
    largest = max((float(e.max()) for e in sizes), default=0.0) or 1.0
    tenths = (float(np.quantile(e, 0.1)) for e in sizes)
    return max(min(tenths, default=largest) / 2, 1e-8 * largest)


def grid(ax: Axes) -> None:
    r"""Faint lines behind the data."""
    ax.set_axisbelow(True)
    ax.grid(visible=True, linewidth=0.4, color="0.85")


def say(ax: Axes, text: str) -> None:
    r"""A panel without data, that says why."""
    ax.text(0.5, 0.5, text, transform=ax.transAxes, ha="center", va="center", wrap=True)
    ax.set(xticks=[], yticks=[])


def plain_log_ticks(axis: Any) -> None:
    r"""Plain numbers, and more of them where a decade or less holds all points."""
    from matplotlib.ticker import FuncFormatter, LogLocator, MaxNLocator, NullFormatter

    low, high = axis.get_view_interval()
    if high < 3 * low:
        axis.set_major_locator(MaxNLocator(6))
    elif high < 12 * low:
        axis.set_major_locator(LogLocator(subs=(1.0, 1.5, 2.0, 3.0, 4.0, 5.0, 7.0)))
    else:
        axis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0)))
    axis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axis.set_minor_formatter(NullFormatter())
