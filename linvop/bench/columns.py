r"""What features cost against how many there are: ethanol in several bases, kappa and nu."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from linvop.bench.tables import Table
from linvop.bench.timing import compare, one_thread

if TYPE_CHECKING:
    from ase import Atoms

    from linvop.features.contractions import SiteFeatures
    from linvop.integrals import System
    from linvop.orbitals.shells import AOBasis

__all__ = ["SETTINGS", "columns_table", "draw_columns"]

SETTINGS: tuple[dict[str, Any], ...] = (
    *({"ao": ao, "kappa": k} for ao in ("sto-3g", "6-31g", "def2-svp") for k in (1, 2, 3)),
    {"ao": "def2-tzvp", "kappa": 2},
    *({"ao": "def2-svp", "kappa": 2, "nu": 2, "max_degree": (None, d)} for d in (5, 7, 9)),
    *({"ao": "def2-svp", "kappa": 2, "nu": 3, "max_degree": (None, d, d)} for d in (7, 8)),
)


@dataclass(frozen=True)
class _Given:
    """What is timed: PySCF's molecule, and features from positions."""

    atoms: Atoms
    mol: Any
    features: SiteFeatures
    ao: AOBasis

    def system(self) -> System:
        from linvop.integrals import System

        return System.from_atoms(self.atoms, self.ao)


def columns_table(settings: Sequence[dict[str, Any]] = SETTINGS, rounds: int = 5) -> Table:
    r"""Time the lam = 0 features of one distorted ethanol, from positions, on one thread.

    Parameters
    ----------
    settings : sequence of dict
        Parameters of `Basis`, one row each.
    rounds : int
        Runs of which medians are taken.
    """
    from ase.build import molecule
    from pyscf import gto

    from linvop.features.basis import Basis
    from linvop.integrals import System

    atoms = molecule("CH3CH2OH")
    atoms.positions += 0.05 * np.random.default_rng(0).normal(size=atoms.positions.shape)
    symbols = atoms.get_chemical_symbols()
    rows = []
    for one in settings:
        basis = Basis(**one)
        features = basis.compile(symbols, ((0, 1),), "structure")
        ao = basis.ao_basis
        mol = gto.M(
            atom=list(zip(symbols, atoms.positions, strict=True)),
            basis={s: ao.raw(s) for s in set(symbols)},
            verbose=0,
        )
        with one_thread():
            timed = compare(
                [_Given(atoms, mol, features, ao)],
                lambda given: given.mol.intor("int1e_nuc"),
                {"features": lambda given: given.features.structure(given.system())},
                rounds=rounds,
            )["features"]
        rows.append(
            {
                "AO basis": one["ao"],
                "kappa": basis.kappa,
                "nu": basis.nu,
                "degree": basis.max_degrees[-1],
                "AOs": System.from_atoms(atoms, ao).layout.n_ao,
                "columns": features.n_columns((0, 1)),
                "ms": timed.candidate_ms,
                "int1e_nuc, ms": timed.yardstick_ms,
                "ratio": timed.ratio,
            }
        )
    notes = [
        "One ethanol, metric ao, resolution shell, lam 0: all columns of the structure from its "
        "positions; one thread, CPU time. Yardstick: int1e_nuc in the same AO basis."
    ]
    return Table("columns", "Cost against columns", rows, notes)


def draw_columns(table: Table, path: str | Path) -> None:
    r"""Time against columns, a series for each AO basis and nu, beside int1e_nuc's; a PNG."""
    from linvop.plotting.canvas import COLOURS, grid, new_figure, plain_log_ticks, write_png

    figure = new_figure(5.2, 3.6)
    ax = figure.add_subplot()
    series = list(dict.fromkeys((row["AO basis"], row["nu"]) for row in table.rows))
    for colour, (ao, nu) in zip(COLOURS, series, strict=False):
        own = [row for row in table.rows if (row["AO basis"], row["nu"]) == (ao, nu)]
        label = ao if nu == 1 else f"{ao}, products of {nu}"
        columns = [row["columns"] for row in own]
        ax.plot(columns, [row["ms"] for row in own], "o-", ms=4, color=colour, label=label)
        if nu == 1:
            ax.axhline(own[-1]["int1e_nuc, ms"], color=colour, linewidth=0.8, linestyle=":")
    ax.set(xscale="log", yscale="log", xlabel="columns", ylabel="CPU time of one ethanol, ms")
    ax.set_title("dotted: int1e_nuc in the same AO basis", fontsize=8)
    ax.legend(frameon=False, fontsize=7)
    plain_log_ticks(ax.yaxis)
    grid(ax)
    write_png(figure, path, force=True)
