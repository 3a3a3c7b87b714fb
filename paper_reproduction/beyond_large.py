r"""What V and its features cost in large molecules: CPU time per atom of water clusters.

With a reach (`Basis`), blocks of V between far atoms are zero, smoothly, and the potential of far
nuclei is expanded: the cost per atom is that of an atom's surroundings. ``int1e_nuc`` of all AOs
grows as the cube of the number of atoms.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from time import process_time
from typing import TYPE_CHECKING, Any

import numpy as np

from linvop import Basis
from linvop.bench.timing import one_thread
from linvop.features.neighbourhoods import Neighbourhoods
from linvop.integrals import System, molecule
from linvop.kernels import cpu
from linvop.sampling import water_cluster

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["SETTINGS", "cost_per_atom", "growth"]

SETTINGS: dict[str, Any] = {"ao": "def2-svp", "kappa": 3, "reach": 4.0}
"""Of the features: shell, metric ao; reach in Angstrom."""

_WHOLE = 300
"""Atoms, about, up to which int1e_nuc is run."""

_ROUNDS = 3


def cost_per_atom(
    sizes: Sequence[int], say: Callable[[str], None] = lambda text: None
) -> list[dict[str, Any]]:
    r"""Time them, round by round; medians.

    Parameters
    ----------
    sizes : sequence of int
        Atoms, about.
    say : callable

    Returns
    -------
    list of {atoms, V, features, rounds, int1e_nuc}
        CPU milliseconds per atom on one thread; ``rounds``: of V and features together, of each
        round; int1e_nuc None where it is not run.
    """
    basis = Basis(**SETTINGS)
    compiled = basis.compile({"H", "O"}, ((0, 1),), "structure")
    systems = [
        System.from_atoms(water_cluster(max(1, round(size / 3))), basis.ao_basis) for size in sizes
    ]
    times = np.zeros((_ROUNDS, len(systems), 2))
    with one_thread():
        _timed(compiled, systems[0])
        # Round by round: what slows the machine for a while slows all sizes.
        for k, of_round in enumerate(times):
            for system, one in zip(systems, of_round, strict=True):
                say(f"water, {system.layout.n_atoms} atoms, round {k + 1} of {_ROUNDS}")
                one[:] = _timed(compiled, system)
        found = []
        for system, own in zip(systems, times.swapaxes(0, 1), strict=True):
            of_V, of_features = np.median(own, axis=0)
            n = system.layout.n_atoms
            found.append(
                {
                    "atoms": n,
                    "V": 1e3 * float(of_V) / n,
                    "features": 1e3 * float(of_features) / n,
                    "rounds": (1e3 * own.sum(axis=1) / n).tolist(),
                    "int1e_nuc": _whole(system) if n <= _WHOLE + 2 else None,
                }
            )
    return found


def _timed(compiled: Any, system: System) -> tuple[float, float]:
    """CPU seconds of V and of features."""
    start = process_time()
    apart = Neighbourhoods.of(compiled.enumeration, system)
    middle = process_time()
    apart.rows(compiled.plans, compiled.product_plans, True, cpu)
    return middle - start, process_time() - middle


def _whole(system: System) -> float:
    """CPU milliseconds per atom of PySCF's whole matrix."""
    mol = molecule(system)
    start = process_time()
    mol.intor("int1e_nuc")
    return 1e3 * (process_time() - start) / system.layout.n_atoms


def growth(rows: Sequence[Mapping[str, Any]], low: int, high: int) -> float | None:
    r"""Time per atom of V and features at some `high` atoms over that at some `low`.

    None where no structure has about so many (to a tenth).
    """
    ends = []
    for size in (low, high):
        near = min(rows, key=lambda r: abs(r["atoms"] - size))
        if abs(near["atoms"] - size) > 0.1 * size:
            return None
        ends.append(near["V"] + near["features"])
    return ends[1] / ends[0]
