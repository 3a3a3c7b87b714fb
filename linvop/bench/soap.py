r"""The peer: a linear model on featomic's SOAP power spectrum.

The power spectrum of every atom is summed over the atoms of each centre species, which is a
linear model with coefficients for each species, as linvop's own. The features are those of
Bartok, Kondor and Csanyi, Phys. Rev. B 87, 184115 (2013); the program is featomic.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from linvop.errors import InputError

if TYPE_CHECKING:
    from ase import Atoms

__all__ = ["SoapSettings", "soap_gradient_rows", "soap_rows"]

_CHUNK = 200


@dataclass(frozen=True)
class SoapSettings:
    r"""Hyperparameters in featomic's terms.

    Attributes
    ----------
    cutoff, cutoff_width, density_width : float
        Angstrom; shifted-cosine cutoff, Gaussian density.
    max_radial : int
        GTO radial functions n = 0 .. max_radial.
    max_angular : int
    """

    cutoff: float = 4.0
    cutoff_width: float = 0.5
    density_width: float = 0.3
    max_radial: int = 6
    max_angular: int = 4

    def __str__(self) -> str:
        return (
            f"SOAP, cutoff {self.cutoff:g} (smooth over {self.cutoff_width:g}), "
            f"width {self.density_width:g}, n {self.max_radial}, l {self.max_angular}"
        )

    def hypers(self) -> dict[str, object]:
        """For `featomic.SoapPowerSpectrum`."""
        return {
            "cutoff": {
                "radius": self.cutoff,
                "smoothing": {"type": "ShiftedCosine", "width": self.cutoff_width},
            },
            "density": {"type": "Gaussian", "width": self.density_width},
            "basis": {
                "type": "TensorProduct",
                "max_angular": self.max_angular,
                "radial": {"type": "Gto", "max_radial": self.max_radial},
            },
        }


def soap_rows(
    frames: Sequence[Atoms], numbers: Sequence[int], settings: SoapSettings
) -> np.ndarray:
    r"""Power spectra summed over the atoms of each species.

    Parameters
    ----------
    frames : sequence of ase.Atoms
    numbers : sequence of int
        Atomic numbers of all species, of centres and of neighbours.
    settings : SoapSettings

    Returns
    -------
    (n_frames, p) float64, C order
        Centre species by centre species; each has one column for every pair a <= b of
        neighbour species, l, n1 and n2.

    Raises
    ------
    InputError
        If featomic is not installed.
    """
    triples, calculator, keys = _program(numbers, settings)
    out = np.zeros((0, 0))
    for first in range(0, len(frames), _CHUNK):
        chunk = list(frames[first : first + _CHUNK])
        spectra = calculator.compute(chunk, selected_keys=keys)
        start = 0
        for triple in triples:
            block = spectra.block(
                center_type=triple[0], neighbor_1_type=triple[1], neighbor_2_type=triple[2]
            )
            stop = start + block.values.shape[1]
            if not len(out):
                width = block.values.shape[1]
                out = np.zeros((len(frames), width * len(triples)))
            rows = first + np.asarray(block.samples["system"])
            np.add.at(out[:, start:stop], rows, block.values)
            start = stop
    return out


def soap_gradient_rows(
    frames: Sequence[Atoms], numbers: Sequence[int], settings: SoapSettings
) -> np.ndarray:
    r"""Their derivatives by positions, (3 n_atoms in all, p) per Angstrom, columns as there."""
    triples, calculator, keys = _program(numbers, settings)
    first_row = 3 * np.concatenate([[0], np.cumsum([len(a) for a in frames])])
    out = np.zeros((0, 0))
    for first in range(0, len(frames), _CHUNK):
        spectra = calculator.compute(
            list(frames[first : first + _CHUNK]), gradients=["positions"], selected_keys=keys
        )
        start = 0
        for triple in triples:
            block = spectra.block(
                center_type=triple[0], neighbor_1_type=triple[1], neighbor_2_type=triple[2]
            )
            gradient = block.gradient("positions")
            stop = start + gradient.values.shape[2]
            if not len(out):
                out = np.zeros((first_row[-1], gradient.values.shape[2] * len(triples)))
            system = first + np.asarray(gradient.samples["system"])
            rows = first_row[system] + 3 * np.asarray(gradient.samples["atom"])
            for x in range(3):
                np.add.at(out[:, start:stop], rows + x, gradient.values[:, x])
            start = stop
    return out


def _program(numbers: Sequence[int], settings: SoapSettings) -> tuple[list, Any, Any]:
    """Species of centre and two neighbours, featomic's calculator and the keys for it."""
    try:
        from featomic import SoapPowerSpectrum
        from metatensor import Labels
    except ImportError as error:
        raise InputError("SOAP needs featomic: pip install 'linvop[peers]'") from error
    numbers = sorted(numbers)
    triples = [(i, a, b) for i in numbers for a in numbers for b in numbers if a <= b]
    keys = Labels(["center_type", "neighbor_1_type", "neighbor_2_type"], np.asarray(triples))
    calculator = SoapPowerSpectrum(**settings.hypers())
    return triples, calculator, keys
