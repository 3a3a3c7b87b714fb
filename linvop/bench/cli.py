r"""``linvop bench``: speed, accuracy, dynamics, AO sets, operators, memory, size, GPU."""

from __future__ import annotations

import json as json_module
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from linvop.errors import InputError

if TYPE_CHECKING:
    from linvop.bench.tables import Report

__all__ = ["app", "main"]

app = typer.Typer(
    help="Measure speed, accuracy and memory, each beside its yardstick.",
    epilog="Example: linvop bench speed",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
)

Json = Annotated[bool, typer.Option("--json", help="Print JSON instead of tables.")]
Write = Annotated[
    Path | None,
    typer.Option(help="Also put the tables into this Markdown file, in place of older ones."),
]

_PERFORMANCE = """# Performance

Written by `linvop bench speed`, `memory`, `streaming`, `large`, `dask` and `gpu`, each with
`--write FILE`; every table is replaced by the next run. Do not edit the tables.
"""

_ACCURACY = """# Accuracy

Written by `linvop bench accuracy --data DIR --write FILE`; every table is replaced by the next
run. Do not edit the tables.
"""

_OPERATORS = """# Operators

Tables written by `linvop bench operators --write FILE`; every table is replaced by the next run.
Do not edit the tables. The shipped waters need nothing else; the structures of the other data sets
are picked by `linvop bench structures --data DIR --out sets` and get their operators from `linvop
label`, with the functional and AO set that the notes below a table name.
"""

_AO_BASIS = """# Which AO basis

Tables written by `linvop bench ao --data DIR --write FILE`; every table is replaced by the next
run. Do not edit the tables.
"""


@app.command(
    epilog="Example: linvop bench speed --molecules qm7.xyz.gz --write docs/performance.md"
)
def speed(
    molecules: Annotated[
        str | None, typer.Option(help="File of structures; default: molecules made here.")
    ] = None,
    n: Annotated[int, typer.Option(help="Molecules, evenly spaced in the file.")] = 50,
    ao: Annotated[str, typer.Option(help="AO basis.")] = "def2-svp",
    rounds: Annotated[int, typer.Option(min=1, help="Runs of which medians are taken.")] = 5,
    picture: Annotated[Path | None, typer.Option(help="Time against columns, as a PNG.")] = None,
    json: Json = False,
    write: Write = None,
) -> None:
    """One-thread times in units of PySCF's int1e_nuc (about a minute)."""
    with _errors(), _progress("molecules") as progress:
        from linvop.bench.columns import draw_columns
        from linvop.bench.speed import measure_speed

        _check(write)
        _check(picture)
        report = measure_speed(molecules, n, ao, rounds=rounds, progress=progress)
        _publish(report, json, write, _PERFORMANCE)
        if picture is not None:
            draw_columns(next(t for t in report.tables if t.name == "columns"), picture)


@app.command(
    epilog="Example: linvop bench accuracy --data ../shared/data --only water --write accuracy.md"
)
def accuracy(
    data: Annotated[str, typer.Option(help="Folder with water_monomer/, rmd17_ethanol/ and qm7/.")],
    only: Annotated[
        str,
        typer.Option(
            help="Which, with commas between; also ethanol-forces, aspirin-forces, 3bpa-forces."
        ),
    ] = "water,ethanol,qm7-1000,qm7-5000",
    ace: Annotated[
        str | None,
        typer.Option(help="A Python that has ace-jax, for linear ACE; default: this one."),
    ] = None,
    seed: Annotated[int, typer.Option(help="Of the splits.")] = 0,
    json: Json = False,
    write: Write = None,
) -> None:
    """Errors on published data beside SOAP and linear ACE (half an hour on two cores for all)."""
    with _errors():
        from linvop.bench.accuracy import measure_accuracy

        _check(write)
        parts = tuple(part.strip() for part in only.split(",") if part.strip())
        report = measure_accuracy(data, parts, ace=ace, seed=seed, say=_say)
        _publish(report, json, write, _ACCURACY)


@app.command(
    epilog="Example: linvop bench dynamics fits/ethanol/model.h5 ethanol.xyz --write accuracy.md"
)
def dynamics(
    model: Annotated[Path, typer.Argument(metavar="MODEL", help="A model of energies.")],
    structure: Annotated[Path, typer.Argument(metavar="STRUCTURE", help="Where it starts.")],
    ps: Annotated[float, typer.Option(help="Length of the dynamics.")] = 20.0,
    step: Annotated[float, typer.Option(help="fs.")] = 0.5,
    kelvin: Annotated[float, typer.Option(help="Temperature.")] = 300.0,
    xc: Annotated[
        str, typer.Option(help="Functional of the labels, for vibrations; empty for none.")
    ] = "pbe",
    ao: Annotated[str, typer.Option(help="AO set of the labels.")] = "def2-svp",
    json: Json = False,
    write: Write = None,
) -> None:
    """Drift of the energy in dynamics; vibrations beside PySCF's (ten minutes for ethanol)."""
    with _errors(), _progress("steps") as progress:
        from linvop.bench.dynamics import dynamics_table, load_model, vibrations_table
        from linvop.bench.machine import describe_machine
        from linvop.bench.tables import Report
        from linvop.io.structures import read

        _check(write)
        fitted, atoms = load_model(model), read(structure)[0]
        tables = [
            dynamics_table(
                fitted,
                atoms,
                picoseconds=ps,
                femtoseconds=step,
                temperature=kelvin,
                progress=progress,
            )
        ]
        if xc:
            tables.append(vibrations_table(fitted, atoms, xc=xc, ao=ao))
        _publish(Report(describe_machine(), tables), json, write, _ACCURACY)


@app.command(epilog="Example: linvop bench ao --data ../shared/data --write docs/ao_basis.md")
def ao(
    data: Annotated[str, typer.Option(help="Folder with water_monomer/, qm7/, rmd17_ethanol/.")],
    only: Annotated[str, typer.Option(help="Which scans, with commas between; default: all.")] = "",
    work: Annotated[
        Path, typer.Option(help="Folder of the scans; finished settings in it are used.")
    ] = Path("linvop-bench-ao"),
    workers: Annotated[int | None, typer.Option(min=1, help="Threads of the fits.")] = None,
    json: Json = False,
    write: Write = None,
) -> None:
    """AO sets by linvop scan: leave-one-out error, columns, time (half an hour on one core)."""
    with _errors():
        from linvop.bench.ao import SCANS, measure_ao

        _check(write)
        names = tuple(name.strip() for name in only.split(",") if name.strip()) or tuple(SCANS)
        report = measure_ao(data, work, names, workers=workers, progress=_say_settings())
        _publish(report, json, write, _AO_BASIS)
        if write is not None:
            from linvop.io.atomic import atomic_bytes

            for name in names:
                picture = (work / name / "scan.png").read_bytes()
                atomic_bytes(write.parent / f"scan_{name}.png", picture, force=True)


@app.command(
    epilog="Example: linvop bench operators ethanol.h5 --name ethanol --n-train 200 --n-test 100"
)
def operators(
    data: Annotated[
        str | None,
        typer.Argument(metavar="DATA", help="Data set of linvop label; default: shipped waters."),
    ] = None,
    name: Annotated[str, typer.Option(help="Of the tables.")] = "shipped waters",
    target: Annotated[str, typer.Option(help="fock or density.")] = "fock",
    n_train: Annotated[int, typer.Option(min=2, help="First structures.")] = 100,
    n_test: Annotated[int, typer.Option(min=1, help="Last structures.")] = 20,
    n_scf: Annotated[int, typer.Option(min=0, help="Test structures for SCF guesses.")] = 0,
    n_energy: Annotated[int, typer.Option(min=0, help="Test structures for energies.")] = 0,
    sizes: Annotated[
        str, typer.Option(help="Smaller training sets for the last model, commas between.")
    ] = "",
    models: Annotated[str, typer.Option(help="Which, with semicolons between; default: all.")] = "",
    json: Json = False,
    write: Write = None,
) -> None:
    """Fock or density matrices and what follows: levels, charges, energies, SCF guesses."""
    with _errors():
        from linvop.bench.operators import measure_operators
        from linvop.bench.tables import write_sections

        _check(write)
        report = measure_operators(
            data,
            name=name,
            target=target,
            n_train=n_train,
            n_test=n_test,
            n_scf=n_scf,
            n_energy=n_energy,
            sizes=_sizes(sizes),
            models=tuple(m.strip() for m in models.split(";") if m.strip()),
            say=_say,
            keep=None if write is None else partial(write_sections, write, _OPERATORS),
        )
        _publish(report, json, write, _OPERATORS)


@app.command(
    epilog="Example: linvop bench effective --data water.h5 --n-train 200 --n-test 100 "
    "--write docs/operators.md"
)
def effective(
    data: Annotated[
        str | None, typer.Option(help="Data set with orbital energies; default: shipped waters.")
    ] = None,
    name: Annotated[str, typer.Option(help="What the table calls the data.")] = "shipped waters",
    n_train: Annotated[int, typer.Option(min=2, help="The first structures.")] = 100,
    n_test: Annotated[int, typer.Option(min=1, help="The last ones.")] = 20,
    ao: Annotated[str, typer.Option(help="Of the operator.")] = "sto-3g",
    sizes: Annotated[str, typer.Option(help="Smaller training sets too, such as 50,100.")] = "",
    json: Json = False,
    write: Write = None,
) -> None:
    """Small-basis operators with a larger calculation's observables, beside the projected one."""
    with _errors():
        from linvop.bench.effective import measure_effective

        _check(write)
        report = measure_effective(
            data,
            name=name,
            ao=ao,
            n_train=n_train,
            n_test=n_test,
            sizes=_sizes(sizes),
            say=_say,
        )
        _publish(report, json, write, _OPERATORS)


@app.command(epilog="Example: linvop bench structures --data ../shared/data --out sets")
def structures(
    data: Annotated[str, typer.Option(help="Folder with water_monomer/, rmd17_ethanol/, qm7/.")],
    out: Annotated[Path, typer.Option(help="Folder, which must exist.")],
    force: Annotated[bool, typer.Option("--force", help="Replace files that exist.")] = False,
) -> None:
    """Pick the structures of docs/operators.md; linvop label then gives them their operators."""
    with _errors():
        from linvop.bench.operator_structures import pick_structures

        for path in pick_structures(data, out, force=force):
            typer.echo(str(path))


def _sizes(text: str) -> list[int]:
    try:
        return [int(part) for part in text.split(",") if part.strip()]
    except ValueError:
        raise InputError(f"--sizes: expected numbers with commas between, got {text!r}") from None


@app.command(epilog="Example: linvop bench memory --n 500")
def memory(
    n: Annotated[
        int | None,
        typer.Option(min=1, help="Molecules; default 7101, with --forces for 32 000 rows."),
    ] = None,
    data: Annotated[
        str | None,
        typer.Option(help="Folder with qm7/, rmd17_aspirin/; default: molecules made here."),
    ] = None,
    forces: Annotated[
        bool, typer.Option("--forces", help="Energies and forces, with 4209 columns.")
    ] = False,
    here: Annotated[bool, typer.Option("--here", hidden=True)] = False,
    json: Json = False,
    write: Write = None,
) -> None:
    """Peak memory of a fit with 22730 columns, in a process of its own (ten minutes)."""
    with _errors():
        from linvop.bench.memory import fit_here, measure_memory

        if here:
            typer.echo(json_module.dumps(fit_here(n, data, forces)))
            return
        _check(write)
        _publish(measure_memory(n, data, forces), json, write, _PERFORMANCE)


@app.command(
    epilog="Example: linvop bench large --write docs/performance.md --picture docs/large.png"
)
def large(
    sizes: Annotated[str, typer.Option(help="Atoms, about, with commas between.")] = (
        "30,100,300,1000,3000"
    ),
    ao: Annotated[str, typer.Option(help="AO basis.")] = "def2-svp",
    reach: Annotated[float, typer.Option(help="Reach of V, Angstrom.")] = 4.0,
    rounds: Annotated[int, typer.Option(min=1, help="Runs of which medians are taken.")] = 3,
    picture: Annotated[Path | None, typer.Option(help="Time per atom, as a PNG.")] = None,
    json: Json = False,
    write: Write = None,
) -> None:
    """Cost per atom of water clusters and alkanes of up to 3000 atoms (five minutes)."""
    with _errors():
        from linvop.bench.large import draw_growth, measure_large

        _check(write)
        _check(picture)
        report = measure_large(_numbers("--sizes", sizes), ao, reach, rounds=rounds, say=_say)
        _publish(report, json, write, _PERFORMANCE)
        if picture is not None:
            draw_growth(report, picture)


@app.command(epilog="Example: linvop bench dask --data ../shared/data --write docs/performance.md")
def dask(
    n: Annotated[int, typer.Option(min=400, help="Molecules.")] = 7101,
    data: Annotated[
        str | None, typer.Option(help="Folder with qm7/; default: molecules made here.")
    ] = None,
    rounds: Annotated[int, typer.Option(min=1, help="Turns of which medians are taken.")] = 3,
    here: Annotated[bool, typer.Option(hidden=True)] = False,
    json: Json = False,
    write: Write = None,
) -> None:
    """Rows and their triangle by two Dask workers beside one process (two minutes)."""
    with _errors():
        from linvop.bench.dask_workers import assemble_here, measure_dask

        if here:
            typer.echo(json_module.dumps(assemble_here(n, data, rounds)))
            return
        _check(write)
        _publish(measure_dask(n, data, rounds), json, write, _PERFORMANCE)


@app.command(epilog="Example: linvop bench streaming --n 20000 --p 1000")
def streaming(
    n: Annotated[int, typer.Option(min=100, help="Rows.")] = 200_000,
    p: Annotated[int, typer.Option(min=10, help="Columns.")] = 4000,
    folder: Annotated[
        str | None, typer.Option(help="For a file of 8 n p bytes; default: that of the system.")
    ] = None,
    here: Annotated[tuple[str, str] | None, typer.Option("--here", hidden=True)] = None,
    json: Json = False,
    write: Write = None,
) -> None:
    """A fit of rows on the disk beside scipy's QR in memory (ten minutes, 6.4 GB)."""
    with _errors():
        from linvop.bench.streaming import measure_streaming, stream_here

        if here is not None:
            typer.echo(json_module.dumps(stream_here(*here)))
            return
        _check(write)
        _publish(measure_streaming(n, p, folder), json, write, _PERFORMANCE)


@app.command(epilog="Example: linvop bench gpu --molecules qm7.xyz.gz --write docs/performance.md")
def gpu(
    molecules: Annotated[
        str | None, typer.Option(help="File of structures; default: molecules made here.")
    ] = None,
    n: Annotated[int, typer.Option(help="Molecules, evenly spaced in the file.")] = 1000,
    ao: Annotated[str, typer.Option(help="AO basis.")] = "def2-svp",
    rows: Annotated[int, typer.Option(min=100, help="Rows of the factorisation.")] = 1_000_000,
    columns: Annotated[int, typer.Option(min=10, help="Its columns.")] = 4000,
    rounds: Annotated[int, typer.Option(min=1, help="Runs of which medians are taken.")] = 3,
    json: Json = False,
    write: Write = None,
) -> None:
    """Features, contractions and factors on a GPU beside this machine's cores (minutes)."""
    with _errors():
        from linvop.bench.gpu import measure_gpu

        _check(write)
        report = measure_gpu(molecules, n, ao, rows=rows, columns=columns, rounds=rounds, say=_say)
        _publish(report, json, write, _PERFORMANCE)


def main() -> None:
    """Run as a program of its own."""
    app()


def _numbers(name: str, text: str) -> list[int]:
    try:
        found = [int(part) for part in text.split(",")]
    except ValueError:
        found = [0]
    if min(found) < 1:
        raise InputError(f"{name} {text}: expected positive integers with commas between")
    return found


def _check(write: Path | None) -> None:
    """Refuse before the work, not after it, a place where nothing can be written."""
    from linvop.io.atomic import check_output

    if write is not None:
        check_output(write, force=True)


def _publish(report: Report, json: bool, write: Path | None, heading: str) -> None:
    from linvop.bench.tables import write_sections

    typer.echo(json_module.dumps(report.as_dict(), indent=1) if json else report.markdown())
    if write is not None:
        write_sections(write, heading, report)


def _say(text: str) -> None:
    typer.echo(text, err=True)


def _say_settings() -> Callable[[str, int, int], None]:
    """A line for each setting of a scan as it begins."""
    said: set[str] = set()

    def say(stage: str, done: int, n: int) -> None:
        if stage == "settings":
            said.clear()
            if done < n:
                _say(f"setting {done + 1} of {n}")
        elif stage not in said:
            said.add(stage)
            _say(f"  {stage}")

    return say


@contextmanager
def _errors() -> Iterator[None]:
    """One clear line and exit code 2 on bad input."""
    try:
        yield
    except InputError as error:
        typer.echo(f"error: {error}", err=True)
        raise typer.Exit(2) from None


@contextmanager
def _progress(what: str) -> Iterator[Callable[[int, int], None]]:
    """A counter on a terminal's error stream, nothing elsewhere."""
    shown = sys.stderr.isatty()

    def show(done: int, n: int) -> None:
        if shown:
            typer.echo(f"\r{done}/{n} {what}", err=True, nl=done == n)

    yield show
