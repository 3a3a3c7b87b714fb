r"""Structures, labels and distortions of `paper_reproduction.effective`.

The first structures of a set are for training, the others for testing. A distortion stays inside
what training structures do: it is labelled at both levels, and never trained on.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from linvop.conventions import BOHR
from linvop.errors import InputError
from linvop.sampling import NormalModes, sample_water
from paper_reproduction.labels import labelled
from paper_reproduction.sets import (
    MATRICES,
    QUICK,
    anthracene_labels,
    anthracene_modes,
)
from paper_reproduction.study import Setting

if TYPE_CHECKING:
    from ase import Atoms

    from linvop.io.dataset import Dataset

__all__ = ["Case", "anthracene_case", "stretched_waters", "symmetric_mode", "water_case"]

_LEVELS = ("energy", "dipole", "orbital_energies")
_KELVIN = 300.0
_ANGLE = 104.2
"""Degrees."""


@dataclass(frozen=True)
class Case:
    r"""One set.

    Attributes
    ----------
    name : str
    large : Dataset
        Large-basis labels with matrices; training structures first.
    minimal : Dataset
        The test structures in the minimal basis.
    n_train, n_virtual : int
        Training structures; empty levels that count.
    coordinate : (n,) float64
        Along the distortion.
    what : str
        The coordinate, with its unit.
    path, minimal_path : Dataset
        The distortion at both levels.
    steps : int
        Of Gauss-Newton, at most.
    """

    name: str
    large: Dataset
    minimal: Dataset
    n_train: int
    n_virtual: int
    coordinate: np.ndarray
    what: str
    path: Dataset
    minimal_path: Dataset
    steps: int = 40

    def __post_init__(self) -> None:
        for what, large, minimal in (
            ("test structures", self.test, self.minimal),
            ("distortion", self.path, self.minimal_path),
        ):
            a, b = ([r.positions for r in data] for data in (large, minimal))
            if len(a) != len(b) or not np.allclose(a, b, rtol=0, atol=1e-6):
                # An SCF that fails at one level shifts all that stand behind it.
                raise InputError(
                    f"{self.name}, {what}: expected the same structures at both levels, got "
                    f"{len(large)} and {len(minimal)} labels"
                )

    @property
    def train(self) -> Dataset:
        """Structures that are fitted to."""
        return self.large[: self.n_train]

    @property
    def test(self) -> Dataset:
        """Structures that are not."""
        return self.large[self.n_train :]


def water_case(setting: Setting) -> Case:
    r"""Waters, PBE/def2-TZVP, and both bonds stretched (``--quick``: HF/6-31G)."""
    n_train, n = setting.pick((7, 9), (100, 130))
    quick = QUICK | {"ao": "6-31g"}
    level: dict[str, Any] = setting.pick(
        quick, {"xc": "pbe", "ao": "def2-tzvp", "grid_level": 3, "quantities": MATRICES}
    )
    minimal = level | {"ao": "sto-3g", "quantities": _LEVELS}
    name = setting.pick("water-6-31g", "water-tzvp")
    r = np.linspace(*setting.pick((0.90, 1.04, 3), (0.81, 1.13, 17)))
    frames, path = sample_water(n), stretched_waters(r)
    return Case(
        "water",
        labelled(name, frames, setting, **level),
        labelled("water-minimal", frames[n_train:], setting, **minimal),
        n_train,
        2,
        r,
        "both O-H (Å)",
        labelled(f"{name}-path", path, setting, **level),
        labelled("water-minimal-path", path, setting, **minimal),
        setting.pick(8, 40),
    )


def stretched_waters(lengths: Sequence[float] | np.ndarray) -> list[Atoms]:
    r"""Waters of two equal bonds (Angstrom) and the mean angle of `sample_water`."""
    from ase import Atoms

    half = np.radians(_ANGLE) / 2
    arms = np.array([[np.sin(half), np.cos(half), 0.0], [-np.sin(half), np.cos(half), 0.0]])
    return [Atoms("OH2", positions=np.vstack([np.zeros(3), r * arms])) for r in lengths]


def anthracene_case(setting: Setting) -> Case:
    r"""Anthracene at 300 K, LDA/6-31G, and its softest totally symmetric mode.

    Its minimal labels are LDA/STO-3G (``--quick``: ethylene, HF/6-31G and HF/STO-3G).
    """
    from ase import Atoms

    n_train, n = setting.pick((6, 8), (70, 90))
    # A coarse grid: three significant figures of level shifts are asked of it, no more.
    more: dict[str, Any] = setting.pick({}, {"grid_level": 1})
    minimal = anthracene_labels(setting, n)[n_train:]
    modes = anthracene_modes(setting)
    k = symmetric_mode(modes)
    Q = np.linspace(-2.0, 2.0, setting.pick(3, 9))
    shift = modes.widths(_KELVIN)[k] * BOHR * modes.displacements[k]
    path = [Atoms(modes.numbers, positions=modes.positions + q * shift) for q in Q]
    name = setting.pick("ethylene", "anthracene")
    level: dict[str, Any] = setting.pick(
        QUICK, {"xc": "lda,vwn", "ao": "sto-3g", "grid_level": 3, "quantities": MATRICES}
    )
    large = {"ao": "6-31g", **more}
    return Case(
        name,
        anthracene_labels(setting, n, **large),
        minimal,
        n_train,
        setting.pick(2, 4),
        Q,
        "symmetric mode (thermal widths)",
        labelled(f"{name}-6-31g-path", path, setting, **(level | large)),
        labelled(f"{name}-path", path, setting, **level),
        setting.pick(8, 15),
    )


def symmetric_mode(modes: NormalModes) -> int:
    r"""The softest mode of a molecule like ethylene that keeps its three mirror planes.

    Along any other the gap has an extremum where the molecule is at rest, and hardly changes.
    """
    about = modes.positions - modes.positions.mean(axis=0)
    axes = np.linalg.svd(about, full_matrices=False)[2]
    kept = np.ones(len(modes.displacements), dtype=bool)
    for axis in axes:
        mirror = np.eye(3) - 2 * np.outer(axis, axis)
        seen = about @ mirror
        image = np.linalg.norm(seen[:, None] - about, axis=2).argmin(axis=1)
        moved = np.einsum("kax,kax->k", modes.displacements[:, image], modes.displacements @ mirror)
        # A relaxed geometry has its symmetry to within the forces that were left.
        kept &= moved > 0.9 * (modes.displacements**2).sum(axis=(1, 2))
    return int(np.flatnonzero(kept)[0])
