r"""The words once more, laid out for compiled kernels: batches, tiles and runs.

A row of results has the columns of two outer shells side by side, the words of a path fastest.
Words are therefore taken in the order of storage, a *batch* at a time. First come all entries
W[x, y] of the batch's words, x and y counting the AOs of an atom; words stand last in memory.
They are found in *tiles*, up to four neighbours of a row x, each for all its inner products at
once. Then they are coupled in *runs*: words of a batch whose outputs are adjacent columns, so
that a Clebsch-Gordan coefficient multiplies one stretch of memory and adds it to another.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

__all__ = ["TILE", "Tiles", "tiles"]

TILE = 4
"""Entries of a whole tile; the kernels have a variable for each."""

_LONGEST, _SHORT = 32, 16
"""Words of a batch: at most the former, and from the latter on it ends where the head does."""


@dataclass(frozen=True)
class Tiles:
    r"""Batches, tiles and runs of a `WordPlan`.

    Attributes
    ----------
    tails : (n_tails,) int64
        Groups that are the tail of a word.
    word : (n_words, 4) int64
        Head group, tail as one of `tails`, channel of the cut and pattern of each word, in the
        order of storage; -1, -1 and the source for kappa = 1.
    batch : (n_batches + 1, 2) int64
        First word and first run of each batch, and the ends.
    pattern : (n_patterns + 1,) int64
        Tiles of pattern p are ``pattern[p] : pattern[p + 1]``.
    tile : (n_tiles, 3) int64
        x, y and size of each tile, the entries ``W[x, y : y + size]``, size at most `TILE`.
    row_entry : (width of i,) int64
        W[x, y] is entry ``row_entry[x] + y``.
    n_entries : int
        Entries of a word that anything needs.
    run : (n_runs, 8) int64
        First word, counted within the batch, and number of words; offset and stride, component
        mu of the first word being element ``offset + mu * stride`` of a row of results; first
        non-zero of the coupling, and the one after its last; x and y where the shells start.
    """

    tails: np.ndarray
    word: np.ndarray
    batch: np.ndarray
    pattern: np.ndarray
    tile: np.ndarray
    row_entry: np.ndarray
    n_entries: int
    run: np.ndarray

    @property
    def arrays(self) -> tuple[np.ndarray | int, ...]:
        """What the compiled kernels read, in their order."""
        return (
            self.word,
            self.batch,
            self.pattern,
            self.tile,
            self.row_entry,
            self.n_entries,
            self.run,
        )


def tiles(
    words: Sequence[int],
    cuts: np.ndarray,
    widths: tuple[np.ndarray, np.ndarray],
    blocks: np.ndarray,
    outputs: np.ndarray,
    coupling: tuple[np.ndarray, np.ndarray],
) -> Tiles:
    r"""Lay out words.

    Parameters
    ----------
    words : sequence of int, length n_words
        In the order of storage.
    cuts : (3, n_words) int64
        Head group, tail group and channel of each word, as a `WordPlan` has them.
    widths : two of (n_shells,) int64
        Components of the outer shells of i and of j.
    blocks : (3, n_blocks) int64
        Word, a and b of each block.
    outputs : (5, n_outputs) int64
        Block, offset, stride, first and last non-zero of each output.
    coupling : two of (n_nonzeros,) int64
        m1 and m2.
    """
    order = np.asarray(words, np.int64)
    place = np.empty_like(order)
    place[order] = np.arange(len(order))
    start_x, start_y = (np.concatenate([[0], np.cumsum(w)]) for w in widths)
    block, offset, stride, first, last = outputs
    word = place[blocks[0, block]]
    x, y = start_x[blocks[1, block]], start_y[blocks[2, block]]
    low, high = _hulls((len(order), int(start_x[-1])), word, x, y, (first, last), coupling)
    row_entry, n_entries = _entries(low, high)
    head, tail, channel = cuts[:, order]
    tails = np.unique(tail[tail >= 0])
    place_of_tail = np.where(tail < 0, -1, np.searchsorted(tails, tail))
    of_word, pattern, tile = _patterns(low, high)
    batch_words = _batches(head)
    batch_runs, run = _runs(batch_words, word, np.stack([offset, stride, first, last, x, y]))
    return Tiles(
        tails=tails,
        word=np.stack([head, place_of_tail, channel, of_word], axis=1),
        batch=np.stack([batch_words, batch_runs], axis=1),
        pattern=pattern,
        tile=tile,
        row_entry=row_entry,
        n_entries=n_entries,
        run=run,
    )


def _hulls(
    shape: tuple[int, int],
    word: np.ndarray,
    x: np.ndarray,
    y: np.ndarray,
    ranges: tuple[np.ndarray, np.ndarray],
    coupling: tuple[np.ndarray, np.ndarray],
) -> tuple[np.ndarray, np.ndarray]:
    """First needed entry of every word and row, and the one after the last, (n_words, width)."""
    low, high = np.full(shape, np.iinfo(np.int64).max), np.zeros(shape, np.int64)
    kinds, some, kind = np.unique(ranges[0], return_index=True, return_inverse=True)
    for k, (first, one) in enumerate(zip(kinds, some, strict=True)):
        chosen = kind == k
        m1, m2 = (m[first : ranges[1][one]] for m in coupling)
        for m in np.unique(m1):
            columns = m2[m1 == m]
            at = word[chosen], x[chosen] + m
            np.minimum.at(low, at, y[chosen] + columns.min())
            np.maximum.at(high, at, y[chosen] + columns.max() + 1)
    return np.minimum(low, high), high


def _entries(low: np.ndarray, high: np.ndarray) -> tuple[np.ndarray, int]:
    """Number the entries that some word needs: of each row from the first to the last."""
    last = high.max(axis=0, initial=0)
    used = np.where(high > 0, low, last)
    first = used.min(axis=0, initial=np.iinfo(np.int64).max)
    first = np.minimum(first, last)
    start = np.concatenate([[0], np.cumsum(last - first)])
    return (start[:-1] - first).astype(np.int64), int(start[-1])


def _patterns(low: np.ndarray, high: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Pattern of each word, where the tiles of each pattern begin, and the tiles."""
    both = np.concatenate([low, high], axis=1)
    patterns, of_word = np.unique(both, axis=0, return_inverse=True)
    n = low.shape[1]
    cut = [
        [
            (x, y, min(TILE, last - y))
            for x, (first, last) in enumerate(zip(pattern[:n], pattern[n:], strict=True))
            for y in range(first, last, TILE)
        ]
        for pattern in patterns.tolist()
    ]
    rows = [tile for those in cut for tile in those]
    starts = np.concatenate([[0], np.cumsum([len(those) for those in cut])]).astype(np.int64)
    return of_word.reshape(-1), starts, np.asarray(rows, np.int64).reshape(-1, 3)


def _batches(heads: np.ndarray) -> np.ndarray:
    """Where batches begin, and where the last ends."""
    starts = [0]
    for w, (before, head) in enumerate(zip(heads[:-1].tolist(), heads[1:].tolist(), strict=True)):
        size = w + 1 - starts[-1]
        ends = head != before and (size >= _SHORT or min(before, head) < 0)
        if size == _LONGEST or ends:
            starts.append(w + 1)
    return np.asarray([*starts, len(heads)] if len(heads) else [0], np.int64)


def _runs(
    batch_words: np.ndarray, word: np.ndarray, rest: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Where the runs of each batch begin, and the runs."""
    offset, stride, first, _, x, y = rest
    batch = np.searchsorted(batch_words, word, side="right") - 1
    # Equal for outputs of one pair of shells that continue each other.
    same = np.stack([batch, x, y, first, stride, offset - word])
    order = np.lexsort((word, *same[::-1]))
    same, word = same[:, order], word[order]
    begins = np.ones(len(order), bool)
    begins[1:] = (same[:, 1:] != same[:, :-1]).any(axis=0) | (word[1:] != word[:-1] + 1)
    where = np.flatnonzero(begins)
    batch, length = same[0, where], np.diff(np.append(where, len(order)))
    columns = [word[where] - batch_words[batch], length, *rest[:, order[where]]]
    runs = np.stack(columns, axis=1).astype(np.int64)
    by_place = np.lexsort((runs[:, 2], batch))
    return np.searchsorted(batch[by_place], np.arange(len(batch_words))), runs[by_place]
