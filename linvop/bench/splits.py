r"""Seeded random splits in which no structure of one part has a copy in another."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from linvop.errors import InputError
from linvop.regression.groups import duplicate_groups

if TYPE_CHECKING:
    from ase import Atoms

__all__ = ["distinct", "nested_split", "random_split"]


def distinct(frames: Sequence[Atoms]) -> np.ndarray:
    r"""Indices of the first of each set of copies (`duplicate_groups`), ascending."""
    groups = duplicate_groups([a.numbers for a in frames], [a.positions for a in frames])
    return np.unique(groups, return_index=True)[1]


def random_split(kept: np.ndarray, n_train: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    r"""`n_train` of the indices `kept`, and the rest."""
    if not 0 < n_train < len(kept):
        raise InputError(f"split: expected more than {n_train} structures, got {len(kept)}")
    order = np.random.default_rng(seed).permutation(kept)
    return order[:n_train], order[n_train:]


def nested_split(
    kept: np.ndarray, n_train: int, n_test: int, seed: int
) -> tuple[np.ndarray, np.ndarray]:
    r"""Training and test indices: one test set for all `n_train`, each within the next.

    The smallest training set is that of ``linvop scan`` with the same seed and `n_train`, so
    that what a scan has chosen has not seen the test set.
    """
    if not (n_train > 0 and n_test > 0 and n_train + n_test <= len(kept)):
        raise InputError(
            f"split: expected at least {n_train} + {n_test} structures, got {len(kept)}"
        )
    order = np.random.default_rng(seed).permutation(kept)
    return order[:n_train], order[-n_test:]
