r"""The laws of predicted operators: motions and Hermiticity, whatever the coefficients."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from scipy.linalg import block_diag

from linvop.angular.wigner import rotation_matrix
from linvop.features.basis import Basis, ordered_species
from linvop.models.operator import OperatorModel
from linvop.models.operator_part import BlockPart
from linvop.orbitals.operator_blocks import operator_blocks
from linvop.orbitals.order import from_m_order, to_m_order
from linvop.orbitals.shells import AOBasis, AOLayout

if TYPE_CHECKING:
    from ase import Atoms

__all__ = ["assert_equivariant_operator", "random_operator_model"]


def random_operator_model(
    basis: Basis,
    ao: AOBasis | str,
    species: Sequence[str],
    *,
    spin_channels: int = 1,
    seed: int = 0,
    **settings: object,
) -> OperatorModel:
    r"""Return an `OperatorModel` with random coefficients: what holds for it holds for any.

    Parameters
    ----------
    basis : Basis
    ao : AOBasis or str
        Of the operator.
    species : sequence of str
    spin_channels : int
    settings
        Of `OperatorModel`.
    """
    rng = np.random.default_rng(seed)
    model = OperatorModel(basis, **settings)  # type: ignore[arg-type]
    model.species_ = ordered_species(species)
    model.ao_ = AOBasis(ao).frozen(model.species_)
    model.state_, model.spin_channels_, model.n_train_ = (0, 1), spin_channels, 0
    model.training_ = {}
    features = model.features()
    model.parts_ = {}
    for block, shells in operator_blocks(model.ao_, model.species_).items():
        n = len(shells) * spin_channels
        scalar = block.on_site and block.lam == 0 and block.sigma == 1
        constants = rng.normal(size=n) if scalar else np.zeros(n)
        coefficients = rng.normal(size=(features.count(block), n))
        model.parts_[block] = BlockPart(coefficients, constants)
    return model


def assert_equivariant_operator(
    model: OperatorModel, atoms: Atoms, *, seed: int = 0, tolerance: float = 1e-10
) -> None:
    r"""Assert how a predicted operator follows a motion of the atoms, and that it is Hermitian.

    With U the block-diagonal matrix of ``D^l(R)`` of all shells, ``F(R x) = U F(x) U^T``; under
    inversion ``U = (-1)^l``; a translation leaves F; permuted atoms permute its blocks.

    Raises
    ------
    AssertionError
        With the motion and the largest error, relative to the largest element.
    """
    from scipy.spatial.transform import Rotation

    rng = np.random.default_rng(seed)
    R = Rotation.random(rng=rng).as_matrix()
    order = rng.permutation(len(atoms))
    still = model.predict(atoms)
    layout = AOLayout(tuple(int(z) for z in atoms.numbers), model.ao)
    shells = [shell for s in layout.symbols for shell in model.ao.shells(s)]
    turn = block_diag(*(rotation_matrix(shell.l, R) for shell in shells))
    parity = np.concatenate([np.full(2 * shell.l + 1, (-1) ** shell.l) for shell in shells])
    first = layout.atom_offsets
    place = np.concatenate([np.arange(first[k], first[k + 1]) for k in order])
    motions = {
        "rotation": (_moved(atoms, atoms.positions @ R.T), _turned(still, layout, turn)),
        "inversion": (_moved(atoms, -atoms.positions), _turned(still, layout, np.diag(parity))),
        "translation": (_moved(atoms, atoms.positions + rng.normal(size=3)), still),
        "permutation": (atoms[order.tolist()], still[..., place[:, None], place]),
    }
    scale = np.abs(still).max()
    for case, (frame, wanted) in motions.items():
        found = model.predict(frame)
        error = np.abs(found - wanted).max() / scale
        assert error <= tolerance, f"{case}: error {error:.1e} of the largest element"
        assert (found == found.swapaxes(-1, -2)).all(), f"{case}: not Hermitian"


def _moved(atoms: Atoms, positions: np.ndarray) -> Atoms:
    moved = atoms.copy()
    moved.positions = positions
    return moved


def _turned(matrix: np.ndarray, layout: AOLayout, turn: np.ndarray) -> np.ndarray:
    """``U F U^T`` with U in m order, F in PySCF's."""
    return from_m_order(turn @ to_m_order(matrix, layout) @ turn.T, layout)
