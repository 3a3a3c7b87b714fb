r"""Operator models beside the paper's plain powers: matrices, what follows from them, SCF guesses.

A table for each data set (`linvop label`), or for the shipped waters. Every model has the same
training and test structures, solver and prior. What follows from a predicted matrix is compared
with what follows, by the same formulas, from the label's.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from pathlib import Path
from time import perf_counter
from typing import TYPE_CHECKING, Any

import numpy as np

from linvop.bench.machine import describe_machine
from linvop.bench.operator_models import MODELS, default_models, operator_model
from linvop.bench.operator_peers import PEERS, peer_notes
from linvop.bench.tables import Report, Table
from linvop.errors import InputError

if TYPE_CHECKING:
    from linvop.io.dataset import Dataset
    from linvop.io.records import Record
    from linvop.models.operator import OperatorModel
    from linvop.orbitals.shells import AOBasis
    from linvop.scf import GuessRun

__all__ = ["measure_operators"]


def measure_operators(
    path: str | Path | None,
    *,
    name: str = "water",
    target: str = "fock",
    n_train: int = 100,
    n_test: int = 20,
    n_scf: int = 0,
    n_energy: int = 0,
    sizes: Sequence[int] = (),
    ao: str | None = None,
    models: Sequence[str] = (),
    say: Callable[[str], None] | None = None,
    keep: Callable[[Report], None] | None = None,
) -> Report:
    r"""Fit and compare.

    Parameters
    ----------
    path : path, optional
        Data set; default the shipped waters.
    name : str
        Of the tables.
    target : {"fock", "density"}
    n_train, n_test : int
        The first and the last structures of those that have the operator.
    n_scf : int
        Test structures whose SCF is run from every guess; 0 for none.
    n_energy : int
        Test structures whose energy is compared, evenly spread; 0 for none.
    sizes : sequence of int
        Smaller training sets, for the last model.
    ao : str, optional
        Of the features; default the AO set of the operator.
    models : sequence of str
        Of `MODELS` and `PEERS`; default `default_models`.
    say : callable, optional
        Told of each model and structure as it begins.
    keep : callable, optional
        Handed the report as it grows, after each row: a run takes hours.

    Raises
    ------
    InputError
        For too few structures, or an unknown model.
    """
    import linvop

    models = tuple(models) or default_models()
    unknown = [m for m in models if m not in MODELS and m not in PEERS]
    if unknown:
        known = "; ".join([*MODELS, *PEERS])
        raise InputError(f"models: expected some of {known}, got {'; '.join(unknown)}")
    data = linvop.Dataset.open(linvop.data.water() if path is None else path).having(target)
    if len(data) < n_train + n_test:
        raise InputError(
            f"{path or 'shipped waters'}: expected {n_train} + {n_test} structures with {target}, "
            f"got {len(data)}"
        )
    train, test = data[:n_train], data[len(data) - n_test :]
    features = data.settings["ao"] if ao is None else ao
    rows: list[dict[str, Any]] = []
    notes = _notes(data, features, n_test, n_energy) + peer_notes(models)
    table = Table(f"{target}-{name}", f"{name}: {target} matrices", rows, notes)
    say, keep = say or (lambda text: None), keep or (lambda report: None)
    fitted = None
    for label, size in [(m, n_train) for m in models] + [(models[-1], n) for n in sizes]:
        say(f"{name}, {label}, {size} structures")
        row, model = _row(label, features, target, train[:size], test, n_energy)
        fitted = model if size == n_train else fitted
        say(f"  MAE {row['MAE']:.3g}, fitted in {row['fit, s']:.0f} s")
        rows.append(row)
        keep(Report(describe_machine(), [table]))
    tables = [table]
    if n_scf and fitted is not None:
        tables.append(_scf_table(name, data, fitted, test[:n_scf], models[-1], say))
    return Report(describe_machine(), tables)


def _row(
    label: str, ao: str, target: str, train: Dataset, test: Dataset, n_energy: int
) -> tuple[dict[str, Any], OperatorModel]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # blocks without features are what the row shows
        model = operator_model(label, ao, target)
        start = perf_counter()
        model.fit(train)
        made = perf_counter()
        elements, derived = model.errors(test)
        done = perf_counter()
        if n_energy:
            derived = model.errors(test, energy=n_energy)[1]
    errors = elements.summary()
    near = [v for k, v in errors.items() if k != "all" and "-" not in k]
    far = [v for k, v in errors.items() if "-" in k]
    row = {
        "model": label,
        "training": len(train),
        "columns": sum(p.report["n_columns"] for p in model.parts_.values() if p.report["n_rows"]),
        "coefficients": sum(p.coefficients.size for p in model.parts_.values()),
        "MAE": 1e6 * errors["all"]["mae"],
        "RMSE": 1e6 * errors["all"]["rmse"],
        "MAE on site": 1e6 * _joined(near),
        "MAE between": 1e6 * _joined(far),
        **{t: 1e3 * derived[q]["mae"] for q, t in _SHOWN.items() if q in derived},
        "fit, s": made - start,
        "predict and compare, ms": 1e3 * (done - made) / len(test),
    }
    return row, model


def _joined(parts: list[dict[str, Any]]) -> float:
    return sum(p["mae"] * p["n"] for p in parts) / sum(p["n"] for p in parts)


_SHOWN = {
    "occupied orbital energies": "occupied, meV",
    "LUMO": "LUMO, meV",
    "dipole": "dipole, me A",
    "lowdin charges": "charges, me",
    "energy": "energy, meV",
    "occupied levels of F[P]": "occupied of F[P], meV",
    "LUMO of F[P]": "LUMO of F[P], meV",
}


def _notes(data: Dataset, features: str, n_test: int, n_energy: int) -> list[str]:
    level = ", ".join(str(data.settings[k]) for k in ("xc", "ao") if data.settings.get(k))
    energy = (
        [
            f"Energy of {min(n_energy, n_test)} test structures: the functional evaluated once on "
            "the predicted matrix's density, less the same on the label's; mean absolute value. "
            "F[P] comes with it, and has levels for targets of either kind."
        ]
        if n_energy
        else []
    )
    return [
        f"{level}; the last {n_test} structures are the test set; features in {features}.",
        "Columns: features of all blocks that the structures have; coefficients: those of each "
        "shell pair.",
        "MAE and RMSE of matrix elements in 1e-6 Hartree (1e-6 for densities), in AOs, over all "
        "elements, those of one atom, and those between two.",
        "Mean absolute errors of occupied orbital energies, of the LUMO, of the dipole (norm) and "
        "of Lowdin charges, from the predicted matrix against from the label's.",
        "Plain powers: V, V^2, V^3 in AOs, no shell apart, as in the paper's features; "
        "on a baseline: they correct the superposition of atomic potentials or densities, as all "
        "rows do whose name does not say plain powers.",
        *energy,
    ]


def _scf_table(
    name: str,
    data: Dataset,
    model: OperatorModel,
    test: Dataset,
    label: str,
    say: Callable[[str], None],
) -> Table:
    runs: dict[str, list[GuessRun]] = {}
    for k, record in enumerate(test):
        say(f"{name}, SCF {k + 1} of {len(test)}")
        mf = _mean_field(record, data.ao, data.settings.get("xc"))
        for run in _runs(mf, model, record):
            runs.setdefault(run.guess, []).append(run)
    base = np.array([run.iterations for run in runs["minao"]])
    rows = [_scf_row(guess, found, base) for guess, found in runs.items()]
    energies = np.array([[run.energy for run in found] for found in runs.values()])
    converged = np.array([[run.converged for run in found] for found in runs.values()])
    known = np.where(converged, energies, np.nan)
    spread = np.nanmax(known, axis=0) - np.nanmin(known, axis=0)
    notes = [
        f"{len(test)} test structures, PySCF's default SCF settings; the model is {label!r}. "
        "An SCF that does not converge counts with all its iterations.",
        "Beforehand: Fock matrices that the guess took; two check the model's, as "
        "`initial_guess` does by default. With less of its error a prediction is moved towards "
        "the label, and not checked.",
        f"Largest difference of the converged energies: {1e3 * spread.max():.2g} meV.",
    ]
    kind = "" if model.target == "fock" else f" ({model.target} matrices)"
    title = f"{name}: SCF iterations by starting guess{kind}"
    return Table(f"scf-{'density-' if kind else ''}{name}", title, rows, notes)


_LESS = {"half": 0.5, "a tenth": 0.1}
"""Shares of the error of a prediction."""


def _runs(mf: Any, model: OperatorModel, record: Record) -> list[GuessRun]:
    """One structure from every guess, and from the model's with less of its error."""
    from linvop.observables.analysis import analyse
    from linvop.scf import compare_guesses, run_scf

    found = compare_guesses(mf, model)
    label = getattr(record, model.target)
    off = np.asarray(model.predict(record.atoms())) - label
    for name, share in _LESS.items():
        nearer: dict[str, Any] = {model.target: label + share * off, "ao": model.ao}
        P = analyse(record.atoms(), **nearer).density
        found.append(run_scf(mf, f"linvop, {name} of its error", P))
    return found


def _scf_row(guess: str, runs: list[GuessRun], base: np.ndarray) -> dict[str, Any]:
    n = np.array([run.iterations for run in runs])
    return {
        "guess": guess,
        "iterations": float(n.mean()),
        "fewest": int(n.min()),
        "most": int(n.max()),
        "saved beside minao": f"{100 * (1 - n.mean() / base.mean()):.0f} %",
        "most beyond minao": int((n - base).max()),
        "beforehand": max(run.beforehand for run in runs),
        "not converged": sum(not run.converged for run in runs),
    }


def _mean_field(record: Record, ao: AOBasis, xc: str | None) -> Any:
    """The calculation that made a label, not run yet."""
    from pyscf import dft, scf

    from linvop.integrals import System, molecule

    mol = molecule(System.from_atoms(record.atoms(), ao), record.charge, record.multiplicity)
    spins = "U" if record.spin_channels == 2 else "R"
    return getattr(dft, f"{spins}KS")(mol, xc=xc) if xc else getattr(scf, f"{spins}HF")(mol)
