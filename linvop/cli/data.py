r"""``linvop label``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from linvop.cli.session import guarded, print_json, progress_bar
from linvop.errors import InputError

__all__ = ["label_command"]


def label_command(
    structures: Annotated[Path, typer.Argument(metavar="IN", help="Structures.")],
    out: Annotated[Path, typer.Argument(metavar="OUT", help="Data set to write (.h5).")],
    method: Annotated[str, typer.Option(help="rks, uks, rhf, uhf or auto.")] = "rks",
    xc: Annotated[str, typer.Option(help="Functional, as PySCF names it.")] = "pbe",
    ao: Annotated[str, typer.Option(help="AO basis of the calculation.")] = "def2-svp",
    quantities: Annotated[
        str, typer.Option(help="With commas between; default: all that linvop knows.")
    ] = "",
    n_matrices: Annotated[
        int | None, typer.Option(min=0, help="Keep matrices of the first N structures only.")
    ] = None,
    grid_level: Annotated[
        int, typer.Option(min=0, max=9, help="Of the functional's grid; PySCF's default is 3.")
    ] = 4,
    workers: Annotated[
        int | None, typer.Option(min=1, help="Processes; default: one for each core.")
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Replace OUT.")] = False,
    json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Label structures with PySCF: energy, forces, dipole, Fock, density, overlap ...

    Each structure is kept as soon as it is done: after Ctrl-C or a crash the same command
    goes on where it stopped. What does not converge is left out and listed. Charge and spin
    of a structure: charge=1 multiplicity=2 (2 S + 1) in its comment line; default 0, lowest.
    """
    with guarded("labels done so far are kept; run the same command again to go on"):
        from linvop.labelling import QUANTITIES, label

        chosen = tuple(q.strip() for q in quantities.split(",") if q.strip()) or QUANTITIES
        with progress_bar() as progress:
            report = label(
                structures,
                out,
                method=method,
                xc=xc,
                ao=ao,
                quantities=chosen,
                n_matrices=n_matrices,
                grid_level=grid_level,
                workers=workers,
                force=force,
                progress=lambda done, total: progress("structures", done, total),
            )
        if json:
            print_json(
                {
                    "path": str(report.path),
                    "n_structures": report.n_structures,
                    "n_labelled": report.n_labelled,
                    "n_resumed": report.n_resumed,
                    "failed": [list(item) for item in report.failed],
                    "seconds": report.seconds,
                    "settings": report.settings,
                }
            )
        else:
            resumed = f", {report.n_resumed} of them before" if report.n_resumed else ""
            typer.echo(
                f"{report.path}: {report.n_labelled} of {report.n_structures} structures "
                f"labelled{resumed}, {report.seconds:.0f} s"
            )
            for index, reason in report.failed:
                typer.echo(f"left out: structure {index}: {reason}")
        if not report.n_labelled:
            raise InputError(f"{structures}: no structure could be labelled")
