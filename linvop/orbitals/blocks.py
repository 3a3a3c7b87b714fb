r"""Matrix <-> blocks <-> irreps.

The block of atoms i, j of species s, t holds the shell pairs (a, b) of the two, and

.. math:: \langle M_{ij}; ab; \lambda\mu\rangle
          = \sum_{m m'} C^{\lambda\mu}_{l_a m, l_b m'} M[i a m, j b m'] .

All irreps of a pair of species are one orthogonal matrix Q_st acting on the block's entries,
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

from linvop.angular.tables import sparse_coupling
from linvop.compiled import njit
from linvop.errors import InputError
from linvop.orbitals.shells import AOBasis, AOLayout

__all__ = ["BlockKey", "Irreps", "couple", "shell_pairs", "uncouple"]


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
    r"""The orthogonal matrix Q of one pair of species, by rows: the irreps, key by key.

    Row r has the values ``value[e]`` at the block's entries ``(row[e], col[e])`` for
    ``e = start[r] .. start[r + 1]``.
    """

    start: np.ndarray
    row: np.ndarray
    col: np.ndarray
    value: np.ndarray
    keys: tuple[BlockKey, ...]
    shell_pairs: tuple[np.ndarray, ...]
    widths: tuple[int, ...]  # numbers of each key: (2 lam + 1) n_shell_pairs


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
    parts, keys, shell_pairs, size = [], [], [], 0
    for (lam, minus_sigma), shells in sorted(columns.items()):
        for c, (i, j) in enumerate(shells):
            m1, m2, mu, value = sparse_coupling(first[i].l, second[j].l, lam)
            parts.append((size + mu * len(shells) + c, offset_s[i] + m1, offset_t[j] + m2, value))
        size += (2 * lam + 1) * len(shells)
        keys.append(BlockKey(s, t, on_site, lam, -minus_sigma))
        shell_pairs.append(np.asarray(shells, np.int64))
    irrep, row, col, value = (np.concatenate(x) for x in zip(*parts, strict=True))
    order = np.argsort(irrep, kind="stable")
    start = np.concatenate([[0], np.cumsum(np.bincount(irrep, minlength=size))])
    widths = tuple((2 * k.lam + 1) * len(x) for k, x in zip(keys, shell_pairs, strict=True))
    return _PairCoupling(
        start, row[order], col[order], value[order], tuple(keys), tuple(shell_pairs), widths
    )


def shell_pairs(
    ao: AOBasis, s: str, t: str, on_site: bool, *, symmetric: bool = True
) -> dict[BlockKey, np.ndarray]:
    r"""Which irreps a block has: shells (a, b), (n_shell_pairs, 2), by key."""
    q = _pair_coupling(ao, s, t, on_site, on_site and symmetric)
    return dict(zip(q.keys, q.shell_pairs, strict=True))


@njit(nogil=True)
def _apply(matrix, rows, cols, start, row, col, value, out):  # pragma: no cover - compiled
    """``out[p] = Q block_p``, the blocks being at (rows[p], cols[p]) of the matrix."""
    for p in range(len(rows)):
        for r in range(len(start) - 1):
            total = 0.0
            for e in range(start[r], start[r + 1]):
                total += value[e] * matrix[rows[p] + row[e], cols[p] + col[e]]
            out[p, r] = total


@njit(nogil=True)
def _apply_transposed(
    irreps, rows, cols, start, row, col, value, mirrored, matrix
):  # pragma: no cover - compiled
    """Add ``Q^T irreps[p]`` to the blocks, and to their mirror images where asked."""
    for p in range(len(rows)):
        for r in range(len(start) - 1):
            for e in range(start[r], start[r + 1]):
                i, j = rows[p] + row[e], cols[p] + col[e]
                matrix[i, j] += value[e] * irreps[p, r]
                if mirrored[r]:
                    matrix[j, i] += value[e] * irreps[p, r]


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
    values, pairs_of, shells_of = {}, {}, {}
    first = layout.atom_offsets
    for s, t, on_site, pairs in _pair_lists(layout, symmetric):
        q = _pair_coupling(layout.ao, s, t, on_site, on_site and symmetric)
        out = np.empty((len(pairs), len(q.start) - 1))
        rows, cols = first[pairs[:, 0]], first[pairs[:, 1]]
        _apply(matrix, rows, cols, q.start, q.row, q.col, q.value, out)
        pairs_of[s, t, on_site] = pairs
        start = 0
        for key, shells, width in zip(q.keys, q.shell_pairs, q.widths, strict=True):
            part = out[:, start : start + width]
            values[key] = part.reshape(len(pairs), 2 * key.lam + 1, len(shells))
            shells_of[key] = shells
            start += width
    return Irreps(values, pairs_of, shells_of, symmetric, layout)


def uncouple(irreps: Irreps) -> np.ndarray:
    r"""The matrix (n_ao, n_ao), m order, that has these irreps: the inverse of `couple`."""
    layout = irreps.layout
    first = layout.atom_offsets
    matrix = np.zeros((layout.n_ao, layout.n_ao))
    for (s, t, on_site), pairs in irreps.pairs.items():
        q = _pair_coupling(layout.ao, s, t, on_site, on_site and irreps.symmetric)
        flat = [irreps.values[key].reshape(len(pairs), -1) for key in q.keys]
        # On site, blocks a = b are their own mirror images.
        mirrored = [
            np.tile(irreps.symmetric & ((x[:, 0] != x[:, 1]) | (not on_site)), 2 * key.lam + 1)
            for key, x in zip(q.keys, q.shell_pairs, strict=True)
        ]
        _apply_transposed(
            np.concatenate(flat, axis=1),
            first[pairs[:, 0]],
            first[pairs[:, 1]],
            q.start,
            q.row,
            q.col,
            q.value,
            np.concatenate(mirrored),
            matrix,
        )
    return matrix
