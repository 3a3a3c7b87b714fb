r"""Matrix <-> blocks <-> irreps.

The block of atoms i, j of species s, t holds the shell pairs (a, b) of the two, and

.. math:: \langle M_{ij}; ab; \lambda\mu\rangle
          = \sum_{m m'} C^{\lambda\mu}_{l_a m, l_b m'} M[i a m, j b m'] .

All irreps of a pair of species are one orthogonal matrix Q_st acting on the flattened block,
sparse because Clebsch-Gordan coefficients are: nothing is lost on the way there and back.

A symmetric matrix obeys ``<M_ji; b a; lam> = sigma <M_ij; a b; lam>``. So one ordered pair is
stored for i != j (species in the order of their atomic numbers, then i < j), and on site a < b,
or a = b with sigma = +1. A general matrix keeps every ordered pair and every (a, b).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from scipy import sparse

from linvop.angular.tables import sparse_coupling
from linvop.errors import InputError
from linvop.orbitals.shells import AOBasis, AOLayout

__all__ = ["BlockKey", "Irreps", "couple", "uncouple"]


@dataclass(frozen=True, order=True, slots=True)
class BlockKey:
    """Which irreps: species of the atoms i and j, same atom or not, lam and sigma."""

    species_i: str
    species_j: str
    on_site: bool
    lam: int
    sigma: int


@dataclass(frozen=True)
class Irreps:
    r"""All irreps of one matrix.

    Attributes
    ----------
    values : {BlockKey: (n_pairs, 2 lam + 1, n_shell_pairs) float64}
    pairs : {(species_i, species_j, on_site): (n_pairs, 2) int64}
        Atoms i, j of axis 0.
    shell_pairs : {BlockKey: (n_shell_pairs, 2) int64}
        Shells a of i and b of j of axis 2.
    symmetric : bool
    layout : AOLayout
    """

    values: dict[BlockKey, np.ndarray]
    pairs: dict[tuple[str, str, bool], np.ndarray]
    shell_pairs: dict[BlockKey, np.ndarray]
    symmetric: bool
    layout: AOLayout


@dataclass(frozen=True, eq=False)
class _PairCoupling:
    """The orthogonal matrix of one pair of species, its rows the irreps key by key."""

    matrix: sparse.csr_array  # (row_size, n_s n_t)
    transposed: sparse.csr_array
    keys: tuple[BlockKey, ...]
    shell_pairs: tuple[np.ndarray, ...]
    diagonal: np.ndarray  # (n_s, n_t) bool: entries of blocks a = b


@lru_cache(maxsize=1024)
def _pair_coupling(ao: AOBasis, s: str, t: str, on_site: bool, reduced: bool) -> _PairCoupling:
    first, second = ao.shells(s), ao.shells(t)
    offset_s = np.cumsum([0] + [2 * a.l + 1 for a in first])
    offset_t = np.cumsum([0] + [2 * b.l + 1 for b in second])
    columns: dict[tuple[int, int], list[tuple[int, int]]] = {}
    for i, a in enumerate(first):
        for j, b in enumerate(second):
            for lam in range(abs(a.l - b.l), a.l + b.l + 1):
                sigma = (-1) ** (a.l + b.l + lam)
                if reduced and (i > j or (i == j and sigma == -1)):
                    continue
                columns.setdefault((lam, -sigma), []).append((i, j))
    rows, cols, values, keys, shell_pairs, start = [], [], [], [], [], 0
    for (lam, minus_sigma), shells in sorted(columns.items()):
        for c, (i, j) in enumerate(shells):
            m1, m2, mu, value = sparse_coupling(first[i].l, second[j].l, lam)
            rows.append(start + mu * len(shells) + c)
            cols.append((offset_s[i] + m1) * offset_t[-1] + offset_t[j] + m2)
            values.append(value)
        start += (2 * lam + 1) * len(shells)
        keys.append(BlockKey(s, t, on_site, lam, -minus_sigma))
        shell_pairs.append(np.asarray(shells, np.int64))
    shape = (start, int(offset_s[-1] * offset_t[-1]))
    flat = (np.concatenate(values), (np.concatenate(rows), np.concatenate(cols)))
    matrix = sparse.csr_array(flat, shape=shape)
    of_s = np.repeat(np.arange(len(first)), np.diff(offset_s))
    of_t = np.repeat(np.arange(len(second)), np.diff(offset_t))
    return _PairCoupling(
        matrix,
        sparse.csr_array(matrix.T),
        tuple(keys),
        tuple(shell_pairs),
        of_s[:, None] == of_t,
    )


def _pair_lists(layout: AOLayout, symmetric: bool) -> Iterator[tuple[str, str, bool, np.ndarray]]:
    """(species_i, species_j, on_site, atoms (n_pairs, 2)) of all kinds of pairs present."""
    numbers, symbols = np.asarray(layout.numbers), np.asarray(layout.symbols)
    species = [str(symbols[numbers == z][0]) for z in np.unique(numbers)]
    atoms = {s: np.flatnonzero(symbols == s) for s in species}
    for s in species:
        yield s, s, True, np.column_stack([atoms[s], atoms[s]])
    for x, s in enumerate(species):
        for t in species[x if symmetric else 0 :]:
            i, j = np.meshgrid(atoms[s], atoms[t], indexing="ij")
            if s == t:
                kept = i < j if symmetric else i != j
                i, j = i[kept], j[kept]
            if i.size:
                yield s, t, False, np.column_stack([i.ravel(), j.ravel()])


def _entries(layout: AOLayout, s: str, t: str, pairs: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Row and column indices of the pairs' blocks, broadcasting to (n_pairs, n_s, n_t)."""
    n_s, n_t = layout.shell_offsets[s][-1], layout.shell_offsets[t][-1]
    rows = layout.atom_offsets[pairs[:, 0]][:, None, None] + np.arange(n_s)[:, None]
    cols = layout.atom_offsets[pairs[:, 1]][:, None, None] + np.arange(n_t)
    return rows, cols


def couple(matrix: np.ndarray, layout: AOLayout, *, symmetric: bool = True) -> Irreps:
    r"""Irreps of a matrix.

    Parameters
    ----------
    matrix : (n_ao, n_ao) float64, m order
    layout : AOLayout
    symmetric : bool
        Whether ``matrix`` equals its transpose; the redundant half is then not stored
        (and not looked at).

    Raises
    ------
    InputError
        If the shape does not fit the layout.
    """
    n_ao = layout.n_ao
    if matrix.shape != (n_ao, n_ao):
        raise InputError(f"matrix: expected shape ({n_ao}, {n_ao}), got {matrix.shape}")
    values, pairs_of, shell_pairs = {}, {}, {}
    for s, t, on_site, pairs in _pair_lists(layout, symmetric):
        coupling = _pair_coupling(layout.ao, s, t, on_site, on_site and symmetric)
        rows, cols = _entries(layout, s, t, pairs)
        flat = matrix[rows, cols].reshape(len(pairs), -1)
        irreps = (coupling.matrix @ flat.T).T
        pairs_of[s, t, on_site] = pairs
        start = 0
        for key, shells in zip(coupling.keys, coupling.shell_pairs, strict=True):
            stop = start + (2 * key.lam + 1) * len(shells)
            values[key] = irreps[:, start:stop].reshape(len(pairs), 2 * key.lam + 1, len(shells))
            shell_pairs[key] = shells
            start = stop
    return Irreps(values, pairs_of, shell_pairs, symmetric, layout)


def uncouple(irreps: Irreps) -> np.ndarray:
    r"""The matrix (n_ao, n_ao), m order, that has these irreps: the inverse of `couple`."""
    layout = irreps.layout
    matrix = np.zeros((layout.n_ao, layout.n_ao))
    for (s, t, on_site), pairs in irreps.pairs.items():
        reduced = on_site and irreps.symmetric
        coupling = _pair_coupling(layout.ao, s, t, on_site, reduced)
        flat = np.concatenate(
            [irreps.values[key].reshape(len(pairs), -1) for key in coupling.keys], axis=1
        )
        rows, cols = _entries(layout, s, t, pairs)
        blocks = (coupling.transposed @ flat.T).T.reshape(len(pairs), *coupling.diagonal.shape)
        if reduced:
            mirrored = np.where(coupling.diagonal, 0.0, blocks).transpose(0, 2, 1)
            matrix[rows, cols] = blocks + mirrored
        else:
            matrix[rows, cols] = blocks
            if irreps.symmetric:
                matrix[cols.transpose(0, 2, 1), rows.transpose(0, 2, 1)] = blocks.transpose(0, 2, 1)
    return matrix
