r"""Minimal-basis operators with the orbital energies of a larger basis.

.. math:: F(c) = F^0 + c \cdot B[V] \in \mathbb{R}^{n_\mathrm{min} \times n_\mathrm{min}},
          \qquad \epsilon[F(c)] \approx \epsilon^L

The paper fits operators in a minimal basis to what a calculation in a larger one observes, orbital
energies first, and finds that they reproduce it. Measured here are errors of valence levels and of
some empty ones, densities of states and HOMO-LUMO gaps along a distortion, beside what the minimal
basis gives by itself (its own SCF), the projected operator T^T F_L T (which needs the large
calculation of each structure), and the linear fit to projected operators, from which the
Gauss-Newton steps start. All three kinds of features have the same structures, AO set, steps, and
powers to V^3.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from paper_reproduction.effective_cases import Case, anthracene_case, water_case
from paper_reproduction.effective_pictures import draw
from paper_reproduction.effective_scores import BASES, MINIMAL, WINDOW, measure, overlap_of
from paper_reproduction.sets import level_of
from paper_reproduction.study import Claim, Measured, Setting

__all__ = ["TITLE", "claims", "draw", "notes", "run"]

TITLE = "Effective minimal-basis operators: levels, densities of states and gaps of a larger basis"

_OURS, _PLAIN = "effective, products", "effective, plain powers"
"""Those that decide, and the paper's features beside them."""

_PART = 0.1
"""Of the spread of the labels: below it they are reproduced."""

_COMMON = 0.95
"""Of two densities of states, at least."""

_FINER = {"water": 5.0}
"""Plain powers' error over that of products, at least; 1 on other sets."""


def run(setting: Setting) -> Measured:
    r"""Both sets."""
    sets, data = [], []
    for make in (water_case, anthracene_case):
        case: Case = make(setting)
        sets.append(measure(case, setting))
        data.append(
            f"{case.name}, {level_of(case.large)}, {case.n_train} for training and "
            f"{len(case.test)} for testing, minimal basis {level_of(case.minimal)}"
        )
    numbers = {"sets": sets}
    return Measured("; ".join(data) + ".", numbers, claims(numbers), notes(numbers))


def claims(numbers: Mapping[str, Any]) -> list[Claim]:
    r"""Of the paper on each set; and linvop's."""
    found = []
    for one in numbers["sets"]:
        found += [_levels(one), _beside(one), _states(one), _gap(one)]
    return found + [_finer(one) for one in numbers["sets"]]


def _levels(one: Mapping[str, Any]) -> Claim:
    ours, plain = (one["operators"][name]["levels"] for name in (_OURS, _PLAIN))
    spread = one["spread"]["levels"]
    return Claim.decided(
        f"Effective minimal-basis operators reproduce the larger basis' orbital energies: "
        f"{one['name']}, error below {_PART:.0%} of their spread",
        f"RMSE {1e3 * ours:.3g} meV (products), spread {1e3 * spread:.3g} meV: "
        f"{ours / spread:.2%}; of plain powers {plain / spread:.2%}",
        ours < _PART * spread,
    )


def _beside(one: Mapping[str, Any]) -> Claim:
    names = ("minimal-basis SCF", "projected", "linear, products")
    ours = one["operators"][_OURS]["levels"]
    others = {name: one["operators"][name]["levels"] for name in names}
    said = ", ".join(f"{name} {1e3 * value:.3g}" for name, value in others.items())
    return Claim.decided(
        f"They err less than the minimal basis' own SCF, the projected operator and the linear "
        f"fit to it: {one['name']}",
        f"RMSE of levels {1e3 * ours:.3g} meV (products); {said} meV",
        ours < min(others.values()),
    )


def _states(one: Mapping[str, Any]) -> Claim:
    common = {
        name: overlap_of(one["reference"]["dos"], one["operators"][name]["dos"])
        for name in (_OURS, _PLAIN, "minimal-basis SCF")
    }
    ours, plain, own = common.values()
    return Claim.decided(
        f"Their density of states is that of the larger basis: {one['name']}, {_COMMON:.0%} "
        "in common",
        f"in common {ours:.1%} (products), {plain:.1%} (plain powers); of the minimal basis' own "
        f"SCF {own:.1%}",
        ours > _COMMON,
    )


def _gap(one: Mapping[str, Any]) -> Claim:
    gaps = one["reference"]["gaps"]
    change = max(gaps) - min(gaps)
    off = {name: _largest(one["operators"][name]["gaps"], gaps) for name in one["operators"]}
    own = one["operators"]["minimal-basis SCF"]["gaps"]
    shift = (sum(gaps) - sum(own)) / len(gaps)
    return Claim.decided(
        f"The HOMO-LUMO gap follows a distortion: {one['name']}, {one['what']}, error below "
        f"{_PART:.0%} of its change",
        f"largest error {1e3 * off[_OURS]:.3g} meV (products), {1e3 * off[_PLAIN]:.3g} meV (plain "
        f"powers), change {1e3 * change:.3g} meV; minimal-basis SCF off by "
        f"{1e3 * off['minimal-basis SCF']:.3g} meV at most, moved by a constant by "
        f"{1e3 * _largest([g + shift for g in own], gaps):.3g} meV",
        off[_OURS] < _PART * change,
    )


def _largest(found: list[float], label: list[float]) -> float:
    return max(abs(a - b) for a, b in zip(found, label, strict=True))


def _finer(one: Mapping[str, Any]) -> Claim:
    plain, ours = (one["operators"][f"effective, {b}"]["levels"] for b in BASES if b != "shell")
    least = _FINER.get(one["name"], 1.0)
    asked = f"at least {least:g} times less" if least > 1 else "less"
    return Claim.decided(
        f"Effective operators of products err {asked} in levels than those of plain powers: "
        f"{one['name']}",
        f"RMSE {1e3 * ours:.3g} and {1e3 * plain:.3g} meV, {plain / ours:.3g} times",
        plain >= least * ours,
        source="linvop",
    )


def notes(numbers: Mapping[str, Any]) -> list[str]:
    r"""What is compared, where the yardsticks fail, how the fits ended."""
    found = [
        f"{MINIMAL} operators. Levels: occupied ones within {WINDOW:g} eV of the highest, and "
        + ", ".join(f"{s['n_virtual']} empty ones ({s['name']})" for s in numbers["sets"])
        + "; the fit sees these and the dipole. RMSE on structures not trained on.",
        "Spread: of a level's labels about its mean over the training structures.",
    ]
    for one in numbers["sets"]:
        found += [_shifts(one), _empty(one), _ends(one)]
    return found


def _shifts(one: Mapping[str, Any]) -> str:
    """What of the error is one shift of each level."""
    parts = [
        f"{name} {1e3 * found['levels']:.3g} and {1e3 * found['scatter']:.3g}"
        for name, found in one["operators"].items()
    ]
    return (
        f"{one['name']}: RMSE of levels as they are, and with the mean error of each level on "
        f"the test structures taken off: {'; '.join(parts)} meV."
    )


def _empty(one: Mapping[str, Any]) -> str:
    """Occupied and empty levels, dipoles."""
    parts = [
        f"{name} {1e3 * found['occupied']:.3g}, {1e3 * found['virtual']:.3g} meV and "
        f"{1e3 * found['dipole']:.3g} me A"
        for name, found in one["operators"].items()
    ]
    return f"{one['name']}: occupied levels, empty ones, dipoles: {'; '.join(parts)}."


def _ends(one: Mapping[str, Any]) -> str:
    """Where training errors stand beside test errors, and why the steps ended."""
    parts = []
    for name, found in one["operators"].items():
        if "steps" in found:
            trained = found["training"]["orbital_energies"]
            parts.append(
                f"{name}: {found['coefficients']} coefficients, {found['steps']} steps "
                f"({found['stopped']}), levels of training structures {1e3 * trained:.3g} meV, "
                f"of test structures {1e3 * found['levels']:.3g} meV"
            )
    return f"{one['name']}: {'; '.join(parts)}."


if __name__ == "__main__":
    from paper_reproduction.running import main

    main("effective")
