r"""Errors of matrix elements, by the atoms that they belong to.

Of a model with a cutoff, also the part that no coefficient can mend: pairs (i, j) beyond the
cutoff are predicted as the baseline M0, so that there

.. math:: e_{ij} = (T M T)_{ij} - (T M_0 T)_{ij},

with T = 1, or S^-1/2 or S^1/2 where the model learns between Lowdin orbitals
(`linvop.models.operator_data.OperatorFrame`). Its share is
``sum_beyond e^2 / sum_all e^2``: 1 where all else is exact.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from linvop.orbitals.shells import AOBasis, AOLayout

if TYPE_CHECKING:
    from ase import Atoms

__all__ = ["BEYOND", "MatrixErrors"]

BEYOND = "beyond cutoff"
"""Name of the elements between atoms that a model leaves to its baseline."""


class MatrixErrors:
    r"""Collects errors of matrices; each element counts once, (i, j) and (j, i) both.

    Parameters
    ----------
    ao : AOBasis
    keep : bool
        Whether `elements` and `structures` have them one by one.

    Attributes
    ----------
    structures : list of (Atoms, (..., n_ao, n_ao), (..., n_ao, n_ao))
        Each with its reference and predicted matrices; empty unless kept.
    """

    def __init__(self, ao: AOBasis, *, keep: bool = False) -> None:
        self._ao, self._keep = ao, keep
        self._sums: dict[str, np.ndarray] = {}
        self._elements: dict[str, list[np.ndarray]] = {}
        self._all_squares = 0.0
        self.structures: list[tuple[Atoms, np.ndarray, np.ndarray]] = []

    def add(self, atoms: Atoms, true: np.ndarray, predicted: np.ndarray) -> None:
        r"""Add one structure; matrices (n_ao, n_ao) or (2, n_ao, n_ao) in any one AO order."""
        if self._keep:
            self.structures.append((atoms, true, predicted))
        layout = AOLayout(tuple(int(z) for z in atoms.numbers), self._ao)
        atom_of = np.repeat(np.arange(layout.n_atoms), np.diff(layout.atom_offsets))
        species = sorted(set(layout.symbols), key=lambda s: atoms.numbers[layout.symbols.index(s)])
        of_atom = np.array([species.index(s) for s in layout.symbols])
        first, second = np.meshgrid(atom_of, atom_of, indexing="ij")
        low, high = np.sort([of_atom[first], of_atom[second]], axis=0)
        here = first == second
        self._add("all", true, predicted, np.full(here.shape, True))
        for k, s in enumerate(species):
            self._add(s, true, predicted, here & (low == k))
            for m, t in enumerate(species[k:], start=k):
                self._add(f"{s}-{t}", true, predicted, ~here & (low == k) & (high == m))

    def add_beyond(self, true: np.ndarray, predicted: np.ndarray, beyond: np.ndarray) -> None:
        r"""Add the elements of one structure that lie beyond a model's cutoff.

        Parameters
        ----------
        true, predicted : (..., n_ao, n_ao)
            Between the orbitals in which the model learns.
        beyond : (n_ao, n_ao) bool
        """
        self._all_squares += float(((predicted - true) ** 2).sum())
        self._sums.setdefault(BEYOND, np.zeros(5))
        self._add(BEYOND, true, predicted, beyond)

    def _add(self, kind: str, true: np.ndarray, predicted: np.ndarray, chosen: np.ndarray) -> None:
        if not chosen.any():
            return
        y, error = true[..., chosen], (predicted - true)[..., chosen]
        size = np.abs(error)
        if self._keep and kind not in ("all", BEYOND):
            both = np.stack([y.ravel(), predicted[..., chosen].ravel()])
            self._elements.setdefault(kind, []).append(both)
        sums = self._sums.setdefault(kind, np.zeros(5))
        sums[:4] += size.sum(), (error**2).sum(), (y**2).sum(), y.size
        sums[4] = max(sums[4], size.max())

    def elements(self) -> dict[str, tuple[np.ndarray, np.ndarray]]:
        r"""Reference and predicted elements of each kind, both (n,); empty unless kept."""
        return {kind: tuple(np.concatenate(x, axis=1)) for kind, x in self._elements.items()}

    def summary(self) -> dict[str, dict[str, Any]]:
        r"""``{kind: {mae, rmse, max, rms of the labels, n}}``.

        Of a model with a cutoff also those `BEYOND` it, between the orbitals in which it learns,
        with their ``share`` of all squared errors; zeros where no pair is that far apart.
        """
        found: dict[str, dict[str, Any]] = {}
        for kind, (a, b, y, n, largest) in self._sums.items():
            count = max(n, 1)
            found[kind] = {
                "mae": float(a / count),
                "rmse": float(np.sqrt(b / count)),
                "max": float(largest),
                "rms": float(np.sqrt(y / count)),
                "n": int(n),
            }
        if BEYOND in found:
            whole = self._all_squares
            found[BEYOND]["share"] = float(self._sums[BEYOND][1] / whole) if whole else 0.0
        return found
