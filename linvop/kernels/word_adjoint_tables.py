r"""What the adjoint of words reads besides `linvop.kernels.word_tables`, as int32 tables.

Forwards an element gathers entries; backwards an entry gathers elements. Derivatives by a group's
columns in one channel gather all words that are cut there and have the group on either side.
"""

from __future__ import annotations

from dataclasses import dataclass, fields

import numpy as np

from linvop.kernels.plan_parts import offsets
from linvop.kernels.word_tables import WordTables

__all__ = ["WordAdjointTables", "word_adjoint_tables"]


@dataclass(frozen=True)
class WordAdjointTables:
    r"""Integers are int32; ranges of x are ``first[x] : first[x + 1]``.

    Attributes
    ----------
    entry_first, place, value
        For every entry of every word, the elements that it is in, by place, and its share.
    words_of_local : (n,)
        Words of kappa = 1.
    task_group, task_channel, task_first : (n_tasks,), (n_tasks,), (n_tasks + 1,)
        A group and the channel of a cut.
    task_word, task_role
        Words of a task, and whether the group is head (0) or tail (1).
    partner_first, partner_row, partner_entry
        At ``(2 pattern + role) n_local + q``: the entries with local row q on the group's side, as
        local row on the other side and number within the pattern.
    """

    entry_first: np.ndarray
    place: np.ndarray
    value: np.ndarray
    words_of_local: np.ndarray
    task_group: np.ndarray
    task_channel: np.ndarray
    task_first: np.ndarray
    task_word: np.ndarray
    task_role: np.ndarray
    partner_first: np.ndarray
    partner_row: np.ndarray
    partner_entry: np.ndarray

    @property
    def arrays(self) -> dict[str, np.ndarray]:
        """All tables by name."""
        return {f.name: getattr(self, f.name) for f in fields(self)}


def word_adjoint_tables(tables: WordTables) -> WordAdjointTables:
    r"""Turn the tables of a plan with one centre species around."""
    entry_first, place, value = _shares(tables)
    head, tail, channel = tables.word_head, tables.word_tail, tables.word_channel
    cut = np.flatnonzero(head >= 0)
    uses = np.concatenate(
        [
            np.column_stack([side[cut], channel[cut], cut, np.full(len(cut), role)])
            for role, side in enumerate((head, tail))
        ]
    )
    uses = uses[np.lexsort((uses[:, 3], uses[:, 2], uses[:, 1], uses[:, 0]))]
    kinds, counts = np.unique(uses[:, :2], axis=0, return_counts=True)
    partner_first, partner_row, partner_entry = _partners(tables)
    return WordAdjointTables(
        entry_first=entry_first,
        place=place,
        value=value,
        words_of_local=np.flatnonzero(head < 0).astype(np.int32),
        task_group=kinds[:, 0].astype(np.int32),
        task_channel=kinds[:, 1].astype(np.int32),
        task_first=offsets(counts.tolist()).astype(np.int32),
        task_word=uses[:, 2].astype(np.int32),
        task_role=uses[:, 3].astype(np.int32),
        partner_first=partner_first,
        partner_row=partner_row,
        partner_entry=partner_entry,
    )


def _shares(tables: WordTables) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Elements of each entry: where its range starts, places and values."""
    n_words = len(tables.word_channel)
    counts = np.diff(tables.terms_first)[tables.element_terms]
    element = np.repeat(np.arange(len(counts)), counts)
    word = np.repeat(np.arange(n_words), np.diff(tables.word_element))[element]
    within = np.arange(len(element)) - np.repeat(offsets(counts.tolist())[:-1], counts)
    term = tables.terms_first[tables.element_terms[element]] + within
    entry = tables.word_entry[word] + tables.element_base[element] + tables.term_entry[term]
    order = np.argsort(entry, kind="stable")
    found = np.bincount(entry, minlength=int(tables.word_entry[-1]))
    return (
        offsets(found.tolist()).astype(np.int32),
        tables.element_place[element][order],
        tables.term_value[term][order],
    )


def _partners(tables: WordTables) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    n_local = int(tables.widths_i.sum())
    sizes = np.diff(tables.pattern_first)
    pattern = np.repeat(np.arange(len(sizes)), sizes)
    number = np.arange(len(pattern)) - tables.pattern_first[pattern]
    sides = (tables.entry_i, tables.entry_j)
    key = np.concatenate([(2 * pattern + role) * n_local + sides[role] for role in (0, 1)])
    other = np.concatenate([sides[1], sides[0]])
    order = np.argsort(key, kind="stable")
    counts = np.bincount(key, minlength=2 * len(sizes) * n_local)
    return (
        offsets(counts.tolist()).astype(np.int32),
        other[order].astype(np.int32),
        np.tile(number, 2)[order].astype(np.int32),
    )
