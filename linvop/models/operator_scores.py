r"""Errors of matrix elements, by the atoms that they belong to."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from linvop.orbitals.shells import AOBasis, AOLayout

if TYPE_CHECKING:
    from ase import Atoms

__all__ = ["MatrixErrors"]


class MatrixErrors:
    r"""Collects errors of matrices; each element counts once, (i, j) and (j, i) both.

    Parameters
    ----------
    ao : AOBasis
    keep : bool
        Whether `elements` has them one by one.
    """

    def __init__(self, ao: AOBasis, *, keep: bool = False) -> None:
        self._ao, self._keep = ao, keep
        self._sums: dict[str, np.ndarray] = {}
        self._elements: dict[str, list[np.ndarray]] = {}

    def add(self, atoms: Atoms, true: np.ndarray, predicted: np.ndarray) -> None:
        r"""Add one structure; matrices (n_ao, n_ao) or (2, n_ao, n_ao) in any one AO order."""
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

    def _add(self, kind: str, true: np.ndarray, predicted: np.ndarray, chosen: np.ndarray) -> None:
        if not chosen.any():
            return
        y, error = true[..., chosen], (predicted - true)[..., chosen]
        size = np.abs(error)
        if self._keep and kind != "all":
            both = np.stack([y.ravel(), predicted[..., chosen].ravel()])
            self._elements.setdefault(kind, []).append(both)
        sums = self._sums.setdefault(kind, np.zeros(5))
        sums[:4] += size.sum(), (error**2).sum(), (y**2).sum(), y.size
        sums[4] = max(sums[4], size.max())

    def elements(self) -> dict[str, tuple[np.ndarray, np.ndarray]]:
        r"""Reference and predicted elements of each kind, both (n,); empty unless kept."""
        return {kind: tuple(np.concatenate(x, axis=1)) for kind, x in self._elements.items()}

    def summary(self) -> dict[str, dict[str, Any]]:
        r"""``{kind: {mae, rmse, max, rms of the labels, n}}``."""
        return {
            kind: {
                "mae": float(a / n),
                "rmse": float(np.sqrt(b / n)),
                "max": float(largest),
                "rms": float(np.sqrt(y / n)),
                "n": int(n),
            }
            for kind, (a, b, y, n, largest) in self._sums.items()
        }
