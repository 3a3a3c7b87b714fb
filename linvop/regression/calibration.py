r"""The scale of predicted variances, from leave-one-group-out residuals in closed form.

With v the variance of a prediction in units of sigma^2 (`uncertainty`), the restricted
likelihood at a given alpha has its maximum at ``sigma^2 = (|y1|^2 - y1^T H1 y1) / n1``. But
alpha is usually chosen otherwise, and the residuals of computed labels are no noise: they are
what the columns cannot express, and vanish where v does. So the label is said to lie from its
prediction with the variance

    var = tau^2 + q sigma^2 v

where the noise tau^2 and the calibration q maximise the normal likelihood of the
leave-one-group-out residuals r, whose v are known in closed form (`leave_out`). At that maximum
the mean square of ``z = r / var^1/2`` over the training structures is 1 (for a tensor
``z^2 = |r|^2 / tr var``, which depends on no orientation).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.optimize import minimize_scalar

__all__ = ["Scale", "calibrated"]

_NOISE_BOUNDS = (1e-6, 1e4)
"""Where the noise is looked for, relative to the median v."""


@dataclass(frozen=True)
class Scale:
    r"""``var = noise + model v`` of t targets.

    Attributes
    ----------
    noise, model : (t,) float64
        tau^2 and q sigma^2, in units of y squared.
    """

    noise: np.ndarray
    model: np.ndarray


def calibrated(
    residuals: np.ndarray, variances: np.ndarray, weights: np.ndarray, n_components: int
) -> Scale:
    r"""Return the scale that maximises the likelihood of leave-one-group-out residuals.

    With ``rho = tau^2 / (q sigma^2)`` the best ``q sigma^2`` is the mean of
    ``|r|^2 / tr(rho + v)``, so that one number is searched for, in log rho:

        L(rho) = log mean(|r|^2 / tr(rho + v)) + mean log tr(rho + v)

    from 1e-6 of the median v, so that structures whose features vanish by symmetry do not
    count infinitely, to 1e4 times it, where v no longer matters.

    Parameters
    ----------
    residuals : (n, t) float64
    variances : (n, t) float64
        ``1 + w v`` of the same rows (`LeaveGroupsOut.variances`); NaN in structures that cannot
        be left out.
    weights : (n,) float64
    n_components : int
    """
    square = (weights[:, None] * residuals**2).reshape(-1, n_components, residuals.shape[1])
    v = np.maximum(variances - 1.0, 0.0).reshape(square.shape)
    square, v = square.mean(axis=1), v.mean(axis=1)
    known = np.isfinite(square).all(axis=1)
    noise, model = np.empty(v.shape[1]), np.empty(v.shape[1])
    for t, (r2, vt) in enumerate(zip(square[known].T, v[known].T, strict=True)):
        unit = float(np.median(vt)) or float(vt.mean()) or 1.0

        def minus_log_likelihood(
            log_rho: float, r2: np.ndarray = r2, x: np.ndarray = vt / unit
        ) -> float:
            total = np.exp(log_rho) + x
            return float(np.log(np.mean(r2 / total)) + np.mean(np.log(total)))

        grid = np.log(np.geomspace(*_NOISE_BOUNDS, 21))
        best = int(np.argmin([minus_log_likelihood(x) for x in grid]))
        around = grid[max(best - 1, 0)], grid[min(best + 1, len(grid) - 1)]
        rho = unit * np.exp(minimize_scalar(minus_log_likelihood, bounds=around).x)
        model[t] = np.mean(r2 / (rho + vt))
        noise[t] = rho * model[t]
    return Scale(noise, model)
