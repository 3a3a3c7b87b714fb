r"""Curves of two molecules that are pulled apart, with labels: water dimers and ion pairs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from linvop.errors import InputError
from linvop.sampling import dissociation_curves, random_rotation, sample_water
from paper_reproduction.contests import Contest
from paper_reproduction.external import read_set
from paper_reproduction.labels import labelled
from paper_reproduction.sets import level_of
from paper_reproduction.study import Setting

if TYPE_CHECKING:
    from ase import Atoms

    from linvop.io.dataset import Dataset

__all__ = ["Curves", "charged_dimers", "water_dimers"]

_LEVEL: dict[str, Any] = {"method": "rhf", "quantities": ("energy", "dipole")}
_AO, _QUICK_AO = "def2-svp", "sto-3g"
_N_PAIRS, _N_CHARGED = (6, 50), (3, 10)
"""Pairs of a quick and of a full run."""

_ION_DISTANCES = tuple(float(d) for d in np.linspace(4.0, 8.0, 13))
"""Angstrom; steps and reach of the charged dimers of others."""

_NOISE = 0.05
"""Angstrom, by which atoms of ions leave an idealised geometry."""


@dataclass(frozen=True, eq=False)
class Curves:
    r"""Curves of equal length, one after the other.

    Attributes
    ----------
    contest : Contest
        The structures and labels.
    pair, step : (n,) int
        Which curve, and which point of it, by distance.
    distance : (n,) float64
        Angstrom.
    words : str
    """

    contest: Contest
    pair: np.ndarray
    step: np.ndarray
    distance: np.ndarray
    words: str

    @property
    def n_steps(self) -> int:
        """Points of a curve."""
        return int(self.step.max()) + 1

    def by_curve(self, values: np.ndarray) -> np.ndarray:
        """(n, ...) as (n_pairs, n_steps, ...)."""
        return values.reshape(-1, self.n_steps, *values.shape[1:])


def _curves(
    frames: Sequence[Atoms], pair: np.ndarray, distance: np.ndarray, labels: Any, words: str
) -> Curves:
    """Of frames that stand curve by curve, each by distance; curves that lack a label go."""
    points = np.bincount(pair)
    n_steps = int(points.max())
    if (points != n_steps).any():
        other = int(np.flatnonzero(points != n_steps)[0])
        raise InputError(
            f"dimers: expected {n_steps} distances of every pair, got {points[other]} of pair "
            f"{other}"
        )
    lacks = [np.isnan(y.reshape(len(y), -1)).any(axis=1) for y in labels.values()]
    kept = np.repeat(~np.any(lacks, axis=0).reshape(-1, n_steps).any(axis=1), n_steps)
    chosen = np.flatnonzero(kept)
    contest = Contest([frames[int(k)] for k in chosen], {t: y[chosen] for t, y in labels.items()})
    n_pairs = len(chosen) // n_steps
    return Curves(
        contest,
        np.repeat(np.arange(n_pairs), n_steps),
        np.tile(np.arange(n_steps), n_pairs),
        distance[chosen],
        words.format(n_pairs=n_pairs, n_steps=n_steps),
    )


def _labels_of(data: Dataset, n: int) -> dict[str, np.ndarray]:
    """In the order of what was labelled; NaN where an SCF has not converged."""
    from linvop.io.structures import labels

    out = {"energy": np.full(n, np.nan), "dipole": np.full((n, 3), np.nan)}
    frames = data.frames()
    for name, values in out.items():
        values[_places(data)] = labels(frames, name)
    return out


def _places(data: Dataset) -> np.ndarray:
    """Place of each record among the structures that were labelled, (n,) int."""
    return np.asarray([record.source_index for record in data])


def water_dimers(setting: Setting) -> Curves:
    r"""Pairs of distinct waters at distances of 3.5 to 12 Angstrom, Hartree-Fock labels.

    The user's geometries, or pairs of `linvop.sampling.sample_water`.
    """
    n_pairs = setting.pick(*_N_PAIRS)
    frames = read_set("water dimers", setting.data)
    if frames is None:
        monomers = sample_water(2 * n_pairs)
        frames = dissociation_curves(monomers[:n_pairs], monomers[n_pairs:])
    pair = np.asarray([a.info["pair"] for a in frames], dtype=int)
    distance = np.asarray([a.info["distance"] for a in frames], dtype=float)
    order = np.lexsort((distance, pair))
    order = order[pair[order] < n_pairs]
    if setting.quick:  # every other distance, the last one among them
        place = np.arange(len(order)) - np.searchsorted(pair[order], pair[order])
        order = order[place % 2 == 1]
    chosen = [frames[k] for k in order]
    name = "water-dimers-quick" if setting.quick else "water-dimers"
    data = labelled(name, chosen, setting, ao=setting.pick(_QUICK_AO, _AO), **_LEVEL)
    words = f"{{n_pairs}} pairs of water at {{n_steps}} distances, {level_of(data)}"
    return _curves(chosen, pair[order], distance[order], _labels_of(data, len(chosen)), words)


def charged_dimers(setting: Setting) -> Curves:
    r"""Interaction energies of cations with anions; neutral in total.

    The user's pairs, or NH4+ with HCOO-, distorted and turned at random.
    """
    frames = read_set("charged dimers", setting.data)
    if frames is None:
        return _own_ions(setting)
    distance = np.asarray([a.info["distance"] for a in frames], dtype=float)
    # A curve ends where the distance falls: the next pair begins.
    pair = np.concatenate([[0], np.cumsum(np.diff(distance) < 0)])
    if setting.quick:
        n = int((pair < _N_CHARGED[0]).sum())
        frames, distance, pair = frames[:n], distance[:n], pair[:n]
    from linvop.io.structures import labels

    halves = np.asarray([a.info["energy_A"] + a.info["energy_B"] for a in frames])
    energy = {"energy": np.asarray(labels(frames, "energy")) - halves}
    words = "{n_pairs} cation-anion pairs at {n_steps} distances, DFT interaction energies"
    return _curves(frames, pair, distance, energy, words)


def _own_ions(setting: Setting) -> Curves:
    n_pairs, ao = setting.pick(*_N_CHARGED), setting.pick(_QUICK_AO, _AO)
    rng = np.random.default_rng(2026)
    cations = [_distorted(_AMMONIUM, rng, +1) for _ in range(n_pairs)]
    anions = [_distorted(_FORMATE, rng, -1) for _ in range(n_pairs)]
    frames = dissociation_curves(cations, anions, _ION_DISTANCES[:: setting.pick(2, 1)])
    name = "ion-pairs-quick" if setting.quick else "ion-pairs"
    data = labelled(name, frames, setting, ao=ao, **_LEVEL)
    energy = _labels_of(data, len(frames))["energy"]
    ions = labelled(f"{name}-ions", [*cations, *anions], setting, ao=ao, **_LEVEL)
    alone = _labels_of(ions, 2 * n_pairs)["energy"].reshape(2, n_pairs).sum(axis=0)
    pair = np.asarray([a.info["pair"] for a in frames], dtype=int)
    distance = np.asarray([a.info["distance"] for a in frames], dtype=float)
    words = f"{{n_pairs}} pairs of NH4+ with HCOO- at {{n_steps}} distances, {level_of(data)}"
    return _curves(frames, pair, distance, {"energy": energy - alone[pair]}, words)


_AMMONIUM = ("NH4", 1.02 / np.sqrt(3.0) * np.asarray(
    [[0, 0, 0], [1, 1, 1], [1, -1, -1], [-1, 1, -1], [-1, -1, 1]], dtype=float
))  # fmt: skip
_FORMATE = ("CO2H", np.asarray(
    [[0, 0, 0], [1.13, 0.53, 0], [-1.13, 0.53, 0], [0, -1.13, 0]], dtype=float
))  # fmt: skip
"""Ions about their first atom, Angstrom."""


def _distorted(ion: tuple[str, np.ndarray], rng: np.random.Generator, charge: int) -> Atoms:
    from ase import Atoms

    symbols, positions = ion
    moved = positions + _NOISE * rng.normal(size=positions.shape)
    out = Atoms(symbols, positions=(moved - moved[0]) @ random_rotation(rng).T)
    out.info["charge"] = charge
    return out
