r"""The TOML file of ``linvop fit``: read strictly, checked before any work.

::

    [data]
    train = "train.xyz"            # any ASE format, a data set (.h5), or "shipped:water"
    test = "test.xyz"              # optional; or n_train and seed: a random split of train
    n_train = 200
    seed = 0
    state = [0, 1]                 # optional: only structures of this charge and multiplicity
    keys = { energy = "energy_Ha" }
    units = { energy = "Hartree" }

    [basis]                        # the parameters of linvop.Basis; "none" is None
    ao = "6-31g"
    kappa = 3
    nu = 2                         # products of two site features, of degree 6 at most
    max_degree = ["none", 6]
    resolution = "shell"
    metric = "lowdin"

    [targets]                      # {} for targets linvop knows; rank or irrep, unit for others
    energy = {}
    dipole = {}

    [solver]
    alpha = "loo"                  # or "gcv", "evidence", a number; alpha_bounds = [low, high]
    column_scale = 0.5
    covariance = false             # true: keep what standard deviations of predictions need
    rarity = 30                    # optional: columns that fewer structures carry cost more; not
                                   # with covariance
    prune = 1e-8                   # optional: drop columns that depend on others in the data
    kappa_cost = 2.0
    relevance = "shells"           # optional: prior variances of groups of columns from the data
    # chunk = 200                  # instead of covariance, rarity, prune and relevance: structures
                                   # whose rows are in memory at a time; a killed fit goes on

    [output]
    dir = "."

Paths are relative to the file itself.
"""

from __future__ import annotations

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
    state_of,
    switch,
)
from linvop.conventions import PROPERTY_UNITS, unit_factor
from linvop.errors import InputError
from linvop.features.basis import Basis
from linvop.models.force_fit import FORCE_WEIGHT
from linvop.models.property import PropertyModel
from linvop.models.targets import Target, as_target
from linvop.regression.ridge import Ridge
from linvop.regression.streamed_ridge import check_streamed

__all__ = ["FitConfig", "checked_config", "read_config"]

_SECTIONS: dict[str, tuple[str, ...]] = {
    "data": ("train", "test", "n_train", "seed", "state", "keys", "units"),
    "basis": tuple(f.name for f in fields(Basis)),
    "targets": (),
    "solver": (
        "alpha",
        "alpha_bounds",
        "column_scale",
        "kappa_cost",
        "covariance",
        "rarity",
        "prune",
        "relevance",
        "atom_energies",
        "force_weight",
        "chunk",
    ),
    "output": ("dir",),
}


@dataclass(frozen=True)
class FitConfig:
    r"""A checked configuration.

    Attributes
    ----------
    train : str
        A path, or ``shipped:water``.
    test : str or None
    n_train : int or None
        Size of the training part where `train` is split.
    seed : int
    state : (int, int) or None
        Charge and multiplicity of the structures that are taken.
    keys, units : dict
    model : PropertyModel
        Not fitted yet.
    chunk : int or None
        For `PropertyModel.fit`.
    output : Path
    """

    train: str
    test: str | None
    n_train: int | None
    seed: int
    state: tuple[int, int] | None
    keys: dict[str, str]
    units: dict[str, str]
    model: PropertyModel
    output: Path
    chunk: int | None = None


def read_config(path: str | Path) -> FitConfig:
    r"""Read and check a configuration.

    Raises
    ------
    InputError
        Naming the file, section and key, and what was expected.
    """
    return checked_config(Path(path), read_toml(Path(path)))


def checked_config(path: Path, tree: dict[str, Any]) -> FitConfig:
    r"""Check the sections of a configuration; `path` is what they are of and relative to.

    Raises
    ------
    InputError
        As `read_config`.
    """
    check_names(path, tree, _SECTIONS)
    with naming(path):
        return _checked(path, tree)


def _checked(path: Path, tree: dict[str, Any]) -> FitConfig:
    data, solver = tree["data"], dict(tree.get("solver", {}))
    n_train, seed = size_and_seed(data)
    with in_section("basis"):
        basis = Basis(**basis_values(tree["basis"]))
    with in_section("solver"):
        ridge = Ridge(
            alpha(solver),
            column_scale=number(solver, "column_scale", 0.5),
            alpha_bounds=alpha_bounds(solver),
            covariance=switch(solver, "covariance"),
            rarity=number(solver, "rarity", 0.0),
            prune=None if "prune" not in solver else number(solver, "prune", 0.0),
        )
        if "chunk" in solver:
            check_streamed(ridge)
    model = PropertyModel(
        basis,
        [_target(name, settings) for name, settings in tree["targets"].items()],
        ridge,
        kappa_cost=number(solver, "kappa_cost", 2.0),
        relevance=solver.get("relevance"),
        atom_energies=_energies(solver),
        force_weight=solver.get("force_weight", FORCE_WEIGHT),
    )
    if "force_weight" in solver and not model.with_forces:
        raise InputError("[solver] force_weight: expected forces = {} in [targets]")
    names = [t.name for t in model.measured]
    units = _of_targets(data, "units", names)
    for name in set(units) & set(PROPERTY_UNITS):
        unit_factor(name, units[name])
    return FitConfig(
        place(path, data["train"], "train"),
        None if "test" not in data else place(path, data["test"], "test"),
        n_train,
        seed,
        state_of(data),
        _of_targets(data, "keys", names),
        units,
        model,
        path.parent / path_of(tree.get("output", {}).get("dir", "."), "[output] dir"),
        _chunk(solver),
    )


def _chunk(solver: dict[str, Any]) -> int | None:
    value = solver.get("chunk")
    if value is not None and (type(value) is not int or value < 1):
        raise InputError(f"[solver] chunk: expected a positive integer, got {value!r}")
    return value


def _target(name: str, settings: Any) -> Target:
    if not isinstance(settings, dict):
        raise InputError(f"[targets] {name}: expected a table such as {{}}, got {settings!r}")
    if not settings:
        return as_target(name)
    allowed = ("rank", "irrep", "unit", "constants")
    for key in settings:
        if key not in allowed:
            raise InputError(f"[targets] {name}.{key}: expected one of {listed(allowed)}")
    if name in PROPERTY_UNITS and "unit" in settings:
        raise InputError(
            f"[targets] {name}.unit: predictions are in {PROPERTY_UNITS[name]}; the unit of "
            f"labels stands in [data]: units = {{ {name} = {settings['unit']!r} }}"
        )
    if name == "forces":
        raise InputError(
            f"[targets] forces: expected {{}}, got {', '.join(settings)}; their weight is "
            "force_weight in [solver]"
        )
    values = dict(settings)
    if "irrep" in values:
        irrep = values["irrep"]
        if not (isinstance(irrep, list) and len(irrep) == 2):
            raise InputError(f"[targets] {name}.irrep: expected [lam, sigma], got {irrep!r}")
        values["irrep"] = (irrep[0], irrep[1])
    return Target(name, **values)


def _energies(section: dict[str, Any]) -> dict[str, float] | None:
    value = section.get("atom_energies")
    if value is None:
        return None
    if not isinstance(value, dict) or not all(type(v) in (int, float) for v in value.values()):
        raise InputError(
            f"[solver] atom_energies: expected a table of numbers in eV, got {value!r}"
        )
    return {symbol: float(v) for symbol, v in value.items()}


def _of_targets(data: dict[str, Any], key: str, names: list[str]) -> dict[str, str]:
    """A table with a string for each of some targets."""
    value = data.get(key, {})
    if not isinstance(value, dict) or not all(isinstance(v, str) for v in value.values()):
        raise InputError(f"[data] {key}: expected a table of names, got {value!r}")
    for name in value:
        if name not in names:
            raise InputError(f"[data] {key}.{name}: expected one of the targets, {listed(names)}")
    return dict(value)
