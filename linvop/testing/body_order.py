r"""The many-body expansion of a feature ends where its label says.

With f(T) the feature of the molecule that has only the atoms T (the others lend neither charge
nor AOs), and the centre in every T, the term of the atoms S is

.. math:: u(S) = \sum_{T \subseteq S} (-1)^{|S| - |T|} f(T) .
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from linvop.errors import InputError
from linvop.features.basis import Basis, ordered_species
from linvop.testing.yardstick import FLOOR, Key, column_labels, yardsticks

if TYPE_CHECKING:
    from ase import Atoms

__all__ = ["MOST_ATOMS", "assert_body_order", "moebius"]

MOST_ATOMS = 12
"""Body order takes one evaluation for each subset of the atoms."""


def assert_body_order(basis: Basis, atoms: Atoms, *, tolerance: float = 1e-10) -> None:
    r"""Assert that terms of more atoms than a label's body order vanish.

    Each is measured by the largest term of its column about the same centre, or by a
    thousandth of the column's yardstick where all its terms are smaller.

    Parameters
    ----------
    basis : Basis
        In metric ``ao``; others have no exact body order.
    atoms : ase.Atoms
        At most 12; more than the largest body order, or nothing lies above it.

    Raises
    ------
    InputError
        For a metric or a number of atoms outside these.
    AssertionError
        With the atoms, the column and the size of the term.
    """
    if basis.metric != "ao":
        raise InputError(f"body order: expected metric 'ao', got {basis.metric!r}")
    n = len(atoms)
    symbols = atoms.get_chemical_symbols()
    species = ordered_species(symbols)
    highest = max((label.body_order or 0 for label in basis.labels(species)), default=0)
    if not highest < n <= MOST_ATOMS:
        raise InputError(
            f"body order of up to {highest}: expected {highest + 1} to {MOST_ATOMS} atoms, got {n}"
        )
    subsets = [[i for i in range(n) if s >> i & 1] for s in range(2**n)]
    values = [basis.evaluate(atoms[t], species) if t else {} for t in subsets]
    scales = yardsticks(basis, species, values[-1])
    size = np.array([len(t) for t in subsets])[:, None]
    for key, labels in column_labels(basis, species, "site").items():
        order = np.array([label.body_order for label in labels], int)
        for centre in [i for i in range(n) if symbols[i] == key[0] and labels]:
            terms = np.abs(_terms(values, subsets, key, symbols, centre)).max(axis=1)
            error = np.where(size > order, terms, 0)
            error /= np.maximum(terms.max(axis=0), FLOOR * scales[key])
            s, c = np.unravel_index(error.argmax(), error.shape)
            if not error[s, c] <= tolerance:
                raise AssertionError(
                    f"body order: of {labels[c]} about atom {centre} the term of atoms "
                    f"{subsets[s]} is {error[s, c]:.1e} of the largest, expected "
                    f"{tolerance:.0e} above body order {order[c]}"
                )


def _terms(
    values: list[dict[Key, np.ndarray]],
    subsets: list[list[int]],
    key: Key,
    symbols: list[str],
    centre: int,
) -> np.ndarray:
    """All u(S) about one centre, (2^n, 2 lam + 1, n_columns); zero where S lacks the centre."""
    terms = np.zeros((len(subsets), *values[-1][key].shape[1:]))
    mine = [s for s, atoms in enumerate(subsets) if centre in atoms]
    for s in mine:
        site = [k for k in subsets[s] if symbols[k] == key[0]].index(centre)
        terms[s] = values[s][key][site]
    return moebius(terms, [centre], len(symbols))


def moebius(terms: np.ndarray, centres: Sequence[int], n_atoms: int) -> np.ndarray:
    """Sums over subsets to terms: one difference for each atom that is not in all of them."""
    mine = [s for s in range(len(terms)) if all(s >> c & 1 for c in centres)]
    for k in range(n_atoms):
        if k not in centres:
            with_k = np.array([s for s in mine if s >> k & 1])
            terms[with_k] -= terms[with_k ^ (1 << k)]
    return terms
