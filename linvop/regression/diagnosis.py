r"""What a ridge fit reports about itself, and what it warns of."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np

from linvop.regression.criteria import AlphaSearch, Spectrum
from linvop.regression.leave_out import LeaveGroupsOut
from linvop.regression.problem import Problem

__all__ = [
    "LOWER_BOUND",
    "UPPER_BOUND",
    "RegularisationWarning",
    "falls_at_lower_bound",
    "report_of_fit",
    "warn_of_alpha",
]


class RegularisationWarning(UserWarning):
    """The fit is usable, but the data did not determine the strength of its penalty."""


LOWER_BOUND = (
    "alpha is at its lower bound and the criterion still falls there: too few columns, or the "
    "targets are fitted down to rounding; alpha_bounds moves the bound"
)
UPPER_BOUND = "alpha is at its upper bound: the columns explain nothing"

_FLAT = 0.98
"""A criterion that falls by less than this factor over the last decade is flat."""


def falls_at_lower_bound(search: AlphaSearch) -> np.ndarray:
    """Whether a smaller alpha would pay, (t,): at the bound, and not on a plateau of it."""
    if len(search.grid) < 3:
        return np.zeros(len(search.alpha), dtype=bool)
    # Two points of the grid are a decade; the evidence may be negative, differences tell then.
    lowest, decade = search.values[0], search.values[2]
    return search.at_lower & (lowest < decade - (1 - _FLAT) * np.abs(decade))


def report_of_fit(
    problem: Problem,
    spectrum: Spectrum,
    search: AlphaSearch,
    groups: tuple[int, int],
    residuals: np.ndarray | None,
) -> dict[str, Any]:
    r"""Return the numbers of a fit; those that belong to a target are arrays, (t,).

    ``condition_number`` is s_max / s_min of ``A1 Gamma^-1`` over the singular values above
    rounding, ``rank`` their number, and ``regularised_condition_number`` that of
    ``[A1 Gamma^-1; sqrt(alpha) 1]``, whose smallest singular value is sqrt(alpha) itself
    where there are more columns than the rank.

    Parameters
    ----------
    groups : (int, int)
        Groups of rows, and those without which a constant is undetermined.
    residuals : (n, t) float64 or None
        Leave-one-out residuals at the chosen alphas, where they are known.
    """
    n, p = problem.A.shape
    s, alpha = spectrum.singular_values, search.alpha
    mean_square = np.full(len(alpha), np.nan)
    if residuals is not None:
        kept = ~np.isnan(residuals[:, 0])
        mean_square = np.average(residuals[kept] ** 2, axis=0, weights=problem.weights[kept])
    resolved = s[s > max(n, p) * np.finfo(float).eps * s[0]]
    smallest = 0.0 if len(resolved) < p else resolved[-1]
    return {
        "alpha": alpha,
        "alpha_over_largest_s2": alpha / s[0] ** 2,
        "at_lower_bound": search.at_lower,
        "falls_at_lower_bound": falls_at_lower_bound(search),
        "at_upper_bound": search.at_upper,
        "effective_dof": spectrum.effective_dof(alpha),
        "loo_rmse": np.sqrt(mean_square),
        "condition_number": float(s[0] / resolved[-1]),
        "regularised_condition_number": np.sqrt((s[0] ** 2 + alpha) / (smallest**2 + alpha)),
        "n_rows": n,
        "rank": len(resolved),
        "n_groups": groups[0],
        "n_groups_undetermined": groups[1],
    }


def warn_of_alpha(search: AlphaSearch, leave_out: LeaveGroupsOut) -> None:
    """Warn of minimisers at a bound, and of groups that cannot be left out."""
    messages = []
    falling = falls_at_lower_bound(search)
    if falling.any():
        messages.append(f"{int(falling.sum())} of {len(falling)} targets: {LOWER_BOUND}")
    if search.at_upper.any():
        upper = search.at_upper
        messages.append(f"{int(upper.sum())} of {len(upper)} targets: {UPPER_BOUND}")
    if leave_out.n_undetermined:
        messages.append(
            f"{leave_out.n_undetermined} of {leave_out.n_groups} groups of rows are the only ones "
            "that determine one of the constants; their leave-one-out residuals are NaN"
        )
    for message in messages:
        # Four frames up is the caller of Ridge.fit.
        warnings.warn(message, RegularisationWarning, stacklevel=4)
