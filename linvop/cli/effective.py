r"""What ``fit``, ``evaluate`` and ``inspect`` do with effective operators."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from linvop.cli.session import print_json, print_tables, progress_bar

if TYPE_CHECKING:
    from linvop.models.effective import EffectiveOperatorModel

__all__ = ["effective_content", "evaluate_effective", "fit_effective"]


def fit_effective(config: Path, *, force: bool, json: bool) -> None:
    """Fit an effective operator as a TOML file says."""
    from linvop.config import read_effective_config
    from linvop.effective_fitting import run_effective_fit
    from linvop.report import observable_error_table

    settings = read_effective_config(config)
    with progress_bar() as progress:
        metrics = run_effective_fit(settings, force=force, progress=progress)
    if json:
        print_json(metrics)
        return
    steps = metrics["report"]["steps"]
    typer.echo(
        f"effective operator of {metrics['n_train']} structures: "
        f"{metrics['report']['n_coefficients']} coefficients, {len(steps) - 1} steps from the "
        f"{metrics['report']['started_from']} operator, {metrics['seconds_to_fit']:.0f} s"
    )
    if "test" in metrics:
        about = f"{metrics['test_set']}, {metrics['n_test']} structures"
        tables = [observable_error_table(metrics["test"], f"test ({about})")]
        if "projected" in metrics:
            n = metrics["n_projected"]
            if n < metrics["n_test"]:
                title = f"test, the {n} structures with a Fock matrix"
                tables.append(observable_error_table(metrics["beside_projected"], title))
            title = f"projected operators of these {n} structures"
            tables.append(observable_error_table(metrics["projected"], title))
        print_tables(tables)
    if metrics["n_copies_left_out"]:
        typer.echo(f"{metrics['n_copies_left_out']} copies of structures were left out")
    also = ", parity.png" if "test" in metrics else ""
    typer.echo(f"wrote {settings.output}: model.h5, metrics.json{also}")


def evaluate_effective(
    model: EffectiveOperatorModel, test: Path, *, plot: Path | None, force: bool, json: bool
) -> None:
    """Errors of observables on a data set, and the parity plot of ``fit`` if asked."""
    from linvop.effective_fitting import draw_levels, with_levels
    from linvop.fitting import all_or_none, check_outputs
    from linvop.report import observable_error_table

    pictures = ("parity.png",)
    if plot is not None:
        check_outputs(plot, pictures, force)
    data = with_levels(str(test))
    found = model.score(data, source=str(test))
    if plot is not None:
        with all_or_none(plot, pictures, force) as folder:
            draw_levels(folder / pictures[0], model, data)
    if json:
        print_json(found)
    else:
        print_tables([observable_error_table(found, f"effective operator on {test}")])


def effective_content(model: EffectiveOperatorModel) -> dict[str, Any]:
    """What ``inspect`` says of a model, beside its operator."""
    report = model.report()
    return {
        "kind": "effective operator model",
        "ao": model.small_ao.name,
        "targets": report["targets"],
        "started from": report["started_from"],
        "errors on the training structures": report["steps"][-1]["rms"],
        "steps": len(report["steps"]) - 1,
    }
