r"""The application: its commands in the order in which one meets them."""

from __future__ import annotations

from typing import Annotated

import typer

import linvop
from linvop.bench.cli import app as bench_app
from linvop.cli.data import label_command
from linvop.cli.evaluate import evaluate_command
from linvop.cli.locality import LOCALITY_HELP, locality_command
from linvop.cli.looking import inspect_command
from linvop.cli.models import (
    FIT_HELP,
    export_command,
    fit_command,
    predict_command,
    quickstart_command,
)
from linvop.cli.reproducing import REPRODUCE_HELP, data_command, reproduce_command
from linvop.cli.scanning import SCAN_HELP, scan_command

__all__ = ["app", "main"]

app = typer.Typer(
    help="Linear models of molecules from the external potential.",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
)


def _version(asked: bool) -> None:
    if asked:
        typer.echo(f"linvop {linvop.__version__}")
        raise typer.Exit


@app.callback(epilog="Start with: linvop quickstart")
def _root(
    version: Annotated[
        bool,
        typer.Option("--version", callback=_version, is_eager=True, help="Print the version."),
    ] = False,
) -> None:
    pass


app.command("quickstart", epilog="Example: linvop quickstart --dir first-model")(quickstart_command)
app.command(
    "label", epilog="Example: linvop label water.xyz water.h5 --xc pbe --ao def2-svp --workers 2"
)(label_command)
app.command("fit", help=FIT_HELP, epilog="Example: linvop fit fits/water/config.toml --force")(
    fit_command
)
app.command("scan", help=SCAN_HELP, epilog="Example: linvop scan scan.toml")(scan_command)
app.command("predict", epilog="Example: linvop predict model.h5 new.xyz predicted.xyz")(
    predict_command
)
app.command(
    "evaluate",
    epilog="Example: linvop evaluate model.h5 test.xyz --key energy=energy_Ha "
    "--unit energy=Hartree --plot plots",
)(evaluate_command)
app.command("export", epilog="Example: linvop export model.h5 model.deploy.h5")(export_command)
app.command("inspect", epilog="Example: linvop inspect model.h5")(inspect_command)
app.command(
    "locality",
    help=LOCALITY_HELP,
    epilog="Example: linvop locality ethanol.h5 --cutoffs 2,3,4,5 --n 50 --out locality",
)(locality_command)
app.command(
    "reproduce",
    help=REPRODUCE_HELP,
    epilog="Example: linvop reproduce long_range --quick --out first-look",
)(reproduce_command)
app.command("data", epilog="Example: linvop data ~/data")(data_command)
app.add_typer(bench_app, name="bench")


def main() -> None:
    """Entry point of the command ``linvop``."""
    app()
