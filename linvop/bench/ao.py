r"""AO basis sets beside each other: error by leave-one-out against columns and time.

Data. A folder with ``water_monomer/``, ``qm7/`` (as `linvop.bench.accuracy`) and
``rmd17_ethanol/train.xyz`` (extended XYZ with ``energy`` in eV). Every row of every table is one
setting of `linvop scan`; test structures play no part.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from linvop.bench.machine import describe_machine
from linvop.bench.tables import Report, Table
from linvop.errors import InputError

__all__ = ["SCANS", "measure_ao"]

_SETS = [
    "sto-3g",
    "coreless-sto-3g",
    "6-31g",
    "coreless-6-31g",
    "pcseg-0",
    "def2-svp",
    "coreless-def2-svp",
    "cc-pvdz",
    "et-2s1p",
    "et-3s2p",
    "linvop-sv",
    "linvop-svp",
]
_TUNED = [
    f"et-2s/3s2p(alpha0={alpha0},beta={beta})" for alpha0 in (0.15, 0.2, 0.3) for beta in (3, 4, 5)
]
_SHAPES = [
    f"et-{shape}"
    for shape in (
        *("2s/2s1p", "2s/3s1p", "2s/2s2p", "2s/3s2p", "3s/3s2p", "2s/4s2p", "2s/3s3p"),
        *("2s/3s2p1d", "2s1p/3s2p", "2s1p/3s2p1d"),
    )
]
_OPTIONS = {
    "ao": ["6-31g", "linvop-sv"],
    "metric": ["ao", "lowdin", "overlap"],
    "screening": ["none", 0.3, 1.0],
}
_WATER = {
    "data": {
        "train": "water_monomer/water_monomer_1000.xyz",
        "n_train": 500,
        "keys": {"energy": "energy_Ha", "dipole": "dipole_au"},
        "units": {"energy": "Hartree", "dipole": "au"},
    },
    "targets": {"energy": {}, "dipole": {}},
}
_QM7 = {
    "data": {
        "train": "qm7/qm7_7101.xyz.gz",
        "n_train": 1000,
        "keys": {"energy": "ae_pbe0_kcal"},
        "units": {"energy": "kcal/mol"},
    },
    "targets": {"energy": {}},
}
_ETHANOL = {"data": {"train": "rmd17_ethanol/train.xyz"}, "targets": {"energy": {}}}
_LIMITS = {"max_columns": 22000, "n_timed": 20}


def _sets(data: Mapping[str, Any], **basis: Any) -> dict[str, Any]:
    return {**data, "scan": {"ao": _SETS, "kappa": [2, 3], **_LIMITS}, "basis": basis}


def _even(data: Mapping[str, Any], sets: list[str], **basis: Any) -> dict[str, Any]:
    return {**data, "scan": {"ao": sets, **_LIMITS}, "basis": {"kappa": 3, **basis}}


def _options(data: Mapping[str, Any]) -> dict[str, Any]:
    return {**data, "scan": {**_OPTIONS, **_LIMITS}, "basis": {"kappa": 3}}


def _products(data: Mapping[str, Any], **basis: Any) -> dict[str, Any]:
    """Products of two site features; degree 1 is too small for any."""
    degrees = [["none", d] for d in (1, 5, 6, 7, 8)]
    fixed = {"ao": "linvop-sv", "metric": "lowdin", "nu": 2, **basis}
    limits = {**_LIMITS, "max_columns": 60000}
    return {**data, "scan": {"kappa": [1, 2, 3], "max_degree": degrees, **limits}, "basis": fixed}


SCANS: dict[str, tuple[str, dict[str, Any]]] = {
    "water": ("Water monomers, CCSD: AO sets", _sets(_WATER, metric="lowdin")),
    "ethanol": ("rMD17 ethanol: AO sets", _sets(_ETHANOL, metric="lowdin")),
    "qm7": ("QM7: AO sets", _sets(_QM7, metric="lowdin", screening=0.3)),
    "ethanol_exponents": (
        "rMD17 ethanol: exponents of an even-tempered set",
        _even(_ETHANOL, _TUNED, metric="lowdin"),
    ),
    "qm7_exponents": (
        "QM7: exponents of an even-tempered set",
        _even(_QM7, _TUNED, metric="lowdin", screening=0.3),
    ),
    "ethanol_shapes": (
        "rMD17 ethanol: shells of an even-tempered set",
        _even(_ETHANOL, _SHAPES, metric="lowdin"),
    ),
    "qm7_shapes": (
        "QM7: shells of an even-tempered set",
        _even(_QM7, _SHAPES, metric="lowdin", screening=0.3),
    ),
    "ethanol_options": ("rMD17 ethanol: metric and screening", _options(_ETHANOL)),
    "qm7_options": ("QM7: metric and screening", _options(_QM7)),
    "ethanol_products": ("rMD17 ethanol: products of two site features", _products(_ETHANOL)),
    "qm7_products": ("QM7: products of two site features", _products(_QM7, screening=0.3)),
}
"""Title and configuration of each scan."""


def measure_ao(
    data: str | Path,
    work: str | Path,
    only: Sequence[str] = tuple(SCANS),
    *,
    workers: int | None = None,
    progress: Callable[[str, int, int], None] | None = None,
) -> Report:
    r"""Run scans; each goes on from what is finished in its folder.

    Parameters
    ----------
    data : path
        The folder that the module's docstring describes.
    work : path
        Each scan writes into its own folder there; what it wrote before is replaced.
    only : sequence of str
        Of `SCANS`.
    workers : int, optional
        Threads of the fits.
    progress : callable, optional

    Raises
    ------
    InputError
        For an unknown scan or a missing file, before any work.
    """
    from linvop.scan.runner import run_scan
    from linvop.scan.settings import checked_scan

    unknown = [name for name in only if name not in SCANS]
    if unknown or not only:
        raise InputError(f"only: expected some of {', '.join(SCANS)}, got {', '.join(unknown)}")
    folder = Path(data).absolute()
    configs = {}
    for name in only:
        tree = SCANS[name][1] | {"output": {"dir": str(Path(work).absolute() / name)}}
        configs[name] = checked_scan(folder / f"scan {name}", tree)
        if not Path(configs[name].fit.train).is_file():
            raise InputError(f"{folder}: expected {tree['data']['train']} in it")
    results = {
        name: run_scan(config, force=True, workers=workers, progress=progress)
        for name, config in configs.items()
    }
    return Report(describe_machine(), [_table(name, r) for name, r in results.items()])


def _table(name: str, result: Mapping[str, Any]) -> Table:
    from linvop.scan.table import left_out_lines, scan_lines

    basis, solver = SCANS[name][1]["basis"], result["solver"]
    rest = ", ".join(f"{key} {value}" for key, value in basis.items())
    notes = [
        f"{result['n_train']} structures, {result['validation']}; {rest}, otherwise "
        f"the defaults of Basis; {solver}. Figure: [scan_{name}.png](scan_{name}.png).",
        *left_out_lines(result),
    ]
    return Table(f"ao-{name}", SCANS[name][0], scan_lines(result), notes)
