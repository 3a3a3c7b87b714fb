r"""What the numbers of the study of long range say, in words."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from linvop.bench.soap import SoapSettings
from paper_reproduction.study import Claim

__all__ = ["claims_of", "notes_of"]

_TIMES, _TIMES_OF_NEW = 10.0, 5.0
_PEERS = {"energy": "SOAP", "dipole": "lambda-SOAP"}
_UNITS = {"energy": "meV", "dipole": "1e-3 e Angstrom"}
_OWN = ("shell", "products")
_NO_PEER = "featomic is not installed"
_STILL = 1e-3
"""Of a unit: what counts as no change."""


def claims_of(numbers: Mapping[str, Any]) -> list[Claim]:
    """The paper's claims, then linvop's."""
    water, ions = numbers["water"], numbers["ions"]
    claims = [_blind(water)]
    claims += [_plain_wins(water, t) for t in _PEERS]
    claims.append(
        _below(
            "Charged dimers pulled apart beyond the distances trained on: plain powers err less "
            "than SOAP.",
            {k: m["tail"] for k, m in ions["models"].items()},
            ("plain powers",),
            1.0,
            "paper",
        )
    )
    claims += [_less_than_the_tail(water), _new_pairs(water)]
    for t, peer in _PEERS.items():
        errors = _tails(water, t)
        text = (
            f"Water dimers, {t} between 8 and 12 Angstrom: the better of shell and products errs "
            f"{_TIMES:g} times less than {peer}."
        )
        claims.append(_below(text, errors, _OWN, _TIMES, "linvop", t))
    text = f"Charged dimers: the better of shell and products errs {_TIMES:g} times less than SOAP."
    own = {k: m["tail"] for k, m in ions["models"].items()}
    return [*claims, _below(text, own, _OWN, _TIMES, "linvop")]


def _tails(water: Mapping[str, Any], target: str) -> dict[str, float]:
    return {k: m[target]["tail"] for k, m in water["models"].items() if target in m}


def _below(
    text: str,
    errors: Mapping[str, float],
    kinds: tuple[str, ...],
    times: float,
    source: str,
    target: str = "energy",
) -> Claim:
    """Whether the best of some kinds errs so many times less than the peer."""
    peer = _PEERS[target]
    if peer not in errors:
        return Claim(text, _NO_PEER, "not tested", source)
    best = min(kinds, key=lambda kind: errors[kind])
    found = (
        f"RMSE {errors[best]:.3g} {_UNITS[target]} ({best}) and {errors[peer]:.3g} ({peer}): "
        f"a factor of {errors[peer] / errors[best]:.3g}"
    )
    return Claim.decided(text, found, errors[best] * times < errors[peer], source)


def _plain_wins(water: Mapping[str, Any], target: str) -> Claim:
    peer = _PEERS[target]
    text = (
        f"Water dimers, {target} between 8 and 12 Angstrom: plain powers of bare V, which have no "
        f"cutoff, err less than {peer}."
    )
    claim = _below(text, _tails(water, target), ("plain powers",), 1.0, "paper", target)
    if claim.verdict == "not tested":
        return claim
    sets = ", ".join(f"{ao} {found[target]:.3g}" for ao, found in water["ao_sets"].items())
    return Claim(text, f"{claim.found}; plain powers by AO set: {sets}", claim.verdict)


def _blind(water: Mapping[str, Any]) -> Claim:
    text = (
        f"SOAP with a cutoff of {SoapSettings().cutoff:g} Angstrom knows nothing of the tail: it "
        "predicts a constant."
    )
    if "SOAP" not in water["models"]:
        return Claim(text, _NO_PEER, "not tested")
    moved = water["models"]["SOAP"]["energy"]["change"]
    tail = water["spread"]["energy"]["tail"]
    found = (
        f"its predictions between 8 and 12 Angstrom change by {moved:.1g} meV at most, the labels "
        f"by {tail:.3g} meV (root mean square)"
    )
    return Claim.decided(text, found, moved < _STILL)


def _less_than_the_tail(water: Mapping[str, Any]) -> Claim:
    text = (
        f"Water dimers, energy between 8 and 12 Angstrom: the better of shell and products errs "
        f"{_TIMES:g} times less than a model that has every pair exact at 12 Angstrom and knows "
        "no tail."
    )
    tail = water["spread"]["energy"]["tail"]
    errors = _tails(water, "energy")
    best = min(_OWN, key=lambda kind: errors[kind])
    found = f"RMSE {errors[best]:.3g} meV ({best}) and {tail:.3g} meV, the tail itself"
    return Claim.decided(text, found, errors[best] * _TIMES < tail, "linvop")


def _new_pairs(water: Mapping[str, Any]) -> Claim:
    text = (
        f"Pairs never seen: the energy between 8 and 12 Angstrom, from its value at 12, errs "
        f"{_TIMES_OF_NEW:g} times less than without a tail."
    )
    found = {k: m["energy"]["new_pairs"] for k, m in water["models"].items() if "energy" in m}
    best = min(_OWN, key=lambda kind: found[kind]["left_out"])
    words = ", ".join(f"{x['curve']:.3g} ({kind})" for kind, x in found.items())
    tail = found[best]["spread"]
    return Claim.decided(
        text,
        f"RMSE in meV: {words}; the tail {tail:.3g}; {best} has the least error of pairs left out",
        found[best]["curve"] * _TIMES_OF_NEW < tail,
        "linvop",
    )


def notes_of(numbers: Mapping[str, Any]) -> list[str]:
    """What a reader must know."""
    water, ions = numbers["water"], numbers["ions"]
    far = [d for d, tested in zip(water["distances"], water["tested"], strict=True) if tested]
    notes = [
        f"Water: all pairs at all distances are trained on, but for the {len(far)} from "
        f"{far[0]:.1f} to {far[-1]:.1f} Angstrom, which are the test. New pairs: "
        f"{water['held_pairs']} whole pairs held out, alpha by leave-one-pair-out for all models.",
        f"Ions: trained at the {ions['n_trained']} shorter of {len(ions['distances'])} distances, "
        "tested at the others.",
        "Dipoles: root mean square over structures of the norm of the error. Curves show the "
        "component that changes most over the tail, of the pair that does.",
    ]
    for kind, model in water["models"].items():
        for target, found in model.items():
            notes.append(
                f"Water, {target}, {kind} ({found['settings']}): {found['columns']} columns, "
                f"leave-one-out RMSE {found['left_out']:.3g}, tail {found['tail']:.3g} "
                f"{_UNITS[target]}."
            )
    for kind, found in ions["models"].items():
        notes.append(
            f"Ions, {kind} ({found['settings']}): {found['columns']} columns, leave-one-out RMSE "
            f"{found['left_out']:.3g}, beyond {found['tail']:.3g} meV."
        )
    plain = water["models"]["plain powers"]["energy"]
    lacking = plain["left_out"] > plain["tail"] / 2  # else it is the tail alone that is missed
    worse = "SOAP" in water["models"] and (
        plain["tail"] > water["models"]["SOAP"]["energy"]["tail"]
    )
    if worse and lacking:
        notes.append(
            f"Plain powers err more than SOAP in the tail for want of features, not of range: "
            f"{plain['columns']} columns do not fit the training set itself (leave-one-out RMSE "
            f"{plain['left_out']:.3g} meV); errors by AO set stand beside the claim."
        )
    return notes
