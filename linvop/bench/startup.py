r"""How long a user waits: for imports, the command line, and first results in a new process."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory
from time import perf_counter
from typing import TYPE_CHECKING

import numpy as np

from linvop.bench.tables import Table, verdict
from linvop.errors import InputError

if TYPE_CHECKING:
    from ase import Atoms

__all__ = ["first_features", "first_forces", "startup_table"]

_Command = tuple[tuple[str, ...], float | None]
"""Arguments of Python, and the largest accepted time in seconds."""

_COMMANDS: dict[str, _Command] = {
    "python, nothing imported": (("-c", "pass"), None),
    "import linvop": (("-c", "import linvop"), 0.3),
    "linvop --help": (("-m", "linvop", "--help"), 0.5),
}

_FIRST = 1.0
"""Largest accepted time to first results."""

_UNTIL = "import os; from linvop.bench import startup; startup.{call}; os._exit(0)"
"""Up to the results, without Python's clearing up."""


def startup_table(runs: int = 7) -> Table:
    r"""Wall times of new processes, medians.

    Parameters
    ----------
    runs : int
        Processes of each kind; one more comes first, after which compiled code is on the disk.

    Raises
    ------
    InputError
        If one of them fails; the message ends with what it said.
    """
    with TemporaryDirectory() as folder:
        model = Path(folder) / "model.h5"
        _save_model(model)
        first = {
            "first features of a molecule": "first_features()",
            "first energy and forces of a model": f"first_forces({str(model)!r})",
        }
        commands = _COMMANDS | {
            name: (("-c", _UNTIL.format(call=call)), _FIRST) for name, call in first.items()
        }
        rows = [_row(name, command, runs) for name, command in commands.items()]
    notes = [
        f"Wall time of a new process, Python's own start included; median of {runs} after one "
        "more, so that compiled code is on the disk. First results: up to these, without what "
        "Python clears up in the end.",
        "Features: all site features of ethanol, def2-svp, kappa 3, resolution shell, metric ao, "
        "from `Basis` to arrays. Energy and forces: of ethanol, from a file of a model in "
        "linvop-sv, kappa 2, metric lowdin.",
    ]
    return Table("start", "Starting", rows, notes)


def first_features() -> None:
    r"""Site features of ethanol, as the first thing that a process does."""
    from linvop.features.basis import Basis

    Basis(ao="def2-svp", kappa=3).evaluate(_ethanol())


def first_forces(model: str) -> None:
    r"""Energy and forces of ethanol from a model's file, as the first thing a process does."""
    from linvop.calculator import Calculator

    atoms = _ethanol()
    atoms.calc = Calculator(model)
    atoms.get_potential_energy()
    atoms.get_forces()


def _ethanol() -> Atoms:
    """Written out, since `ase.build` takes long to import."""
    from ase import Atoms

    heavy = [[1.19, -0.38, 0.0], [0.0, 0.55, 0.0], [-1.19, -0.25, 0.0]]
    hydrogen = [[-1.92, 0.39, 0.0], [2.10, 0.22, 0.0]]
    hydrogen += [[1.12, -1.01, z] for z in (0.89, -0.89)]
    hydrogen += [[-0.02, 1.18, z] for z in (0.89, -0.89)]
    return Atoms("C2OH6", heavy + hydrogen)


def _save_model(path: Path) -> None:
    """Fit a small model to the energies of springs at the atoms."""
    from ase.calculators.singlepoint import SinglePointCalculator

    from linvop.features.basis import Basis
    from linvop.models.property import PropertyModel
    from linvop.regression.ridge import Ridge

    rng, frames = np.random.default_rng(0), []
    for _ in range(10):
        atoms = _ethanol()
        moved = 0.05 * rng.normal(size=atoms.positions.shape)
        atoms.positions += moved
        atoms.calc = SinglePointCalculator(atoms, energy=float((moved**2).sum()))
        frames.append(atoms)
    basis = Basis(ao="linvop-sv", kappa=2, metric="lowdin")
    PropertyModel(basis, solver=Ridge(alpha=1e-3)).fit(frames).save(path)


def _row(name: str, command: _Command, runs: int) -> dict[str, object]:
    arguments, largest = command
    seconds = float(np.median([_seconds(name, arguments) for _ in range(runs + 1)][1:]))
    met = verdict(seconds, largest)
    return {"what": name, "seconds": seconds, "target": largest, "met": met}


def _seconds(name: str, arguments: tuple[str, ...]) -> float:
    start = perf_counter()
    done = subprocess.run([sys.executable, *arguments], capture_output=True, text=True)
    seconds = perf_counter() - start
    if done.returncode:
        said = done.stderr.strip().splitlines()[-1:] or ["nothing"]
        raise InputError(f"{name}: ended with {done.returncode} and said {said[0]}")
    return seconds
