r"""A `WordPlan` as the CUDA kernels read it: words in tiles, entries and terms as int32 tables.

A *local row* q of an atom is one of its AOs, shell by shell. Of the product of a word's head and
tail at one atom (or pair of atoms) only some *entries* (q, q') are needed; words that need the same
share a *pattern*. An *element* of a result is a short sum over the entries of its block,

.. math:: B_e = \sum_t v_t\, W[q_t, q'_t] ,

whose *terms* are shared by all blocks of equal shells and irreps. A *tile* is a run of words with
one cut, one tail and one pattern: what they have in common is read once.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from itertools import pairwise

import numpy as np

from linvop.kernels.plan import WordPlan
from linvop.kernels.plan_parts import offsets

__all__ = ["TILE_K", "WordTables", "word_tables"]

TILE_K = 16
"""Steps along the cut that stand in shared memory at once."""

_SHARED = 3072
"""Doubles of shared memory that a tile may take (24 kB): several blocks fit beside each other."""

_MOST_WORDS = 16


@dataclass(frozen=True)
class WordTables:
    r"""Integers are int32; ranges of x are ``first[x] : first[x + 1]``.

    Attributes
    ----------
    widths_i, widths_j : (n_shells,)
        2 l + 1 of the shells of i and of j.
    tile_first : (n_tiles + 1,)
        Words of a tile.
    word_head, word_tail, word_channel, word_pattern : (n_words,)
        As in `WordPlan`, and the pattern.
    pattern_first : (n_patterns + 1,)
    entry_i, entry_j : (n_entries,)
        Local rows q and q' of the entries of the patterns.
    word_element : (n_words + 1,)
        Elements of a word, by their place.
    element_place : (n_elements,)
        Where in a row of results.
    element_base, element_terms : (n_elements,)
        First entry of the element's block within its pattern, and which row of terms.
    terms_first, term_entry, term_value
        Rows of terms; entries count from the block's first. Values are float64.
    word_entry : (n_words + 1,)
        Entries of all words one after another, for the adjoint.
    shared : int
        Doubles of shared memory that a block of threads needs.
    """

    widths_i: np.ndarray
    widths_j: np.ndarray
    tile_first: np.ndarray
    word_head: np.ndarray
    word_tail: np.ndarray
    word_channel: np.ndarray
    word_pattern: np.ndarray
    pattern_first: np.ndarray
    entry_i: np.ndarray
    entry_j: np.ndarray
    word_element: np.ndarray
    element_place: np.ndarray
    element_base: np.ndarray
    element_terms: np.ndarray
    terms_first: np.ndarray
    term_entry: np.ndarray
    term_value: np.ndarray
    word_entry: np.ndarray
    shared: int

    @property
    def arrays(self) -> dict[str, np.ndarray]:
        """All tables by name."""
        found = {f.name: getattr(self, f.name) for f in fields(self)}
        return {name: x for name, x in found.items() if isinstance(x, np.ndarray)}


def word_tables(plan: WordPlan) -> WordTables:
    r"""Lay a plan out for the CUDA kernels."""
    blocks = _Blocks(plan)
    pattern_of, patterns, base_of = blocks.patterns()
    sizes = np.asarray([len(p) for p in patterns], np.int64)
    entries = np.concatenate([*patterns, np.zeros((0, 2), np.int64)])
    word, place, base, terms = _elements(plan, blocks, base_of)
    n_words = len(plan.word_channel)
    counts = np.bincount(word, minlength=n_words)
    rows_i, rows_j = (int((2 * x + 1).sum()) for x in (plan.shell_l, plan.shell_l_j))
    tiles, shared = _tiles(plan, pattern_of, sizes, rows_i, rows_j)
    return WordTables(
        widths_i=_int32(2 * plan.shell_l + 1),
        widths_j=_int32(2 * plan.shell_l_j + 1),
        tile_first=_int32(tiles),
        word_head=_int32(plan.word_head),
        word_tail=_int32(plan.word_tail),
        word_channel=_int32(plan.word_channel),
        word_pattern=_int32(pattern_of),
        pattern_first=_int32(offsets(sizes.tolist())),
        entry_i=_int32(entries[:, 0]),
        entry_j=_int32(entries[:, 1]),
        word_element=_int32(offsets(counts.tolist())),
        element_place=_int32(place),
        element_base=_int32(base),
        element_terms=_int32(terms),
        terms_first=_int32(offsets([len(x) for x in blocks.term_entry])),
        term_entry=_int32(np.concatenate([*blocks.term_entry, np.zeros(0)])),
        term_value=np.concatenate([*blocks.term_value, np.zeros(0)]),
        word_entry=_int32(offsets(sizes[pattern_of].tolist())),
        shared=shared,
    )


class _Blocks:
    """Entries and terms of all blocks of a plan, those of equal shells and irreps once."""

    def __init__(self, plan: WordPlan) -> None:
        self.plan = plan
        self.term_entry: list[np.ndarray] = []
        self.term_value: list[np.ndarray] = []
        self.width = np.zeros(len(plan.output_offset), np.int64)
        self.terms = np.zeros(len(plan.output_offset), np.int64)
        self.shapes: dict[tuple, tuple[np.ndarray, list[int], list[int]]] = {}
        ranges = list(zip(plan.output_first.tolist(), plan.output_last.tolist(), strict=True))
        starts = plan.block_outputs.tolist()
        self.keys = [tuple(ranges[a:b]) for a, b in pairwise(starts)]
        for key, a, b in zip(self.keys, starts[:-1], starts[1:], strict=True):
            if key not in self.shapes:
                self.shapes[key] = self._shape(key)
            _, self.terms[a:b], self.width[a:b] = self.shapes[key]

    def _shape(self, key: tuple) -> tuple[np.ndarray, list[int], list[int]]:
        """Entries (m, m') that some output needs; each output's first row of terms and width."""
        plan = self.plan
        chosen = [np.arange(lo, hi) for lo, hi in key]
        each = np.concatenate([*chosen, np.zeros(0, np.int64)])
        pairs = np.column_stack([plan.coupling_m1[each], plan.coupling_m2[each]])
        entries, number = np.unique(pairs, axis=0, return_inverse=True)
        number = number.ravel()
        first, width, start = [], [], 0
        for one in chosen:
            own, mu = number[start : start + len(one)], plan.coupling_mu[one]
            start += len(one)
            first.append(len(self.term_entry))
            width.append(int(mu.max()) + 1)
            for k in range(width[-1]):
                self.term_entry.append(own[mu == k])
                self.term_value.append(plan.coupling_value[one][mu == k])
        return entries, first, width

    def patterns(self) -> tuple[np.ndarray, list[np.ndarray], np.ndarray]:
        """Pattern of each word, entries (q, q') of each pattern, first entry of each block."""
        plan = self.plan
        rows_i, rows_j = (offsets((2 * x + 1).tolist()) for x in (plan.shell_l, plan.shell_l_j))
        a, b = plan.block_a.tolist(), plan.block_b.tolist()
        numbers: dict[tuple, int] = {}
        found: list[np.ndarray] = []
        pattern_of = np.zeros(len(plan.word_channel), np.int64)
        base = np.zeros(len(a), np.int64)
        starts = plan.word_blocks.tolist()
        for w, (lo, hi) in enumerate(pairwise(starts)):
            key = tuple((a[k], b[k], self.keys[k]) for k in range(lo, hi))
            parts = [self.shapes[self.keys[k]][0] for k in range(lo, hi)]
            if key not in numbers:
                numbers[key] = len(found)
                shifted = [
                    part + np.asarray([rows_i[a[k]], rows_j[b[k]]])
                    for k, part in zip(range(lo, hi), parts, strict=True)
                ]
                found.append(np.concatenate([*shifted, np.zeros((0, 2), np.int64)]))
            pattern_of[w] = numbers[key]
            base[lo:hi] = offsets([len(part) for part in parts])[:-1]
        return pattern_of, found, base


def _elements(
    plan: WordPlan, blocks: _Blocks, base_of: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Word, place, first entry of its block and row of terms of every element, word by word."""
    block_of = np.repeat(np.arange(len(plan.block_a)), np.diff(plan.block_outputs))
    word_of = np.repeat(np.arange(len(plan.word_channel)), np.diff(plan.word_blocks))
    output = np.repeat(np.arange(len(blocks.width)), blocks.width)
    mu = np.arange(len(output)) - np.repeat(offsets(blocks.width.tolist())[:-1], blocks.width)
    place = plan.output_offset[output] + plan.output_stride[output] * mu
    word = word_of[block_of[output]]
    order = np.lexsort((place, word))
    found = word, place, base_of[block_of[output]], blocks.terms[output] + mu
    return tuple(x[order] for x in found)  # type: ignore[return-value]


def _tiles(
    plan: WordPlan, pattern_of: np.ndarray, sizes: np.ndarray, rows_i: int, rows_j: int
) -> tuple[np.ndarray, int]:
    """Where tiles start and end, and the shared memory of the largest."""
    kinds = np.column_stack([plan.word_channel, plan.word_tail, pattern_of])
    starts, shared, words = [0], 0, 0
    for w, kind in enumerate(kinds):
        n = int(sizes[kind[2]])
        if w and (words >= _most(n, rows_i, rows_j) or (kind != kinds[w - 1]).any()):
            starts.append(w)
            words = 0
        words += 1
        shared = max(shared, _doubles(words, n, rows_i, rows_j))
    return np.asarray([*starts, len(kinds)] if len(kinds) else [0], np.int64), shared


def _most(n_entries: int, rows_i: int, rows_j: int) -> int:
    """Words that a tile may have."""
    words = 1
    while words < _MOST_WORDS and _doubles(words + 1, n_entries, rows_i, rows_j) <= _SHARED:
        words += 1
    return words


def _doubles(words: int, n_entries: int, rows_i: int, rows_j: int) -> int:
    """Sums of the entries and their rows (two int32), the tile's heads and tail, and its steps."""
    return 2 * words * n_entries + (words * rows_i + rows_j) * (TILE_K + 1) + TILE_K


def _int32(x: np.ndarray) -> np.ndarray:
    if len(x) and (x.max() > np.iinfo(np.int32).max):
        raise OverflowError("a plan is too large for 32-bit places")
    return np.ascontiguousarray(x, np.int32)
