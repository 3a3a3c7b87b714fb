r"""One setting: its error by cross-validation, its size, and what it costs.

Errors are those of structures that the fit has not seen: each left out with its copies (closed
form, `linvop.regression`), or folds of structures held back in turn. Costs are CPU times of one
thread from positions to features, each beside that of a yardstick on the same structure: the
settings of a scan may be measured on days of different load, or on different machines.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from copy import copy
from time import perf_counter, thread_time
from typing import TYPE_CHECKING, Any

import numpy as np

from linvop.errors import InputError
from linvop.features.threads import one_thread_each
from linvop.integrals import System, potential
from linvop.models.metrics import errors
from linvop.orbitals.shells import AOBasis
from linvop.regression.groups import duplicate_groups

if TYPE_CHECKING:
    from ase import Atoms

    from linvop.models.property import PropertyModel

__all__ = ["measure_setting", "seconds_per_structure"]

_ROUNDS = 5
_YARDSTICK = "et-3s2p"
"""A small set that every element has."""

Progress = Callable[[int, int], None]


def measure_setting(
    model: PropertyModel,
    frames: Sequence[Atoms],
    *,
    folds: int | None = None,
    seed: int = 0,
    n_timed: int = 50,
    workers: int | None = None,
    progress: Progress | None = None,
    source: str = "frames",
) -> dict[str, Any]:
    r"""Fit and measure; `model` is left as it is.

    Parameters
    ----------
    model : PropertyModel
    frames : sequence of ase.Atoms
        Training structures, labels in ASE's units and places.
    folds : int, optional
        Number of folds; None leaves each structure out in turn.
    seed : int
        Of the folds.
    n_timed : int
        Structures that are timed.
    workers, progress, source
        As in `PropertyModel.fit`.

    Returns
    -------
    dict
        ``columns``; ``targets``: for each the fields of `linvop.models.metrics.errors` and
        ``parts`` with columns, dof and alpha of each irrep; ``seconds_per_structure``
        and ``seconds_yardstick``; ``seconds_features`` and ``seconds_fit``, wall time for all
        training structures; ``warnings``. Or ``reason``, why this setting cannot be fitted.
    """
    fitted = copy(model)
    found: list[float] = []
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        try:
            start = perf_counter()
            fitted.fit(frames, workers=workers, progress=_both(progress, found), source=source)
            end = perf_counter()
            predicted = (
                (fitted.train_values_, fitted.loo_predictions_)
                if folds is None
                else _by_folds(model, frames, folds, seed, workers, source)
            )
        except InputError as error:
            return {"reason": str(error)}
    seconds, yardstick = seconds_per_structure(fitted, frames, n_timed)
    return {
        "columns": sum(fitted.counts(fitted.species_).values()),
        "targets": _targets(fitted, *predicted),
        "seconds_per_structure": seconds,
        "seconds_yardstick": yardstick,
        "seconds_features": found[0] - start,
        "seconds_fit": end - found[0],
        "warnings": sorted({str(w.message) for w in caught}),
    }


def _targets(
    fitted: PropertyModel, true: dict[str, np.ndarray], predicted: dict[str, np.ndarray]
) -> dict[str, Any]:
    """Errors of each target, and what the fit found for each of its irreps."""
    kept = ("n_columns", "effective_dof", "alpha")
    return {
        t.name: {
            **errors(true[t.name], predicted[t.name], t.unit),
            "parts": {
                irrep: {key: part[key] for key in kept}
                for irrep, part in fitted.report()["parts"][t.name].items()
            },
        }
        for t in fitted.targets
    }


def seconds_per_structure(
    model: PropertyModel, frames: Sequence[Atoms], n: int
) -> tuple[float, float]:
    r"""CPU seconds of one thread from positions to the features of one structure.

    Rounds go over `n` evenly spaced structures; of each structure the shortest time counts (what
    else runs on the machine only adds), and of these the median.

    Returns
    -------
    (float, float)
        Of the features, and of the yardstick, V in the set ``et-3s2p``, taken in turn.
    """
    chosen = np.unique(np.linspace(0, len(frames) - 1, min(n, len(frames))).round().astype(int))
    irreps = tuple(sorted({irrep for t in model.targets for irrep in t.irreps}))
    features = model.basis.compile(model.species_, irreps, "structure")
    yardstick = AOBasis(_YARDSTICK)

    def timed(k: np.intp) -> tuple[float, float]:
        atoms = frames[int(k)]
        start = thread_time()
        features.structure(System.from_atoms(atoms, model.basis.ao_basis))
        middle = thread_time()
        potential(System.from_atoms(atoms, yardstick))
        return middle - start, thread_time() - middle

    with one_thread_each(1) as pool:
        times = np.array([list(pool.map(timed, chosen)) for _ in range(_ROUNDS + 1)])
    seconds = np.median(times[1:].min(axis=0), axis=0)
    return float(seconds[0]), float(seconds[1])


def _both(progress: Progress | None, finished: list[float]) -> Progress:
    """Pass progress on, and note when the last structure is done."""

    def done(k: int, n: int) -> None:
        if progress is not None:
            progress(k, n)
        if k == n:
            finished.append(perf_counter())

    return done


def _by_folds(
    model: PropertyModel,
    frames: Sequence[Atoms],
    folds: int,
    seed: int,
    workers: int | None,
    source: str,
) -> tuple[dict[str, np.ndarray], dict[str, np.ndarray]]:
    """Labels, and predictions by the fits without each fold, of all but free atoms."""
    from linvop.models.training import label_array

    fold_of = _fold_of(frames, folds, seed)

    def chosen(mask: np.ndarray) -> list[Atoms]:
        return [frames[int(k)] for k in np.flatnonzero(mask)]

    tested = fold_of >= 0
    true = {t.name: label_array(t, frames, {}, {}, source) for t in model.targets}
    predicted = {name: np.full_like(values, np.nan) for name, values in true.items()}
    for fold in range(folds):
        held = fold_of == fold
        part = copy(model).fit(
            chosen(~held),
            workers=workers,
            source=f"{source} without fold {fold}",
        )
        found = part.predict_arrays(chosen(held), workers=workers, source=source)
        for name, values in found.items():
            predicted[name][held] = values
    return {n: v[tested] for n, v in true.items()}, {n: v[tested] for n, v in predicted.items()}


def _fold_of(frames: Sequence[Atoms], folds: int, seed: int) -> np.ndarray:
    """Fold of each structure, copies together; -1 for free atoms, which every fit has."""
    groups = duplicate_groups([a.numbers for a in frames], [a.positions for a in frames])
    single = np.array([len(a) == 1 for a in frames])
    distinct = np.unique(groups[~single])
    if len(distinct) < folds:
        raise InputError(
            f"[scan] folds: expected at most {len(distinct)}, the number of distinct structures, "
            f"got {folds}"
        )
    order = np.random.default_rng(seed).permutation(len(distinct))
    rank = np.zeros(groups.max() + 1, dtype=int)
    rank[distinct] = order
    return np.where(single, -1, rank[groups] % folds)
