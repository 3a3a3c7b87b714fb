r"""Which blocks of V differ between the members of a degenerate pair of CH4.

Of the block of two atoms two invariants are taken, summed over the pairs (i, j) of its kind,

.. math:: \sum_{ij} \mathrm{tr}\, V_{ij} S_{ji} \qquad\text{and}\qquad
          \sum_{ij} \mathrm{tr}\, V_{ij} V_{ji}\,,

linear and quadratic in V (S is the overlap, a function of r_ij alone); on carbon also the cube.
V_ij is a sum over nuclei K, so the linear one couples the atoms i, j, K, and the quadratic one
i, j, K, K'. Whether the members share it is read off the triangles: those with carbon in them are
shared, those of three hydrogens are not, nor is anything of four atoms.
"""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np

from linvop.integrals import System, overlap, point_charge_potential, potential
from linvop.observables.lowdin import square_roots
from linvop.orbitals.shells import AOBasis

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ase import Atoms

__all__ = ["BLOCKS", "block_rows"]

BLOCKS: dict[str, bool] = {
    "C–C, tr V": True,
    "C–C, tr V²": True,
    "C–C, tr V³": False,
    "C–H, tr V S": True,
    "C–H, tr V V": False,
    "H–H, tr V": True,
    "H–H, tr V²": False,
    "H–H′, tr V S": False,
    "  of it, nucleus C": True,
    "  of it, nuclei H": False,
    "H–H′, tr V V": False,
    "spectrum of V": False,
}
"""Invariants, and whether the members of a pair share them."""


def block_rows(frames: Sequence[Atoms], ao: str) -> dict[str, np.ndarray]:
    r"""The invariants of `BLOCKS`.

    Parameters
    ----------
    frames : sequence of ase.Atoms
        CH4, carbon first.
    ao : str

    Returns
    -------
    {name: (n, p) float64}, powers of Hartree
        One number each; of the spectrum, the eigenvalues of S^-1/2 V S^-1/2.
    """
    found = [_invariants(System.from_atoms(atoms, AOBasis(ao))) for atoms in frames]
    return {name: np.stack([one[name] for one in found]) for name in BLOCKS}


def _invariants(system: System) -> dict[str, np.ndarray]:
    V, S = potential(system), overlap(system)
    charges, positions = np.asarray(system.numbers, dtype=float), system.positions
    of_C = point_charge_potential(system, charges[:1], positions[:1])
    offsets = system.layout.atom_offsets
    own = [slice(a, b) for a, b in pairwise(offsets)]
    C, H = own[0], own[1:]
    far = [(i, j) for i in H for j in H if i.start < j.start]

    def traces(A: np.ndarray, B: np.ndarray, pairs: list[tuple[slice, slice]]) -> float:
        return float(sum((A[i, j] * B[i, j]).sum() for i, j in pairs))

    on_C = V[C, C]
    X = square_roots(S)[1]
    values = {
        "C–C, tr V": np.trace(on_C),
        "C–C, tr V²": np.trace(on_C @ on_C),
        "C–C, tr V³": np.trace(on_C @ on_C @ on_C),
        "C–H, tr V S": traces(V, S, [(C, i) for i in H]),
        "C–H, tr V V": traces(V, V, [(C, i) for i in H]),
        "H–H, tr V": sum(np.trace(V[i, i]) for i in H),
        "H–H, tr V²": traces(V, V, [(i, i) for i in H]),
        "H–H′, tr V S": traces(V, S, far),
        "  of it, nucleus C": traces(of_C, S, far),
        "  of it, nuclei H": traces(V - of_C, S, far),
        "H–H′, tr V V": traces(V, V, far),
        "spectrum of V": np.linalg.eigvalsh(X @ V @ X),
    }
    return {name: np.atleast_1d(value) for name, value in values.items()}
