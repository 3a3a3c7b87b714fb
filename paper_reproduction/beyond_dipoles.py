r"""Learning from labels that no matrix comes with: an effective operator of dipoles alone.

CCSD, as experiments, has no Fock matrix in any AO basis. An effective operator F(c) in STO-3G is
fitted to dipoles,

.. math:: \min_c \sum \bigl| \mu[F(c)] - \mu^{\mathrm{label}} \bigr|^2 + \alpha |\Gamma (c - 0)|^2,

from the baseline (superposed atomic potentials) on, beside models that are linear in the dipole.
It is an operator: it has orbital energies, a gap and charges that nothing has been said of. They
are compared with those of PBE in the same AOs, as the baseline is a Kohn-Sham potential.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from time import process_time
from typing import TYPE_CHECKING, Any

import numpy as np

from linvop import Basis, Dataset, EffectiveOperatorModel, PropertyModel, analyse
from linvop.bench.effective import BASIS
from linvop.integrals import System
from linvop.io.structures import labels
from linvop.models.baselines import baseline
from linvop.orbitals.shells import AOBasis
from paper_reproduction.beyond_aos import FEATURES

if TYPE_CHECKING:
    from ase import Atoms

__all__ = ["AO", "besides", "dipole_curves"]

AO = "sto-3g"
"""Of the operator."""

_DIRECT_AO = "def2-svp"


def dipole_curves(
    train: Sequence[Atoms],
    test: Sequence[Atoms],
    sizes: Sequence[int],
    say: Callable[[str], None] = lambda text: None,
) -> tuple[dict[str, Any], EffectiveOperatorModel]:
    r"""Errors of dipoles against the number of training structures.

    Parameters
    ----------
    train, test : sequence of ase.Atoms
        With dipoles; the first `sizes` of `train` are taken.
    sizes : sequence of int
    say : callable

    Returns
    -------
    curves : {model: {rmse, seconds}}, e Angstrom
        Of the operator also how its steps ended, and the error of its baseline, ``start``.
    model : EffectiveOperatorModel
        Of the largest size.
    """
    true = np.asarray(labels(list(test), "dipole"))
    curves: dict[str, Any] = {}

    def add(name: str, predicted: np.ndarray, start: float) -> None:
        one = curves.setdefault(name, {"rmse": [], "seconds": []})
        one["rmse"].append(_rms(predicted - true))
        one["seconds"].append(process_time() - start)

    for n in sizes:
        for name, settings in FEATURES.items():
            start = process_time()
            model = PropertyModel(Basis(_DIRECT_AO, **settings), targets="dipole")
            model.fit(list(train[:n]), workers=1)
            add(f"{name}, direct", model.predict_arrays(list(test))["dipole"], start)
        say(f"effective operator, {n} structures")
        start = process_time()
        effective = EffectiveOperatorModel(Basis(**BASIS), AO, "dipole", start="baseline")
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", "data: not converged")  # the steps say so in a note
            effective.fit(Dataset.from_observables(list(train[:n])), workers=1)
        matrices = list(effective.predict(list(test), workers=1))
        add("effective operator", _dipoles(test, matrices), start)
        curves["effective operator"].setdefault("stopped", []).append(effective.stopped_)
    begun = _dipoles(test, [_baseline(a) for a in test])
    curves["effective operator"]["start"] = _rms(begun - true)
    return curves, effective


def _dipoles(frames: Sequence[Atoms], matrices: Sequence[np.ndarray]) -> np.ndarray:
    return np.stack(
        [analyse(a, fock=F, ao=AO).dipole for a, F in zip(frames, matrices, strict=True)]
    )


def _rms(error: np.ndarray) -> float:
    """Of the components, as `PropertyModel.score` has it."""
    return float(np.sqrt((error**2).mean()))


def besides(effective: EffectiveOperatorModel, reference: Dataset) -> dict[str, Any]:
    r"""What the operator gives that it was not fitted to, beside a calculation in the same AOs.

    Parameters
    ----------
    effective : EffectiveOperatorModel
    reference : Dataset
        Water, in the AOs of the operator, with Fock matrices.

    Returns
    -------
    {calculation: {gap, homo, charge, dipole}}
        (n,) each: eV, eV, Lowdin charge of oxygen in e, length in e Angstrom; of the
        "reference", the "baseline" (SAP) and the "effective" operator.
    """
    records = list(reference)
    frames = [r.atoms() for r in records]
    return {
        "reference": _found(frames, [np.asarray(r.fock) for r in records]),
        "baseline": _found(frames, [_baseline(a) for a in frames]),
        "effective operator": _found(frames, list(effective.predict(frames, workers=1))),
    }


def _baseline(atoms: Atoms) -> np.ndarray:
    """The operator that the steps begin with."""
    return np.asarray(baseline("sap", System.from_atoms(atoms, AOBasis(AO))))


def _found(frames: Sequence[Atoms], matrices: Sequence[np.ndarray]) -> dict[str, list[float]]:
    out: dict[str, list[float]] = {"gap": [], "homo": [], "charge": [], "dipole": []}
    for atoms, F in zip(frames, matrices, strict=True):
        found = analyse(atoms, fock=F, ao=AO)
        levels, n = np.asarray(found.orbital_energies), int(atoms.numbers.sum()) // 2
        out["gap"].append(float(levels[n] - levels[n - 1]))
        out["homo"].append(float(levels[n - 1]))
        out["charge"].append(float(found.lowdin_charges[atoms.numbers == 8][0]))
        out["dipole"].append(float(np.linalg.norm(found.dipole)))
    return out
