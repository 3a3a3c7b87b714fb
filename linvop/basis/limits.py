r"""How many columns an enumeration may have before it is taken for a mistake.

Words grow as (number of shells)^(kappa + 1), products as the power nu of that: a setting that is
one step too large would list names until the memory is full. A dense row of `LARGEST` columns
takes 8 MB for each component of each structure; no fit of this package gets near it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TypeVar

from linvop.errors import InputError

__all__ = ["LARGEST", "no_more_than", "require_no_more"]

LARGEST = 1_000_000
"""Of one species (or pair of species) and irrep."""

Item = TypeVar("Item")


def no_more_than(
    items: Iterable[Item], of: str, advice: str, limit: int | None = None
) -> Iterator[Item]:
    r"""The items, as long as there are no more than `limit`.

    Parameters
    ----------
    items : iterable
    of, advice : str
        What they are of, and what makes them fewer, for the message.
    limit : int, optional
        Default `LARGEST`.

    Raises
    ------
    InputError
        When the next item is one too many.
    """
    most = LARGEST if limit is None else limit
    for k, item in enumerate(items):
        if k == most:
            raise InputError(f"{of}: more than {most} features; {advice}")
        yield item


def require_no_more(n: int, of: str, advice: str) -> None:
    r"""Refuse a number of columns above `LARGEST`; words as for `no_more_than`.

    Raises
    ------
    InputError
    """
    if n > LARGEST:
        raise InputError(f"{of}: {n} features, more than {LARGEST}; {advice}")
