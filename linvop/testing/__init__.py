r"""The laws of the features as assertions, for bases and AO sets of your own.

=============================  ==========================================================
`random_molecule`              atoms at random places
`assert_equivariant`           rotation, inversion, translation and permutation of atoms
`assert_body_order`            the many-body expansion ends at ``label.body_order``
`assert_kernels_agree`         the compiled kernel equals its definition in NumPy
`assert_columns_independent`   no column is zero or proportional to another
`assert_resolutions_add_up`    finer words sum to coarser ones
`assert_complete`              products: functions = dimension = rank
`rank_on_molecules`            what of that is left on molecules, and what is missing
`assert_equivariant_pairs`     the motions, for features of pairs
`assert_exchange`              what exchange of the two atoms makes of each pair function
`assert_pair_body_order`       the many-body expansion of pair features
`assert_pair_kernels_agree`    compiled kernels of pairs equal their definition
`assert_pairs_complete`        pair features: functions = dimension = rank, under exchange too
`assert_equivariant_operator`  predicted operators: the motions, Hermiticity
`random_operator_model`        an operator model with random coefficients
=============================  ==========================================================

Errors are relative; `linvop.testing.yardstick` says to what. A failure names the case and the
column, and gives the largest error.

Examples
--------
>>> from linvop import Basis
>>> from linvop.testing import assert_equivariant, random_molecule
>>> assert_equivariant(Basis("sto-3g", kappa=2), random_molecule(["H", "C", "O"], 5, seed=1))
"""

from linvop.testing.agreement import assert_kernels_agree
from linvop.testing.body_order import assert_body_order
from linvop.testing.columns import assert_columns_independent
from linvop.testing.completeness import assert_complete, rank_on_molecules
from linvop.testing.equivariance import assert_equivariant
from linvop.testing.molecules import random_molecule
from linvop.testing.operators import assert_equivariant_operator, random_operator_model
from linvop.testing.pair_body_order import assert_pair_body_order
from linvop.testing.pair_completeness import assert_pairs_complete
from linvop.testing.pairs import (
    assert_equivariant_pairs,
    assert_exchange,
    assert_pair_kernels_agree,
)
from linvop.testing.resolutions import assert_resolutions_add_up

__all__ = [
    "assert_body_order",
    "assert_columns_independent",
    "assert_complete",
    "assert_equivariant",
    "assert_equivariant_operator",
    "assert_equivariant_pairs",
    "assert_exchange",
    "assert_kernels_agree",
    "assert_pair_body_order",
    "assert_pair_kernels_agree",
    "assert_pairs_complete",
    "assert_resolutions_add_up",
    "random_molecule",
    "random_operator_model",
    "rank_on_molecules",
]
