r"""A fitted `PropertyModel` as a file, and back.

The file spells everything out: the basis with the exponents of its AOs, the species, the name
of every column, coefficients, constants, units and the report of the fit. Reading rebuilds the
basis and compares the names of the columns with those stored, so that coefficients never meet
columns in another order.
"""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from linvop.basis.words import Irrep
from linvop.errors import FileFormatError
from linvop.features.basis import Basis
from linvop.io import model_file
from linvop.io.hdf5 import json_safe
from linvop.models.domain import TrainingDomain
from linvop.models.force_fit import FORCE_WEIGHT
from linvop.models.linear_part import LinearPart
from linvop.models.property import PropertyModel
from linvop.models.stored_settings import basis_of, solver_of, stored_basis, stored_solver
from linvop.models.targets import Target
from linvop.regression.calibration import Scale
from linvop.regression.uncertainty import Directions, Posterior

__all__ = ["load_property_model", "save_property_model"]


def save_property_model(model: PropertyModel, path: str | Path, *, force: bool = False) -> None:
    r"""Write a fitted model.

    Raises
    ------
    InputError
        If the file exists and ``force`` is not set.
    """
    basis = model.basis
    settings: dict[str, Any] = {
        **stored_basis(basis, model.species_),
        "species": list(model.species_),
        "state": list(model.state_),
        "n_train": model.n_train_,
        "targets": [asdict(t) for t in model.measured],
        "force_weight": model.force_weight,
        "solver": stored_solver(model.solver),
        "kappa_cost": model.kappa_cost,
        "relevance": model.relevance,
        "atom_energies": model.atom_energies,
        "training": model.training_,
        "domain": None if model.domain_ is None else model.domain_.stored(),
    }
    parts, directions = [], _SharedDirections()
    for name, by_irrep in model.parts_.items():
        for irrep, part in by_irrep.items():
            parts.append(
                model_file.Part(
                    name,
                    irrep,
                    part.coefficients,
                    part.constants,
                    [str(label) for label in _labels(basis, model.species_, irrep)],
                    part.report,
                    *directions.place(part),
                    part.lone,
                )
            )
    model_file.write(path, json.dumps(json_safe(settings)), parts, directions.arrays(), force=force)


def load_property_model(path: str | Path) -> PropertyModel:
    r"""Read a model that `PropertyModel.save` wrote.

    Raises
    ------
    FileFormatError
        If the file is missing, damaged, foreign, newer, or does not fit this version's basis.
    """
    text, parts, stored = model_file.read(path)
    try:
        directions = [Directions(**arrays) for arrays in stored]
    except TypeError as error:
        raise FileFormatError(f"{path}: incomplete covariances: {error}") from error
    settings = json.loads(text)
    species = tuple(settings["species"])
    basis = basis_of(settings, species)
    targets = tuple(_target(t) for t in settings["targets"])
    model = PropertyModel(
        basis,
        targets,
        solver_of(settings["solver"], path),
        kappa_cost=settings["kappa_cost"],
        relevance=settings.get("relevance"),
        atom_energies=settings["atom_energies"],
        force_weight=settings.get("force_weight", FORCE_WEIGHT),  # a list of several
    )
    model.species_ = species
    model.state_ = tuple(settings["state"])
    model.n_train_ = settings["n_train"]
    model.training_ = settings["training"]
    domain = settings.get("domain")  # files of earlier versions have none
    model.domain_ = None if domain is None else TrainingDomain(**domain)
    model.parts_ = {t.name: {} for t in model.targets}
    for part in parts:
        if [str(label) for label in _labels(basis, species, part.irrep)] != part.columns:
            raise FileFormatError(
                f"{path}: the columns of {part.target} {part.irrep} are not those that this "
                "version of linvop makes from the stored basis"
            )
        model.parts_[part.target][part.irrep] = LinearPart(
            part.coefficients,
            part.constants,
            part.report,
            _posterior(part, directions),
            _gradient_scale(part),
            part.lone,
        )
    return model


class _SharedDirections:
    """Directions by identity: targets of one factorisation have them in the file once."""

    def __init__(self) -> None:
        self._found: list[Directions] = []

    def place(self, part: LinearPart) -> tuple[int | None, np.ndarray | None]:
        """Return the number of its directions, and its alpha, noise and model scale."""
        posterior = part.posterior
        if posterior is None:
            return None, None
        known = [k for k, d in enumerate(self._found) if d is posterior.directions]
        if not known:
            self._found.append(posterior.directions)
        scale = [posterior.alpha, posterior.scale.noise, posterior.scale.model]
        if part.gradient_scale is not None:
            scale += [part.gradient_scale.noise, part.gradient_scale.model]
        return (known or [len(self._found) - 1])[0], np.concatenate(scale)

    def arrays(self) -> list[dict[str, np.ndarray]]:
        return [vars(d) for d in self._found]


def _posterior(part: model_file.Part, directions: list[Directions]) -> Posterior | None:
    if part.directions is None or part.scale is None:
        return None
    alpha, noise, model = part.scale[:3].reshape(3, 1)
    return Posterior(directions[part.directions], alpha, Scale(noise, model))


def _gradient_scale(part: model_file.Part) -> Scale | None:
    if part.scale is None or len(part.scale) == 3:
        return None
    return Scale(*part.scale[3:].reshape(2, 1))


def _labels(basis: Basis, species: tuple[str, ...], irrep: Irrep) -> list:
    return basis.labels(species, target="structure", irreps=[irrep])


def _target(stored: dict[str, Any]) -> Target:
    irrep = stored["irrep"]
    return Target(**{**stored, "irrep": None if irrep is None else tuple(irrep)})
