r"""`EffectiveOperatorModel`: a small-basis operator that gives a larger calculation's observables.

.. math:: F(c) = M^0 + c \cdot B, \qquad
          \min_c \sum \bigl| \epsilon[F(c)] - \epsilon^L \bigr|^2
          + \bigl| \mu[F(c)] - \mu^L \bigr|^2 + \dots + \alpha |\Gamma (c - c^0)|^2

F is a Fock matrix in a small AO basis, linear in its coefficients as that of `OperatorModel`. What
it shall reproduce, orbital energies, dipoles and charges of a calculation in a larger basis, is not
linear in F: Gauss-Newton steps with exact derivatives (`linvop.models.gauss_newton`). They start
from c0, the linear fit to the projected operator ``T^T F_L T`` (`linvop.observables.projection`),
or, where the labels have no matrices, from the baseline alone.
"""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from copy import copy
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from linvop.errors import InputError
from linvop.features.basis import Basis, ordered_species
from linvop.features.design import Progress
from linvop.features.threads import available_cores
from linvop.io.dataset import require_dataset
from linvop.io.frame_numbers import frame_numbers
from linvop.io.records import Record
from linvop.io.structures import check_frames, require_one_state
from linvop.models.baselines import needs_functional
from linvop.models.domain import training_domain
from linvop.models.effective_labels import QUANTITIES, LevelChoice, Observed, observed
from linvop.models.effective_scores import observable_errors
from linvop.models.effective_start import (
    EffectiveData,
    chosen_start,
    projected_of,
    scales_of,
    structures_of,
)
from linvop.models.gauss_newton import GaussNewton
from linvop.models.operator import OperatorModel
from linvop.models.training import atom_counts
from linvop.orbitals.shells import AOBasis
from linvop.regression.groups import duplicate_groups
from linvop.regression.prior import label_prior
from linvop.regression.ridge import Ridge

if TYPE_CHECKING:
    from ase import Atoms

    from linvop.io.dataset import Dataset

__all__ = ["EffectiveOperatorModel"]

STARTS = ("projected", "baseline")

_STOPPED = {
    "steps": "more steps may help",
    "stuck": "no damping lowers the objective",
}


class EffectiveOperatorModel:
    r"""Small-basis Fock matrix fitted to observables of a larger calculation; closed shells.

    Parameters
    ----------
    basis : Basis
        Of the features, as for `OperatorModel`.
    ao : str, mapping or AOBasis
        The small basis of the operator.
    targets : sequence of str
        Of "orbital_energies", "dipole", "charges" (Lowdin's).
    solver : Ridge, optional
        Of the start's linear fit; the steps find their own alpha (`linvop.models.gauss_newton`).
    start : {None, "projected", "baseline"}
        The linear fit to the projected operators of those structures that have a Fock matrix, or
        the baseline alone. None: projected, if two or more have one.
    baseline, orthogonal, kappa_cost
        As for `OperatorModel`; between Lowdin orbitals by default.
    window : float, optional
        Levels further than this below the highest occupied one (eV) do not count.
    n_virtual : int
        Empty levels that count.
    width : float, optional
        Levels at a distance d from the gap (eV) weigh ``1 / (1 + (d / width)^2)``; by default
        all weigh the same.
    weights : {target: float}, optional
        Of the squared errors of each target, which are counted in units of those of the start.
    steps : int
        Gauss-Newton steps at most.
    tolerance : float
        Stop when alpha stays and the linearised problem lowers the objective by less than this
        part of it, or several steps by less than a tenth of that.

    Attributes
    ----------
    operator_ : OperatorModel
        With the fitted coefficients.
    history_ : list of dict
        Of each step: rms of the errors on the training structures by target before it (eV,
        e Angstrom, e), leave-one-out rms of the linearised problem, alpha, the damping mu, by
        which part the objective fell and would have fallen in the linearised problem; at the end
        the rms.
    stopped_ : str
        "converged", "steps" (there were no more) or "stuck" (no damping lowers the objective).
    started_from_ : str
        "projected" or "baseline".
    """

    def __init__(
        self,
        basis: Basis,
        ao: str | Mapping[str, object] | AOBasis = "sto-3g",
        targets: Sequence[str] = ("orbital_energies", "dipole"),
        solver: Ridge | None = None,
        *,
        start: str | None = None,
        baseline: str = "sap",
        orthogonal: bool = True,
        kappa_cost: float = 2.0,
        window: float | None = None,
        n_virtual: int = 1,
        width: float | None = None,
        weights: Mapping[str, float] | None = None,
        steps: int = 40,
        tolerance: float = 0.03,
    ) -> None:
        # It checks what is its own: basis, solver, baseline, orthogonal, kappa_cost.
        self._start = OperatorModel(
            basis,
            "fock",
            solver,
            baseline=baseline,
            orthogonal=orthogonal,
            kappa_cost=kappa_cost,
        )
        if self._start.solver.rarity:
            raise InputError(
                f"rarity: expected 0, got {self._start.solver.rarity!r}: an effective operator has "
                "a prior of its own once it has started"
            )
        if needs_functional(baseline, "fock"):
            raise InputError(
                f"baseline: expected one that needs no functional, got {baseline!r}: an effective "
                "operator is none of its derivatives"
            )
        self.basis, self.solver = basis, self._start.solver
        self.small_ao = AOBasis(ao)
        self.targets = _checked_targets(targets)
        if start not in (None, *STARTS):
            raise InputError(f"start: expected one of {', '.join(STARTS)} or None, got {start!r}")
        self.start = start
        self.levels = LevelChoice(
            _positive(window, "window"),
            _whole(n_virtual, 0, "n_virtual"),
            _positive(width, "width"),
        )
        self.weights = _checked_weights(weights, self.targets)
        self.steps = _whole(steps, 1, "steps")
        self.tolerance = _number_above_0(tolerance, "tolerance")

    def __repr__(self) -> str:
        return (
            f"EffectiveOperatorModel({self.basis!r}, {self.small_ao.spec!r}, {self.targets!r}, "
            f"{self.solver!r})"
        )

    # -- fitting ---------------------------------------------------------------------------

    def fit(
        self,
        data: Dataset,
        *,
        workers: int | None = None,
        progress: Progress | None = None,
        source: str = "data",
    ) -> EffectiveOperatorModel:
        r"""Fit to a data set.

        Parameters
        ----------
        data : Dataset
            Closed shells with whatever the targets need; some or all with Fock matrices, if the
            start is to be the projected operator.
        workers : int, optional
            Threads; default all cores.
        progress : callable, optional
            Called with (steps done, steps at most).
        source : str
            How messages call the data.

        Raises
        ------
        InputError
            For missing labels, open shells, too small an ``ao``, too few structures, and if the
            start has a structure without a gap.
        """
        require_dataset(data)
        fresh = copy(self)
        with frame_numbers(data.numbers):
            fresh._fit(list(data), _large(data), workers or available_cores(), progress, source)
        fresh.operator_.training_ |= {
            k: data.settings[k] for k in ("method", "xc", "ao") if data.settings.get(k) is not None
        }
        self.__dict__.update(fresh.__dict__)
        return self

    def _fit(
        self,
        records: list[Record],
        large: AOBasis | None,
        workers: int,
        progress: Progress | None,
        source: str,
    ) -> None:
        if len(records) < 2:
            raise InputError(f"{source}: expected at least 2 structures, got {len(records)}")
        frames = check_frames([r.atoms() for r in records], source=source)
        state = require_one_state(frames, source)
        labels = self._observed(records, large, source)
        self.started_from_ = chosen_start(self.start, records, source)
        species = ordered_species(z for a in frames for z in set(a.numbers.tolist()))
        data = EffectiveData(records, frames, species, state, large, self.small_ao, source)
        if self.started_from_ == "projected":
            model = data.projected_start(self._start, workers)
        else:
            model = data.baseline_start(self._start)
        structures = structures_of(model, frames, labels, workers)
        features = model.features()
        job = GaussNewton(
            structures=structures,
            groups=duplicate_groups([a.numbers for a in frames], [a.positions for a in frames]),
            start=model.parts_,
            penalty={b: label_prior(features.labels(b), model.kappa_cost) for b in model.parts_},
            scales=scales_of(structures, model.parts_, self.weights),
            steps=self.steps,
            tolerance=self.tolerance,
            workers=workers,
        )
        model.parts_ = job.run(progress)
        model.domain_ = training_domain(frames, atom_counts(frames, species))
        self.operator_, self.history_, self.stopped_ = model, job.history, job.stopped
        if job.stopped != "converged":
            last = job.history[-2]
            warnings.warn(
                f"{source}: not converged after {len(job.history) - 1} steps "
                f"({_STOPPED[job.stopped]}); the last one lowered the objective by "
                f"{last['falls_by']:.1e} of it, the linearised problem would by "
                f"{last['foreseen']:.1e}, expected less than {self.tolerance:g}",
                stacklevel=3,
            )

    def _observed(
        self, records: list[Record], large: AOBasis | None, source: str
    ) -> list[Observed]:
        return [
            observed(r, self.small_ao, large, self.targets, self.levels, f"{source}, frame {k}")
            for k, r in enumerate(records)
        ]

    # -- using -----------------------------------------------------------------------------

    def predict(
        self,
        frames: Atoms | Sequence[Atoms],
        *,
        workers: int | None = None,
        progress: Progress | None = None,
        source: str = "frames",
    ) -> np.ndarray | list[np.ndarray]:
        r"""The operator of a structure, or of each of several; as `OperatorModel.predict`.

        ``linvop.analyse(atoms, fock=F, ao=model.ao)`` says what follows from it.
        """
        self._require_fitted()
        if hasattr(frames, "positions"):
            return self.operator_.predict(frames)  # type: ignore[arg-type]
        return self.operator_.predict(frames, workers=workers, progress=progress, source=source)

    def score(
        self, data: Dataset, *, workers: int | None = None, source: str = "data"
    ) -> dict[str, dict[str, Any]]:
        r"""Errors of the observables on labelled structures.

        Returns
        -------
        {quantity: {mae, rmse, max, n, unit}}
            Occupied orbital energies, LUMO, both together, gap; dipole; Lowdin charges where the
            labels have a density.

        Raises
        ------
        InputError
            As `predict`, and for structures without orbital energies.
        """
        self._require_fitted()
        require_dataset(data)
        records = list(data)
        with frame_numbers(data.numbers):
            predicted = self.operator_.predict(
                [r.atoms() for r in records], workers=workers, source=source
            )
            return observable_errors(predicted, self.ao, records, _large(data), source)

    def projected_score(self, data: Dataset) -> dict[str, dict[str, Any]]:
        r"""The same of the projected operators of these structures: the yardstick.

        Raises
        ------
        InputError
            For structures without a Fock matrix.
        """
        require_dataset(data)
        records = list(data.having("fock"))
        matrices = [projected_of(r, data.ao, self.small_ao) for r in records]
        return observable_errors(matrices, self.small_ao, records, data.ao)

    def report(self) -> dict[str, Any]:
        """What the fit found: the operator's report, and the steps."""
        self._require_fitted()
        return self.operator_.report() | {
            "targets": list(self.targets),
            "started_from": self.started_from_,
            "steps": self.history_,
        }

    def save(self, path: str | Path, *, force: bool = False) -> None:
        r"""Write the model to an HDF5 file (`linvop.load` reads it)."""
        from linvop.models.effective_storage import save_effective_model

        self._require_fitted()
        save_effective_model(self, path, force=force)

    def export(self, path: str | Path, *, force: bool = False) -> dict[str, float]:
        r"""Write the operator for `linvop.deploy` (`OperatorModel.export`).

        What follows from it, orbital energies and dipoles, is linear algebra.
        """
        self._require_fitted()
        return self.operator_.export(path, force=force)

    @property
    def ao(self) -> AOBasis:
        """AO basis of the operator."""
        self._require_fitted()
        return self.operator_.ao

    def _require_fitted(self) -> None:
        if not hasattr(self, "operator_"):
            raise InputError("this model is not fitted: call fit(data) first")


def _large(data: Dataset) -> AOBasis | None:
    """The AO basis of the labels' matrices."""
    return data.ao if data.has_ao else None


def _checked_targets(targets: Sequence[str]) -> tuple[str, ...]:
    names = [targets] if isinstance(targets, str) else targets
    several = isinstance(names, list | tuple) and len(names) > 0
    if not several or any(t not in QUANTITIES for t in names) or len(set(names)) < len(names):
        raise InputError(
            f"targets: expected some of {', '.join(QUANTITIES)}, each once, got {targets!r}"
        )
    return tuple(q for q in QUANTITIES if q in names)


def _checked_weights(
    weights: Mapping[str, float] | None, targets: tuple[str, ...]
) -> dict[str, float]:
    if not isinstance(weights, Mapping | None):
        raise InputError(f"weights: expected {{target: number}}, got {weights!r}")
    unknown = [name for name in weights or {} if name not in targets]
    if unknown:
        raise InputError(f"weights: expected some of {', '.join(targets)}, got {unknown[0]!r}")
    own = {name: _number_above_0(w, f"weights of {name}") for name, w in (weights or {}).items()}
    return dict.fromkeys(targets, 1.0) | own


def _positive(value: Any, name: str) -> float | None:
    return None if value is None else _number_above_0(value, name)


def _number_above_0(value: Any, name: str) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float | np.number) or not value > 0:
        raise InputError(f"{name}: expected a positive number, got {value!r}")
    return float(value)


def _whole(value: Any, lowest: int, name: str) -> int:
    if isinstance(value, bool) or not isinstance(value, int | np.integer) or value < lowest:
        raise InputError(f"{name}: expected an integer >= {lowest}, got {value!r}")
    return int(value)
