r"""A large basis's operator, seen by a small one: the projected operator.

.. math:: F_s = T^T F_L T, \qquad T = S_{LL}^{-1} S_{Ls},

with S_Ls the overlap of the AOs of the two bases. Of all small-basis operators it is that with the
matrix elements ``<s| F |s'>`` of the operator that F_L stands for.
"""

from __future__ import annotations

import numpy as np
from scipy.linalg import cho_factor, cho_solve

from linvop.errors import InputError
from linvop.integrals import System, molecule, overlap

__all__ = ["projected_operator"]


def projected_operator(matrix: np.ndarray, large: System, small: System) -> np.ndarray:
    r"""The projected operator.

    Parameters
    ----------
    matrix : (n_large, n_large) float64, PySCF's order
    large, small : System
        The same atoms in the two AO bases.

    Returns
    -------
    (n_small, n_small) float64, PySCF's order

    Raises
    ------
    InputError
        If the large basis is linearly dependent here.
    """
    from pyscf.gto import intor_cross

    between = intor_cross("int1e_ovlp", molecule(large), molecule(small))
    try:
        T = cho_solve(cho_factor(overlap(large)), between)
    except np.linalg.LinAlgError:
        raise InputError("the AO basis of the operator is linearly dependent here") from None
    projected = T.T @ matrix @ T
    return 0.5 * (projected + projected.T)
