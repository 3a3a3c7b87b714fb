r"""Coefficients of an operator from what follows from it, by regularised Gauss-Newton steps.

With zeta = Gamma (c - c0) the change of the coefficients from the start in units of the prior, r
the weighted residuals of all structures' observables and X their exact derivatives by zeta, what is
minimised is

.. math:: \Phi(\zeta) = |r(\zeta)|^2 + \alpha |\zeta|^2 .

Each step solves the linearised problem in closed form (`linvop.regression.damped`), damped where
it is trusted too far (Levenberg and Marquardt),

.. math:: \min_{\zeta'} |r + X (\zeta' - \zeta)|^2 + \alpha |\zeta'|^2
          + \mu |\zeta' - \zeta|^2 .

alpha is that with the least error of structures left out of the linearised problem, but falls
no faster than a hundredfold each step: a small alpha at once would ask for changes far beyond where
the derivatives hold (A. B. Bakushinskii, Comput. Math. Math. Phys. 32, 1353 (1992)). mu grows where
a step does not lower Phi, and falls where the linearisation foresaw what happened. Gamma is the
prior of the labels times the root of each feature's size, as where matrices are fitted, over the
size of what each target varies by between structures; constants of the blocks on site count as
features of size one.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from linvop.errors import InputError
from linvop.features.memory import require_memory
from linvop.features.pairs import PairValues
from linvop.features.threads import one_thread_each
from linvop.models.effective_labels import QUANTITIES, Observed
from linvop.models.operator_data import OperatorFrame
from linvop.models.operator_part import BlockPart, assembled
from linvop.orbitals.operator_blocks import OperatorBlock
from linvop.regression.damped import DampedRidge

__all__ = ["GaussNewton", "Structure"]

Parts = dict[OperatorBlock, BlockPart]

_FIRST, _FALL = 1e-1, 1e-2
"""Of alpha: the first one, in units of the largest s^2, and its fall in a step."""
_ATTEMPTS, _GROWTH = 12, 4.0
_ACCEPTED, _WELL_FORESEEN = 1e-2, 0.5
"""Fall of Phi as a part of what the linearisation foresaw."""
_LEAST = 1e-3
"""Of the sizes of targets, in units of the largest."""
_SOLVER_COPIES = 2


@dataclass(frozen=True, eq=False)
class Structure:
    r"""What is needed of one training structure.

    Attributes
    ----------
    observed : Observed
    frame : OperatorFrame
    features : {block: (atoms, values)}
    """

    observed: Observed
    frame: OperatorFrame
    features: Mapping[OperatorBlock, PairValues]


@dataclass(eq=False)
class GaussNewton:
    r"""One fit.

    Attributes
    ----------
    structures : sequence of Structure
    groups : (n_structures,) int
        Structures that are left out together.
    start : {OperatorBlock: BlockPart}
    penalty : {OperatorBlock: (n_columns,) float64}
        Gamma, but for the size of the features.
    scales : (3,) float64
        What one unit of each of `QUANTITIES` is divided by.
    steps : int
        At most.
    tolerance : float
        Stop when a step lowers the objective by less than this part of it.
    workers : int
    history : list of dict
        Of each step: rms of the residuals by quantity, alpha, leave-one-out rms, step length.
    """

    structures: Sequence[Structure]
    groups: np.ndarray
    start: Parts
    penalty: Mapping[OperatorBlock, np.ndarray]
    scales: np.ndarray
    steps: int
    tolerance: float
    workers: int
    history: list[dict[str, Any]] = field(default_factory=list)
    converged: bool = False

    def __post_init__(self) -> None:
        self._labels = np.concatenate([s.observed.labels for s in self.structures])
        self._kinds = np.concatenate([s.observed.quantities for s in self.structures])
        weights = np.concatenate([s.observed.weights for s in self.structures])
        self._roots = weights / self.scales[self._kinds]
        counts = [len(s.observed.labels) for s in self.structures]
        self._first = np.concatenate([[0], np.cumsum(counts)])
        self._rows_of = np.repeat(self.groups, counts)
        self._places, n = _places(
            {b: p.coefficients.size for b, p in self.start.items() if p.coefficients.size}
        )
        scalars = [b for b in self.start if b.on_site and (b.lam, b.sigma) == (0, 1)]
        self._constant_places, self._size = _places(
            {b: len(self.start[b].constants) for b in scalars}, n
        )
        self._gamma = self._prior()

    def run(self, progress: Callable[[int, int], None] | None = None) -> Parts:
        r"""Iterate, and return the coefficients.

        Raises
        ------
        InputError
            If the start has a structure without a gap, or nothing can be fitted.
        """
        z = np.zeros(self._size)
        n_rows, p = len(self._labels), len(z)
        require_memory(
            8.0 * n_rows * p * (1 + _SOLVER_COPIES),
            f"derivatives of {n_rows} labels by {p} coefficients",
        )
        at = _State(z, np.inf, 0.0)
        for step in range(self.steps):
            if progress is not None:
                progress(step, self.steps)
            before = at
            at = self._step(at)
            if self.history[-1]["falls_by"] < self.tolerance and at.alpha > 0.5 * before.alpha:
                self.converged = True
                break
        if progress is not None:
            progress(self.steps, self.steps)
        parts = self._parts(at.z)
        self.history.append({"rms": self._by_quantity(self._values(parts) - self._labels)})
        return parts

    def _step(self, at: _State) -> _State:
        """One step, damped until Phi falls; the same point if it does not."""
        values, X = self._linearised(self._parts(at.z))
        X /= self._gamma
        zeta = self._gamma * at.z
        r = self._roots * (values - self._labels)
        moved = X @ zeta
        problem = DampedRidge(X, moved - r, zeta, self._rows_of)
        alpha = max(problem.best_alpha, _FALL * min(at.alpha, _FIRST / _FALL * problem.largest))
        phi, mu = float(r @ r + alpha * zeta @ zeta), at.mu
        for _ in range(_ATTEMPTS):
            new, foreseen = problem.solve(alpha, mu)
            found = self._phi(new, alpha)
            ratio = (phi - found) / max(phi - foreseen, 1e-300)
            if ratio > _ACCEPTED:
                break
            mu = max(_GROWTH * mu, alpha)
        else:
            new, found = zeta, phi
        self.history.append(
            {
                "alpha": alpha,
                "mu": mu,
                "falls_by": 1.0 - found / phi,
                "rms": self._by_quantity(values - self._labels),
                "loo_rms": self._by_quantity(problem.loo_residuals(alpha) / self._roots),
            }
        )
        if ratio > _WELL_FORESEEN:
            mu = mu / _GROWTH**2 if mu > 1e-3 * alpha else 0.0
        return _State(new / self._gamma, alpha, mu)

    def _phi(self, zeta: np.ndarray, alpha: float) -> float:
        """Phi at a point, infinite where a gap has closed."""
        try:
            values = self._values(self._parts(zeta / self._gamma))
        except InputError:
            return float("inf")
        r = self._roots * (values - self._labels)
        return float(r @ r + alpha * zeta @ zeta)

    def _by_quantity(self, errors: np.ndarray) -> dict[str, float]:
        """RMS of the errors of each quantity, in its own unit."""
        return {
            QUANTITIES[k]: float(np.sqrt(np.nanmean(errors[self._kinds == k] ** 2)))
            for k in np.unique(self._kinds)
        }

    def _prior(self) -> np.ndarray:
        """Gamma of all coefficients."""
        out = np.ones(self._size)
        sizes = self._sizes_of_targets()
        for block, place in self._places.items():
            rows = [
                s.features[block].values.reshape(-1, s.features[block].values.shape[2])
                for s in self.structures
                if block in s.features
            ]
            if rows:
                gamma = self.penalty[block] * np.sqrt(_size(rows, block in self._constant_places))
                gamma[gamma == 0.0] = 1.0  # a feature that does not vary has no derivative either
                out[place] = (gamma / sizes[block][:, None]).ravel()
        for block, place in self._constant_places.items():
            out[place] = 1.0 / sizes[block]
        return out

    def _sizes_of_targets(self) -> dict[OperatorBlock, np.ndarray]:
        """How much the elements of the start vary between structures, Hartree; at least a bit."""
        found: dict[OperatorBlock, list[np.ndarray]] = {b: [] for b in self.start}
        for s in self.structures:
            F = assembled(self.start, s.frame, s.features)
            whole = replace(s.frame, baseline="none")
            for block, values in whole.to_blocks(F).items():
                found[block].append(values.reshape(-1, values.shape[2]))
        sizes = {
            b: _size(rows, b in self._constant_places) if rows else np.ones(len(p.constants))
            for (b, p), rows in zip(self.start.items(), found.values(), strict=True)
        }
        least = _LEAST * max(float(x.max()) for x in sizes.values() if x.size)
        return {b: np.maximum(x, least) for b, x in sizes.items()}

    def _parts(self, z: np.ndarray) -> Parts:
        """The start with changed coefficients."""
        out = dict(self.start)
        for block, place in self._places.items():
            old = out[block]
            p, t = old.coefficients.shape
            added = z[place].reshape(t, p).T
            out[block] = BlockPart(old.coefficients + added, old.constants, old.report)
        for block, place in self._constant_places.items():
            old = out[block]
            out[block] = BlockPart(old.coefficients, old.constants + z[place], old.report)
        return out

    def _values(self, parts: Parts) -> np.ndarray:
        def one(s: Structure) -> np.ndarray:
            return s.observed.values(assembled(parts, s.frame, s.features)[0]).values

        with one_thread_each(self.workers) as pool:
            return np.concatenate(list(pool.map(one, self.structures)))

    def _linearised(self, parts: Parts) -> tuple[np.ndarray, np.ndarray]:
        """Values of all observables, and their weighted derivatives J."""
        J = np.zeros((len(self._labels), self._size))
        values = np.empty(len(self._labels))

        def fill(k: int) -> None:
            s, rows = self.structures[k], slice(self._first[k], self._first[k + 1])
            found = s.observed.values(assembled(parts, s.frame, s.features)[0])
            values[rows] = found.values
            gradients = [s.frame.gradient_blocks(D) for D in found.derivatives]
            self._put(s, gradients, self._roots[rows], J[rows])

        with one_thread_each(self.workers) as pool:
            list(pool.map(fill, range(len(self.structures))))
        return values, J

    def _put(
        self,
        structure: Structure,
        gradients: list[dict[OperatorBlock, np.ndarray]],
        roots: np.ndarray,
        J: np.ndarray,
    ) -> None:
        """Write the rows of one structure."""
        for block, (atoms, features) in structure.features.items():
            rows = structure.frame.rows_of(block, atoms)
            G = np.stack([g[block][rows] for g in gradients]) * roots[:, None, None, None]
            if block in self._places:  # (k, n, m, t) and (n, m, p) to (k, t, p)
                own = np.tensordot(G, features, axes=([1, 2], [0, 1]))
                J[:, self._places[block]] = own.reshape(len(G), -1)
            if block in self._constant_places:
                J[:, self._constant_places[block]] = G.sum(axis=(1, 2))


def _places(
    sizes: dict[OperatorBlock, int], first: int = 0
) -> tuple[dict[OperatorBlock, slice], int]:
    """Where the coefficients of each block stand in one vector, and where they end."""
    places, n = {}, first
    for block, size in sizes.items():
        places[block] = slice(n, n + size)
        n += size
    return places, n


@dataclass(frozen=True)
class _State:
    """Coefficients, relative to the start, and the last alpha and mu."""

    z: np.ndarray
    alpha: float
    mu: float


def _size(rows: list[np.ndarray], centred: bool) -> np.ndarray:
    """Root mean square of each column, about its mean or about zero."""
    n = sum(len(x) for x in rows)
    mean = sum(x.sum(axis=0) for x in rows) / n if centred else 0.0
    return np.sqrt(sum(((x - mean) ** 2).sum(axis=0) for x in rows) / n)
