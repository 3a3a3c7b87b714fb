r"""The many-body expansion of a pair feature ends where its label says.

As `linvop.testing.body_order`, with both atoms of the pair in every subset.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from linvop.errors import InputError
from linvop.features.basis import Basis, ordered_species
from linvop.testing.body_order import MOST_ATOMS, moebius
from linvop.testing.pairs import pair_columns
from linvop.testing.yardstick import FLOOR, scales_of

if TYPE_CHECKING:
    from ase import Atoms

__all__ = ["assert_pair_body_order"]


def assert_pair_body_order(
    basis: Basis, atoms: Atoms, *, exchange: int | None = None, tolerance: float = 1e-10
) -> None:
    r"""Assert that terms of more atoms than a pair label's body order vanish.

    Parameters and errors are those of `linvop.testing.assert_body_order`.
    """
    if basis.metric != "ao":
        raise InputError(f"body order: expected metric 'ao', got {basis.metric!r}")
    n = len(atoms)
    species = ordered_species(atoms.get_chemical_symbols())
    columns = pair_columns(basis, species, exchange)
    highest = max((x.body_order or 0 for names in columns.values() for x in names), default=0)
    if not highest < n <= MOST_ATOMS:
        raise InputError(
            f"body order of up to {highest}: expected {highest + 1} to {MOST_ATOMS} atoms, got {n}"
        )
    subsets = [[i for i in range(n) if s >> i & 1] for s in range(2**n)]
    values = [
        basis.evaluate_pairs(atoms[t], species, exchange=exchange) if t else {} for t in subsets
    ]
    scales = scales_of(columns, {key: x.values for key, x in values[-1].items()})
    size = np.array([len(t) for t in subsets])[:, None]
    for key, labels in columns.items():
        order = np.array([x.body_order for x in labels], int)
        for i, j in values[-1][key].atoms.tolist() if labels else []:
            terms = np.zeros((2**n, *values[-1][key].values.shape[1:]))
            for s, present in enumerate(subsets):
                if i in present and j in present:
                    numbers, features = values[s][key]
                    pair = [present.index(i), present.index(j)]
                    terms[s] = features[numbers.tolist().index(pair)]
            found = np.abs(moebius(terms, [i, j], n)).max(axis=1)
            error = np.where(size > order, found, 0)
            error /= np.maximum(found.max(axis=0), FLOOR * scales[key])
            worst, c = np.unravel_index(error.argmax(), error.shape)
            if not error[worst, c] <= tolerance:
                raise AssertionError(
                    f"body order: of {labels[c]} of atoms {i}, {j} the term of atoms "
                    f"{subsets[worst]} is {error[worst, c]:.1e} of the largest, expected "
                    f"{tolerance:.0e} above body order {order[c]}"
                )
