r"""A predicted Fock matrix, from positions, in units of ``int1e_nuc`` of the same molecules."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from linvop.bench.tables import Table, verdict
from linvop.bench.timing import compare, one_thread

if TYPE_CHECKING:
    from ase import Atoms

__all__ = ["LARGEST", "cluster", "predictions_table"]

LARGEST = 20.0
"""Largest accepted ratio for 30 atoms."""

_AO = "def2-svp"
_PARTS = ("CH3CH2OH", "CH3CONH2", "C6H6")
_BASIS = {
    "metric": "lowdin",
    "kappa": 2,
    "nu": 2,
    "max_degree": (None, 8),
    "nu_pair": (1, 1),
    "pair_max_degree": (None, 6, 6),
}


def cluster(n_parts: int = len(_PARTS)) -> Atoms:
    r"""Ethanol, acetamide and benzene on top of each other, distorted: 30 atoms of H, C, N, O."""
    from ase.build import molecule

    parts = [molecule(name) for name in _PARTS[:n_parts]]
    for k, part in enumerate(parts):
        part.positions += [0.0, 0.0, 4.0 * k]
    atoms = parts[0]
    for part in parts[1:]:
        atoms += part
    atoms.positions += 0.05 * np.random.default_rng(0).normal(size=atoms.positions.shape)
    return atoms


def predictions_table(
    cutoffs: tuple[float | None, ...] = (None, 6.0), *, n_parts: int = 3, rounds: int = 3
) -> Table:
    r"""Time a model with random coefficients, one row for each cutoff of pairs.

    Parameters
    ----------
    cutoffs : tuple of (float or None)
        Angstrom.
    n_parts : int
        Molecules of the cluster.
    rounds : int
        Runs of which medians are taken.
    """
    from linvop.features.basis import Basis
    from linvop.integrals import System, molecule
    from linvop.testing import random_operator_model

    atoms = cluster(n_parts)
    mol = molecule(System.from_atoms(atoms, _AO))
    rows = []
    for cutoff in cutoffs:
        basis = Basis(ao=_AO, cutoff=cutoff, **_BASIS)  # type: ignore[arg-type]
        model = random_operator_model(
            basis, _AO, atoms.get_chemical_symbols(), orthogonal=True, baseline="sap"
        )
        distances = atoms.get_all_distances()[np.triu_indices(len(atoms), 1)]
        with one_thread():
            timed = compare(
                [atoms],
                lambda _: mol.intor("int1e_nuc"),
                {"predict": model.predict},
                rounds=rounds,
            )["predict"]
        rows.append(
            {
                "atoms": len(atoms),
                "cutoff, A": "none" if cutoff is None else f"{cutoff:g}",
                "pairs": int((distances <= (np.inf if cutoff is None else cutoff)).sum()),
                "coefficients": sum(p.coefficients.size for p in model.parts_.values()),
                "ms": timed.candidate_ms,
                "int1e_nuc, ms": timed.yardstick_ms,
                "ratio": timed.ratio,
                "target": LARGEST,
                "met": verdict(timed.ratio, LARGEST),
            }
        )
    settings = ", ".join(f"{k} {v}" for k, v in _BASIS.items())
    notes = [
        f"Ethanol, acetamide, benzene in one cluster; Fock matrix in {_AO} from features in {_AO}, "
        f"{settings}; orthogonal, on superposed atomic potentials; random coefficients, all of "
        "them; one thread, CPU time, from positions to the matrix.",
    ]
    return Table("predictions", "Predicted Fock matrices", rows, notes)
