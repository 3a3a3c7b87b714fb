r"""The first minute with linvop: what resolution buys, on the shipped waters."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

import linvop
from linvop.features.basis import Basis
from linvop.fitting import check_outputs, versions, write_metrics
from linvop.io.dataset import Dataset
from linvop.models.metrics import errors
from linvop.models.property import PropertyModel
from linvop.models.training import label_array
from linvop.plotting import Errors, Parity, parity_figure

__all__ = ["N_TRAIN", "quickstart"]

N_TRAIN = 200
_TARGETS = ("energy", "dipole")


def quickstart(
    directory: str | Path,
    *,
    force: bool = False,
    progress: Callable[[str, int, int], None] | None = None,
) -> dict[str, Any]:
    r"""Fit energies and dipoles of the shipped waters with two resolutions.

    Writes model.h5 (the shell-resolved model), metrics.json and parity.png into `directory`.

    Returns
    -------
    dict
        ``{"n_train", "n_test", "columns", "test": {resolution: {target: errors}}, ...}``

    Raises
    ------
    InputError
        If an output exists and ``force`` is not set.
    """
    directory = Path(directory)
    files = {name: directory / name for name in ("model.h5", "metrics.json", "parity.png")}
    check_outputs(files.values(), force)
    start = time.perf_counter()
    # The file's order is random: any part of it is a fair sample.
    frames = Dataset.open(linvop.data.water()).frames()
    train, test = frames[:N_TRAIN], frames[N_TRAIN:]
    metrics: dict[str, Any] = {
        "data": "shipped:water (PBE/def2-SVP)",
        "n_train": len(train),
        "n_test": len(test),
        "columns": {},
        "basis": {},
        "test": {},
        "versions": versions(),
    }
    series: dict[str, dict[str, tuple[np.ndarray, np.ndarray]]] = {name: {} for name in _TARGETS}
    for resolution in ("total", "shell"):

        def stage(done: int, total: int, resolution: str = resolution) -> None:
            if progress is not None:
                progress(f"{resolution}: structures", done, total)

        model = PropertyModel(
            Basis(ao="6-31g", kappa=3, resolution=resolution, metric="lowdin"), _TARGETS
        ).fit(train, progress=stage, source="shipped:water")
        predicted = model.predict_arrays(test, source="shipped:water")
        metrics["basis"][resolution] = repr(model.basis)
        metrics["columns"][resolution] = {
            name: sum(len(part.coefficients) for part in parts.values())
            for name, parts in model.parts_.items()
        }
        metrics["test"][resolution] = {}
        for t in model.targets:
            true = label_array(t, test, {}, {}, "shipped:water")
            metrics["test"][resolution][t.name] = errors(true, predicted[t.name], t.unit)
            series[t.name][resolution] = (true, predicted[t.name])
    metrics["seconds"] = round(time.perf_counter() - start, 2)
    directory.mkdir(parents=True, exist_ok=True)
    model.save(files["model.h5"], force=force)
    write_metrics(files["metrics.json"], metrics, force)
    panels: list[list[Parity | Errors]] = [
        [
            Parity(f"{t.name} of {len(test)} held-out waters", t.unit, series[t.name]),
            Errors(f"{t.name}: what resolution buys", t.unit, series[t.name]),
        ]
        for t in model.targets
    ]
    parity_figure(files["parity.png"], panels, force=force)
    return metrics
