r"""How the blocks of a matrix fall off with the distance between their atoms.

.. math:: \| M_{ij} \|_F = \Big( \sum_{\mu \in i,\, \nu \in j} M_{\mu\nu}^2 \Big)^{1/2},
          \qquad \sum_{ij} \| M_{ij} \|_F^2 = \| M \|_F^2

between atomic orbitals, or between Lowdin orbitals (``S^-1/2 F S^-1/2``, ``S^1/2 P S^1/2``). Norms
do not change when the molecule turns or moves. AOs overlap: a block of F between AOs far apart is
small because S is, one of P is not, as P answers for S^-1. Between Lowdin orbitals both are matrix
elements of the operators themselves.
"""

from __future__ import annotations

import csv
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, fields
from io import StringIO
from typing import Any

import numpy as np

from linvop.conventions import BOHR
from linvop.integrals import System
from linvop.orbitals.shells import AOLayout

__all__ = ["BlockNorms", "block_norms", "norms_csv", "norms_of", "pair_names"]


@dataclass(frozen=True, eq=False)
class BlockNorms:
    r"""Norms of the blocks of one matrix over several structures.

    Attributes
    ----------
    matrix : str
        Such as ``"V"``, ``"F"``, ``"P"``.
    orbitals : {"ao", "lowdin"}
    unit : str
    structure : (n,) int
    atoms : (n, 2) int
        i <= j; each pair once.
    pair : (n,) str
        ``"O"`` on site, ``"H-O"`` between atoms, the lighter first.
    distance : (n,) float64, Angstrom
    norm : (n,) float64
    """

    matrix: str
    orbitals: str
    unit: str
    structure: np.ndarray
    atoms: np.ndarray
    pair: np.ndarray
    distance: np.ndarray
    norm: np.ndarray

    @classmethod
    def joined(cls, parts: Sequence[BlockNorms]) -> BlockNorms:
        r"""Of one matrix, several structures one after another."""
        arrays = {
            f.name: np.concatenate([getattr(p, f.name) for p in parts]) for f in fields(cls)[3:]
        }
        return cls(parts[0].matrix, parts[0].orbitals, parts[0].unit, **arrays)

    def binned(self, width: float = 0.25) -> list[dict[str, Any]]:
        r"""Root mean square and largest norm by pair and distance.

        Parameters
        ----------
        width : float, Angstrom
            Of the bins; distances are means within them.

        Returns
        -------
        list of {matrix, orbitals, unit, pair, distance, rms, max, n}
        """
        rows = []
        for name in sorted(set(self.pair.tolist()), key=lambda x: ("-" in x, x)):
            own = self.pair == name
            bins = np.floor(self.distance / width)
            for b in np.unique(bins[own]):
                here = own & (bins == b)
                rows.append(
                    {
                        "matrix": self.matrix,
                        "orbitals": self.orbitals,
                        "unit": self.unit,
                        "pair": str(name),
                        "distance": float(self.distance[here].mean()),
                        "rms": float(np.sqrt((self.norm[here] ** 2).mean())),
                        "max": float(self.norm[here].max()),
                        "n": int(here.sum()),
                    }
                )
        return rows


def block_norms(matrix: np.ndarray, layout: AOLayout) -> np.ndarray:
    r"""Norms of all blocks, (n_atoms, n_atoms), of a matrix (n_ao, n_ao)."""
    starts = layout.atom_offsets[:-1]
    by_row = np.add.reduceat(np.square(matrix), starts, axis=0)
    return np.sqrt(np.add.reduceat(by_row, starts, axis=1))


def norms_of(
    matrix: np.ndarray,
    system: System,
    *,
    name: str,
    orbitals: str,
    unit: str,
    structure: int = 0,
) -> BlockNorms:
    r"""Norms of the blocks of one structure's symmetric matrix, each pair of atoms once.

    Parameters
    ----------
    matrix : (n_ao, n_ao) float64, PySCF's AO order
    system : System
    name, orbitals, unit : str
        What `BlockNorms` says of it.
    structure : int
    """
    i, j = np.triu_indices(system.layout.n_atoms)
    distance = np.linalg.norm(system.positions[i] - system.positions[j], axis=1) * BOHR
    norm = block_norms(matrix, system.layout)[i, j]
    atoms = np.column_stack([i, j])
    numbers = np.full(len(i), structure)
    pair = np.array(pair_names(system.layout, atoms))
    return BlockNorms(name, orbitals, unit, numbers, atoms, pair, distance, norm)


def pair_names(layout: AOLayout, atoms: np.ndarray) -> list[str]:
    r"""``"O"`` or ``"H-O"`` of each pair (n, 2), the lighter species first."""
    names = []
    for i, j in atoms:
        first, second = sorted((int(i), int(j)), key=lambda k: layout.numbers[k])
        one, two = layout.symbols[first], layout.symbols[second]
        names.append(one if i == j else f"{one}-{two}")
    return names


def norms_csv(norms: Iterable[BlockNorms]) -> str:
    r"""One line a block: structure, atoms, pair, distance (Angstrom), norm, unit."""
    text = StringIO()
    write = csv.writer(text, lineterminator="\n")
    write.writerow(
        ["matrix", "orbitals", "structure", "i", "j", "pair", "distance_angstrom", "norm", "unit"]
    )
    for one in norms:
        for k in range(len(one.norm)):
            write.writerow(
                [
                    one.matrix,
                    one.orbitals,
                    int(one.structure[k]),
                    *one.atoms[k].tolist(),
                    one.pair[k],
                    f"{one.distance[k]:.6f}",
                    f"{one.norm[k]:.8e}",
                    one.unit,
                ]
            )
    return text.getvalue()
