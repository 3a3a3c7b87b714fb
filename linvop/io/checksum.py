r"""A checksum of what an HDF5 file holds.

SHA-256 over every attribute and every dataset, names in alphabetical order, with types, shapes
and contents. It is of the content, not of the bytes of the file: the order of writing, chunks
and compression do not matter, and a file that has been repacked is still good.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Any

import h5py
import numpy as np

from linvop.errors import FileFormatError

__all__ = ["checksum"]

_SLAB = 1 << 22
"""Elements of a dataset hashed at once."""


def checksum(group: h5py.Group) -> str:
    r"""SHA-256 over names, types, shapes and contents of all attributes and datasets.

    Attributes named ``checksum`` of `group` itself are left out. The order of writing,
    chunking and compression do not matter.

    Raises
    ------
    FileFormatError
        If the group holds a link to another place or another file.
    """
    digest = hashlib.sha256()
    _feed_attributes(digest, {k: v for k, v in group.attrs.items() if k != "checksum"})
    _feed_members(digest, group)
    return digest.hexdigest()


def _feed_members(digest: Any, group: h5py.Group) -> None:
    for name in sorted(group):
        if not isinstance(group.get(name, getlink=True), h5py.HardLink):
            raise FileFormatError(f"{group.file.filename}: {name} is a link to another place")
        item = group[name]
        _feed(digest, name)
        _feed_attributes(digest, item.attrs)
        if isinstance(item, h5py.Group):
            _feed(digest, f"group of {len(item)}")
            _feed_members(digest, item)
        else:
            _feed_dataset(digest, item)


def _feed_attributes(digest: Any, attributes: Mapping[str, Any]) -> None:
    _feed(digest, f"{len(attributes)} attributes")
    for name in sorted(attributes):
        _feed(digest, name)
        _feed(digest, attributes[name])


def _feed_dataset(digest: Any, dataset: h5py.Dataset) -> None:
    _feed(digest, f"dataset {dataset.dtype.str} {dataset.shape}")
    if dataset.ndim == 0 or dataset.size == 0:
        _feed(digest, dataset[()])
        return
    rows = max(1, _SLAB * len(dataset) // dataset.size)
    for first in range(0, len(dataset), rows):
        slab = dataset[first : first + rows]
        if slab.dtype == object:
            _feed(digest, slab)
        else:
            digest.update(np.ascontiguousarray(slab).data)


def _feed(digest: Any, value: Any) -> None:
    """Add one value, with its type and length so that neighbours cannot trade bytes."""
    if isinstance(value, str | bytes):
        raw = value.encode() if isinstance(value, str) else value
        digest.update(f"text {len(raw)}:".encode() + raw)
        return
    array = np.asarray(value)
    if array.dtype == object:
        digest.update(f"texts {array.shape}:".encode())
        for item in array.ravel():
            _feed(digest, item)
        return
    digest.update(f"{array.dtype.str} {array.shape}:".encode() + array.tobytes())
