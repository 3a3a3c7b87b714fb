r"""The TOML file of ``linvop fit`` for an operator.

::

    [data]
    train = "water.h5"             # a data set with the operator, or "shipped:water"
    test = "test.h5"               # optional; or n_train and seed: a random split of train
    n_train = 100
    seed = 0

    [basis]                        # the parameters of linvop.Basis; "none" is None
    ao = "def2-svp"
    kappa = 2
    metric = "lowdin"
    nu = 2
    max_degree = ["none", 8]       # on site
    nu_pair = [1, 1]
    pair_max_degree = ["none", 7, 6]   # between atoms: with 0, 1, 2 site factors

    [targets]                      # one of fock, density
    fock = { baseline = "sap", orthogonal = true }

    [solver]
    alpha = "loo"                  # or "gcv", "evidence", a number; alpha_bounds = [low, high]
    column_scale = 0.5
    kappa_cost = 2.0

    [output]
    dir = "."

Paths are relative to the file itself.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

from linvop.config.reading import check_names, in_section, naming, read_toml
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
from linvop.models.operator import OPERATORS, OperatorModel
from linvop.regression.ridge import Ridge

__all__ = ["OperatorFitConfig", "is_operator_fit", "read_operator_config"]

_SECTIONS: dict[str, tuple[str, ...]] = {
    "data": ("train", "test", "n_train", "seed"),
    "basis": tuple(f.name for f in fields(Basis)),
    "targets": OPERATORS,
    "solver": ("alpha", "alpha_bounds", "column_scale", "kappa_cost"),
    "output": ("dir",),
}
_SETTINGS = ("baseline", "orthogonal")


@dataclass(frozen=True)
class OperatorFitConfig:
    r"""A checked configuration.

    Attributes
    ----------
    train : str
        A path, or ``shipped:water``.
    test : str or None
    n_train : int or None
        Size of the training part where `train` is split.
    seed : int
    model : OperatorModel
        Not fitted yet.
    output : Path
    """

    train: str
    test: str | None
    n_train: int | None
    seed: int
    model: OperatorModel
    output: Path


def is_operator_fit(tree: Mapping[str, Any]) -> bool:
    """Whether a configuration has an operator among its targets."""
    targets = tree.get("targets")
    return isinstance(targets, dict) and any(name in OPERATORS for name in targets)


def read_operator_config(path: str | Path) -> OperatorFitConfig:
    r"""Read and check a configuration.

    Raises
    ------
    InputError
        Naming the file, section and key, and what was expected.
    """
    path = Path(path)
    tree = read_toml(path)
    check_names(path, tree, _SECTIONS)
    with naming(path):
        return _checked(path, tree)


def _checked(path: Path, tree: dict[str, Any]) -> OperatorFitConfig:
    data, solver, targets = tree["data"], dict(tree.get("solver", {})), tree["targets"]
    if len(targets) != 1 or next(iter(targets)) not in OPERATORS:
        raise InputError(
            f"[targets]: expected one of {listed(OPERATORS)} alone, got {listed(targets)}"
        )
    ((target, settings),) = targets.items()
    if not isinstance(settings, dict):
        raise InputError(f"[targets] {target}: expected a table such as {{}}, got {settings!r}")
    for key in settings:
        if key not in _SETTINGS:
            raise InputError(f"[targets] {target}.{key}: expected one of {listed(_SETTINGS)}")
    n_train, seed = size_and_seed(data)
    with in_section("basis"):
        basis = Basis(**basis_values(tree["basis"]))
    with in_section("solver"):
        ridge = Ridge(
            alpha(solver),
            column_scale=number(solver, "column_scale", 0.5),
            alpha_bounds=alpha_bounds(solver),
            refine=False,
        )
    model = OperatorModel(
        basis,
        target,
        ridge,
        kappa_cost=number(solver, "kappa_cost", 2.0),
        **settings,
    )
    return OperatorFitConfig(
        place(path, data["train"], "train"),
        None if "test" not in data else place(path, data["test"], "test"),
        n_train,
        seed,
        model,
        path.parent / path_of(tree.get("output", {}).get("dir", "."), "[output] dir"),
    )
