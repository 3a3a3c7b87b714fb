r"""``linvop reproduce`` and ``linvop data``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from linvop.cli.session import guarded, print_json
from linvop.errors import InputError

__all__ = ["REPRODUCE_HELP", "data_command", "reproduce_command"]

REPRODUCE_HELP = """Measure the paper's figures and claims again.

Writes JSON, PNG and PDF of each study, and a table of claims and verdicts. NAME: locality,
degeneracy, long_range, message_passing, properties, operators, effective, beyond; none for all.
Labels are calculated with PySCF, kept in the user's cache folder (LINVOP_CACHE_DIR) and resumed
after Ctrl-C. Without --data all geometries are sampled here. Full runs take from minutes to hours;
--quick takes minutes for all.
"""


def reproduce_command(
    names: Annotated[
        list[str] | None, typer.Argument(metavar="[NAME]...", help="Studies; default: all.")
    ] = None,
    quick: Annotated[
        bool, typer.Option("--quick", help="Small: a check that everything runs.")
    ] = False,
    data: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Your data; linvop data checks it.")
    ] = None,
    out: Annotated[Path, typer.Option(metavar="DIR", help="Where to write.")] = Path(
        "linvop-reproduction"
    ),
    workers: Annotated[
        int | None, typer.Option(min=1, help="Processes for labels; default: one for each core.")
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Replace files that exist.")] = False,
    resume: Annotated[
        bool, typer.Option("--resume", help="Only studies that DIR has no results of.")
    ] = False,
    again: Annotated[
        bool, typer.Option("--redraw", help="Only draw again, of the JSON files in DIR.")
    ] = False,
    json: Annotated[bool, typer.Option("--json", help="Print the results as JSON.")] = False,
) -> None:
    """Measure the paper's figures and claims again."""
    with guarded("studies that were done are written; labels are kept"):
        from paper_reproduction.running import redraw, reproduce
        from paper_reproduction.study import Setting

        if again:
            if quick or data is not None:
                raise InputError("--redraw measures nothing: expected no --quick and no --data")
            typer.echo(f"drawn again in {out}: {', '.join(redraw(names or (), out))}")
            return

        def say(text: str) -> None:
            typer.echo(text, err=True)

        def done(result: dict) -> None:
            if not json:
                few = ", of few structures: no figures to quote" if quick else ""
                typer.echo(f"{result['name']} ({result['seconds']:.0f} s{few})")
                for claim in result["claims"]:
                    typer.echo(f"  {claim['verdict']} ({claim['source']}): {claim['text']}")
                    typer.echo(f"    {claim['found']}")

        setting = Setting(quick=quick, data=data, workers=workers, say=say)
        results = reproduce(names or (), setting, out, force=force, resume=resume, done=done)
        if json:
            print_json(results)
        else:
            typer.echo(f"wrote {out}: README.md, and pictures and numbers in figures")


def data_command(
    folder: Annotated[
        Path | None, typer.Argument(metavar="[DIR]", help="A folder to check.")
    ] = None,
    json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Data of others that linvop reproduce can use: where to get them; check a folder.

    Nothing is downloaded, and nothing here is needed: what is absent is sampled instead.
    """
    with guarded("nothing was written"):
        from dataclasses import asdict

        from paper_reproduction.external import AUTHORS, SETS, check_folder

        if folder is None:
            if json:
                print_json({name: asdict(one) for name, one in SETS.items()})
                return
            for name, one in SETS.items():
                keys = ", ".join(one.keys.values()) or "none"
                typer.echo(
                    f"{name}\n  what   {one.what}\n  file   DIR/{' or DIR/'.join(one.files)}\n"
                    f"  keys   {keys}\n  from   {one.source}\n  for    {one.used_by}"
                )
            typer.echo(f"\n{AUTHORS}\nlinvop data DIR checks a folder.")
            return
        states = check_folder(folder)
        if json:
            print_json([asdict(state) for state in states])
        else:
            for state in states:
                typer.echo(f"{state.state:9} {state.name}: {state.note}")
        if any(state.state == "wrong" for state in states):
            raise typer.Exit(2)
