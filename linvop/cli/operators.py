r"""What ``predict``, ``evaluate`` and ``inspect`` do with operator models."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from linvop.cli.session import print_json, print_tables, progress_bar
from linvop.errors import InputError

if TYPE_CHECKING:
    from linvop.models.operator import OperatorModel

__all__ = ["evaluate_operators", "fit_operator", "operator_content", "predict_operators"]


def fit_operator(config: Path, *, force: bool, json: bool) -> None:
    """Fit an operator as a TOML file says."""
    from linvop.config import read_operator_config
    from linvop.operator_fitting import operator_outputs, run_operator_fit
    from linvop.report import observable_error_table, operator_error_table

    settings = read_operator_config(config)
    with progress_bar() as progress:
        metrics = run_operator_fit(settings, force=force, progress=progress)
    if json:
        print_json(metrics)
        return
    model = settings.model
    n = metrics["report"]["n_coefficients"]
    typer.echo(
        f"{model.target} of {metrics['n_train']} structures: {n} coefficients, "
        f"{metrics['seconds_to_fit']:.0f} s"
    )
    if "test" in metrics:
        title = f"test ({metrics['test_set']}, {metrics['n_test']} structures)"
        tables = [operator_error_table(metrics["test"], title, model.unit)]
        print_tables([*tables, observable_error_table(metrics["test_observables"])])
    if metrics["n_copies_left_out"]:
        typer.echo(f"{metrics['n_copies_left_out']} copies of structures were left out")
    typer.echo(f"wrote {settings.output}: {', '.join(operator_outputs(settings))}")


def predict_operators(
    model: OperatorModel, structures: Path, out: Path, *, force: bool, json: bool
) -> None:
    """Predict operators of structures into a data set."""
    from linvop.io.atomic import check_output
    from linvop.io.structures import read
    from linvop.models.predicted_set import predicted_dataset

    if out.suffix.lower() not in (".h5", ".hdf5"):
        raise InputError(f"{out}: expected a name ending in .h5, as operators go into a data set")
    check_output(out, force)
    frames = read(structures)
    with progress_bar() as progress:
        data = predicted_dataset(
            model,
            frames,
            progress=lambda done, total: progress("structures", done, total),
            source=str(structures),
        )
    data.write(out, force=force)
    if json:
        print_json(data.summary())
    else:
        typer.echo(f"{out}: {len(data)} structures with {', '.join(data.summary()['quantities'])}")


def evaluate_operators(
    model: OperatorModel,
    test: Path,
    *,
    plot: Path | None,
    force: bool,
    json: bool,
    energy: bool | int = False,
) -> None:
    """Errors of an operator model on a data set, of so many energies too; pictures if asked."""
    from linvop.fitting import all_or_none, check_outputs
    from linvop.io.dataset import differs_in_level
    from linvop.operator_fitting import labelled
    from linvop.plotting import draw_operator_figures, operator_figures
    from linvop.report import observable_error_table, operator_error_table

    pictures = operator_figures(model.target)
    if plot is not None:
        check_outputs(plot, pictures, force)
    trained = {k: v for k, v in model.training_.items() if k in ("method", "xc", "ao")}
    remark = differs_in_level(test, trained)
    if remark:
        warnings.warn(remark, stacklevel=1)
    elements, derived = model.errors(
        labelled(str(test), model.target),
        source=str(test),
        keep_elements=plot is not None,
        energy=energy,
    )
    if plot is not None:
        with all_or_none(plot, pictures, force) as folder:
            draw_operator_figures(folder, elements, model)
    if json:
        print_json({"elements": elements.summary(), "observables": derived})
        return
    title = f"{model.target} on {test}"
    table = operator_error_table(elements.summary(), title, model.unit)
    print_tables([table, observable_error_table(derived)])


def operator_content(model: OperatorModel) -> dict[str, Any]:
    """What ``inspect`` says of a model."""
    report = model.report()
    blocks = report.pop("blocks")
    keys = ("n_rows", "n_structures", "n_columns", "rms", "loo_rmse_all", "learned")
    return {
        "kind": "operator model",
        **report,
        "charge": model.state_[0],
        "multiplicity": model.state_[1],
        "spin_channels": model.spin_channels_,
        "solver": repr(model.solver),
        "training": model.training_,
        "blocks": {name: {k: r.get(k) for k in keys} for name, r in blocks.items()},
    }
