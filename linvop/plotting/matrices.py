r"""Matrix elements: predicted against reference ones, and where in one matrix the errors are."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from linvop.orbitals.shells import AOLayout
from linvop.plotting.canvas import grid, new_figure, smallest_shown, write_png

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from linvop.models.operator_scores import MatrixErrors

__all__ = ["matrix_error_figure", "matrix_parity_figure"]

_DECADES = 1e-4
"""Errors smaller than this times the largest one share a colour: four decades are told apart."""

_SHELLS_NAMED = 60
"""AOs up to which every shell has its name beside the matrix."""

_CHANNELS = (" alpha", " beta")


def matrix_parity_figure(
    path: Path, errors: MatrixErrors, target: str, unit: str, *, force: bool = False
) -> None:
    r"""Draw predicted against reference matrix elements, and how large their errors are.

    Parameters
    ----------
    path : Path
    errors : MatrixErrors
        With its elements kept.
    target, unit : str
    force : bool
    """
    named = f"({unit or 'no unit'})"
    summary = errors.summary()
    figure = new_figure(10.5, 4.8)
    left, right = figure.subplots(1, 2)
    elements = errors.elements()
    floor = smallest_shown(np.abs(p - t) for t, p in elements.values())
    for k, (kind, (true, predicted)) in enumerate(elements.items()):
        colour = f"C{k % 10}"
        left.scatter(true, predicted, s=6, linewidths=0, alpha=0.5, color=colour, label=kind)
        size = np.sort(np.abs(predicted - true))
        place = np.unique(np.geomspace(1, len(size), 400).astype(int)) - 1
        shown = f"{kind}, MAE {summary[kind]['mae']:.2g}"
        right.plot(size[place].clip(floor), (place + 1) / len(size), color=colour, label=shown)
    ends = left.get_xlim()
    left.plot(ends, ends, color="0.4", linewidth=0.8, zorder=0)
    left.set(
        xlim=ends, ylim=ends, aspect="equal", title=f"elements of the {target.capitalize()} matrix"
    )
    left.set_xlabel(f"reference {named}")
    left.set_ylabel(f"predicted {named}")
    right.set(xscale="log", ylim=(0, 1.02), title="their errors")
    right.set_xlim(left=floor)
    right.set_xlabel(f"error of an element {named}")
    right.set_ylabel("fraction of elements below")
    grid(right)
    right.legend(loc="lower right", frameon=False, fontsize=9)
    write_png(figure, path, force=force)


def matrix_error_figure(
    path: Path,
    layout: AOLayout,
    error: np.ndarray,
    title: str,
    unit: str,
    *,
    force: bool = False,
) -> None:
    r"""Draw where in a matrix the errors are: atoms and shells along the axes.

    Parameters
    ----------
    path : Path
    layout : AOLayout
    error : (n_ao, n_ao) or (2, n_ao, n_ao) float64, PySCF's AO order
        Predicted minus reference; of open shells one panel for each spin.
    title, unit : str
    force : bool
    """
    from matplotlib.colors import LogNorm

    channels = np.abs(error).reshape(-1, *error.shape[-2:])
    top = float(channels.max()) or 1.0
    colours = LogNorm(vmin=_DECADES * top, vmax=top)
    side = 5.4 if layout.n_ao <= _SHELLS_NAMED else 6.4
    figure = new_figure(side * len(channels) + 1.4, side + 0.5)
    axes = figure.subplots(1, len(channels), squeeze=False)[0]
    for k, (ax, one) in enumerate(zip(axes, channels, strict=True)):
        image = ax.imshow(one.clip(_DECADES * top), norm=colours, cmap="viridis")
        _name_atoms(ax, layout)
        if len(channels) == 2:
            ax.set_title(_CHANNELS[k].strip(), fontsize=10)
    bar = figure.colorbar(image, ax=list(axes), fraction=0.046, pad=0.02)
    bar.set_label(f"|predicted - reference| ({unit or 'no unit'})")
    figure.suptitle(title, fontsize=11)
    write_png(figure, path, force=force)


def _name_atoms(ax: Axes, layout: AOLayout) -> None:
    """Atoms at the top and left, their shells beside them where there is room; lines between."""
    starts = layout.atom_offsets
    for edge in starts[1:-1] - 0.5:
        for line in (ax.axhline, ax.axvline):
            line(edge, color="white", linewidth=0.8)
    # Names of one species are numbered as the atoms stand in the structure, from 0.
    atoms = [f"{s} {k}" for k, s in enumerate(layout.symbols)]
    centres = (starts[:-1] + starts[1:] - 1) / 2
    every = max(1, layout.n_atoms // 30)
    ax.xaxis.tick_top()
    ax.set_xticks(centres[::every], atoms[::every], rotation=90 if layout.n_atoms > 6 else 0)
    ax.set_yticks(centres[::every], atoms[::every])
    ax.tick_params(length=0, labelsize=9 if layout.n_atoms <= 20 else 7)
    if layout.n_ao > _SHELLS_NAMED:
        return
    places, names = [], []
    for s, start in zip(layout.symbols, starts, strict=False):
        offsets = layout.shell_offsets[s]
        places += list(start + (offsets[:-1] + offsets[1:] - 1) / 2)
        names += [shell.label for shell in layout.ao.shells(s)]
    ax.yaxis.remove_overlapping_locs = False  # the middle shell stands at the atom's centre
    ax.tick_params(axis="y", pad=22)
    ax.set_yticks(places, names, minor=True)
    ax.tick_params(axis="y", which="minor", length=2, pad=2, labelsize=7, colors="0.35")
