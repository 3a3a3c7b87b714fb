r"""Energies and dipoles from V, with more and more structures to learn from.

.. math:: E = \sum_i c^{(s_i)} \cdot B_i(0, +1) + \sum_i b^{(s_i)}, \qquad
          \mu = \sum_i d^{(s_i)} \cdot B_i(1, +1)

The paper's B are the plain powers of V, on site; its claim is that few of them do what densities of
neighbours (SOAP, lambda-SOAP) do with many. Beside them stand linvop's `shell`, whose contractions
are told apart by the shells between the factors V, and its `products` of two site features.

All models of a panel: the same structures, five random splits with one test set each for all sizes,
the same ridge with alpha by leave-one-structure-out, energies with a constant for each species. The
AO set in which V is written matters at a given number of structures: `shell` then at kappa = 2, so
that the largest set has no more columns than the fit can take.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from linvop.bench.qm7 import SOAP_SETTINGS
from linvop.bench.splits import distinct, nested_split
from linvop.conventions import unit_factor
from linvop.features.basis import Basis
from paper_reproduction.contests import (
    Contest,
    Design,
    lambda_soap_design,
    linvop_designs,
    soap_design,
)
from paper_reproduction.external import read_set
from paper_reproduction.properties_claims import claims_of, notes_of
from paper_reproduction.properties_figure import draw
from paper_reproduction.sets import level_of, qm7, qm7_labels, waters
from paper_reproduction.study import Measured, Setting, has_featomic

__all__ = ["TITLE", "draw", "run"]

TITLE = "Properties from V"

TARGETS = ("energy", "dipole")

_PLAIN = {"kappa": 4, "resolution": "total", "metric": "ao"}
_OF_QM7 = {"ao": "linvop-sv", "metric": "overlap", "screening": 0.3}

_SETTINGS: dict[str, dict[str, dict[str, Any]]] = {
    "water": {
        "plain powers": {"ao": "6-31g", **_PLAIN},
        "shell": {"ao": "6-31g", "kappa": 3, "metric": "overlap"},
        "products": {
            "ao": "6-31g",
            "kappa": 3,
            "metric": "lowdin",
            "nu": 2,
            "max_degree": (None, 6),
        },
    },
    "QM7": {
        "plain powers": {"ao": "6-31g", **_PLAIN},
        "shell": {**_OF_QM7, "kappa": 3},
        "products": {**_OF_QM7, "kappa": 2, "nu": 2, "max_degree": (None, 7)},
    },
}
"""Those of docs/accuracy.md."""

_SMALL = {"ao": "sto-3g", "kappa": 2}
"""Instead, for ``--quick``."""

_AO_SETS = {
    "water": ("sto-3g", "6-31g", "def2-svp", "cc-pvtz"),
    "QM7": ("sto-3g", "6-31g", "def2-svp"),
}
_SHELL_OF_AO = {
    "water": {"kappa": 2, "metric": "overlap"},
    "QM7": {"kappa": 2, "metric": "overlap", "screening": 0.3},
}
_N_SPLITS, _N_SPLITS_OF_AO = (2, 5), (1, 2)
"""Quick and full; of the comparison of AO sets, whose features cost more."""


@dataclass(frozen=True, eq=False)
class Lesson:
    r"""A set of structures, what is learned of it, and from how many.

    Attributes
    ----------
    name : str
    words : str
    contest : Contest
    sizes : tuple of int
    n_test : int
    scales : {target: float}
        Units in which errors are given, in ASE units.
    units : {target: str}
    """

    name: str
    words: str
    contest: Contest
    sizes: tuple[int, ...]
    n_test: int
    scales: Mapping[str, float]
    units: Mapping[str, str]

    def splits(self, size: int, n: int) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        """(train, test) of each seed; of a seed the test set is the same for all sizes."""
        kept = distinct(self.contest.frames)
        for seed in range(n):
            yield nested_split(kept, size, self.n_test, seed)


def run(setting: Setting) -> Measured:
    """Water, then QM7."""
    peers = has_featomic()
    numbers: dict[str, Any] = {}
    for lesson in (_water(setting), _qm7(setting)):
        numbers[lesson.name] = _learned(setting, lesson, peers)
    words = "; ".join(x["words"] for x in numbers.values())
    return Measured(f"{words}.", numbers, claims_of(numbers), notes_of(numbers))


def _water(setting: Setting) -> Lesson:
    own = read_set("water", setting.data) is None
    n = setting.pick(60, 300 if own else 908)
    sizes = setting.pick((20, 40), (25, 50, 100, 200) if own else (25, 50, 100, 200, 500))
    frames, words = waters(setting, n)
    return Lesson(
        "water",
        f"{len(frames)} {words}",
        Contest(frames, _labels(frames)),
        sizes,
        len(distinct(frames)) - sizes[-1],
        {"energy": 1e-3, "dipole": 1e-3},
        {"energy": "meV", "dipole": "1e-3 e Å"},
    )


def _qm7(setting: Setting) -> Lesson:
    n = setting.pick(16, 1000)
    sizes = setting.pick((6, 12), (50, 100, 200, 400, 800))
    frames, words = qm7(setting, n)
    data = qm7_labels(setting, n)
    places = [record.source_index for record in data]
    labels = _labels(data.frames())
    energies = f"energies {level_of(data)}"
    if not _own_energies(setting):
        labels["energy"] = _labels([frames[k] for k in places], ("energy",))["energy"]
        energies = "PBE0 atomisation energies"
    chosen = [frames[k] for k in places]
    n_test = min(setting.pick(4, 200), len(distinct(chosen)) - sizes[-1])
    return Lesson(
        "QM7",
        f"{len(chosen)} molecules ({words}), {energies}, dipoles {level_of(data)}",
        Contest(chosen, labels),
        sizes,
        n_test,
        {"energy": unit_factor("energy", "kcal/mol"), "dipole": 1e-3},
        {"energy": "kcal/mol", "dipole": "1e-3 e Å"},
    )


def _own_energies(setting: Setting) -> bool:
    """Whether molecules have no energies but those that are calculated here."""
    return read_set("QM7", setting.data) is None


def _labels(frames: list[Any], targets: tuple[str, ...] = TARGETS) -> dict[str, np.ndarray]:
    from linvop.io.structures import labels

    return {t: np.asarray(labels(frames, t)) for t in targets}


def _learned(setting: Setting, lesson: Lesson, peers: bool) -> dict[str, Any]:
    """Learning curves of all models, and what AO sets make of two of them."""
    curves: dict[str, dict[str, Any]] = {t: {} for t in TARGETS}
    for kind, words, designs in _models(setting, lesson, peers):
        for target, design in designs.items():
            curves[target][kind] = {
                "settings": words,
                "columns": design.n_columns,
                "rmse": [
                    _errors(lesson, design, target, size, setting.pick(*_N_SPLITS))
                    for size in lesson.sizes
                ],
            }
    _, test = next(lesson.splits(lesson.sizes[-1], 1))
    return {
        "words": lesson.words,
        "sizes": list(lesson.sizes),
        "n_test": lesson.n_test,
        "units": dict(lesson.units),
        "spread": {t: lesson.contest.spread(t, test) / lesson.scales[t] for t in TARGETS},
        "curves": curves,
        "ao_sets": _ao_sets(setting, lesson),
    }


def _errors(lesson: Lesson, design: Design, target: str, size: int, n: int) -> list[float]:
    """RMSE of the test structures, split by split."""
    return [
        lesson.contest.fit(design, target, train, test).rmse / lesson.scales[target]
        for train, test in lesson.splits(size, n)
    ]


def _models(
    setting: Setting, lesson: Lesson, peers: bool
) -> Iterator[tuple[str, str, dict[str, Design]]]:
    """(kind, settings, designs) one after the other, so that one is in memory at a time."""
    frames = lesson.contest.frames
    for kind, arguments in _SETTINGS[lesson.name].items():
        given = {**arguments, **setting.pick(_SMALL, {})}
        words = ", ".join(f"{key} {value}" for key, value in given.items())
        setting.say(f"{lesson.name}, {kind}: {words}")
        yield (
            kind,
            words,
            linvop_designs(Basis(**given), frames, TARGETS, workers=setting.workers),
        )
    if not peers:
        return
    for kind, soap in zip(("SOAP", "SOAP 2.5 Å"), SOAP_SETTINGS, strict=True):
        if kind == "SOAP" or lesson.name == "QM7":
            setting.say(f"{lesson.name}, {soap}")
            yield kind, str(soap), {"energy": soap_design(frames, soap)}
    setting.say(f"{lesson.name}, lambda-SOAP")
    words = str(SOAP_SETTINGS[0]).replace("SOAP", "lambda-SOAP")
    yield "lambda-SOAP", words, {"dipole": lambda_soap_design(frames)}


def _ao_sets(setting: Setting, lesson: Lesson) -> dict[str, Any]:
    """{target: {kind: {AO set: errors of some splits with the most structures}}}."""
    found: dict[str, Any] = {t: {"plain powers": {}, "shell": {}} for t in TARGETS}
    for ao in _AO_SETS[lesson.name][: setting.pick(2, None)]:
        for kind, given in (("plain powers", _PLAIN), ("shell", _SHELL_OF_AO[lesson.name])):
            setting.say(f"{lesson.name}, {kind} in {ao}")
            designs = linvop_designs(
                Basis(ao=ao, **given), lesson.contest.frames, TARGETS, workers=setting.workers
            )
            for target, design in designs.items():
                found[target][kind][ao] = {
                    "columns": design.n_columns,
                    "rmse": _errors(
                        lesson,
                        design,
                        target,
                        lesson.sizes[-1],
                        setting.pick(*_N_SPLITS_OF_AO),
                    ),
                }
    return found


if __name__ == "__main__":
    from paper_reproduction.running import main

    main("properties")
