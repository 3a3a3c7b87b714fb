"""Batches, tiles and runs hold the same words as the plan, each output and entry once."""

from __future__ import annotations

import numpy as np
import pytest

from linvop.kernels.tiles import TILE

from .conftest import problem


@pytest.fixture(params=[("shell", "site"), ("shell", "structure"), ("species", "site")], ids=str)
def plan(request):
    resolution, target = request.param
    return problem(resolution, target=target).plan


def starts(shell_l) -> np.ndarray:
    return np.concatenate([[0], np.cumsum(2 * shell_l + 1)])


def of_the_plan(plan) -> dict[int, tuple]:
    """Of every output its cut, place in W, stride and coupling, by its offset."""
    x, y = starts(plan.shell_l), starts(plan.shell_l_j)
    found = {}
    for w in range(len(plan.word_channel)):
        cut = plan.word_head[w], plan.word_tail[w], plan.word_channel[w]
        for block in range(plan.word_blocks[w], plan.word_blocks[w + 1]):
            corner = x[plan.block_a[block]], y[plan.block_b[block]]
            for o in range(plan.block_outputs[block], plan.block_outputs[block + 1]):
                rest = plan.output_stride[o], plan.output_first[o], plan.output_last[o]
                found[int(plan.output_offset[o])] = (*map(int, (*cut, *corner, *rest)),)
    return found


def test_runs_are_the_outputs(plan):
    tiles, found = plan.tiles, {}
    for (base, r), (stop, last) in zip(tiles.batch[:-1], tiles.batch[1:], strict=True):
        for first, length, offset, stride, lo, hi, x, y in tiles.run[r:last]:
            assert base + first + length <= stop
            for n in range(length):
                head, tail, channel, _ = tiles.word[base + first + n]
                group = tiles.tails[tail] if tail >= 0 else -1
                assert int(offset + n) not in found
                row = (head, group, channel, x, y, stride, lo, hi)
                found[int(offset + n)] = (*map(int, row),)
    assert found == of_the_plan(plan)


def test_every_needed_entry_is_in_one_tile_of_its_word(plan):
    tiles = plan.tiles
    for (base, r), (_, last) in zip(tiles.batch[:-1], tiles.batch[1:], strict=True):
        for first, length, _, _, lo, hi, x, y in tiles.run[r:last]:
            needed = set(zip(x + plan.coupling_m1[lo:hi], y + plan.coupling_m2[lo:hi], strict=True))
            for n in range(length):
                pattern = tiles.word[base + first + n, 3]
                entries = entries_of(tiles, pattern)
                assert len(set(entries)) == len(entries)
                assert needed <= set(entries)


def entries_of(tiles, pattern: int) -> list[tuple[int, int]]:
    own = tiles.tile[tiles.pattern[pattern] : tiles.pattern[pattern + 1]]
    return [(x, y + m) for x, y, size in own.tolist() for m in range(size)]


def test_entries_have_numbers_of_their_own_and_tiles_come_in_their_order(plan):
    """On the latter relies that a tile may write beyond its end."""
    tiles = plan.tiles
    used = set()
    for p in range(len(tiles.pattern) - 1):
        numbers = [int(tiles.row_entry[x]) + y for x, y in entries_of(tiles, p)]
        assert numbers == sorted(set(numbers))
        used |= {(n, entry) for n, entry in zip(numbers, entries_of(tiles, p), strict=True)}
    assert len({n for n, _ in used}) == len(used) <= tiles.n_entries
    assert max(n for n, _ in used) < tiles.n_entries
    assert tiles.tile[:, 2].max() <= TILE


def test_words_that_follow_each_other_make_long_runs():
    """Else they would be coupled one by one."""
    tiles = problem("shell", sources="total").plan.tiles
    lengths = tiles.run[:, 1]
    assert lengths.sum() > 3 * len(lengths)


def test_no_columns_no_tiles():
    tiles = problem("total", irreps=((0, -1),)).plan.tiles
    assert len(tiles.word) == len(tiles.run) == len(tiles.tile) == tiles.n_entries == 0
