r"""The picture of `paper_reproduction.effective`: errors, densities of states, gaps."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from paper_reproduction.style import KINDS, SERIES, Look, labelled_axes, panels

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["draw"]

_OTHERS = {
    "minimal-basis SCF": Look(SERIES[3].colour, "^", "--"),
    "projected": Look(SERIES[4].colour, "v", "--"),
}
_SHOWN = ("minimal-basis SCF", "effective, plain powers", "effective, products")
"""In densities of states and along the distortion."""

_QUANTITIES = {"occupied": 1e3, "virtual": 1e3, "gap": 1e3, "dipole": 1e3}
_TICKS = ["occupied\n(meV)", "empty\n(meV)", "gap\n(meV)", "dipole\n(me Å)"]


def look_of(name: str) -> Look:
    """Of an operator: colour of its features, dotted for linear fits."""
    if name in _OTHERS:
        return _OTHERS[name]
    kind, _, features = name.partition(", ")
    return KINDS[features]._replace(line="-" if kind == "effective" else ":")


def draw(numbers: Mapping[str, Any]) -> Figure:
    r"""A row for each set: errors, density of states, gap along the distortion."""
    sets = numbers["sets"]
    figure, axes = panels(len(sets), 3, height=2.5, width_ratios=[1.0, 1.1, 1.0])
    for row, one in zip(axes, sets, strict=True):
        _errors(row[0], one)
        _states(row[1], one)
        _gaps(row[2], one)
    _legend(figure, list(sets[0]["operators"]))
    return figure


def _errors(ax: Axes, one: Mapping[str, Any]) -> None:
    names = list(one["operators"])
    for k, name in enumerate(names):
        style, effective = look_of(name), name.startswith("effective")
        ax.plot(
            [q + 0.09 * (k - (len(names) - 1) / 2) for q in range(len(_QUANTITIES))],
            [factor * one["operators"][name][q] for q, factor in _QUANTITIES.items()],
            style.marker,
            color=style.colour,
            markersize=4,
            markerfacecolor=style.colour if effective or name in _OTHERS else "white",
        )
    for q, (key, factor) in enumerate(_QUANTITIES.items()):
        if key in one["spread"]:
            ax.plot([q - 0.4, q + 0.4], [factor * one["spread"][key]] * 2, color="0.3", lw=1.0)
    labelled_axes(ax, "", "RMSE", title=one["name"], log="y")
    ax.set_xticks(range(len(_TICKS)), _TICKS)


def _states(ax: Axes, one: Mapping[str, Any]) -> None:
    energies = one["energies"]
    ax.fill_between(energies, one["reference"]["dos"], color="0.85", linewidth=0)
    ax.plot(energies, one["reference"]["dos"], color="black", linewidth=1.4)
    for name in _SHOWN:
        style = look_of(name)
        line = "-" if name == _SHOWN[-1] else "--"
        ax.plot(energies, one["operators"][name]["dos"], color=style.colour, linestyle=line, lw=0.9)
    labelled_axes(ax, "energy (eV)", "density of states (1/eV)")
    ax.set_ylim(bottom=0.0)


def _gaps(ax: Axes, one: Mapping[str, Any]) -> None:
    x = one["coordinate"]
    ax.plot(x, one["reference"]["gaps"], color="black", linewidth=2.2)
    for name in _SHOWN:
        style, gaps = look_of(name), one["operators"][name]["gaps"]
        if name in _OTHERS:  # as it is, it would leave no room for the others
            shift = (sum(one["reference"]["gaps"]) - sum(gaps)) / len(gaps)
            gaps = [gap + shift for gap in gaps]
            text = f"moved by {shift:+.1f} eV"
            ax.set_title(text, loc="right", fontsize=7, color=style.colour)
        ax.plot(
            x,
            gaps,
            color=style.colour,
            marker=style.marker,
            markersize=3,
            linewidth=0.7,
        )
    labelled_axes(ax, one["what"], "HOMO-LUMO gap (eV)")
    ax.xaxis.label.set_fontsize(7)


def _legend(figure: Figure, names: list[str]) -> None:
    from matplotlib.lines import Line2D

    handles = [
        Line2D([], [], color="black", linewidth=2.0, label="larger basis"),
        Line2D([], [], color="0.3", linewidth=1.0, label="spread of its labels (a, d)"),
    ]
    for name in names:
        style = look_of(name)
        filled = style.line != ":"
        handles.append(
            Line2D(
                [],
                [],
                color=style.colour,
                marker=style.marker,
                linestyle="none",
                markerfacecolor=style.colour if filled else "white",
                label=name,
            )
        )
    figure.legend(handles=handles, loc="outside lower center", ncols=4)
