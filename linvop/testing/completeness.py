r"""Every equivariant polynomial of the factors once: functions = dimension = rank.

With the factors as free variables, the products of one multiset of factors must be as many as
characters demand (`linvop.angular.characters`) and linearly independent. On molecules the factors
are no free variables, and columns of different multisets can coincide as well: there the rank is
measured and what is missing is named.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from linvop.angular.characters import number_of_couplings
from linvop.angular.product_tables import ProductTable, product_table
from linvop.angular.trees import Powers
from linvop.features.basis import Basis, ordered_species
from linvop.integrals import System
from linvop.testing.molecules import random_molecule

__all__ = ["RankOnMolecules", "assert_complete", "rank_on_molecules"]

_RANK = 1e-9
"""Singular values below this, relative to the largest, are rounding."""


def assert_complete(basis: Basis, species: Sequence[str], *, seed: int = 0) -> None:
    r"""Assert that products are complete and none is redundant, multiset by multiset.

    Multisets of equal shape share their functions: each shape is measured once, on random
    factors, and every multiset is counted.

    Raises
    ------
    AssertionError
        Naming the factors, and the number of functions, the dimension and the rank.
    """
    names = ordered_species(species)
    products = basis.products(names)
    if products is None:
        return
    rng = np.random.default_rng(seed)
    ranks: dict[tuple[Powers, int], int] = {}
    for s in names:
        factors = products.factors(s)
        for irrep in basis.irreps(names):
            for product in products.products(s, irrep):
                own = [factors[k] for k in dict.fromkeys(product.factors)]
                signs = [
                    (l, factor.irrep[1], n)
                    for factor, (l, n) in zip(own, product.powers, strict=True)
                ]
                dimension = number_of_couplings(signs, *irrep)
                shape = product.powers, irrep[0]
                if shape not in ranks:
                    ranks[shape] = _rank(product_table(*shape), product.powers, rng)
                if not product.n_functions == dimension == ranks[shape]:
                    words = " x ".join(factors[k].label.word for k in product.factors)
                    raise AssertionError(
                        f"{s}, lam = {irrep[0]}, sigma = {irrep[1]:+d}, {words}: "
                        f"{product.n_functions} functions, dimension {dimension}, "
                        f"rank {ranks[shape]}"
                    )


def _rank(table: ProductTable, powers: Powers, rng: np.random.Generator) -> int:
    """Rank of the functions of a shape on random factors (of one component: mu = -lam)."""
    n = table.n_functions
    width = (len(table.row_start) - 1) // n
    monomials = np.ones((n + 8, len(table.monomials)))
    slots = [x for l, k in powers for x in [rng.normal(size=(n + 8, 2 * l + 1))] * k]
    for x, position in zip(slots, table.monomials.T, strict=True):
        monomials *= x[:, position]
    values = np.zeros((n + 8, n))
    for t in range(n):
        entries = slice(table.row_start[t * width], table.row_start[t * width + 1])
        values[:, t] = monomials[:, table.monomial[entries]] @ table.value[entries]
    s = np.linalg.svd(values, compute_uv=False)
    return int((s > _RANK * s[0]).sum())


@dataclass(frozen=True)
class RankOnMolecules:
    r"""Rank of the site features of one species and irrep on molecules.

    Attributes
    ----------
    n_columns, rank : int
    dependent : tuple of str
        Columns that the others span, by name (pivoted QR chooses which).
    """

    n_columns: int
    rank: int
    dependent: tuple[str, ...]


def rank_on_molecules(
    basis: Basis,
    species: Sequence[str],
    *,
    n_atoms: int | None = None,
    seed: int = 0,
    tolerance: float = 1e-8,
) -> dict[tuple[str, int, int], RankOnMolecules]:
    r"""Rank of site features on random molecules, and which columns are missing in it.

    A gap has a reason in geometry, not in the enumeration: a species that occurs once makes a
    product of kappa = 1 of kappa = 2 through it; few neighbours span few directions; and tight
    shells are indistinguishable from afar. So more atoms close it, as far as the shells differ.

    Parameters
    ----------
    basis : Basis
    species : sequence of str
    n_atoms : int, optional
        Atoms in each molecule; default three of each species.
    seed : int
    tolerance : float
        Of a column's part outside the span of the others, relative to the column.
    """
    from scipy.linalg import qr

    names = ordered_species(species)
    features = basis.compile(names)
    size = 3 * len(names) if n_atoms is None else n_atoms
    counts = {key: n for key, n in basis.counts(names).items() if n}
    rows: dict[tuple[str, int, int], list[np.ndarray]] = {key: [] for key in counts}
    needed = 1.5 * max(counts.values()) + 20
    k = 0
    while min(sum(len(x) for x in parts) for parts in rows.values()) < needed:
        frame = random_molecule(names, size, seed + k)
        sites = features.sites(System.from_atoms(frame, basis.ao_basis))
        for key, parts in rows.items():
            parts.append(sites[key].reshape(-1, counts[key]))
        k += 1
    found = {}
    for key, parts in rows.items():
        A = np.concatenate(parts)
        A = A / np.maximum(np.linalg.norm(A, axis=0), np.finfo(float).tiny)
        R, order = qr(A, mode="r", pivoting=True)
        diagonal = np.abs(np.diag(R))
        rank = int((diagonal > tolerance * diagonal[0]).sum())
        labels = [x for x in basis.labels(names, irreps=[key[1:]]) if x.species == key[0]]
        spanned = tuple(str(labels[i]) for i in sorted(order[rank:]))
        found[key] = RankOnMolecules(A.shape[1], rank, spanned)
    return found
