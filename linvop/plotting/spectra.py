r"""Orbital energies of predicted operators: one by one, and as a density of states."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from linvop.observables.spectrum import density_of_states
from linvop.plotting.canvas import COLOURS, SECOND, grid, new_figure, say, smallest_shown, write_png
from linvop.report import number

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from linvop.observables.result import Observables

__all__ = ["level_figure", "state_density_figure"]

Spectra = Sequence[tuple["Observables", "Observables"]]
"""Of each structure: from the reference operator and from the predicted one."""

_CORE = -100.0
"""eV. Levels below are of core orbitals: on one axis with them the others would be one point."""

_ABOVE = 10.0
"""eV above what matters up to which empty levels are shown."""

_WIDTH = 0.2
"""eV, of the Gaussians of a density of states."""

_NOTHING = "no structure whose predicted\noperator has orbital energies"


def level_figure(path: Path, spectra: Spectra, title: str, *, force: bool = False) -> None:
    r"""Draw predicted against reference orbital energies, and how large their errors are.

    Parameters
    ----------
    path : Path
    spectra : sequence of (Observables, Observables)
        Reference and prediction of each structure, with orbital energies.
    title : str
    force : bool
    """
    figure = new_figure(10.5, 4.9)
    left, right = figure.subplots(1, 2)
    figure.suptitle(title, fontsize=11)
    kinds = _by_kind(spectra)
    if not kinds:
        say(left, _NOTHING)
        say(right, _NOTHING)
        write_png(figure, path, force=force)
        return
    floor = smallest_shown(1e3 * np.abs(p - t) for t, p in kinds.values())
    for colour, (kind, (true, ours)) in zip(COLOURS, kinds.items(), strict=False):
        size = np.sort(np.abs(ours - true))
        shown = f"{kind}: MAE {number(1e3 * size.mean())} meV, n = {len(size)}"
        steps = np.arange(1, len(size) + 1) / len(size)
        right.step((1e3 * size).clip(floor), steps, where="post", color=colour, label=shown)
        if kind != "core":
            left.scatter(true, ours, s=9, linewidths=0, alpha=0.6, color=colour, label=kind)
    ends = _near(kinds)
    left.plot(ends, ends, color="0.4", linewidth=0.8, zorder=0)
    left.set(xlim=ends, ylim=ends, aspect="equal", title="orbital energies")
    left.set_xlabel("from the reference operator (eV)")
    left.set_ylabel("from the predicted operator (eV)")
    left.legend(loc="upper left", frameon=False, fontsize=9)
    right.set(xscale="log", ylim=(0, 1.45), yticks=np.linspace(0, 1, 6), title="their errors")
    right.set_xlim(left=floor)
    right.set_xlabel("error of a level (meV)")
    right.set_ylabel("fraction of levels below")
    grid(right)
    right.legend(loc="upper left", frameon=False, fontsize=9)
    write_png(figure, path, force=force)


def _by_kind(spectra: Spectra) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """Reference and predicted levels (n,) of each kind, eV; kinds that occur."""
    found: dict[str, list[np.ndarray]] = {}
    for true, ours in spectra:
        levels = np.stack([_levels(true), _levels(ours)])  # (2, spins, n_ao)
        occupied = np.atleast_2d(np.asarray(true.occupations)) > 0
        core = occupied & (levels[0] < _CORE)
        lumo = np.cumsum(~occupied, axis=1) == 1
        lumo &= ~occupied
        kinds = {
            "core": core,
            "occupied": occupied & ~core,
            "LUMO": lumo,
            "other empty": ~occupied & ~lumo,
        }
        for kind, chosen in kinds.items():
            found.setdefault(kind, []).append(levels[:, chosen])
    joined = {kind: np.concatenate(parts, axis=1) for kind, parts in found.items()}
    return {kind: (true, ours) for kind, (true, ours) in joined.items() if true.size}


def _near(kinds: dict[str, tuple[np.ndarray, np.ndarray]]) -> tuple[float, float]:
    """From the lowest valence level to `_ABOVE` the highest occupied level or LUMO."""
    shown = [np.concatenate(kinds[k]) for k in ("occupied", "LUMO") if k in kinds]
    levels = np.concatenate(shown or [np.concatenate(x) for x in kinds.values()])
    return float(levels.min()) - 2.0, float(levels.max()) + _ABOVE


def _levels(found: Observables) -> np.ndarray:
    """(spins, n_ao), eV."""
    return np.atleast_2d(np.asarray(found.orbital_energies))


def state_density_figure(path: Path, spectra: Spectra, title: str, *, force: bool = False) -> None:
    r"""Draw the mean density of states of predicted operators on that of the reference ones.

    Parameters
    ----------
    path : Path
    spectra : sequence of (Observables, Observables)
        As `level_figure` takes them.
    title : str
    force : bool
    """
    figure = new_figure(8.0, 5.4)
    top, bottom = figure.subplots(2, 1, sharex=True, height_ratios=(3, 1))
    top.set_title(title, fontsize=11)
    if not spectra:
        say(top, _NOTHING)
        say(bottom, "")
        write_png(figure, path, force=force)
        return
    energies = _window(spectra)
    true, ours = (_mean_density([pair[k] for pair in spectra], energies) for k in (0, 1))
    top.fill_between(energies, true, color="0.8", label="reference")
    top.plot(energies, ours, color=SECOND, linewidth=1.2, label="predicted")
    homo = np.nanmean([np.nanmax(np.asarray(t.homo)) for t, _ in spectra])
    top.axvline(homo, color="0.4", linewidth=0.8, linestyle="--", label="mean HOMO (reference)")
    top.set_ylim(0, 1.25 * max(true.max(), ours.max()))
    top.set_ylabel("states per eV and structure")
    top.legend(loc="upper left", frameon=False, fontsize=9, ncol=3)
    bottom.plot(energies, ours - true, color=SECOND, linewidth=1.0)
    bottom.axhline(0.0, color="0.4", linewidth=0.8)
    bottom.set_ylabel("difference")
    bottom.set_xlabel(f"energy (eV); levels broadened by Gaussians of {_WIDTH:g} eV")
    bottom.set_xlim(energies[0], energies[-1])
    _say_of_core(top, spectra)
    write_png(figure, path, force=force)


def _window(spectra: Spectra) -> np.ndarray:
    """From below the lowest valence level to 10 eV above the highest HOMO."""
    levels = np.concatenate([_levels(t).ravel() for t, _ in spectra])
    homo = max(np.nanmax(np.asarray(t.homo)) for t, _ in spectra)
    lowest = levels[levels > _CORE].min(initial=homo)
    margin = 5 * _WIDTH
    return np.arange(min(lowest, homo) - margin, homo + _ABOVE + margin, _WIDTH / 8)


def _mean_density(found: Sequence[Observables], energies: np.ndarray) -> np.ndarray:
    """Over structures, of both spins together."""
    one = [
        np.atleast_2d(density_of_states(np.asarray(o.orbital_energies), energies, width=_WIDTH))
        for o in found
    ]
    return np.mean([d.sum(axis=0) for d in one], axis=0)


def _say_of_core(ax: Axes, spectra: Spectra) -> None:
    core = sum(int((_levels(t) < _CORE).sum()) for t, _ in spectra)
    if core:
        text = f"levels below {_CORE:g} eV (core) are not shown"
        ax.text(0.99, 0.86, text, transform=ax.transAxes, ha="right", fontsize=8, color="0.35")
