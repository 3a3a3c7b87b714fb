r"""`PropertyModel`: energies, dipoles and other tensors of whole structures, linear in V's words.

.. math:: y_{\lambda\mu} = \sum_i c^{(s_i)} \cdot B_i(\lambda\mu, \sigma) + \sum_i b^{(s_i)}
          \quad (b \text{ for scalars only})

with one closed-form ridge fit (`linvop.regression.ridge`) for each irrep of each target;
targets that share an irrep share its design matrix and its factorisation.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterable, Mapping, Sequence
from copy import copy
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from linvop.basis.words import Irrep
from linvop.errors import InputError
from linvop.features.basis import Basis
from linvop.features.contractions import SiteFeatures, contracted
from linvop.features.design import Progress, structure_rows
from linvop.features.threads import available_cores, one_thread_each
from linvop.integrals import System
from linvop.io.frame_numbers import frame_numbers_of_errors
from linvop.io.frames import check_frames, require_state
from linvop.kernels.dispatch import Device, as_device
from linvop.models.derivatives import position_derivatives, position_deviations
from linvop.models.domain import (
    ExtrapolationWarning,
    TrainingDomain,
    outside_lines,
    warn_outside,
)
from linvop.models.force_fit import FORCE_WEIGHT, checked_weight
from linvop.models.linear_part import LinearPart
from linvop.models.metrics import errors
from linvop.models.property_training import trained
from linvop.models.property_values import forces_of, rows_and_forces_on, values_of_rows
from linvop.models.targets import FORCES, Target, as_targets
from linvop.models.training import (
    TrainingSet,
    atom_counts,
    checked_atom_energies,
    free_atoms,
    label_array,
    training_set,
)
from linvop.regression.groups import duplicate_groups
from linvop.regression.prior import checked_cost
from linvop.regression.ridge import Ridge
from linvop.regression.streamed_ridge import check_streamed

if TYPE_CHECKING:
    from ase import Atoms

__all__ = ["PropertyModel"]

_CHUNK = 512
"""Structures predicted at a time: features are made, used and dropped."""


class PropertyModel:
    r"""Linear model of properties of structures.

    Parameters
    ----------
    basis : Basis
    targets : sequence of str or Target
        ``"energy"``, ``"forces"``, ``"dipole"``, ``"polarizability"`` or `Target` objects.
        Forces are fitted together with the energy (`linvop.models.force_fit`).
    solver : Ridge, optional
        Its settings; default leave-one-structure-out.
    kappa_cost : float
        Prior: relative cost of each further power of V (`linvop.regression.prior`).
    relevance : None or "shells"
        Whether the columns of each species, kappa and pair of outer shells get a prior variance
        of their own from the data (`linvop.regression.relevance`): takes some 20 times the time
        of the fit. It pays where structures are many for the groups (QM7: better with 1000,
        worse with 300). The leave-one-out error, having seen its labels, is then optimistic.
    atom_energies : mapping of str to float, optional
        Energies of free atoms in eV, used instead of fitted constants: with the features F of
        free atoms, ``E = sum_i [E_s + c.(B_i - F_s)]``, so that the model has them exactly.
        Neutral structures of a single atom among the training data serve as such too.
    force_weight : float, or sequence of float
        Of the squared error of a force component next to that of an energy, Angstrom^2. Of
        several the one with the largest evidence: in fits by `chunk`, alpha by evidence.

    Attributes
    ----------
    species_ : tuple of str
    state_ : (int, int)
        Total charge and multiplicity of the training data.
    n_train_ : int
    training_ : dict
        Where the data came from and whatever a caller adds; kept in the file, JSON-safe.
    domain_ : TrainingDomain or None
        Compositions and surroundings trained on; None if the file of an old version has none.
    parts_ : {target name: {(lam, sigma): LinearPart}}
    n_distinct_ : int
        Structures without their copies. Not kept in files.
    train_values_, loo_predictions_ : {target name: (n_train, *shape) float64}
        Labels, and what the fit without each structure (and its copies) predicts for it; NaN
        where a species occurs in that structure only. Not kept in files.
    """

    def __init__(
        self,
        basis: Basis,
        targets: Sequence[str | Target] | str | Target = ("energy",),
        solver: Ridge | None = None,
        *,
        kappa_cost: float = 2.0,
        relevance: str | None = None,
        atom_energies: Mapping[str, float] | None = None,
        force_weight: float | Sequence[float] = FORCE_WEIGHT,
    ) -> None:
        if not isinstance(basis, Basis):
            raise InputError(f"basis: expected a linvop.Basis, got {basis!r}")
        solver = Ridge() if solver is None else solver
        if not isinstance(solver, Ridge):
            raise InputError(f"solver: expected a linvop.Ridge, got {solver!r}")
        solver.check()
        self.basis = basis
        wanted = as_targets(targets)
        self.targets = tuple(t for t in wanted if t.name != "forces")
        self.with_forces = len(self.targets) < len(wanted)
        self.force_weight = checked_weight(force_weight)
        if relevance not in (None, "shells"):
            raise InputError(f"relevance: expected None or 'shells', got {relevance!r}")
        self.relevance = relevance
        self.solver = solver
        self.kappa_cost = checked_cost(kappa_cost)
        self.atom_energies = checked_atom_energies(atom_energies)

    def __repr__(self) -> str:
        names = ", ".join(repr(t.name) for t in self.measured)
        return f"PropertyModel({self.basis!r}, targets=({names},), solver={self.solver!r})"

    # -- fitting ---------------------------------------------------------------------------

    def fit(
        self,
        frames: Sequence[Atoms],
        *,
        keys: Mapping[str, str] | None = None,
        units: Mapping[str, str] | None = None,
        weights: np.ndarray | None = None,
        force_weights: Sequence[np.ndarray] | None = None,
        workers: int | None = None,
        progress: Progress | None = None,
        source: str = "frames",
        state: tuple[int, int] | None = None,
        chunk: int | None = None,
        checkpoints: str | Path | None = None,
        executor: Any | None = None,
        device: str | Device = "cpu",
    ) -> PropertyModel:
        r"""Fit to labelled structures.

        Parameters
        ----------
        frames : sequence of ase.Atoms
            With labels as `linvop.read` leaves them, or under the names in `keys`.
        keys, units : mapping, optional
            ``{"energy": "energy_Ha"}``, ``{"energy": "Hartree"}``.
        weights : (n_frames,) float64, optional
            Of each structure's squared error.
        force_weights : sequence of (n_atoms,) float64, optional
            Of the squared error of each atom's force, beside the model's `force_weight`.
        workers : int, optional
            Threads for the features; default all cores.
        progress : callable, optional
            Called with (structures done, structures in all).
        source : str
            How messages call the frames, such as the file's name.
        state : (int, int), optional
            Charge and multiplicity: of frames in several states, take those in this one.
        chunk : int, optional
            Structures whose rows are in memory at a time, for fits larger than it: rows are made
            once for a triangular factor (`linvop.regression.streaming`) and, where structures are
            left out, once more. Needs columns^2 numbers besides. The result is that of
            ``Ridge(refine=False)`` on all rows at once.
        checkpoints : path, optional
            With `chunk`, a folder for the state of the fit once a minute: the same fit, if it was
            killed, goes on from there. Removed at the end. Not with `executor`.
        executor : distributed.Client, optional
            Whose workers make the rows, in chunks, and merge their triangles
            (`linvop.distributed`).
        device : {"cpu", "gpu"} or Device
            Where features are made and, with `chunk`, factored (docs/gpu.md); not with forces.

        Raises
        ------
        InputError
            For bad structures, missing or bad labels, mixed charge or spin, too few frames; for
            a GPU that is not there, and for what it does not do.
        """
        self._check_names(keys, units)
        on = as_device(device)
        self._check_device_of_fit(on, executor)
        if force_weights is not None and not self.with_forces:
            raise InputError(
                "force_weights: expected 'forces' among the targets, got "
                + ", ".join(t.name for t in self.targets)
            )
        if chunk is not None and (not isinstance(chunk, int) or chunk < 1):
            raise InputError(f"chunk: expected a positive integer, got {chunk!r}")
        if chunk is not None:
            check_streamed(self.solver)
        if checkpoints is not None and (chunk is None or executor is not None):
            raise InputError(
                "checkpoints: expected a fit by chunks (chunk=..) without an executor, whose "
                "workers keep none"
            )
        if self.force_weight != FORCE_WEIGHT and not self.with_forces:
            raise InputError("force_weight: expected 'forces' among the targets")
        # Into a copy: a fit that fails leaves this model as it was.
        fresh = copy(self)
        data = training_set(
            frames,
            self.targets,
            keys=keys or {},
            units=units or {},
            weights=weights,
            atom_energies=self.atom_energies,
            source=source,
            state=state,
            forces=self.with_forces,
            force_weights=force_weights,
        )
        with frame_numbers_of_errors(data.numbers):
            chunks = {"chunk": chunk, "checkpoints": checkpoints, "executor": executor}
            chunks["device"] = on
            fresh._fit(data, workers, progress, **chunks)
        self.__dict__.update(fresh.__dict__)
        return self

    parts_: dict[str, dict[Irrep, LinearPart]]
    domain_: TrainingDomain | None
    training_: dict[str, Any]

    def _fit(
        self,
        data: TrainingSet,
        workers: int | None,
        progress: Progress | None,
        **chunks: Any,
    ) -> None:
        self.species_, self.state_ = data.species, data.state
        self.n_train_ = len(data.frames)
        self.training_ = {"source": data.source}
        groups = _copies(data)
        self.n_distinct_ = int(groups.max()) + 1
        found = trained(self, data, groups, workers=workers, progress=progress, **chunks)
        self.parts_, self.domain_ = found.parts, found.domain
        self.train_values_ = dict(data.values)
        self.loo_predictions_ = {
            t.name: data.values[t.name] - t.from_irreps(found.left_out[t.name])
            for t in self.targets
        }
        if data.forces is not None and found.left_out_forces is not None:
            self.train_values_["forces"] = data.forces
            self.loo_predictions_["forces"] = data.forces - found.left_out_forces

    # -- using -----------------------------------------------------------------------------

    def predict(
        self,
        frames: Sequence[Atoms],
        *,
        workers: int | None = None,
        progress: Progress | None = None,
        source: str = "frames",
        std: bool = False,
        device: str | Device = "cpu",
        forces: bool = True,
    ) -> list[dict[str, Any]]:
        r"""Predictions in ASE units, one dict a frame.

        With `std`, for each target also ``<target>_std``: the standard deviation of a label
        from its prediction, component by component (`linvop.regression.uncertainty`). Features
        and derivatives by V are made on the `device`, "cpu" or "gpu" (docs/gpu.md).

        Raises
        ------
        InputError
            If the model is not fitted, for structures of other species, charge or spin, and
            for `std` of a model whose solver did not have ``covariance=True``.

        Warns
        -----
        ExtrapolationWarning
            Of compositions that the training data do not determine, and of structures clearly
            outside them (`linvop.models.domain`).
        """
        self._require_fitted()
        frames = check_frames(frames, source=source, species=self.species_)
        arrays = self.predict_arrays(
            frames,
            workers=workers,
            progress=progress,
            source=source,
            std=std,
            device=device,
            forces=forces,
        )
        stops = np.cumsum([len(a) for a in frames])[:-1]
        of_atoms = {"forces", "forces_std"} if self.with_forces else set()
        for name in of_atoms & set(arrays):
            arrays[name] = np.split(arrays[name], stops)  # type: ignore[assignment]
        rows = zip(*arrays.values(), strict=True)
        return [
            {n: float(v) if np.ndim(v) == 0 else v for n, v in zip(arrays, row, strict=True)}
            for row in rows
        ]

    def predict_arrays(
        self,
        frames: Sequence[Atoms],
        *,
        workers: int | None = None,
        progress: Progress | None = None,
        source: str = "frames",
        std: bool = False,
        device: str | Device = "cpu",
        forces: bool = True,
    ) -> dict[str, np.ndarray]:
        r"""Predictions as ``{target: (n_frames, *shape)}``, forces (n_atoms in all, 3)."""
        self._require_fitted()
        on = as_device(device)
        if std:
            self._require_std()
            if on.name != "cpu" and self.with_forces and forces:
                raise InputError(
                    f"std: standard deviations of forces are made on the CPU only; leave std out, "
                    f"or device {on.name!r}"
                )
        frames = check_frames(frames, source=source, species=self.species_)
        require_state(frames, self.state_, source)
        counts = atom_counts(frames, self.species_)
        warn_outside(self.domain_, frames, counts, source, self._fitted_constants())
        features = self._features()
        chunks: list[dict[str, np.ndarray]] = []
        for first in range(0, len(frames), _CHUNK):
            chunk = slice(first, first + _CHUNK)

            def done(k: int, n: int, first: int = first) -> None:
                if progress is not None:
                    progress(first + k, len(frames))

            some, more = frames[chunk], {}
            given: dict[str, Any] = {"workers": workers, "progress": done}
            given |= {"source": source, "first": first}
            if not (self.with_forces and forces):
                rows = structure_rows(features, some, device=on, **given)
            elif on.name == "cpu":
                rows = structure_rows(features, some, **given)
                more = forces_of(*self._of_energy(), some, workers, std)
            else:
                rows, own = rows_and_forces_on(on, features, *self._of_energy(), some, **given)
                more = {"forces": own}
            found = values_of_rows(self.targets, self.parts_, rows, counts[chunk], std)
            chunks.append(found | more)
        return {name: np.concatenate([c[name] for c in chunks]) for name in chunks[0]}

    def derivatives(
        self,
        frames: Sequence[Atoms],
        target: str = "energy",
        *,
        workers: int | None = None,
        source: str = "frames",
    ) -> list[np.ndarray]:
        r"""Derivatives of a target by the positions of the atoms; forces are minus the energy's.

        Returns
        -------
        list of (*shape, n_atoms, 3) float64
            One a frame, in the target's unit per Angstrom; shape is () for energies and (3,) for
            dipoles.

        Raises
        ------
        InputError
            As `predict`, and for what is no target of this model.
        """
        self._require_fitted()
        of = self._target(target)
        frames = check_frames(frames, source=source, species=self.species_)
        require_state(frames, self.state_, source)
        warn_outside(self.domain_, frames, atom_counts(frames, self.species_), source)
        features = self.basis.compile(self.species_, of.irreps, "structure")

        def one(atoms: Atoms) -> np.ndarray:
            return position_derivatives(features, atoms, of, self.parts_[target])

        with one_thread_each(workers or available_cores()) as pool:
            return list(pool.map(one, frames))

    def _target(self, name: str) -> Target:
        known = {t.name: t for t in self.targets}
        if name not in known:
            raise InputError(f"target: expected one of {', '.join(known)}, got {name!r}")
        return known[name]

    def evaluate(
        self,
        atoms: Atoms,
        derivatives: Sequence[str] = (),
        *,
        std: bool = False,
        report: Callable[[str, str], None] | None = None,
    ) -> dict[str, Any]:
        r"""Predictions of one structure, as `predict`, and derivatives, V made once for all.

        Parameters
        ----------
        atoms : ase.Atoms
        derivatives : sequence of str
            Targets of which ``<target>_derivatives`` are wanted too, as `derivatives` has them.
        std : bool
            Also ``<target>_std``, and ``forces_std`` with derivatives of the energy. The latter
            are of labels if forces were fitted, and of predictions otherwise.
        report : callable, optional
            Called with the kind of each line about extrapolation ("composition", "surroundings")
            and the line, instead of an `ExtrapolationWarning`.
        """
        self._require_fitted()
        if std:
            self._require_std()
        wanted = [self._target(name) for name in derivatives]
        frames = check_frames([atoms], source="atoms", species=self.species_)
        require_state(frames, self.state_, "atoms")
        counts = atom_counts(frames, self.species_)
        constants = self._fitted_constants()
        lines = outside_lines(self.domain_, frames, counts, "atoms", constants)
        for kind, line in lines.items():
            if report is not None:
                report(kind, line)
            else:
                warnings.warn(line, ExtrapolationWarning, stacklevel=2)
        features = self._features()
        system = System.from_atoms(atoms, self.basis.ao_basis)
        # Derivatives take whole matrices, which are then there for the features too.
        V = contracted(features.enumeration, system) if wanted else None
        rows = {irrep: row[None] for irrep, row in features.structure(V or system).items()}
        values = values_of_rows(self.targets, self.parts_, rows, counts, std)
        found = {name: value[0] for name, value in values.items()}
        if V is not None:
            for t in wanted:
                own, parts = self.basis.compile(self.species_, t.irreps, "structure"), self.parts_
                found[f"{t.name}_derivatives"] = position_derivatives(own, V, t, parts[t.name])
                if std and t.name == "energy":
                    found["forces_std"] = position_deviations(own, V, parts["energy"][0, 1])
        return {n: float(v) if np.ndim(v) == 0 else v for n, v in found.items()}

    def score(
        self,
        frames: Sequence[Atoms],
        *,
        keys: Mapping[str, str] | None = None,
        units: Mapping[str, str] | None = None,
        workers: int | None = None,
        progress: Progress | None = None,
        source: str = "frames",
    ) -> dict[str, dict[str, Any]]:
        r"""Errors on labelled structures: ``{target: {mae, rmse, r2, ...}}``; see `errors`.

        Free atoms among them are left out, as `fit` does.
        """
        self._check_names(keys, units)
        frames = check_frames(frames, source=source)
        kept = np.flatnonzero(~free_atoms(frames, self.targets))
        frames = [frames[k] for k in kept]
        with frame_numbers_of_errors(kept):
            true = {
                t.name: label_array(t, frames, keys or {}, units or {}, source)
                for t in self.measured
            }
            predicted = self.predict_arrays(
                frames, workers=workers, progress=progress, source=source
            )
        return {t.name: errors(true[t.name], predicted[t.name], t.unit) for t in self.measured}

    def report(self) -> dict[str, Any]:
        """What the fit found: sizes and, for each part, the solver's report."""
        self._require_fitted()
        return {
            "basis": repr(self.basis),
            "species": list(self.species_),
            "n_train": self.n_train_,
            "parts": {
                name: {
                    f"lam={lam} sigma={sigma:+d}": {
                        "n_columns": len(part.coefficients),
                        **part.report,
                    }
                    for (lam, sigma), part in parts.items()
                }
                for name, parts in self.parts_.items()
            },
        }

    def save(self, path: str | Path, *, force: bool = False) -> None:
        r"""Write the model to an HDF5 file (`linvop.load` reads it)."""
        from linvop.models.storage import save_property_model

        self._require_fitted()
        save_property_model(self, path, force=force)

    def export(self, path: str | Path, *, force: bool = False) -> dict[str, float]:
        r"""Write the model for `linvop.deploy` and return the errors of its checks.

        Raises
        ------
        InputError
            If the model fails one of them (`linvop.models.export`), or the file exists.
        """
        from linvop.models.export import export_model

        self._require_fitted()
        return export_model(self, path, force=force)

    # -- shared ----------------------------------------------------------------------------

    def counts(self, species: Iterable[str | int]) -> dict[Irrep, int]:
        r"""Columns of each irrep of the targets, for a list of species, before any is made."""
        found = self.basis.counts(species, target="structure", irreps=self.irreps)
        return {
            irrep: sum(n for (_, *own), n in found.items() if tuple(own) == irrep)
            for irrep in self.irreps
        }

    @property
    def irreps(self) -> tuple[Irrep, ...]:
        """The (lam, sigma) that features are needed of."""
        return tuple(sorted({irrep for t in self.targets for irrep in t.irreps}))

    def _features(self):
        return self.basis.compile(self.species_, self.irreps, "structure")

    def _of_energy(self) -> tuple[SiteFeatures, Target, dict[Irrep, LinearPart]]:
        """Features, target and coefficients of the energy."""
        energy = self._target("energy")
        features = self.basis.compile(self.species_, energy.irreps, "structure")
        return features, energy, self.parts_["energy"]

    def _fitted_constants(self) -> list[str]:
        """Targets to which species add constants that the fit determined."""
        return [
            name
            for name, parts in self.parts_.items()
            if any(part.report.get("n_constants") for part in parts.values())
        ]

    def _check_names(self, *given: Mapping[str, str] | None) -> None:
        """Keys and units are those of targets; another name is a slip that would be ignored."""
        names = [t.name for t in self.measured]
        for name in (n for mapping in given for n in mapping or {}):
            if name not in names:
                raise InputError(
                    f"keys, units: expected names among {', '.join(names)}, got {name!r}"
                )

    def _check_device_of_fit(self, on: Device, executor: Any | None) -> None:
        if on.name == "cpu":
            return
        if self.with_forces:
            raise InputError(
                f"device {on.name!r}: rows of forces are made on the CPU only; fit with "
                "device 'cpu', or without forces"
            )
        if executor is not None:
            raise InputError(f"device {on.name!r}: expected no executor, whose workers use CPUs")

    def _require_fitted(self) -> None:
        if not hasattr(self, "parts_"):
            raise InputError("this model is not fitted: call fit(frames) first")

    def _require_std(self) -> None:
        if not self.has_std:
            raise InputError(
                "std: this model was fitted without covariances; fit it with "
                "solver=Ridge(..., covariance=True), or covariance = true in [solver]"
            )

    @property
    def measured(self) -> tuple[Target, ...]:
        """What errors are taken of: the targets, and the forces of atoms if they are fitted."""
        return (*self.targets, FORCES) if self.with_forces else self.targets

    @property
    def has_std(self) -> bool:
        """Whether standard deviations of predictions can be had."""
        self._require_fitted()
        return all(
            p.posterior is not None for parts in self.parts_.values() for p in parts.values()
        )


def _copies(data: TrainingSet) -> np.ndarray:
    """Groups of structures that are copies of each other, (n,), or `InputError` if all are."""
    groups = duplicate_groups([a.numbers for a in data.frames], [a.positions for a in data.frames])
    if len(groups) > 1 and not groups.any():
        raise InputError(
            f"{data.source}: expected structures that differ, got {len(groups)} copies of one"
        )
    return groups
