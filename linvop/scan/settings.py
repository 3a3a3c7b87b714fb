r"""The TOML file of ``linvop scan``: that of ``linvop fit`` with lists in a section [scan].

::

    [scan]
    ao = ["sto-3g", "6-31g"]       # any parameters of linvop.Basis, each a list ...
    kappa = [2, 3]
    metric = ["ao", "lowdin"]      # ... and every combination of them is a setting
    screening = ["none", 0.3, ["none", 0.3]]
    folds = "loo"                  # or a number of folds
    max_columns = 20000            # settings with more are left out
    n_timed = 50                   # structures on which the features are timed

What a list does not give is taken from [basis]. Only training structures are looked at.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, fields
from itertools import product
from pathlib import Path
from typing import Any

from linvop.config import FitConfig, checked_config, read_toml
from linvop.errors import InputError
from linvop.features.basis import Basis

__all__ = ["ScanConfig", "Setting", "checked_scan", "read_scan"]

_BASIS = tuple(f.name for f in fields(Basis))
_OWN = ("folds", "max_columns", "n_timed")
_BARE = {"none": "bare V"}


@dataclass(frozen=True)
class Setting:
    r"""One combination of the lists.

    Attributes
    ----------
    values : {parameter: value}
        As the file has them.
    label : str
        The values that differ between settings, in words.
    fit : FitConfig
    """

    values: dict[str, Any]
    label: str
    fit: FitConfig


@dataclass(frozen=True)
class ScanConfig:
    r"""A checked scan.

    Attributes
    ----------
    lists : {parameter: values}
        What is scanned, in the order of the file.
    settings : tuple of Setting
        All combinations, the last list varying fastest.
    folds : int or None
        None leaves each structure out in turn.
    max_columns : int or None
    n_timed : int
    """

    lists: dict[str, list[Any]]
    settings: tuple[Setting, ...]
    folds: int | None
    max_columns: int | None
    n_timed: int

    @property
    def fit(self) -> FitConfig:
        """What all settings share: data, targets, solver, output."""
        return self.settings[0].fit


def read_scan(path: str | Path) -> ScanConfig:
    r"""Read and check a configuration.

    Raises
    ------
    InputError
        Naming the file, section and key, and what was expected.
    """
    return checked_scan(Path(path), read_toml(Path(path)))


def checked_scan(path: Path, tree: Mapping[str, Any]) -> ScanConfig:
    r"""Check the sections of a configuration; `path` is what they are of and relative to.

    Raises
    ------
    InputError
        As `read_scan`.
    """
    if "scan" not in tree:
        raise InputError(f"{path}: section [scan] is missing")
    section, rest = tree["scan"], {k: v for k, v in tree.items() if k != "scan"}
    if not isinstance(section, dict):
        raise InputError(f"{path}: scan: expected a section [scan], got {section!r}")
    fixed = rest.get("basis", {})
    if not isinstance(fixed, dict):
        raise InputError(f"{path}: basis: expected a section [basis], got {fixed!r}")
    try:
        lists = _lists(section, fixed)
        numbers = [_count(section, "max_columns", 1, None), _count(section, "n_timed", 1, 50)]
        folds = _folds(section)
    except InputError as error:
        raise InputError(f"{path}: {error}") from error
    varying = [name for name, values in lists.items() if len(values) > 1]
    settings = []
    for combination in product(*lists.values()):
        values = dict(zip(lists, combination, strict=True))
        fit = _fit(path, {**rest, "basis": {**fixed, **values}}, values)
        settings.append(Setting(values, _label(values, varying or list(values)), fit))
    return ScanConfig(lists, tuple(settings), folds, *numbers)


def _lists(section: dict[str, Any], fixed: dict[str, Any]) -> dict[str, list[Any]]:
    for key in section:
        if key not in (*_BASIS, *_OWN):
            raise InputError(f"[scan] {key}: expected one of {', '.join((*_BASIS, *_OWN))}")
        if key in fixed:
            raise InputError(f"[scan] {key}: expected it here or in [basis], got both")
    lists = {key: section[key] for key in section if key in _BASIS}
    if not lists:
        raise InputError(f"[scan]: expected a list for at least one of {', '.join(_BASIS)}")
    for key, values in lists.items():
        if not isinstance(values, list) or not values:
            raise InputError(f"[scan] {key}: expected a list of values, got {values!r}")
        twice = [text for text, n in Counter(map(repr, values)).items() if n > 1]
        if twice:
            raise InputError(f"[scan] {key}: expected distinct values, got {twice[0]} twice")
    return lists


def _count(section: dict[str, Any], key: str, lowest: int, default: int | None) -> Any:
    value = section.get(key, default)
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int) or value < lowest:
        raise InputError(f"[scan] {key}: expected an integer >= {lowest}, got {value!r}")
    return value


def _folds(section: dict[str, Any]) -> int | None:
    value = section.get("folds", "loo")
    if value == "loo":
        return None
    if isinstance(value, bool) or not isinstance(value, int) or value < 2:
        raise InputError(f'[scan] folds: expected "loo" or an integer >= 2, got {value!r}')
    return value


def _fit(path: Path, tree: dict[str, Any], scanned: dict[str, Any]) -> FitConfig:
    """The configuration of one setting; a bad parameter is said to be where it stands."""
    try:
        return checked_config(path, tree)
    except InputError as error:
        before, found, said = str(error).partition(f"{path}: ")
        said = said.removeprefix("[basis] ")
        key = said.partition(":")[0]
        if before or not found or key not in _BASIS:
            raise
        section = "scan" if key in scanned else "basis"
        if key in ("max_degree", "pair_max_degree") and {"nu", "nu_pair"} & set(scanned):
            said += (
                "; scan it with the largest nu in [basis], where a degree of 1 means no products"
            )
        raise InputError(f"{path}: [{section}] {said}") from error


def _label(values: dict[str, Any], names: list[str]) -> str:
    return ", ".join(_word(name, values[name]) for name in names)


def _word(name: str, value: Any) -> str:
    """A value in words: names speak for themselves, numbers with what they are."""
    if name == "screening":
        items = value if isinstance(value, list) else [value]
        return " + ".join(_BARE.get(x, f"zeta {x}") for x in items)
    if name in ("max_degree", "pair_max_degree") and isinstance(value, list):
        first = 1 if name == "max_degree" else 0
        limits = [_limit(k, d) for k, d in enumerate(value, first) if d != "none"]
        return f"{'nu' if first else 'site factors'} {', '.join(limits)}"
    return value if isinstance(value, str) and name != "sources" else f"{name} {value}"


def _limit(order: int, degree: float) -> str:
    """A largest degree; a product of that order has a degree of that order at least."""
    return f"{order} none" if degree < order else f"{order} to {degree}"
