r"""Accuracy on published data, beside peers with the same solver, split and run.

Data. A folder with ``water_monomer/water_monomer_1000.xyz`` (distorted waters with CCSD
energies, dipoles and polarisabilities; `dup_of` marks copies), ``rmd17_ethanol/train.xyz`` and
``test.xyz`` (rMD17, energies in eV, forces in eV/Angstrom), `rmd17_aspirin` the same, `3bpa` with
``train_300K.xyz``, and ``qm7/qm7_7101.xyz.gz`` (QM7 geometries with PBE0
atomisation energies, kcal/mol, under ``ae_pbe0_kcal``).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from linvop.bench.ace import MISSING, ace_python, ace_versions
from linvop.bench.ethanol import measure_ethanol
from linvop.bench.force_fits import FORCE_SETS, measure_forces
from linvop.bench.machine import describe_machine, peak_memory_gb
from linvop.bench.qm7 import measure_qm7
from linvop.bench.tables import Report, Table
from linvop.bench.water import measure_water
from linvop.errors import InputError

__all__ = ["ALL_PARTS", "PARTS", "measure_accuracy"]

PARTS = ("water", "ethanol", "qm7-1000", "qm7-5000")
"""What is measured unless said otherwise; besides there are `FORCE_SETS`."""

ALL_PARTS = (*PARTS, *FORCE_SETS)

_FILES = {
    "water": ("water_monomer/water_monomer_1000.xyz",),
    "ethanol": ("rmd17_ethanol/train.xyz",),
    **{name: (one.train,) for name, one in FORCE_SETS.items()},
    "qm7": ("qm7/qm7_7101.xyz.gz", "qm7/qm7_7101.xyz"),
}


def measure_accuracy(
    data: str | Path,
    only: Sequence[str] = PARTS,
    *,
    ace: str | None = None,
    seed: int = 0,
    say: Callable[[str], None] | None = None,
) -> Report:
    r"""All accuracy figures.

    Parameters
    ----------
    data : path
        The folder that the module's docstring describes.
    only : sequence of str
        Of `ALL_PARTS`.
    ace : str, optional
        A Python that has ace-jax, for the rows of linear ACE. Default: this one, if it has; they
        are left out, with one line that says so, if it has not.
    seed : int
        Of the splits.
    say : callable, optional
        Called with the name of each fit as it begins.

    Raises
    ------
    InputError
        For an unknown part, a missing file, featomic missing when energies are compared with it, or
        ace-jax missing in the Python named.
    """
    unknown = [part for part in only if part not in ALL_PARTS]
    if unknown or not only:
        raise InputError(f"only: expected some of {', '.join(ALL_PARTS)}, got {', '.join(unknown)}")
    # All files first: nothing is worse than an error after ten minutes.
    paths = {
        part: _find(Path(data), part if part in FORCE_SETS else part.split("-")[0]) for part in only
    }
    without = {"water", *(name for name, one in FORCE_SETS.items() if not one.ace)}
    python = ace_python(ace) if set(only) - without else None
    if python is None and say is not None and set(only) - without:
        say(MISSING)
    tables: list[Table] = []
    for part, path in paths.items():
        if part == "water":
            tables.append(measure_water(path, seed=seed, say=say))
        elif part in FORCE_SETS:
            tables.append(measure_forces(part, data, ace=python, seed=seed, say=say))
        elif part == "ethanol":
            tables.append(measure_ethanol(path.parent, ace=python, say=say))
        else:
            size = int(part.split("-")[1])
            tables.append(measure_qm7(path, size, ace=python, seed=seed, say=say))
    machine = describe_machine("featomic")
    if python is not None:
        machine |= ace_versions(python)
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
