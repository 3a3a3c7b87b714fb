r"""What learning curves say, in words."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import pairwise
from typing import Any

import numpy as np

from paper_reproduction.study import Claim

__all__ = ["claims_of", "notes_of"]

_TIMES = {"water": 5.0, "QM7": 2.0, "G2": 2.0}
_BLOWN = 5.0
"""Times the median of the splits."""

_OWN = ("shell", "products")
_PLAIN = ("plain powers", "plain powers, on site")


def claims_of(numbers: Mapping[str, Any]) -> list[Claim]:
    """The paper's claims, then linvop's."""
    claims = [
        _against_peers(
            name, target, x, ("plain powers",), "plain powers of V err less than {peer}", "paper"
        )
        for name, target, x in _each(numbers)
    ]
    claims += [_larger_sets(name, target, x) for name, target, x in _each(numbers)]
    for name, target, x in _each(numbers):
        claims += [_against_plain(name, target, x, plain) for plain in _PLAIN]
        text = "the better of shell and products errs less than {peer}"
        claims.append(_against_peers(name, target, x, _OWN, text, "linvop"))
        claims.append(_rarity(name, target, x))
    return claims


def _each(numbers: Mapping[str, Any]) -> Iterator[tuple[str, str, Mapping[str, Any]]]:
    for x in numbers.values():
        for target in x["curves"]:
            yield x["name"], target, x


def _last(x: Mapping[str, Any], target: str) -> dict[str, float]:
    """Mean error with the most structures, by kind."""
    return {kind: float(np.mean(c["rmse"][-1])) for kind, c in x["curves"][target].items()}


def _head(name: str, target: str, x: Mapping[str, Any]) -> str:
    return f"{name}, {target}, {x['sizes'][-1]} structures: "


def _against_peers(
    name: str, target: str, x: Mapping[str, Any], kinds: tuple[str, ...], text: str, source: str
) -> Claim:
    peer = "SOAP" if target == "energy" else "lambda-SOAP"
    text = _head(name, target, x) + text.format(peer=peer) + "."
    errors, unit = _last(x, target), x["units"][target]
    peers = {kind: e for kind, e in errors.items() if "SOAP" in kind}
    if not peers:
        return Claim(text, "featomic is not installed", "not tested", source)
    best = min(kinds, key=lambda kind: errors[kind])
    # Of several settings of SOAP the best one counts.
    other = min(peers, key=lambda kind: peers[kind])
    others = ", ".join(f"{e:.3g} ({kind})" for kind, e in peers.items())
    ours, theirs = (x["curves"][target][kind]["rmse"][-1] for kind in (best, other))
    wins = sum(a < b for a, b in zip(ours, theirs, strict=True))
    found = (
        f"RMSE {errors[best]:.3g} {unit} ({best}) and {others}; less in {wins} of {len(ours)} "
        "splits"
    )
    return Claim.decided(text, found, errors[best] < errors[other], source)


def _against_plain(name: str, target: str, x: Mapping[str, Any], plain: str) -> Claim:
    errors, unit, times = _last(x, target), x["units"][target], _TIMES[name]
    best = min(_OWN, key=lambda kind: errors[kind])
    mae = {k: float(np.mean(c["mae"][-1])) for k, c in x["curves"][target].items()}
    return Claim.decided(
        f"{_head(name, target, x)}the better of shell and products errs {times:g} times less than "
        f"{plain}.",
        f"RMSE {errors[best]:.3g} {unit} ({best}) and {errors[plain]:.3g}: a factor of "
        f"{errors[plain] / errors[best]:.3g}; MAE {mae[best]:.3g} and {mae[plain]:.3g}: "
        f"{mae[plain] / mae[best]:.3g}",
        errors[best] * times < errors[plain],
        "linvop",
    )


def _rarity(name: str, target: str, x: Mapping[str, Any]) -> Claim:
    curve = x["curves"][target]["products"]
    with_choice, default = (
        np.asarray(curve[key]).mean(axis=1) for key in ("rmse", "rmse of default")
    )
    words = ", ".join(
        f"{size}: {a:.3g} ({b:.3g})"
        for size, a, b in zip(x["sizes"], with_choice, default, strict=True)
    )
    ratio = float(np.exp(np.log(with_choice / default).mean()))
    return Claim.decided(
        f"{name}, {target}: where leave-one-out may take the prior that hardly believes columns "
        "that few structures carry (Ridge's rarity), products err less.",
        f"RMSE in {x['units'][target]} with the choice, and of the default prior, by structures: "
        f"{words}; over all sizes a factor of {ratio:.3g}",
        ratio < 1.0,
        "linvop",
    )


def _larger_sets(name: str, target: str, x: Mapping[str, Any]) -> Claim:
    found = {
        ao: float(np.mean(one["rmse"])) for ao, one in x["ao_sets"][target]["plain powers"].items()
    }
    errors = list(found.values())
    words = ", ".join(f"{ao} {e:.3g}" for ao, e in found.items())
    return Claim.decided(
        f"{_head(name, target, x)}a larger AO set for V lowers the error of plain powers.",
        f"RMSE in {x['units'][target]}: {words}",
        all(b < a for a, b in pairwise(errors)),
    )


def notes_of(numbers: Mapping[str, Any]) -> list[str]:
    """What a reader must know."""
    notes = [
        "RMSE on structures not trained on; of dipoles of the norm. Claims have means over the "
        "splits, pictures medians with bars from the least to the largest. "
        "All models: the same splits, ridge and constants, and the same two priors, one that knows "
        "nothing of how many structures carry a column and one that does (rarity 30, of a first "
        "look at two of these splits); leave-one-structure-out takes one. Molecules with an "
        "element that no molecule trained on has are no test, and of QM7 the few with sulfur are "
        "left out: a first run had shown that they decide the RMSE. Plain powers: all blocks of V "
        "to V^4, on site and between atoms, as in the paper's program, and those on site alone; "
        "shell and products: on site. Settings of "
        "linvop are those of docs/accuracy.md, found on the same sets with another split; SOAP "
        "has a common setting, and on QM7 a shorter one."
    ]
    for x in numbers.values():
        name = x["name"]
        notes.append(f"{name}: {x['n_test']} structures for testing, {x['words']}.")
        for target, curves in x["curves"].items():
            models = "; ".join(
                f"{kind} ({c['settings']}) {c['columns']}" for kind, c in curves.items()
            )
            notes.append(
                f"{name}, {target}: columns of {models}. Spread of the labels "
                f"{x['spread'][target]:.3g} {x['units'][target]}."
            )
            notes += [n for plain in _PLAIN for n in _done(name, target, plain, x)]
            notes.append(_priors(name, target, curves))
            notes += _limited(name, target, curves, x)
            notes += _blown_up(name, target, curves, x)
    notes.append(
        "AO sets: with the most structures; shell at kappa 2 in all. QM7 without cc-pVTZ, whose V "
        "of a thousand molecules costs more than all else here."
    )
    return notes


def _done(name: str, target: str, plain: str, x: Mapping[str, Any]) -> list[str]:
    """Where plain powers have learned what they can."""
    errors = x["curves"][target][plain]["rmse"]
    first, last = (float(np.mean(errors[k])) for k in (-2, -1))
    if last <= 0.8 * first:
        return []
    return [
        f"{name}, {target}: {plain} learn no more from more structures (RMSE {first:.3g} and "
        f"{last:.3g} {x['units'][target]} of the last two sizes): they lack features, not data."
    ]


def _priors(name: str, target: str, curves: Mapping[str, Any]) -> str:
    """How often leave-one-out took the prior that knows how many carry a column."""
    taken = (
        f"{kind} {sum(r > 0 for split in c['rarity'] for r in split)} of "
        f"{sum(map(len, c['rarity']))}"
        for kind, c in curves.items()
    )
    return f"{name}, {target}: fits with the prior that knows rarity: {', '.join(taken)}."


def _limited(name: str, target: str, curves: Mapping[str, Any], x: Mapping[str, Any]) -> list[str]:
    """Where all good features err alike, and less with more structures: data are lacking."""
    own = {k: [float(np.mean(e)) for e in curves[k]["rmse"]] for k in _OWN}
    ends = [errors[-1] for errors in own.values()]
    gain = min(errors[-2] / errors[-1] for errors in own.values())
    if max(ends) > 1.25 * min(ends) or gain < 1.1:
        return []
    both = " and ".join(f"{errors[-1]:.3g} ({kind})" for kind, errors in own.items())
    return [
        f"{name}, {target}: RMSE {both} {x['units'][target]} of different features, and from "
        f"{x['sizes'][-2]} to {x['sizes'][-1]} structures it falls by a factor of {gain:.3g} or "
        "more: they lack data, not features."
    ]


def _blown_up(name: str, target: str, curves: Mapping[str, Any], x: Mapping[str, Any]) -> list[str]:
    """Splits in which a few structures err so much that they decide the RMSE."""
    found = [
        f"{max(errors):.3g} ({kind}, {size} structures; median {float(np.median(errors)):.3g})"
        for kind, curve in curves.items()
        for size, errors in zip(x["sizes"], curve["rmse"], strict=True)
        if max(errors) > _BLOWN * float(np.median(errors))
    ]
    if not found:
        return []
    return [
        f"{name}, {target}: in single splits the RMSE is {', '.join(found)} {x['units'][target]}. "
        "A column that one molecule trained on carries alone, and hardly, has a coefficient of "
        "which leave-one-out knows nothing; a molecule that has more of it errs without bound."
    ]
