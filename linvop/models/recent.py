r"""The last arrays of one kind, up to so many bytes.

A fit, its errors on two data sets and the points of a learning curve ask for the same Fock
matrices of superposed atoms, each of which costs what an SCF iteration does.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Hashable
from threading import Lock

import numpy as np

__all__ = ["RecentArrays"]


class RecentArrays:
    r"""Arrays by key; the ones that were not asked for longest make way.

    Parameters
    ----------
    n_bytes : float
        Of all arrays together. A larger one is made, and not kept.
    """

    def __init__(self, n_bytes: float) -> None:
        self._n_bytes = n_bytes
        self._arrays: OrderedDict[Hashable, np.ndarray] = OrderedDict()
        self._lock = Lock()

    def get(self, key: Hashable, make: Callable[[], np.ndarray]) -> np.ndarray:
        r"""The array of a key, made unless it is there; not to be written to.

        Two threads that ask for a missing one at once both make it.
        """
        with self._lock:
            if key in self._arrays:
                self._arrays.move_to_end(key)
                return self._arrays[key]
        made = make()
        made.flags.writeable = False
        if made.nbytes > self._n_bytes:
            return made
        with self._lock:
            self._arrays[key] = made
            while sum(x.nbytes for x in self._arrays.values()) > self._n_bytes:
                self._arrays.popitem(last=False)
        return made
