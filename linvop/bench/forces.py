r"""Energy and forces of ethanol, from positions, in units of the integrals that they need.

The yardstick is what any program that has V and its derivatives asks libcint for: ``int1e_nuc``,
``int1e_ipnuc`` and, for each nucleus, ``int1e_iprinv``; with ``int1e_ovlp`` and ``int1e_ipovlp``
where the metric needs S. The peer is featomic's SOAP power spectrum with gradients by
positions, features only.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from linvop.bench.soap import SoapSettings
from linvop.bench.tables import Table, verdict
from linvop.bench.timing import compare, one_thread

if TYPE_CHECKING:
    from ase import Atoms

__all__ = ["LARGEST", "forces_table"]

LARGEST = 2.0
"""Largest accepted ratio to the integrals."""

_MODELS: tuple[dict[str, Any], ...] = (
    {"ao": "6-31g", "kappa": 3, "metric": "lowdin"},
    {"ao": "linvop-sv", "kappa": 3, "metric": "lowdin"},
    {"ao": "linvop-svp", "kappa": 3, "metric": "lowdin"},
    {"ao": "def2-svp", "kappa": 3, "metric": "lowdin"},
    {"ao": "def2-svp", "kappa": 3, "metric": "overlap"},
    {"ao": "def2-svp", "kappa": 3, "metric": "overlap", "nu": 2, "max_degree": (None, 6)},
)


def forces_table(*, rounds: int = 15) -> Table:
    r"""Time models with random coefficients, all of them; one row each, and one for the peer.

    Parameters
    ----------
    rounds : int
        Runs of which medians are taken.
    """
    from ase.build import molecule as build

    from linvop.features.basis import Basis
    from linvop.integrals import System, molecule

    atoms = build("CH3CH2OH")
    atoms.positions += 0.05 * np.random.default_rng(0).normal(size=atoms.positions.shape)
    peer, rows, peers = _peer(), [], []
    for settings in _MODELS:
        basis = Basis(**settings)
        candidate, n_columns = _candidate(basis, atoms)
        mol = molecule(System.from_atoms(atoms, basis.ao_basis))
        candidates: dict[str, Callable[[Any], object]] = {"model": candidate}
        if peer is not None:
            candidates["peer"] = peer
        with one_thread():
            timed = compare(
                [atoms],
                partial(_integrals, mol, basis.metric != "ao"),
                candidates,
                rounds=rounds,
            )
        one = timed["model"]
        row: dict[str, Any] = {
            "model": ", ".join(f"{v}" if k == "ao" else f"{k} {v}" for k, v in settings.items()),
            "columns": n_columns,
            "ms": one.candidate_ms,
            "integrals, ms": one.yardstick_ms,
            "ratio": one.ratio,
            "target": LARGEST,
            "met": verdict(one.ratio, LARGEST),
        }
        if peer is not None:
            peers.append(timed["peer"].candidate_ms)
            row["SOAP gradients, ms"] = peers[-1]
            row["ratio to SOAP"] = one.candidate_ms / peers[-1]
        rows.append(row)
    notes = [
        "Ethanol, one thread, CPU time, medians of runs that take turns with the integrals. "
        "`ms`: from positions to energy and forces, all integrals among it; random coefficients.",
        f"SOAP: featomic, {SoapSettings()}, power spectrum and its gradients by positions.",
    ]
    return Table("forces", "Energy and forces of ethanol", rows, notes)


def _candidate(basis: Any, atoms: Atoms) -> tuple[Callable[[Atoms], object], int]:
    """From atoms to energy and forces, and the number of coefficients."""
    from linvop.features.adjoint import structure_adjoint
    from linvop.features.contractions import contracted
    from linvop.integrals import System

    features = basis.compile(("H", "C", "O"), ((0, 1),), "structure")
    n = features.n_columns((0, 1))
    coefficients = np.random.default_rng(1).normal(size=n)
    gradient = {(0, 1): coefficients[None]}

    def energy_and_forces(atoms: Atoms) -> tuple[float, np.ndarray]:
        one = contracted(features.enumeration, System.from_atoms(atoms, basis.ao_basis))
        energy = float(features.structure(one)[0, 1][0] @ coefficients)
        return energy, -structure_adjoint(features, one, gradient).by_positions()

    return energy_and_forces, n


def _integrals(mol: Any, with_overlap: bool, _: Atoms) -> None:
    mol.intor("int1e_nuc")
    mol.intor("int1e_ipnuc")
    for atom in range(mol.natm):
        with mol.with_rinv_at_nucleus(atom):
            mol.intor("int1e_iprinv")
    if with_overlap:
        mol.intor("int1e_ovlp")
        mol.intor("int1e_ipovlp")


def _peer() -> Callable[[Atoms], object] | None:
    """SOAP with gradients, or None without featomic."""
    try:
        from featomic import SoapPowerSpectrum
    except ImportError:
        return None
    soap = SoapPowerSpectrum(**SoapSettings().hypers())
    return lambda atoms: soap.compute([atoms], gradients=["positions"])
