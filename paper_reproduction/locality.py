r"""How local V, F and P are, and what a cutoff costs.

Measured are Frobenius norms of blocks between two atoms against their distance, by pair of
species, of the external potential V, the Fock matrix F and the density matrix P,

.. math:: \| M_{ij} \|_F = \Big( \sum_{\mu \in i, \nu \in j} M_{\mu\nu}^2 \Big)^{1/2},

between atomic orbitals and between Lowdin orbitals (S^-1/2 F S^-1/2, S^1/2 P S^1/2); and how far
orbital energies, dipole and energy move when the blocks of F, or of P, between atoms further apart
than a cutoff are set to zero (`linvop.observables.truncation` says how each is taken).

The paper's idea: Fock matrices, as V, are more local than density matrices, so that they are the
better targets of a model with a cutoff.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from linvop.integrals import System, overlap
from linvop.io.dataset import Dataset
from linvop.locality.measure import measured_norms, measured_truncation
from linvop.locality.settings import LocalityConfig
from linvop.observables.block_norms import BlockNorms, norms_of
from paper_reproduction.block_decay import (
    WINDOW,
    binned_medians,
    common_pairs,
    correlation,
    decay_length,
    dropped_part,
    rounded,
)
from paper_reproduction.locality_claims import QUANTITIES, claims, notes
from paper_reproduction.sets import (
    N_OPERATORS,
    anthracene_labels,
    cluster_labels,
    level_of,
    qm7_labels,
    qm7_name,
)
from paper_reproduction.study import Measured, Setting
from paper_reproduction.style import PAGE, SERIES, labelled_axes, panels

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["TITLE", "draw", "run"]

TITLE = "How local V, F and P are, and what a cutoff costs"

_MATRICES = {"V": "Hartree", "F": "Hartree", "P": ""}
_LINES = {"ao": "-", "lowdin": ":"}
_ORBITALS = {"ao": "atomic orbitals", "lowdin": "Lowdin orbitals"}
_UNITS = {"occupied orbital energies": "eV", "dipole": "e Å", "energy": "eV"}
_WAYS = ("F", "F, over known", "P, purified", "P, as it is")
_PAIRS = 4
"""Of species, the commonest, are drawn."""

_FLOOR = 1e-8
"""Of the largest in a panel: less is not drawn."""


def run(setting: Setting) -> Measured:
    """Measure all systems."""
    cutoffs = setting.pick((1.5, 2.5, 4.0), (1.5, 2.0, 2.5, 3.0, 4.0, 5.0, 6.5))
    systems, words = {}, []
    for name, data, n_cut in _systems(setting):
        setting.say(f"{name}: block norms of {len(data)} structures")
        norms = _norms(name, data)
        setting.say(f"{name}: blocks dropped beyond {len(cutoffs)} cutoffs, {n_cut} structures")
        rows = _truncated(name, data[_spread(len(data), n_cut)], list(cutoffs), setting)
        systems[name] = {**_binned(norms, cutoffs), "truncation": rows}
        words.append(f"{name}: {len(data)} structures (cut: {n_cut}), {level_of(data)}")
    return Measured("; ".join(words), {"systems": systems}, claims(systems), notes(systems, WINDOW))


def _systems(setting: Setting) -> Iterable[tuple[str, Dataset, int]]:
    """Name, labels, and how many of them are cut."""
    clusters = cluster_labels(setting, setting.pick((2, 3), (4, 6, 8)))
    yield "water clusters", clusters, 2
    small = qm7_labels(setting, setting.pick(4, N_OPERATORS))
    chosen = _spread(len(small), setting.pick(4, 60))
    yield qm7_name(setting), small[chosen], setting.pick(3, 10)
    ribbons = anthracene_labels(setting, setting.pick(3, 10))
    yield setting.pick("ethylene", "anthracene"), ribbons, 2


def _spread(n: int, chosen: int) -> list[int]:
    """Evenly."""
    return [k * n // chosen for k in range(min(n, chosen))]


def _norms(name: str, data: Dataset) -> dict[str, BlockNorms]:
    """Of V, F, P, and of S between atomic orbitals."""
    found = measured_norms(list(data), list(range(len(data))), data.ao, name, None)
    own = []
    for k, record in enumerate(data):
        system = System.from_atoms(record.atoms(), data.ao)
        S = overlap(system)
        own.append(norms_of(S, system, name="S", orbitals="ao", unit="", structure=k))
    return {f"{n.orbitals} {n.matrix}": n for n in (*found, BlockNorms.joined(own))}


def _binned(norms: Mapping[str, BlockNorms], cutoffs: Sequence[float]) -> dict[str, Any]:
    pairs = common_pairs(norms["ao V"], _PAIRS)
    binned = {
        key: {p: binned_medians(one, p) for p in pairs}
        for key, one in norms.items()
        if key != "ao S"
    }
    for key in binned:
        if key.startswith("lowdin"):  # drawn without a band
            binned[key] = {
                p: {k: b[k] for k in ("distance", "median")} for p, b in binned[key].items()
            }
    return {
        "pairs": pairs,
        "norms": binned,
        "dropped": {key: dropped_part(norms[key], cutoffs) for key in binned},
        "decay": {key: rounded(decay_length(one)) for key, one in norms.items()},
        "V like S": rounded(correlation(norms["ao V"], norms["ao S"])),
    }


def _truncated(
    name: str, data: Dataset, cutoffs: list[float], setting: Setting
) -> list[dict[str, Any]]:
    def progress(stage: str, done: int, total: int) -> None:
        setting.say(f"{name}, {stage}: {done} of {total}")

    config = LocalityConfig(data=name, xc=data.settings.get("xc") or "hf")
    chosen = list(range(len(data)))
    rows = measured_truncation(list(data), chosen, data.ao, config, cutoffs, progress)
    kept = ("orbitals", "quantity", "matrix", "cutoff", "mae", "n_failed")
    return [
        {k: rounded(r[k]) if k == "mae" and r[k] is not None else r[k] for k in kept}
        for r in rows
        if r["quantity"] in QUANTITIES
    ]


def draw(numbers: Mapping[str, Any]) -> Figure:
    """Norms above, a row a system; errors against the cutoff below."""
    systems = numbers["systems"]
    pairs = list(dict.fromkeys(p for one in systems.values() for p in one["pairs"]))
    figure, axes = panels(2 * len(systems), 3, width=PAGE, height=1.75)
    for row, (name, one) in zip(axes, systems.items(), strict=False):
        for ax, (matrix, unit) in zip(row, _MATRICES.items(), strict=True):
            _draw_norms(ax, one, matrix, pairs)
            says = f"block norm{f' ({unit})' if unit else ''}"
            labelled_axes(ax, "distance (Å)", says, title=f"{name}: {matrix}", log=("y",))
    for row, (name, one) in zip(axes[len(systems) :], systems.items(), strict=True):
        for ax, quantity in zip(row, QUANTITIES, strict=True):
            _draw_errors(ax, one["truncation"], quantity)
            says = f"{quantity.removeprefix('occupied ')} ({_UNITS[quantity]})"
            labelled_axes(ax, "cutoff (Å)", says, title=name, log=("y",))
    _legends(figure, pairs)
    return figure


def _draw_norms(ax: Axes, one: Mapping[str, Any], matrix: str, pairs: list[str]) -> None:
    top = max(max(v["median"]) for o in _LINES for v in one["norms"][f"{o} {matrix}"].values())
    for orbitals, line in _LINES.items():
        for pair, found in one["norms"][f"{orbitals} {matrix}"].items():
            look = SERIES[pairs.index(pair)]
            R, median = np.array(found["distance"]), np.array(found["median"])
            seen = median > _FLOOR * top
            ax.plot(R[seen], median[seen], line, color=look.colour)
            if orbitals == "ao":
                low = np.maximum(found["low"], _FLOOR * top)
                band = low[seen], np.array(found["high"])[seen]
                ax.fill_between(R[seen], *band, color=look.colour, alpha=0.15, lw=0)


def _draw_errors(ax: Axes, rows: list[Mapping[str, Any]], quantity: str) -> None:
    own = [r for r in rows if r["quantity"] == quantity and r["mae"] is not None]
    top = max((r["mae"] for r in own), default=1.0)
    for orbitals, line in _LINES.items():
        for way, look in zip(_WAYS, SERIES, strict=False):
            points = [
                (r["cutoff"], r["mae"] if r["mae"] > _FLOOR * top else np.nan)
                for r in own
                if r["matrix"] == way and r["orbitals"] == orbitals
            ]
            if points:
                ax.plot(*np.array(points).T, line, color=look.colour, marker=look.marker, ms=3)


def _legends(figure: Figure, pairs: list[str]) -> None:
    from matplotlib.lines import Line2D

    kinds = [Line2D([], [], color="0.3", ls=_LINES[o], label=w) for o, w in _ORBITALS.items()]
    species = [Line2D([], [], color=SERIES[k].colour, label=p) for k, p in enumerate(pairs)]
    ways = [
        Line2D([], [], color=look.colour, marker=look.marker, ms=3, label=f"error of {way}")
        for way, look in zip(_WAYS, SERIES, strict=False)
    ]
    figure.legend(
        handles=[*kinds, *species], loc="outside upper center", ncol=min(8, 2 + len(pairs))
    )
    figure.legend(handles=[*kinds, *ways], loc="outside lower center", ncol=3)


if __name__ == "__main__":
    from paper_reproduction.running import main

    main("locality")
