"""Laws of the splits: seeded, disjoint, nested, no copy across."""

from __future__ import annotations

import numpy as np
import pytest

from linvop.bench.molecules import own_molecules
from linvop.bench.splits import distinct, nested_split, random_split
from linvop.errors import InputError
from linvop.fit_data import split


def test_copies_are_dropped_but_for_the_first():
    frames = own_molecules(6, seed=3)
    turned = frames[2].copy()
    turned.rotate(70, (1, 2, 3))
    turned.translate((1, 0, 2))
    assert distinct([*frames, turned, frames[0].copy()]).tolist() == [0, 1, 2, 3, 4, 5]


def test_random_split_parts_everything():
    kept = np.array([1, 4, 5, 9, 10, 12])
    train, test = random_split(kept, 4, seed=1)
    assert len(train) == 4
    assert sorted([*train, *test]) == kept.tolist()
    again, _ = random_split(kept, 4, seed=1)
    assert (train == again).all()


def test_nested_splits_share_the_test_set():
    kept = np.arange(0, 60, 2)
    small, test = nested_split(kept, 5, 10, seed=0)
    large, same_test = nested_split(kept, 15, 10, seed=0)
    assert (test == same_test).all()
    assert set(small) < set(large)
    assert not set(large) & set(test)


def test_the_training_set_is_that_of_a_scan_with_the_same_seed():
    frames = own_molecules(12, seed=3)
    train_at, test_at = nested_split(distinct(frames), 4, 5, seed=0)
    scanned, _ = split(frames, 4, seed=0)
    assert [frames[k] for k in train_at] == scanned
    assert not set(train_at) & set(test_at)


@pytest.mark.parametrize("sizes", [(0, 3), (3, 0), (5, 6)])
def test_sizes_that_do_not_fit_are_refused(sizes):
    with pytest.raises(InputError, match="expected at least"):
        nested_split(np.arange(10), *sizes, seed=0)
    with pytest.raises(InputError, match="expected more than"):
        random_split(np.arange(3), 3, seed=0)
