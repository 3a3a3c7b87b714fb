r"""Real couplings as float64: computed exactly, rounded once, cached in memory and on disk.

The only module of linvop that turns exact coefficients into floats. A table is looked up in
memory, then in the cache folder, and else computed. Tables come in *sets*: set n holds
every (l1, l2, lam) with max(l1, l2) = n, the first one all up to `FIRST_SET`.

The cache folder is ``LINVOP_CACHE_DIR`` if that is set, else the user's cache folder. A set
is one file, named by a hash of the source text behind it, so that a change of the
mathematics asks for a new name. A cache is not user data: a damaged file is made afresh and
a folder that cannot be written only costs the computation.
"""

from __future__ import annotations

import os
import tempfile
from contextlib import suppress
from fractions import Fraction
from functools import cache
from hashlib import sha256
from io import BytesIO
from math import isqrt
from pathlib import Path

import numpy as np

from linvop.angular.clebsch_gordan import check_triangle, real_squares

__all__ = ["FIRST_SET", "cache_directory", "coupling_table", "sparse_coupling"]

FIRST_SET = 4
"""Largest l of the tables that are made together at first use."""

Sparse = tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]

_SOURCES = ("real_harmonics.py", "clebsch_gordan.py", "tables.py")
"""What a table depends on; this file because of the rounding and the file's layout."""

_DIGEST = 32
"""Bytes of SHA-256 at the head of a file."""


@cache
def coupling_table(l1: int, l2: int, lam: int) -> np.ndarray:
    r"""Return the real coupling coefficients ``C[m1, m2, mu]``, dense.

    Returns
    -------
    (2 l1 + 1, 2 l2 + 1, 2 lam + 1) float64, read-only
        In m order on every axis; each number correctly rounded. The same array on every call.

    Raises
    ------
    InputError
        Unless ``|l1 - l2| <= lam <= l1 + l2`` with l1, l2 >= 0.

    See Also
    --------
    linvop.angular.clebsch_gordan.real_coupling : the exact numbers and their laws.
    """
    m1, m2, mu, value = sparse_coupling(l1, l2, lam)
    table = np.zeros((2 * l1 + 1, 2 * l2 + 1, 2 * lam + 1))
    table[m1, m2, mu] = value
    table.flags.writeable = False
    return table


@cache
def sparse_coupling(l1: int, l2: int, lam: int) -> Sparse:
    r"""Return the non-zeros of `coupling_table` as flat arrays.

    Returns
    -------
    m1, m2, mu : (n_nonzero,) int64, read-only
        *Positions* on the axes of the table, ``m1 = 0 .. 2 l1`` and so on (m = position - l);
        sorted by mu, then m1, then m2.
    value : (n_nonzero,) float64, read-only

    Raises
    ------
    InputError
        Unless ``|l1 - l2| <= lam <= l1 + l2`` with l1, l2 >= 0.
    """
    check_triangle(l1, l2, lam)
    return _set(max(l1, l2, FIRST_SET))[l1, l2, lam]


def cache_directory() -> Path:
    r"""Return the folder for what linvop can compute again; it need not exist."""
    named = os.environ.get("LINVOP_CACHE_DIR")
    if named:
        return Path(named)
    from platformdirs import user_cache_dir

    return Path(user_cache_dir("linvop"))


@cache
def _set(n: int) -> dict[tuple[int, int, int], Sparse]:
    """Set n from its file or, that failing, computed and left there for the next time."""
    path = _cache_file(n)
    arrays = _load(path)
    if arrays is None:
        arrays = _compute(n)
        _store(path, arrays)
    for array in arrays.values():
        array.flags.writeable = False
    index, value, starts = arrays["index"], arrays["value"], arrays["starts"]
    tables = {}
    for triple, first, last in zip(arrays["triples"], starts[:-1], starts[1:], strict=True):
        m1, m2, mu = index[:, first:last]
        tables[tuple(triple.tolist())] = (m1, m2, mu, value[first:last])
    return tables


def _triples(n: int) -> list[tuple[int, int, int]]:
    """The (l1, l2, lam) of set n."""
    return [
        (l1, l2, lam)
        for l1 in range(n + 1)
        for l2 in range(n + 1)
        for lam in range(abs(l1 - l2), l1 + l2 + 1)
        if n == FIRST_SET or max(l1, l2) == n
    ]


def _compute(n: int) -> dict[str, np.ndarray]:
    triples = _triples(n)
    couplings = [real_squares(*triple) for triple in triples]
    keys = [key for coupling in couplings for key in coupling]
    value = [_rounded_root(square) for coupling in couplings for square in coupling.values()]
    return {
        "triples": np.array(triples, dtype=np.int64),
        "starts": np.cumsum([0, *map(len, couplings)], dtype=np.int64),
        "index": np.ascontiguousarray(np.array(keys, dtype=np.int64).T),
        "value": np.array(value, dtype=np.float64),
    }


def _rounded_root(square: Fraction) -> float:
    """The float64 nearest to the number with this signed square."""
    n, d = abs(square.numerator), square.denominator
    shift = 64 + max(0, d.bit_length() - n.bit_length())
    scaled, rest = divmod(n << 2 * shift, d)
    root = isqrt(scaled)
    # A last bit for "and a little more" keeps the division, which rounds correctly, from
    # taking the cut-off root for a tie.
    sticky = bool(rest) or root * root != scaled
    magnitude = (2 * root + sticky) / (1 << shift + 1)
    return magnitude if square >= 0 else -magnitude


def _cache_file(n: int) -> Path | None:
    """Where set n belongs; None where the sources cannot be read and so give no key."""
    digest = sha256()
    try:
        for name in _SOURCES:
            digest.update(Path(__file__).with_name(name).read_bytes())
    except OSError:
        return None
    return cache_directory() / f"couplings-l{n}-{digest.hexdigest()[:24]}.cache"


def _load(path: Path | None) -> dict[str, np.ndarray] | None:
    """The arrays in `path`; None if it is absent, unreadable or not what `_store` wrote.

    The checksum is ours, and comes first, because a zip file's own covers neither its
    directory nor an array whose damaged header ends it early.
    """
    if path is None:
        return None
    try:
        content = path.read_bytes()
    except OSError:
        return None
    digest, payload = content[:_DIGEST], content[_DIGEST:]
    if sha256(payload).digest() != digest:
        return None
    with np.load(BytesIO(payload), allow_pickle=False) as file:
        return {name: file[name] for name in file.files}


def _store(path: Path | None, arrays: dict[str, np.ndarray]) -> None:
    """Write a SHA-256 and the npz file it is of, beside `path`, and rename.

    Readers, in this process or another, see all of it or nothing.
    """
    if path is None:
        return
    buffer = BytesIO()
    np.savez(
        buffer,
        triples=arrays["triples"],
        starts=arrays["starts"],
        index=arrays["index"],
        value=arrays["value"],
    )
    payload = buffer.getvalue()
    temporary = None
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, temporary = tempfile.mkstemp(prefix=path.stem, suffix=".part", dir=path.parent)
        with os.fdopen(handle, "wb") as file:
            file.write(sha256(payload).digest() + payload)
        os.replace(temporary, path)
    except OSError:
        if temporary is not None:
            with suppress(OSError):
                os.unlink(temporary)
