r"""Ridge regression with unpenalised constants and closed-form leave-one-group-out.

    min_{c, b}  sum_rows w (A c + A0 b - y)^2 + alpha |Gamma c|^2
    Gamma_j = penalty_j * sd_j ** column_scale * rho_j

The fit goes through orthogonal factorisations only: `reduction` (Gamma; A0 is rotated away),
`factorisation` (thin SVD), `leave_out` and `criteria` (alpha). With
``A1 Gamma^-1 = U1 diag(s) V^T`` of the rotated rows,

    c = Gamma^-1 V diag(s / (s^2 + alpha)) U1^T y1
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Literal, overload

import numpy as np

from linvop.errors import InputError
from linvop.regression.calibration import calibrated
from linvop.regression.criteria import AlphaSearch, Spectrum, minimise_over_alpha
from linvop.regression.diagnosis import RegularisationWarning, report_of_fit, warn_of_alpha
from linvop.regression.factorisation import Factorisation
from linvop.regression.leave_out import LeaveGroupsOut
from linvop.regression.problem import Problem, check_parameters
from linvop.regression.rarity import with_rarity
from linvop.regression.reduction import ReducedProblem
from linvop.regression.scaling import check_finite_rows
from linvop.regression.selection import Selection, select_columns
from linvop.regression.uncertainty import Posterior, directions_of

__all__ = ["RegularisationWarning", "Ridge"]

_RELATIVE_BOUNDS = (1e-18, 1e2)


class Ridge:
    r"""Linear least squares with a diagonal prior, alpha chosen by the data.

    Parameters
    ----------
    alpha : float or {"loo", "gcv", "evidence"}
        Strength of the penalty, or how to choose it: by the leave-one-group-out mean square,
        by generalised cross-validation, or by the marginal likelihood.
    column_scale : float
        Exponent of the column's spread in Gamma: 0 none, 1 full standardisation. The spread
        is the standard deviation if there are constants to absorb the mean, and otherwise the
        root mean square over all rows and components.
    alpha_bounds : tuple of two floats, optional
        Where to look for alpha; by default ``1e-18 .. 1e2`` times the largest ``s^2``.
    refine : bool
        Whether to look for alpha between the points of a grid of two a decade. That takes a
        pass over the rows for each target and step, most of the time of many targets.
    covariance : bool
        Whether to keep what standard deviations of predictions need (`uncertainty`): up to
        min(n, p) numbers a column, in memory and in the files of models.
    rarity : float
        r of rho (`linvop.regression.rarity`): columns that fewer structures (groups of rows) carry
        than some r cost more, up to ``(1 + r)^2`` times. 0 is a prior that does not look. For few
        and mixed molecules; 10 to 100 is worth a try, and ``loo_rmse_`` says which. Not with
        `covariance`: a prior that does not believe in what is rare does not know how wrong it is
        there.
    prune : float, optional
        Give no coefficient to columns that depend on others in the data up to this fraction of
        their norm (`selection`), 1e-8 for instance: a smaller model of the same accuracy where
        rows are many. With fewer rows than columns at most as many columns as rows stay.

    Attributes
    ----------
    coef_ : (p,) or (p, t) float64
        Exactly zero for columns that are constant, or explained by the constants, to rounding.
    constants_ : (k,) or (k, t) float64
        b, of minimum norm where the constants are linearly dependent.
    alpha_, effective_dof_, loo_rmse_ : float or (t,) float64
        ``effective_dof_ = k0 + sum s^2 / (s^2 + alpha)``; ``loo_rmse_`` is the root of the
        weighted mean square of `loo_residuals_`.
    condition_number_ : float
        Largest over smallest singular value of ``A1 Gamma^-1``, of those above rounding. What
        the solution sees is the ``regularised_condition_number`` of `report`.
    loo_residuals_ : (n,) or (n, t) float64
        y minus its prediction by the fit without the row's group, in the units of y; NaN
        where a constant would be undetermined without the group.
    criterion_curve_ : tuple of (m,) and (m,) or (m, t) float64
        Alphas of the coarse grid and the criterion there (for ``"loo"`` the mean square);
        for a given alpha, that alpha and its leave-one-out mean square.
    posterior_ : Posterior or None
        Covariances of predictions, with `covariance`.
    loo_variances_ : None, or (n,) or (n, t) float64
        With `covariance`: ``1 + w v`` of each row as predicted without its group, v the variance
        in units of sigma^2 (`uncertainty`); NaN where `loo_residuals_` is.
    selection_ : Selection or None
        Which columns `prune` has left.

    Notes
    -----
    Targets share one factorisation, and each has its own alpha. The time is that of one QR of
    A and one SVD of its triangular factor; the memory, with ``m = min(n, p)``, one A (none
    besides A itself with `overwrite` and n <= p, one with it and n > p) and some six times m^2.

    Examples
    --------
    >>> import numpy as np
    >>> A = np.random.default_rng(0).normal(size=(30, 5))
    >>> y = A @ np.arange(5.0) + 3.0
    >>> model = Ridge(alpha=1e-12).fit(A, y, constants=np.ones((30, 1)))
    >>> bool(np.allclose(model.coef_, np.arange(5.0)))
    True
    """

    coef_: np.ndarray
    constants_: np.ndarray
    alpha_: Any
    effective_dof_: Any
    loo_rmse_: Any
    condition_number_: float
    loo_residuals_: np.ndarray
    criterion_curve_: tuple[np.ndarray, np.ndarray]
    posterior_: Posterior | None
    loo_variances_: np.ndarray | None
    selection_: Selection | None
    _report: dict[str, Any]

    def __init__(
        self,
        alpha: float | str = "loo",
        *,
        column_scale: float = 0.5,
        alpha_bounds: tuple[float, float] | None = None,
        refine: bool = True,
        covariance: bool = False,
        rarity: float = 0.0,
        prune: float | None = None,
    ) -> None:
        self.alpha = alpha
        self.column_scale = column_scale
        self.alpha_bounds = alpha_bounds
        self.refine = refine
        self.covariance = covariance
        self.rarity = rarity
        self.prune = prune
        self.check()

    def __repr__(self) -> str:
        bounds = self.alpha_bounds
        if isinstance(bounds, (tuple, list)):
            bounds = tuple(_plain(bound) for bound in bounds)
        return (
            f"Ridge(alpha={_plain(self.alpha)!r}, column_scale={_plain(self.column_scale)!r}, "
            f"alpha_bounds={bounds!r}{'' if self.refine else ', refine=False'}"
            f"{', covariance=True' if self.covariance else ''}"
            f"{f', rarity={_plain(self.rarity)!r}' if self.rarity else ''}"
            f"{'' if self.prune is None else f', prune={_plain(self.prune)!r}'})"
        )

    def check(self) -> None:
        r"""Raise `InputError` for parameters that mean nothing."""
        check_parameters(
            self.alpha,
            self.column_scale,
            self.alpha_bounds,
            self.covariance,
            self.refine,
            self.prune,
            self.rarity,
        )

    def fit(
        self,
        A: np.ndarray,
        y: np.ndarray,
        *,
        penalty: np.ndarray | None = None,
        constants: np.ndarray | None = None,
        groups: np.ndarray | None = None,
        weights: np.ndarray | None = None,
        n_components: int = 1,
        overwrite: bool = False,
        warn: bool = True,
        rounding: np.ndarray | None = None,
    ) -> Ridge:
        r"""Fit coefficients and constants.

        Parameters
        ----------
        A : (n, p) float
            Penalised columns. Rows of a tensor target are stacked structure by structure,
            components fastest.
        y : (n,) or (n, t) float
        penalty : (p,) float, optional
            Prior: how much a column costs, positive, before the column scale.
        constants : (n, k) float, optional
            Unpenalised columns A0, for instance counts of atoms; none for tensor targets.
        groups : (n,) int, optional
            Rows that leave together; by default blocks of `n_components` rows.
        weights : (n,) float, optional
            Positive weights w.
        n_components : int
            ``2 lam + 1``.
        overwrite : bool
            Whether the memory of A may be used and destroyed (C-ordered float64 only).
        warn : bool
            Whether an alpha at a bound, and groups that cannot be left out, are warned of here;
            `report` has them either way, for a caller that knows what the targets are called.
        rounding : (p,) float, optional
            Of the entries of each column: one that spreads no more gets no coefficient.

        Raises
        ------
        InputError
            For shapes that do not fit, entries that are not finite, too few rows, targets
            without variance, and designs without a column that varies.
        """
        self.check()
        problem = Problem.checked(
            A,
            y,
            penalty=penalty,
            constants=constants,
            groups=groups,
            weights=weights,
            n_components=n_components,
            rounding=rounding,
        )
        problem = with_rarity(problem, float(self.rarity))
        self.selection_ = None if self.prune is None else select_columns(problem, self.prune)
        keep = None if self.selection_ is None else self.selection_.kept
        reduced = ReducedProblem(problem, float(self.column_scale), overwrite, keep)
        coef, intercepts = reduced.expand(self._solve(problem, reduced, warn))
        pruned = 0 if self.selection_ is None else self.selection_.n_dependent
        self._report |= {
            "n_columns": len(coef),
            "n_constant_columns": int((~reduced.active).sum()) - pruned,
            **({} if self.prune is None else {"n_pruned": pruned}),
            "n_constants": problem.constants.shape[1],
            "rank_of_constants": reduced.projection.rank,
        }
        self._set_fitted(coef, intercepts, np.ndim(y) == 1)
        return self

    @overload
    def predict(
        self, A: np.ndarray, constants: np.ndarray | None = None, *, std: Literal[False] = False
    ) -> np.ndarray: ...

    @overload
    def predict(
        self, A: np.ndarray, constants: np.ndarray | None = None, *, std: Literal[True]
    ) -> tuple[np.ndarray, np.ndarray]: ...

    def predict(
        self, A: np.ndarray, constants: np.ndarray | None = None, *, std: bool = False
    ) -> np.ndarray | tuple[np.ndarray, np.ndarray]:
        r"""Return ``A c + A0 b``, (n,) or (n, t) as y was.

        With `std`, also the standard deviation of a label of weight 1 from it, of that shape.

        Raises
        ------
        InputError
            If a shape is not that of the fit, or `std` of a fit without covariance.
        """
        if not hasattr(self, "coef_"):
            raise InputError("Ridge.predict: expected a fitted model; call fit first")
        A = np.asarray(A, dtype=float)
        p, k = len(self.coef_), len(self.constants_)
        if A.ndim != 2 or A.shape[1] != p:
            raise InputError(f"A: expected shape (n, {p}), got {A.shape}")
        check_finite_rows(A, "A")
        out = A @ self.coef_
        if k or constants is not None:
            shape = None if constants is None else np.shape(constants)
            if shape != (len(A), k):
                raise InputError(f"constants: expected shape ({len(A)}, {k}), got {shape}")
            out += np.asarray(constants, dtype=float) @ self.constants_
        if not std:
            return out
        if self.posterior_ is None:
            raise InputError("std: expected a fit with Ridge(..., covariance=True)")
        variance = self.posterior_.covariances(A, constants)[:, 0, 0]
        return out, np.sqrt(variance).reshape(out.shape)

    def report(self) -> dict[str, Any]:
        """Return what there is to know about the fit, as numbers and lists."""
        if not hasattr(self, "coef_"):
            raise InputError("Ridge.report: expected a fitted model; call fit first")
        return dict(self._report)

    def _solve(self, problem: Problem, reduced: ReducedProblem, warn: bool) -> np.ndarray:
        """Choose alpha, keep the diagnostics and return ``z = Gamma c``, (p_kept, t)."""
        y1, factorisation = reduced.y1, Factorisation(reduced.take_rows())
        s = factorisation.singular_values
        beta = factorisation.left.T @ y1
        rest = (factorisation.complement(y1) ** 2).sum(axis=0)
        spectrum = Spectrum(s, beta, rest, len(problem.y), len(y1))
        bounds = self.bounds(float(s[0]))
        leave_out = LeaveGroupsOut(
            reduced.projection, factorisation, y1, problem.labels, problem.weights, bounds[0]
        )
        if isinstance(self.alpha, str):
            criteria: dict[str, Callable[[np.ndarray, np.ndarray], np.ndarray]] = {
                "loo": leave_out.mean_square,
                "gcv": spectrum.gcv,
                "evidence": spectrum.evidence,
            }
            search = minimise_over_alpha(
                criteria[self.alpha], bounds, y1.shape[1], refine=self.refine
            )
        else:
            alphas = np.full(y1.shape[1], float(self.alpha))
            value = leave_out.mean_square(alphas, np.arange(len(alphas)))
            at_bound = np.zeros(len(alphas), dtype=bool)
            search = AlphaSearch(alphas, alphas[:1], value[None], at_bound, at_bound)
        if warn:
            warn_of_alpha(search, leave_out)
        self.loo_residuals_ = leave_out.residuals(search.alpha)
        self.criterion_curve_ = (search.grid, search.values)
        self._report = {"criterion": self.alpha if isinstance(self.alpha, str) else "fixed"}
        groups = leave_out.n_groups, leave_out.n_undetermined
        self._report |= report_of_fit(problem, spectrum, search, groups, self.loo_residuals_)
        self.posterior_ = self.loo_variances_ = None
        if self.covariance:
            unit = self.loo_variances_ = leave_out.variances(search.alpha)
            scale = calibrated(self.loo_residuals_, unit, problem.weights, problem.n_components)
            sigma2 = spectrum.noise_variance(search.alpha, np.arange(y1.shape[1]))
            self._report |= {
                "sigma": np.sqrt(sigma2),
                "calibration": scale.model / sigma2,
                "noise": np.sqrt(scale.noise),
            }
            directions = directions_of(reduced, factorisation, float(search.alpha.min()))
            self.posterior_ = Posterior(directions, search.alpha, scale)
        filtered = s[:, None] / (s[:, None] ** 2 + search.alpha) * beta
        return factorisation.right_times(filtered)

    def bounds(self, s_max: float) -> tuple[float, float]:
        """Where to look for alpha, given the largest singular value of ``A1 Gamma^-1``."""
        if not isinstance(self.alpha, str):
            return float(self.alpha), float(self.alpha)
        if self.alpha_bounds is not None:
            return float(self.alpha_bounds[0]), float(self.alpha_bounds[1])
        bounds = _RELATIVE_BOUNDS[0] * s_max**2, _RELATIVE_BOUNDS[1] * s_max**2
        if not 0.0 < bounds[0] < bounds[1] < np.inf:
            raise InputError(
                "A: expected columns whose squares are float64 numbers, got a largest singular "
                f"value of {s_max:g} after scaling"
            )
        return bounds

    def set_streamed(
        self,
        problem: Problem,
        spectrum: Spectrum,
        search: AlphaSearch,
        residuals: np.ndarray | None,
        active: np.ndarray,
        solution: tuple[np.ndarray, np.ndarray],
        single: bool,
    ) -> Ridge:
        r"""Take over what `linvop.regression.streamed_ridge` has found; returns itself."""
        coef, constants = solution
        n_groups = int(problem.labels.max()) + 1
        lost = 0
        if residuals is not None:
            lost = n_groups - len(np.unique(problem.labels[np.isfinite(residuals[:, 0])]))
        self.selection_ = self.posterior_ = self.loo_variances_ = None
        self.loo_residuals_ = np.full_like(problem.y, np.nan) if residuals is None else residuals
        self.criterion_curve_ = (search.grid, search.values)
        self._report = {"criterion": self.alpha if isinstance(self.alpha, str) else "fixed"}
        self._report |= report_of_fit(problem, spectrum, search, (n_groups, lost), residuals)
        self._report |= {
            "n_columns": len(coef),
            "n_constant_columns": int((~active).sum()),
            "n_constants": problem.constants.shape[1],
            "rank_of_constants": spectrum.n_rows - spectrum.n_rotated,
        }
        self._set_fitted(coef, constants, single)
        return self

    def note(self, name: str, value: Any) -> None:
        """Add something to the report of a fit."""
        self._report[name] = value

    def _set_fitted(self, coef: np.ndarray, constants: np.ndarray, single: bool) -> None:
        """Set the public attributes, without the axis of targets if y had none."""
        grid, values = self.criterion_curve_
        if single:
            coef, constants, values = coef[:, 0], constants[:, 0], values[:, 0]
            self.loo_residuals_ = self.loo_residuals_[:, 0]
            if self.loo_variances_ is not None:
                self.loo_variances_ = self.loo_variances_[:, 0]
        self.coef_, self.constants_, self.criterion_curve_ = coef, constants, (grid, values)
        for key, value in self._report.items():
            if isinstance(value, np.ndarray):
                self._report[key] = value.tolist()[0] if single else value.tolist()
        for key in ("alpha", "effective_dof", "loo_rmse"):
            setattr(self, f"{key}_", self._report[key] if single else np.array(self._report[key]))
        self.condition_number_ = self._report["condition_number"]


def _plain(value: Any) -> Any:
    """Return a NumPy scalar as the Python number that its repr can be read back as."""
    return value.item() if isinstance(value, np.generic) else value
