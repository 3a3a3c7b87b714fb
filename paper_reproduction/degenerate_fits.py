r"""Energies of the degenerate pairs of CH4: linear models about carbon, and about all atoms.

A model whose features are the same for both members of a pair predicts one energy for both, and
errs by half their difference at least,

.. math:: \mathrm{RMSE} \ge \Bigl(\tfrac1n \sum_{\mathrm{pairs}}
          \tfrac14 (E_+ - E_-)^2\Bigr)^{1/2} ,

the floor. All models are `Ridge` on sums over atoms with a constant, alpha by leave-one-pair-out;
whole pairs are in the training or in the test set.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from linvop.regression.ridge import Ridge
from paper_reproduction.degenerate_features import Family

__all__ = ["MODELS", "floor", "floors", "learning_curves", "pair_errors", "pooled"]

_POWERS = {
    "plain powers": ("$V$", "plain powers, $V^2$", "plain powers, $V^3$"),
    "shell": ("$V$", "shell, $V^2$", "shell, $V^3$"),
    "products": ("$V$", "products of 2 $V$", "products of 3 $V$"),
    "SOAP": ("SOAP power spectrum",),
    "bispectrum": ("SOAP power spectrum", "bispectrum"),
}

_MODELS = (
    ("SOAP, about C", "SOAP", 1),
    ("bispectrum, about C", "bispectrum", 2),
    ("plain powers to 3, about C", "plain powers", 3),
    ("shell to 3, about C", "shell", 3),
    ("products of 2, about C", "products", 2),
    ("products of 3, about C", "products", 3),
    ("SOAP", "SOAP", 1),
    ("plain powers to 1", "plain powers", 1),
    ("plain powers to 2", "plain powers", 2),
    ("plain powers to 3", "plain powers", 3),
    ("shell to 2", "shell", 2),
    ("shell to 3", "shell", 3),
    ("products of 3", "products", 3),
)

MODELS: dict[str, tuple[tuple[str, str], ...]] = {
    name: tuple((k, c) for k in _POWERS[kind][:n] for c in ("C" if "about C" in name else "CH"))
    for name, kind, n in _MODELS
}
"""The families (kind, centre) whose columns each model has."""


def learning_curves(
    families: Sequence[Family],
    energies: np.ndarray,
    sizes: Sequence[int],
    n_test: int,
    n_splits: int,
    say: Callable[[str], None] = lambda text: None,
) -> dict[str, dict[str, Any]]:
    r"""Errors of every model for which there are features.

    Parameters
    ----------
    families : sequence of Family
    energies : (2 n_pairs,) float64, eV
    sizes : sequence of int
        Pairs for training.
    n_test : int
        Pairs for testing.
    n_splits : int
    say : callable

    Returns
    -------
    {model: {columns, rmse}}
        ``rmse`` (n_splits, n_sizes), eV.
    """
    known = {(f.kind, f.centre): f for f in families}
    found = {}
    for name, parts in MODELS.items():
        if any(part not in known for part in parts):
            continue
        say(f"fits of {name}")
        rows = np.concatenate([known[p].rows for p in parts], axis=1)
        penalty = np.concatenate([known[p].penalty for p in parts])
        rmse = [
            [pair_errors(rows, energies, penalty, train[:n], test) for n in sizes]
            for train, test in _splits(len(energies) // 2, max(sizes), n_test, n_splits)
        ]
        found[name] = {"columns": rows.shape[1], "rmse": rmse}
    return found


def _splits(n_pairs: int, n_train: int, n_test: int, n_splits: int) -> list:
    """(training, test) pairs; smaller training sets are the first of the larger."""
    orders = [np.random.default_rng(seed).permutation(n_pairs) for seed in range(n_splits)]
    return [(o[n_test : n_test + n_train], o[:n_test]) for o in orders]


def _members(pairs: np.ndarray) -> np.ndarray:
    return np.stack([2 * pairs, 2 * pairs + 1], axis=1).ravel()


def pair_errors(
    rows: np.ndarray,
    energies: np.ndarray,
    penalty: np.ndarray,
    train: np.ndarray,
    test: np.ndarray,
) -> float:
    r"""RMSE on the pairs `test` of the fit to the pairs `train`, eV."""
    a, b = _members(train), _members(test)
    ones = np.ones((len(rows), 1))
    model = Ridge().fit(
        rows[a], energies[a], constants=ones[a], penalty=penalty, groups=np.repeat(train, 2)
    )
    error = model.predict(rows[b], ones[b]) - energies[b]
    return float(np.sqrt((error**2).mean()))


def floor(energies: np.ndarray, test: np.ndarray | None = None) -> float:
    r"""Least RMSE of a model that cannot tell the members apart, eV, over `test` or all pairs."""
    half = (energies[::2] - energies[1::2]) / 2
    return float(np.sqrt(((half if test is None else half[test]) ** 2).mean()))


def floors(energies: np.ndarray, n_train: int, n_test: int, n_splits: int) -> list[float]:
    r"""The floor of the test set of each split of `learning_curves`, eV."""
    splits = _splits(len(energies) // 2, n_train, n_test, n_splits)
    return [floor(energies, test) for _, test in splits]


def pooled(rmse: Any) -> np.ndarray:
    r"""Root of the mean square over splits, (n_splits, ...) -> (...)."""
    return np.sqrt((np.asarray(rmse) ** 2).mean(axis=0))
