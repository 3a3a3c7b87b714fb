r"""One fit from a configuration to files: model.h5, metrics.json, parity plots."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from importlib.metadata import version
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

import numpy as np

import linvop
from linvop.config import FitConfig
from linvop.distributed import client_of
from linvop.errors import InputError
from linvop.features.basis import ordered_species
from linvop.fit_data import TEST_PART, FitData, fit_data, labels_level, name_of, source_of_test
from linvop.io import model_file
from linvop.io.atomic import atomic_text, check_output
from linvop.io.frame_numbers import frame_numbers
from linvop.io.hdf5 import json_safe, refuse_other_kinds
from linvop.kernels.dispatch import Device, as_device
from linvop.models.metrics import calibration, errors
from linvop.models.targets import Target
from linvop.plotting import Errors, Parity, parity_figure

if TYPE_CHECKING:
    from linvop.models.property import PropertyModel

Series = dict[str, tuple[np.ndarray, np.ndarray]]
"""Reference and predicted values, each (n, *shape), by what they are of."""

__all__ = [
    "all_or_none",
    "check_outputs",
    "metrics_text",
    "outputs",
    "panels",
    "run_fit",
    "versions",
]


def versions() -> dict[str, str]:
    """Versions of linvop and of what its numbers stand on."""
    packages = ("numpy", "scipy", "numba", "pyscf")
    return {"linvop": linvop.__version__, **{name: version(name) for name in packages}}


def check_outputs(folder: Path, names: Iterable[str], force: bool) -> None:
    r"""Refuse outputs that exist, unless forced, before any work is done for them.

    A folder that does not exist yet will be made; then its nearest parent counts.
    """
    if folder.exists():
        for name in names:
            check_output(folder / name, force)
            if name.endswith(".h5"):  # all that fits write under such names
                refuse_other_kinds(folder / name, model_file.KIND)
    else:
        there = next(parent for parent in folder.absolute().parents if parent.exists())
        check_output(there / folder.name, force=True)


@contextmanager
def all_or_none(folder: Path, names: Iterable[str], force: bool) -> Iterator[Path]:
    r"""Give a folder to write files `names` into; they appear in `folder` when all are there.

    On any exception, KeyboardInterrupt among them, everything is as it was before.

    Raises
    ------
    InputError
        As `check_outputs`.
    """
    names = list(names)
    made = [p for p in (folder, *folder.parents) if not p.exists()]
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with TemporaryDirectory(prefix=".linvop-", dir=folder) as staging:
            try:
                yield Path(staging)
            except InputError as error:
                raise InputError(str(error).replace(staging, str(folder))) from error
            check_outputs(folder, names, force)  # somebody may have put files there meanwhile
            for name in names:
                os.replace(Path(staging) / name, folder / name)
    except BaseException:
        for path in made:
            if path.is_dir() and not any(path.iterdir()):
                path.rmdir()
        raise


def outputs(config: FitConfig) -> list[str]:
    """Names of the files that the fit writes."""
    return ["model.h5", "metrics.json", *(f"parity_{t.name}.png" for t in config.model.measured)]


def run_fit(
    config: FitConfig,
    *,
    force: bool = False,
    progress: Callable[[str, int, int], None] | None = None,
    scheduler: str | None = None,
    device: str | Device = "cpu",
) -> dict[str, Any]:
    r"""Fit, measure, write.

    Parameters
    ----------
    config : FitConfig
    force : bool
        Replace files that exist.
    progress : callable, optional
        Called with (stage, structures done, structures in all).
    scheduler : str, optional
        Address of a Dask scheduler whose workers make the rows.
    device : {"cpu", "gpu"} or Device
        Where features are made.

    Returns
    -------
    dict
        What metrics.json holds.

    Raises
    ------
    InputError
        For anything wrong with the input; nothing has been written then.
    """
    check_outputs(config.output, outputs(config), force)
    on = as_device(device)
    data = fit_data(config)
    model = config.model

    def stage(name: str) -> Callable[[int, int], None]:
        return lambda done, total: progress(name, done, total) if progress else None

    executor = None if scheduler is None else client_of(scheduler)
    start = time.perf_counter()
    with _naming(config.train), frame_numbers(data.train_numbers):
        species = ordered_species(z for a in data.train for z in a.numbers)
        size = ", ".join(
            f"{n} columns of lam = {lam}" for (lam, _), n in model.counts(species).items()
        )
        by_chunks = config.chunk is not None and scheduler is None
        parts = config.output / "fit.parts" if by_chunks else None
        try:
            model.fit(
                data.train,
                progress=stage(f"training structures ({size})"),
                source=config.train,
                chunk=config.chunk,
                checkpoints=parts,
                executor=executor,
                device=on,
            )
        except KeyboardInterrupt:
            if parts is None or not parts.exists():
                raise
            raise KeyboardInterrupt(
                f"{parts} holds the rows so far: run the same command again to go on"
            ) from None
    fitted = time.perf_counter()
    series: dict[str, Series] = {
        t.name: {"leave one out": (model.train_values_[t.name], model.loo_predictions_[t.name])}
        for t in model.measured
        if np.isfinite(model.loo_predictions_[t.name]).any()
    }
    if not series:  # fits by chunks leave nothing out unless alpha is chosen by it
        series = {t.name: {} for t in model.measured}
        if not data.test:
            fitted_to = model.predict_arrays(data.train, source=config.train, device=on)
            for t in model.measured:
                series[t.name]["fitted to"] = (model.train_values_[t.name], fitted_to[t.name])
    metrics: dict[str, Any] = {
        "train": name_of(config.train),
        "n_train": model.n_train_,
        "n_distinct": model.n_distinct_,
        "n_copies_left_out": data.n_copies,
        "free_atoms": data.free_atoms,
        "labels": labels_level(config.train),
        "seconds_to_fit": round(fitted - start, 3),
        "versions": versions(),
        "report": model.report(),
        "leave_one_out": _errors(model, series, "leave one out"),
    }
    if data.test:
        metrics |= _tested(config, data, series, stage("test structures"), on)
    _write(config, metrics, series, force)
    return metrics


def _tested(
    config: FitConfig,
    data: FitData,
    series: dict[str, Series],
    progress: Callable[[int, int], None],
    on: Device,
) -> dict[str, Any]:
    """Errors on the test structures, whose values are added to `series`."""
    model, source = config.model, source_of_test(config)
    note = "" if config.n_train is None else TEST_PART
    start = time.perf_counter()
    with frame_numbers(data.test_numbers, note):
        predicted = model.predict_arrays(
            data.test, progress=progress, source=source, std=model.has_std, device=on
        )
    seconds = (time.perf_counter() - start) / len(data.test)
    true = data.true
    for t in model.measured:
        series[t.name]["test"] = (true[t.name], predicted[t.name])
    metrics: dict[str, Any] = {
        "test_set": name_of(source),
        "n_test_copies_of_train": data.n_in_train,
        "test": _errors(model, series, "test"),
    }
    if model.has_std:
        metrics["calibration"] = {
            t.name: calibration(true[t.name], predicted[t.name], predicted[f"{t.name}_std"])
            for t in model.measured
        }
    return metrics | {"seconds_per_structure": round(seconds, 5)}


@contextmanager
def _naming(source: str) -> Iterator[None]:
    """What is wrong with the data is said with the file's name."""
    try:
        yield
    except InputError as error:
        text = str(error)
        raise InputError(text if source in text else f"{source}: {text}") from error


def _errors(model: PropertyModel, series: dict[str, Series], name: str) -> dict[str, Any]:
    named = {t.name: series[t.name] for t in model.measured}
    return {
        t.name: errors(*named[t.name][name], t.unit)
        for t in model.measured
        if name in named[t.name]
    }


def panels(target: Target, series: Series) -> list[Parity | Errors]:
    """Predicted against reference values, and the distribution of the errors."""
    return [
        Parity(target.name, target.unit, series),
        Errors(f"errors of {target.name}", target.unit, series),
    ]


def metrics_text(metrics: dict[str, Any]) -> str:
    """What stands in metrics.json."""
    return json.dumps(json_safe(metrics), indent=1) + "\n"


def _write(
    config: FitConfig,
    metrics: dict[str, Any],
    series: dict[str, Series],
    force: bool,
) -> None:
    model = config.model
    model.training_ = {k: metrics[k] for k in ("train", "labels", "leave_one_out")}
    model.training_["test"] = metrics.get("test", {})
    with all_or_none(config.output, outputs(config), force) as folder:
        model.save(str(folder / "model.h5"))
        atomic_text(folder / "metrics.json", metrics_text(metrics))
        for t in model.measured:
            parity_figure(folder / f"parity_{t.name}.png", [panels(t, series[t.name])])
