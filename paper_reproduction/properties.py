r"""Energies and dipoles from V, with more and more structures to learn from.

.. math:: E = \sum_i c^{(s_i)} \cdot B_i(0, +1) + \sum_i b^{(s_i)}, \qquad
          \mu = \sum_i d^{(s_i)} \cdot B_i(1, +1)

The paper's B are the blocks of plain powers of V, on site and between atoms
(`paper_reproduction.block_powers`; the sum is over pairs of atoms then); its claim is that they do
better than densities of neighbours (SOAP, lambda-SOAP). Beside them stand those that are on site
alone, and linvop's, on site too: `shell`, whose contractions are told apart by the shells between
the factors V, and `products` of two site features.

All models of a panel: the same structures, five random splits with one test set each for all sizes,
the same ridge, alpha and `rarity` by leave-one-structure-out, energies with a constant for each
species. The AO set in which V is written matters at a given number of structures:
`shell` then at kappa = 2, so that the largest set has no more columns than the fit can take.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from linvop.bench.qm7 import SOAP_SETTINGS
from linvop.features.basis import Basis
from linvop.regression.ridge import Ridge
from paper_reproduction.block_powers import block_power_designs
from paper_reproduction.contests import (
    Design,
    lambda_soap_design,
    linvop_designs,
    soap_design,
)
from paper_reproduction.lessons import Lesson, all_qm7, qm7_dipoles, qm7_energies, water
from paper_reproduction.properties_claims import claims_of, notes_of
from paper_reproduction.properties_figure import draw
from paper_reproduction.study import Measured, Setting, has_featomic

__all__ = ["TITLE", "draw", "run"]

TITLE = "Properties from V"

_KAPPA = 4
"""Of plain powers, as in the paper."""

_SOLVERS = tuple(Ridge(rarity=r) for r in (0.0, 10.0, 100.0))
"""Of each model, size and split the one that errs least on structures left out."""

_ON_SITE: dict[str, Any] = {
    "ao": "def2-svp",
    "kappa": _KAPPA,
    "resolution": "total",
    "metric": "ao",
}
_OF_QM7: dict[str, Any] = {"ao": "linvop-sv", "metric": "overlap", "screening": 0.3}

_SETTINGS: dict[str, dict[str, dict[str, Any]]] = {
    "water": {
        "plain powers": {"ao": "def2-svp", "kappa": _KAPPA},
        "plain powers, on site": _ON_SITE,
        "shell": {"ao": "def2-svp", "kappa": 3, "metric": "overlap"},
        "products": {
            "ao": "def2-svp",
            "kappa": 3,
            "metric": "lowdin",
            "nu": 2,
            "max_degree": (None, 6),
        },
    },
    "QM7": {
        "plain powers": {"ao": "def2-svp", "kappa": _KAPPA},
        "plain powers, on site": _ON_SITE,
        "shell": {**_OF_QM7, "kappa": 3},
        "products": {**_OF_QM7, "kappa": 2, "nu": 2, "max_degree": (None, 7)},
    },
}
"""Of linvop those that docs/accuracy.md found, on water in a larger AO set."""

_SMALL: dict[str, Any] = {"ao": "6-31g", "kappa": 2}
"""Instead, for ``--quick``."""

_AO_SETS = {
    "water": ("sto-3g", "6-31g", "def2-svp", "cc-pvtz"),
    "QM7": ("sto-3g", "6-31g", "def2-svp"),
}
_SHELL_OF_AO: dict[str, dict[str, Any]] = {
    "water": {"kappa": 2, "metric": "overlap"},
    "QM7": {"kappa": 2, "metric": "overlap", "screening": 0.3},
}
_N_SPLITS, _N_SPLITS_OF_AO = (2, 5), (1, 2)
"""Quick and full; of the comparison of AO sets, whose features cost more."""


def run(setting: Setting) -> Measured:
    """Water, then QM7: PBE0 energies as published, and dipoles of labels made here."""
    peers = has_featomic()
    numbers: dict[str, Any] = {}
    for lesson in (water(setting), qm7_energies(setting), qm7_dipoles(setting)):
        numbers[f"{lesson.name} {' '.join(lesson.targets)}"] = _learned(setting, lesson, peers)
    words = [x["words"] for x in numbers.values()]
    every = all_qm7(setting)
    if every is not None:
        numbers["QM7 energy"]["more"] = _more(setting, every)
        words.append(every.words)
    return Measured(f"{'; '.join(words)}.", numbers, claims_of(numbers), notes_of(numbers))


def _learned(setting: Setting, lesson: Lesson, peers: bool) -> dict[str, Any]:
    """Learning curves of all models, and what AO sets make of two of them."""
    curves = _curves(setting, lesson, peers, setting.pick(*_N_SPLITS))
    _, test = next(lesson.splits(lesson.sizes[-1], 1))
    return {
        "name": lesson.shown,
        "words": lesson.words,
        "sizes": list(lesson.sizes),
        "rarities": [one.rarity for one in _SOLVERS],
        "n_test": lesson.n_test,
        "units": dict(lesson.units),
        "spread": {t: lesson.contest.spread(t, test) / lesson.scales[t] for t in lesson.targets},
        "curves": curves,
        "ao_sets": _ao_sets(setting, lesson),
    }


def _more(setting: Setting, lesson: Lesson) -> dict[str, Any]:
    """Of many more molecules, one split, without peers (docs/accuracy.md has those)."""
    return {
        "words": lesson.words,
        "sizes": list(lesson.sizes),
        "n_test": lesson.n_test,
        "curves": _curves(setting, lesson, False, 1)["energy"],
    }


def _curves(
    setting: Setting, lesson: Lesson, peers: bool, n_splits: int
) -> dict[str, dict[str, Any]]:
    """{target: {kind: settings, columns and errors of all sizes}}."""
    curves: dict[str, dict[str, Any]] = {t: {} for t in lesson.targets}
    for kind, words, designs in _models(setting, lesson, peers):
        for target, design in designs.items():
            found = [_errors(lesson, design, target, n, n_splits) for n in lesson.sizes]
            curves[target][kind] = {
                "settings": words,
                "columns": design.n_columns,
                **{key: [one[key] for one in found] for key in found[0]},
            }
    return curves


def _errors(
    lesson: Lesson, design: Design, target: str, size: int, n: int
) -> dict[str, list[float]]:
    """Of the test structures, split by split; rarity, left-out RMSE, and RMSE of all rarities."""
    found: dict[str, list[Any]] = {
        key: [] for key in ("rmse", "mae", "rarity", "left out", "rmse by rarity")
    }
    unit = lesson.scales[target]
    for split in lesson.splits(size, n):
        fits = [lesson.contest.fit(design, target, *split, solver=one) for one in _SOLVERS]
        k = int(np.argmin([fit.left_out for fit in fits]))
        found["rmse"].append(fits[k].rmse / unit)
        found["mae"].append(fits[k].mae / unit)
        found["rarity"].append(_SOLVERS[k].rarity)
        found["left out"].append(fits[k].left_out / unit)
        found["rmse by rarity"].append([fit.rmse / unit for fit in fits])
    return found


def _models(
    setting: Setting, lesson: Lesson, peers: bool
) -> Iterator[tuple[str, str, dict[str, Design]]]:
    """(kind, settings, designs) one after the other, so that one is in memory at a time."""
    frames = lesson.contest.frames
    for kind, arguments in _SETTINGS[lesson.name].items():
        given = {**arguments, **setting.pick(_SMALL, {})}
        words = ", ".join(f"{key} {value}" for key, value in given.items())
        setting.say(f"{lesson.name}, {kind}: {words}")
        yield kind, words, _designs(setting, lesson, kind, given)
    if not peers:
        return
    for kind, soap in zip(("SOAP", "SOAP 2.5 Å"), SOAP_SETTINGS, strict=True):
        if "energy" in lesson.targets and (kind == "SOAP" or lesson.name == "QM7"):
            setting.say(f"{lesson.name}, {soap}")
            yield kind, str(soap), {"energy": soap_design(frames, soap)}
    for kind, soap in zip(("lambda-SOAP", "lambda-SOAP 2.5 Å"), SOAP_SETTINGS, strict=True):
        if "dipole" in lesson.targets and (kind == "lambda-SOAP" or lesson.name == "QM7"):
            words = str(soap).replace("SOAP", "lambda-SOAP")
            setting.say(f"{lesson.name}, {words}")
            yield kind, words, {"dipole": lambda_soap_design(frames, soap)}


def _designs(
    setting: Setting, lesson: Lesson, kind: str, given: dict[str, Any]
) -> dict[str, Design]:
    frames, targets = lesson.contest.frames, lesson.targets
    if kind == "plain powers":
        return block_power_designs(given["ao"], given["kappa"], frames, targets)
    return linvop_designs(Basis(**given), frames, targets, workers=setting.workers)


def _ao_sets(setting: Setting, lesson: Lesson) -> dict[str, Any]:
    """{target: {kind: {AO set: errors of some splits with the most structures}}}."""
    found: dict[str, Any] = {t: {"plain powers": {}, "shell": {}} for t in lesson.targets}
    plain: dict[str, Any] = {"kappa": _KAPPA}
    for ao in _AO_SETS[lesson.name][: setting.pick(2, None)]:
        for kind, given in (("plain powers", plain), ("shell", _SHELL_OF_AO[lesson.name])):
            setting.say(f"{lesson.name}, {kind} in {ao}")
            designs = _designs(setting, lesson, kind, {"ao": ao, **given})
            for target, design in designs.items():
                found[target][kind][ao] = {
                    "columns": design.n_columns,
                    **_errors(
                        lesson, design, target, lesson.sizes[-1], setting.pick(*_N_SPLITS_OF_AO)
                    ),
                }
    return found


if __name__ == "__main__":
    from paper_reproduction.running import main

    main("properties")
