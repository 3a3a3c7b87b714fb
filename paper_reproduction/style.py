r"""One style for all pictures: column width, colours that colour-blind eyes tell apart, units.

A kind of features has the same colour and marker in every picture (`KINDS`).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["COLUMN", "KINDS", "PAGE", "SERIES", "Look", "labelled_axes", "look", "panels", "style"]

COLUMN, PAGE = 3.5, 7.2
"""Inches: a column, and both columns of a page."""


class Look(NamedTuple):
    """Of a curve: colour, marker, line."""

    colour: str
    marker: str
    line: str

    def kwargs(self) -> dict[str, Any]:
        """For `Axes.plot`."""
        return {"color": self.colour, "marker": self.marker, "linestyle": self.line}


KINDS = {
    "plain powers": Look("#D55E00", "s", "-"),
    "plain powers, on site": Look("#E69F00", "X", "-"),
    "shell": Look("#0072B2", "o", "-"),
    "products": Look("#009E73", "D", "-"),
    "SOAP": Look("#999999", "^", "--"),
    "lambda-SOAP": Look("#999999", "v", "--"),
    "bispectrum": Look("#555555", "P", "--"),
}
"""Of features: the paper's; linvop's resolved by shell; its products; and peers."""

SERIES = (
    Look("#0072B2", "o", "-"),
    Look("#D55E00", "s", "-"),
    Look("#009E73", "D", "-"),
    Look("#CC79A7", "^", "-"),
    Look("#E69F00", "v", "-"),
    Look("#56B4E9", "P", "-"),
    Look("#000000", "X", "-"),
    Look("#999999", "*", "-"),
)
"""Of anything else, in this order (after Okabe and Ito)."""

_RC: Any = {
    "font.size": 8.0,
    "axes.titlesize": 8.5,
    "axes.labelsize": 8.0,
    "xtick.labelsize": 7.0,
    "ytick.labelsize": 7.0,
    "legend.fontsize": 7.0,
    "legend.frameon": False,
    "lines.linewidth": 1.2,
    "lines.markersize": 4.0,
    "axes.linewidth": 0.7,
    "axes.grid": True,
    "axes.axisbelow": True,
    "grid.color": "0.88",
    "grid.linewidth": 0.4,
    "savefig.dpi": 200,
    "pdf.fonttype": 42,
    "svg.hashsalt": "linvop",
}


@contextmanager
def style() -> Iterator[None]:
    """Within it, matplotlib draws in this style."""
    import matplotlib as mpl

    with mpl.rc_context(_RC):
        yield


def panels(
    n_rows: int, n_columns: int, *, width: float = PAGE, height: float = 2.6, **subplots: Any
) -> tuple[Figure, Any]:
    r"""An empty figure and its axes (n_rows, n_columns), with letters (a), (b), ... in the corners.

    Parameters
    ----------
    n_rows, n_columns : int
    width : float
        Of the figure, inches.
    height : float
        Of a row, inches.
    **subplots
        For `Figure.subplots`.
    """
    from linvop.plotting.canvas import new_figure

    figure = new_figure(width, height * n_rows)
    axes = figure.subplots(n_rows, n_columns, squeeze=False, **subplots)
    if axes.size > 1:
        for letter, ax in zip("abcdefghijklmnopqrstuvwxyz", axes.flat, strict=False):
            ax.set_title(f"({letter})", loc="left", fontweight="bold")
    return figure, axes


def look(name: str, k: int = 0) -> Look:
    r"""The look of the kind whose name `name` begins with, else the k-th of `SERIES`."""
    for kind in sorted(KINDS, key=len, reverse=True):
        if name.startswith(kind):
            return KINDS[kind]
    return SERIES[k % len(SERIES)]


def labelled_axes(ax: Axes, x: str, y: str, *, title: str = "", log: Sequence[str] = ()) -> None:
    r"""Set labels with units, a title, and which axes ("x", "y") are logarithmic."""
    ax.set_xlabel(x)
    ax.set_ylabel(y)
    if title:
        ax.set_title(title)
    for axis in log:
        getattr(ax, f"set_{axis}scale")("log")
