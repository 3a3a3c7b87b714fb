r"""Speed on one thread, in units of PySCF's ``int1e_nuc`` on the same molecules.

The yardstick is ``mol.intor("int1e_nuc")`` of a molecule that is already built. Candidates
begin with atomic positions, or with V in m order where the table says "V given".
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from time import perf_counter
from typing import TYPE_CHECKING, Any

import numpy as np

from linvop.bench.columns import columns_table
from linvop.bench.coupling_tables import coupling_tables_table
from linvop.bench.forces import forces_table
from linvop.bench.machine import describe_machine
from linvop.bench.molecules import sample
from linvop.bench.predictions import predictions_table
from linvop.bench.products import products_table
from linvop.bench.startup import startup_table
from linvop.bench.tables import Report, Table, verdict
from linvop.bench.timing import Timed, compare, one_thread

if TYPE_CHECKING:
    from ase import Atoms

    from linvop.features.contractions import SiteFeatures
    from linvop.orbitals.shells import AOBasis

__all__ = ["TARGETS", "measure_speed"]

TARGETS = {
    "all coupled blocks of V (V given)": 0.1,
    "V, V^2, V^3 and all their coupled blocks (V given)": 0.3,
    "site features, kappa 3, shell, all irreps, ao": 2.0,
    "site features, kappa 3, shell, all irreps, lowdin": 2.0,
}
"""Largest accepted ratios to int1e_nuc."""

_SCREENING = 0.3


@dataclass(frozen=True)
class _Prepared:
    """What the candidates start from."""

    atoms: Atoms
    mol: Any
    V: np.ndarray
    numbers: tuple[int, ...]
    species: tuple[str, ...]


def measure_speed(
    molecules: str | None = None,
    n: int = 50,
    ao: str = "def2-svp",
    *,
    rounds: int = 5,
    progress: Callable[[int, int], None] | None = None,
) -> Report:
    r"""All speed figures.

    Parameters
    ----------
    molecules : str, optional
        File of structures; by default molecules are made (`linvop.bench.molecules`).
    n : int
        Number of molecules.
    ao : str
        AO basis that PySCF knows.
    rounds : int
        Runs of which medians are taken.
    progress : callable, optional
        Called with (molecules done, molecules in all).

    Raises
    ------
    InputError
        For a bad file, n < 1 or an AO basis that is not known.
    """
    from linvop.features.basis import ordered_species
    from linvop.orbitals.shells import AOBasis

    frames, what = sample(molecules, n)
    ao_basis = AOBasis(ao)
    species = ordered_species(z for a in frames for z in set(a.numbers.tolist()))
    start = startup_table()
    compiled, plan_rows = _plans(ao, species)
    with one_thread():
        prepared = [_prepare(a, ao_basis) for a in frames]
        timed = compare(
            prepared,
            lambda p: p.mol.intor("int1e_nuc"),
            _candidates(ao_basis, compiled),
            rounds=rounds,
            progress=progress,
        )
    n_atoms = np.mean([len(a) for a in frames])
    n_ao = np.mean([len(p.V) for p in prepared])
    notes = [
        f"{what}; {n_atoms:.1f} atoms and {n_ao:.0f} AOs on average; {ao}; one thread; "
        f"medians over {rounds} runs of CPU time, in one process, each directly after a run of the "
        "yardstick.",
        "Yardstick: PySCF's `mol.intor('int1e_nuc')` of a molecule already built. linvop's "
        "integrals and features start from positions.",
    ]
    tables = [
        Table("speed", "Speed, in units of PySCF's int1e_nuc", _ratio_rows(timed), notes),
        Table("plans", "Making a plan, once per basis and species (kappa 3, shell)", plan_rows),
        _threads_table(frames, compiled["structure lam 0", "ao"], rounds),
        products_table(rounds=rounds),
        columns_table(rounds=rounds),
        forces_table(),
        predictions_table(rounds=rounds),
        coupling_tables_table(),
        start,
    ]
    return Report(describe_machine(), tables)


def _prepare(atoms: Atoms, ao: AOBasis) -> _Prepared:
    from pyscf import gto

    from linvop.integrals import System, potential
    from linvop.orbitals.order import to_m_order

    symbols = atoms.get_chemical_symbols()
    mol = gto.M(
        atom=list(zip(symbols, atoms.positions, strict=True)),
        basis={s: ao.raw(s) for s in set(symbols)},
        spin=int(atoms.numbers.sum()) % 2,
        verbose=0,
    )
    system = System.from_atoms(atoms, ao)
    V = to_m_order(potential(system), system.layout)
    return _Prepared(atoms, mol, V, system.numbers, tuple(dict.fromkeys(symbols)))


def _plans(
    ao: str, species: Sequence[str]
) -> tuple[dict[tuple[str, str], SiteFeatures], list[dict[str, object]]]:
    """Compiled features, and what compiling them took."""
    from linvop.features.basis import Basis

    kinds = {"site": None, "structure lam 0": ((0, 1),), "structure lam 0, 1": ((0, 1), (1, 1))}
    compiled: dict[tuple[str, str], SiteFeatures] = {}
    rows: list[dict[str, object]] = []
    for metric in ("ao", "lowdin"):
        basis = Basis(ao=ao, kappa=3, metric=metric)
        for kind, irreps in kinds.items():
            start = perf_counter()
            target = "site" if irreps is None else "structure"
            features = compiled[kind, metric] = basis.compile(species, irreps, target)
            seconds = perf_counter() - start
            columns = sum(features.n_columns(irrep) for irrep in features.irreps)
            rows.append(
                {"features": kind, "metric": metric, "columns": columns, "seconds": seconds}
            )
    return compiled, rows


def _candidates(
    ao: AOBasis, compiled: dict[tuple[str, str], SiteFeatures]
) -> dict[str, Callable[[_Prepared], object]]:
    from linvop.integrals import System, overlap, potential
    from linvop.orbitals.blocks import couple
    from linvop.orbitals.shells import AOLayout

    def system(p: _Prepared) -> System:
        return System.from_atoms(p.atoms, ao)

    def powers(p: _Prepared) -> object:
        layout = AOLayout(p.numbers, ao)
        square = p.V @ p.V
        return [couple(power, layout) for power in (p.V, square, square @ p.V)]

    def sites(metric: str) -> Callable[[_Prepared], object]:
        return lambda p: compiled["site", metric].sites(system(p))

    def structure(kind: str, metric: str) -> Callable[[_Prepared], object]:
        return lambda p: compiled[kind, metric].structure(system(p))

    blocks, all_powers, sites_ao, sites_lowdin = TARGETS
    return {
        "V": lambda p: potential(system(p)),
        "V, screened": lambda p: potential(system(p), screening=_SCREENING),
        "V per species of nucleus": lambda p: potential(system(p), sources=p.species),
        "S": lambda p: overlap(system(p)),
        blocks: lambda p: couple(p.V, AOLayout(p.numbers, ao)),
        all_powers: powers,
        sites_ao: sites("ao"),
        sites_lowdin: sites("lowdin"),
        "structure features, lam 0, ao": structure("structure lam 0", "ao"),
        "structure features, lam 0 and 1, ao": structure("structure lam 0, 1", "ao"),
        "structure features, lam 0, lowdin": structure("structure lam 0", "lowdin"),
    }


def _ratio_rows(timed: dict[str, Timed]) -> list[dict[str, object]]:
    return [
        {
            "what": name,
            "ms per molecule": t.candidate_ms,
            "int1e_nuc, ms": t.yardstick_ms,
            "ratio": t.ratio,
            "target": TARGETS.get(name),
            "met": verdict(t.ratio, TARGETS.get(name)),
        }
        for name, t in timed.items()
    ]


def _threads_table(frames: Sequence[Atoms], features: SiteFeatures, rounds: int) -> Table:
    """Structure rows with one worker and with two, in turn."""
    from linvop.features.design import structure_rows

    times: dict[int, list[float]] = {1: [], 2: []}
    for r in range(rounds + 1):
        for workers, found in times.items():
            start = perf_counter()
            structure_rows(features, frames, workers=workers)
            if r:
                found.append(perf_counter() - start)
    seconds = {workers: float(np.median(found)) for workers, found in times.items()}
    rows = [
        {
            "threads": workers,
            "ms per molecule": 1e3 * s / len(frames),
            "speed-up": seconds[1] / s,
        }
        for workers, s in seconds.items()
    ]
    return Table("threads", "Threads over structures (structure features, lam 0, ao)", rows)
