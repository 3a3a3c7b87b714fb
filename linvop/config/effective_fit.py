r"""The TOML file of ``linvop fit`` for an effective operator.

::

    [data]
    train = "water.h5"             # closed shells with orbital energies, or "shipped:water"
    n_train = 200                  # a random split; or test = "test.h5"

    [basis]                        # the parameters of linvop.Basis; "none" is None
    ao = "linvop-sv"
    kappa = 2
    metric = "lowdin"
    nu_pair = [1, 1]
    pair_max_degree = ["none", 4, 4]

    [targets.effective]
    ao = "sto-3g"                  # of the operator
    quantities = ["orbital_energies", "dipole"]    # charges too
    n_virtual = 1                  # empty levels that count
    window = 30.0                  # optional: levels further below the gap (eV) do not
    width = 10.0                   # optional: levels far from the gap (eV) weigh less
    weights = { dipole = 2.0 }     # optional
    start = "projected"            # or "baseline", without Fock matrices
    baseline = "sap"
    orthogonal = true
    steps = 40
    tolerance = 0.03

    [solver]                       # of the start
    alpha = "loo"
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
from linvop.models.effective import EffectiveOperatorModel
from linvop.regression.ridge import Ridge

__all__ = ["EffectiveFitConfig", "is_effective_fit", "read_effective_config"]

_SETTINGS = (
    "ao",
    "quantities",
    "n_virtual",
    "window",
    "width",
    "weights",
    "start",
    "baseline",
    "orthogonal",
    "steps",
    "tolerance",
)
_SECTIONS: dict[str, tuple[str, ...]] = {
    "data": ("train", "test", "n_train", "seed"),
    "basis": tuple(f.name for f in fields(Basis)),
    "targets": ("effective",),
    "solver": ("alpha", "alpha_bounds", "column_scale", "kappa_cost"),
    "output": ("dir",),
}


@dataclass(frozen=True)
class EffectiveFitConfig:
    r"""A checked configuration.

    Attributes
    ----------
    train : str
        A path, or ``shipped:water``.
    test : str or None
    n_train : int or None
        Size of the training part where `train` is split.
    seed : int
    model : EffectiveOperatorModel
        Not fitted yet.
    output : Path
    """

    train: str
    test: str | None
    n_train: int | None
    seed: int
    model: EffectiveOperatorModel
    output: Path


def is_effective_fit(tree: Mapping[str, Any]) -> bool:
    """Whether a configuration has an effective operator among its targets."""
    targets = tree.get("targets")
    return isinstance(targets, dict) and "effective" in targets


def read_effective_config(path: str | Path) -> EffectiveFitConfig:
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


def _checked(path: Path, tree: dict[str, Any]) -> EffectiveFitConfig:
    data, solver = tree["data"], dict(tree.get("solver", {}))
    if len(tree["targets"]) != 1:
        raise InputError(f"[targets]: expected effective alone, got {listed(tree['targets'])}")
    settings = tree["targets"]["effective"]
    if not isinstance(settings, dict):
        raise InputError(f"[targets] effective: expected a table such as {{}}, got {settings!r}")
    for key in settings:
        if key not in _SETTINGS:
            raise InputError(f"[targets] effective.{key}: expected one of {listed(_SETTINGS)}")
    settings = dict(settings)
    if "quantities" in settings:
        settings["targets"] = settings.pop("quantities")
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
    model = EffectiveOperatorModel(
        basis,
        solver=ridge,
        kappa_cost=number(solver, "kappa_cost", 2.0),
        **settings,
    )
    return EffectiveFitConfig(
        place(path, data["train"], "train"),
        None if "test" not in data else place(path, data["test"], "test"),
        n_train,
        seed,
        model,
        path.parent / path_of(tree.get("output", {}).get("dir", "."), "[output] dir"),
    )
