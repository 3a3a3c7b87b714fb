r"""Dimers pulled apart: the recipe of the paper's water dimers.

Two monomers, as they are, are moved along z to -d/2 and d/2, for each of some distances d. The
same pair is seen at all distances, so that a curve shows nothing but what the monomers do to
each other.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from linvop.errors import InputError

if TYPE_CHECKING:
    from ase import Atoms

__all__ = ["DISTANCES", "dissociation_curves"]

DISTANCES = tuple(float(d) for d in np.linspace(3.5, 12.0, 20))
"""Angstrom; those of the paper."""


def dissociation_curves(
    first: Sequence[Atoms], second: Sequence[Atoms], distances: Sequence[float] = DISTANCES
) -> list[Atoms]:
    r"""Curves of the pairs (first[k], second[k]), one after the other.

    Parameters
    ----------
    first, second : sequence of ase.Atoms
        Of equal length; their positions are taken from wherever their origins are.
    distances : sequence of float
        Angstrom.

    Returns
    -------
    list of ase.Atoms, len(first) * len(distances)
        ``info``: ``pair`` and ``distance``, and ``charge`` where a monomer has one.

    Raises
    ------
    InputError
        For unequal lengths.
    """
    from ase import Atoms

    if len(first) != len(second):
        raise InputError(f"dimers: expected as many, got {len(first)} and {len(second)} monomers")
    out = []
    for k, (a, b) in enumerate(zip(first, second, strict=True)):
        charge = int(a.info.get("charge", 0)) + int(b.info.get("charge", 0))
        for d in distances:
            shift = np.asarray([0.0, 0.0, d / 2])
            dimer = Atoms(
                [*a.numbers, *b.numbers],
                positions=np.concatenate([a.positions - shift, b.positions + shift]),
            )
            dimer.info |= {"pair": k, "distance": float(d)}
            if charge or "charge" in {*a.info, *b.info}:
                dimer.info["charge"] = charge
            out.append(dimer)
    return out
