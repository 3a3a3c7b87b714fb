r"""Where a model was trained: which compositions, and which surroundings of atoms.

Constants of species are determined on the compositions that are linear combinations of those
trained on: with ``Q`` an orthonormal basis of the row space of the atom counts, those ``c`` with

    c = c Q^T Q

(of waters alone: H2O, 2 H2O, .. but neither H2 nor O). Beyond them the fit took the smallest
constants, which say nothing.

Features extrapolate where an atom's surroundings are unlike all of the training data. What a
compact shell sees of them is the potential of the other nuclei, and so three kinds of numbers
are looked at, for each atom i:

    1 / r_i        of the nearest neighbour
    U_i            sum_K Z_K / r_iK, which is V[ii], kappa = 1, of a tight s shell
    U_iB           sum_{K in B} 1 / r_iK, the same of one species B of nuclei

For each species of i their range [a, b] is kept. A value x is outside if

    x < a - m w  or  x > b + m w,     w = max(b - a, 0.05 b, 0.05 / Angstrom),  m = 1 + 20 / n

with n the number of training structures that have the species (for U_iB both); or, as in 1 / r a
bond of twice the length is not far, if its nearest neighbour is beyond r_max (r_max / r_min)^m.
The margin is wide, so that structures drawn as the training data were do not raise it: none of
random test splits of water (20 or more for training), rMD17 ethanol (50) and QM7 (300) does. It
does not find all extrapolation.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy.linalg import svd
from scipy.spatial.distance import cdist

if TYPE_CHECKING:
    from ase import Atoms

__all__ = [
    "ExtrapolationWarning",
    "TrainingDomain",
    "outside_lines",
    "training_domain",
    "warn_outside",
]

_LISTED = 4
"""So many formulas are kept for messages."""

_RELATIVE = 0.05
_ABSOLUTE = 0.05
"""Least width of a range: relative to its upper end, and 1 / Angstrom."""

_SMALL_SAMPLE = 20.0


class ExtrapolationWarning(UserWarning):
    """Structures are unlike those that a model was trained on."""


@dataclass(frozen=True)
class TrainingDomain:
    r"""Compositions and surroundings of training structures, as plain values.

    Attributes
    ----------
    formulas : list of str
        Of the first few compositions; `n_formulas` are there.
    n_formulas : int
    row_space : (rank, n_species) nested list
        Q above.
    numbers : list of int, n_species
        Atomic numbers, in the order of the model's species.
    n_structures : list of int, n_species
        Structures that have the species.
    lowest, highest : (n_species, 2 + n_species) nested list
        Ranges of 1 / r_i, U_i and U_iB of each species, 1 / Angstrom.
    """

    formulas: list[str]
    n_formulas: int
    row_space: list[list[float]]
    numbers: list[int]
    n_structures: list[int]
    lowest: list[list[float]]
    highest: list[list[float]]

    def stored(self) -> dict[str, Any]:
        """JSON-safe; ``TrainingDomain(**stored)`` is the inverse."""
        return asdict(self)

    def determined(self, counts: np.ndarray) -> np.ndarray:
        r"""Whether compositions (n, n_species) are combinations of those trained on, (n,)."""
        Q = np.asarray(self.row_space, dtype=float).reshape(-1, len(self.numbers))
        beyond = np.linalg.norm(counts - counts @ Q.T @ Q, axis=1)
        return beyond <= 1e-8 * np.linalg.norm(counts, axis=1)

    def outside(self, atoms: Atoms) -> str | None:
        r"""What of a structure is clearly outside the training data; None if nothing is."""
        values = _surroundings(atoms, self.numbers)
        found = []
        for s, z in enumerate(self.numbers):
            low, high = self._bounds(s)
            for i in np.flatnonzero(atoms.numbers == z).tolist():
                bad = (values[i] < low) | (values[i] > high)
                found += [(k, i, s) for k in np.flatnonzero(bad).tolist()]
        if not found:
            return None
        k, i, s = min(found)
        return self._said(k, i, s, float(values[i, k]))

    def _bounds(self, s: int) -> tuple[np.ndarray, np.ndarray]:
        """The widened ranges of species s, (2 + n_species,) each."""
        a, b = np.asarray(self.lowest[s]), np.asarray(self.highest[s])
        n = np.minimum(self.n_structures[s], [self.n_structures[s]] * 2 + self.n_structures)
        m = 1 + _SMALL_SAMPLE / n
        least = np.maximum(_RELATIVE * b, _ABSOLUTE)
        width = m * np.maximum(b - a, least)
        low, high = a - width, b + width
        if a[0] > 0:
            low[0] = max(low[0], min(a[0] * (a[0] / b[0]) ** m[0], a[0] - m[0] * least[0]))
        return low, high

    def _said(self, k: int, i: int, s: int, value: float) -> str:
        """The k-th number of atom i, of species s, in words."""
        from ase.data import chemical_symbols

        low, high = self.lowest[s][k], self.highest[s][k]
        who = f"{chemical_symbols[self.numbers[s]]} atom {i}"
        if k == 0:
            at = f"its nearest neighbour at {1 / value:.3g}" if value else "no neighbour"
            with np.errstate(divide="ignore"):
                near, far = 1 / np.array([high, low])
            return f"{who} has {at}, trained on {near:.3g} to {far:.3g} Angstrom"
        if k == 1:
            what = "a potential of the other nuclei of"
        else:
            what = f"a sum of 1/r over {chemical_symbols[self.numbers[k - 2]]} of"
        return f"{who} has {what} {value:.3g}, trained on {low:.3g} to {high:.3g} 1/Angstrom"


def training_domain(frames: Sequence[Atoms], counts: np.ndarray) -> TrainingDomain:
    r"""The domain of training structures.

    Parameters
    ----------
    frames : sequence of ase.Atoms
    counts : (n_frames, n_species) float64
        Atoms of each species, by atomic number (`linvop.models.training.atom_counts`).
    """
    numbers = sorted({int(z) for atoms in frames for z in atoms.numbers})
    distinct, first = np.unique(counts, axis=0, return_index=True)
    _, s, vh = svd(distinct, full_matrices=False)
    low = np.full((len(numbers), 2 + len(numbers)), np.inf)
    high = np.full_like(low, -np.inf)
    for atoms in frames:
        values = _surroundings(atoms, numbers)
        for k, z in enumerate(numbers):
            own = values[atoms.numbers == z]
            if len(own):
                low[k] = np.minimum(low[k], own.min(axis=0))
                high[k] = np.maximum(high[k], own.max(axis=0))
    return TrainingDomain(
        [frames[k].get_chemical_formula() for k in np.sort(first)[:_LISTED]],
        len(first),
        vh[s > 1e-10 * s[0]].tolist(),
        numbers,
        np.count_nonzero(counts, axis=0).tolist(),
        low.tolist(),
        high.tolist(),
    )


def warn_outside(
    domain: TrainingDomain | None,
    frames: Sequence[Atoms],
    counts: np.ndarray,
    source: str,
    constants: Iterable[str] = (),
) -> None:
    r"""Warn of what `outside_lines` says; parameters are its own."""
    for line in outside_lines(domain, frames, counts, source, constants).values():
        warnings.warn(line, ExtrapolationWarning, stacklevel=3)


def outside_lines(
    domain: TrainingDomain | None,
    frames: Sequence[Atoms],
    counts: np.ndarray,
    source: str,
    constants: Iterable[str] = (),
) -> dict[str, str]:
    r"""What to say of structures that the training data do not determine, and of those unlike them.

    A line under "composition" and one under "surroundings", which name the first such frame.

    Parameters
    ----------
    domain : TrainingDomain or None
        None, of files of earlier versions, says nothing.
    frames : sequence of ase.Atoms
    counts : (n_frames, n_species) float64
    source : str
        How messages call the frames.
    constants : iterable of str
        The targets with fitted constants of species.
    """
    if domain is None:
        return {}
    names = " and ".join(constants)
    known = domain.determined(counts) if names else np.ones(len(frames), dtype=bool)
    lines, lost = {}, np.flatnonzero(~known)
    if lost.size:
        k, more = int(lost[0]), domain.n_formulas - len(domain.formulas)
        trained = ", ".join(domain.formulas) + (f" and {more} more" if more else "")
        lines["composition"] = (
            f"{source}: frame {k}: composition {frames[k].get_chemical_formula()} is no "
            f"combination of those trained on ({trained}): its {names} is undetermined"
            + _as_many(lost, len(frames))
        )
    far = {k: said for k, atoms in enumerate(frames) if (said := domain.outside(atoms))}
    if far:
        k = min(far)
        lines["surroundings"] = f"{source}: frame {k}: {far[k]}: the model extrapolates" + _as_many(
            list(far), len(frames)
        )
    return lines


def _as_many(which: Sequence[int] | np.ndarray, n: int) -> str:
    return f" ({len(which)} of {n} structures)" if n > 1 else ""


def _surroundings(atoms: Atoms, numbers: Sequence[int]) -> np.ndarray:
    """1 / r_i, U_i and U_iB of all atoms, (n_atoms, 2 + n_species), 1 / Angstrom."""
    r = cdist(atoms.positions, atoms.positions)
    np.fill_diagonal(r, np.inf)
    inverse = 1 / r
    of_species = atoms.numbers[:, None] == np.asarray(numbers)
    return np.column_stack(
        [inverse.max(axis=1), inverse @ atoms.numbers, inverse @ of_species.astype(float)]
    )
