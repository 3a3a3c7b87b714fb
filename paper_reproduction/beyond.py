r"""What the paper leaves open: the AOs, large molecules, and labels without matrices.

- Choice of the AO basis (`paper_reproduction.beyond_aos`): errors of energies and dipoles of water
  against columns and time; leave-one-out chooses.
- Cost (`paper_reproduction.beyond_large`): CPU time per atom of V and V, V^2, V^3 with a reach.
- Labels (`paper_reproduction.beyond_dipoles`): an effective operator F(c) fitted to dipoles alone,
  mu[F(c)] = mu^label, without any Fock matrix, and what it gives besides.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from linvop.sampling import sample_water
from paper_reproduction.beyond_aos import TARGETS, chosen, scan
from paper_reproduction.beyond_dipoles import AO, besides, dipole_curves
from paper_reproduction.beyond_large import SETTINGS, cost_per_atom, growth
from paper_reproduction.beyond_picture import draw
from paper_reproduction.labels import labelled
from paper_reproduction.sets import waters
from paper_reproduction.study import Claim, Measured, Setting

if TYPE_CHECKING:
    from linvop.io.dataset import Dataset

__all__ = ["COMPACT", "TITLE", "draw", "run"]

TITLE = "What the paper leaves open: AO sets, large molecules, labels without matrices"

COMPACT = ("sto-3g", "6-31g", "linvop-sv", "linvop-svp")
"""AO sets that are to stand in for def2-SVP."""

_USUAL = "def2-svp"
_ENDS, _GROWTH = (300, 3000), 1.5
_LEARNT = 0.1
"""Of the baseline's error: at most so much is left where an operator has learnt dipoles."""

_QUANTITY = {"energy": "energies", "dipole": "dipoles"}


def run(setting: Setting) -> Measured:
    """The three parts, one after the other."""
    n, n_train = setting.pick((100, 60), (800, 500))
    frames, words = waters(setting, n)
    sets = setting.pick(["sto-3g", "linvop-sv", _USUAL], [*COMPACT, _USUAL, "cc-pvdz", "cc-pvtz"])
    sizes = setting.pick([10, 20], [30, 100, 300])
    train, test = frames[: max(sizes)], frames[n_train:]
    curves, effective = dipole_curves(train, test, sizes, setting.say)
    known: dict[str, Any] = {
        "aos": scan(sets, frames, n_train, setting.pick(2, 5), setting.say),
        "n_train": n_train,
        "large": cost_per_atom(setting.pick([30, 100], [30, 100, 300, 1000, 3000]), setting.say),
        "sizes": sizes,
        "curves": curves,
        "besides": besides(effective, _reference(setting)),
        "dipole rms": _spread(test),
    }
    data = (
        f"{words}; {n_train} for training and {n - n_train} for testing, AO sets with splits of "
        f"the {n}; water clusters sampled here; PBE/{AO} of others sampled here."
    )
    return Measured(data, known, _claims(known), _notes(known))


def _reference(setting: Setting) -> Dataset:
    """Waters that no fit has seen, in the AOs of the effective operator."""
    frames = sample_water(setting.pick(4, 40), seed=7)
    quantities = ("energy", "fock", "overlap")
    return labelled(
        "beyond-reference", frames, setting, xc="pbe", ao=AO, grid_level=2, quantities=quantities
    )


def _spread(frames: Sequence[Any]) -> float:
    """RMS of the components of dipoles, e Angstrom."""
    return float(np.sqrt(np.mean([np.square(a.get_dipole_moment()) for a in frames])))


def _pooled(values: Sequence[float]) -> float:
    return float(np.sqrt(np.mean(np.square(values))))


def _claims(known: Mapping[str, Any]) -> list[Claim]:
    return [
        *(_compact(known["aos"], target) for target in TARGETS),
        *(_choice(known["aos"], target) for target in TARGETS),
        _cost(known["large"]),
        *_operator(known),
    ]


def _words(value: float, target: str) -> str:
    return f"{1e3 * value:.3g} {'meV' if target == 'energy' else 'me A'}"


def _compact(rows: Sequence[dict[str, Any]], target: str) -> Claim:
    """The compact set that leave-one-out chooses beside def2-SVP."""
    small = chosen(rows, "shell", target, COMPACT)
    usual = chosen(rows, "shell", target, (_USUAL,))
    a, b = (_pooled(r["rmse"][target]) for r in (small, usual))
    return Claim.decided(
        f"A compact AO set errs no more than {_USUAL} in {_QUANTITY[target]}, at less cost",
        f"shell: {small['ao']} (by leave-one-out) {_words(a, target)} and {_times(small)} a "
        f"structure; {_USUAL} {_words(b, target)} and {_times(usual)}",
        a <= b and max(small["ms of rounds"]) < min(usual["ms of rounds"]),
        source="linvop",
    )


def _times(row: Mapping[str, Any]) -> str:
    low, high = min(row["ms of rounds"]), max(row["ms of rounds"])
    return f"{row['ms']:.2f} ms ({low:.2f} to {high:.2f})"


def _choice(rows: Sequence[dict[str, Any]], target: str) -> Claim:
    """Whether what leave-one-out chooses is what the test set would."""
    own = chosen(rows, "shell", target)
    best = min(_pooled(r["rmse"][target]) for r in rows if r["features"] == "shell")
    found = _pooled(own["rmse"][target])
    return Claim.decided(
        f"Leave-one-out chooses an AO set within a tenth of the best one's error in "
        f"{_QUANTITY[target]}",
        f"shell: it chooses {own['ao']}, {_words(found, target)}; the best of all has "
        f"{_words(best, target)}",
        found <= 1.1 * best,
        source="linvop",
    )


def _cost(rows: Sequence[Mapping[str, Any]]) -> Claim:
    low, high = _ENDS
    text = f"Cost per atom grows by less than {_GROWTH} from {low} to {high} atoms"
    found = growth(rows, low, high)
    if found is None:
        largest = max(r["atoms"] for r in rows)
        return Claim(text, f"the largest cluster has {largest} atoms", "not tested", "linvop")
    ends = [min(rows, key=lambda r: abs(r["atoms"] - size))["rounds"] for size in _ENDS]
    single = [b / a for a, b in zip(*ends, strict=True)]
    words = f"V and features: {found:.2f} ({min(single):.2f} to {max(single):.2f} in single rounds)"
    return Claim.decided(text, words, found < _GROWTH, source="linvop")


def _operator(known: Mapping[str, Any]) -> list[Claim]:
    curves, size = known["curves"], known["sizes"][-1]
    ours = curves["effective operator"]
    left = ours["rmse"][-1] / ours["start"]
    direct = min((n for n in curves if "direct" in n), key=lambda n: curves[n]["rmse"][-1])
    other, gaps = curves[direct]["rmse"][-1], known["besides"]["effective operator"]["gap"]
    return [
        Claim.decided(
            "An effective operator learns dipoles without the label of any matrix",
            f"{size} structures: {_words(ours['rmse'][-1], 'dipole')}, "
            f"{100 * left:.2g} per cent of the baseline's "
            f"{_words(ours['start'], 'dipole')}",
            left < _LEARNT,
            source="linvop",
        ),
        Claim.decided(
            "It errs no more than the best model that is linear in the dipole",
            f"{size} structures: {_words(ours['rmse'][-1], 'dipole')}; {direct}: "
            f"{_words(other, 'dipole')}",
            ours["rmse"][-1] <= other,
            source="linvop",
        ),
        Claim.decided(
            "It has a gap on structures that it has not seen",
            f"least of {len(gaps)}: {min(gaps):.1f} eV",
            min(gaps) > 1.0,
            source="linvop",
        ),
    ]


def _notes(known: Mapping[str, Any]) -> list[str]:
    found = {k: {q: np.asarray(x) for q, x in v.items()} for k, v in known["besides"].items()}
    reference = found["reference"]

    def off(which: str, quantity: str) -> float:
        return _pooled(found[which][quantity] - reference[quantity])

    names = {"gap": "gap", "homo": "highest occupied level"}
    levels = ", ".join(
        f"{name} {off('effective operator', q):.1f} eV (baseline {off('baseline', q):.1f})"
        for q, name in names.items()
    )
    charges = {k: f"{v['charge'].mean():+.2f}" for k, v in found.items()}
    return [
        "RMSE on structures that were not trained on; whiskers from the least to the largest of "
        "the splits. Time: CPU, one thread, V and the rows of energy and dipole from positions. "
        "Plain powers: on site, as `Basis` has them.",
        f"Cost: {SETTINGS['ao']}, kappa {SETTINGS['kappa']}, shell, reach {SETTINGS['reach']:g} "
        "Angstrom, one thread, CPU time. int1e_nuc is PySCF's matrix of all AOs.",
        f"The operator is one in {AO}, of linvop-sv features; from its baseline (SAP) on, dipoles "
        "alone. Components of the test set's dipoles have a root mean square of "
        f"{_words(known['dipole rms'], 'dipole')}.",
        f"Besides, root mean square differences from PBE/{AO} of {len(reference['gap'])} other "
        f"waters: {levels}. "
        f"Mean Lowdin charge of oxygen: {charges['effective operator']} e, baseline "
        f"{charges['baseline']}, PBE {charges['reference']}. Dipoles do not "
        "say what levels and charges are: fit those too where they matter.",
    ]


if __name__ == "__main__":
    from paper_reproduction.running import main

    main("beyond")
