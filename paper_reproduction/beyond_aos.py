r"""Which AOs to write V in: errors of energies and dipoles of water, columns, and time.

Every set is fitted with default settings of `PropertyModel`, and the leave-one-structure-out error
of the training set chooses one for each target; the test set is looked at afterwards.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from time import process_time
from typing import TYPE_CHECKING, Any

import numpy as np

from linvop import Basis, PropertyModel
from linvop.bench.timing import one_thread
from linvop.features.design import structure_rows

if TYPE_CHECKING:
    from ase import Atoms

__all__ = ["FEATURES", "TARGETS", "chosen", "scan"]

FEATURES: dict[str, dict[str, Any]] = {
    "plain powers": {"kappa": 3, "resolution": "total", "metric": "ao"},
    "shell": {"kappa": 2, "resolution": "shell", "metric": "lowdin"},
    "products": {"kappa": 1, "nu": 3, "max_degree": (None, 7, 7)},
}
"""What is varied besides the AOs: what is on site of the paper's; linvop's, resolved, complete."""

TARGETS = ("energy", "dipole")

_ROUNDS, _TIMED = 5, 20


def scan(
    sets: Sequence[str],
    frames: Sequence[Atoms],
    n_train: int,
    n_splits: int,
    say: Callable[[str], None] = lambda text: None,
) -> list[dict[str, Any]]:
    r"""Fit everything.

    Parameters
    ----------
    sets : sequence of str
        AO sets.
    frames : sequence of ase.Atoms
        With energies and dipoles.
    n_train : int
        The others are for testing.
    n_splits : int
        Seeded permutations.
    say : callable

    Returns
    -------
    list of {ao, features, columns, ms, ms of rounds, rmse, loo}
        ``rmse`` and ``loo``: {target: (n_splits,)}, eV and e Angstrom; ms per structure, of the
        rows of both targets.
    """
    orders = [np.random.default_rng(seed).permutation(len(frames)) for seed in range(n_splits)]
    found: list[dict[str, Any]] = []
    for ao in sets:
        for name, settings in FEATURES.items():
            say(f"{ao}, {name}")
            basis = Basis(ao, **settings)
            rmse: dict[str, list[float]] = {t: [] for t in TARGETS}
            loo: dict[str, list[float]] = {t: [] for t in TARGETS}
            for order in orders:
                split = [frames[k] for k in order]
                one = _fitted(basis, split[:n_train], split[n_train:])
                for t in TARGETS:
                    rmse[t].append(one[t][0])
                    loo[t].append(one[t][1])
            found.append({"ao": ao, "features": name, "rmse": rmse, "loo": loo})
    bases = [Basis(one["ao"], **FEATURES[one["features"]]) for one in found]
    return [one | more for one, more in zip(found, _costs(bases, frames[:_TIMED]), strict=True)]


def _fitted(
    basis: Basis, train: Sequence[Atoms], test: Sequence[Atoms]
) -> dict[str, tuple[float, float]]:
    """{target: (RMSE on the test set, leave-one-out RMSE)}."""
    with warnings.catch_warnings():
        # Small sets have no p shell on hydrogen, or too few columns: that is what is measured.
        warnings.simplefilter("ignore", UserWarning)
        model = PropertyModel(basis, targets=TARGETS).fit(list(train), workers=1)
    score, parts = model.score(list(test)), model.report()["parts"]
    return {
        t: (float(score[t]["rmse"]), max(p["loo_rmse"] for p in parts[t].values())) for t in TARGETS
    }


def _costs(bases: Sequence[Basis], frames: Sequence[Atoms]) -> list[dict[str, Any]]:
    """Columns of both targets, and CPU milliseconds a structure, from positions.

    One basis after the other, round by round: what slows the machine for a while slows them all.
    """
    irreps = ((0, 1), (1, 1))
    species = {s for a in frames for s in a.get_chemical_symbols()}
    every = [basis.compile(species, irreps, "structure") for basis in bases]
    times = np.zeros((_ROUNDS + 1, len(bases)))
    with one_thread():
        for of_round in times:
            for k, features in enumerate(every):
                start = process_time()
                structure_rows(features, frames, workers=1)
                of_round[k] = process_time() - start
    return [
        {
            "columns": sum(features.n_columns(irrep) for irrep in irreps),
            "ms": 1e3 * float(np.median(own[1:])) / len(frames),
            "ms of rounds": (1e3 * own[1:] / len(frames)).tolist(),
        }
        for features, own in zip(every, times.T, strict=True)
    ]


def chosen(
    rows: Sequence[dict[str, Any]], features: str, target: str, among: Sequence[str] | None = None
) -> dict[str, Any]:
    r"""The row of the least leave-one-out error over all splits, of these features and AO sets."""
    own = [r for r in rows if r["features"] == features and (among is None or r["ao"] in among)]
    return min(own, key=lambda r: float(np.mean(np.square(r["loo"][target]))))
