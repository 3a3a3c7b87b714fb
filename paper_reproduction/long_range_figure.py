r"""The picture of the study of long range."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from paper_reproduction.style import labelled_axes, look, panels

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["draw"]

_D = "distance (Å)"
_ENERGY, _DIPOLE = "energy", "dipole"
_ABOUT = ("pair", "component")
"""What a curve has beside models."""

_LEAST_SHOWN = 1e-3
"""meV, of ions."""


def draw(numbers: Mapping[str, Any]) -> Figure:
    """Curves and errors by distance: energies, dipoles, new pairs, ions."""
    figure, axes = panels(2, 3, height=2.55)
    water, ions = numbers["water"], numbers["ions"]
    _curves(axes[0, 0], water, _ENERGY, r"$E(d) - E(12\,$Å$)$ (meV)")
    _errors(axes[0, 1], water, _ENERGY, "energy RMSE (meV)")
    _new_pairs(axes[0, 2], water)
    x = water["curve"][_DIPOLE]["component"]
    _curves(axes[1, 0], water, _DIPOLE, rf"$\mu_{x}(d) - \mu_{x}(12\,$Å$)$ ($10^{{-3}}$ e Å)")
    _errors(axes[1, 1], water, _DIPOLE, r"dipole RMSE ($10^{-3}$ e Å)")
    _ions(axes[1, 2], ions)
    handles: dict[str, Any] = {}
    for ax in axes.flat:
        for handle, label in zip(*ax.get_legend_handles_labels(), strict=True):
            handles.setdefault(label, handle)
    figure.set_layout_engine("constrained", rect=(0, 0.07, 1, 0.93))
    figure.legend(handles.values(), handles.keys(), loc="lower center", ncols=7, columnspacing=1.2)
    return figure


def _shade(ax: Axes, distances: list[float], tested: list[bool]) -> None:
    """The distances of the test."""
    k = np.flatnonzero(tested)
    if len(k):
        before = distances[max(k[0] - 1, 0)]
        after = distances[min(k[-1] + 1, len(distances) - 1)]
        ax.axvspan((before + distances[k[0]]) / 2, (after + distances[k[-1]]) / 2, color="0.94")


def _curves(ax: Axes, water: Mapping[str, Any], target: str, y: str) -> None:
    d, tested = water["distances"], water["tested"]
    _shade(ax, d, tested)
    shown = {kind: v for kind, v in water["curve"][target].items() if kind not in _ABOUT}
    for kind, values in shown.items():
        if kind != "reference":
            ax.plot(d, values, **look(kind).kwargs(), markersize=2.5, label=kind)
    ax.plot(d, shown["reference"], "ko", ms=5, mfc="none", mew=0.8, label="reference")
    first = max(int(np.flatnonzero(tested)[0]) - 4, 0)
    seen = np.asarray(shown["reference"])[first:]
    margin = 1.2 * max(float(np.ptp(seen)), 1e-9)
    ax.set_xlim(d[first] - 0.2, d[-1] + 0.2)
    ax.set_ylim(seen.min() - margin, seen.max() + margin)
    labelled_axes(ax, _D, y, title="one pair")


def _errors(ax: Axes, water: Mapping[str, Any], target: str, y: str) -> None:
    d = water["distances"]
    _shade(ax, d, water["tested"])
    for kind, model in water["models"].items():
        if target in model:
            ax.plot(d, model[target]["by_distance"], **look(kind).kwargs(), ms=3, label=kind)
    _tail(ax, d, water["spread"][target]["by_distance"])
    labelled_axes(ax, _D, y, title="all pairs", log=("y",))


def _tail(ax: Axes, d: list[float], spread: list[float]) -> None:
    ax.plot(d[:-1], spread[:-1], color="k", ls=":", lw=1.0, label="the tail itself")


def _new_pairs(ax: Axes, water: Mapping[str, Any]) -> None:
    d = water["distances"]
    for kind, model in water["models"].items():
        if "energy" in model:
            values = model["energy"]["new_pairs"]["by_distance"]
            ax.plot(d[:-1], values[:-1], **look(kind).kwargs(), ms=3, label=kind)
    _tail(ax, d, water["spread"]["energy"]["by_distance"])
    labelled_axes(ax, _D, r"RMSE of $E(d) - E(12\,$Å$)$ (meV)", title="pairs held out", log=("y",))


def _ions(ax: Axes, ions: Mapping[str, Any]) -> None:
    moved, n = ions["moved"], ions["n_trained"]
    ax.axvspan((moved[n - 1] + moved[n]) / 2, moved[-1] + (moved[-1] - moved[-2]) / 2, color="0.94")
    for kind, model in ions["models"].items():
        ax.plot(moved, model["by_distance"], **look(kind).kwargs(), ms=3, label=kind)
    # What a model has by heart is below all that matters.
    largest = max(max(model["by_distance"]) for model in ions["models"].values())
    ax.set_ylim(_LEAST_SHOWN, 3 * largest)
    labelled_axes(
        ax, "distance beyond the first (Å)", "energy RMSE (meV)", title="ion pairs", log=("y",)
    )
