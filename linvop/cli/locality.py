r"""``linvop locality``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from linvop.cli.session import guarded, print_json, print_tables, progress_bar
from linvop.errors import InputError

__all__ = ["LOCALITY_HELP", "locality_command"]

LOCALITY_HELP = """How local V, Fock and density matrices are; write JSON, CSV and PNG.

Two measurements: the norm of the block of each pair of atoms against their distance, between
atomic and between Lowdin orbitals; and how far orbital energies, dipole and charges move when the
blocks of F, or of P, beyond a cutoff are set to zero, between either. F is cut, or only what it
adds to superposed atomic potentials, and diagonalised; P is looked at as it is and purified.

Without DATA the shipped waters are taken, whose longest distance is 2 Angstrom. Structures
without labels (xyz) have block norms of V only; linvop label gives them F and P.
"""


def locality_command(
    data: Annotated[
        str, typer.Argument(metavar="DATA", help="A data set (.h5), or structures.")
    ] = "shipped:water",
    cutoffs: Annotated[
        str | None,
        typer.Option(metavar="R,R,...", help="Angstrom; default: even steps over all distances."),
    ] = None,
    out: Annotated[Path, typer.Option(metavar="DIR", help="Where to write.")] = Path(
        "linvop-locality"
    ),
    n: Annotated[
        int, typer.Option("--n", min=1, help="Structures, evenly spread over the file.")
    ] = 20,
    ao: Annotated[
        str | None,
        typer.Option(help="AO basis for structures without matrices; default def2-svp."),
    ] = None,
    xc: Annotated[
        str | None,
        typer.Option(help="Functional: adds energies and orbital energies of P. Takes minutes."),
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Replace files that exist.")] = False,
    json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """How local V, Fock and density matrices are; write JSON, CSV and PNG."""
    with guarded("nothing was written"):
        from linvop.locality.runner import locality_outputs, run_locality
        from linvop.locality.settings import LocalityConfig
        from linvop.report import truncation_tables

        config = LocalityConfig(data, out, _distances(cutoffs), n, ao, xc)
        with progress_bar() as progress:
            result = run_locality(config, force=force, progress=progress)
        if json:
            print_json(result)
            return
        print_tables(truncation_tables(result))
        names = locality_outputs(bool(result["truncation"]))
        typer.echo(f"wrote {out}: {', '.join(names)}")


def _distances(text: str | None) -> tuple[float, ...] | None:
    """``"2,3,4.5"`` as numbers, ascending."""
    if text is None:
        return None
    try:
        return tuple(sorted({float(x) for x in text.split(",")}))
    except ValueError:
        raise InputError(
            f"--cutoffs {text}: expected distances in Angstrom such as 2,3,4.5"
        ) from None
