r"""Training and test structures of a fit to a data set of `linvop label`."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import linvop
from linvop.config import SHIPPED
from linvop.config.matrix_fit import Sources
from linvop.fit_data import split_indices, warn_of_overlap
from linvop.io.dataset import Dataset

__all__ = ["MatrixData", "opened", "parts_of", "source_name"]


class MatrixData(NamedTuple):
    r"""The structures of a fit.

    Attributes
    ----------
    train : Dataset
    test : Dataset or None
    n_copies : int
        Copies of structures, which a split leaves out.
    """

    train: Dataset
    test: Dataset | None
    n_copies: int


def opened(path: str) -> Dataset:
    r"""The data set, or the shipped waters; a warning says when its matrices are predictions.

    Raises
    ------
    FileFormatError
        As `Dataset.open`.
    """
    data = Dataset.open(linvop.data.water() if path == SHIPPED else path)
    if data.settings.get("predicted"):
        warnings.warn(
            f"{path}: its labels are no calculations but predictions {data.settings['predicted']}",
            stacklevel=2,
        )
    return data


def parts_of(config: Sources, usable: Callable[[str], Dataset]) -> MatrixData:
    r"""Training and test structures, from a split or from two files.

    Parameters
    ----------
    config : Sources
        ``train`` and either ``n_train`` and ``seed`` of a split, or ``test``, or neither.
    usable : callable
        Those structures of a file that the fit can use.

    Raises
    ------
    InputError
        Of the files, and for a split that leaves nothing.
    """
    train = usable(config.train)
    if config.n_train is not None:
        chosen, rest = split_indices(
            train.frames(), config.n_train, config.seed, source_name(config.train)
        )
        return MatrixData(train[chosen], train[rest], len(train) - len(chosen) - len(rest))
    if config.test is None:
        return MatrixData(train, None, 0)
    test = usable(config.test)
    warn_of_overlap(train.frames(), test.frames(), source_name(config.test))
    return MatrixData(train, test, 0)


def source_name(path: str) -> str:
    """How metrics and messages call a data set."""
    return path if path == SHIPPED else Path(path).name
