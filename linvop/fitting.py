r"""One fit from a configuration to files: model.h5, metrics.json, parity plots."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from importlib.metadata import version
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

import numpy as np

import linvop
from linvop.config import SHIPPED, FitConfig
from linvop.errors import InputError
from linvop.features.basis import ordered_species
from linvop.io.atomic import atomic_text, check_output
from linvop.io.dataset import level_of_theory
from linvop.io.frames import in_state
from linvop.io.hdf5 import json_safe
from linvop.io.structures import check_frames, read, require_one_state
from linvop.models.metrics import calibration, errors
from linvop.models.targets import Target
from linvop.models.training import label_array
from linvop.plotting import Errors, Parity, parity_figure
from linvop.regression.groups import duplicate_groups

if TYPE_CHECKING:
    from ase import Atoms

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
    "split",
    "split_indices",
    "training_frames",
    "versions",
]


def versions() -> dict[str, str]:
    """Versions of linvop and of what its numbers stand on."""
    packages = ("numpy", "scipy", "numba", "pyscf")
    return {"linvop": linvop.__version__, **{name: version(name) for name in packages}}


def split(frames: list[Atoms], n_train: int, seed: int) -> tuple[list[Atoms], list[Atoms]]:
    r"""A seeded random split of the distinct structures; their copies are left out.

    Raises
    ------
    InputError
        If fewer than n_train + 1 distinct structures are there.
    """
    train, test = split_indices(frames, n_train, seed)
    return [frames[k] for k in train], [frames[k] for k in test]


def split_indices(
    frames: Sequence[Atoms], n_train: int, seed: int
) -> tuple[np.ndarray, np.ndarray]:
    r"""The same as indices of the structures; errors as `split`."""
    groups = duplicate_groups([a.numbers for a in frames], [a.positions for a in frames])
    _, first = np.unique(groups, return_index=True)
    if len(first) <= n_train:
        raise InputError(
            f"n_train = {n_train}: expected fewer than the {len(first)} distinct structures there"
        )
    order = np.sort(first)[np.random.default_rng(seed).permutation(len(first))]
    return order[:n_train], order[n_train:]


def check_outputs(folder: Path, names: Iterable[str], force: bool) -> None:
    r"""Refuse outputs that exist, unless forced, before any work is done for them.

    A folder that does not exist yet will be made; then its nearest parent counts.
    """
    if folder.exists():
        for name in names:
            check_output(folder / name, force)
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
    return ["model.h5", "metrics.json", *(f"parity_{t.name}.png" for t in config.model.targets)]


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
    check_outputs(config.output, outputs(config), force)
    train, test, true, n_copies = _data(config)
    model = config.model

    def stage(name: str) -> Callable[[int, int], None]:
        return lambda done, total: progress(name, done, total) if progress else None

    start = time.perf_counter()
    with _naming(config.train):
        species = ordered_species(z for a in train for z in a.numbers)
        size = ", ".join(
            f"{n} columns of lam = {lam}" for (lam, _), n in model.counts(species).items()
        )
        model.fit(train, progress=stage(f"training structures ({size})"), source=config.train)
    fitted = time.perf_counter()
    series = {
        t.name: {"leave one out": (model.train_values_[t.name], model.loo_predictions_[t.name])}
        for t in model.targets
    }
    metrics: dict[str, Any] = {
        "train": _name(config.train),
        "n_train": model.n_train_,
        "n_copies_left_out": n_copies,
        "labels": _level(config.train),
        "seconds_to_fit": round(fitted - start, 3),
        "versions": versions(),
        "report": model.report(),
        "leave_one_out": _errors(model, series, "leave one out"),
    }
    if test:
        source = _test_source(config)
        predicted = model.predict_arrays(
            test, progress=stage("test structures"), source=source, std=model.has_std
        )
        seconds = (time.perf_counter() - fitted) / len(test)
        for t in model.targets:
            series[t.name]["test"] = (true[t.name], predicted[t.name])
        metrics |= {"test_set": _name(source), "test": _errors(model, series, "test")}
        if model.has_std:
            metrics["calibration"] = {
                t.name: calibration(true[t.name], predicted[t.name], predicted[f"{t.name}_std"])
                for t in model.targets
            }
        metrics["seconds_per_structure"] = round(seconds, 5)
    _write(config, metrics, series, force)
    return metrics


@contextmanager
def _naming(source: str) -> Iterator[None]:
    """What is wrong with the data is said with the file's name."""
    try:
        yield
    except InputError as error:
        text = str(error)
        raise InputError(text if source in text else f"{source}: {text}") from error


def _errors(model: PropertyModel, series: dict[str, Series], name: str) -> dict[str, Any]:
    return {t.name: errors(*series[t.name][name], t.unit) for t in model.targets}


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
        for t in model.targets:
            parity_figure(folder / f"parity_{t.name}.png", [panels(t, series[t.name])])


def training_frames(config: FitConfig) -> list[Atoms]:
    r"""The training structures alone; a test file is not opened, a test part is dropped.

    Raises
    ------
    InputError
        For a bad file, or too few structures for a split.
    """
    train = _frames(config.train, config)
    return train if config.n_train is None else split(train, config.n_train, config.seed)[0]


def _data(config: FitConfig) -> tuple[list[Atoms], list[Atoms], dict[str, np.ndarray], int]:
    """Training and test structures, the latter's labels, all checked; copies a split drops."""
    train = _frames(config.train, config)
    test: list[Atoms] = []
    n_copies = 0
    if config.n_train is not None:
        n_all = len(train)
        train, test = split(train, config.n_train, config.seed)
        n_copies = n_all - len(train) - len(test)
    elif config.test is not None:
        test = _frames(config.test, config)
    species = ordered_species(z for a in train for z in a.numbers)
    for s in species:
        try:
            config.model.basis.ao_basis.shells(s)
        except InputError as error:
            raise InputError(f"[basis] ao, for {s} in {config.train}: {error}") from error
    if not test:
        return train, test, {}, n_copies
    source = _test_source(config)
    check_frames(test, source=source, species=species)
    true = {t.name: label_array(t, test, {}, {}, source) for t in config.model.targets}
    state = require_one_state(train, config.train)
    if require_one_state(test, source) != state:
        raise InputError(
            f"{source}: expected charge {state[0]} and multiplicity {state[1]} as in "
            f"{config.train}, got {' and '.join(map(str, require_one_state(test, source)))}"
        )
    return train, test, true, n_copies


def _frames(name: str, config: FitConfig) -> list[Atoms]:
    path = linvop.data.water() if name == SHIPPED else name
    keys, units = config.keys, config.units
    if _is_dataset(name) and not all(map(_is_dataset, (config.train, _test_source(config)))):
        keys, units = {}, {}  # they are said of the other file; a data set knows its own
    frames = read(path, keys=keys, units=units)
    if config.state is None:
        return frames
    return [frames[k] for k in in_state(frames, config.state, name)[0]]


def _is_dataset(name: str) -> bool:
    return name == SHIPPED or name.lower().endswith((".h5", ".hdf5"))


def _level(name: str) -> dict[str, Any] | None:
    """How the labels of a data set were made, where that is known."""
    if not _is_dataset(name):
        return None
    return level_of_theory(linvop.data.water() if name == SHIPPED else name)


def _test_source(config: FitConfig) -> str:
    return config.train if config.test is None else config.test


def _name(path: str) -> str:
    return path if path == SHIPPED else Path(path).name
