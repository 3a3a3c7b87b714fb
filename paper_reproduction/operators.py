r"""Fock or density targets: errors of the matrix, and of what follows from it.

.. math:: V \to F \;\text{(fill its orbitals)}\; \to P, \qquad
          V \to P \;\text{(purify)}, \qquad
          P \to \mu, q, E[P], \epsilon(F[P])

The paper learns either matrix by a linear map of powers of V, and finds lower errors of orbital
energies, dipoles, charges and energies from Fock targets than from density targets. Here this map
(V, V^2, V^3; no baseline) stands beside linvop's resolved features, its pair products, and products
that correct F of superposed atoms (for density targets: the density that fills its orbitals). Of
each model both targets have the same features, structures and solver. Orbital energies of density
targets are those of F[P], for which the functional is evaluated once; those of Fock targets need
no functional. Everything is compared with what the same formulas give from the label's matrix.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from paper_reproduction.operator_curves import MODELS, contests, final, learning_curves, ratio
from paper_reproduction.operator_pictures import draw
from paper_reproduction.study import Claim, Measured, Setting

__all__ = ["TITLE", "claims", "draw", "notes", "run"]

TITLE = "Fock or density targets? Errors of matrices and of what follows from them"

_ASKED = {
    "levels": "orbital energies",
    "dipole": "dipoles",
    "charges": "charges",
    "energy": "energies",
}

_LEAST = {"water": 5.0, "QM7": 2.0, "G2": 2.0}
"""Plain powers' error over that of products, at least."""


def run(setting: Setting) -> Measured:
    r"""Learning curves of both targets on three sets."""
    found = [learning_curves(contest, setting) for contest in contests(setting)]
    numbers = {"sets": found}
    data = "; ".join(
        f"{s['name']}, {s['level']}, up to {s['sizes'][-1]} for training and {s['n_test']} for "
        f"testing ({s['n_energy']} of them for energies)"
        for s in found
    )
    return Measured(data + ".", numbers, claims(numbers), notes(numbers))


def claims(numbers: Mapping[str, Any]) -> list[Claim]:
    r"""Of the paper, for its own map and for products, quantity by quantity; and linvop's."""
    sets = numbers["sets"]
    found = [_fock_claim(sets, m, q) for m in ("plain powers", "products") for q in _ASKED]
    return found + [_products_claim(s, _LEAST[s["name"]]) for s in sets if s["name"] in _LEAST]


def _fock_claim(sets: Sequence[Mapping[str, Any]], model: str, quantity: str) -> Claim:
    ratios = {s["name"]: ratio(s, model, quantity) for s in sets}
    text = f"Fock targets give lower errors of {_ASKED[quantity]} than density targets ({model})"
    known = {name: r for name, r in ratios.items() if r is not None}
    if not known:
        return Claim(text, "no density or Fock matrix that was predicted has a gap", "not tested")
    said = ", ".join(f"{name} {r:.2g}" for name, r in known.items())
    fock = ", ".join(f"{s['name']} {final(s, model, 'fock', quantity):.3g}" for s in sets)
    n = sum(r > 1 for r in known.values())
    return Claim.decided(
        text,
        f"density over Fock error: {said}; lower from Fock on {n} of {len(known)} sets "
        f"(from Fock: {fock} {_UNIT[quantity]})",
        n == len(known),
    )


_UNIT = {"levels": "meV", "dipole": "me A", "charges": "me", "energy": "meV"}


def _products_claim(one: Mapping[str, Any], least: float) -> Claim:
    plain = final(one, "plain powers", "fock", "matrix") or 0.0
    best = final(one, "products", "fock", "matrix") or 0.0
    return Claim.decided(
        f"Products err at least {least:g} times less than plain powers in Fock matrices of "
        f"{one['name']}, without a baseline",
        f"MAE {best:.3g} and {plain:.3g} microhartree with {one['sizes'][-1]} structures, "
        f"{plain / best:.3g} times",
        plain >= least * best,
        source="linvop",
    )


def notes(numbers: Mapping[str, Any]) -> list[str]:
    r"""What limits whom, and what a reader must know."""
    sets = numbers["sets"]
    found = [
        "Levels of a density target are those of F[P], one evaluation of the functional; those of "
        "a Fock target are the predicted matrix's own. All else of a Fock target follows from the "
        "density that fills its orbitals, and of a density target from the purified one.",
        "Features of a set are in one AO set "
        f"({', '.join(s['name'] + ': ' + s['ao'] for s in sets)}), but for shell, whose V^3 with "
        "all channels apart would be too many: "
        f"{', '.join(s['name'] + ': ' + s['shell_ao'] for s in sets)}. Plain powers learn "
        "elements between AOs, the others between Lowdin orbitals.",
        "Of QM7 (without it, of G2) molecules of other elements than H, C, N and O are left out.",
    ]
    for one in sets:
        found += [_of_data(one), _of_levels(one)]
        failed = _failed(one)
        if failed:
            found.append(
                f"{one['name']}: matrices without a gap are left out of what follows from them: "
                f"{failed}."
            )
    return found


def _of_data(one: Mapping[str, Any]) -> str:
    """Feature-limited or data-limited: what the last training structures bring."""
    first, last = one["sizes"][-2:]
    parts = []
    for model in MODELS:
        curves = one["curves"][model]
        gains = [curves[t]["matrix"][-2] / curves[t]["matrix"][-1] for t in ("fock", "density")]
        parts.append(f"{model} {gains[0]:.2g} and {gains[1]:.2g}")
    return (
        f"{one['name']}: from {first} to {last} structures the error of Fock and density "
        f"matrices falls by factors of {'; '.join(parts)}: near 1 the features are the limit, not "
        "the data."
    )


def _of_levels(one: Mapping[str, Any]) -> str:
    """The same quantity of both targets: levels of F[P]; and where the matrices err."""
    parts = []
    for model in MODELS:
        both = [final(one, model, t, "levels of F[P]") for t in ("fock", "density")]
        if None in both:
            continue
        near = [
            f"{100 * (final(one, model, t, 'on site') or 0.0) / one['rms'][t]:.2g}/"
            f"{100 * (final(one, model, t, 'between') or 0.0) / one['rms'][t]:.2g} %"
            for t in ("fock", "density")
        ]
        parts.append(f"{model} {both[0]:.3g} and {both[1]:.3g} meV ({near[0]} and {near[1]})")
    return (
        f"{one['name']}: occupied levels of F[P] from Fock and from density targets, and in "
        "brackets the errors of elements on site/between atoms in parts of the elements' rms: "
        f"{'; '.join(parts)}."
    )


def _failed(one: Mapping[str, Any]) -> str:
    counts = [
        f"{model}, {target}: {', '.join(map(str, one['curves'][model][target]['failed']))} of "
        f"{one['n_test']} by size"
        for model in MODELS
        for target in ("fock", "density")
        if any(one["curves"][model][target]["failed"])
    ]
    return "; ".join(counts)


if __name__ == "__main__":
    from paper_reproduction.running import main

    main("operators")
