r"""Ethanol at 500 K (rMD17): energies alone, beside SOAP and linear ACE."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from linvop.bench.ace import MISSING, AceSettings
from linvop.bench.energies import Contest
from linvop.bench.soap import SoapSettings
from linvop.bench.tables import Table

__all__ = ["ACE_SETTINGS", "SOAP_SETTINGS", "measure_ethanol"]

SOAP_SETTINGS = (SoapSettings(), SoapSettings(cutoff=5.5, cutoff_width=1.0))
"""A common setting, and one that sees the whole molecule."""

ACE_SETTINGS = (
    AceSettings(),
    AceSettings(prior=True),
    AceSettings(cutoff=4.0),
    AceSettings(degree=12),
)

_TARGETS = (6.0,)
"""Largest accepted MAE (meV) of the best of linvop's rows."""

_LINVOP: dict[str, dict[str, Any]] = {
    "linvop-sv, overlap": {"ao": "linvop-sv", "metric": "overlap"},
    "6-31g, overlap": {"ao": "6-31g", "metric": "overlap"},
    "def2-svp, lowdin": {"ao": "def2-svp", "metric": "lowdin"},
    "def2-svp, overlap": {"ao": "def2-svp", "metric": "overlap"},
    "def2-svp, overlap, products to nu 2, degree 7": {
        "ao": "def2-svp",
        "metric": "overlap",
        "nu": 2,
        "max_degree": (None, 7),
    },
}


def measure_ethanol(
    folder: Path,
    *,
    linvop: Mapping[str, dict[str, Any]] = _LINVOP,
    soap: Sequence[SoapSettings] = SOAP_SETTINGS,
    ace: str | None = None,
    say: Callable[[str], None] | None = None,
) -> Table:
    r"""Fit SOAP, ACE and linvop to energies; forces are not used.

    Parameters
    ----------
    folder : path
        With ``train.xyz`` and ``test.xyz``, extended XYZ with energies in eV.
    linvop : mapping from name to arguments of `Basis`
    soap : sequence of SoapSettings
    ace : str, optional
        A Python that has ace-jax (`linvop.bench.ace.ace_python`); None leaves ACE out.
    say : callable, optional

    Raises
    ------
    InputError
        For a bad file, or featomic missing.
    """
    from linvop.io.structures import read

    train, test = read(folder / "train.xyz"), read(folder / "test.xyz")
    contest = Contest("ethanol", train, test, "meV", _TARGETS, say)
    for settings in soap:
        contest.add_soap(settings)
    if ace is not None:
        for ace_settings in ACE_SETTINGS:
            contest.add_ace(ace_settings, ace)
    for name, basis in linvop.items():
        contest.add_linvop(f"linvop, {name}", kappa=3, **basis)
    notes = [
        f"{len(train)} training and {len(test)} test structures as the set ships them (split 01); "
        "energies of PBE/def2-SVP, meV; no forces.",
        f"linvop: kappa 3, shell. {contest.targets_note}",
        *contest.notes(),
        *contest.choices(),
        *([MISSING] if ace is None else []),
    ]
    return Table("ethanol", "Ethanol (rMD17), energies alone", contest.rows, notes)
