r"""One fit from a configuration to files: model.h5, metrics.json, parity plots."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterable
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

import linvop
from linvop.config import FitConfig
from linvop.errors import InputError
from linvop.io.atomic import atomic_text, check_output
from linvop.io.hdf5 import json_safe
from linvop.io.structures import read
from linvop.models.metrics import errors
from linvop.models.property import PropertyModel
from linvop.models.training import label_array
from linvop.plotting import Parity, parity_figure
from linvop.regression.groups import duplicate_groups

if TYPE_CHECKING:
    from ase import Atoms

__all__ = ["check_outputs", "outputs", "run_fit", "split", "versions", "write_metrics"]

_SHIPPED = "shipped:water"


def versions() -> dict[str, str]:
    """Versions of linvop and of what its numbers stand on."""
    packages = ("numpy", "scipy", "numba", "pyscf")
    return {"linvop": linvop.__version__, **{name: version(name) for name in packages}}


def split(frames: list[Atoms], n_train: int, seed: int) -> tuple[list[Atoms], list[Atoms]]:
    r"""A seeded random split; copies of a structure stay on one side, once in the test part.

    Raises
    ------
    InputError
        If fewer than n_train + 1 distinct structures are there.
    """
    groups = duplicate_groups([a.numbers for a in frames], [a.positions for a in frames])
    _, first = np.unique(groups, return_index=True)
    if len(first) <= n_train:
        raise InputError(
            f"n_train = {n_train}: expected fewer than the {len(first)} distinct structures"
        )
    order = np.sort(first)[np.random.default_rng(seed).permutation(len(first))]
    return [frames[k] for k in order[:n_train]], [frames[k] for k in order[n_train:]]


def check_outputs(paths: Iterable[Path], force: bool) -> None:
    r"""Refuse outputs that exist, unless forced, before any work is done for them.

    Folders that do not exist yet are made when there is something to put into them.
    """
    for path in paths:
        if path.parent.exists():
            check_output(path, force)


def outputs(config: FitConfig) -> dict[str, Path]:
    """Names of the files that the fit writes."""
    names = ["model.h5", "metrics.json", *(f"parity_{t.name}.png" for t in config.model.targets)]
    return {name: config.output / name for name in names}


def run_fit(
    config: FitConfig,
    *,
    force: bool = False,
    progress: Callable[[str, int, int], None] | None = None,
) -> dict[str, Any]:
    r"""Fit, measure, write.

    Parameters
    ----------
    config : FitConfig
    force : bool
        Replace files that exist.
    progress : callable, optional
        Called with (stage, structures done, structures in all).

    Returns
    -------
    dict
        What metrics.json holds.

    Raises
    ------
    InputError
        For anything wrong with the input; nothing has been written then.
    """
    files = outputs(config)
    check_outputs(files.values(), force)
    train, test = _data(config)
    model = config.model

    def stage(name: str) -> Callable[[int, int], None]:
        return lambda done, total: progress(name, done, total) if progress else None

    start = time.perf_counter()
    source = _name(config.train)
    model.fit(
        train,
        keys=config.keys,
        units=config.units,
        progress=stage("training structures"),
        source=source,
    )
    fitted = time.perf_counter()
    metrics: dict[str, Any] = {
        "train": source,
        "n_train": model.n_train_,
        "seconds_to_fit": round(fitted - start, 3),
        "versions": versions(),
        "report": model.report(),
        "leave_one_out": {
            t.name: errors(model.train_values_[t.name], model.loo_predictions_[t.name], t.unit)
            for t in model.targets
        },
    }
    held_out: dict[str, tuple[np.ndarray, np.ndarray]] = {}
    if test:
        test_source = source if config.test is None else _name(config.test)
        predicted = model.predict_arrays(
            test, progress=stage("test structures"), source=test_source
        )
        for t in model.targets:
            true = label_array(t, test, config.keys, config.units, test_source)
            held_out[t.name] = (true, predicted[t.name])
        metrics["test_set"] = test_source
        metrics["test"] = {t.name: errors(*held_out[t.name], t.unit) for t in model.targets}
        metrics["seconds_per_structure"] = round((time.perf_counter() - fitted) / len(test), 5)
    _write(config, files, metrics, held_out, force)
    return metrics


def write_metrics(path: Path, metrics: dict[str, Any], force: bool) -> None:
    """metrics.json, written beside and renamed."""
    atomic_text(path, json.dumps(json_safe(metrics), indent=1) + "\n", force)


def _write(
    config: FitConfig,
    files: dict[str, Path],
    metrics: dict[str, Any],
    held_out: dict[str, tuple[np.ndarray, np.ndarray]],
    force: bool,
) -> None:
    model: PropertyModel = config.model
    config.output.mkdir(parents=True, exist_ok=True)
    model.training_ = {k: metrics[k] for k in ("train", "leave_one_out") if k in metrics}
    model.training_["test"] = metrics.get("test", {})
    model.save(files["model.h5"], force=force)
    write_metrics(files["metrics.json"], metrics, force)
    for t in model.targets:
        series = {"leave one out": (model.train_values_[t.name], model.loo_predictions_[t.name])}
        if t.name in held_out:
            series["test"] = held_out[t.name]
        panel = Parity(t.name, t.unit, series)
        parity_figure(files[f"parity_{t.name}.png"], [[panel]], force=force)


def _data(config: FitConfig) -> tuple[list[Atoms], list[Atoms]]:
    train = _frames(config.train, config)
    if config.n_train is not None:
        return split(train, config.n_train, config.seed)
    return train, [] if config.test is None else _frames(config.test, config)


def _frames(name: str, config: FitConfig) -> list[Atoms]:
    if name.startswith("shipped:") and name != _SHIPPED:
        raise InputError(f"{name}: expected {_SHIPPED}, the data set that ships with linvop")
    # Labels are converted when they are asked for, so that structures stay as they are.
    return read(linvop.data.water() if name == _SHIPPED else name)


def _name(path: str) -> str:
    return path if path.startswith("shipped:") else Path(path).name
