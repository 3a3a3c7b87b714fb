r"""`Calculator`: a property model as an ASE calculator, with analytic forces.

.. math:: F_A = -dE/dR_A \quad \text{by the adjoint (`linvop.features.adjoint`)}

The model is only read: several calculators, in several threads, may share one. A calculator holds
the results of one structure, as ASE's do: each thread needs its own.
"""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ase.calculators.calculator import Calculator as AseCalculator
from ase.calculators.calculator import PropertyNotImplementedError, all_changes

from linvop.errors import InputError
from linvop.io.frames import state_of
from linvop.models.domain import ExtrapolationWarning
from linvop.models.loading import load
from linvop.models.property import PropertyModel

if TYPE_CHECKING:
    from ase import Atoms

__all__ = ["Calculator"]


class Calculator(AseCalculator):
    r"""Energy, forces and dipole of a fitted `PropertyModel`, in ASE's units.

    Of a model fitted with covariances also ``energy_std``, ``forces_std`` and ``dipole_std``, by
    ``get_property``: standard deviations of a label from the prediction (of forces from the
    exact one, if none were fitted), at some 3 n_atoms times the cost of the energy for forces.

    Parameters
    ----------
    model : PropertyModel, or the path of one
        With an energy, a dipole or both among its targets.
    label, directory
        ASE's; nothing is written there.

    Raises
    ------
    InputError
        If the model is of another kind, not fitted, or has neither.

    Warns
    -----
    ExtrapolationWarning
        When structures leave the training data, and again only after they have come back.

    Examples
    --------
    >>> atoms.calc = linvop.Calculator("water.h5")  # doctest: +SKIP
    >>> atoms.get_potential_energy(), atoms.get_forces()  # doctest: +SKIP
    """

    implemented_properties = ["energy", "free_energy", "forces", "dipole"]  # noqa: RUF012 as ASE's

    def __init__(
        self,
        model: PropertyModel | str | Path,
        *,
        label: str | None = None,
        directory: str | Path = ".",
    ) -> None:
        super().__init__(label=label, directory=directory)
        found = load(model) if isinstance(model, str | Path) else model
        if not isinstance(found, PropertyModel):
            raise InputError(f"model: expected a linvop.PropertyModel, got {type(found).__name__}")
        found.report()  # refuses a model that is not fitted
        known = {t.name for t in found.targets} & {"energy", "dipole"}
        if not known:
            names = ", ".join(t.name for t in found.targets)
            raise InputError(
                f"model: expected an energy or a dipole among its targets, got {names}"
            )
        self.model = found
        self._outside: set[str] = set()
        self._state: tuple[int, int] | None = None
        of_energy = ["energy", "free_energy", "forces"] if "energy" in known else []
        self.implemented_properties = of_energy + sorted(known - {"energy"})
        if found.has_std:
            self.implemented_properties += [
                f"{name}_std"
                for name in ("energy", "forces", "dipole")
                if name in self.implemented_properties
            ]

    def get_property(
        self, name: str, atoms: Atoms | None = None, allow_calculation: bool = True
    ) -> Any:
        """As ASE's; what there is none of is refused with the reason."""
        if name == "stress":
            raise PropertyNotImplementedError(
                "stress: linvop models are of molecules, which have no cell"
            )
        if name not in self.implemented_properties:
            has = ", ".join(self.implemented_properties)
            raise PropertyNotImplementedError(f"{name}: this model gives {has}")
        return super().get_property(name, atoms, allow_calculation)

    def check_state(self, atoms: Atoms, tol: float = 1e-15) -> list[str]:
        """As ASE's; a change of the charge or multiplicity that `info` states is one too."""
        changes = super().check_state(atoms, tol)
        if self.results and state_of(atoms, None, None) != self._state:
            changes.append("info")
        return changes

    def calculate(
        self,
        atoms: Atoms | None = None,
        properties: Sequence[str] = ("energy",),
        system_changes: Sequence[str] = tuple(all_changes),
    ) -> None:
        r"""Fill `results` with the energy or dipole, and the forces if they are asked for.

        Raises
        ------
        InputError
            For periodic structures, other species, charges or spins than the model's.
        """
        super().calculate(atoms, properties, system_changes)
        here: Atoms = self.atoms  # type: ignore[assignment]  # set by ASE just now
        if system_changes:
            self.results = {}
        outside: dict[str, str] = {}
        predicted = self.model.evaluate(
            here,
            derivatives=["energy"] if {"forces", "forces_std"} & set(properties) else [],
            std=any(name.endswith("_std") for name in properties),
            report=outside.__setitem__,
        )
        if "energy" in predicted:
            self.results["energy"] = self.results["free_energy"] = predicted["energy"]
        if "energy_derivatives" in predicted:
            self.results["forces"] = -predicted["energy_derivatives"]
        for name in ("dipole", "energy_std", "forces_std", "dipole_std"):
            if name in predicted:
                self.results[name] = predicted[name]
        self._state = state_of(here, None, None)
        for kind in outside.keys() - self._outside:  # once, not at every step
            warnings.warn(outside[kind], ExtrapolationWarning, stacklevel=3)
        self._outside = set(outside)
