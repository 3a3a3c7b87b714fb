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
    rarity = 30                    # optional: columns that fewer structures carry cost more

    [output]
    dir = "."

Paths are relative to the file itself.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from linvop.config.matrix_fit import SECTIONS, Sources, checked_settings, fit_of
from linvop.config.reading import check_names, naming, read_toml
from linvop.config.values import listed
from linvop.errors import InputError
from linvop.models.operator import OPERATORS, OperatorModel

__all__ = ["OperatorFitConfig", "is_operator_fit", "read_operator_config"]

_SETTINGS = ("baseline", "orthogonal")


@dataclass(frozen=True, kw_only=True)
class OperatorFitConfig(Sources):
    r"""A checked configuration.

    Attributes
    ----------
    model : OperatorModel
        Not fitted yet.
    """

    model: OperatorModel


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
    check_names(path, tree, SECTIONS | {"targets": OPERATORS})
    with naming(path):
        return _checked(path, tree)


def _checked(path: Path, tree: dict[str, Any]) -> OperatorFitConfig:
    targets = tree["targets"]
    if len(targets) != 1 or next(iter(targets)) not in OPERATORS:
        raise InputError(
            f"[targets]: expected one of {listed(OPERATORS)} alone, got {listed(targets)}"
        )
    target = next(iter(targets))
    settings = checked_settings(targets, target, _SETTINGS)
    fit = fit_of(path, tree)
    model = OperatorModel(fit.basis, target, fit.solver, kappa_cost=fit.kappa_cost, **settings)
    return OperatorFitConfig(model=model, **fit.sources)
