r"""What is learned in the study of properties: structures, labels, sizes and splits."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from linvop.bench.splits import distinct, nested_split
from linvop.conventions import unit_factor
from paper_reproduction.contests import Contest
from paper_reproduction.external import read_set
from paper_reproduction.sets import N_LABELLED, level_of, qm7, qm7_labels, qm7_name, waters
from paper_reproduction.study import Setting

__all__ = ["Lesson", "all_qm7", "qm7_dipoles", "qm7_energies", "water"]

TARGETS = ("energy", "dipole")

_N_QUICK, _N_ENERGIES = 18, 1000
"""Molecules."""

_OF_ALL = (1000, 2000, 5000)
"""Molecules to train on, where all of QM7 is there."""

_COMMON = {1, 6, 7, 8}
"""Elements of those that count: H, C, N, O."""

_ALMOST = 1.05
"""A few molecules that lack to the double of a size are no reason to leave it out."""


@dataclass(frozen=True, eq=False)
class Lesson:
    r"""A set of structures, what is learned of it, and from how many.

    Attributes
    ----------
    name : str
        Of its settings: "water" or "QM7".
    shown : str
        What pictures call it: "G2" where the user has no QM7.
    targets : tuple of str
    words : str
    contest : Contest
    sizes : tuple of int
    n_test : int
    scales : {target: float}
        Units in which errors are given, in ASE units.
    units : {target: str}
    """

    name: str
    shown: str
    targets: tuple[str, ...]
    words: str
    contest: Contest
    sizes: tuple[int, ...]
    n_test: int
    scales: Mapping[str, float]
    units: Mapping[str, str]

    def splits(self, size: int, n: int) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        """(train, test) of each seed; of a seed the test set is the same for all sizes.

        But for structures with an element that none trained on has: no model knows its constant.
        """
        frames = self.contest.frames
        kept = distinct(frames)
        for seed in range(n):
            train, test = nested_split(kept, size, self.n_test, seed)
            known = {int(z) for k in train for z in frames[k].numbers}
            yield train, np.asarray([k for k in test if known.issuperset(frames[k].numbers)])


def water(setting: Setting) -> Lesson:
    r"""Energies and dipoles of water monomers."""
    own = read_set("water", setting.data) is None
    n = setting.pick(60, 300 if own else 908)
    sizes = setting.pick((20, 40), (25, 50, 100, 200) if own else (25, 50, 100, 200, 500))
    frames, words = waters(setting, n)
    return Lesson(
        "water",
        "water",
        TARGETS,
        f"{len(frames)} {words}",
        Contest(frames, _labels(frames)),
        sizes,
        len(distinct(frames)) - sizes[-1],
        {"energy": 1e-3, "dipole": 1e-3},
        {"energy": "meV", "dipole": "1e-3 e Å"},
    )


def qm7_energies(setting: Setting) -> Lesson:
    r"""Of molecules: PBE0 atomisation energies with the user's copy, else of their labels."""
    own = read_set("QM7", setting.data) is None
    if own or setting.quick:
        data = qm7_labels(setting, setting.pick(_N_QUICK, N_LABELLED))
        frames, words = data.frames(), f"energies {level_of(data)}"
    else:
        frames, words = qm7(setting, _N_ENERGIES)[0], "PBE0 atomisation energies"
    return _of_molecules(setting, frames, words, "energy")


def qm7_dipoles(setting: Setting) -> Lesson:
    r"""Of as many molecules as have labels."""
    data = qm7_labels(setting, setting.pick(_N_QUICK, N_LABELLED))
    return _of_molecules(setting, data.frames(), f"dipoles {level_of(data)}", "dipole")


def all_qm7(setting: Setting) -> Lesson | None:
    r"""Energies of all molecules of the user's copy; None without one, and for ``--quick``."""
    frames = None if setting.quick else read_set("QM7, all", setting.data)
    if frames is None:
        return None
    frames = [a for a in frames if set(a.numbers.tolist()) <= _COMMON]
    return Lesson(
        "QM7",
        "QM7",
        ("energy",),
        f"{len(frames)} molecules of H, C, N, O (all of QM7), PBE0 atomisation energies",
        Contest(frames, _labels(frames, ("energy",))),
        _OF_ALL,
        1000,
        {"energy": unit_factor("energy", "kcal/mol")},
        {"energy": "kcal/mol"},
    )


def _of_molecules(setting: Setting, frames: list[Any], words: str, target: str) -> Lesson:
    # Of an element in three molecules nothing is learned, and it decides what errs how much.
    frames = [a for a in frames if set(a.numbers.tolist()) <= _COMMON]
    n = len(distinct(frames))
    n_test = min(setting.pick(4, 200), n // 3)
    sizes = [setting.pick(6, 50)]
    while 2 * sizes[-1] <= _ALMOST * (n - n_test):
        sizes.append(min(2 * sizes[-1], n - n_test))
    return Lesson(
        "QM7",
        qm7_name(setting),
        (target,),
        f"{len(frames)} molecules of H, C, N, O ({qm7(setting, 1)[1]}), {words}",
        Contest(frames, _labels(frames, (target,))),
        tuple(sizes),
        n_test,
        {"energy": unit_factor("energy", "kcal/mol"), "dipole": 1e-3},
        {"energy": "kcal/mol", "dipole": "1e-3 e Å"},
    )


def _labels(frames: list[Any], targets: tuple[str, ...] = TARGETS) -> dict[str, np.ndarray]:
    from linvop.io.structures import labels

    return {t: np.asarray(labels(frames, t)) for t in targets}
