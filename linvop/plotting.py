r"""Pictures: predicted against reference values, with units and errors on them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from linvop.models.metrics import errors
from linvop.report import number, readable_unit, unexplained

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["Errors", "Parity", "parity_figure"]

# Colours that stay apart for colour-blind eyes (after Okabe and Ito).
_FIRST, _SECOND = "#56B4E9", "#D55E00"


@dataclass(frozen=True)
class Parity:
    r"""One panel: predicted against reference values.

    Attributes
    ----------
    title : str
    unit : str
    series : {name: (reference, predicted)}, arrays (n, ...)
        At most two, drawn in this order; errors are written for each.
    """

    title: str
    unit: str
    series: Mapping[str, tuple[np.ndarray, np.ndarray]]


@dataclass(frozen=True)
class Errors:
    r"""One panel: which fraction of structures has an error (norm) below a given one.

    The attributes are those of `Parity`.
    """

    title: str
    unit: str
    series: Mapping[str, tuple[np.ndarray, np.ndarray]]


def parity_figure(
    path: str | Path, rows: Sequence[Sequence[Parity | Errors]], *, force: bool = False
) -> None:
    r"""Draw panels row by row into a PNG, written beside and renamed.

    Raises
    ------
    InputError
        If the file exists and ``force`` is not set.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    from linvop.io.atomic import atomic

    n_rows, n_columns = len(rows), max(len(row) for row in rows)
    figure = Figure(figsize=(4.6 * n_columns, 4.4 * n_rows), layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.subplots(n_rows, n_columns, squeeze=False)
    for line, row in zip(axes, rows, strict=True):
        for k, ax in enumerate(line):
            if k < len(row):
                panel = row[k]
                if isinstance(panel, Parity):
                    _draw_parity(ax, panel)
                else:
                    _draw_errors(ax, panel)
            else:
                ax.set_visible(False)
    with atomic(path, force) as beside:
        figure.savefig(beside, dpi=120, format="png")


def _colours(panel: Parity | Errors) -> list[tuple[str, np.ndarray, np.ndarray, str]]:
    colours = (_FIRST, _SECOND)[-len(panel.series) :]
    return [(name, *pair, c) for (name, pair), c in zip(panel.series.items(), colours, strict=True)]


def _draw_parity(ax: Axes, panel: Parity) -> None:
    last = list(panel.series.values())[-1][0]
    # Total energies are large beside their spread: show them about their mean.
    mean, spread = float(np.mean(last)), float(np.std(last))
    shift = mean if last.ndim == 1 and abs(mean) > 10 * spread else 0.0
    shown = []
    for name, true, predicted, colour in _colours(panel):
        x, y = np.ravel(true) - shift, np.ravel(predicted) - shift
        ax.scatter(x, y, label=name, s=14, alpha=0.75, linewidths=0, color=colour)
        shown.extend([x, y[np.isfinite(y)]])
    values = np.concatenate(shown)
    low, high = float(values.min()), float(values.max())
    margin = 0.06 * (high - low or 1.0)
    ends = (low - margin, high + margin)
    ax.plot(ends, ends, color="0.4", linewidth=0.8, zorder=0)
    ax.set(xlim=ends, ylim=ends, aspect="equal", title=panel.title)
    about, unit = " - mean" if shift else "", panel.unit or "no unit"
    ax.set_xlabel(f"reference{about} ({unit})")
    ax.set_ylabel(f"predicted{about} ({unit})")
    ax.text(
        0.97,
        0.04,
        "\n".join(_summary(panel)),
        transform=ax.transAxes,
        ha="right",
        va="bottom",
        fontsize=8.5,
    )
    if len(panel.series) > 1:
        ax.legend(loc="upper left", frameon=False, fontsize=9)


def _summary(panel: Parity) -> list[str]:
    factor, unit = readable_unit(panel.unit)
    lines = []
    for name, (true, predicted) in panel.series.items():
        e = errors(true, predicted, panel.unit)
        lines += [
            f"{name}, n = {e['n']}",
            f"MAE {number(factor * e['mae'])} {unit}",
            f"RMSE {number(factor * e['rmse'])} {unit}",
            f"1 - R2 {unexplained(e['r2'])}",
        ]
    return lines


def _draw_errors(ax: Axes, panel: Errors) -> None:
    factor, unit = readable_unit(panel.unit)
    for name, true, predicted, colour in _colours(panel):
        norm = np.linalg.norm((predicted - true).reshape(len(true), -1), axis=1)
        norm = np.sort(norm[np.isfinite(norm)])
        ax.step(factor * norm, np.arange(1, len(norm) + 1) / len(norm), label=name, color=colour)
        spread = (true - true.mean(axis=0) if true.ndim == 1 else true).reshape(len(true), -1)
    width = factor * float(np.sqrt(np.mean(np.sum(spread**2, axis=1))))
    ax.axvline(width, color="0.4", linewidth=0.8, linestyle="--", label="spread of the data")
    ax.set(xscale="log", ylim=(0, 1.02), title=panel.title)
    low, high = ax.get_xlim()
    ax.set_xlim(low, 2 * high)
    ax.set_xlabel(f"error of a structure ({unit})")
    ax.set_ylabel("fraction of structures below")
    ax.grid(visible=True, linewidth=0.4, color="0.85")
    ax.legend(loc="lower right", framealpha=0.9, edgecolor="1.0", fontsize=9)
