r"""What the sensitivities of `paper_reproduction.message_passing` say, in words and verdicts."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from paper_reproduction.study import Claim

__all__ = ["claims", "exponent", "notes"]

_FAR = 3
"""Bonds from which on a nucleus is far."""


def claims(numbers: Mapping[str, Any]) -> list[Claim]:
    """All of them, decided by the numbers alone."""
    return [_rows(numbers), _site(numbers), _long(numbers), _reach(numbers), _conjugation(numbers)]


def exponent(distances: list[float], values: list[float]) -> float:
    """P of the best R^-p through values from `_FAR` bonds on."""
    R, s = np.array(distances)[_FAR:], np.array(values)[_FAR:]
    return -float(np.polyfit(np.log(R), np.log(s), 1)[0])


def _fronts(numbers: Mapping[str, Any], kind: str) -> list[list[int]]:
    return [m["front"][kind] for m in numbers["molecules"].values()]


def _said(fronts: list[list[int]]) -> str:
    different = [", ".join(map(str, f)) for f in fronts]
    return (
        " (alkane) and ".join(different) + " (polyene)" if len(set(different)) > 1 else different[0]
    )


def _rows(numbers: Mapping[str, Any]) -> Claim:
    kappas = numbers["kappas"]
    rows, layers = _fronts(numbers, "cut rows"), _fronts(numbers, "layers")
    return Claim.decided(
        "Each matrix product with V carries information one neighbour further, as a layer of "
        "message passing does.",
        f"With V cut at {numbers['cutoff']:g} Angstrom rows of V^kappa, kappa = {kappas[0]} to "
        f"{kappas[-1]}, reach {_said(rows)} bonds, as many layers {_said(layers)}; beyond, "
        "derivatives are exactly 0.",
        all(f == _limited(numbers, kappas) for f in (*rows, *layers)),
    )


def _limited(numbers: Mapping[str, Any], law: list[int]) -> list[int]:
    return [min(k, numbers["carbons"] - 1) for k in law]


def _site(numbers: Mapping[str, Any]) -> Claim:
    law = [(k + 1) // 2 for k in numbers["kappas"]]
    found = _fronts(numbers, "cut site")
    return Claim.decided(
        "On-site blocks of V^kappa, of which site features are made, reach ceil(kappa / 2) bonds: "
        "walks must come back, so that one bond takes two products.",
        f"They reach {_said(found)} bonds.",
        all(f == _limited(numbers, law) for f in found),
        "linvop",
    )


def _long(numbers: Mapping[str, Any]) -> Claim:
    said, holds = [], True
    for name, m in numbers["molecules"].items():
        p = exponent(m["distance"], m["bare"][0])
        last = m["times_r2"][-1]
        holds &= abs(p - 2.0) < 0.2 and abs(last - 1.0) < 0.1
        said.append(
            f"{name}: {m['bare'][0][-1]:.1e} of the largest at {m['distance'][-1]:.1f} Angstrom, "
            f"R^-{p:.2f}, and {last:.2f} times Z |S_ii| / R^2 there"
        )
    return Claim.decided(
        "V as it is sees all atoms at once: it is long-ranged without any product.",
        f"On-site blocks of one factor, {'; '.join(said)}.",
        holds,
    )


def _reach(numbers: Mapping[str, Any]) -> Claim:
    said, holds = [], True
    for name, m in numbers["molecules"].items():
        kept = [m["reach"][k][-1] / m["bare"][k][-1] for k in range(len(numbers["kappas"]))]
        screened = max(row[-1] for row in m["screened"])
        holds &= min(kept) > 0.5 and max(kept) < 2.0 and screened < 1e-6
        said.append(
            f"{name}: {min(kept):.2f} to {max(kept):.2f} times the sensitivity of "
            f"uncut V for all kappa, with screening at most {screened:.0e} of the largest"
        )
    return Claim.decided(
        "Basis(reach=...) cuts blocks and keeps the long range, as V_ii keeps all nuclei; "
        "screening takes it away.",
        f"At the far end, {'; '.join(said)}.",
        holds,
        "linvop",
    )


def _conjugation(numbers: Mapping[str, Any]) -> Claim:
    a, b = (np.array(m["times_r2"])[_FAR:] for m in numbers["molecules"].values())
    most = float(np.exp(np.abs(np.log(b / a)).max()))
    return Claim.decided(
        "V knows nothing of conjugation: at equal distance a polyene's features feel an atom as "
        "an alkane's do.",
        f"On-site blocks of V, times R^2, from {_FAR} bonds on: alkane and polyene differ by a "
        f"factor of {most:.3f} at most.",
        most < 1.1,
        "linvop",
    )


def notes(numbers: Mapping[str, Any]) -> list[str]:
    """How weak the front is, and what follows."""
    weak = []
    for name, m in numbers["molecules"].items():
        per_bond = [_per_bond(m["front"][k], m[k]) for k in ("cut rows", "layers")]
        weak.append(f"{name} {per_bond[0]:.3f} (rows) and {per_bond[1]:.3f} (layers)")
    return [
        "The front is where anything arrives at all, not where much does: relative to the largest "
        f"of the same kappa, what is at the front falls by a factor a bond of {', '.join(weak)}.",
        "Nuclei act in a block of cut V if they are neighbours of both its atoms; if those of "
        "either act, rows reach kappa + 1 bonds and on-site blocks floor(kappa / 2) + 1.",
        "Conjugation is the electrons': it stands in F and P, not in V, whose chains differ by "
        "their bond lengths and hydrogens alone. A model has to make it of products.",
    ]


def _per_bond(fronts: list[int], values: list[list[float]]) -> float:
    """Geometric mean, from front to front of kappa and kappa + 1, of the relative sensitivity."""
    there = np.log([row[k] for k, row in zip(fronts, values, strict=True)])
    bonds = np.array(fronts)
    return float(np.exp(np.polyfit(bonds, there, 1)[0]))
