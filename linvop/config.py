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
    kappa_cost = 2.0
    relevance = "shells"           # optional: prior variances of groups of columns from the data

    [output]
    dir = "."

Paths are relative to the file itself.
"""

from __future__ import annotations

import math
import tomllib
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

from linvop.conventions import PROPERTY_UNITS, unit_factor
from linvop.errors import InputError
from linvop.features.basis import Basis
from linvop.models.property import PropertyModel
from linvop.models.targets import Target, as_target
from linvop.regression.ridge import Ridge

__all__ = ["SHIPPED", "FitConfig", "checked_config", "read_config", "read_toml"]

SHIPPED = "shipped:water"
"""What stands in place of a path for the data set that comes with linvop."""

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
        "relevance",
        "atom_energies",
    ),
    "output": ("dir",),
}
_CRITERIA = ("loo", "gcv", "evidence")


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


def read_config(path: str | Path) -> FitConfig:
    r"""Read and check a configuration.

    Raises
    ------
    InputError
        Naming the file, section and key, and what was expected.
    """
    return checked_config(Path(path), read_toml(Path(path)))


def read_toml(path: Path) -> dict[str, Any]:
    r"""The sections of a TOML file, as they are.

    Raises
    ------
    InputError
        If there is no such file, or if it is no TOML.
    """
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise InputError(f"{path}: no such file") from None
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise InputError(f"{path}: not a TOML file: {error}") from error


def checked_config(path: Path, tree: dict[str, Any]) -> FitConfig:
    r"""Check the sections of a configuration; `path` is what they are of and relative to.

    Raises
    ------
    InputError
        As `read_config`.
    """
    _check_names(path, tree)
    try:
        return _checked(path, tree)
    except InputError as error:
        text = str(error)
        raise InputError(text if text.startswith(str(path)) else f"{path}: {text}") from error


def _check_names(path: Path, tree: dict[str, Any]) -> None:
    for section, content in tree.items():
        if section not in _SECTIONS:
            raise InputError(f"{path}: section [{section}]: expected one of {_names(_SECTIONS)}")
        if not isinstance(content, dict):
            raise InputError(f"{path}: {section}: expected a section [{section}], got {content!r}")
        for key in content:
            if section != "targets" and key not in _SECTIONS[section]:
                raise InputError(
                    f"{path}: [{section}] {key}: expected one of {_names(_SECTIONS[section])}"
                )
    for section in ("data", "basis", "targets"):
        if section not in tree:
            raise InputError(f"{path}: section [{section}] is missing")
    for section, key in (("data", "train"), ("basis", "ao")):
        if key not in tree[section]:
            raise InputError(f"{path}: [{section}] {key} is missing")


def _checked(path: Path, tree: dict[str, Any]) -> FitConfig:
    data, solver = tree["data"], dict(tree.get("solver", {}))
    n_train, seed = data.get("n_train"), data.get("seed", 0)
    for name, value in (("n_train", n_train), ("seed", seed)):
        lowest = 0 if name == "seed" else 1
        if value is not None and (
            isinstance(value, bool) or not isinstance(value, int) or value < lowest
        ):
            raise InputError(f"[data] {name}: expected an integer >= {lowest}, got {value!r}")
    if n_train is not None and "test" in data:
        raise InputError("[data]: expected either test or n_train, got both")
    model = PropertyModel(
        Basis(**_basis(tree["basis"])),
        [_target(name, settings) for name, settings in tree["targets"].items()],
        Ridge(
            _alpha(solver),
            column_scale=_number(solver, "column_scale", 0.5),
            alpha_bounds=_bounds(solver),
            covariance=_switch(solver, "covariance"),
        ),
        kappa_cost=_number(solver, "kappa_cost", 2.0),
        relevance=solver.get("relevance"),
        atom_energies=_energies(solver),
    )
    names = [t.name for t in model.targets]
    units = _of_targets(data, "units", names)
    for name in set(units) & set(PROPERTY_UNITS):
        unit_factor(name, units[name])
    return FitConfig(
        _place(path, data["train"], "train"),
        None if "test" not in data else _place(path, data["test"], "test"),
        n_train,
        seed,
        _state(data),
        _of_targets(data, "keys", names),
        units,
        model,
        path.parent / _path(tree.get("output", {}).get("dir", "."), "[output] dir"),
    )


def _state(data: dict[str, Any]) -> tuple[int, int] | None:
    value = data.get("state")
    if value is None:
        return None
    if not (isinstance(value, list) and len(value) == 2 and all(type(x) is int for x in value)):
        raise InputError(f"[data] state: expected [charge, multiplicity], got {value!r}")
    return value[0], value[1]


def _basis(section: dict[str, Any]) -> dict[str, Any]:
    """Parameters of `Basis`; TOML has no None, so "none" is it."""
    out = dict(section)
    for key in ("screening", "max_degree", "pair_max_degree"):
        if isinstance(out.get(key), list):
            out[key] = tuple(None if x == "none" else x for x in out[key])
    return {key: None if value == "none" else value for key, value in out.items()}


def _target(name: str, settings: Any) -> Target:
    if not isinstance(settings, dict):
        raise InputError(f"[targets] {name}: expected a table such as {{}}, got {settings!r}")
    if not settings:
        return as_target(name)
    allowed = ("rank", "irrep", "unit", "constants")
    for key in settings:
        if key not in allowed:
            raise InputError(f"[targets] {name}.{key}: expected one of {_names(allowed)}")
    values = dict(settings)
    if "irrep" in values:
        irrep = values["irrep"]
        if not (isinstance(irrep, list) and len(irrep) == 2):
            raise InputError(f"[targets] {name}.irrep: expected [lam, sigma], got {irrep!r}")
        values["irrep"] = (irrep[0], irrep[1])
    return Target(name, **values)


def _number(section: dict[str, Any], key: str, default: float) -> float:
    value = section.get(key, default)
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value < math.inf:
        raise InputError(f"[solver] {key}: expected a number >= 0, got {value!r}")
    return value


def _switch(section: dict[str, Any], key: str) -> bool:
    value = section.get(key, False)
    if not isinstance(value, bool):
        raise InputError(f"[solver] {key}: expected true or false, got {value!r}")
    return value


def _alpha(section: dict[str, Any]) -> float | str:
    value = section.get("alpha", "loo")
    if value in _CRITERIA:
        return value
    number = isinstance(value, int | float) and not isinstance(value, bool)
    if not number or not 0 < value < math.inf:
        raise InputError(
            f"[solver] alpha: expected a positive number or one of {_names(_CRITERIA)}, "
            f"got {value!r}"
        )
    return value


def _bounds(section: dict[str, Any]) -> tuple[float, float] | None:
    value = section.get("alpha_bounds")
    if value is None:
        return None
    if not (isinstance(value, list) and len(value) == 2):
        raise InputError(f"[solver] alpha_bounds: expected two numbers, got {value!r}")
    return value[0], value[1]  # the solver checks the rest


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
            raise InputError(f"[data] {key}.{name}: expected one of the targets, {_names(names)}")
    return dict(value)


def _place(path: Path, value: Any, key: str) -> str:
    given = _path(value, f"[data] {key}")
    if not given.startswith("shipped:"):
        return str(path.parent / given)
    if given != SHIPPED:
        raise InputError(f"[data] {key}: expected a path or {SHIPPED}, got {given!r}")
    return given


def _path(value: Any, name: str) -> str:
    if not isinstance(value, str):
        raise InputError(f"{name}: expected a path, got {value!r}")
    return value


def _names(names: Any) -> str:
    return ", ".join(names)
