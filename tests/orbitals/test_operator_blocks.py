"""Laws of the blocks in which operators are learned."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from linvop.orbitals.blocks import couple, uncouple
from linvop.orbitals.operator_blocks import from_blocks, operator_blocks, to_blocks
from linvop.orbitals.shells import AOBasis, AOLayout

AO = AOBasis("def2-svp")
LAYOUT = AOLayout((6, 8, 1, 1, 6, 1), AO)


@pytest.fixture
def matrix() -> np.ndarray:
    m = np.random.default_rng(0).normal(size=(LAYOUT.n_ao, LAYOUT.n_ao))
    return m + m.T


def test_nothing_is_lost(matrix):
    irreps = couple(matrix, LAYOUT)
    back = uncouple(from_blocks(to_blocks(irreps), irreps))
    np.testing.assert_allclose(back, matrix, atol=1e-13)


def test_the_map_is_orthogonal(matrix):
    irreps = couple(matrix, LAYOUT)
    before = sum(float((v**2).sum()) for v in irreps.values.values())
    after = sum(float((v**2).sum()) for v in to_blocks(irreps).values())
    assert after == pytest.approx(before, rel=1e-13)


def test_between_like_atoms_exchange_multiplies_a_block_by_its_sign(matrix):
    """Atoms 2 and 3 (both H) change places."""
    order = [0, 1, 3, 2, 4, 5]
    first = LAYOUT.atom_offsets
    place = np.concatenate([np.arange(first[k], first[k + 1]) for k in order])
    before = to_blocks(couple(matrix, LAYOUT))
    after = to_blocks(couple(matrix[place[:, None], place], LAYOUT))
    seen = set()
    for block, values in before.items():
        if block.kind == ("H", "H", False):
            # Pairs (2, 3), (2, 5), (3, 5) become (3, 2), (3, 5), (2, 5).
            np.testing.assert_allclose(after[block][0], block.exchange * values[0], atol=1e-13)
            np.testing.assert_allclose(after[block][1:], values[[2, 1]], atol=1e-13)
            seen.add(block.exchange)
        elif block.kind == ("H", "H", True):
            np.testing.assert_allclose(after[block], values[[1, 0, 2]], atol=1e-13)
    assert seen == {1, -1}


def test_the_blocks_of_a_species_list_are_those_of_matrices(matrix):
    named = operator_blocks(AO, ("H", "C", "O"))
    blocks = to_blocks(couple(matrix, LAYOUT))
    assert set(blocks) <= set(named)
    # There is one O only.
    assert {b.kind for b in set(named) - set(blocks)} == {("O", "O", False)}
    for block, values in blocks.items():
        assert values.shape[2] == len(named[block])


def test_missing_blocks_count_as_zero(matrix):
    irreps = couple(matrix, LAYOUT)
    blocks = {b: v for b, v in to_blocks(irreps).items() if b.on_site}
    back = uncouple(from_blocks(blocks, irreps))
    first = LAYOUT.atom_offsets
    for k, (start, stop) in enumerate(itertools.pairwise(first)):
        np.testing.assert_allclose(
            back[start:stop, start:stop], matrix[start:stop, start:stop], atol=1e-13, err_msg=str(k)
        )
        assert not back[start:stop, :start].any()
        assert not back[start:stop, stop:].any()
