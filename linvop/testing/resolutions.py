r"""Words of a finer basis sum to those of a coarser one."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import product
from typing import TYPE_CHECKING

import numpy as np

from linvop.basis.enumeration import RESOLUTIONS, SOURCES
from linvop.basis.labels import TOTAL, SiteLabel
from linvop.errors import InputError
from linvop.features.basis import Basis, ordered_species
from linvop.testing.yardstick import compare

if TYPE_CHECKING:
    from ase import Atoms

__all__ = ["assert_resolutions_add_up"]


def assert_resolutions_add_up(basis: Basis, atoms: Atoms, *, tolerance: float = 1e-10) -> None:
    r"""Assert that the words of `basis`, summed, are those of every coarser basis.

    Coarser are channels by shell, then by species, then in total, and sources by species, then
    in total. A word that `basis` leaves out is its reverse times sigma.

    Raises
    ------
    InputError
        If nothing is coarser than `basis`, or it has products.
    AssertionError
        With the coarser basis, the column and the largest error; or naming a word that is
        missing, reversed or not.
    """
    if basis.nu != 1:
        raise InputError(f"expected a basis without products, got nu = {basis.nu}")
    coarser = [
        replace(basis, resolution=resolution, sources=sources)
        for resolution in RESOLUTIONS[: RESOLUTIONS.index(basis.resolution) + 1]
        for sources in SOURCES[: SOURCES.index(basis.sources) + 1]
        if (resolution, sources) != (basis.resolution, basis.sources)
    ]
    if not coarser:
        raise InputError("expected a basis that tells channels or sources apart, got total words")
    species = ordered_species(atoms.get_chemical_symbols())
    fine, labels = basis.evaluate(atoms, species), _labels(basis, species)
    channels = basis.enumeration(species).channel_names
    sources = basis.enumeration(species).source_names
    for coarse in coarser:
        case = f"sum to resolution={coarse.resolution!r}, sources={coarse.sources!r}"
        summed = {}
        for key, wanted in _labels(coarse, species).items():
            index = {_word(x): k for k, x in enumerate(labels[key])}
            weights = np.zeros((len(labels[key]), len(wanted)))
            for column, label in enumerate(wanted):
                for word, reverse in _finer(label, channels, sources):
                    if word in index:
                        weights[index[word], column] += 1
                    elif reverse in index:
                        weights[index[reverse], column] += label.sigma
                    else:
                        raise AssertionError(f"{case}: {label} lacks the word {word}")
            summed[key] = fine[key] @ weights
        compare(coarse, species, summed, coarse.evaluate(atoms, species), case, tolerance)


def _labels(basis: Basis, species: tuple[str, ...]) -> dict[tuple, list[SiteLabel]]:
    enumeration = basis.enumeration(species)
    return {
        (s, *irrep): enumeration.labels(s, irrep, "site")
        for s in species
        for irrep in basis.irreps(species)
    }


def _word(label: SiteLabel) -> tuple:
    return (label.screening, label.shells, label.channels, label.sources)


def _finer(
    label: SiteLabel, channels: Sequence[str], sources: Sequence[str]
) -> Iterator[tuple[tuple, tuple]]:
    """The words that a coarser word is the sum of, each with its reverse."""

    def parts(name: str, of: Sequence[str]) -> list[str]:
        return [x for x in of if name in (TOTAL, x, x.split(":")[0])]

    zeta, shells = label.screening, label.shells
    for c in product(*(parts(name, channels) for name in label.channels)):
        for z in product(*(parts(name, sources) for name in label.sources)):
            yield (zeta, shells, c, z), (zeta, shells[::-1], c[::-1], z[::-1])
