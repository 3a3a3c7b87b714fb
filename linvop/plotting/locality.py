r"""How local V, F and P are: block norms against distance, errors against a cutoff."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from linvop.plotting.canvas import grid, new_figure, plain_log_ticks, say, write_png
from linvop.report import readable_unit

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from linvop.observables.block_norms import BlockNorms

__all__ = ["ORBITALS", "block_norm_figure", "truncation_figure"]

_MATRICES = {"V": "external potential V", "F": "Fock matrix F", "P": "density matrix P"}
ORBITALS = {"ao": "atomic orbitals", "lowdin": "Lowdin orbitals"}

_STYLES = {
    "F": ("#0072B2", "o", "F, diagonalised"),
    "F, over known": ("#009E73", "D", "F over atomic potentials, diagonalised"),
    "P, purified": ("#D55E00", "s", "P, purified"),
    "P, as it is": ("#E69F00", "^", "P, as it is"),
}

_DECADES = 1e-8
"""Smaller values than this times the largest are rounding: they would stretch the axis."""

_ROUNDING = 1e-9
"""A property that nowhere moves by more does not move."""

_MARKERS = "osD^v<>P"


def block_norm_figure(
    path: str | Path, norms: Sequence[BlockNorms], title: str, *, force: bool = False
) -> None:
    r"""Draw block norms against distance: a column a matrix, a row for each kind of orbitals.

    Parameters
    ----------
    path : path
    norms : sequence of BlockNorms
    title : str
    force : bool
    """
    matrices = list(dict.fromkeys(n.matrix for n in norms))
    orbitals = list(dict.fromkeys(n.orbitals for n in norms))
    pairs = sorted({str(p) for n in norms for p in n.pair}, key=lambda p: ("-" in p, p))
    figure = new_figure(3.9 * len(matrices) + 1.3, 3.5 * len(orbitals) + 0.4)
    axes = figure.subplots(len(orbitals), len(matrices), squeeze=False, sharex=True)
    for one in norms:
        ax = axes[orbitals.index(one.orbitals), matrices.index(one.matrix)]
        _draw_norms(ax, one, pairs)
        ax.set_title(f"{_MATRICES[one.matrix]}\n{ORBITALS[one.orbitals]}", fontsize=10)
        ax.set_ylabel(f"norm of a block ({one.unit or 'no unit'})")
    for ax in axes[-1]:
        ax.set_xlabel("distance of the atoms (Angstrom)")
    figure.suptitle(title, fontsize=11)
    handles, words = axes[0, 0].get_legend_handles_labels()
    figure.legend(
        handles, words, loc="outside right upper", frameon=False, fontsize=9, markerscale=2
    )
    write_png(figure, path, force=force)


def _draw_norms(ax: Axes, one: BlockNorms, pairs: Sequence[str]) -> None:
    floor = _DECADES * float(one.norm.max())
    for k, name in enumerate(pairs):
        here = (one.pair == name) & (one.norm > floor)
        ax.scatter(
            one.distance[here],
            one.norm[here],
            s=9,
            alpha=0.55,
            linewidths=0,
            color=f"C{k % 10}",
            marker=_MARKERS[(k // 10 + k) % len(_MARKERS)],
            label=f"{name} (on site)" if "-" not in name else name,
        )
    _log_axis(ax)
    grid(ax)


def _log_axis(ax: Axes) -> None:
    """With plain numbers where there are few decades."""
    ax.set_yscale("log")
    low, high = ax.get_ylim()
    if high < 100 * low:
        plain_log_ticks(ax.yaxis)


def truncation_figure(
    path: str | Path, rows: Sequence[Mapping[str, Any]], title: str, *, force: bool = False
) -> None:
    r"""Draw mean absolute changes of properties against the cutoff, F beside P.

    Parameters
    ----------
    path : path
    rows : sequence of mapping
        Of `linvop.locality.runner.run_locality`: matrix, quantity, unit, cutoff, mae.
    title : str
    force : bool
    """
    quantities = list(dict.fromkeys(r["quantity"] for r in rows))
    n_columns = min(3, len(quantities))
    n_rows = -(-len(quantities) // n_columns)
    figure = new_figure(4.0 * n_columns, 3.2 * n_rows + 0.9)
    axes = figure.subplots(n_rows, n_columns, squeeze=False).ravel()
    cutoffs = [r["cutoff"] for r in rows]
    margin = 0.04 * (max(cutoffs) - min(cutoffs)) or 0.5
    shown: dict[str, Any] = {}
    for ax, quantity in zip(axes, quantities, strict=False):
        own = [r for r in rows if r["quantity"] == quantity]
        shown |= _draw_changes(ax, own)
        ax.set_title(quantity, fontsize=10)
        ax.set_xlim(min(cutoffs) - margin, max(cutoffs) + margin)
        ax.set_xlabel("cutoff (Angstrom)", fontsize=9)
    for ax in axes[len(quantities) :]:
        ax.set_visible(False)
    figure.suptitle(title, fontsize=11)
    figure.legend(
        list(shown.values()),
        [_STYLES[name][2] for name in shown],
        loc="outside lower center",
        ncol=4,
        frameon=False,
        fontsize=9,
    )
    write_png(figure, path, force=force)


def _draw_changes(ax: Axes, rows: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """One quantity; the lines by series."""
    factor, unit = readable_unit(rows[0]["unit"])
    values = np.array([factor * (r["mae"] or 0.0) for r in rows])
    top = float(np.max(values, initial=0.0))
    lines: dict[str, Any] = {}
    if top < _ROUNDING:
        say(ax, "no change but rounding")
        return lines
    for name, (colour, marker, _) in _STYLES.items():
        own = [(r["cutoff"], v) for r, v in zip(rows, values, strict=True) if r["matrix"] == name]
        # Where nothing is dropped the change is zero, or rounding.
        if own:
            x, y = np.array(own, dtype=float).T
            y[y <= _DECADES * top] = np.nan
            (lines[name],) = ax.plot(x, y, color=colour, marker=marker, markersize=4.5, lw=1.2)
    _log_axis(ax)
    ax.set_ylabel(f"mean absolute change ({unit or 'relative'})", fontsize=9)
    grid(ax)
    return lines
