r"""What configurations of fits to matrices, of operators and effective ones, have in common."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, NamedTuple

from linvop.config.reading import in_section
from linvop.config.values import (
    alpha,
    alpha_bounds,
    basis_values,
    listed,
    number,
    path_of,
    place,
    size_and_seed,
)
from linvop.errors import InputError
from linvop.features.basis import Basis
from linvop.regression.ridge import Ridge

__all__ = ["SECTIONS", "MatrixFit", "Sources", "checked_settings", "fit_of"]

SECTIONS: dict[str, tuple[str, ...]] = {
    "data": ("train", "test", "n_train", "seed"),
    "basis": tuple(f.name for f in fields(Basis)),
    "solver": ("alpha", "alpha_bounds", "column_scale", "kappa_cost", "rarity"),
    "output": ("dir",),
}
"""And [targets], which differ."""


@dataclass(frozen=True, kw_only=True)
class Sources:
    r"""Where the structures come from and where the result goes.

    Attributes
    ----------
    train : str
        A path, or ``shipped:water``.
    test : str or None
    n_train : int or None
        Size of the training part where `train` is split.
    seed : int
    output : Path
    """

    train: str
    test: str | None
    n_train: int | None
    seed: int
    output: Path


class MatrixFit(NamedTuple):
    r"""A checked configuration but for its targets.

    Attributes
    ----------
    sources : dict
        Arguments of `Sources`.
    basis : Basis
    solver : Ridge
    kappa_cost : float
    """

    sources: dict[str, Any]
    basis: Basis
    solver: Ridge
    kappa_cost: float


def fit_of(path: Path, tree: dict[str, Any]) -> MatrixFit:
    r"""Check all sections but [targets].

    Raises
    ------
    InputError
        Naming section and key.
    """
    data, solver = tree["data"], dict(tree.get("solver", {}))
    n_train, seed = size_and_seed(data)
    with in_section("basis"):
        basis = Basis(**basis_values(tree["basis"]))
    with in_section("solver"):
        ridge = Ridge(
            alpha(solver),
            column_scale=number(solver, "column_scale", 0.5),
            alpha_bounds=alpha_bounds(solver),
            rarity=number(solver, "rarity", 0.0),
            refine=False,
        )
    sources = {
        "train": place(path, data["train"], "train"),
        "test": None if "test" not in data else place(path, data["test"], "test"),
        "n_train": n_train,
        "seed": seed,
        "output": path.parent / path_of(tree.get("output", {}).get("dir", "."), "[output] dir"),
    }
    return MatrixFit(sources, basis, ridge, number(solver, "kappa_cost", 2.0))


def checked_settings(
    targets: Mapping[str, Any], name: str, allowed: tuple[str, ...]
) -> dict[str, Any]:
    r"""The table of a target, all of whose keys are known.

    Raises
    ------
    InputError
    """
    settings = targets[name]
    if not isinstance(settings, dict):
        raise InputError(f"[targets] {name}: expected a table such as {{}}, got {settings!r}")
    for key in settings:
        if key not in allowed:
            raise InputError(f"[targets] {name}.{key}: expected one of {listed(allowed)}")
    return dict(settings)
