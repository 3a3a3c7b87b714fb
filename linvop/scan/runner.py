r"""A scan from its configuration to files: scan.json and scan.png."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from linvop.errors import InputError
from linvop.features.basis import ordered_species
from linvop.fit_data import training_frames
from linvop.fitting import all_or_none, check_outputs, metrics_text, versions
from linvop.io.atomic import atomic_text
from linvop.io.frame_numbers import frame_numbers
from linvop.io.structures import require_one_state
from linvop.models.training import free_atoms, label_array
from linvop.regression.groups import duplicate_groups
from linvop.scan.measure import measure_setting
from linvop.scan.picture import scan_figure
from linvop.scan.ranking import order_of_errors, pareto_front
from linvop.scan.settings import ScanConfig, Setting
from linvop.scan.store import FinishedSettings, data_digest, setting_key

if TYPE_CHECKING:
    from ase import Atoms

    from linvop.models.property import PropertyModel

__all__ = ["OUTPUTS", "run_scan"]

OUTPUTS = ("scan.json", "scan.png")

Progress = Callable[[str, int, int], None]


def run_scan(
    config: ScanConfig,
    *,
    force: bool = False,
    workers: int | None = None,
    progress: Progress | None = None,
) -> dict[str, Any]:
    r"""Measure every setting that is not measured yet, rank all, write.

    Parameters
    ----------
    config : ScanConfig
    force : bool
        Replace scan.json and scan.png. What `scan.parts` holds is used in any case.
    workers : int, optional
        Threads of the fits; the features are timed on one.
    progress : callable, optional
        Called with (stage, number done, number in all).

    Returns
    -------
    dict
        What scan.json holds: ``settings`` from the best to the worst, and ``left_out`` with the
        reason of each.

    Raises
    ------
    InputError
        For anything wrong with the input, and if no setting can be fitted.
    """
    fit = config.fit
    if fit.model.with_forces:
        raise InputError(
            "[targets] forces: settings are compared by what they do for energies; scan without "
            "forces, then fit with them"
        )
    check_outputs(fit.output, OUTPUTS, force)
    frames, numbers = training_frames(fit)
    free = free_atoms(frames, fit.model.targets)
    molecules = [a for a, single in zip(frames, free, strict=True) if not single]
    species = ordered_species(z for a in molecules for z in set(a.numbers.tolist()))
    with frame_numbers(numbers[~free]):
        state = require_one_state(molecules, fit.train)
    _check_sets(config, species)
    with frame_numbers(numbers):
        rows = _measured(config, frames, species, workers, progress)
    groups = duplicate_groups([a.numbers for a in molecules], [a.positions for a in molecules])
    result = {
        "train": Path(fit.train).name,
        "n_train": len(molecules),
        "n_distinct": int(groups.max()) + 1,
        "free_atoms": [str(a.symbols[0]) for a, single in zip(frames, free, strict=True) if single],
        "species": list(species),
        "state": list(state),
        "validation": "leave one structure out"
        if config.folds is None
        else f"{config.folds} folds, seed {fit.seed}",
        "n_timed": min(config.n_timed, len(frames)),
        "scanned": config.lists,
        "targets": {t.name: asdict(t) for t in fit.model.targets},
        "solver": repr(fit.model.solver),
        "versions": versions(),
        **_ranked(rows),
    }
    with all_or_none(fit.output, OUTPUTS, force) as folder:
        atomic_text(folder / OUTPUTS[0], metrics_text(result))
        scan_figure(folder / OUTPUTS[1], result)
    return result


def _measured(
    config: ScanConfig,
    frames: list[Atoms],
    species: tuple[str, ...],
    workers: int | None,
    progress: Progress | None,
) -> list[dict[str, Any]]:
    """Rows of all settings, those that are finished from `scan.parts`."""
    fit, n = config.fit, len(config.settings)
    values = {t.name: label_array(t, frames, {}, {}, fit.train) for t in fit.model.targets}
    data = data_digest(frames, values, fit.train)
    validation = {"folds": config.folds, "seed": fit.seed, "n_timed": config.n_timed}
    finished = FinishedSettings(fit.output)
    rows = []
    for k, setting in enumerate(config.settings):
        if progress is not None:
            progress("settings", k, n)
        model = setting.fit.model
        key = setting_key(data, model, species, validation)
        measured = finished.load(key)
        columns, reason = _columns(model, species, config.max_columns)
        if reason is not None:
            measured = {"key": key, "columns": columns, "reason": reason}
        elif measured is None:
            measured = measure_setting(
                model,
                frames,
                folds=config.folds,
                seed=fit.seed,
                n_timed=config.n_timed,
                workers=workers,
                progress=_stage(progress, setting),
                source=fit.train,
            )
            measured = finished.store(key, {"columns": columns, **measured})
        rows.append(_row(setting, measured))
    if progress is not None:
        progress("settings", n, n)
    return rows


def _columns(
    model: PropertyModel, species: tuple[str, ...], limit: int | None
) -> tuple[int | None, str | None]:
    """Number of columns, and why they are too many if they are."""
    try:
        columns = sum(model.counts(species).values())
    except InputError as error:
        return None, str(error)
    if limit is not None and columns > limit:
        return columns, f"more than {limit} columns"
    return columns, None


def _check_sets(config: ScanConfig, species: tuple[str, ...]) -> None:
    """Refuse sets that are unknown, or lack an element, before any fit."""
    for setting in config.settings:
        for s in species:
            try:
                setting.fit.model.basis.ao_basis.shells(s)
            except InputError as error:
                section = "scan" if "ao" in setting.values else "basis"
                raise InputError(f"[{section}] ao: {error}") from error


def _stage(progress: Progress | None, setting: Setting) -> Callable[[int, int], None] | None:
    if progress is None:
        return None
    return lambda done, total: progress(setting.label, done, total)


def _row(setting: Setting, measured: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "label": setting.label,
        "setting": setting.values,
        "basis": repr(setting.fit.model.basis),
        **measured,
    }


def _ranked(rows: list[dict[str, Any]]) -> dict[str, list[dict[str, Any]]]:
    """Settings from the best to the worst with their ranks and fronts, and those left out."""
    left_out = [row for row in rows if "reason" in row]
    rows = [row for row in rows if "reason" not in row]
    if not rows:
        raise InputError(
            f"no setting could be measured; {left_out[0]['label']}: {left_out[0]['reason']}"
        )
    _rescale_seconds(rows)
    names = list(rows[0]["targets"])
    errors = np.array([[row["targets"][n]["rmse"] for n in names] for row in rows])
    for column, name in zip(errors.T, names, strict=True):
        for cost in ("seconds_per_structure", "columns"):
            for row, on in zip(rows, pareto_front([r[cost] for r in rows], column), strict=True):
                row["targets"][name].setdefault("front", {})[cost] = bool(on)
    ranked = [rows[k] for k in order_of_errors(errors)]
    return {
        "settings": [{"rank": k, **row} for k, row in enumerate(ranked, start=1)],
        "left_out": left_out,
    }


def _rescale_seconds(rows: list[dict[str, Any]]) -> None:
    """Bring costs to one load and machine: that on which the yardstick takes its median time."""
    usual = float(np.median([row["seconds_yardstick"] for row in rows]))
    for row in rows:
        row["seconds_measured"] = row["seconds_per_structure"]
        row["seconds_per_structure"] *= usual / row["seconds_yardstick"]
