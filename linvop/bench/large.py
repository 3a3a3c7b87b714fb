r"""Cost per atom of large structures, and the error of expanding the potential of far nuclei."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from time import process_time
from typing import TYPE_CHECKING, Any

import numpy as np

from linvop.bench.machine import describe_machine, peak_memory_gb
from linvop.bench.tables import Report, Table, verdict
from linvop.bench.timing import one_thread
from linvop.integrals import System, molecule
from linvop.integrals.sparse import SparsePotential, sparse_potential
from linvop.sampling import alkane, water_cluster

if TYPE_CHECKING:
    from linvop.features.basis import Basis

__all__ = ["LARGEST_ERROR", "LARGEST_GROWTH", "SIZES", "draw_growth", "measure_large"]

SIZES = (30, 100, 300, 1000, 3000)
"""Atoms, about."""

LARGEST_GROWTH, LARGEST_ERROR = 1.5, 1e-6
"""Time per atom from some 300 to some 3000 atoms; Hartree."""

_AO, _KAPPA, _REACH = "def2-svp", 3, 4.0
_WHOLE = 300
"""Up to how many atoms int1e_nuc is run for all AOs; beyond for some pairs of atoms."""

_PAIRS = 60


def measure_large(
    sizes: Sequence[int] = SIZES,
    ao: str = _AO,
    reach: float = _REACH,
    *,
    rounds: int = 3,
    say: Callable[[str], None] = lambda text: None,
) -> Report:
    r"""V and features of water clusters and alkanes with a reach.

    Parameters
    ----------
    sizes : sequence of int
        Atoms, about.
    ao : str
    reach : float
        Angstrom.
    rounds : int
        Runs of which medians are taken.
    say : callable, optional
        Told what is being measured.
    """
    from linvop.features.basis import Basis

    Basis(ao, kappa=_KAPPA, reach=reach).count(["H", "C", "O"])  # refuses before the work
    rows = []
    with one_thread():
        for screening in (None, 0.3):
            for what, build, per in (("water", water_cluster, 3), ("alkane", alkane, 3)):
                for n in sizes:
                    atoms = build(max(1, round(n / per)))
                    kind = what if screening is None else f"{what}, screening {screening}"
                    say(f"{kind}, {len(atoms)} atoms")
                    rows.append(_row(kind, atoms, ao, reach, screening, rounds))
    _add_growth(rows)
    notes = [
        f"V and lam 0 features of the structure, kappa {_KAPPA}, shell, {ao}, reach {reach:g} "
        "Angstrom, from positions; one thread, CPU time, medians "
        f"of {rounds} runs. `growth` is of V and features, from some 300 atoms on; target "
        f"{LARGEST_GROWTH} from 300 to 3000.",
        "`error`: largest difference of an element of V from PySCF's int1e_nuc, Hartree: of all "
        f"elements within reach up to {_WHOLE} atoms, beyond of {_PAIRS} pairs of atoms drawn at "
        f"random, each with all nuclei; target {LARGEST_ERROR:g}. `bound`: what is stated for it. "
        "Screened V has no int1e_nuc; its yardstick is libcint with all nuclei.",
        "`int1e_nuc` per atom of the same structure, where it is run whole.",
    ]
    return Report(describe_machine(), [Table("large", "Large structures", rows, notes)])


def _row(
    kind: str, atoms: Any, ao: str, reach: float, screening: float | None, rounds: int
) -> dict[str, Any]:
    from linvop.conventions import BOHR
    from linvop.features.basis import Basis

    basis = Basis(ao, kappa=_KAPPA, reach=reach, screening=screening)
    system = System.from_atoms(atoms, basis.ao_basis)
    n = len(atoms)
    of_V, of_features = _times(basis, system, rounds)
    V = sparse_potential(system, reach / BOHR, screening=screening)
    error, whole_ms = _error(system, V, screening)
    return {
        "structure": kind,
        "atoms": n,
        "pairs per atom": len(V.pairs) / n,
        "V, ms per atom": of_V / n,
        "features, ms per atom": of_features / n,
        "both": (of_V + of_features) / n,
        "growth": None,
        "growth met": None,
        "error": error,
        "bound": float(V.bounds.max()),
        "error met": verdict(error, LARGEST_ERROR),
        "int1e_nuc": None if whole_ms is None else whole_ms / n,
        "peak, GB": peak_memory_gb(),
    }


def _times(basis: Basis, system: System, rounds: int) -> tuple[float, float]:
    """Milliseconds of V and of the features that are made of it."""
    from linvop.features.neighbourhoods import Neighbourhoods
    from linvop.kernels import cpu

    features = basis.compile(set(system.layout.symbols), ((0, 1),), "structure")
    found = np.zeros((rounds + 1, 2))
    for k in range(rounds + 1):
        start = process_time()
        apart = Neighbourhoods.of(features.enumeration, system)
        middle = process_time()
        apart.rows(features.plans, features.product_plans, True, cpu)
        found[k] = middle - start, process_time() - middle
    of_V, of_features = 1e3 * np.median(found[1:], axis=0)
    return float(of_V), float(of_features)


def _error(
    system: System, V: SparsePotential, screening: float | None
) -> tuple[float, float | None]:
    """Largest error of an element, and the milliseconds of a whole int1e_nuc."""
    n = system.layout.n_atoms
    if n <= _WHOLE + 2 and screening is None:
        mol = molecule(system)
        start = process_time()
        exact = mol.intor("int1e_nuc")
        spent = process_time() - start
        offsets = system.layout.atom_offsets.tolist()
        worst = 0.0
        for k, (i, j, _) in enumerate(V.pairs.tolist()):
            block = exact[offsets[i] : offsets[i + 1], offsets[j] : offsets[j + 1]]
            worst = max(worst, float(np.abs(V.block(k)[0] - block).max()))
        return worst, 1e3 * spent
    chosen = np.random.default_rng(0).choice(len(V.pairs), min(_PAIRS, len(V.pairs)), False)
    return max(_error_of_pair(system, V, int(k), screening) for k in chosen), None


def _error_of_pair(system: System, V: SparsePotential, pair: int, screening: float | None) -> float:
    """Of one pair of atoms, beside the sum over all nuclei one by one."""
    from linvop.integrals import point_charge_potential

    i, j, _ = V.pairs[pair].tolist()
    own = [i] if i == j else [i, j]
    numbers = tuple(system.numbers[a] for a in own)
    two = System(numbers, np.ascontiguousarray(system.positions[own]), system.ao)
    charges = np.asarray(system.numbers, dtype=float)
    exact = point_charge_potential(two, charges, system.positions, screening=screening)
    split = int(two.layout.atom_offsets[1])
    block = exact if i == j else exact[:split, split:]
    return float(np.abs(V.block(pair)[0] - block).max())


def _add_growth(rows: list[dict[str, Any]]) -> None:
    for row in rows:
        same = [x for x in rows if x["structure"] == row["structure"]]
        first = min(same, key=lambda x: abs(x["atoms"] - 300))
        if row["atoms"] > first["atoms"]:
            row["growth"] = row["both"] / first["both"]
            if row["atoms"] > 2500 and abs(first["atoms"] - 300) < 10:
                row["growth met"] = verdict(row["growth"], LARGEST_GROWTH)


def draw_growth(report: Report, path: str | Path) -> None:
    r"""Time per atom against atoms, of every kind of structure, beside int1e_nuc's; a PNG."""
    from linvop.plotting.canvas import COLOURS, grid, new_figure, plain_log_ticks, write_png

    rows = report.tables[0].rows
    kinds = list(dict.fromkeys(row["structure"] for row in rows))
    figure = new_figure(5.2, 3.6)
    ax = figure.add_subplot()
    for colour, kind in zip(COLOURS, kinds, strict=False):
        own = [row for row in rows if row["structure"] == kind]
        atoms = [row["atoms"] for row in own]
        ax.plot(atoms, [row["both"] for row in own], "o-", ms=4, color=colour, label=kind)
        whole = [(row["atoms"], row["int1e_nuc"]) for row in own if row["int1e_nuc"] is not None]
        if whole:
            ax.plot(*zip(*whole, strict=True), "x:", ms=5, color=colour, label=f"int1e_nuc, {kind}")
    ax.set(xscale="log", yscale="log", xlabel="atoms", ylabel="CPU time per atom, ms")
    ax.legend(frameon=False, fontsize=7)
    plain_log_ticks(ax.yaxis)
    grid(ax)
    write_png(figure, path, force=True)
