r"""Peak memory of large fits, each in a process of its own.

Energies of as many molecules as QM7 has, with a full basis; and energies with forces of molecules
of one kind: 32 000 rows, those of 500 aspirins, by some 4000 columns.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from time import perf_counter
from typing import TYPE_CHECKING, Any

import numpy as np

from linvop.bench.machine import describe_machine, peak_memory_gb
from linvop.bench.molecules import ELEMENTS, own_molecules
from linvop.bench.tables import Report, Table, verdict
from linvop.errors import InputError

if TYPE_CHECKING:
    from ase import Atoms

__all__ = ["LARGEST_GB", "fit_here", "measure_memory", "molecules_with_energies"]

LARGEST_GB = 6.0
"""The target."""

LARGEST_WITH_FORCES_GB = 4.0

_ROWS_OF_FORCES = 32_000

_FORCES_BASIS = {"ao": "def2-svp", "kappa": 3, "metric": "overlap"}
"""4209 columns for H, C, O."""

_BASIS = {"ao": "def2-svp", "kappa": 2, "sources": "species", "metric": "lowdin"}
"""22730 columns of lam = 0 for H, C, N, O, S: the least setting above 21000."""


def measure_memory(n: int | None = None, data: str | None = None, forces: bool = False) -> Report:
    r"""Fit energies of `n` molecules in a new process and report its peak memory.

    Parameters
    ----------
    n : int, optional
        Number of molecules; default 7101, and with forces as many as make 32 000 rows.
    data : str, optional
        A folder with ``qm7/qm7_7101.xyz.gz`` (``rmd17_aspirin/train.xyz`` with forces); by default
        molecules and labels are made.
    forces : bool
        Whether forces are fitted too.

    Raises
    ------
    InputError
        If the fit fails; the message ends with what the process said.
    """
    command = [sys.executable, "-m", "linvop.bench", "memory", "--here", "--json"]
    command += ["--forces"] if forces else []
    command += ["--n", str(n)] if n is not None else []
    command += ["--data", data] if data is not None else []
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        said = (done.stderr.strip() or done.stdout.strip()).splitlines()
        raise InputError(f"memory: the fit ended with {done.returncode}: {' '.join(said[-3:])}")
    row = json.loads(done.stdout)
    settings = ", ".join(f"{k} {v}" for k, v in (_FORCES_BASIS if forces else _BASIS).items())
    what = "energies and forces" if forces else "energies"
    notes = [
        f"PropertyModel.fit and predict of {what} in a process of its own; {settings}.",
        f"Molecules: {row.pop('molecules from')}.",
        "`design` is the one float64 array of the design; peak is the largest resident memory.",
    ]
    largest = LARGEST_WITH_FORCES_GB if forces else LARGEST_GB
    row["target, GB"] = largest
    row["met"] = verdict(row["peak, GB"], largest)
    name, title = ("memory-forces", "Memory, with forces") if forces else ("memory", "Memory")
    return Report(describe_machine(), [Table(name, title, [row], notes)])


def fit_here(n: int | None = None, data: str | None = None, forces: bool = False) -> dict[str, Any]:
    r"""Fit in this process and return sizes, seconds and peak memory."""
    from linvop.features.basis import Basis
    from linvop.models.property import PropertyModel

    frames, what = _with_forces(n, data) if forces else molecules_with_energies(n or 7101, data)
    basis = Basis(**(_FORCES_BASIS if forces else _BASIS))  # type: ignore[arg-type]
    model = PropertyModel(basis, targets=("energy", "forces") if forces else "energy")
    start = perf_counter()
    model.fit(frames)
    fitted = perf_counter()
    model.predict_arrays(frames[: 20 if forces else 1000])
    (part,) = model.report()["parts"]["energy"].values()
    return {
        "molecules": len(frames),
        "rows": part["n_rows"],
        "columns": part["n_columns"],
        "design, GB": part["n_rows"] * part["n_columns"] * 8 / 1e9,
        "peak, GB": peak_memory_gb(),
        "fit, s": fitted - start,
        "molecules from": what,
    }


def _with_forces(n: int | None, data: str | None) -> tuple[list[Atoms], str]:
    """Molecules of one kind of H, C, O with energies and forces."""
    from ase.build import molecule
    from ase.calculators.singlepoint import SinglePointCalculator

    if data is not None:
        from linvop.io.structures import read

        path = Path(data) / "rmd17_aspirin" / "train.xyz"
        if not path.is_file():
            raise InputError(f"{data}: expected rmd17_aspirin/train.xyz in it")
        frames = read(path)
        return frames[: n or -(-_ROWS_OF_FORCES // (1 + 3 * len(frames[0])))], "rMD17 aspirin"
    one, rng = molecule("CH3CH2OH"), np.random.default_rng(0)
    frames = []
    for _ in range(n or -(-_ROWS_OF_FORCES // (1 + 3 * len(one)))):
        atoms = one.copy()
        atoms.positions += 0.05 * rng.normal(size=atoms.positions.shape)
        away = atoms.positions[:, None] - atoms.positions
        r = np.linalg.norm(away, axis=2) + np.eye(len(atoms))
        pull = np.exp(-r) * (1 - np.eye(len(atoms))) / r
        forces = np.einsum("ij,ijx->ix", pull, away)  # of sum exp(-r) over pairs
        atoms.calc = SinglePointCalculator(atoms, energy=_made_energy(atoms), forces=forces)
        frames.append(atoms)
    return frames, "distorted ethanol; made labels"


def molecules_with_energies(n: int, data: str | None) -> tuple[list[Atoms], str]:
    r"""The first n molecules of QM7, or made ones, with energies, and what they are."""
    if data is None:
        frames = own_molecules(n)
        for atoms in frames:
            atoms.info["energy"] = _made_energy(atoms)
        return frames, f"distorted G2 molecules of {', '.join(ELEMENTS)}; made labels"
    from linvop.io.structures import read

    path = Path(data) / "qm7" / "qm7_7101.xyz.gz"
    if not path.is_file():
        raise InputError(f"{data}: expected qm7/qm7_7101.xyz.gz in it")
    frames = read(path, keys={"energy": "ae_pbe0_kcal"}, units={"energy": "kcal/mol"})
    return frames[:n], "QM7, atomisation energies"


def _made_energy(atoms: Atoms) -> float:
    """A smooth function of the distances, of the size of a total energy: its value is no matter."""
    distances = atoms.get_all_distances()[np.triu_indices(len(atoms), 1)]
    return float(-30.0 * atoms.numbers.sum() + np.exp(-distances).sum())
