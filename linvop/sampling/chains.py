r"""Chains and ribbons of carbon, idealised: alkanes, polyenes, acenes."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from linvop.errors import InputError

if TYPE_CHECKING:
    from ase import Atoms

__all__ = ["acene", "alkane", "polyene"]

_CH = 1.09
"""Angstrom."""


def alkane(n: int) -> Atoms:
    r"""A straight alkane of n carbon atoms, C_n H_(2n+2)."""
    from ase import Atoms

    bond, ch, half = 1.53, 1.09, np.radians(112.0 / 2)
    step = np.asarray([bond * np.sin(half), bond * np.cos(half), 0.0])
    positions, symbols = [], []
    for k in range(n):
        side = 1.0 if k % 2 else -1.0
        carbon = np.asarray([k * step[0], 0.5 * side * step[1], 0.0])
        out = np.asarray([0.0, side * ch * np.cos(np.radians(53.5)), 0.0])
        up = np.asarray([0.0, 0.0, ch * np.sin(np.radians(53.5))])
        own = [carbon, carbon + out + up, carbon + out - up]
        if k in (0, n - 1):  # along the chain's next bond that is not there
            along = -1.0 if k == 0 else 1.0
            toward = np.asarray([along * step[0], -side * step[1], 0.0]) / bond
            own.append(carbon + ch * toward)
            if n == 1:
                own.append(carbon + ch * toward * np.asarray([-1.0, 1.0, 1.0]))
        positions += own
        symbols += ["C"] + ["H"] * (len(own) - 1)
    return Atoms(symbols, positions=np.asarray(positions))


def polyene(n: int) -> Atoms:
    r"""An all-trans polyene of n carbon atoms (even), C_n H_(n+2), planar.

    Double bonds of 1.35 and single bonds of 1.45 Angstrom in turn, the first one double; all
    angles 120 degrees.

    Raises
    ------
    InputError
        For an odd or too small number of atoms.
    """
    from ase import Atoms

    if n < 2 or n % 2:
        raise InputError(f"polyene: expected an even number of carbon atoms, got {n}")
    along, aside = np.sin(np.radians(60.0)), np.cos(np.radians(60.0))
    carbons = [np.zeros(3)]
    for k in range(n - 1):
        step = (1.45 if k % 2 else 1.35) * np.asarray([along, -aside if k % 2 else aside, 0.0])
        carbons.append(carbons[-1] + step)
    out = []
    for k, carbon in enumerate(carbons):
        side = 1.0 if k % 2 else -1.0
        out.append(carbon + _CH * np.asarray([0.0, side, 0.0]))
    ends = [
        carbons[0] + _CH * np.asarray([-along, aside, 0.0]),
        carbons[-1] + _CH * np.asarray([along, -aside, 0.0]),
    ]
    return Atoms("C" * n + "H" * (n + 2), positions=np.asarray([*carbons, *out, *ends]))


def acene(n: int) -> Atoms:
    r"""N fused hexagons in a row, C_(4n+2) H_(2n+4), planar, all C-C bonds 1.40 Angstrom.

    Raises
    ------
    InputError
        For no rings.
    """
    from ase import Atoms

    if n < 1:
        raise InputError(f"acene: expected at least one ring, got {n}")
    bond, width = 1.40, 1.40 * np.sqrt(3.0)
    carbons, out = [], []
    for k in range(2 * n + 1):  # zigzag edges: even k on a fusion or an end, odd k between
        for side in (1.0, -1.0):
            y = side * bond * (1.0 if k % 2 else 0.5)
            carbons.append([0.5 * width * k, y, 0.0])
            if k % 2:
                out.append([0.5 * width * k, y + side * _CH, 0.0])
            elif k in (0, 2 * n):
                away = -1.0 if k == 0 else 1.0
                slope = np.asarray([away * np.sqrt(3.0) / 2, side * 0.5, 0.0])
                out.append(list(np.asarray(carbons[-1]) + _CH * slope))
    return Atoms("C" * len(carbons) + "H" * len(out), positions=np.asarray([*carbons, *out]))
