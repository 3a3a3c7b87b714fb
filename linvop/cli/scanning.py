r"""``linvop scan``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from linvop.cli.session import guarded, print_json, print_tables, progress_bar

__all__ = ["SCAN_HELP", "scan_command"]

SCAN_HELP = """Fit a grid of Basis parameters by cross-validation; write scan.json and scan.png.

The file is that of linvop fit, with lists in a section [scan]; each combination of their values
is fitted to the training structures, and [basis] gives the rest. Test structures are not looked
at. A setting that is finished is kept (scan.parts): after Ctrl-C or a crash the same command goes
on where it stopped, and a larger grid uses what is there.

\b
[data]
train = "train.xyz"
[scan]
ao = ["sto-3g", "6-31g"]
kappa = [2, 3]
screening = ["none", 0.3]
max_degree = [["none", 1], ["none", 6]]  # with nu = 2 in [basis]; 1 is too small for products
folds = "loo"                  # or a number of folds
max_columns = 20000            # leave out settings with more
[basis]
metric = "lowdin"
nu = 2
[targets]
energy = {}                    # not forces: compare by energies, then fit with them
[output]
dir = "scan"
"""


def scan_command(
    config: Annotated[Path, typer.Argument(metavar="CONFIG", help="TOML file.")],
    workers: Annotated[
        int | None, typer.Option(min=1, help="Threads of the fits; default: all cores.")
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Replace files that exist.")] = False,
    json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Fit a grid of Basis parameters by cross-validation; write scan.json and scan.png."""
    with guarded("settings done so far are kept; run the same command again to go on"):
        from linvop.report import data_lines
        from linvop.scan.runner import OUTPUTS, run_scan
        from linvop.scan.settings import read_scan
        from linvop.scan.table import left_out_lines, scan_table

        scan = read_scan(config)
        with progress_bar() as progress:
            result = run_scan(scan, force=force, workers=workers, progress=progress)
        if json:
            print_json(result)
            return
        print_tables([scan_table(result), *left_out_lines(result), *data_lines(result)])
        typer.echo(f"wrote {scan.fit.output}: {', '.join(OUTPUTS)}")
