r"""Errors of the energy and of F[P], by the functional that made the labels.

.. math:: \Delta E = E[P] - E[P_0], \qquad
          \Delta\epsilon = \epsilon(F[P]) - \epsilon(F[P_0])

P is the density of the predicted operator, P_0 that of the label's own, both by the same formulas
(`linvop.observables.analysis.analyse`), and E the functional of the data set evaluated once on
either, on one grid. The label's stored energy takes no part: where it differs from E[P_0], as from
another version of PySCF or a looser SCF, it is not the model that is wrong. Around the minimum
the error is of second order in P - P_0, and not negative. F[P] comes with E[P]; its levels, with an
error of first order, are those that targets of either kind have, Fock and density matrices.
"""

from __future__ import annotations

import numpy as np
from scipy.linalg import eigh

from linvop.conventions import HARTREE
from linvop.errors import InputError
from linvop.integrals import System, overlap
from linvop.io.records import Record
from linvop.models.functional import Functional
from linvop.observables.energy import evaluated_each
from linvop.observables.result import Observables
from linvop.orbitals.shells import AOBasis

__all__ = ["EnergyFunctional", "chosen_structures"]


class EnergyFunctional(Functional):
    r"""The functional of a data set, and errors of its energies."""

    def errors(
        self, record: Record, ao: AOBasis, ours: Observables, true: Observables
    ) -> dict[str, np.ndarray]:
        r"""Of ``energy``, and of ``occupied levels of F[P]`` and ``LUMO of F[P]``; eV.

        Parameters
        ----------
        record : Record
        ao : AOBasis
            Of the densities.
        ours, true : Observables
            Of the prediction and of the label: their densities, PySCF's AO order.
        """
        system = System.from_atoms(record.atoms(), ao)
        state = (record.charge, record.multiplicity)
        found = evaluated_each(
            system, [ours.density, true.density], self.xc, state, self.grid_level
        )
        (energy, fock), (label, true_fock) = found
        S = overlap(system)
        off = _levels(fock, S) - _levels(true_fock, S)
        n = _occupied(true.density, S)
        return {
            "energy": np.array([energy - label]) * HARTREE,
            "occupied levels of F[P]": off[np.arange(off.shape[-1]) < n] * HARTREE,
            "LUMO of F[P]": off[np.arange(off.shape[-1]) == n] * HARTREE,
        }


def _levels(fock: np.ndarray, S: np.ndarray) -> np.ndarray:
    """Orbital energies of each spin channel, (n_channels, n_ao), Hartree."""
    channels = fock.reshape(-1, *S.shape)
    return np.array([eigh(F, S, eigvals_only=True) for F in channels])


def _occupied(density: np.ndarray, S: np.ndarray) -> np.ndarray:
    """Occupied orbitals of each spin channel, (n_channels, 1)."""
    full = 1 if density.ndim == 3 else 2
    electrons = np.einsum("cij,ij->c", density.reshape(-1, *S.shape), S)
    return np.rint(electrons / full).astype(int)[:, None]


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
