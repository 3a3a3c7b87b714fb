r"""What the norms and errors of `paper_reproduction.locality` say, in words and verdicts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from paper_reproduction.study import Claim

__all__ = ["QUANTITIES", "claims", "compared", "notes"]

QUANTITIES = ("occupied orbital energies", "dipole", "energy")

Way = tuple[str, str]
"""What is cut, and between which orbitals."""

_NO_CHANGE = 1e-9
"""Of the largest error of a quantity: nothing was dropped but rounding."""

_BETWEEN = {"ao": "atomic orbitals", "lowdin": "Lowdin orbitals"}

_LIKE_OVERLAP = (0.2, 0.9)
"""V is like the overlap if decay lengths differ by less than this part and logarithms correlate
better than this."""


def claims(systems: Mapping[str, Mapping[str, Any]]) -> list[Claim]:
    """All of them, decided by the numbers alone."""
    return [
        _decays(systems),
        _like_overlap(systems),
        _lost(systems),
        *(_cut(systems, orbitals, words) for orbitals, words in _BETWEEN.items()),
        _known(systems),
    ]


def _decays(systems: Mapping[str, Mapping[str, Any]]) -> Claim:
    said, holds = [], True
    for name, one in systems.items():
        lengths = one["decay"]
        for orbitals, words in _BETWEEN.items():
            V, F, P = (lengths[f"{orbitals} {m}"] for m in "VFP")
            said.append(f"{name}, {words}: {V:.2f}, {F:.2f}, {P:.2f}")
            holds &= F < P and V < P
    return Claim.decided(
        "Fock matrices, as V, are more local than density matrices.",
        f"Decay lengths of the block norms of V, F and P, in Angstrom: {'; '.join(said)}.",
        holds,
    )


def _like_overlap(systems: Mapping[str, Mapping[str, Any]]) -> Claim:
    said, holds = [], True
    part, least = _LIKE_OVERLAP
    for name, one in systems.items():
        V, S, r = one["decay"]["ao V"], one["decay"]["ao S"], one["V like S"]
        holds &= abs(V / S - 1.0) < part and r > least
        said.append(f"{name}: {V:.2f} and {S:.2f} Angstrom, correlation {r:.3f}")
    return Claim.decided(
        "Blocks of V fall off with distance as the overlap of the atomic orbitals does.",
        f"Decay lengths of V and S, and correlation of the logarithms of their block norms: "
        f"{'; '.join(said)}.",
        holds,
    )


def compared(
    rows: Sequence[Mapping[str, Any]], first: Way, second: Way, quantity: str
) -> list[tuple[float, float]]:
    r"""Errors of two ways to cut at each cutoff, wherever one of them is more than rounding.

    Parameters
    ----------
    rows : sequence of mapping
        quantity, orbitals, matrix, cutoff, mae (None: no structure has properties), n_failed.
    first, second : (matrix, orbitals)
    quantity : str

    Returns
    -------
    list of (error of the first, error of the second)
        In the order of the cutoffs; infinite where a structure has no properties any more.
    """
    own = {
        (r["matrix"], r["orbitals"], r["cutoff"]): _error(r)
        for r in rows
        if r["quantity"] == quantity
    }
    floor = _NO_CHANGE * max((v for v in own.values() if np.isfinite(v)), default=0.0)
    cutoffs = sorted({key[2] for key in own})
    pairs = [
        (own[(*first, c)], own[(*second, c)])
        for c in cutoffs
        if (*first, c) in own and (*second, c) in own
    ]
    return [pair for pair in pairs if max(pair) > floor]


def _error(row: Mapping[str, Any]) -> float:
    return np.inf if row["mae"] is None or row["n_failed"] else float(row["mae"])


def _ratio(pairs: Sequence[Sequence[float]]) -> str:
    """The geometric mean of the second error over the first, where both are finite."""
    logs = [np.log(b / a) for a, b in pairs if np.isfinite([a, b]).all() and a > 0 and b > 0]
    return f"{np.exp(np.mean(logs)):.2f}" if logs else "none"


def _contest(
    systems: Mapping[str, Mapping[str, Any]], first: Way, second: Way
) -> tuple[str, list[float]]:
    """In words by system, and in which part of the cases the first errs less."""
    said, parts = [], []
    for name, one in systems.items():
        found = {q: compared(one["truncation"], first, second, q) for q in QUANTITIES}
        words = [
            f"{q.removeprefix('occupied ')} {sum(a < b for a, b in pairs)} of {len(pairs)} "
            f"(ratio {_ratio(pairs)})"
            for q, pairs in found.items()
            if pairs
        ]
        cases = [a < b for pairs in found.values() for a, b in pairs]
        if cases:
            said.append(f"{name}: {', '.join(words)}")
            parts.append(float(np.mean(cases)))
    return "; ".join(said), parts


def _lost(systems: Mapping[str, Mapping[str, Any]]) -> Claim:
    said, holds = [], True
    for name, one in systems.items():
        for orbitals, words in _BETWEEN.items():
            F, P = (np.array(one["dropped"][f"{orbitals} {m}"]) for m in "FP")
            some = np.maximum(F, P) > _NO_CHANGE
            holds &= bool((F < P)[some].all())
            said.append(
                f"{name}, {words}: at {(F < P)[some].sum()} of {some.sum()} cutoffs (ratio "
                f"{_ratio(np.column_stack([F, P])[some].tolist())})"
            )
    return Claim.decided(
        "Beyond a cutoff lies less of a Fock matrix, of its norm, than of a density matrix.",
        "F loses the smaller part of its norm, and the mean ratio of P's part to F's: "
        f"{'; '.join(said)}.",
        holds,
    )


def _cut(systems: Mapping[str, Mapping[str, Any]], orbitals: str, words: str) -> Claim:
    text, parts = _contest(systems, ("F", orbitals), ("P, purified", orbitals))
    return Claim.decided(
        "Fock matrices are the better targets of a model with a cutoff: properties err less when "
        f"far blocks of F are dropped than of P. Blocks between {words}.",
        "Cutoffs at which F errs less than P made idempotent again, and the mean ratio of P's "
        f"error to F's. {text}.",
        bool(parts) and min(parts) > 0.5,
    )


def _known(systems: Mapping[str, Mapping[str, Any]]) -> Claim:
    said, parts = [], []
    for other in ("F", "P, purified"):
        text, part = _contest(systems, ("F, over known", "lowdin"), (other, "lowdin"))
        said.append(f"Against {other}, {text}")
        parts += part
    return Claim.decided(
        "What F adds to the core Hamiltonian with superposed atomic potentials, between Lowdin "
        "orbitals (OperatorModel's baseline and orthogonal=True), bears a cutoff best.",
        "Cutoffs at which it errs less, and the mean ratio of the other's error to its own. "
        f"{'. '.join(said)}.",
        bool(parts) and min(parts) > 0.5,
        "linvop",
    )


def _over_all(systems: Mapping[str, Mapping[str, Any]], first: Way, second: Way) -> str:
    """Mean ratios of errors over all systems and cutoffs, by quantity."""
    said = []
    for q in QUANTITIES:
        pairs = [
            p for one in systems.values() for p in compared(one["truncation"], first, second, q)
        ]
        if pairs:
            said.append(f"{q.removeprefix('occupied ')} {_ratio(pairs)}")
    return ", ".join(said)


def _reasons(systems: Mapping[str, Mapping[str, Any]]) -> list[str]:
    """Of what differs: what may explain it, beside the figures that bear on it."""
    known, cut, pure = ("F, over known", "lowdin"), ("F", "lowdin"), ("P, purified", "lowdin")
    lost = {o: _cut(systems, o, words).verdict == "differs" for o, words in _BETWEEN.items()}
    out = []
    if lost["ao"]:
        out.append(
            "What may explain that F, the more local matrix, is not the better one to cut between "
            "atomic orbitals: F + c S has the properties of F for any c, yet what is cut of it "
            "differs, and where the overlap of two atoms stays and their block of F goes, levels "
            "appear that no molecule has. Between Lowdin orbitals c is on site. Mean ratios of the "
            "error of F between atomic orbitals to that between Lowdin orbitals: "
            f"{_over_all(systems, cut, ('F', 'ao'))}."
        )
    if lost["lowdin"]:
        out.append(
            "What may explain that a cut P does as well between Lowdin orbitals: F[P] has kinetic "
            "energy and V whole, whatever is cut of P, and a cut F has lost parts of them. F over "
            "known keeps them too. Mean ratios of the error of P, purified, to that of F over "
            f"known: {_over_all(systems, known, pure)}."
        )
    return out


def notes(systems: Mapping[str, Mapping[str, Any]], window: float) -> list[str]:
    """What a reader must know."""
    failed = {
        name: sum(r["n_failed"] for r in one["truncation"] if r["quantity"] == "dipole")
        for name, one in systems.items()
    }
    said = ", ".join(f"{name} {n}" for name, n in failed.items())
    return [
        f"Decay lengths are least squares over pairs of atoms up to {window:g} Angstrom, one "
        "constant for each pair of species. Ratios are geometric means over cutoffs.",
        "Errors are changes from the properties of the whole matrix, with the overlap kept whole. "
        "Orbital energies of P are those of F[P]. P, as it is, has other electrons than the "
        "molecule between atomic orbitals, where its energy means little. Between Lowdin orbitals "
        "it has the right number and is not idempotent; mean ratios of the error of F to its: "
        f"{_over_all(systems, ('P, as it is', 'lowdin'), ('F', 'lowdin'))}.",
        *_reasons(systems),
        "Cut matrices that leave no gap, or occupations that do not tell which orbitals are "
        f"filled, have no properties: {said} of all cuts. They count as lost.",
    ]
