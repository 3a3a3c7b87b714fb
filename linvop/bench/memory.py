r"""Peak memory of a fit as large as QM7 with a full basis, in a process of its own."""

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

__all__ = ["LARGEST_GB", "fit_here", "measure_memory"]

LARGEST_GB = 6.0
"""The target."""

_BASIS = {"ao": "def2-svp", "kappa": 2, "sources": "species", "metric": "lowdin"}
"""22730 columns of lam = 0 for H, C, N, O, S: the least setting above 21000."""


def measure_memory(n: int = 7101, data: str | None = None) -> Report:
    r"""Fit energies of `n` molecules in a new process and report its peak memory.

    Parameters
    ----------
    n : int
        Number of molecules.
    data : str, optional
        A folder with ``qm7/qm7_7101.xyz.gz``; by default molecules and labels are made.

    Raises
    ------
    InputError
        If the fit fails; the message ends with what the process said.
    """
    command = [sys.executable, "-m", "linvop.bench", "memory", "--here", "--json", "--n", str(n)]
    if data is not None:
        command += ["--data", data]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        said = (done.stderr.strip() or done.stdout.strip()).splitlines()
        raise InputError(f"memory: the fit ended with {done.returncode}: {' '.join(said[-3:])}")
    row = json.loads(done.stdout)
    settings = ", ".join(f"{k} {v}" for k, v in _BASIS.items())
    notes = [
        f"PropertyModel.fit and predict of energies in a process of its own; {settings}.",
        f"Molecules: {row.pop('molecules from')}.",
        "`design` is the one float64 array of the design; peak is the largest resident memory.",
    ]
    row["target, GB"] = LARGEST_GB
    row["met"] = verdict(row["peak, GB"], LARGEST_GB)
    return Report(describe_machine(), [Table("memory", "Memory", [row], notes)])


def fit_here(n: int, data: str | None = None) -> dict[str, Any]:
    r"""Fit in this process and return sizes, seconds and peak memory."""
    from linvop.features.basis import Basis
    from linvop.models.property import PropertyModel

    frames, what = _molecules(n, data)
    model = PropertyModel(Basis(**_BASIS), targets="energy")  # type: ignore[arg-type]
    start = perf_counter()
    model.fit(frames)
    fitted = perf_counter()
    model.predict_arrays(frames[:1000])
    (part,) = model.report()["parts"]["energy"].values()
    return {
        "molecules": len(frames),
        "columns": part["n_columns"],
        "design, GB": len(frames) * part["n_columns"] * 8 / 1e9,
        "peak, GB": peak_memory_gb(),
        "fit, s": fitted - start,
        "molecules from": what,
    }


def _molecules(n: int, data: str | None) -> tuple[list[Atoms], str]:
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
