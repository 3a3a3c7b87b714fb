r"""The first minute with linvop: what resolution buys, on the shipped waters."""

from __future__ import annotations

import time
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

import linvop
from linvop.config import SHIPPED
from linvop.features.basis import Basis
from linvop.fitting import all_or_none, check_outputs, metrics_text, versions
from linvop.io.atomic import atomic_text
from linvop.io.dataset import Dataset
from linvop.models.metrics import errors
from linvop.models.property import PropertyModel
from linvop.models.training import label_array
from linvop.plotting import Errors, Parity, parity_figure
from linvop.regression.ridge import RegularisationWarning

if TYPE_CHECKING:
    from ase import Atoms

__all__ = ["N_TRAIN", "quickstart"]

N_TRAIN = 200
_TARGETS = ("energy", "dipole")
_OUTPUTS = ("model.h5", "metrics.json", "parity.png")


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
    check_outputs(directory, _OUTPUTS, force)
    start = time.perf_counter()
    # The file's order is random: any part of it is a fair sample.
    frames = Dataset.open(linvop.data.water()).frames()
    train, test = frames[:N_TRAIN], frames[N_TRAIN:]
    metrics: dict[str, Any] = {
        "data": f"{SHIPPED} (PBE/def2-SVP)",
        "n_train": len(train),
        "n_test": len(test),
        "columns": {},
        "basis": {},
        "test": {},
        "versions": versions(),
    }
    series: dict[str, dict[str, tuple[np.ndarray, np.ndarray]]] = {name: {} for name in _TARGETS}
    for resolution in ("total", "shell"):
        model = _fit(resolution, train, progress)
        predicted = model.predict_arrays(test, source=SHIPPED)
        metrics["basis"][resolution] = repr(model.basis)
        metrics["columns"][resolution] = {
            name: sum(len(part.coefficients) for part in parts.values())
            for name, parts in model.parts_.items()
        }
        metrics["test"][resolution] = {}
        for t in model.measured:
            true = label_array(t, test, {}, {}, SHIPPED)
            metrics["test"][resolution][t.name] = errors(true, predicted[t.name], t.unit)
            series[t.name][resolution] = (true, predicted[t.name])
    metrics["seconds"] = round(time.perf_counter() - start, 2)
    panels: list[list[Parity | Errors]] = [
        [
            Parity(f"{t.name} of {len(test)} held-out waters", t.unit, series[t.name]),
            Errors(f"{t.name}: what resolution buys", t.unit, series[t.name]),
        ]
        for t in model.measured
    ]
    with all_or_none(directory, _OUTPUTS, force) as folder:
        model.save(str(folder / "model.h5"))
        atomic_text(folder / "metrics.json", metrics_text(metrics))
        parity_figure(folder / "parity.png", panels)
    return metrics


def _fit(
    resolution: str, train: list[Atoms], progress: Callable[[str, int, int], None] | None
) -> PropertyModel:
    def stage(done: int, total: int) -> None:
        if progress is not None:
            progress(f"{resolution}: structures", done, total)

    model = PropertyModel(
        Basis(ao="linvop-svp", kappa=3, resolution=resolution, metric="lowdin"), _TARGETS
    )
    with warnings.catch_warnings():
        # That `total` has too few columns to need a penalty is what is shown here.
        warnings.simplefilter("ignore", RegularisationWarning)
        return model.fit(train, progress=stage, source=SHIPPED)
