r"""One fit of an operator from a configuration to files: model.h5, metrics.json, pictures."""

from __future__ import annotations

import time
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import linvop
from linvop.config import SHIPPED, OperatorFitConfig
from linvop.errors import InputError
from linvop.fit_data import split_indices, warn_of_overlap
from linvop.fitting import all_or_none, check_outputs, metrics_text, versions
from linvop.io.atomic import atomic_text
from linvop.io.dataset import Dataset
from linvop.models.operator import OperatorModel
from linvop.plotting import draw_operator_figures, operator_figures

if TYPE_CHECKING:
    from linvop.models.operator_scores import MatrixErrors

__all__ = ["OUTPUTS", "labelled", "operator_outputs", "run_operator_fit", "source_name"]

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
    train, test, n_copies = _data(config)
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


def _data(config: OperatorFitConfig) -> tuple[Dataset, Dataset | None, int]:
    """Training and test structures, and how many copies a split leaves out."""
    target = config.model.target
    train = labelled(config.train, target)
    if config.n_train is not None:
        chosen, rest = split_indices(
            train.frames(), config.n_train, config.seed, source_name(config.train)
        )
        return train[chosen], train[rest], len(train) - len(chosen) - len(rest)
    if config.test is None:
        return train, None, 0
    test = labelled(config.test, target)
    warn_of_overlap(train.frames(), test.frames(), source_name(config.test))
    return train, test, 0


def labelled(path: str, target: str) -> Dataset:
    r"""The structures of a data set that have the operator; a warning counts the others.

    Raises
    ------
    InputError
        If none has it.
    """
    data = Dataset.open(linvop.data.water() if path == SHIPPED else path)
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


def source_name(path: str) -> str:
    """How metrics and messages call a data set."""
    return path if path == SHIPPED else Path(path).name
