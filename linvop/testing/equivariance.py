r"""Features follow the motions of the atoms."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from linvop.angular.wigner import rotation_matrix
from linvop.features.basis import Basis, ordered_species
from linvop.testing.yardstick import Features, compare

if TYPE_CHECKING:
    from ase import Atoms

__all__ = ["assert_equivariant"]


def assert_equivariant(
    basis: Basis, atoms: Atoms, *, seed: int = 0, tolerance: float = 1e-10
) -> None:
    r"""Assert how site features of every irrep follow a motion of the atoms.

    For a rotation R they turn with ``D^lam(R)``, under inversion they are multiplied by
    ``sigma (-1)^lam``, a translation leaves them, and permuted atoms permute the sites.

    Raises
    ------
    AssertionError
        With the motion, the column and the largest error.
    """
    from scipy.spatial.transform import Rotation

    rng = np.random.default_rng(seed)
    R = Rotation.random(rng=rng).as_matrix()
    order = rng.permutation(len(atoms))
    species = ordered_species(atoms.get_chemical_symbols())
    still = basis.evaluate(atoms, species)
    D = {lam: rotation_matrix(lam, R) for _, lam, _ in still}
    symbols = np.asarray(atoms.get_chemical_symbols())
    # Site k of a species came from site moved[k]: positions among its own atoms.
    moved = {s: np.argsort(np.argsort(order[symbols[order] == s])) for s in species}
    expected: dict[str, tuple[Atoms, Features]] = {
        "rotation": (
            _placed(atoms, atoms.positions @ R.T),
            {k: np.einsum("mn,inc->imc", D[k[1]], x) for k, x in still.items()},
        ),
        "inversion": (
            _placed(atoms, -atoms.positions),
            {k: k[2] * (-1) ** k[1] * x for k, x in still.items()},
        ),
        "translation": (_placed(atoms, atoms.positions + rng.normal(size=3)), still),
        "permutation": (atoms[order.tolist()], {k: x[moved[k[0]]] for k, x in still.items()}),
    }
    for case, (frame, wanted) in expected.items():
        compare(basis, species, basis.evaluate(frame, species), wanted, case, tolerance)


def _placed(atoms: Atoms, positions: np.ndarray) -> Atoms:
    moved = atoms.copy()
    moved.positions = positions
    return moved
