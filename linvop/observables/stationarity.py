r"""How far a density is from the ground state of a Fock matrix.

.. math:: \| F P S - S P F \|_F ,

over all elements and both spins. It vanishes when F and P share their orbitals; with F = F[P] it is
the gradient of the energy that an SCF brings to zero. Atomic orbitals, Hartree.
"""

from __future__ import annotations

import numpy as np

__all__ = ["commutator_norm"]


def commutator_norm(F: np.ndarray, P: np.ndarray, S: np.ndarray) -> float:
    r"""``|F P S - S P F|`` of matrices (n_ao, n_ao) or (2, n_ao, n_ao), Hartree.

    P is the density with tr(P S) electrons: 2 in an occupied orbital of a closed shell.
    """
    FPS = F @ P @ S
    return float(np.linalg.norm(FPS - np.swapaxes(FPS, -1, -2)))
