r"""The laws of pair features: motions, exchange of the two atoms, kernels."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from linvop.angular.wigner import rotation_matrix
from linvop.basis.labels import PairLabel
from linvop.basis.pairs import EXCHANGES
from linvop.features.basis import Basis, ordered_species
from linvop.features.pairs import PairValues
from linvop.integrals import System
from linvop.kernels import cpu, reference
from linvop.testing.yardstick import compare_columns

if TYPE_CHECKING:
    from ase import Atoms

__all__ = [
    "PairKey",
    "assert_equivariant_pairs",
    "assert_exchange",
    "assert_pair_kernels_agree",
    "pair_columns",
]

PairKey = tuple[str, str, int, int]
Pairs = Mapping[PairKey, PairValues]


def pair_columns(
    basis: Basis, species: tuple[str, ...], exchange: int | None
) -> dict[PairKey, list[PairLabel]]:
    """Labels of the columns of every kind of pair and irrep."""
    pairs = basis.pairs(species)
    return {
        (s1, s2, *irrep): pairs.labels(s1, s2, irrep, exchange)
        for s1, s2 in pairs.species_pairs
        for irrep in pairs.irreps(exchange)
    }


def assert_equivariant_pairs(
    basis: Basis, atoms: Atoms, *, seed: int = 0, tolerance: float = 1e-10
) -> None:
    r"""Assert how pair features, with exchange or without, follow a motion of the atoms.

    For a rotation R they turn with ``D^lam(R)``, under inversion they are multiplied by
    ``sigma (-1)^lam``, a translation leaves them, and permuted atoms permute the pairs; with
    ``exchange=s`` a pair whose atoms change places is multiplied by s.

    Raises
    ------
    AssertionError
        With the motion, the column and the largest error.
    """
    from scipy.spatial.transform import Rotation

    rng = np.random.default_rng(seed)
    R = Rotation.random(rng=rng).as_matrix()
    order, shift = rng.permutation(len(atoms)), rng.normal(size=3)
    species = ordered_species(atoms.get_chemical_symbols())
    for exchange in EXCHANGES:
        labels = pair_columns(basis, species, exchange)
        still = basis.evaluate_pairs(atoms, species, exchange=exchange)
        D = {key[2]: rotation_matrix(key[2], R) for key in still}
        turned = {k: np.einsum("mn,pnc->pmc", D[k[2]], x.values) for k, x in still.items()}
        mirrored = {k: k[3] * (-1) ** k[2] * x.values for k, x in still.items()}
        same = {k: x.values for k, x in still.items()}
        motions = {
            "rotation": (atoms.positions @ R.T, turned),
            "inversion": (-atoms.positions, mirrored),
            "translation": (atoms.positions + shift, same),
        }
        for case, (positions, wanted) in motions.items():
            frame = atoms.copy()
            frame.positions = positions
            found = basis.evaluate_pairs(frame, species, exchange=exchange)
            _compare(basis, labels, found, wanted, f"{case}, exchange {exchange}", tolerance)
        found = basis.evaluate_pairs(atoms[order.tolist()], species, exchange=exchange)
        wanted = {
            k: _rows(still[k], order[x.atoms], exchange if k[0] == k[1] else None)
            for k, x in found.items()
        }
        _compare(basis, labels, found, wanted, f"permutation, exchange {exchange}", tolerance)


def _compare(
    basis: Basis, labels: Mapping, found: Pairs, wanted: Mapping, case: str, tolerance: float
) -> None:
    values = {key: x.values for key, x in found.items()}
    compare_columns(basis, labels, values, wanted, case, tolerance)


def _rows(pairs: PairValues, atoms: np.ndarray, exchange: int | None) -> np.ndarray:
    """Values of given pairs; of those kept in the other order, times the sign."""
    place = {tuple(p): k for k, p in enumerate(pairs.atoms.tolist())}
    rows = np.empty((len(atoms), *pairs.values.shape[1:]))
    for row, (i, j) in zip(rows, atoms.tolist(), strict=True):
        if (i, j) in place:
            row[:] = pairs.values[place[i, j]]
        else:
            assert exchange is not None, f"pair {i}, {j} is missing"
            row[:] = exchange * pairs.values[place[j, i]]
    return rows


def assert_exchange(basis: Basis, atoms: Atoms, *, tolerance: float = 1e-10) -> None:
    r"""Assert what exchange makes of each function of like atoms.

    Of all functions, that of (q; alpha_i; beta_j; L) with i and j exchanged is
    ``sigma_q (-1)^(l_alpha + l_beta - L)`` times that of (reversed q; beta_i; alpha_j; L).

    Raises
    ------
    AssertionError
        With the column and the largest error, or naming a function without a partner.
    """
    species = ordered_species(atoms.get_chemical_symbols())
    labels = pair_columns(basis, species, None)
    values = basis.evaluate_pairs(atoms, species)
    like = {key: x for key, x in labels.items() if key[0] == key[1]}
    found, wanted = {}, {}
    for key, names in like.items():
        number = {str(x): k for k, x in enumerate(names)}
        one = values[key]
        partners = [_partner(x) for x in names]
        missing = [str(x) for x, _ in partners if str(x) not in number]
        if missing:
            raise AssertionError(f"exchange: {missing[0]} is missing")
        columns = [number[str(x)] for x, _ in partners]
        signs = np.array([sign for _, sign in partners], float)
        found[key] = _rows(one, one.atoms[:, ::-1], None)
        wanted[key] = one.values[:, :, columns] * signs
    compare_columns(basis, like, found, wanted, "exchange", tolerance)


def _partner(label: PairLabel) -> tuple[PairLabel, int]:
    """The function that exchange makes of another, and the sign."""
    q = label.pair
    reversed_q = replace(
        q,
        shells=q.shells[::-1],
        l1=q.l2,
        l2=q.l1,
        sources=q.sources[::-1],
        channels=q.channels[::-1],
    )
    total = sum(x.lam for x in label.sites) - label.L
    partner = replace(label, pair=reversed_q, site_i=label.site_j, site_j=label.site_i)
    return partner, q.sigma * (-1) ** total


def assert_pair_kernels_agree(basis: Basis, atoms: Atoms, *, tolerance: float = 1e-10) -> None:
    r"""Assert that the Numba kernels give what the NumPy definition gives, pair by pair.

    Raises
    ------
    AssertionError
        With the column and the largest error.
    """
    species = ordered_species(atoms.get_chemical_symbols())
    system = System.from_atoms(atoms, basis.ao_basis)
    for exchange in EXCHANGES:
        features = basis.compile_pairs(species, exchange=exchange)
        wanted = {k: x.values for k, x in features.evaluate(system, reference).items()}
        labels = pair_columns(basis, species, exchange)
        case = f"kernels, exchange {exchange}"
        _compare(basis, labels, features.evaluate(system, cpu), wanted, case, tolerance)
