r"""QM7: atomisation energies beside a linear fit on the SOAP power spectrum.

Both sides have the same split, the same `Ridge` with the same way to choose alpha, the same
per-species constants, and the same groups for the leave-one-out.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from time import perf_counter
from typing import TYPE_CHECKING, Any

import numpy as np

from linvop.bench.soap import SoapSettings, soap_rows
from linvop.bench.splits import distinct, nested_split
from linvop.bench.tables import Table, verdict

if TYPE_CHECKING:
    from ase import Atoms

__all__ = ["SOAP_SETTINGS", "measure_qm7"]

SOAP_SETTINGS = (SoapSettings(), SoapSettings(cutoff=2.5, cutoff_width=1.0))
"""A common setting, and a shorter-ranged one."""

_KEYS, _UNITS = {"energy": "ae_pbe0_kcal"}, {"energy": "kcal/mol"}
_TARGETS = {1000: 1.4, 5000: 0.62}
"""Largest accepted MAE (kcal/mol) of the best of linvop's rows."""

_LINVOP = (("lowdin", None), ("lowdin", 0.3), ("ao", 1.0))
"""Metric and screening."""


def measure_qm7(
    path: Path,
    n_train: int,
    n_test: int = 1000,
    *,
    ao: str = "6-31g",
    soap: Sequence[SoapSettings] = SOAP_SETTINGS,
    seed: int = 0,
    say: Callable[[str], None] | None = None,
) -> Table:
    r"""Fit linvop, with bare and screened V, and SOAP, on one split.

    Parameters
    ----------
    path : path
        Extended XYZ with ae_pbe0_kcal.
    n_train, n_test : int
        The test set is the same for every `n_train`.
    ao : str
    soap : sequence of SoapSettings
    seed : int
    say : callable, optional

    Raises
    ------
    InputError
        For a bad file, too few structures, or featomic missing.
    """
    from linvop.io.structures import read

    frames = read(path, keys=_KEYS, units=_UNITS)
    kept = distinct(frames)
    train_at, test_at = nested_split(kept, n_train, n_test, seed)
    train, test = [frames[k] for k in train_at], [frames[k] for k in test_at]
    rows = []
    for settings in soap:  # the peer first: should featomic be missing, it is said at once
        _say(say, f"qm7 {n_train}, {settings}")
        rows.append({"model": str(settings), **_fit_soap(train, test, settings)})
    for metric, zeta in _LINVOP:
        name = f"linvop, {metric}, {'bare V' if zeta is None else f'V screened by {zeta:g}'}"
        _say(say, f"qm7 {n_train}, {name}")
        rows.append({"model": name, **_fit_linvop(train, test, ao, metric, zeta)})
    for row in rows:
        target = _TARGETS.get(n_train) if row["model"].startswith("linvop") else None
        row |= {"target": target, "met": verdict(row["MAE"], target)}
    notes = [
        f"{n_train} training and {n_test} test molecules, seeded random split (seed {seed}) "
        f"without the {len(frames) - len(kept)} copies that `duplicate_groups` finds; the test set "
        "is the same for all training sizes.",
        "PBE0 atomisation energies, kcal/mol; per-species constants fitted. MAE and RMSE on the "
        "test set; leave-one-out on the training set chooses alpha.",
        f"linvop: {ao}, kappa 3, shell, default settings of PropertyModel; metric and screening "
        "by row. The target is for the best of them.",
        "SOAP: featomic's power spectrum summed over the atoms of each species; the same Ridge, "
        "constants and leave-one-out groups. Gaussian density, GTO radial basis of n + 1 "
        "functions, shifted cosine, lengths in Angstrom. Columns as featomic gives them: centre "
        "species x pairs of neighbour species x l x n1 x n2.",
        "The first SOAP setting is a common one, the second is shorter-ranged. " + _chosen(rows),
        "Times in seconds, all cores; features: of training and test set together.",
    ]
    return Table(f"qm7-{n_train}", f"QM7, {n_train} training molecules", rows, notes)


def _chosen(rows: Sequence[dict[str, Any]]) -> str:
    """Which of the SOAP settings the training set alone prefers."""
    soap = [row for row in rows if row["model"].startswith("SOAP")]
    best = min(soap, key=lambda row: row["leave-one-out RMSE"])["model"]
    return f"Of {len(soap)} SOAP settings, the leave-one-out error chooses: {best}."


def _fit_soap(train: list[Atoms], test: list[Atoms], settings: SoapSettings) -> dict[str, Any]:
    from linvop.io.structures import labels
    from linvop.regression.groups import duplicate_groups
    from linvop.regression.ridge import Ridge

    species = sorted({int(z) for a in train for z in a.numbers})
    start = perf_counter()
    A = soap_rows(train, species, settings)
    A_test = soap_rows(test, species, settings)
    made = perf_counter()
    y, y_test = np.asarray(labels(train, "energy")), np.asarray(labels(test, "energy"))
    model = Ridge().fit(
        A,
        y,
        constants=_composition(train, species),
        groups=duplicate_groups([a.numbers for a in train], [a.positions for a in train]),
        overwrite=True,
    )
    seconds = perf_counter() - made
    predicted = model.predict(A_test, _composition(test, species))
    return _row(predicted - y_test, model.report(), A.shape[1], made - start, seconds)


def _fit_linvop(
    train: list[Atoms], test: list[Atoms], ao: str, metric: str, screening: float | None
) -> dict[str, Any]:
    from linvop.features.basis import Basis
    from linvop.io.structures import labels
    from linvop.models.property import PropertyModel

    basis = Basis(ao=ao, kappa=3, resolution="shell", metric=metric, screening=screening)
    model = PropertyModel(basis, targets="energy")
    made: list[float] = []

    def features_done(done: int, n: int) -> None:
        if done == n:
            made.append(perf_counter())

    start = perf_counter()
    model.fit(train, progress=features_done)
    fitted = perf_counter()
    predicted = model.predict_arrays(test)["energy"]
    features = made[0] - start + perf_counter() - fitted
    (part,) = model.report()["parts"]["energy"].values()
    error = predicted - np.asarray(labels(test, "energy"))
    return _row(error, part, part["n_columns"], features, fitted - made[0])


def _composition(frames: Sequence[Atoms], species: Sequence[int]) -> np.ndarray:
    """Atoms of each species, (n_frames, n_species)."""
    return np.stack([(a.numbers[:, None] == species).sum(axis=0) for a in frames]).astype(float)


def _row(
    error: np.ndarray, report: dict[str, Any], columns: int, features: float, fit: float
) -> dict[str, Any]:
    from linvop.conventions import unit_factor

    kcal = unit_factor("energy", "kcal/mol")
    return {
        "columns": columns,
        "MAE": float(np.abs(error).mean() / kcal),
        "RMSE": float(np.sqrt((error**2).mean()) / kcal),
        "leave-one-out RMSE": report["loo_rmse"] / kcal,
        "alpha": report["alpha"],
        "dof": report["effective_dof"],
        "features, s": features,
        "fit, s": fit,
    }


def _say(say: Callable[[str], None] | None, text: str) -> None:
    if say is not None:
        say(text)
