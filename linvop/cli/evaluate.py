r"""``linvop evaluate``: errors of a model of any kind."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from linvop.cli.models import Force, Json, Keys, Model, Units
from linvop.cli.session import guarded, pairs, print_json, print_tables, progress_bar
from linvop.errors import InputError

if TYPE_CHECKING:
    import numpy as np
    from ase import Atoms

    from linvop.models.property import PropertyModel
    from linvop.models.targets import Target

__all__ = ["evaluate_command"]


def evaluate_command(
    model: Model,
    test: Annotated[Path, typer.Argument(metavar="TEST", help="Labelled structures.")],
    key: Keys = [],  # noqa: B006 - typer reads the default and never changes it
    unit: Units = [],  # noqa: B006
    plot: Annotated[
        Path | None,
        typer.Option(
            metavar="DIR",
            help="Also draw plots there: parity, reliability; spectra.",
        ),
    ] = None,
    target: Annotated[
        list[str], typer.Option("--target", help="Only this target; may be repeated.")
    ] = [],  # noqa: B006
    energy: Annotated[
        bool,
        typer.Option(
            "--energy", help="Of operators also the energy and levels of F[P], by the functional."
        ),
    ] = False,
    n_energy: Annotated[
        int | None,
        typer.Option(
            min=1, help="Structures that --energy takes at most, evenly spread; default 100."
        ),
    ] = None,
    force: Force = False,
    json: Json = False,
) -> None:
    """Errors of a model on labelled structures, and how well it knows them."""
    with guarded("nothing was written"):
        from linvop.cli.effective import evaluate_effective
        from linvop.cli.operators import evaluate_operators
        from linvop.models.loading import load
        from linvop.models.operator import OperatorModel
        from linvop.models.property import PropertyModel

        fitted = load(model)
        if n_energy is not None and not energy:
            raise InputError("--n-energy: only with --energy")
        if isinstance(fitted, PropertyModel):
            if energy:
                raise InputError(
                    f"--energy: for a model of operators; {model} is one of properties"
                )
            chosen = _chosen(fitted, target, model)
            names = [t.name for t in chosen]
            keys, units = pairs(key, "--key", names), pairs(unit, "--unit", names)
            _evaluate_properties(fitted, chosen, model, test, keys, units, plot, force, json)
            return
        for option, value in {"--key": key, "--unit": unit, "--target": target}.items():
            if value:
                raise InputError(f"{option}: not for a model of operators, as {model} is one")
        if isinstance(fitted, OperatorModel):
            evaluate_operators(
                fitted, test, plot=plot, force=force, json=json, energy=energy and (n_energy or 100)
            )
            return
        if energy:
            raise InputError(f"--energy: not for an effective operator, as {model} is one")
        evaluate_effective(fitted, test, plot=plot, force=force, json=json)


def _chosen(fitted: PropertyModel, wanted: Sequence[str], model: Path) -> list[Target]:
    known = {t.name: t for t in fitted.measured}
    for name in wanted:
        if name not in known:
            raise InputError(f"--target {name}: {model} has {', '.join(known)}")
    return [t for name, t in known.items() if not wanted or name in wanted]


def _evaluate_properties(
    fitted: PropertyModel,
    chosen: list[Target],
    model: Path,
    test: Path,
    keys: dict[str, str],
    units: dict[str, str],
    plot: Path | None,
    force: bool,
    json: bool,
) -> None:
    """Errors and calibration of a model of properties, as a table or JSON; pictures if asked."""
    import numpy as np

    from linvop.fitting import all_or_none, check_outputs
    from linvop.io.frame_numbers import frame_numbers
    from linvop.io.structures import read
    from linvop.models.metrics import calibration, errors
    from linvop.models.training import free_atoms, label_array
    from linvop.report import calibration_lines, calibration_table, error_table

    kinds = ("parity", "reliability") if fitted.has_std else ("parity",)
    pictures = [f"{kind}_{t.name}.png" for kind in kinds for t in chosen]
    if plot is not None:
        check_outputs(plot, pictures, force)
    frames = read(test, keys=keys, units=units)
    kept = np.flatnonzero(~free_atoms(frames, fitted.targets))  # as in a fit
    frames = [frames[k] for k in kept]
    with frame_numbers(kept):
        true = {t.name: label_array(t, frames, {}, {}, str(test)) for t in chosen}
        predicted = _predicted(fitted, frames, test, true)
    std = {t.name: predicted[f"{t.name}_std"] for t in chosen if fitted.has_std}
    found = {t.name: errors(true[t.name], predicted[t.name], t.unit) for t in chosen}
    sure = {name: calibration(true[name], predicted[name], s) for name, s in std.items()}
    if plot is not None:
        with all_or_none(plot, pictures, force) as folder:
            for t in chosen:
                _draw(folder, t, true[t.name], predicted[t.name], std.get(t.name))
    if json:
        print_json({n: e | ({"calibration": sure[n]} if sure else {}) for n, e in found.items()})
        return
    tables: list[Any] = [error_table(found, f"{model.name} on {test.name}")]
    if sure:
        units_of = {t.name: t.unit for t in chosen}
        tables.append(calibration_table(sure, units_of, "predicted standard deviations"))
        tables += calibration_lines(sure)
    print_tables(tables)


def _predicted(
    fitted: PropertyModel, frames: list[Atoms], test: Path, true: dict[str, np.ndarray]
) -> dict[str, np.ndarray]:
    """Predictions; warns of labels at another level of theory or in another unit."""
    from linvop.io.dataset import differs_in_level
    from linvop.models.unit_hint import unit_hint

    remark = differs_in_level(test, fitted.training_.get("labels"))
    if remark:
        warnings.warn(remark, stacklevel=1)
    with progress_bar() as progress:
        predicted = fitted.predict_arrays(
            frames,
            progress=lambda done, total: progress("structures", done, total),
            source=str(test),
            std=fitted.has_std,
        )
    for name in true:
        hint = unit_hint(name, true[name], predicted[name])
        if hint:
            warnings.warn(f"{test}: {hint}", stacklevel=1)
    return predicted


def _draw(folder: Path, target: Target, true: Any, predicted: Any, std: Any | None) -> None:
    """Parity, and reliability where there are standard deviations."""
    from linvop.fitting import panels
    from linvop.plotting import Reliability, parity_figure

    series = {"test": (true, predicted)}
    parity_figure(folder / f"parity_{target.name}.png", [panels(target, series)])
    if std is not None:
        shown = Reliability(f"reliability of {target.name}", target.unit, true, predicted, std)
        parity_figure(folder / f"reliability_{target.name}.png", [[shown]])
