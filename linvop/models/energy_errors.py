r"""Errors of the energy, by the functional that made the labels.

.. math:: \Delta E = E[P] - E[P_0]

P is the density of the predicted operator, P_0 that of the label's own, both by the same formulas
(`linvop.observables.analysis.analyse`), and E the functional of the data set evaluated once on
either, on one grid. The label's stored energy takes no part: where it differs from E[P_0], as from
another version of PySCF or a looser SCF, it is not the model that is wrong. Around the minimum
the error is of second order in P - P_0, and not negative.
"""

from __future__ import annotations

import numpy as np

from linvop.conventions import HARTREE
from linvop.errors import InputError
from linvop.integrals import System
from linvop.io.records import Record
from linvop.models.functional import Functional
from linvop.observables.energy import energies
from linvop.orbitals.shells import AOBasis

__all__ = ["EnergyFunctional", "chosen_structures"]


class EnergyFunctional(Functional):
    r"""The functional of a data set, and errors of its energies."""

    def errors(self, record: Record, ao: AOBasis, ours: np.ndarray, true: np.ndarray) -> np.ndarray:
        r"""``E[ours] - E[true]`` of two densities in PySCF's AO order, (1,), eV."""
        system = System.from_atoms(record.atoms(), ao)
        state = (record.charge, record.multiplicity)
        found, label = energies(system, [ours, true], self.xc, state, self.grid_level)
        return np.array([found - label]) * HARTREE


def chosen_structures(energy: bool | int, n: int) -> frozenset[int]:
    r"""Which of n structures get an energy: all (True), none, or so many, evenly spread.

    Raises
    ------
    InputError
        For a negative number.

    Examples
    --------
    >>> sorted(chosen_structures(3, 9)), sorted(chosen_structures(False, 9))
    ([0, 4, 8], [])
    """
    if isinstance(energy, bool):
        return frozenset(range(n) if energy else ())
    if not isinstance(energy, int | np.integer) or energy < 0:
        raise InputError(f"energy: expected True, False or a number of structures, got {energy!r}")
    return frozenset(np.linspace(0, n - 1, min(int(energy), n)).round().astype(int).tolist())
