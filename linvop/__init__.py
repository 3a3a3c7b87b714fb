r"""linvop: linear models of molecules from the external potential.

The map, in the order in which data flows:

========================  =========================================================================
`read`, `Dataset`         structures with labels, from extended XYZ, ASE formats or HDF5
`label`                   PySCF reference calculations into a data set
`AOBasis`, `Shell`        the atomic orbitals in which V is written
`Basis`                   which contractions of V are features; names, counts, evaluates them
`Target`                  what is learned, beyond ``"energy"``, ``"dipole"``, ``"polarizability"``
`Ridge`                   the solver, with exact leave-one-structure-out
`PropertyModel`           energies, dipoles and tensors: fit, predict, score, save
`OperatorModel`           Fock and density matrices, the same
`EffectiveOperatorModel`  a small Fock matrix that gives a larger calculation's observables
`analyse`                 orbital energies, dipole, charges, energy .. of a Fock or density matrix
`density_of_states`       levels, broadened
`initial_guess`           a predicted operator as PySCF's starting guess
`compare_guesses`         SCF iterations from it and from PySCF's own
`Calculator`              a property model in ASE: energy, forces, dipole
`load`                    a saved model
`data`                    the shipped water data set
`InputError`              what is raised when the input is at fault
`ExtrapolationWarning`    what is warned of outside the training data
========================  =========================================================================

Names are imported when they are first used, so that ``import linvop`` costs nothing.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from linvop import data
    from linvop.calculator import Calculator
    from linvop.errors import InputError
    from linvop.features.basis import Basis
    from linvop.io.dataset import Dataset
    from linvop.io.structures import read
    from linvop.labelling import label
    from linvop.models.domain import ExtrapolationWarning
    from linvop.models.effective import EffectiveOperatorModel
    from linvop.models.loading import load
    from linvop.models.operator import OperatorModel
    from linvop.models.property import PropertyModel
    from linvop.models.targets import Target
    from linvop.observables.analysis import analyse
    from linvop.observables.spectrum import density_of_states
    from linvop.orbitals.shells import AOBasis, Shell
    from linvop.regression.ridge import Ridge
    from linvop.scf import compare_guesses, initial_guess

__all__ = [
    "AOBasis",
    "Basis",
    "Calculator",
    "Dataset",
    "EffectiveOperatorModel",
    "ExtrapolationWarning",
    "InputError",
    "OperatorModel",
    "PropertyModel",
    "Ridge",
    "Shell",
    "Target",
    "__version__",
    "analyse",
    "compare_guesses",
    "data",
    "density_of_states",
    "initial_guess",
    "label",
    "load",
    "read",
]

__version__ = "0.1.0"

_HOMES = {
    "AOBasis": "linvop.orbitals.shells",
    "Basis": "linvop.features.basis",
    "Calculator": "linvop.calculator",
    "Dataset": "linvop.io.dataset",
    "ExtrapolationWarning": "linvop.models.domain",
    "InputError": "linvop.errors",
    "EffectiveOperatorModel": "linvop.models.effective",
    "OperatorModel": "linvop.models.operator",
    "PropertyModel": "linvop.models.property",
    "Ridge": "linvop.regression.ridge",
    "Shell": "linvop.orbitals.shells",
    "Target": "linvop.models.targets",
    "analyse": "linvop.observables.analysis",
    "compare_guesses": "linvop.scf",
    "density_of_states": "linvop.observables.spectrum",
    "initial_guess": "linvop.scf",
    "label": "linvop.labelling",
    "load": "linvop.models.loading",
    "read": "linvop.io.structures",
}


def __getattr__(name: str) -> Any:
    if name == "data":
        return import_module("linvop.data")
    if name not in _HOMES:
        raise AttributeError(f"module 'linvop' has no attribute {name!r}")
    value = getattr(import_module(_HOMES[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(__all__)
