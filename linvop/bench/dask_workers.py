r"""Two Dask workers of one thread beside one process of one thread: rows and their triangle."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from time import perf_counter
from typing import Any

import numpy as np

from linvop.bench.machine import describe_machine
from linvop.bench.memory import molecules_with_energies
from linvop.bench.tables import Report, Table, verdict
from linvop.errors import InputError

__all__ = ["LEAST_SPEED_UP", "assemble_here", "measure_dask"]

LEAST_SPEED_UP = 1.7
"""The target, two workers over one process."""

_BASIS = {"ao": "def2-svp", "kappa": 2, "metric": "lowdin"}
_CHUNK = 50

_ONE_THREAD = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1")


def measure_dask(n: int = 7101, data: str | None = None, rounds: int = 3) -> Report:
    r"""Time the first pass of a fit of energies of QM7 without and with workers.

    Parameters
    ----------
    n : int
        Molecules.
    data : str, optional
        A folder with ``qm7/qm7_7101.xyz.gz``; by default molecules are made.
    rounds : int
        Turns of which medians are taken.

    Raises
    ------
    InputError
        If dask is not installed, or the measurement ends with an error.
    """
    try:
        import distributed  # noqa: F401
    except ImportError as error:
        raise InputError("dask: needs dask: pip install 'linvop[dask]'") from error
    command = [sys.executable, "-m", "linvop.bench", "dask", "--here", "--json", "--n", str(n)]
    command += ["--rounds", str(rounds)] + (["--data", data] if data is not None else [])
    environment = {**os.environ, **_ONE_THREAD}
    done = subprocess.run(command, capture_output=True, text=True, env=environment)
    if done.returncode:
        said = (done.stderr.strip() or done.stdout.strip()).splitlines()
        raise InputError(f"dask: ended with {done.returncode}: {' '.join(said[-3:])}")
    found = json.loads(done.stdout)
    rows = [
        {"what": "one process of one thread", "s": found["one"], "speed-up": 1.0},
        {"what": "two workers of one thread", "s": found["two"]},
    ]
    rows[1]["speed-up"] = found["one"] / found["two"]
    for row, met in zip(rows, ("", verdict(-rows[1]["speed-up"], -LEAST_SPEED_UP)), strict=True):
        row["target"], row["met"] = (LEAST_SPEED_UP, met) if met else (None, None)
    settings = ", ".join(f"{k} {v}" for k, v in _BASIS.items())
    notes = [
        f"Features of {found['molecules']} molecules ({found['from']}) and the triangle of their "
        f"{found['rows']} rows x {found['columns']} columns, {_CHUNK} molecules at a time; "
        f"{settings}. Wall time, medians of {rounds} turns; the workers have started before, the "
        "triangle comes back.",
        f"Largest difference of the two triangles' R^T R, of the largest: {found['apart']:.1e}.",
    ]
    return Report(describe_machine(), [Table("dask", "Dask", rows, notes)])


def assemble_here(n: int, data: str | None, rounds: int) -> dict[str, Any]:
    """Both measurements, in turns, in this process and its workers."""
    from distributed import Client, LocalCluster

    from linvop.distributed import DaskLots
    from linvop.features.basis import Basis
    from linvop.models.feature_rows import FeatureRows
    from linvop.regression.streamed_lots import RowTargets, factor_of_lots

    frames, what = molecules_with_energies(n, data)
    species = sorted({s for a in frames for s in a.get_chemical_symbols()})
    features = Basis(**_BASIS).compile(species, ((0, 1),), "structure")  # type: ignore[arg-type]

    def given(some: list) -> tuple[FeatureRows, RowTargets]:
        source = FeatureRows(features, some, _CHUNK, workers=1)
        rows = source.shape[0]
        ones = np.ones(rows)
        y, groups = np.zeros((rows, 1)), np.arange(rows)
        span = ones[:, None] / np.sqrt(rows)
        kinds, sizes = np.zeros(rows, int), np.ones(rows, int)
        return source, RowTargets(y, span, ones, np.ones(rows, bool), groups, sizes, kinds)

    times: dict[str, list[float]] = {"one": [], "two": []}
    with (
        LocalCluster(n_workers=2, threads_per_worker=1, dashboard_address=None) as cluster,
        Client(cluster) as client,
    ):
        lots = DaskLots(client)
        few, everything = given(frames[: 8 * _CHUNK]), given(frames)
        here = factor_of_lots(*few, range(few[0].n_lots))  # plans and compiled code, everywhere
        lots.factor(*few)
        for _ in range(rounds):
            start = perf_counter()
            here = factor_of_lots(*everything, range(everything[0].n_lots))
            middle = perf_counter()
            there = lots.factor(*everything)
            times["one"].append(middle - start)
            times["two"].append(perf_counter() - middle)
    a, b = (x.factors[0].R.T @ x.factors[0].R for x in (here, there))
    return {
        **{name: float(np.median(seconds)) for name, seconds in times.items()},
        "molecules": len(frames),
        "from": what,
        "rows": everything[0].shape[0],
        "columns": everything[0].shape[1],
        "apart": float(np.abs(a - b).max() / np.abs(a).max()),
    }
