r"""How far information travels with each product: V^kappa beside message passing.

The paper's idea is that a matrix product with V does what an equivariant message-passing layer
does: it carries information one neighbour further. Measured is how the features of the end carbon
i of a chain feel carbon k, k bonds away, move,

.. math:: s_k = \Big( \sum_x \| \partial (V^\kappa) / \partial R_{kx} \|_F^2 \Big)^{1/2},

relative to the largest of the same kappa: of the row of blocks (i, all j), which pair features are
made of, and of the on-site block (i, i), which site features are made of. Three kinds:

- V cut wholly, to blocks of neighbours and nuclei that both are next to
  (`paper_reproduction.cut_potential`, with the law): rows reach kappa bonds, on-site blocks
  ceil(kappa / 2), as a walk must come back; beyond is exactly nothing;
- uniform layers h(t + 1)_i = sum_j A(R_ij) h(t)_j of smooth A and h(0) = 1, the text-book form of
  message passing, which reach one neighbour a layer;
- V as it is, V of ``Basis(reach=...)`` (blocks are cut, V_ii keeps all nuclei) and screened V.
  Far away -Z_K/|r - R_K| is constant over the AOs of i, so that for kappa = 1

.. math:: s_K \to Z_K \| S_{ii} \|_F / R_{iK}^2 .
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from linvop.conventions import BOHR
from linvop.features.reach import Reach
from linvop.integrals import System, overlap
from linvop.sampling import alkane, polyene
from paper_reproduction.cut_potential import (
    front,
    layer,
    layer_sensitivity,
    neighbours,
    potential_and_motion,
    sensitivity,
)
from paper_reproduction.message_claims import claims, notes
from paper_reproduction.study import Measured, Setting
from paper_reproduction.style import PAGE, SERIES, labelled_axes, panels

if TYPE_CHECKING:
    from ase import Atoms
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["TITLE", "draw", "run"]

TITLE = "How far information travels with each product with V"

_CUT = 2.0
"""Angstrom: neighbours of a carbon are what it is bonded to."""

_SCREENING = 0.3
"""Bohr^-2, of screened V."""

_MAPS = (
    ("cut rows", "cut, rows", "kappa"),
    ("cut site", "cut, on site", "kappa"),
    ("layers", "layers", "layers"),
)
_WHOLE = (("bare", "V"), ("reach", "V, blocks within reach"), ("screened", "screened V"))
_DECADES = 12
"""Of colours and of the lines."""

_LATER = 4
"""A kappa whose lines stand beside those of 1."""


def run(setting: Setting) -> Measured:
    """Measure an alkane and a polyene."""
    n, kappas = setting.pick((8, 6), (12, 8))
    molecules = {}
    for name, atoms in (("alkane", alkane(n)), ("polyene", polyene(n))):
        setting.say(f"{name}: sensitivities of V^kappa up to kappa = {kappas}")
        molecules[name] = _measured(atoms, kappas)
    numbers = {
        "cutoff": _CUT,
        "screening": _SCREENING,
        "carbons": n,
        "kappas": list(range(1, kappas + 1)),
        "molecules": molecules,
    }
    formulas = " and ".join(a.get_chemical_formula() for a in (alkane(n), polyene(n)))
    data = (
        f"{formulas}, straight chains of ideal bonds, STO-3G; cutoff {_CUT:g} Angstrom, within "
        "which carbons that are bonded see each other and no others"
    )
    return Measured(data, numbers, claims(numbers), notes(numbers))


def _measured(atoms: Atoms, kappas: int) -> dict[str, Any]:
    """Of one chain: relative sensitivities by kind, (kappas, carbons)."""
    system = System.from_atoms(atoms, "sto-3g")
    carbons = np.flatnonzero(atoms.numbers == 6)
    own = slice(*system.layout.atom_offsets[carbons[0] : carbons[0] + 2])
    near = neighbours(system.positions, _CUT / BOHR)
    cut_site, cut_row = sensitivity(*potential_and_motion(system, carbons, near), own, kappas)
    A, dA = layer(system.positions, carbons, _CUT / BOHR)
    V, dV = potential_and_motion(system, carbons)
    f = Reach.of(system, _CUT)
    within = (
        f.of_aos * V,
        f.of_aos * dV + np.array([f.motion(int(k), V) for k in carbons]),
    )
    screened = potential_and_motion(system, carbons, screening=_SCREENING)
    bare = sensitivity(V, dV, own, kappas)[0]
    kinds = {
        "cut site": cut_site,
        "cut rows": cut_row,
        "layers": layer_sensitivity(A, dA, int(carbons[0]), kappas),
        "bare": bare,
        "reach": sensitivity(*within, own, kappas)[0],
        "screened": sensitivity(*screened, own, kappas)[0],
    }
    distances = np.linalg.norm(system.positions[carbons] - system.positions[carbons[0]], axis=1)
    far = 6.0 * np.linalg.norm(overlap(system)[own, own])
    return {
        "distance": (distances * BOHR).tolist(),
        "times_r2": (bare[0] * distances**2 / far).tolist(),
        "front": {name: front(kinds[name]) for name in ("cut site", "cut rows", "layers")},
        **{name: (v / v.max(axis=1, keepdims=True)).tolist() for name, v in kinds.items()},
    }


def draw(numbers: Mapping[str, Any]) -> Figure:
    """Maps of kappa and bonds with the predicted front; lines of what is not cut."""
    from matplotlib.cm import ScalarMappable
    from matplotlib.colors import Normalize

    figure, axes = panels(2, 4, width=PAGE, height=2.35)
    colours = ScalarMappable(Normalize(-_DECADES, 0), "viridis")
    for row, (name, found) in zip(axes, numbers["molecules"].items(), strict=True):
        for ax, (key, title, step) in zip(row, _MAPS, strict=False):
            _draw_map(ax, np.array(found[key]), colours, key)
            labelled_axes(ax, "bonds away", f"{name}: {step}", title=title)
        _draw_lines(row[3], found, numbers["kappas"])
        labelled_axes(row[3], "bonds away", f"{name}: sensitivity", title="all nuclei", log=("y",))
    bar = figure.colorbar(colours, ax=axes[:, :3], location="bottom", aspect=50, pad=0.02)
    bar.set_label(
        "$\\log_{10}$ of the relative sensitivity; white: exactly 0; line: what the law says"
    )
    figure.legend(*axes[0, 3].get_legend_handles_labels(), loc="outside lower center", ncol=3)
    return figure


def _draw_map(ax: Axes, values: np.ndarray, colours: Any, key: str) -> None:
    shown = np.full(values.shape, np.nan)
    np.log10(values, out=shown, where=values > 0)
    kappas = np.arange(1, len(values) + 1)
    edges = (-0.5, values.shape[1] - 0.5, 0.5, len(values) + 0.5)
    ax.imshow(
        shown, origin="lower", extent=edges, aspect="auto", cmap=colours.cmap, norm=colours.norm
    )
    law = (kappas + 1) // 2 if key == "cut site" else kappas
    steps = np.minimum(law, values.shape[1] - 1) + 0.5
    ax.step(
        np.append(steps, steps[-1]),
        np.append(kappas, kappas[-1] + 1) - 0.5,
        color="#D55E00",
        where="pre",
    )
    ax.set(xlim=edges[:2], ylim=edges[2:], xticks=range(0, values.shape[1], 2), yticks=kappas)
    ax.grid(False)


def _draw_lines(ax: Axes, found: Mapping[str, Any], kappas: list[int]) -> None:
    for (key, label), look, size in zip(_WHOLE, SERIES, (5.5, 2.5, 3.5), strict=False):
        for kappa, line in ((kappas[0], "-"), (_LATER, ":")):
            ax.plot(
                found[key][kappa - 1],
                line,
                color=look.colour,
                marker=look.marker,
                markersize=size,
                label=f"{label}, $\\kappa = {kappa}$",
            )
    ax.set_ylim(10.0**-_DECADES, 3.0)


if __name__ == "__main__":
    from paper_reproduction.running import main

    main("message_passing")
