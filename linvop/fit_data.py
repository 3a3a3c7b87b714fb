r"""Training and test structures of ``linvop fit``: read, split and checked before the fit.

Structures of one atom in the training file are no part of a split: they are energies of free
atoms (`linvop.models.training`), and all of them stay in the training part.
"""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

import linvop
from linvop.config import SHIPPED, FitConfig
from linvop.errors import InputError
from linvop.features.basis import ordered_species
from linvop.io.dataset import level_of_theory
from linvop.io.frame_numbers import frame_numbers
from linvop.io.frames import in_state
from linvop.io.structures import check_frames, read, require_one_state
from linvop.models.training import free_atoms, label_array
from linvop.regression.groups import duplicate_groups

if TYPE_CHECKING:
    from ase import Atoms

__all__ = [
    "TEST_PART",
    "FitData",
    "fit_data",
    "labels_level",
    "name_of",
    "source_of_test",
    "split",
    "split_indices",
    "training_frames",
    "warn_of_overlap",
]

TEST_PART = "in the test part of the split"


@dataclass(frozen=True)
class FitData:
    r"""What a fit is made and tested with.

    Attributes
    ----------
    train, test : list of ase.Atoms
    train_numbers, test_numbers : (n,) int
        Their numbers in the files.
    true : {target: (n_test, *shape) float64}
        Labels of the test structures.
    n_copies : int
        Copies of structures that a split left out.
    n_in_train : int
        Test structures that are copies of training structures.
    free_atoms : list of str
        Symbols of the structures of one atom in the training part.
    """

    train: list[Atoms]
    train_numbers: np.ndarray
    test: list[Atoms] = field(default_factory=list)
    test_numbers: np.ndarray = field(default_factory=lambda: np.zeros(0, dtype=int))
    true: dict[str, np.ndarray] = field(default_factory=dict)
    n_copies: int = 0
    n_in_train: int = 0
    free_atoms: list[str] = field(default_factory=list)


def split(frames: list[Atoms], n_train: int, seed: int) -> tuple[list[Atoms], list[Atoms]]:
    r"""A seeded random split of the distinct structures; their copies are left out.

    Raises
    ------
    InputError
        If fewer than n_train + 1 distinct structures are there.
    """
    train, test = split_indices(frames, n_train, seed)
    return [frames[k] for k in train], [frames[k] for k in test]


def split_indices(
    frames: Sequence[Atoms], n_train: int, seed: int, source: str = "frames"
) -> tuple[np.ndarray, np.ndarray]:
    r"""The same as indices of the structures; errors as `split`, naming `source`."""
    groups = duplicate_groups([a.numbers for a in frames], [a.positions for a in frames])
    _, first = np.unique(groups, return_index=True)
    if len(first) <= n_train:
        raise InputError(
            f"[data] n_train = {n_train}: expected fewer than the {len(first)} distinct "
            f"structures of {source}"
        )
    order = np.sort(first)[np.random.default_rng(seed).permutation(len(first))]
    return order[:n_train], order[n_train:]


def training_frames(config: FitConfig) -> tuple[list[Atoms], np.ndarray]:
    r"""The training structures, and their numbers in the file; no test structure is looked at.

    Raises
    ------
    InputError
        For a bad file, or too few structures for a split.
    """
    frames, numbers = _frames(config.train, config, training=True)
    chosen, _ = _parts(frames, config)
    return [frames[k] for k in chosen], numbers[chosen]


def fit_data(config: FitConfig) -> FitData:
    r"""Read, split and check all that a fit needs.

    Raises
    ------
    InputError
        Naming the file, and the frame by its number in the file.
    """
    frames, numbers = _frames(config.train, config, training=True)
    chosen, rest = _parts(frames, config)
    train = [frames[k] for k in chosen]
    free = free_atoms(train, config.model.targets)
    fitted = [a for a, single in zip(train, free, strict=True) if not single]
    species = ordered_species(z for a in fitted for z in a.numbers)
    for s in species:
        try:
            config.model.basis.ao_basis.shells(s)
        except InputError as error:
            raise InputError(f"[basis] ao, for {s} in {config.train}: {error}") from error
    data: dict[str, Any] = {
        "train": train,
        "train_numbers": numbers[chosen],
        "free_atoms": [str(train[k].symbols[0]) for k in np.flatnonzero(free)],
    }
    if config.n_train is not None:
        test, test_numbers = [frames[k] for k in rest], numbers[rest]
        data["n_copies"] = len(frames) - len(train) - len(test)
    elif config.test is not None:
        test, test_numbers = _frames(config.test, config)
        data["n_in_train"] = warn_of_overlap(fitted, test, config.test)
    else:
        return FitData(**data)
    with frame_numbers(numbers[chosen[~free]]):
        state = require_one_state(fitted, config.train)
    with frame_numbers(test_numbers, TEST_PART if config.n_train is not None else ""):
        true = _checked_test(config, test, species, state)
    return FitData(**data, test=test, test_numbers=test_numbers, true=true)


def _checked_test(
    config: FitConfig, test: list[Atoms], species: Sequence[str], state: tuple[int, int]
) -> dict[str, np.ndarray]:
    """Labels of the test structures, which the model must be able to predict."""
    source = source_of_test(config)
    check_frames(test, source=source, species=species)
    true = {t.name: label_array(t, test, {}, {}, source) for t in config.model.measured}
    found = require_one_state(test, source)
    if found != state:
        raise InputError(
            f"{source}: expected charge {state[0]} and multiplicity {state[1]} as in "
            f"{config.train}, got {found[0]} and {found[1]}"
        )
    return true


def warn_of_overlap(train: Sequence[Atoms], test: Sequence[Atoms], source: str) -> int:
    r"""Warn of test structures that are copies of training structures; return their number."""
    both = [*train, *test]
    groups = duplicate_groups([a.numbers for a in both], [a.positions for a in both])
    n = int(np.isin(groups[len(train) :], groups[: len(train)]).sum())
    if n:
        warnings.warn(
            f"{source}: {n} of {len(test)} test structures are copies of training structures: "
            "test errors are too small",
            stacklevel=2,
        )
    return n


def _parts(frames: Sequence[Atoms], config: FitConfig) -> tuple[np.ndarray, np.ndarray]:
    """Indices of the training part and of the test part, empty without a split."""
    if config.n_train is None:
        return np.arange(len(frames)), np.zeros(0, dtype=int)
    free = free_atoms(frames, config.model.targets)
    rest = np.flatnonzero(~free)
    train, test = split_indices(
        [frames[k] for k in rest.tolist()], config.n_train, config.seed, config.train
    )
    return np.concatenate([rest[train], np.flatnonzero(free)]), rest[test]


def _frames(name: str, config: FitConfig, training: bool = False) -> tuple[list[Atoms], np.ndarray]:
    """The structures of a file in the state that is asked for, and their numbers there.

    Free atoms to train on are taken in any state.
    """
    path = linvop.data.water() if name == SHIPPED else name
    keys, units = config.keys, config.units
    if _is_dataset(name) and not all(map(_is_dataset, (config.train, source_of_test(config)))):
        keys, units = {}, {}  # they are said of the other file; a data set knows its own
    frames = read(path, keys=keys, units=units)
    numbers = np.arange(len(frames))
    if config.state is not None:
        free = free_atoms(frames, config.model.targets) & training
        molecules = np.flatnonzero(~free)
        with frame_numbers(molecules):
            kept, _ = in_state([frames[k] for k in molecules], config.state, name)
        numbers = np.sort(np.concatenate([molecules[kept], np.flatnonzero(free)]))
    return [frames[k] for k in numbers], numbers


def _is_dataset(name: str) -> bool:
    return name == SHIPPED or name.lower().endswith((".h5", ".hdf5"))


def labels_level(name: str) -> dict[str, Any] | None:
    r"""How the labels of a data set were made, where that is known."""
    if not _is_dataset(name):
        return None
    return level_of_theory(linvop.data.water() if name == SHIPPED else name)


def source_of_test(config: FitConfig) -> str:
    r"""The file that the test structures are from."""
    return config.train if config.test is None else config.test


def name_of(path: str) -> str:
    r"""How results call a file."""
    return path if path == SHIPPED else Path(path).name
