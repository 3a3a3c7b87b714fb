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
from linvop.bench.operator_peers import PEERS, peer_notes, peers_here
from linvop.bench.tables import Report, Table
from linvop.errors import InputError

if TYPE_CHECKING:
    from linvop.io.dataset import Dataset
    from linvop.io.records import Record
    from linvop.models.operator import OperatorModel
    from linvop.orbitals.shells import AOBasis

__all__ = ["MODELS", "default_models", "measure_operators"]

_PRODUCTS = {
    "kappa": 2,
    "nu": 2,
    "max_degree": (None, 8),
    "nu_pair": (1, 1),
    "pair_max_degree": (None, 7, 6),
}
_BY_SOURCE = {
    "sources": "species",
    "kappa": 2,
    "nu": 2,
    "max_degree": (None, 6),
    "nu_pair": (1, 1),
    "pair_max_degree": (None, 5, 4),
}
MODELS: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "plain powers, kappa 3": (
        {"kappa": 3, "resolution": "total", "metric": "ao"},
        {"baseline": "none"},
    ),
    "plain powers, kappa 3, on a baseline": (
        {"kappa": 3, "resolution": "total", "metric": "ao"},
        {},
    ),
    "by shell, kappa 3, no products": ({"kappa": 3, "metric": "lowdin"}, {"orthogonal": True}),
    "products, overlap": ({"metric": "overlap", **_PRODUCTS}, {}),
    "products, lowdin": ({"metric": "lowdin", **_PRODUCTS}, {}),
    "products, lowdin, orthogonal, on F of atoms": (
        {"metric": "lowdin", **_PRODUCTS},
        {"orthogonal": True, "baseline": "minao"},
    ),
    "products, lowdin, orthogonal": ({"metric": "lowdin", **_PRODUCTS}, {"orthogonal": True}),
    "products by source, overlap": ({"metric": "overlap", **_BY_SOURCE}, {}),
    "products by source, overlap, orthogonal": (
        {"metric": "overlap", **_BY_SOURCE},
        {"orthogonal": True},
    ),
}
"""Parameters of `Basis` and of `OperatorModel`."""


def default_models() -> tuple[str, ...]:
    """Names of all models, the peers among them if their programs are installed."""
    return (*peers_here(), *MODELS)


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
    rows, fitted = [], None
    for label in models:
        if say:
            say(f"{name}, {label}")
        row, fitted = _row(label, features, target, train, test, n_energy)
        rows.append(row)
    for size in sizes:
        if say:
            say(f"{name}, {models[-1]}, {size} structures")
        rows.append(_row(models[-1], features, target, train[:size], test, n_energy)[0])
    notes = _notes(data, features, n_test, n_energy) + peer_notes(models)
    tables = [Table(f"{target}-{name}", f"{name}: {target} matrices", rows, notes)]
    if n_scf and fitted is not None:
        tables.append(_scf_table(name, data, fitted, test[:n_scf], models[-1], say))
    return Report(describe_machine(), tables)


def _row(
    label: str, ao: str, target: str, train: Dataset, test: Dataset, n_energy: int
) -> tuple[dict[str, Any], OperatorModel]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # blocks without features are what the row shows
        model = _model(label, ao, target)
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


def _model(label: str, ao: str, target: str) -> OperatorModel:
    import linvop

    if label in PEERS:
        from linvop.bench.lambda_soap_model import LambdaSoapModel

        densities, orthogonal = PEERS[label]
        return LambdaSoapModel(densities, target, **orthogonal)
    basis, settings = MODELS[label]
    return linvop.OperatorModel(linvop.Basis(ao=ao, **basis), target, **settings)


def _joined(parts: list[dict[str, Any]]) -> float:
    return sum(p["mae"] * p["n"] for p in parts) / sum(p["n"] for p in parts)


_SHOWN = {
    "occupied orbital energies": "occupied, meV",
    "LUMO": "LUMO, meV",
    "dipole": "dipole, me A",
    "lowdin charges": "charges, me",
    "energy": "energy, meV",
}


def _notes(data: Dataset, features: str, n_test: int, n_energy: int) -> list[str]:
    level = ", ".join(str(data.settings[k]) for k in ("xc", "ao") if data.settings.get(k))
    energy = (
        [
            f"Energy of {min(n_energy, n_test)} test structures: the functional evaluated once on "
            "the predicted matrix's density, less the same on the label's; mean absolute value."
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
    say: Callable[[str], None] | None,
) -> Table:
    from linvop.scf import compare_guesses

    counts: dict[str, list[int]] = {}
    energies = []
    for k, record in enumerate(test):
        if say:
            say(f"{name}, SCF {k + 1} of {len(test)}")
        runs = compare_guesses(_mean_field(record, data.ao, data.settings.get("xc")), model)
        for run in runs:
            counts.setdefault(run.guess, []).append(run.iterations)
        energies.append(np.ptp([run.energy for run in runs]))
    base = np.mean(counts["minao"])
    rows = [
        {
            "guess": guess,
            "iterations": float(np.mean(n)),
            "fewest": min(n),
            "most": max(n),
            "saved beside minao": f"{100 * (1 - np.mean(n) / base):.0f} %",
            "most beyond minao": max(a - b for a, b in zip(n, counts["minao"], strict=True)),
        }
        for guess, n in counts.items()
    ]
    notes = [
        f"{len(test)} test structures, PySCF's default SCF settings; the model is "
        f"{label!r}, checked as `initial_guess` does.",
        f"Largest difference of the converged energies: {1e3 * max(energies):.2g} meV.",
    ]
    return Table(f"scf-{name}", f"{name}: SCF iterations by starting guess", rows, notes)


def _mean_field(record: Record, ao: AOBasis, xc: str | None) -> Any:
    """The calculation that made a label, not run yet."""
    from pyscf import dft, scf

    from linvop.integrals import System, molecule

    mol = molecule(System.from_atoms(record.atoms(), ao), record.charge, record.multiplicity)
    spins = "U" if record.spin_channels == 2 else "R"
    return getattr(dft, f"{spins}KS")(mol, xc=xc) if xc else getattr(scf, f"{spins}HF")(mol)
