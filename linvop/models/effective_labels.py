r"""What an effective operator shall reproduce of one structure, and the derivatives of that.

Levels enter one by one where they lie apart. Levels whose labels are closer than `DEGENERATE` to
each other enter as a cluster K, by its mean and second moment,

.. math:: \bar\epsilon = \frac{1}{n}\sum_{p \in K} \epsilon_p, \qquad
          s = \frac{1}{2 \delta n} \sum_{p \in K} (\epsilon_p - \bar\epsilon)^2,

which are smooth where the levels cross; each counts as n values do. The dipole and the Lowdin
charges follow from the density. Values are in eV, e Angstrom and e.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from typing import NamedTuple

import numpy as np

from linvop.conventions import BOHR, HARTREE
from linvop.errors import InputError
from linvop.integrals import System, overlap
from linvop.io.records import Record
from linvop.observables.density import aufbau_density
from linvop.observables.lowdin import square_roots
from linvop.observables.moments import dipole_operators
from linvop.observables.orbitals import orbitals
from linvop.observables.populations import lowdin_charges
from linvop.observables.response import density_response, level_response
from linvop.orbitals.shells import AOBasis

__all__ = ["QUANTITIES", "LevelChoice", "Observed", "observed"]

QUANTITIES = ("orbital_energies", "dipole", "charges")

DEGENERATE = 1e-3 * HARTREE
"""eV: labels closer than this are one cluster."""


@dataclass(frozen=True)
class LevelChoice:
    r"""Which levels count, and how much.

    Attributes
    ----------
    window : float or None
        Levels further below the highest occupied one (eV) are left out; None takes all.
    n_virtual : int
        Empty levels, from the lowest.
    width : float or None
        eV; a level at a distance d outside the gap weighs ``1 / (1 + (d / width)^2)``. None: all
        weigh the same.
    """

    window: float | None = None
    n_virtual: int = 1
    width: float | None = None

    def clusters(self, energies: np.ndarray, n_occupied: int) -> list[tuple[int, int]]:
        """Ranges [first, last) of the levels that count; a cluster counts as a whole or not."""
        last = min(n_occupied + self.n_virtual, len(energies))
        homo = energies[n_occupied - 1]
        first = 0 if self.window is None else int(np.searchsorted(energies, homo - self.window))
        starts = [0, *(np.flatnonzero(np.diff(energies) > DEGENERATE) + 1).tolist(), len(energies)]
        return [(a, b) for a, b in pairwise(starts) if b > first and a < last]

    def weight(self, energies: np.ndarray, n_occupied: int, first: int) -> float:
        """Of the cluster that begins at a level."""
        if self.width is None:
            return 1.0
        homo, lumo = energies[n_occupied - 1], energies[min(n_occupied, len(energies) - 1)]
        distance = max(homo - energies[first], energies[first] - lumo, 0.0)
        return float(1.0 / (1.0 + (distance / self.width) ** 2))


class Values(NamedTuple):
    r"""Values of all observables of a structure, and their derivatives.

    Attributes
    ----------
    values : (k,) float64
    derivatives : (k, n_ao, n_ao) float64, symmetric
        ``d value = tr(D dF)``, F in Hartree.
    """

    values: np.ndarray
    derivatives: np.ndarray


@dataclass(frozen=True, eq=False)
class Observed:
    r"""Labels of one structure for an operator in a small basis.

    Attributes
    ----------
    system : System
        In the small basis.
    n_occupied : int
    clusters : list of (first, last)
        Of the levels that count.
    labels : (k,) float64
        Values, quantity by quantity.
    weights : (k,) float64
        Roots of the weights of their squared errors.
    quantities : (k,) int
        Which of `QUANTITIES` each belongs to.
    where : str
        What messages call the structure.
    """

    system: System
    n_occupied: int
    clusters: list[tuple[int, int]]
    labels: np.ndarray
    weights: np.ndarray
    quantities: np.ndarray
    where: str

    @cached_property
    def _roots(self) -> tuple[np.ndarray, np.ndarray]:
        return square_roots(overlap(self.system))

    @cached_property
    def _operators(self) -> np.ndarray:
        """Of the dipole and of the populations, as far as they count: value = tr(O P) + .."""
        wanted, n = np.unique(self.quantities), self.system.layout.n_ao
        found = [np.zeros((0, n, n))]
        if 1 in wanted:
            found.append(-dipole_operators(self.system) * BOHR)
        if 2 in wanted:
            found.append(-_populations(self.system, self._roots[0]))
        return np.concatenate(found)

    def values(self, F: np.ndarray) -> Values:
        r"""The same of a Fock matrix (n_ao, n_ao), Hartree, PySCF's order.

        Raises
        ------
        InputError
            If its gap vanishes.
        """
        levels = orbitals(F, self._roots[1], self.n_occupied, self.where)
        wanted = np.unique(self.quantities)
        values, D = [np.zeros(0)], [np.zeros((0, *F.shape))]
        if 0 in wanted:
            moments, weights = _moments(levels.energies * HARTREE, self.clusters)
            values.append(moments)
            D.append(level_response(levels, weights) * HARTREE)
        operators = self._operators
        if len(operators):
            P = 2 * aufbau_density(levels.coefficients, self.n_occupied)
            found = np.einsum("kab,ab->k", operators, P)
            if 2 in wanted:
                n = len(self.system.numbers)
                found[-n:] += self.system.numbers
            values.append(found)
            D.append(density_response(levels, operators))
        return Values(np.concatenate(values), np.concatenate(D))


def observed(
    record: Record,
    small: AOBasis,
    large: AOBasis | None,
    quantities: Sequence[str],
    choice: LevelChoice,
    where: str,
) -> Observed:
    r"""The labels of one record.

    Raises
    ------
    InputError
        For open shells, missing labels, and a small basis with too few orbitals.
    """
    atoms = record.atoms()
    system = System.from_atoms(atoms, small)
    n_occupied = _occupied(record, where)
    energies, clusters = np.zeros(0), list[tuple[int, int]]()
    if "orbital_energies" in quantities:  # nothing else asks for levels
        if record.orbital_energies is None:
            raise InputError(f"{where}: expected orbital_energies, got none")
        energies = np.asarray(record.orbital_energies)
        clusters = choice.clusters(energies, n_occupied)
    needed = max([n_occupied, *(b for _, b in clusters)])
    if needed > system.layout.n_ao:
        raise InputError(
            f"{where}: {needed} levels are asked for, {n_occupied} of them occupied, and "
            f"{small.name} has {system.layout.n_ao} orbitals here; take a larger ao or a smaller "
            "n_virtual"
        )
    labels, weights, kinds = [], [], []
    for name in quantities:
        values = _label(record, name, energies, clusters, large, where)
        own = np.ones(len(values))
        if name == "orbital_energies":
            own = _level_weights(clusters, energies, n_occupied, choice)
        labels.append(values)
        weights.append(own)
        kinds.append(np.full(len(values), QUANTITIES.index(name)))
    order = np.argsort(np.concatenate(kinds), kind="stable")
    joined: Mapping[str, np.ndarray] = {
        "labels": np.concatenate(labels)[order],
        "weights": np.concatenate(weights)[order],
        "quantities": np.concatenate(kinds)[order],
    }
    return Observed(system, n_occupied, clusters, where=where, **joined)


def _occupied(record: Record, where: str) -> int:
    """The number of occupied levels of a closed shell."""
    if record.spin_channels != 1 or record.multiplicity != 1:
        raise InputError(
            f"{where}: expected a closed shell, got multiplicity {record.multiplicity}"
        )
    return (sum(map(int, record.numbers)) - record.charge) // 2


def _label(
    record: Record,
    name: str,
    energies: np.ndarray,
    clusters: list[tuple[int, int]],
    large: AOBasis | None,
    where: str,
) -> np.ndarray:
    if name == "orbital_energies":
        return _moments(energies, clusters)[0]
    if name == "dipole":
        if record.dipole is None:
            raise InputError(f"{where}: expected a dipole, got none")
        return np.asarray(record.dipole, dtype=float)
    if record.density is None or large is None:
        raise InputError(f"{where}: expected a density, from which charges follow, got none")
    system = System.from_atoms(record.atoms(), large)
    return lowdin_charges(record.density, square_roots(overlap(system))[0], system.layout)


def _moments(
    energies: np.ndarray, clusters: list[tuple[int, int]]
) -> tuple[np.ndarray, np.ndarray]:
    """Means and second moments of clusters times sqrt(n), and their weights of the levels."""
    values, weights = [], []
    for first, last in clusters:
        n, own = last - first, energies[first:last]
        mean = own.mean()
        row = np.zeros(clusters[-1][1])
        row[first:last] = n**-0.5
        values.append(np.sqrt(n) * mean)
        weights.append(row)
        if n > 1:
            row = np.zeros(clusters[-1][1])
            row[first:last] = (own - mean) / (DEGENERATE * n**0.5)
            values.append(((own - mean) ** 2).sum() / (2 * DEGENERATE * n**0.5))
            weights.append(row)
    return np.array(values), np.array(weights)


def _level_weights(
    clusters: list[tuple[int, int]], energies: np.ndarray, n_occupied: int, choice: LevelChoice
) -> np.ndarray:
    """Roots of the weights of the values that `_moments` gives."""
    weights = []
    for first, last in clusters:
        own = np.sqrt(choice.weight(energies, n_occupied, first))
        weights += [own] * (1 if last - first == 1 else 2)
    return np.array(weights)


def _populations(system: System, root: np.ndarray) -> np.ndarray:
    """Operators O_A with ``tr(O_A P)`` the Lowdin population of each atom, (n_atoms, n, n)."""
    offsets = system.layout.atom_offsets
    parts = [root[:, a:b] @ root[a:b] for a, b in pairwise(offsets)]
    return np.stack(parts)
