r"""QM7: atomisation energies beside linear fits on the SOAP power spectrum and on ACE."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from linvop.bench.ace import MISSING, AceSettings
from linvop.bench.energies import Contest
from linvop.bench.soap import SoapSettings
from linvop.bench.splits import distinct, nested_split
from linvop.bench.tables import Table

__all__ = ["ACE_SETTINGS", "SOAP_SETTINGS", "measure_qm7"]

SOAP_SETTINGS = (SoapSettings(), SoapSettings(cutoff=2.5, cutoff_width=1.0))
"""A common setting, and a shorter-ranged one."""

ACE_SETTINGS = (AceSettings(degree=8), AceSettings(degree=8, cutoff=4.0))
"""As many columns as SOAP has; a common cutoff, and a shorter one."""

_KEYS, _UNITS = {"energy": "ae_pbe0_kcal"}, {"energy": "kcal/mol"}
_TARGETS = {1000: (1.4,), 5000: (0.62, 0.5)}
"""Largest accepted MAE (kcal/mol) of the best of linvop's rows: of the first version, of the
complete basis."""

_LINVOP: dict[str, dict[str, Any]] = {
    "6-31g, lowdin, bare V": {"ao": "6-31g", "metric": "lowdin"},
    "6-31g, lowdin, V screened by 0.3": {"ao": "6-31g", "metric": "lowdin", "screening": 0.3},
    "6-31g, overlap, V screened by 0.3": {"ao": "6-31g", "metric": "overlap", "screening": 0.3},
    "linvop-sv, lowdin, V screened by 0.3": {
        "ao": "linvop-sv",
        "metric": "lowdin",
        "screening": 0.3,
    },
    "linvop-sv, overlap, V screened by 0.3": {
        "ao": "linvop-sv",
        "metric": "overlap",
        "screening": 0.3,
    },
    "linvop-sv, overlap, V screened by 0.3, kappa 2, products to nu 2, degree 7": {
        "ao": "linvop-sv",
        "metric": "overlap",
        "screening": 0.3,
        "kappa": 2,
        "nu": 2,
        "max_degree": (None, 7),
    },
}


def measure_qm7(
    path: Path,
    n_train: int,
    n_test: int = 1000,
    *,
    linvop: Mapping[str, dict[str, Any]] = _LINVOP,
    soap: Sequence[SoapSettings] = SOAP_SETTINGS,
    ace: str | None = None,
    seed: int = 0,
    say: Callable[[str], None] | None = None,
) -> Table:
    r"""Fit SOAP, ACE and linvop on one split.

    Parameters
    ----------
    path : path
        Extended XYZ with ae_pbe0_kcal.
    n_train, n_test : int
        The test set is the same for every `n_train`.
    linvop : mapping from name to arguments of `Basis`
    soap : sequence of SoapSettings
    ace : str, optional
        A Python that has ace-jax (`linvop.bench.ace.ace_python`); None leaves ACE out.
    seed : int
    say : callable, optional

    Raises
    ------
    InputError
        For a bad file, too few structures, or featomic missing.
    """
    from linvop.io.structures import read

    frames = read(path, keys=_KEYS, units=_UNITS)
    kept = distinct(frames)
    train_at, test_at = nested_split(kept, n_train, n_test, seed)
    contest = Contest(
        f"qm7 {n_train}",
        [frames[k] for k in train_at],
        [frames[k] for k in test_at],
        "kcal/mol",
        _TARGETS.get(n_train, ()),
        say,
    )
    for settings in soap:  # the peer first: should featomic be missing, it is said at once
        contest.add_soap(settings)
    if ace is not None:
        for ace_settings in ACE_SETTINGS:
            contest.add_ace(ace_settings, ace)
    for name, given in linvop.items():
        contest.add_linvop(f"linvop, {name}", **{"kappa": 3, **given})
    notes = [
        f"{n_train} training and {n_test} test molecules, seeded random split (seed {seed}) "
        f"without the {len(frames) - len(kept)} copies that `duplicate_groups` finds; the test set "
        "is the same for all training sizes.",
        "PBE0 atomisation energies, kcal/mol.",
        f"linvop: kappa 3 unless the row says otherwise, shell. {contest.targets_note}",
        *contest.notes(),
        *contest.choices(),
        *([MISSING] if ace is None else []),
    ]
    return Table(f"qm7-{n_train}", f"QM7, {n_train} training molecules", contest.rows, notes)
