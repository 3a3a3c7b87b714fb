r"""How long the float tables of couplings take: made the first time, then read from the disk."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile

from linvop.bench.tables import Table, verdict
from linvop.errors import InputError

__all__ = ["LARGEST", "coupling_tables_table"]

LARGEST = {"made": 20.0, "from the disk cache": 0.2}
"""Largest accepted seconds."""

_L, _N, _LAM, _COUPLED = 6, 4, 12, 12

_CODE = """
import sys
from linvop.angular.tables import power_table, sparse_coupling
from time import process_time
l_max, n_max, lam_max, coupled = map(int, sys.argv[1:])
start = process_time()
for l in range(l_max + 1):
    for n in range(1, n_max + 1):
        for lam in range(min(lam_max, l * n) + 1):
            power_table(l, n, lam)
for l1 in range(coupled + 1):
    for l2 in range(coupled + 1):
        for lam in range(abs(l1 - l2), min(l1 + l2, coupled) + 1):
            sparse_coupling(l1, l2, lam)
print(process_time() - start)
"""


def coupling_tables_table(
    l_max: int = _L, n_max: int = _N, lam_max: int = _LAM, coupled: int = _COUPLED
) -> Table:
    r"""Ask two new processes, with one empty cache folder, for the same tables.

    Parameters
    ----------
    l_max, n_max, lam_max : int
        Symmetric powers of l <= l_max, to the power n <= n_max, of lam <= lam_max.
    coupled : int
        Couplings of irreps up to this.

    Raises
    ------
    InputError
        If a process fails; the message ends with what it said.
    """
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        for what, largest in LARGEST.items():
            seconds = _seconds(folder, (l_max, n_max, lam_max, coupled))
            met = verdict(seconds, largest)
            rows.append({"tables": what, "seconds": seconds, "target": largest, "met": met})
    note = (
        f"Symmetric powers of l <= {l_max}, n <= {n_max}, lam <= {lam_max} and couplings of "
        f"l1, l2, lam <= {coupled}: all of them, in a new process with an empty cache folder, and "
        "in another after it. CPU time (the wall time of an idle machine) without the imports."
    )
    return Table("coupling-tables", "Tables of couplings", rows, [note])


def _seconds(folder: str, limits: tuple[int, ...]) -> float:
    done = subprocess.run(
        [sys.executable, "-c", _CODE, *map(str, limits)],
        capture_output=True,
        text=True,
        env=os.environ | {"LINVOP_CACHE_DIR": folder},
    )
    if done.returncode:
        said = done.stderr.strip().splitlines()[-1:] or ["nothing"]
        raise InputError(f"coupling tables: ended with {done.returncode} and said {said[0]}")
    return float(done.stdout)
