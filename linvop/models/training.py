r"""Training data of a property model: label arrays, free atoms set apart, what is refused."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from linvop.errors import InputError
from linvop.features.basis import ordered_species
from linvop.io.frame_numbers import frame_numbers_of_errors
from linvop.io.frames import charges_and_multiplicities, in_state
from linvop.io.structures import check_frames, labels, require_one_state
from linvop.models.targets import Target
from linvop.orbitals.shells import symbol_of

if TYPE_CHECKING:
    from ase import Atoms

__all__ = [
    "TrainingSet",
    "atom_counts",
    "checked_atom_energies",
    "force_labels",
    "free_atoms",
    "label_array",
    "training_set",
]

_SAME_ENERGY = 1e-3
"""eV, by which energies of one free atom may differ."""

_LARGEST_BINDING = 20.0
"""eV per atom; diamond has 7.4."""


@dataclass(frozen=True)
class TrainingSet:
    r"""Checked training data.

    Attributes
    ----------
    frames : list of ase.Atoms
    values : {target: (n, *shape) float64}, ASE units
    weights : (n,) float64 or None
    species : tuple of str
    state : (int, int)
        Total charge and multiplicity, the same for all.
    free_atoms : (n_species,) float64 or None
        Energies of free atoms, eV, where they are known.
    source : str
        How messages call the frames.
    numbers : (n,) int
        Their places among the frames that were given.
    forces : (n_atoms in all, 3) float64 or None
        eV/Angstrom, where they are fitted.
    atom_weights : (n_atoms in all,) float64
        Of the squared errors of forces.
    """

    frames: list[Atoms]
    values: dict[str, np.ndarray]
    weights: np.ndarray | None
    species: tuple[str, ...]
    state: tuple[int, int]
    free_atoms: np.ndarray | None
    source: str
    numbers: np.ndarray
    forces: np.ndarray | None = None
    atom_weights: np.ndarray = field(default_factory=lambda: np.zeros(0))


def training_set(
    frames: Sequence[Atoms],
    targets: Sequence[Target],
    *,
    keys: Mapping[str, str],
    units: Mapping[str, str],
    weights: np.ndarray | None,
    atom_energies: Mapping[str, float] | None,
    source: str,
    state: tuple[int, int] | None = None,
    forces: bool = False,
    force_weights: Sequence[np.ndarray] | None = None,
) -> TrainingSet:
    r"""Check labelled structures and take them apart.

    Structures of one atom give the energies of free atoms and are not fitted to, unless
    there is nothing else. With `state`, only structures in it are taken; free atoms of any.

    Raises
    ------
    InputError
        For bad structures, missing or bad labels, mixed charge or spin.
    """
    frames = check_frames(frames, source=source)
    values = {t.name: label_array(t, frames, keys, units, source) for t in targets}
    weights = _checked_weights(weights, len(frames))
    free = free_atoms(frames, targets)
    known = _energies_of(frames, free, values, source)
    _refuse_other(known, atom_energies or {}, source)
    known |= dict(atom_energies or {})
    kept = np.flatnonzero(~free)
    if len(kept) < len(frames):
        source = f"{source} (without its {len(frames) - len(kept)} free atoms)"
    if state is not None:
        with frame_numbers_of_errors(kept):
            chosen, source = in_state([frames[k] for k in kept], state, source)
        kept = kept[chosen]
    given, frames = frames, [frames[k] for k in kept]
    values = {name: v[kept] for name, v in values.items()}
    atom_weights = _checked_atom_weights(force_weights, given, kept)
    for name, value in values.items():
        if name == "energy" and forces:
            continue  # structures of one energy may have forces to learn from
        if len(value) > 1 and not np.ptp(value, axis=0).any():
            raise InputError(
                f"{source}: {name} is {np.array2string(value[0])} in all {len(value)} "
                "structures; expected values that vary"
            )
    with frame_numbers_of_errors(kept):
        found = require_one_state(frames, source)
        of_atoms = force_labels(frames, keys, units, source) if forces else None
    if of_atoms is not None and not any(f.any() for f in of_atoms):
        raise InputError(f"{source}: forces are zero in all {len(frames)} structures")
    species = ordered_species(z for a in frames for z in set(a.numbers.tolist()))
    of_free = _free_atoms(known, species, source)
    if of_free is not None and "energy" in values:
        _warn_of_atomisation(values["energy"] - atom_counts(frames, species) @ of_free, frames)
    return TrainingSet(
        frames,
        values,
        None if weights is None else weights[kept],
        species,
        found,
        of_free,
        source,
        kept,
        None if of_atoms is None else np.concatenate(of_atoms),
        np.concatenate(atom_weights),
    )


def free_atoms(frames: Sequence[Atoms], targets: Sequence[Target]) -> np.ndarray:
    r"""Which structures give energies of free atoms, (n_frames,) bool.

    Neutral ones of one atom, if energies are learned and there are other structures.
    """
    single = np.asarray([len(a) == 1 for a in frames], dtype=bool)
    learned = any(t.name == "energy" for t in targets)
    if not learned or not single.any() or single.all():
        return np.zeros_like(single)
    return single & (charges_and_multiplicities(frames)[0] == 0)


def _energies_of(
    frames: Sequence[Atoms], free: np.ndarray, values: Mapping[str, np.ndarray], source: str
) -> dict[str, float]:
    """Energies of the free atoms among frames, or `InputError` where two contradict each other."""
    known: dict[str, tuple[int, float]] = {}
    for k in np.flatnonzero(free).tolist():
        symbol, energy = str(frames[k].symbols[0]), float(values["energy"][k])
        first, before = known.setdefault(symbol, (k, energy))
        if abs(energy - before) > _SAME_ENERGY:
            raise InputError(
                f"{source}: frames {first} and {k} are free {symbol} atoms with energies "
                f"{before:.6g} and {energy:.6g} eV; expected one energy for each species"
            )
    return {symbol: energy for symbol, (_, energy) in known.items()}


def _refuse_other(known: Mapping[str, float], given: Mapping[str, float], source: str) -> None:
    """Energies of free atoms that stand in the data and are given must be the same."""
    for s in known.keys() & given.keys():
        if abs(known[s] - given[s]) > _SAME_ENERGY:
            raise InputError(
                f"{source}: the free {s} atom has the energy {known[s]:.6g} eV, and atom_energies "
                f"says {given[s]:.6g}; expected one of the two"
            )


def _warn_of_atomisation(energies: np.ndarray, frames: Sequence[Atoms]) -> None:
    """Warn of bonds that no molecule has: energies of free atoms in another unit, or level."""
    per_atom = np.median(np.abs(energies) / [len(a) for a in frames])
    if per_atom > _LARGEST_BINDING:
        warnings.warn(
            f"energies lie {per_atom:.3g} eV per atom from those of the free atoms, which is more "
            f"than molecules have (up to {_LARGEST_BINDING:.0f}): are both in eV and of one level?",
            stacklevel=5,
        )


def atom_counts(frames: Sequence[Atoms], species: Sequence[str]) -> np.ndarray:
    r"""Atoms of each species, (n_frames, n_species) float64."""
    position = {s: k for k, s in enumerate(species)}
    counts = np.zeros((len(frames), len(species)))
    for row, atoms in zip(counts, frames, strict=True):
        for z, n in zip(*np.unique(atoms.numbers, return_counts=True), strict=True):
            row[position[symbol_of(int(z))]] = n
    return counts


def checked_atom_energies(given: Mapping[str, float] | None) -> dict[str, float] | None:
    r"""Energies of free atoms, eV, as a dict; None for none.

    Raises
    ------
    InputError
        For anything but a mapping from symbols to numbers.
    """
    if given is None:
        return None
    if not isinstance(given, Mapping) or not all(
        isinstance(v, int | float | np.number) and not isinstance(v, bool) for v in given.values()
    ):
        raise InputError(f"atom_energies: expected a mapping such as {{'H': -13.6}}, got {given!r}")
    return {symbol: float(v) for symbol, v in given.items()} or None


def _free_atoms(
    known: Mapping[str, float], species: tuple[str, ...], source: str
) -> np.ndarray | None:
    if not known:
        return None
    ordered_species(known)
    lost = [s for s in species if s not in known]
    if lost:
        raise InputError(
            f"{source}: energies of free atoms are given for {', '.join(known)} "
            f"but not for {', '.join(lost)}; give all or none"
        )
    return np.asarray([known[s] for s in species])


def _checked_weights(weights: Sequence[float] | np.ndarray | None, n: int) -> np.ndarray | None:
    return None if weights is None else _positive(weights, n, "weights", "frame")


def _checked_atom_weights(
    weights: Sequence[np.ndarray] | None, frames: Sequence[Atoms], kept: np.ndarray
) -> list[np.ndarray]:
    """Of the frames that are kept; those of free atoms count for nothing."""
    if weights is None:
        return [np.ones(len(frames[k])) for k in kept]
    if not isinstance(weights, Sequence | np.ndarray) or len(weights) != len(frames):
        got = len(weights) if isinstance(weights, Sequence | np.ndarray) else repr(weights)
        raise InputError(f"force_weights: expected {len(frames)} arrays, one a frame, got {got}")
    return [
        _positive(weights[k], len(frames[k]), f"force_weights, frame {k}", "atom")
        for k in kept.tolist()
    ]


def _positive(values: object, n: int, name: str, place: str) -> np.ndarray:
    """As float64, or `InputError` naming the place of the first that is none."""
    found = _numbers(values, name)
    if found.shape != (n,):
        raise InputError(f"{name}: expected shape ({n},), got {found.shape}")
    bad = np.flatnonzero(~(np.isfinite(found) & (found > 0.0)))
    if len(bad):
        k = int(bad[0])
        raise InputError(f"{name}, {place} {k}: expected a positive number, got {found[k]}")
    return found


def _numbers(values: object, name: str) -> np.ndarray:
    """float64, or `InputError` for text, complex numbers and rows of different lengths."""
    try:
        found = np.asarray(values)
    except ValueError as error:
        raise InputError(f"{name}: expected an array of numbers, got {error}") from error
    if found.dtype.kind not in "iuf":
        raise InputError(f"{name}: expected numbers, got {values!r:.60}")
    return found.astype(float)


def force_labels(
    frames: Sequence[Atoms], keys: Mapping[str, str], units: Mapping[str, str], source: str
) -> list[np.ndarray]:
    """Forces of all frames, (n_atoms, 3) each, eV/Angstrom."""
    return labels(frames, "forces", key=keys.get("forces"), unit=units.get("forces"), source=source)


def label_array(
    target: Target,
    frames: Sequence[Atoms],
    keys: Mapping[str, str],
    units: Mapping[str, str],
    source: str,
) -> np.ndarray:
    """Labels of all frames, (n, *shape); of forces (n_atoms in all, 3)."""
    if target.name == "forces":
        return np.concatenate(force_labels(frames, keys, units, source))
    found = labels(
        frames, target.name, key=keys.get(target.name), unit=units.get(target.name), source=source
    )
    size = int(np.prod(target.shape))
    for k, value in enumerate(found):
        if np.size(value) != size:
            raise InputError(
                f"{source}, frame {k}: {target.name} has shape {np.shape(value)}, "
                f"expected {target.shape}"
            )
        if target.rank == 2:
            tensor = np.asarray(value, dtype=float).reshape(3, 3)
            if np.abs(tensor - tensor.T).max() > 1e-3 * np.abs(tensor).max():
                raise InputError(
                    f"{source}, frame {k}: {target.name} is not symmetric: {tensor.tolist()}"
                )
    return np.stack([np.asarray(v, dtype=float).reshape(target.shape) for v in found])
