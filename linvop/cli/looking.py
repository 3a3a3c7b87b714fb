r"""``linvop inspect``."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Annotated, Any

import typer

from linvop.cli.session import guarded, print_json, print_tables
from linvop.errors import InputError

__all__ = ["inspect_command"]


def inspect_command(
    path: Annotated[
        Path,
        typer.Argument(
            metavar="FILE",
            help="A model (exported too), a data set, structures, results (.json).",
        ),
    ],
    json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """What is in a model, data set, structures, metrics.json, scan.json or locality.json."""
    with guarded("nothing was written"):
        show = {
            "model": _model,
            "operator model": _operator_model,
            "exported model": _exported,
            "dataset": _dataset,
            "structures": _structures,
            "results": _results,
            "unfinished labels": _unfinished,
        }
        show[_kind(path)](path, json)


def _kind(path: Path) -> str:
    """The kind that a linvop file says it is; all else is taken for structures."""
    import h5py

    from linvop.io.hdf5 import kind_of

    if (path / "settings.json").is_file():
        return "unfinished labels"
    if not path.is_file():
        what = "expected a file" if path.exists() else "no such file"
        raise InputError(f"{path}: {what}")
    with path.open("rb") as raw:
        start = raw.read(6)
    ours = start == b"linvop"
    if path.suffix.lower() == ".json" and start[:1] == b"{":
        return "results"
    if not ours and not h5py.is_hdf5(path):
        return "structures"
    return kind_of(path, ("model", "operator model", "exported model", "dataset"))


def _operator_model(path: Path, json: bool) -> None:
    from linvop.cli.effective import effective_content
    from linvop.cli.operators import operator_content
    from linvop.models.loading import load
    from linvop.models.operator import OperatorModel

    model = load(path)
    operator = model if isinstance(model, OperatorModel) else model.operator_  # type: ignore[union-attr]
    content = {**operator_content(operator), "header": _header(path)}
    if operator is not model:
        content |= effective_content(model)  # type: ignore[arg-type]
    if json:
        print_json(content)
        return
    from rich.table import Table

    blocks = content.pop("blocks")
    table = Table(title="blocks: what one linear map each predicts", title_justify="left")
    table.add_column("block")
    for heading in ("rows", "structures", "columns", "rms", "leave-one-out RMSE"):
        table.add_column(heading, justify="right")
    for name, r in blocks.items():
        numbers = ("-" if r[k] is None else f"{r[k]:.3g}" for k in ("rms", "loo_rmse_all"))
        table.add_row(name, *(str(r[k]) for k in ("n_rows", "n_structures", "n_columns")), *numbers)
    print_tables([*_lines(content), table])


def _exported(path: Path, json: bool) -> None:
    """What the light runtime knows of itself."""
    from linvop.deploy import Predictor

    model = Predictor(path)
    content = {
        "species": list(model.species),
        "targets": model.targets,
        "operator": model.operator_settings,
        "metric": model.metric,
        "sources": model.sources,
        "basis": model.settings["basis"],
        "checks": model.checks,
        "header": _header(path),
    }
    if json:
        print_json(content)
        return
    typer.echo(f"exported model for {', '.join(model.species)}, metric {model.metric}")
    typer.echo(model.settings["basis"])
    for name, target in model.targets.items():
        typer.echo(f"{name}, {target['unit'] or 'no unit'}, shape {target['shape']}")
    operator = model.operator_settings
    if operator is not None:
        between = ", between Lowdin orbitals" if operator["orthogonal"] else ""
        typer.echo(f"{operator['target']}, added to baseline {operator['baseline']}{between}")
        sizes = (
            f"{s} {sum(2 * shell['l'] + 1 for shell in shells)}"
            for s, shells in operator["shells"].items()
        )
        typer.echo(f"AOs of the operator: {', '.join(sizes)} an atom")
    for name, error in model.checks.items():
        typer.echo(f"checked when written: {name}, relative error {error:.1e}")


def _model(path: Path, json: bool) -> None:
    from linvop.models.storage import load_property_model
    from linvop.report import error_table, fit_table

    model = load_property_model(path)
    report = model.report()
    columns = Counter(
        (name, label.species, label.kappa, label.nu, label.body_order, label.lam, label.sigma)
        for name, parts in model.parts_.items()
        for irrep in parts
        for label in model.basis.labels(model.species_, target="structure", irreps=[irrep])
    )
    keys = ("target", "species", "kappa", "nu", "body_order", "lam", "sigma")
    counts = sorted(columns.items(), key=lambda item: tuple(x or 0 for x in item[0][2:]))
    counts.sort(key=lambda item: item[0][:2])
    content = {
        "kind": "model",
        **report,
        "charge": model.state_[0],
        "multiplicity": model.state_[1],
        "units": {t.name: t.unit for t in model.measured},
        "solver": repr(model.solver),
        "columns": [{**dict(zip(keys, key, strict=True)), "n": n} for key, n in counts],
        "training": model.training_,
        "header": _header(path),
    }
    if json:
        print_json(content)
        return
    from rich.table import Table

    title = "columns by centre species, number of V (kappa), factors (nu), bodies, and irrep"
    table = Table(title=title, title_justify="left")
    for name in (*keys, "n"):
        heading = name.replace("_", " ")
        table.add_column(heading, justify="left" if name in ("target", "species") else "right")
    for key, n in counts:
        table.add_row(*("any" if x is None else str(x) for x in key), str(n))
    lines = [
        f"model for {', '.join(model.species_)}, charge {model.state_[0]}, "
        f"multiplicity {model.state_[1]}",
        repr(model.basis),
        content["solver"],
        fit_table(report, content["units"]),
        table,
    ]
    for name in ("leave_one_out", "test"):
        if model.training_.get(name):
            lines.append(error_table(model.training_[name], name.replace("_", " ")))
    print_tables([*lines, *_lines(content["header"])])


def _dataset(path: Path, json: bool) -> None:
    from linvop.io.dataset import Dataset

    content = {"kind": "dataset", **Dataset.open(path).summary(), "header": _header(path)}
    if json:
        print_json(content)
    else:
        print_tables(_lines(content))


def _structures(path: Path, json: bool) -> None:
    from linvop.cli.structure_content import structure_content

    content = structure_content(path)
    if json:
        print_json(content)
    else:
        print_tables(_lines(content))


def _results(path: Path, json: bool) -> None:
    """What a fit or a scan wrote beside its model or picture."""
    from json import JSONDecodeError, loads

    from linvop.report import error_table, truncation_tables
    from linvop.scan.table import left_out_lines, scan_table

    try:
        content = loads(path.read_text())
    except (JSONDecodeError, UnicodeDecodeError) as error:
        raise InputError(f"{path}: not valid JSON: {error}") from error
    if "versions" not in content:
        raise InputError(
            f"{path}: expected metrics.json, scan.json or locality.json of linvop, got other JSON"
        )
    if json:
        print_json(content)
    elif "scanned" in content:
        print_tables([scan_table(content), *left_out_lines(content)])
    elif "block_norms" in content:
        print_tables(truncation_tables(content))
    else:
        errors = ("leave_one_out", "test")
        tables = [
            error_table(content.pop(name), name.replace("_", " "))
            for name in errors
            if name in content and all("rmse" in v for v in content[name].values())
        ]
        print_tables([*_lines({k: v for k, v in content.items() if k != "report"}), *tables])


def _unfinished(path: Path, json: bool) -> None:
    """The folder of a run of ``linvop label`` that was interrupted."""
    from linvop.labelling.checkpoints import progress_of

    done, failed, total = progress_of(path)
    content = {
        "kind": "unfinished labels",
        "labelled": done,
        "failed": failed,
        "structures": total,
        "to go on": f"linvop label IN {path.name.removesuffix('.parts')}, as before",
    }
    if json:
        print_json(content)
    else:
        print_tables(_lines(content))


def _header(path: Path) -> dict[str, Any]:
    import h5py

    from linvop.io.hdf5 import header

    with h5py.File(path) as file:
        return header(file)


def _lines(content: dict[str, Any], indent: str = "") -> list[str]:
    """Nested content as plain lines."""
    out = []
    for key, value in content.items():
        if isinstance(value, dict):
            out.append(f"{indent}{key}:")
            out.extend(_lines(value, indent + "  "))
        else:
            out.append(f"{indent}{key}: {value}")
    return out
