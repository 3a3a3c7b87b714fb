"""Laws of the degenerate pairs of CH4."""

from __future__ import annotations

import numpy as np
import pytest

from linvop.errors import InputError
from linvop.sampling import random_rotation
from linvop.sampling.methane import apart, degenerate_methanes

FRAMES = degenerate_methanes(8)
PAIRS = list(zip(FRAMES[::2], FRAMES[1::2], strict=True))


def triples(atoms) -> np.ndarray:
    """(r_i, r_j, cos) about carbon of all ordered pairs of hydrogens, sorted."""
    arms = atoms.positions[1:] - atoms.positions[0]
    r = np.linalg.norm(arms, axis=1)
    found = [
        (round(r[i], 9), round(r[j], 9), round(arms[i] @ arms[j] / r[i] / r[j], 9))
        for i in range(4)
        for j in range(4)
        if i != j
    ]
    return np.array(sorted(found))


def test_members_have_equal_multisets_of_triples_about_carbon():
    for plus, minus in PAIRS:
        np.testing.assert_allclose(triples(plus), triples(minus), atol=1e-8)


def test_members_have_all_distances_in_common():
    i, j = np.triu_indices(5, 1)
    for pair in PAIRS:
        plus, minus = (np.sort(a.get_all_distances()[i, j]) for a in pair)
        np.testing.assert_allclose(plus, minus, atol=1e-10)


def test_members_are_not_congruent_and_other_pairs_differ():
    for plus, minus in PAIRS:
        assert apart(plus.positions, minus.positions) > 0.2
    other = PAIRS[1][0]
    assert np.abs(triples(PAIRS[0][0]) - triples(other)).max() > 0.01


def test_apart_knows_rotations_mirrors_and_exchanges():
    rng = np.random.default_rng(1)
    for plus, _ in PAIRS[:3]:
        order = [0, *(1 + rng.permutation(4))]
        moved = (plus.positions @ random_rotation(rng).T * [-1, 1, 1])[order]
        assert apart(plus.positions, moved) < 1e-6


def test_more_pairs_only_append_and_members_say_what_they_are():
    few = degenerate_methanes(3)
    for a, b in zip(few, FRAMES, strict=False):
        np.testing.assert_array_equal(a.positions, b.positions)
    assert [a.info["pair"] for a in few] == [0, 0, 1, 1, 2, 2]
    assert [a.info["member"] for a in few] == ["plus", "minus"] * 3
    assert np.abs(degenerate_methanes(1, seed=1)[0].positions - few[0].positions).max() > 0.01


def test_no_pairs_are_refused():
    with pytest.raises(InputError, match="at least 1"):
        degenerate_methanes(0)
