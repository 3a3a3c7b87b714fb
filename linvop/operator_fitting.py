r"""One fit of an operator from a configuration to files: model.h5, metrics.json, parity plot."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

import linvop
from linvop.config import SHIPPED, OperatorFitConfig
from linvop.errors import InputError
from linvop.fitting import all_or_none, check_outputs, metrics_text, versions
from linvop.io.atomic import atomic_text
from linvop.io.dataset import Dataset
from linvop.models.operator import OperatorModel
from linvop.plotting import matrix_parity_figure
from linvop.regression.groups import duplicate_groups

if TYPE_CHECKING:
    from linvop.models.operator_scores import MatrixErrors

__all__ = ["OUTPUTS", "operator_split", "run_operator_fit"]

OUTPUTS = ("model.h5", "metrics.json", "parity.png")


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
    names = OUTPUTS if config.test or config.n_train else OUTPUTS[:2]
    check_outputs(config.output, names, force)
    train, test = _data(config)
    start = time.perf_counter()
    model.fit(
        train,
        progress=lambda k, n: progress("training structures", k, n) if progress else None,
        source=_name(config.train),
    )
    metrics: dict[str, Any] = {
        "train": _name(config.train),
        "n_train": model.n_train_,
        "labels": {k: v for k, v in model.training_.items() if k != "source"},
        "seconds_to_fit": round(time.perf_counter() - start, 3),
        "versions": versions(),
        "unit": model.unit,
        "report": model.report(),
    }
    errors = None
    if test is not None:
        source = _name(config.test or config.train)
        errors, derived = model.errors(test, source=source)
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
            matrix_parity_figure(folder / "parity.png", errors, model.target, model.unit)


def _data(config: OperatorFitConfig) -> tuple[Dataset, Dataset | None]:
    target = config.model.target
    train = _dataset(config.train).having(target)
    if not len(train):
        raise InputError(f"{config.train}: expected structures with {target}, got none")
    if config.n_train is not None:
        return operator_split(train, config.n_train, config.seed)
    test = None if config.test is None else _dataset(config.test).having(target)
    if test is not None and not len(test):
        raise InputError(f"{config.test}: expected structures with {target}, got none")
    return train, test


def _dataset(name: str) -> Dataset:
    return Dataset.open(linvop.data.water() if name == SHIPPED else name)


def operator_split(data: Dataset, n_train: int, seed: int) -> tuple[Dataset, Dataset]:
    r"""A seeded random split of the distinct structures; their copies are left out.

    Raises
    ------
    InputError
        If fewer than n_train + 1 distinct structures are there.
    """
    frames = data.frames()
    groups = duplicate_groups([a.numbers for a in frames], [a.positions for a in frames])
    first = np.sort(np.unique(groups, return_index=True)[1])
    if len(first) <= n_train:
        raise InputError(
            f"n_train = {n_train}: expected fewer than the {len(first)} distinct structures there"
        )
    order = first[np.random.default_rng(seed).permutation(len(first))]
    return data[order[:n_train]], data[order[n_train:]]


def _name(path: str) -> str:
    return path if path == SHIPPED else Path(path).name
