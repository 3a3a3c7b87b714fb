r"""Training data of a property model: label arrays, free atoms set apart, what is refused."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from linvop.errors import InputError
from linvop.features.basis import ordered_species
from linvop.io.frame_numbers import frame_numbers
from linvop.io.frames import in_state
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
    of_atoms = force_labels(frames, keys, units, source) if forces else None
    atom_weights = _checked_atom_weights(force_weights, frames)
    weights = _checked_weights(weights, len(frames))
    known = dict(atom_energies or {})
    free = free_atoms(frames, targets)
    for k in np.flatnonzero(free):
        known.setdefault(frames[k].get_chemical_symbols()[0], float(values["energy"][k]))
    kept = np.flatnonzero(~free)
    if len(kept) < len(frames):
        source = f"{source} (without its {len(frames) - len(kept)} free atoms)"
    if state is not None:
        with frame_numbers(kept):
            chosen, source = in_state([frames[k] for k in kept], state, source)
        kept = kept[chosen]
    frames = [frames[k] for k in kept]
    values = {name: v[kept] for name, v in values.items()}
    for name, value in values.items():
        if len(value) > 1 and not np.ptp(value, axis=0).any():
            raise InputError(
                f"{source}: {name} is {np.array2string(value[0])} in all {len(value)} "
                "structures; expected values that vary"
            )
    with frame_numbers(kept):
        found = require_one_state(frames, source)
    species = ordered_species(z for a in frames for z in set(a.numbers.tolist()))
    return TrainingSet(
        frames,
        values,
        None if weights is None else weights[kept],
        species,
        found,
        _free_atoms(known, species, source),
        source,
        kept,
        None if of_atoms is None else np.concatenate([of_atoms[k] for k in kept]),
        np.concatenate([atom_weights[k] for k in kept]),
    )


def free_atoms(frames: Sequence[Atoms], targets: Sequence[Target]) -> np.ndarray:
    r"""Which structures give energies of free atoms, (n_frames,) bool.

    Those of one atom, if energies are learned and there are other structures.
    """
    single = np.asarray([len(a) == 1 for a in frames], dtype=bool)
    learned = any(t.name == "energy" for t in targets)
    return single if learned and not single.all() else np.zeros_like(single)


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


def _checked_weights(weights: np.ndarray | None, n: int) -> np.ndarray | None:
    if weights is None:
        return None
    weights = np.asarray(weights, dtype=float)
    if weights.shape != (n,):
        raise InputError(f"weights: expected shape ({n},), got {weights.shape}")
    return weights


def _checked_atom_weights(
    weights: Sequence[np.ndarray] | None, frames: Sequence[Atoms]
) -> list[np.ndarray]:
    if weights is None:
        return [np.ones(len(a)) for a in frames]
    if not isinstance(weights, Sequence | np.ndarray) or len(weights) != len(frames):
        got = len(weights) if isinstance(weights, Sequence | np.ndarray) else repr(weights)
        raise InputError(f"force_weights: expected {len(frames)} arrays, one a frame, got {got}")
    checked = [np.asarray(w, dtype=float) for w in weights]
    for k, (w, atoms) in enumerate(zip(checked, frames, strict=True)):
        if w.shape != (len(atoms),):
            raise InputError(
                f"force_weights, frame {k}: expected shape ({len(atoms)},), got {w.shape}"
            )
        bad = np.flatnonzero(~(np.isfinite(w) & (w > 0.0)))
        if len(bad):
            raise InputError(
                f"force_weights, frame {k}, atom {bad[0]}: expected a positive number, "
                f"got {w[bad[0]]}"
            )
    return checked


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
