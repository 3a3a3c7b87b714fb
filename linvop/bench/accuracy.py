r"""Accuracy on published data, beside a peer with the same solver, split and run.

Data. A folder with ``water_monomer/water_monomer_1000.xyz`` (distorted waters with CCSD
energies, dipoles and polarisabilities; `dup_of` marks copies) and ``qm7/qm7_7101.xyz.gz``
(QM7 geometries with PBE0 atomisation energies, kcal/mol, under ``ae_pbe0_kcal``).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from linvop.bench.machine import describe_machine, peak_memory_gb
from linvop.bench.qm7 import measure_qm7
from linvop.bench.tables import Report, Table
from linvop.bench.water import measure_water
from linvop.errors import InputError

__all__ = ["PARTS", "measure_accuracy"]

PARTS = ("water", "qm7-1000", "qm7-5000")
"""What can be measured."""

_FILES = {
    "water": ("water_monomer/water_monomer_1000.xyz",),
    "qm7": ("qm7/qm7_7101.xyz.gz", "qm7/qm7_7101.xyz"),
}


def measure_accuracy(
    data: str | Path,
    only: Sequence[str] = PARTS,
    *,
    seed: int = 0,
    say: Callable[[str], None] | None = None,
) -> Report:
    r"""All accuracy figures.

    Parameters
    ----------
    data : path
        The folder that the module's docstring describes.
    only : sequence of str
        Of `PARTS`.
    seed : int
        Of the splits.
    say : callable, optional
        Called with the name of each fit as it begins.

    Raises
    ------
    InputError
        For an unknown part, a missing file, or featomic missing when QM7 is asked for.
    """
    unknown = [part for part in only if part not in PARTS]
    if unknown or not only:
        raise InputError(f"only: expected some of {', '.join(PARTS)}, got {', '.join(unknown)}")
    # All files first: nothing is worse than an error after ten minutes.
    paths = {part: _find(Path(data), part.split("-")[0]) for part in only}
    tables: list[Table] = []
    for part, path in paths.items():
        if part == "water":
            tables.append(measure_water(path, seed=seed, say=say))
        else:
            tables.append(measure_qm7(path, int(part.split("-")[1]), seed=seed, say=say))
    machine = describe_machine("featomic")
    machine["peak memory of the run"] = f"{peak_memory_gb():.1f} GB"
    return Report(machine, tables)


def _find(folder: Path, name: str) -> Path:
    for candidate in _FILES[name]:
        if (folder / candidate).is_file():
            return folder / candidate
    raise InputError(
        f"{folder}: expected {' or '.join(_FILES[name])} in it (linvop/bench/README.md says "
        "what the files hold)"
    )
