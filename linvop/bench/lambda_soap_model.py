r"""The peer's model: lambda-SOAP features in linvop's own blocks, baseline and solver.

.. math:: F_{ij}^{ab;\,\lambda\mu} = M^0 + c^{ab} \cdot B_{ij}(\lambda\mu, \sigma)

with B of `linvop.bench.lambda_soap` and all else as in `OperatorModel`; no prior tells the columns
apart.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from linvop.bench.lambda_soap import LambdaSoapFeatures
from linvop.bench.spectrum_turns import LambdaSoapSettings, Turns, spectrum_turns
from linvop.errors import InputError
from linvop.features.basis import Basis
from linvop.features.block_features import BlockFeatures
from linvop.features.design import Progress
from linvop.integrals import System
from linvop.models.operator import OperatorModel
from linvop.models.operator_data import OperatorSet
from linvop.orbitals.operator_blocks import operator_blocks
from linvop.orbitals.shells import AOBasis
from linvop.regression.ridge import Ridge

__all__ = ["LambdaSoapModel"]


class LambdaSoapModel(OperatorModel):
    r"""Linear model of a symmetric one-electron operator on featomic's densities.

    Parameters
    ----------
    settings : LambdaSoapSettings
    target : {"fock", "density"}
    solver, baseline, orthogonal
        As of `OperatorModel`.
    """

    def __init__(
        self,
        settings: LambdaSoapSettings,
        target: str = "fock",
        solver: Ridge | None = None,
        *,
        baseline: str | None = None,
        orthogonal: bool = False,
    ) -> None:
        # Of the basis nothing is used; a cost of 1 is no prior.
        super().__init__(
            Basis(ao="sto-3g"),
            target,
            solver,
            baseline=baseline,
            orthogonal=orthogonal,
            kappa_cost=1.0,
        )
        self.settings = settings

    def __repr__(self) -> str:
        return (
            f"LambdaSoapModel({self.settings!r}, {self.target!r}, {self.solver!r}, "
            f"baseline={self.baseline!r}, orthogonal={self.orthogonal!r})"
        )

    def _fit(
        self, data: OperatorSet, ao: AOBasis, workers: int | None, progress: Progress | None
    ) -> None:
        systems = [System.from_atoms(a, self.basis.ao_basis) for a in data.frames]
        self.turns_: Turns = spectrum_turns(systems, data.species, self.settings)
        super()._fit(data, ao, workers, progress)

    def features(self) -> BlockFeatures:
        """What the coefficients belong to."""
        blocks = tuple(operator_blocks(self.ao_, self.species_))
        return LambdaSoapFeatures(self.settings, self.species_, blocks, self.turns_)

    def report(self) -> dict[str, Any]:
        """As of `OperatorModel`, with the settings of the densities for the basis."""
        return super().report() | {"basis": repr(self.settings)}

    def save(self, path: str | Path, *, force: bool = False) -> None:
        r"""Refused: a peer is for comparison.

        Raises
        ------
        InputError
        """
        raise InputError(f"{path}: expected an OperatorModel, got one of lambda-SOAP; not saved")
