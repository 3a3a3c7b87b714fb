r"""A fitted `OperatorModel` as a file, and back."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, astuple
from pathlib import Path
from typing import Any

from linvop.errors import FileFormatError
from linvop.io import operator_file
from linvop.io.hdf5 import json_safe
from linvop.models.domain import TrainingDomain
from linvop.models.functional import Functional
from linvop.models.operator import OperatorModel
from linvop.models.operator_part import BlockPart
from linvop.models.stored_settings import (
    basis_of,
    shells_of,
    solver_of,
    stored_basis,
    stored_shells,
    stored_solver,
)
from linvop.orbitals.operator_blocks import OperatorBlock
from linvop.orbitals.shells import AOBasis

__all__ = ["load_operator_model", "save_operator_model"]


def save_operator_model(
    model: OperatorModel,
    path: str | Path,
    *,
    force: bool = False,
    more: Mapping[str, Any] | None = None,
) -> None:
    r"""Write a fitted model.

    Parameters
    ----------
    model : OperatorModel
    path : path
    force : bool
    more : mapping, optional
        Settings of a model that this one is part of, by name.

    Raises
    ------
    InputError
        If the file exists and ``force`` is not set.
    """
    settings = {
        **stored_basis(model.basis, model.species_),
        "operator_shells": stored_shells(model.ao_, model.species_),
        "target": model.target,
        "solver": stored_solver(model.solver),
        "baseline": model.baseline,
        "functional": None if model.functional_ is None else asdict(model.functional_),
        "orthogonal": model.orthogonal,
        "kappa_cost": model.kappa_cost,
        "species": list(model.species_),
        "state": list(model.state_),
        "spin_channels": model.spin_channels_,
        "n_train": model.n_train_,
        "domain": None if model.domain_ is None else model.domain_.stored(),
        "training": model.training_,
        **(more or {}),
    }
    features = model.features()
    blocks = [
        operator_file.StoredBlock(
            list(astuple(block)),
            part.coefficients,
            part.constants,
            [str(label) for label in features.labels(block)],
            json_safe(part.report),
        )
        for block, part in model.parts_.items()
    ]
    operator_file.write(path, json.dumps(json_safe(settings)), blocks, force=force)


def load_operator_model(path: str | Path) -> OperatorModel:
    r"""Read a model that `OperatorModel.save` wrote.

    Raises
    ------
    FileFormatError
        If the file is missing, damaged, foreign, newer, or does not fit this version's basis.
    """
    text, blocks = operator_file.read(path)
    settings = json.loads(text)
    species = tuple(settings["species"])
    model = OperatorModel(
        basis_of(settings, species),
        settings["target"],
        solver_of(settings["solver"], path),
        baseline=settings["baseline"],
        orthogonal=settings["orthogonal"],
        kappa_cost=settings["kappa_cost"],
    )
    model.ao_ = AOBasis(shells_of(settings["operator_shells"]))
    model.species_ = species
    model.state_ = tuple(settings["state"])
    model.spin_channels_ = settings["spin_channels"]
    model.n_train_ = settings["n_train"]
    model.training_ = settings["training"]
    domain = settings.get("domain")  # files of earlier versions have none
    model.domain_ = None if domain is None else TrainingDomain(**domain)
    stored_functional = settings.get("functional")
    if stored_functional is not None:
        model.functional_ = Functional(**stored_functional)
    model.parts_ = {}
    features = model.features()
    for stored in blocks:
        block = OperatorBlock(*stored.name)
        if [str(label) for label in features.labels(block)] != stored.columns:
            raise FileFormatError(
                f"{path}: the columns of block {block} are not those that this version of linvop "
                "makes from the stored basis"
            )
        model.parts_[block] = BlockPart(stored.coefficients, stored.constants, stored.report)
    return model
