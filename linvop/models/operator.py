r"""`OperatorModel`: Fock and density matrices, block by block linear in V's words.

.. math:: F_{ij}^{ab;\,\lambda\mu} = M^0
          + c^{(s_i s_j a b \lambda\sigma)} \cdot B_{ij}(\lambda\mu, \sigma)

with site features for i = j and pair features for i != j (`linvop.features.operators`), and M0
a baseline that is corrected. All targets ab of one block (`linvop.orbitals.operator_blocks`)
share their features and one factorisation of them. What is predicted is exactly Hermitian, turns
with the molecule, and permutes with its atoms, whatever the coefficients; with baselines that take
the functional it turns as exactly as PySCF's grid does.
"""

from __future__ import annotations

import warnings
from collections import Counter
from collections.abc import Mapping, Sequence
from copy import copy
from pathlib import Path
from typing import TYPE_CHECKING, Any, overload

import numpy as np

from linvop.errors import GapError, InputError
from linvop.features.basis import Basis
from linvop.features.block_features import BlockFeatures
from linvop.features.design import Progress
from linvop.features.operators import operator_features
from linvop.features.threads import available_cores, one_thread_each
from linvop.integrals import System
from linvop.io.dataset import require_dataset
from linvop.io.frame_numbers import frame_numbers
from linvop.io.frames import check_frames, require_state
from linvop.models.baselines import checked_baseline, needs_functional
from linvop.models.domain import TrainingDomain, training_domain, warn_outside
from linvop.models.functional import Functional
from linvop.models.operator_data import OperatorFrame, OperatorSet, operator_set
from linvop.models.operator_errors import operator_errors
from linvop.models.operator_part import BlockPart, assembled
from linvop.models.operator_training import OperatorTraining
from linvop.models.training import atom_counts
from linvop.orbitals.operator_blocks import OperatorBlock, operator_blocks
from linvop.orbitals.shells import AOBasis
from linvop.regression.prior import checked_cost
from linvop.regression.ridge import Ridge

if TYPE_CHECKING:
    from ase import Atoms

    from linvop.io.dataset import Dataset
    from linvop.models.operator_scores import MatrixErrors

__all__ = ["OPERATORS", "OperatorModel"]

OPERATORS = ("fock", "density")


class OperatorModel:
    r"""Linear model of a symmetric one-electron operator.

    Parameters
    ----------
    basis : Basis
        Of the features; its AOs need not be those of the operator. ``nu_pair`` and
        ``pair_max_degree`` say which pair features there are, ``cutoff`` which pairs.
    target : {"fock", "density"}
    solver : Ridge, optional
        Its settings; default leave-one-structure-out on a grid of alphas.
    baseline : str, optional
        What the model corrects (`linvop.models.baselines`); default "sap" for Fock matrices and
        "atoms" for density matrices. "minao" leaves less to learn, for one evaluation
        of the functional in each prediction; it serves both best with `orthogonal`
        (docs/operators.md).
    orthogonal : bool
        Whether the matrix is learned between Lowdin orbitals, ``S^-1/2 F S^-1/2`` or
        ``S^1/2 P S^1/2``, instead of AOs.
    kappa_cost : float
        Prior: relative cost of each further power of V.

    Attributes
    ----------
    ao_ : AOBasis
        Of the operator.
    species_ : tuple of str
    state_ : (int, int)
        Total charge and multiplicity of the training data.
    spin_channels_ : int
        1, or 2 for (alpha, beta).
    n_train_ : int
    domain_ : TrainingDomain or None
        Which structures are like the training data; None of files of earlier versions.
    functional_ : Functional or None
        That of the training data, where the baseline needs it.
    parts_ : {OperatorBlock: BlockPart}
    training_ : dict
        Where the data came from, their level of theory, and what a caller adds.
    """

    def __init__(
        self,
        basis: Basis,
        target: str = "fock",
        solver: Ridge | None = None,
        *,
        baseline: str | None = None,
        orthogonal: bool = False,
        kappa_cost: float = 2.0,
    ) -> None:
        if not isinstance(basis, Basis):
            raise InputError(f"basis: expected a linvop.Basis, got {basis!r}")
        if target not in OPERATORS:
            raise InputError(f"target: expected one of {', '.join(OPERATORS)}, got {target!r}")
        solver = Ridge(refine=False) if solver is None else solver
        if not isinstance(solver, Ridge):
            raise InputError(f"solver: expected a linvop.Ridge, got {solver!r}")
        solver.check()
        if solver.covariance:
            raise InputError(
                "solver: operators have no standard deviations; covariance must be False"
            )
        if not isinstance(orthogonal, bool):
            raise InputError(f"orthogonal: expected True or False, got {orthogonal!r}")
        self.basis = basis
        self.target = target
        self.solver = solver
        default = {"fock": "sap", "density": "atoms"}[target]
        self.baseline = checked_baseline(default if baseline is None else baseline, target)
        self.orthogonal = orthogonal
        self.kappa_cost = checked_cost(kappa_cost)
        self.functional_: Functional | None = None
        self.domain_: TrainingDomain | None = None

    def __repr__(self) -> str:
        return (
            f"OperatorModel({self.basis!r}, {self.target!r}, {self.solver!r}, "
            f"baseline={self.baseline!r}, orthogonal={self.orthogonal!r})"
        )

    # -- fitting ---------------------------------------------------------------------------

    def fit(
        self,
        data: Dataset,
        *,
        workers: int | None = None,
        progress: Progress | None = None,
        source: str = "data",
    ) -> OperatorModel:
        r"""Fit to a data set.

        Parameters
        ----------
        data : Dataset
            Every structure with the operator; its AO basis becomes that of the model.
        workers : int, optional
            Threads for the features; default all cores.
        progress : callable, optional
            Called with (structures done, structures in all), over all kinds of pairs.
        source : str
            How messages call the data.

        Raises
        ------
        InputError
            For structures without the operator, mixed charge or spin, a basis with too small
            a ``lam_max``, fewer than two structures that differ (a copy, turned or not, is none).
        """
        require_dataset(data)
        fresh = copy(self)  # a fit that fails leaves this model as it was
        if needs_functional(self.baseline, self.target):
            fresh.functional_ = Functional.of(data.settings, source)
        with frame_numbers(data.numbers):
            fresh._fit(operator_set(data, self.target, source), data.ao, workers, progress)
        fresh.training_ |= {
            k: data.settings[k] for k in ("method", "xc", "ao") if data.settings.get(k) is not None
        }
        self.__dict__.update(fresh.__dict__)
        return self

    def _fit(
        self, data: OperatorSet, ao: AOBasis, workers: int | None, progress: Progress | None
    ) -> None:
        self.ao_, self.species_, self.state_ = ao.frozen(data.species), data.species, data.state
        self.spin_channels_, self.n_train_ = data.spin_channels, len(data.frames)
        self.training_: dict[str, Any] = {"source": data.source}
        self.parts_: dict[OperatorBlock, BlockPart]
        blocks = operator_blocks(self.ao_, self.species_)
        training = OperatorTraining(
            data=data,
            target=self.target,
            frame_of=self.frame,
            n_targets={b: len(ab) * data.spin_channels for b, ab in blocks.items()},
            solver=self.solver,
            kappa_cost=self.kappa_cost,
            workers=workers or available_cores(),
        )
        self.parts_ = training.fit(self.features(), progress)
        self._warn_of_blocks()
        self.domain_ = training_domain(data.frames, atom_counts(data.frames, data.species))

    def _warn_of_blocks(self) -> None:
        unreached = [str(b) for b, p in self.parts_.items() if not p.report["n_columns"]]
        if unreached:
            warnings.warn(
                f"{len(unreached)} blocks have no features ({', '.join(unreached[:4])}"
                f"{', ...' if len(unreached) > 4 else ''}) and are predicted as the baseline; a "
                "larger nu_pair or an AO basis with higher shells reaches them",
                stacklevel=4,
            )

    def _warn_of_unseen(self, frames: Sequence[Atoms]) -> None:
        """Say which atoms or pairs of these structures no coefficient was fitted to."""
        learned = {b.kind for b, p in self.parts_.items() if p.report.get("n_structures", 2) > 1}
        unseen: dict[str, None] = {}
        for block in self.parts_:
            s, t, on_site = block.kind
            if block.kind in learned:
                continue
            needed = Counter([s] if on_site else [s, t])
            if any(needed <= Counter(a.get_chemical_symbols()) for a in frames):
                unseen[s if on_site else f"{s}-{t}"] = None
        if unseen:
            warnings.warn(
                f"{', '.join(unseen)}: in fewer than two of the training structures; these blocks "
                "are predicted as the baseline",
                stacklevel=3,
            )

    # -- using -----------------------------------------------------------------------------

    @overload
    def predict(self, frames: Atoms, *, workers: int | None = None) -> np.ndarray: ...
    @overload
    def predict(
        self,
        frames: Sequence[Atoms],
        *,
        workers: int | None = None,
        progress: Progress | None = None,
        source: str = "frames",
    ) -> list[np.ndarray]: ...

    def predict(
        self,
        frames: Atoms | Sequence[Atoms],
        *,
        workers: int | None = None,
        progress: Progress | None = None,
        source: str = "frames",
    ) -> np.ndarray | list[np.ndarray]:
        r"""The operator of a structure, or of each of several.

        Returns
        -------
        (n_ao, n_ao) float64, or (2, n_ao, n_ao) of open shells
            PySCF's AO order; Hartree, but for densities. A list of these for a list.

        Raises
        ------
        InputError
            If the model is not fitted, and for structures of other species, charge or spin.
        GapError
            If the baseline fills orbitals (density matrices on "minao") that have no gap.

        Warns
        -----
        ExtrapolationWarning
            Of structures clearly outside the training data (`linvop.models.domain`).
        """
        self._require_fitted()
        single = hasattr(frames, "positions")
        several: Sequence[Atoms] = [frames] if single else frames  # type: ignore[assignment,list-item]
        several = check_frames(several, source=source, species=self.species_)
        require_state(several, self.state_, source)
        self._warn_of_unseen(several)
        warn_outside(self.domain_, several, atom_counts(several, self.species_), source)
        features = self.features()

        def one(k: int) -> np.ndarray:
            try:
                return self._predicted(features, several[k])
            except GapError as error:  # of a baseline that fills orbitals
                raise GapError(f"{source}: frame {k}: {error}") from error

        if single:
            return one(0)
        out = []
        with one_thread_each(workers or available_cores()) as pool:
            for matrix in pool.map(one, range(len(several))):
                out.append(matrix)
                if progress is not None:
                    progress(len(out), len(several))
        return out

    def _predicted(self, features: BlockFeatures, atoms: Atoms) -> np.ndarray:
        frame = self.frame(atoms)
        found = features.evaluate(System.from_atoms(atoms, features.ao))
        matrices = assembled(self.parts_, frame, found, self.spin_channels_)
        return matrices if self.spin_channels_ == 2 else matrices[0]

    def errors(
        self,
        data: Dataset,
        *,
        workers: int | None = None,
        source: str = "data",
        keep_elements: bool = False,
        energy: bool | int = False,
    ) -> tuple[MatrixErrors, dict[str, dict[str, Any]]]:
        r"""Errors of matrix elements, and of what follows from the matrix.

        Parameters
        ----------
        data : Dataset
        workers, source
            As for `fit`.
        keep_elements : bool
            Whether matrices and elements are kept one by one too, for pictures.
        energy : bool or int
            Whether energies and levels of F[P] are compared too (`linvop.models.energy_errors`),
            or of how many structures, evenly spread: two evaluations of the functional each.

        Returns
        -------
        MatrixErrors, {quantity: {mae, rmse, max, n, unit}}
            The latter as `linvop.models.derived_errors` says.

        Raises
        ------
        InputError
            As `predict`, and for structures without the operator or in another AO basis; with
            `energy` for data that do not say their functional.
        """
        self._require_fitted()
        require_dataset(data)
        with frame_numbers(data.numbers):
            return operator_errors(self, data, workers, source, keep_elements, energy)

    def score(
        self,
        data: Dataset,
        *,
        workers: int | None = None,
        source: str = "data",
        energy: bool | int = False,
    ) -> dict[str, dict[str, Any]]:
        r"""Errors of matrix elements on labelled structures.

        Returns
        -------
        {"all" or kind: {mae, rmse, max, rms, n}, quantity: {mae, rmse, max, n, unit}}
            Over all elements, over those on site (``"O"``) and between atoms (``"H-O"``),
            Hartree but for densities; of a basis with a cutoff also over those
            ``"beyond cutoff"``, which are left to the baseline, and their ``share`` of all
            squared errors (`linvop.models.operator_scores`). And errors of orbital energies,
            dipole and charges, and of the energy if `energy` (as for `errors`).

        Raises
        ------
        InputError
            As `errors`.
        """
        elements, derived = self.errors(data, workers=workers, source=source, energy=energy)
        return elements.summary() | derived

    def report(self) -> dict[str, Any]:
        """What the fit found: sizes and, for each block, the solver's report."""
        self._require_fitted()
        return {
            "basis": repr(self.basis),
            "target": self.target,
            "baseline": self.baseline,
            "ao": self.ao_.name,
            "species": list(self.species_),
            "n_train": self.n_train_,
            "n_coefficients": sum(p.coefficients.size for p in self.parts_.values()),
            "blocks": {str(block): part.report for block, part in self.parts_.items()},
        }

    def save(self, path: str | Path, *, force: bool = False) -> None:
        r"""Write the model to an HDF5 file (`linvop.load` reads it)."""
        from linvop.models.operator_storage import save_operator_model

        self._require_fitted()
        save_operator_model(self, path, force=force)

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

    @property
    def unit(self) -> str:
        """Of the operator's elements."""
        return "Hartree" if self.target == "fock" else ""

    @property
    def ao(self) -> AOBasis:
        """AO basis of the operator."""
        self._require_fitted()
        return self.ao_

    def require_ao(self, ao: AOBasis, source: str) -> None:
        r"""Refuse data in another AO basis.

        Raises
        ------
        InputError
        """
        for s in self.species_:
            if ao.shells(s) != self.ao_.shells(s):
                raise InputError(
                    f"{source}: its operators are in another AO basis than the model's; the "
                    f"shells of {s} differ: expected {_labels(self.ao_, s)}, got {_labels(ao, s)}"
                )

    def features(self) -> BlockFeatures:
        """What the coefficients belong to."""
        blocks: Mapping[OperatorBlock, np.ndarray] = operator_blocks(self.ao_, self.species_)
        return operator_features(self.basis, self.species_, blocks)

    def frame(self, atoms: Atoms) -> OperatorFrame:
        """How this structure's matrices become blocks."""
        system = System.from_atoms(atoms, self.ao_)
        settings = self.target, self.baseline, self.orthogonal, self.functional_, self.state_
        return OperatorFrame(system, *settings)

    def _require_fitted(self) -> None:
        if not hasattr(self, "parts_"):
            raise InputError("this model is not fitted: call fit(data) first")


def _labels(ao: AOBasis, species: str) -> str:
    shells = ao.shells(species)
    return (
        f"{', '.join(s.label for s in shells)} ({sum(len(s.exponents) for s in shells)} Gaussians)"
    )
