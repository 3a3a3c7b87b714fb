r"""Pictures: predicted against reference values, and errors against predicted ones."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from linvop.models.metrics import calibration, errors
from linvop.plotting.canvas import FIRST, SECOND, grid, new_figure, write_png
from linvop.report import number, readable_unit, unexplained

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["Errors", "Parity", "Reliability", "parity_figure"]

_IN_A_BIN = 15
"""Structures at least in a bin of a reliability plot, where there are as many."""


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


@dataclass(frozen=True)
class Reliability:
    r"""One panel: root mean square error against predicted standard deviation, in bins.

    Attributes
    ----------
    title : str
    unit : str
    true, predicted, std : (n, ...) float64
        Of a tensor, the norm of the error and the root of the trace of its covariance are
        shown, so that the picture does not depend on orientations.
    """

    title: str
    unit: str
    true: np.ndarray
    predicted: np.ndarray
    std: np.ndarray


Panel = Parity | Errors | Reliability


def parity_figure(
    path: str | Path, rows: Sequence[Sequence[Panel]], *, force: bool = False
) -> None:
    r"""Draw panels row by row into a PNG, written beside and renamed.

    Raises
    ------
    InputError
        If the file exists and ``force`` is not set.
    """
    n_rows, n_columns = len(rows), max(len(row) for row in rows)
    figure = new_figure(4.6 * n_columns, 4.4 * n_rows)
    axes = figure.subplots(n_rows, n_columns, squeeze=False)
    for line, row in zip(axes, rows, strict=True):
        for k, ax in enumerate(line):
            if k < len(row):
                panel = row[k]
                if isinstance(panel, Parity):
                    _draw_parity(ax, panel)
                elif isinstance(panel, Reliability):
                    _draw_reliability(ax, panel)
                else:
                    _draw_errors(ax, panel)
            else:
                ax.set_visible(False)
    write_png(figure, path, force=force)


def _colours(panel: Parity | Errors) -> list[tuple[str, np.ndarray, np.ndarray, str]]:
    colours = (FIRST, SECOND)[-len(panel.series) :]
    return [(name, *pair, c) for (name, pair), c in zip(panel.series.items(), colours, strict=True)]


def _draw_parity(ax: Axes, panel: Parity) -> None:
    last = list(panel.series.values())[-1][0]
    # Total energies are large beside their spread: show them about their mean.
    mean, spread = float(np.mean(last)), float(np.std(last))
    shift = mean if last.ndim == 1 and abs(mean) > 10 * spread else 0.0
    shown = []
    for k, (name, true, predicted, colour) in enumerate(_colours(panel)):
        x, y = np.ravel(true) - shift, np.ravel(predicted) - shift
        # What lies below is larger: where both are on the line, its rim is seen.
        size = 14 if k + 1 == len(panel.series) else 60
        ax.scatter(x, y, label=name, s=size, alpha=0.75, linewidths=0, color=colour)
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
    # Room for the legend above the curves.
    ax.set(xscale="log", ylim=(0, 1.15), yticks=np.linspace(0, 1, 6), title=panel.title)
    low, high = ax.get_xlim()
    ax.set_xlim(low, 2 * high)
    ax.set_xlabel(f"error of a structure ({unit})")
    ax.set_ylabel("fraction of structures below")
    grid(ax)
    ax.legend(loc="upper center", ncol=3, frameon=False, fontsize=9)


def _draw_reliability(ax: Axes, panel: Reliability) -> None:
    factor, unit = readable_unit(panel.unit)
    n = len(panel.true)
    error = factor * np.linalg.norm((panel.predicted - panel.true).reshape(n, -1), axis=1)
    std = factor * np.linalg.norm(panel.std.reshape(n, -1), axis=1)
    known = np.isfinite(error) & np.isfinite(std)
    order = np.argsort(std[known])
    error, std = error[known][order], std[known][order]
    ax.scatter(std, error, s=7, alpha=0.35, linewidths=0, color=FIRST, label="structures")
    bins = np.array_split(np.arange(len(std)), max(1, min(12, len(std) // _IN_A_BIN)))
    x, y = (np.array([np.sqrt(np.mean(v[b] ** 2)) for b in bins]) for v in (std, error))
    # Relative standard error of a root mean square of normal errors.
    spread = y / np.sqrt(2 * np.array([len(b) for b in bins]))
    ax.errorbar(x, y, spread, label="RMSE of a bin", fmt="o", markersize=5, capsize=2, color=SECOND)
    ends = std[0] / 1.5, std[-1] * 1.5
    ax.plot(ends, ends, color="0.4", linewidth=0.8, zorder=0, label="RMSE = std")
    lowest = min(y.min(), ends[0]) / 5  # errors far below their std say nothing
    ax.set(xscale="log", yscale="log", xlim=ends, title=panel.title)
    ax.set_ylim(lowest, 2 * max(error.max(), ends[1]))
    ax.set_xlabel(f"predicted standard deviation ({unit or 'no unit'})")
    ax.set_ylabel(f"error ({unit or 'no unit'})")
    found = calibration(panel.true, panel.predicted, panel.std)
    lines = [
        f"n = {found['n']}",
        f"mean z$^2$ {number(found['mean_z2'])}",
        f"within 1 std {found['coverage_68']:.1%} (68.3%)",
        f"within 1.96 std {found['coverage_95']:.1%} (95%)",
    ]
    ax.text(0.97, 0.04, "\n".join(lines), transform=ax.transAxes, ha="right", fontsize=8.5)
    ax.legend(loc="upper left", frameon=False, fontsize=9)
