r"""Water monomers: what resolution, metric and products give for three properties."""

from __future__ import annotations

from collections.abc import Callable
from itertools import product
from pathlib import Path
from time import perf_counter
from typing import TYPE_CHECKING, Any

import numpy as np

from linvop.bench.splits import random_split
from linvop.bench.tables import Table, verdict
from linvop.conventions import unit_factor

if TYPE_CHECKING:
    from linvop.models.property import PropertyModel

__all__ = ["measure_water"]

_KEYS = {"energy": "energy_Ha", "dipole": "dipole_au", "polarizability": "alpha_au"}
_UNITS = {"energy": "Hartree", "dipole": "au", "polarizability": "au"}
_N_TRAIN = 500
_TARGETS = {"energy": (0.015, 0.005), "dipole": (0.25, 0.1)}
"""Largest accepted RMSE of `shell`, of the first version and of the complete basis: mHa; 1e-3 au,
of a structure's whole vector."""

_PRODUCTS = {"nu": 2, "max_degree": (None, 6)}

_CASES: tuple[tuple[str, str, dict[str, Any]], ...] = (
    *((r, m, {}) for m, r in product(("ao", "lowdin"), ("total", "species", "shell"))),
    ("shell", "overlap", {}),
    ("shell", "lowdin", _PRODUCTS),
)
"""Resolution, metric and more."""


def measure_water(
    path: Path,
    *,
    n_train: int = _N_TRAIN,
    ao: str = "6-31g",
    seed: int = 0,
    say: Callable[[str], None] | None = None,
) -> Table:
    r"""Fit all resolutions in metrics ao and lowdin, and more of `shell`; kappa 3.

    Parameters
    ----------
    path : path
        Extended XYZ with the keys energy_Ha, dipole_au, alpha_au and dup_of.
    n_train : int
        Training structures; the other distinct ones are the test set.
    ao : str
    seed : int
    say : callable, optional

    Raises
    ------
    InputError
        For a bad file or too few structures.
    """
    from linvop.features.basis import Basis
    from linvop.io.structures import read
    from linvop.models.property import PropertyModel

    frames = read(path, keys=_KEYS, units=_UNITS)
    kept = np.flatnonzero([int(a.info.get("dup_of", -1)) < 0 for a in frames])
    train_at, test_at = random_split(kept, n_train, seed)
    train, test = [frames[k] for k in train_at], [frames[k] for k in test_at]
    rows, spread = [], {}
    for resolution, metric, more in _CASES:
        products = f"nu {more['nu']}, degree {more['max_degree'][-1]}" if more else ""
        if say is not None:
            say(f"water, {resolution}, {metric} {products}".rstrip())
        basis = Basis(ao=ao, kappa=3, resolution=resolution, metric=metric, **more)
        model = PropertyModel(basis, targets=tuple(_KEYS))
        start = perf_counter()
        model.fit(train)
        fitted = perf_counter()
        scores = model.score(test)
        per_structure = 1e3 * (perf_counter() - fitted) / len(test)
        spread = {name: s["std"] / _unit(name) for name, s in scores.items()}
        rows.append(
            {"resolution": resolution, "metric": metric, "products to": products}
            | _errors(scores)
            | _met(resolution, scores)
            | _fit_facts(model)
            | {"fit, s": fitted - start, "predict, ms per structure": per_structure}
        )
    notes = [
        f"{len(train)} training and {len(test)} test structures: seeded random split (seed {seed}) "
        f"without the {len(frames) - len(kept)} copies. {ao}, kappa 3; one PropertyModel for all "
        "three targets, default settings; alpha by leave-one-structure-out.",
        "RMSE on the test set. Dipole and polarizability: root mean square over components / over "
        "structures of the norm (all three, all nine components).",
        "Targets, of `shell`: "
        + "; then ".join(
            f"energy {energy} mHa, dipole (norm) {dipole}e-3 au"
            for energy, dipole in zip(*_TARGETS.values(), strict=True)
        )
        + ".",
        "Spread of the test labels: energy"
        f" {spread['energy']:.3g} mHa (standard deviation), dipole {spread['dipole']:.4g}e-3 au "
        f"and polarizability {spread['polarizability']:.3g} au (root mean square of components).",
        "Columns, alpha, effective degrees of freedom and leave-one-out RMSE (per component, ASE "
        "units) are energy; dipole; polarizability lam 0, lam 2.",
    ]
    return Table("water", "Water monomers, CCSD", rows, notes)


def _unit(name: str) -> float:
    """Reporting unit in ASE units: mHa, 1e-3 au, au."""
    return unit_factor(name, _UNITS[name]) * {"energy": 1e-3, "dipole": 1e-3}.get(name, 1.0)


def _errors(scores: dict[str, dict[str, Any]]) -> dict[str, object]:
    def both(name: str) -> str:
        s, unit = scores[name], _unit(name)
        return f"{s['rmse'] / unit:.3g} / {s['rmse_norm'] / unit:.3g}"

    return {
        "energy, mHa": scores["energy"]["rmse"] / _unit("energy"),
        "dipole, 1e-3 au": both("dipole"),
        "polarizability, au": both("polarizability"),
    }


def _met(resolution: str, scores: dict[str, dict[str, Any]]) -> dict[str, str]:
    if resolution != "shell":
        return {"targets met": ""}
    found = [
        ", ".join(
            verdict(scores[name]["rmse_norm"] / _unit(name), both[k])
            for name, both in _TARGETS.items()
        )
        for k in range(2)
    ]
    return {"targets met": "; ".join(found)}


def _fit_facts(model: PropertyModel) -> dict[str, str]:
    parts = [part for found in model.report()["parts"].values() for part in found.values()]

    def joined(key: str, spec: str) -> str:
        return "; ".join(format(part[key], spec) for part in parts)

    return {
        "columns": joined("n_columns", "d"),
        "alpha": joined("alpha", ".1e"),
        "dof": joined("effective_dof", ".0f"),
        "leave-one-out": joined("loo_rmse", ".2g"),
    }
