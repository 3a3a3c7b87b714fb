r"""The picture of `paper_reproduction.operators`: learning curves, and density over Fock errors."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from paper_reproduction.operator_curves import MODELS, of_density, ratio
from paper_reproduction.style import KINDS, PAGE, SERIES, Look

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["draw"]

_SHOWN = {
    "matrix": r"matrix ($10^{-6}$ Ha, $10^{-6}$)",
    "levels": "levels (meV)",
    "dipole": "dipole (me Å)",
    "charges": "charges (me)",
    "energy": "energy (meV)",
}

_SHORT = {
    "levels": "levels",
    "levels of F[P]": "levels\nof F[P]",
    "LUMO": "LUMO",
    "dipole": "dipole",
    "charges": "charges",
    "energy": "energy",
}


def looks(model: str) -> Look:
    """Of a model: its kind's, or that of a series where two are of one kind."""
    return KINDS.get(model, SERIES[3])


def draw(numbers: Mapping[str, Any]) -> Figure:
    r"""A row of learning curves for each set; below, density errors over Fock errors."""
    from linvop.plotting.canvas import new_figure

    sets = numbers["sets"]
    n = len(sets)
    figure = new_figure(PAGE, 1.55 * n + 2.5)
    parts: Any = figure.subfigures(2, 1, height_ratios=[1.55 * n, 2.5])
    upper, lower = parts
    axes = upper.subplots(n, len(_SHOWN), squeeze=False)
    for row, one in zip(axes, sets, strict=True):
        for ax, quantity in zip(row, _SHOWN, strict=True):
            _curves(ax, one, quantity)
            ax.set_xticks(one["sizes"], [str(s) for s in one["sizes"]])
        row[0].set_ylabel(f"{one['name']}\nMAE")
    for ax, title in zip(axes[0], _SHOWN.values(), strict=True):
        ax.set_title(title, fontsize=7.5)
    for ax in axes[-1]:
        ax.set_xlabel("training structures")
    bottom = lower.subplots(1, n, sharey=True, squeeze=False)[0]
    for ax, one in zip(bottom, sets, strict=True):
        _ratios(ax, one)
    bottom[0].set_ylabel("density error / Fock error")
    _legend(figure)
    return figure


def _curves(ax: Axes, one: Mapping[str, Any], quantity: str) -> None:
    from linvop.plotting.canvas import plain_log_ticks

    for model in MODELS:
        style = looks(model)
        for target, line in (("fock", "-"), ("density", ":")):
            key = quantity if target == "fock" else of_density(quantity)
            values = one["curves"][model][target][key]
            known = [(s, v) for s, v in zip(one["sizes"], values, strict=True) if v]
            if known:
                ax.plot(
                    *zip(*known, strict=True),
                    color=style.colour,
                    marker=style.marker,
                    linestyle=line,
                    markersize=3,
                    markerfacecolor=style.colour if target == "fock" else "white",
                )
    ax.set_xscale("log")
    ax.set_yscale("log")
    ax.minorticks_off()
    low, high = ax.get_ylim()
    if high < 100 * low:  # else decades are enough
        plain_log_ticks(ax.yaxis)


def _ratios(ax: Axes, one: Mapping[str, Any]) -> None:
    for k, model in enumerate(MODELS):
        style = looks(model)
        found = [
            (q + 0.16 * (k - 1.5), r)
            for q, name in enumerate(_SHORT)
            if (r := ratio(one, model, name)) is not None
        ]
        if found:
            ax.plot(*zip(*found, strict=True), style.marker, color=style.colour, markersize=4.5)
    ax.axhline(1.0, color="black", linewidth=0.8)
    ax.set_yscale("log")
    ax.set_xticks(range(len(_SHORT)), list(_SHORT.values()), rotation=40, fontsize=6.5)
    ax.set_title(f"{one['name']}, {one['sizes'][-1]} for training")


def _legend(figure: Figure) -> None:
    from matplotlib.lines import Line2D

    kinds = [Line2D([], [], color=looks(m).colour, marker=looks(m).marker, label=m) for m in MODELS]
    lines = [
        Line2D([], [], color="black", marker="o", label="Fock target"),
        Line2D(
            [],
            [],
            color="black",
            marker="o",
            markerfacecolor="white",
            linestyle=":",
            label="density target",
        ),
    ]
    figure.legend(handles=[*kinds, *lines], loc="outside lower center", ncols=6, fontsize=6.5)
