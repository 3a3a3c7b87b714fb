r"""One fit of an effective operator from a configuration: model.h5, metrics.json, parity plot."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from linvop.errors import InputError
from linvop.fitting import all_or_none, check_outputs, metrics_text, versions
from linvop.io.atomic import atomic_text
from linvop.io.dataset import Dataset
from linvop.matrix_data import opened, parts_of, source_name
from linvop.models.effective import EffectiveOperatorModel
from linvop.models.effective_start import projected_of
from linvop.observables.analysis import analyse
from linvop.operator_fitting import OUTPUTS
from linvop.plotting import Errors, Parity, parity_figure

if TYPE_CHECKING:
    from linvop.config.effective_fit import EffectiveFitConfig
    from linvop.io.records import Record
    from linvop.orbitals.shells import AOBasis

__all__ = ["draw_levels", "run_effective_fit", "with_levels"]


def run_effective_fit(
    config: EffectiveFitConfig,
    *,
    force: bool = False,
    progress: Callable[[str, int, int], None] | None = None,
) -> dict[str, Any]:
    r"""Fit, measure beside the projected operator, write.

    Parameters
    ----------
    config : EffectiveFitConfig
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
    train, test, n_copies = parts_of(config, with_levels)
    start = time.perf_counter()
    model.fit(
        train,
        progress=lambda k, n: progress("steps", k, n) if progress else None,
        source=source_name(config.train),
    )
    metrics: dict[str, Any] = {
        "train": source_name(config.train),
        "n_train": len(train),
        "n_copies_left_out": n_copies,
        "labels": {k: v for k, v in model.operator_.training_.items() if k != "source"},
        "seconds_to_fit": round(time.perf_counter() - start, 3),
        "versions": versions(),
        "report": model.report(),
    }
    if test is not None:
        source = source_name(config.test or config.train)
        metrics |= {"test_set": source, "n_test": len(test), "test": model.score(test)}
        known = test.having("fock")
        if len(known):
            metrics |= {"n_projected": len(known), "projected": model.projected_score(known)}
            # The yardstick and ours on the same structures.
            ours = metrics["test"] if len(known) == len(test) else model.score(known)
            metrics["beside_projected"] = ours
    model.operator_.training_["test"] = metrics.get("test", {})
    with all_or_none(config.output, names, force) as folder:
        model.save(folder / "model.h5")
        atomic_text(folder / "metrics.json", metrics_text(metrics))
        if test is not None:
            draw_levels(folder / "parity.png", model, test)
    return metrics


def with_levels(path: str) -> Dataset:
    r"""The closed-shell structures of a data set that have orbital energies.

    Raises
    ------
    InputError
        If none has them.
    """
    data = opened(path)
    having = data.having("orbital_energies")
    found = having[np.flatnonzero([r.spin_channels == 1 for r in having])]
    if not len(found):
        raise InputError(
            f"{path}: expected closed-shell structures with orbital energies, got none of "
            f"{len(data)}"
        )
    return found


def draw_levels(path: Path, model: EffectiveOperatorModel, test: Dataset) -> None:
    """Parity plot of orbital energies, beside those of the projected operators."""
    panel = ("orbital energies", "eV", _levels(model, test))
    parity_figure(path, [[Parity(*panel), Errors(*panel)]])


def _levels(
    model: EffectiveOperatorModel, test: Dataset
) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """Levels from the highest eight occupied to the LUMO: the core would hide the others."""
    records, with_fock = list(test), list(test.having("fock"))
    series = {}
    if with_fock:
        found = [projected_of(r, test.ao, model.ao) for r in with_fock]
        series["projected"] = _of(with_fock, found, model.ao)
    matrices = model.predict([r.atoms() for r in records])
    return series | {"effective": _of(records, matrices, model.ao)}


def _of(
    records: Sequence[Record], matrices: Iterable[np.ndarray], ao: AOBasis
) -> tuple[np.ndarray, np.ndarray]:
    true, ours = [np.zeros(0)], [np.zeros(0)]
    for record, F in zip(records, matrices, strict=True):
        try:
            found = analyse(record.atoms(), fock=F, ao=ao)
        except InputError:  # no gap: metrics.json counts them
            continue
        n = int(np.sum(np.asarray(found.occupations) > 0))
        levels, labels = np.asarray(found.orbital_energies), np.asarray(record.orbital_energies)
        shown = slice(max(0, n - 8), min(n + 1, len(levels), len(labels)))
        near = labels[shown] > -100.0
        true.append(labels[shown][near])
        ours.append(levels[shown][near])
    return np.concatenate(true), np.concatenate(ours)
