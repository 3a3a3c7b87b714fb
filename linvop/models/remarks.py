r"""What a fit remarks: an alpha at a bound, structures that cannot be left out, missing angles."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from typing import Any

from linvop.basis.words import Irrep
from linvop.features.basis import Basis
from linvop.regression.diagnosis import LOWER_BOUND, UPPER_BOUND, RegularisationWarning

__all__ = ["warn_of_alpha", "warn_without_angles"]

_CALLER = 5
"""Frames up to the caller of `PropertyModel.fit`."""


def warn_of_alpha(name: str, report: Mapping[str, Any]) -> None:
    r"""Warn of what the solver reports on one part of a target."""
    messages = {"falls_at_lower_bound": LOWER_BOUND, "at_upper_bound": UPPER_BOUND}
    for key, message in messages.items():
        if report[key]:
            warnings.warn(f"{name}: {message}", RegularisationWarning, stacklevel=_CALLER)
    if report.get("contradiction"):
        warnings.warn(f"{name}: {report['contradiction']}", stacklevel=_CALLER)
    if report["n_groups_undetermined"]:
        warnings.warn(
            f"{name}: {report['n_groups_undetermined']} of {report['n_groups']} structures are the "
            "only ones with one of the species; their leave-one-out errors are unknown",
            RegularisationWarning,
            stacklevel=_CALLER,
        )


def warn_without_angles(basis: Basis, species: tuple[str, ...], irrep: Irrep) -> None:
    r"""Warn of species without a single column of an irrep."""
    for (s, lam, sigma), n in basis.counts(species, target="structure", irreps=[irrep]).items():
        if n == 0:
            warnings.warn(
                f"{s} has no features with lam = {lam}, sigma = {sigma:+d} in this AO basis "
                f"({basis.ao_basis.name}: shells of {s} reach no such angle)",
                stacklevel=_CALLER,
            )
