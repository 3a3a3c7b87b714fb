r"""A fitted `EffectiveOperatorModel` as a file: its operator's, with what it was fitted to."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from linvop.io import operator_file
from linvop.models.effective import EffectiveOperatorModel
from linvop.models.operator_storage import load_operator_model, save_operator_model
from linvop.orbitals.shells import AOBasis

__all__ = ["load_effective_model", "save_effective_model", "stored_settings"]

_NAME = "effective"


def save_effective_model(
    model: EffectiveOperatorModel, path: str | Path, *, force: bool = False
) -> None:
    r"""Write a fitted model.

    Raises
    ------
    InputError
        If the file exists and ``force`` is not set.
    """
    stored = {
        "ao": model.small_ao.spec if isinstance(model.small_ao.spec, str) else None,
        "targets": list(model.targets),
        "start": model.start,
        "started_from": model.started_from_,
        "window": model.levels.window,
        "n_virtual": model.levels.n_virtual,
        "width": model.levels.width,
        "weights": model.weights,
        "steps": model.steps,
        "tolerance": model.tolerance,
        "history": model.history_,
        "stopped": model.stopped_,
    }
    save_operator_model(model.operator_, path, force=force, more={_NAME: stored})


def stored_settings(path: str | Path) -> dict[str, Any] | None:
    r"""What an operator file says of the effective model in it; None if there is none.

    Raises
    ------
    FileFormatError
        If the file is missing, damaged or foreign.
    """
    return json.loads(operator_file.read(path)[0]).get(_NAME)


def load_effective_model(path: str | Path) -> EffectiveOperatorModel:
    r"""Read a model that `EffectiveOperatorModel.save` wrote.

    Raises
    ------
    FileFormatError
        If the file is missing, damaged, foreign, newer, or does not fit this version's basis.
    """
    stored = dict(stored_settings(path) or {})
    history, started_from = stored.pop("history"), stored.pop("started_from")
    stopped = stored.pop("stopped")
    operator = load_operator_model(path)
    name = stored.pop("ao")
    known = name is not None and all(
        AOBasis(name).shells(s) == operator.ao_.shells(s) for s in operator.species_
    )
    model = EffectiveOperatorModel(
        operator.basis,
        name if known else operator.ao_,
        stored.pop("targets"),
        operator.solver,
        baseline=operator.baseline,
        orthogonal=operator.orthogonal,
        kappa_cost=operator.kappa_cost,
        **stored,
    )
    model.operator_, model.history_, model.started_from_ = operator, history, started_from
    model.stopped_ = stopped
    return model
