r"""Effective operators: a small basis with the observables of a larger one, on held-out structures.

The yardstick is the projected operator, which needs the large calculation of each structure.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from time import perf_counter
from typing import TYPE_CHECKING, Any

from linvop.bench.machine import describe_machine
from linvop.bench.tables import Report, Table
from linvop.conventions import HARTREE
from linvop.errors import InputError

if TYPE_CHECKING:
    from linvop.io.dataset import Dataset

__all__ = ["BASIS", "measure_effective"]

BASIS: dict[str, Any] = {
    "ao": "linvop-sv",
    "kappa": 2,
    "metric": "lowdin",
    "nu": 2,
    "max_degree": (None, 5),
    "nu_pair": (1, 1),
    "pair_max_degree": (None, 5, 4),
}
"""Of the features."""

_SHOWN = {
    "occupied orbital energies": ("occupied, mHa", 1e3 / HARTREE),
    "LUMO": ("LUMO, mHa", 1e3 / HARTREE),
    "occupied and LUMO": ("both, mHa", 1e3 / HARTREE),
    "gap": ("gap, mHa", 1e3 / HARTREE),
    "dipole": ("dipole, me A", 1e3),
}


def measure_effective(
    path: str | Path | None,
    *,
    name: str = "water",
    ao: str = "sto-3g",
    n_train: int = 100,
    n_test: int = 20,
    sizes: Sequence[int] = (),
    say: Callable[[str], None] | None = None,
) -> Report:
    r"""Fit and compare with the projected operator.

    Parameters
    ----------
    path : path, optional
        Data set with orbital energies, dipoles and Fock matrices; default the shipped waters.
    name : str
        Of the table.
    ao : str
        Of the operator.
    n_train, n_test : int
        The first and the last structures.
    sizes : sequence of int
        Smaller training sets.
    say : callable, optional

    Raises
    ------
    InputError
        For too few structures.
    """
    import linvop

    data = linvop.Dataset.open(linvop.data.water() if path is None else path)
    data = data.having("fock", "orbital_energies", "dipole")
    if len(data) < n_train + n_test:
        raise InputError(
            f"{path or 'shipped waters'}: expected {n_train} + {n_test} structures with fock, "
            f"orbital energies and dipole, got {len(data)}"
        )
    test = data[len(data) - n_test :]
    projected = linvop.EffectiveOperatorModel(linvop.Basis(**BASIS), ao).projected_score(test)
    nothing = {"steps": "", "fit, s": "", "projected / effective": ""}
    rows: list[dict[str, Any]] = [
        {"operator": "projected", "training": "", "coefficients": "", **_rmse(projected), **nothing}
    ]
    for size in (*sizes, n_train):
        if say:
            say(f"{name}, {size} structures")
        rows.append(_row(data[:size], test, ao))
        rows[-1]["projected / effective"] = rows[0]["both, mHa"] / rows[-1]["both, mHa"]
    level = ", ".join(str(data.settings[k]) for k in ("xc", "ao") if data.settings.get(k))
    notes = [
        f"{ao} operators, labels {level}; the last {n_test} structures are the test set; RMSE.",
        f"Features: {linvop.Basis(**BASIS)!r}.",
        "`projected` is T^T F T of each test structure's own large calculation; `effective` has "
        "seen orbital energies (occupied and LUMO) and dipoles of the training structures, and "
        "starts from the linear fit to their projected operators.",
    ]
    table = Table(f"effective-{name}", f"{name}: effective operators", rows, notes)
    return Report(describe_machine(), [table])


def _row(train: Dataset, test: Dataset, ao: str) -> dict[str, Any]:
    import linvop

    model = linvop.EffectiveOperatorModel(linvop.Basis(**BASIS), ao)
    start = perf_counter()
    model.fit(train)
    seconds = perf_counter() - start
    return {
        "operator": "effective",
        "training": len(train),
        "coefficients": model.report()["n_coefficients"],
        **_rmse(model.score(test)),
        "steps": len(model.history_) - 1,
        "fit, s": seconds,
    }


def _rmse(score: dict[str, dict[str, Any]]) -> dict[str, float]:
    return {title: factor * score[key]["rmse"] for key, (title, factor) in _SHOWN.items()}
