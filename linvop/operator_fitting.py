r"""One fit of an operator from a configuration to files: model.h5, metrics.json, pictures."""

from __future__ import annotations

import time
import warnings
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from linvop.config import OperatorFitConfig
from linvop.errors import InputError
from linvop.fitting import all_or_none, check_outputs, metrics_text, versions
from linvop.io.atomic import atomic_text
from linvop.io.dataset import Dataset
from linvop.matrix_data import opened, parts_of, source_name
from linvop.models.operator import OperatorModel
from linvop.plotting import draw_operator_figures, operator_figures

if TYPE_CHECKING:
    from linvop.models.operator_scores import MatrixErrors

__all__ = ["OUTPUTS", "labelled", "operator_outputs", "run_operator_fit"]

OUTPUTS = ("model.h5", "metrics.json", "parity.png")


def operator_outputs(config: OperatorFitConfig) -> tuple[str, ...]:
    r"""Names of the files that a fit writes; pictures where there are test structures."""
    tested = config.test or config.n_train
    return (*OUTPUTS[:2], *(operator_figures(config.model.target) if tested else ()))


def run_operator_fit(
    config: OperatorFitConfig,
    *,
    force: bool = False,
    progress: Callable[[str, int, int], None] | None = None,
) -> dict[str, Any]:
    r"""Fit, measure, write.

    Parameters
    ----------
    config : OperatorFitConfig
    force : bool
        Replace files that exist.
    progress : callable, optional
        Called with (stage, done, in all).

    Returns
    -------
    dict
        What metrics.json holds.

    Raises
    ------
    InputError
        For anything wrong with the input; nothing has been written then.
    """
    model = config.model
    names = operator_outputs(config)
    check_outputs(config.output, names, force)
    train, test, n_copies = parts_of(config, lambda path: labelled(path, model.target))
    start = time.perf_counter()
    model.fit(
        train,
        progress=lambda k, n: progress("training structures", k, n) if progress else None,
        source=source_name(config.train),
    )
    metrics: dict[str, Any] = {
        "train": source_name(config.train),
        "n_train": model.n_train_,
        "n_copies_left_out": n_copies,
        "labels": {k: v for k, v in model.training_.items() if k != "source"},
        "seconds_to_fit": round(time.perf_counter() - start, 3),
        "versions": versions(),
        "unit": model.unit,
        "report": model.report(),
    }
    errors = None
    if test is not None:
        source = source_name(config.test or config.train)
        errors, derived = model.errors(test, source=source, keep_elements=True)
        metrics |= {
            "test_set": source,
            "n_test": len(test),
            "test": errors.summary(),
            "test_observables": derived,
        }
    _write(config, metrics, errors, names, force)
    return metrics


def _write(
    config: OperatorFitConfig,
    metrics: dict[str, Any],
    errors: MatrixErrors | None,
    names: tuple[str, ...],
    force: bool,
) -> None:
    model: OperatorModel = config.model
    model.training_["test"] = metrics.get("test", {})
    with all_or_none(config.output, names, force) as folder:
        model.save(folder / "model.h5")
        atomic_text(folder / "metrics.json", metrics_text(metrics))
        if errors is not None:
            draw_operator_figures(folder, errors, model)


def labelled(path: str, target: str) -> Dataset:
    r"""The structures of a data set that have the operator; a warning counts the others.

    Raises
    ------
    InputError
        If none has it.
    """
    data = opened(path)
    found = data.having(target)
    if not len(found):
        raise InputError(f"{path}: expected structures with {target}, got none of {len(data)}")
    if len(found) < len(data):
        warnings.warn(
            f"{path}: {len(data) - len(found)} of {len(data)} structures have no {target} and are "
            "left out",
            stacklevel=2,
        )
    return found
