r"""Coefficients of an operator from what follows from it, by regularised Gauss-Newton steps.

With w the change of the coefficients from the start in units of the prior (`effective_design`), r
the weighted residuals of all structures' observables and X their exact derivatives by w, what is
minimised is

.. math:: \Phi(w) = |r(w)|^2 + \alpha |w|^2 .

Each step solves the linearised problem in closed form (`linvop.regression.damped`), damped where
it is trusted too far (Levenberg and Marquardt) by the change of the matrices of all structures,

.. math:: \min_{w'} |r + X (w' - w)|^2 + \alpha |w'|^2 + \mu |F(w') - F(w)|^2 ,

because the error of the linearisation is one of second order in that change,
``|dF_ov|^2 / (eps_o - eps_v)``, whatever its coefficients are. mu is zero until a step fails to
lower Phi, grows until one does, and falls where the linearisation foresaw what happened.

alpha is that with the least error of structures left out of the linearised problem, but falls
no faster than a hundredfold each step: a small alpha at once would ask for changes far beyond where
the derivatives hold (A. B. Bakushinskii, Comput. Math. Math. Phys. 32, 1353 (1992)). Gamma is the
prior of the labels times the root of each feature's size, as where matrices are fitted, over the
size of what each target varies by between structures; constants of the blocks on site count as
features of size one.

Converged is a fit whose alpha stays and where the linearisation, undamped, foresees less than
`tolerance` of Phi to be won, or where several steps in a row won less than a tenth of that.
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
from linvop.models.effective_design import BlockDesign, block_design
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
_ACCEPTED, _POORLY_FORESEEN, _WELL_FORESEEN = 1e-2, 0.25, 0.75
"""Fall of Phi as a part of what the linearisation foresaw."""
_SLOW = 4
"""So many steps in a row that win less than a tenth of the tolerance are the last ones."""
_LEAST = 1e-3
"""Of the sizes of targets, in units of the largest."""
_SOLVER_COPIES = 3


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
    workers : int
    history : list of dict
        Of each step: alpha, mu, ``falls_by`` and ``foreseen`` (by which part Phi fell, and would
        fall undamped were the problem linear), rms of the residuals before it by quantity, and
        that of structures left out of the linearised problem; at the end the rms.
    stopped : str
        "converged", "steps" (there were no more) or "stuck" (no damping lowers Phi).
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
    stopped: str = "steps"

    def __post_init__(self) -> None:
        self._labels = np.concatenate([s.observed.labels for s in self.structures])
        self._kinds = np.concatenate([s.observed.quantities for s in self.structures])
        weights = np.concatenate([s.observed.weights for s in self.structures])
        self._roots = weights / self.scales[self._kinds]
        counts = [len(s.observed.labels) for s in self.structures]
        self._first = np.concatenate([[0], np.cumsum(counts)])
        self._rows_of = np.repeat(self.groups, counts)
        # Frames of changes: what a change adds has no baseline.
        self._frames = [replace(s.frame, baseline="none") for s in self.structures]
        self._matrices = self._each(
            lambda k: assembled(self.start, self.structures[k].frame, self.structures[k].features)[
                0
            ]
        )
        self._designs = self._made_designs()
        sizes = [d.metric.size for d in self._designs.values()]
        ends = np.cumsum(sizes)
        self._size = int(sum(sizes))
        self._places = {
            b: slice(int(end - n), int(end))
            for b, n, end in zip(self._designs, sizes, ends, strict=True)
        }
        self._metric = np.concatenate(
            [np.zeros(0), *(d.metric.ravel() for d in self._designs.values())]
        )

    def run(self, progress: Callable[[int, int], None] | None = None) -> Parts:
        r"""Iterate, and return the coefficients.

        Raises
        ------
        InputError
            If the start has a structure without a gap, or nothing can be fitted.
        """
        n_rows = len(self._labels)
        if not self._size:
            raise InputError("effective operator: no feature of any block varies")
        require_memory(
            8.0 * n_rows * self._size * (1 + _SOLVER_COPIES),
            f"derivatives of {n_rows} labels by {self._size} directions of the coefficients",
        )
        at = _State(np.zeros(self._size), np.inf, 0.0)
        for step in range(self.steps):
            if progress is not None:
                progress(step, self.steps)
            before, at = at, self._step(at)
            stopped = self._why_stop(at.alpha > 0.5 * before.alpha)
            if stopped:
                self.stopped = stopped
                break
        if progress is not None:
            progress(self.steps, self.steps)
        self.history.append({"rms": self._by_quantity(self._values(at.w) - self._labels)})
        return self._parts(at.w)

    def _why_stop(self, settled: bool) -> str:
        """Why the last step is the last one, or nothing."""
        last = self.history[-1]
        falls = [h["falls_by"] for h in self.history[-_SLOW:]]
        slow = len(falls) == _SLOW and max(falls) < 0.1 * self.tolerance
        if settled and (last["foreseen"] < self.tolerance or slow):
            return "converged"
        return "stuck" if last["falls_by"] == 0.0 else ""

    def _step(self, at: _State) -> _State:
        """One step, damped until Phi falls; the same point if it does not."""
        values, X = self._linearised(at.w)
        r = self._roots * (values - self._labels)
        problem = DampedRidge(X, X @ at.w - r, at.w, self._metric, self._rows_of)
        alpha = max(problem.best_alpha, _FALL * min(at.alpha, _FIRST / _FALL * problem.largest))
        phi, mu = float(r @ r + alpha * at.w @ at.w), at.mu
        undamped = problem.solve(alpha)
        for _ in range(_ATTEMPTS):
            new, foreseen = problem.solve(alpha, mu) if mu else undamped
            found = self._phi(new, alpha)
            ratio = (phi - found) / max(phi - foreseen, 1e-300)
            if ratio > _ACCEPTED:
                break
            mu = _GROWTH * mu if mu else phi / float(self._metric @ (new - at.w) ** 2)
        else:
            new, found = at.w, phi
        self.history.append(
            {
                "alpha": alpha,
                "mu": mu,
                "falls_by": 1.0 - found / phi,
                "foreseen": 1.0 - undamped[1] / phi,
                "rms": self._by_quantity(values - self._labels),
                "loo_rms": self._by_quantity(problem.loo_residuals(alpha) / self._roots),
            }
        )
        if ratio > _WELL_FORESEEN:
            moved = float(self._metric @ (new - at.w) ** 2)
            mu = mu / _GROWTH if mu * moved > 1e-3 * phi else 0.0
        elif ratio < _POORLY_FORESEEN:
            mu *= np.sqrt(_GROWTH)
        return _State(new, alpha, mu)

    def _phi(self, w: np.ndarray, alpha: float) -> float:
        """Phi at a point, infinite where a gap has closed."""
        try:
            values = self._values(w)
        except InputError:
            return float("inf")
        r = self._roots * (values - self._labels)
        return float(r @ r + alpha * w @ w)

    def _by_quantity(self, errors: np.ndarray) -> dict[str, float]:
        """RMS of the errors of each quantity, in its own unit."""
        return {
            QUANTITIES[k]: float(np.sqrt(np.nanmean(errors[self._kinds == k] ** 2)))
            for k in np.unique(self._kinds)
        }

    # -- coordinates -----------------------------------------------------------------------

    def _made_designs(self) -> dict[OperatorBlock, BlockDesign]:
        """Of the blocks that can change."""
        sizes = self._sizes_of_targets()
        designs = {}
        for block, part in self.start.items():
            features = [
                s.features[block].values
                if block in s.features
                else np.zeros((0, 2 * block.lam + 1, len(part.coefficients)))
                for s in self.structures
            ]
            design = block_design(
                features,
                self.penalty[block],
                sizes[block],
                self._frames[0].multiplicity(block),
                block.on_site and (block.lam, block.sigma) == (0, 1),
            )
            if design is not None:
                designs[block] = design
        return designs

    def _sizes_of_targets(self) -> dict[OperatorBlock, np.ndarray]:
        """How much the elements of the start vary between structures, Hartree; at least a bit."""
        found: dict[OperatorBlock, list[np.ndarray]] = {b: [] for b in self.start}
        for F, frame in zip(self._matrices, self._frames, strict=True):
            for block, values in frame.to_blocks(F[None]).items():
                found[block].append(values.reshape(-1, values.shape[2]))
        sizes = {
            b: _size(rows, b.on_site and (b.lam, b.sigma) == (0, 1))
            if rows
            else np.ones(len(p.constants))
            for (b, p), rows in zip(self.start.items(), found.values(), strict=True)
        }
        least = _LEAST * max(float(x.max()) for x in sizes.values() if x.size)
        return {b: np.maximum(x, least) for b, x in sizes.items()}

    def _parts(self, w: np.ndarray) -> Parts:
        """The start with changed coefficients."""
        return {
            b: self._designs[b].moved(p, w[self._places[b]].reshape(self._designs[b].shape))
            if b in self._designs
            else p
            for b, p in self.start.items()
        }

    def _matrix(self, k: int, w: np.ndarray) -> np.ndarray:
        """The operator of structure k."""
        frame, blocks = self._frames[k], {}
        for block, (atoms, _) in self.structures[k].features.items():
            if block in self._designs:
                design = self._designs[block]
                values = np.zeros((len(frame.pairs(block)), 2 * block.lam + 1, design.shape[0]))
                own = w[self._places[block]].reshape(design.shape)
                values[frame.rows_of(block, atoms)] = design.change(k, own)
                blocks[block] = values
        return self._matrices[k] + frame.to_matrices(blocks, 1)[0]

    def _values(self, w: np.ndarray) -> np.ndarray:
        return np.concatenate(
            self._each(lambda k: self.structures[k].observed.values(self._matrix(k, w)).values)
        )

    def _linearised(self, w: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Values of all observables, and their weighted derivatives X."""
        X = np.zeros((len(self._labels), self._size))
        values = np.empty(len(self._labels))

        def fill(k: int) -> None:
            s, rows = self.structures[k], slice(self._first[k], self._first[k + 1])
            found = s.observed.values(self._matrix(k, w))
            values[rows] = found.values
            gradients = [self._frames[k].gradient_blocks(D) for D in found.derivatives]
            for block, (atoms, _) in s.features.items():
                if block in self._designs:
                    pairs = self._frames[k].rows_of(block, atoms)
                    G = np.stack([g[block][pairs] for g in gradients])
                    G *= self._roots[rows][:, None, None, None]
                    own = self._designs[block].derivatives(k, G)
                    X[rows, self._places[block]] = own.reshape(len(G), -1)

        self._each(fill)
        return values, X

    def _each(self, one: Callable[[int], Any]) -> list[Any]:
        """Of all structures, on all cores."""
        with one_thread_each(self.workers) as pool:
            return list(pool.map(one, range(len(self.structures))))


@dataclass(frozen=True)
class _State:
    """The change from the start, and the last alpha and mu."""

    w: np.ndarray
    alpha: float
    mu: float


def _size(rows: list[np.ndarray], centred: bool) -> np.ndarray:
    """Root mean square of each column, about its mean or about zero."""
    n = sum(len(x) for x in rows)
    mean = sum(x.sum(axis=0) for x in rows) / n if centred else 0.0
    return np.sqrt(sum(((x - mean) ** 2).sum(axis=0) for x in rows) / n)
