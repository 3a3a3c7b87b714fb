r"""Messages about a part of a file say the numbers of the frames in the file."""

from __future__ import annotations

import re
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import numpy as np

from linvop.errors import InputError

__all__ = ["frame_numbers", "frame_numbers_of_errors", "in_file"]

_FRAMES = re.compile(r"\b(frames? )(\d+)(?:( and )(\d+))?")


@contextmanager
def frame_numbers(numbers: Sequence[int] | np.ndarray, note: str = "") -> Iterator[None]:
    r"""Translate frames in errors and warnings of what goes on inside.

    Parameters
    ----------
    numbers : (n,) int
        The number in the file of each frame of the part.
    note : str
        Added to what names a frame, such as "in the test part of the split".
    """
    if not note and np.array_equal(numbers, np.arange(len(numbers))):
        yield
        return
    with warnings.catch_warnings(record=True) as caught:
        try:
            with frame_numbers_of_errors(numbers, note):
                yield
        finally:
            said = list(caught)
    for warning in said:
        text = in_file(str(warning.message), numbers, note)
        warnings.warn(text, warning.category, stacklevel=3)


@contextmanager
def frame_numbers_of_errors(numbers: Sequence[int] | np.ndarray, note: str = "") -> Iterator[None]:
    r"""Translate frames in errors alone: no filter of warnings, which all threads share, is set."""
    try:
        yield
    except InputError as error:
        raise type(error)(in_file(str(error), numbers, note)) from error


def in_file(text: str, numbers: Sequence[int] | np.ndarray, note: str = "") -> str:
    r"""A message with the frames of a part as those of the file.

    Examples
    --------
    >>> in_file("x.xyz: frame 0 and frame 2 differ", [4, 7, 9])
    'x.xyz: frame 4 and frame 9 differ'
    >>> in_file("x.xyz: frames 0 and 1, atom 1", [4, 7], "in the test part")
    'x.xyz: frames 4 and 7, atom 1 (in the test part)'
    """

    def number(k: str) -> str:
        return str(numbers[int(k)]) if int(k) < len(numbers) else k

    def replaced(match: re.Match[str]) -> str:
        word, first, between, second = match.groups()
        if second is None or word == "frame ":
            return word + number(first) + ("" if second is None else between + second)
        return word + number(first) + between + number(second)

    out, n = _FRAMES.subn(replaced, text)
    return f"{out} ({note})" if n and note else out
