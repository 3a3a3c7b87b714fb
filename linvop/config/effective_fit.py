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
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from linvop.config.matrix_fit import SECTIONS, Sources, checked_settings, fit_of
from linvop.config.reading import check_names, naming, read_toml
from linvop.config.values import listed
from linvop.errors import InputError
from linvop.models.effective import EffectiveOperatorModel

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


@dataclass(frozen=True, kw_only=True)
class EffectiveFitConfig(Sources):
    r"""A checked configuration.

    Attributes
    ----------
    model : EffectiveOperatorModel
        Not fitted yet.
    """

    model: EffectiveOperatorModel


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
    check_names(path, tree, SECTIONS | {"targets": ("effective",)})
    with naming(path):
        return _checked(path, tree)


def _checked(path: Path, tree: dict[str, Any]) -> EffectiveFitConfig:
    targets = tree["targets"]
    if len(targets) != 1:
        raise InputError(f"[targets]: expected effective alone, got {listed(targets)}")
    settings = checked_settings(targets, "effective", _SETTINGS)
    if "quantities" in settings:
        settings["targets"] = settings.pop("quantities")
    fit = fit_of(path, tree)
    model = EffectiveOperatorModel(
        fit.basis, solver=fit.solver, kappa_cost=fit.kappa_cost, **settings
    )
    return EffectiveFitConfig(model=model, **fit.sources)
