from __future__ import annotations

import numpy as np
import pytest

from linvop.angular.tables import coupling_table

from .conftest import IRREPS, problem


def test_every_number_of_a_row_is_written_by_one_output(of_each_resolution):
    plan = of_each_resolution.plan
    written = np.zeros(plan.row_size, int)
    for offset, stride, lo, hi in zip(
        plan.output_offset, plan.output_stride, plan.output_first, plan.output_last, strict=True
    ):
        written[offset + stride * np.unique(plan.coupling_mu[lo:hi])] += 1
    np.testing.assert_array_equal(written, 1)


def test_outputs_carry_their_coupling(of_each_resolution):
    plan = of_each_resolution.plan
    lam_of = np.concatenate(
        [
            np.full((2 * lam + 1) * n, lam)
            for (lam, _), n in zip(plan.irreps, plan.n_columns, strict=True)
        ]
    )
    for block in range(len(plan.block_a)):
        la, lb = plan.shell_l[plan.block_a[block]], plan.shell_l[plan.block_b[block]]
        for o in range(plan.block_outputs[block], plan.block_outputs[block + 1]):
            chosen = slice(plan.output_first[o], plan.output_last[o])
            table = coupling_table(int(la), int(lb), int(lam_of[plan.output_offset[o]]))
            found = np.zeros_like(table)
            found[plan.coupling_m1[chosen], plan.coupling_m2[chosen], plan.coupling_mu[chosen]] = (
                plan.coupling_value[chosen]
            )
            np.testing.assert_array_equal(found, table)


def test_head_cut_and_tail_are_the_word(of_each_resolution):
    """The tail is read backwards, for V is symmetric and M too."""
    plan = of_each_resolution.plan

    def spelled(group: int) -> tuple[list[int], list[int]]:
        parent = plan.group_parent[group]
        if parent < 0:
            return [int(plan.group_source[group])], []
        assert parent < group
        sources, channels = spelled(parent)
        return (
            [*sources, int(plan.group_source[group])],
            [*channels, int(plan.group_channel[group])],
        )

    for w in range(len(plan.word_head)):
        sources = [int(z) for z in plan.path_sources[w] if z >= 0]
        channels = [int(c) for c in plan.path_channels[w] if c >= 0]
        if len(sources) == 1:
            assert plan.word_head[w] == plan.word_tail[w] == -1
            assert plan.word_channel[w] == sources[0]
            continue
        head, tail = spelled(plan.word_head[w]), spelled(plan.word_tail[w])
        assert head[0] + tail[0][::-1] == sources
        assert [*head[1], int(plan.word_channel[w]), *tail[1][::-1]] == channels
        assert len(head[0]) - len(tail[0]) in (0, 1)


def test_no_half_word_is_made_twice(of_each_resolution):
    plan = of_each_resolution.plan
    groups = list(zip(plan.group_parent, plan.group_channel, plan.group_source, strict=True))
    assert len(set(groups)) == len(groups)
    used = set(plan.word_head) | set(plan.word_tail) | set(plan.group_parent)
    assert set(range(len(groups))) <= used


@pytest.mark.parametrize("target", ["site", "structure"])
def test_columns_stand_in_the_order_of_the_enumeration(target):
    one = problem("shell", target=target)
    plan, n_names = one.plan, len(one.enumeration.source_names)
    found = {}
    for w in range(len(plan.word_channel)):
        sources = tuple(int(z) for z in plan.path_sources[w] if z >= 0)
        channels = tuple(int(c) for c in plan.path_channels[w] if c >= 0)
        for block in range(plan.word_blocks[w], plan.word_blocks[w + 1]):
            outer = int(plan.block_a[block]), int(plan.block_b[block])
            for o in range(plan.block_outputs[block], plan.block_outputs[block + 1]):
                found[int(plan.output_offset[o])] = (sources, channels, *outer)
    start = 0
    for irrep, n in zip(plan.irreps, plan.n_columns, strict=True):
        columns = one.enumeration.columns("C", irrep, target)
        assert len(columns) == n
        for k, (family, sources, channels, a, b) in enumerate(columns):
            shifted = tuple(family * n_names + z for z in sources)
            assert found[start + k] == (shifted, channels, a, b)
        start += (2 * irrep[0] + 1) * n


def test_rows_split_into_irreps():
    plan = problem("species", irreps=((2, 1), (0, 1))).plan
    rows = np.arange(3.0 * plan.row_size).reshape(3, -1)
    parts = plan.split(rows)
    assert list(parts) == [(2, 1), (0, 1)]
    assert sum(part.size for part in parts.values()) == rows.size
    assert all(np.shares_memory(part, rows) for part in parts.values())
    n = plan.n_columns[0]
    np.testing.assert_array_equal(parts[2, 1][1], rows[1, : 5 * n].reshape(5, n))


def test_irreps_out_of_reach_have_no_columns():
    plan = problem("total", irreps=((4, -1), (0, -1))).plan
    assert plan.n_columns[1] == 0
    assert problem("total", irreps=((0, -1),)).plan.row_size == 0
    assert problem("shell").plan.irreps == IRREPS
