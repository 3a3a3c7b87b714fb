r"""What linvop asks of a structure, and the charge and spin state it is in.

A structure is an `ase.Atoms` with at least one atom, known elements, finite positions, atoms
apart from each other, and no periodic direction: the external potential of a crystal is a
conditionally convergent sum that linvop does not do.

State: the total charge is ``info["charge"]`` (or ``total_charge``), the multiplicity 2 S + 1 is
``info["spin_mult"]`` (or ``multiplicity``, or ``spin``); by default 0 and the lowest, 1 or 2.
``spin`` holds the multiplicity in some programs and 2 S in others; only one of the two has the
parity that the number of electrons allows, and that one is taken.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from linvop.errors import InputError

if TYPE_CHECKING:
    from ase import Atoms

__all__ = [
    "MIN_DISTANCE",
    "charges_and_multiplicities",
    "check_frames",
    "in_state",
    "require_one_state",
    "require_state",
    "state_of",
]

MIN_DISTANCE = 0.01
"""Angstrom. Atoms closer than this are taken for one atom given twice: no molecule has
them, and positions rounded to two decimals can differ by no more."""

_CHARGE_KEYS = ("charge", "total_charge")
_MULTIPLICITY_KEYS = ("spin_mult", "multiplicity", "spin")


def check_frames(
    frames: Iterable[Atoms], *, source: str = "frames", species: Sequence[str] | None = None
) -> list[Atoms]:
    r"""Return the structures as a list if linvop can work with every one of them.

    Parameters
    ----------
    frames : iterable of ase.Atoms
    source : str
        The file's name, for messages.
    species : sequence of str, optional
        The elements that a model knows; others are refused.

    Raises
    ------
    InputError
        Naming source, frame and atom (both counted from 0): no structures, something that is
        no ase.Atoms, no atoms, an unknown element or one outside `species`, a position that is
        not finite, two atoms within `MIN_DISTANCE`, a periodic cell.
    """
    from ase import Atoms

    if isinstance(frames, Atoms):
        frames = [frames]
    if isinstance(frames, str) or not isinstance(frames, Iterable):
        raise InputError(f"{source}: expected structures (ase.Atoms), got {type(frames).__name__}")
    checked = list(frames)
    if not checked:
        raise InputError(f"{source}: expected at least one structure, got none")
    for i, atoms in enumerate(checked):
        where = f"{source}: frame {i}"
        if not isinstance(atoms, Atoms):
            hint = (
                "; a Dataset gives them with .frames()"
                if type(frames).__name__ == "Dataset"
                else ""
            )
            raise InputError(f"{where}: expected an ase.Atoms, got {type(atoms).__name__}{hint}")
        if len(atoms) == 0:
            raise InputError(f"{where}: expected at least one atom, got none")
        _check_elements(atoms, where, species)
        _check_positions(atoms, where)
        if atoms.pbc.any():
            axes = " ".join("FT"[int(p)] for p in atoms.pbc)
            raise InputError(
                f"{where}: expected a molecule, got a periodic cell (pbc={axes}); "
                'if the box is only decoration, say pbc="F F F" (atoms.pbc = False)'
            )
    return checked


def _check_elements(atoms: Atoms, where: str, species: Sequence[str] | None) -> None:
    from ase.data import chemical_symbols

    known = len(chemical_symbols)
    for k, number in enumerate(atoms.numbers):
        if not 1 <= number < known:
            raise InputError(f"{where}, atom {k}: unknown element (atomic number {number})")
        if species is not None and chemical_symbols[number] not in species:
            raise InputError(
                f"{where}, atom {k}: element {chemical_symbols[number]} is not among those of "
                f"the model ({', '.join(species)})"
            )


def _check_positions(atoms: Atoms, where: str) -> None:
    finite = np.isfinite(atoms.positions).all(axis=1)
    if not finite.all():
        k = int(np.argmin(finite))
        raise InputError(f"{where}, atom {k}: its position is {_vector(atoms.positions[k])}")
    if len(atoms) == 1:
        return
    from scipy.spatial import cKDTree

    close = cKDTree(atoms.positions).query_pairs(MIN_DISTANCE)
    if close:
        j, k = min(close)
        distance = np.linalg.norm(atoms.positions[j] - atoms.positions[k])
        raise InputError(
            f"{where}, atoms {j} and {k}: {distance:.2g} Angstrom apart, two atoms on one spot "
            f"(expected at least {MIN_DISTANCE} Angstrom)"
        )


def _vector(x: np.ndarray) -> str:
    return "(" + ", ".join(f"{v:g}" for v in x) + ")"


def charges_and_multiplicities(
    frames: Sequence[Atoms], *, source: str = "frames"
) -> tuple[np.ndarray, np.ndarray]:
    r"""Total charges and multiplicities 2 S + 1 of structures.

    Returns
    -------
    charges, multiplicities : (n_frames,) int64

    Raises
    ------
    InputError
        Naming source and frame: values that are not integers, two keys that contradict each
        other, no electrons, or a multiplicity that the number of electrons forbids (as many
        unpaired electrons as electrons at most, and of the same parity).
    """
    charges = np.zeros(len(frames), dtype=np.int64)
    multiplicities = np.zeros(len(frames), dtype=np.int64)
    for i, atoms in enumerate(frames):
        where = f"{source}: frame {i}"
        charges[i] = _integer(atoms.info, _CHARGE_KEYS, where, 0)
        n_electrons = int(atoms.numbers.sum()) - int(charges[i])
        if n_electrons < 0:
            raise InputError(f"{where}: charge {charges[i]} leaves {n_electrons} electrons")
        multiplicities[i] = _multiplicity(atoms, n_electrons, where)
    return charges, multiplicities


def state_of(
    atoms: Atoms, charge: int | None, multiplicity: int | None, source: str = "atoms"
) -> tuple[int, int]:
    r"""Total charge and multiplicity of one structure, those given before those it says.

    Raises
    ------
    InputError
        As `charges_and_multiplicities`.
    """
    said = atoms.copy()
    if charge is not None:
        said.info = {k: v for k, v in said.info.items() if k not in _CHARGE_KEYS}
        said.info["charge"] = charge
    if multiplicity is not None:
        said.info = {k: v for k, v in said.info.items() if k not in _MULTIPLICITY_KEYS}
        said.info["spin_mult"] = multiplicity
    charges, multiplicities = charges_and_multiplicities([said], source=source)
    return int(charges[0]), int(multiplicities[0])


def _multiplicity(atoms: Atoms, n_electrons: int, where: str) -> int:
    info = dict(atoms.info)
    if "spin" in info:
        spin = _integer(info, ("spin",), where, 0)
        info["spin"] = spin + 1 if (spin - n_electrons) % 2 == 0 else spin
    found = _integer(info, _MULTIPLICITY_KEYS, where, 1 + n_electrons % 2)
    if found < 1 or (found - 1 - n_electrons) % 2 or found - 1 > n_electrons:
        lowest = 1 + n_electrons % 2
        raise InputError(
            f"{where}: multiplicity {found} is impossible with {n_electrons} electrons; "
            f"expected {lowest}, {lowest + 2}, ... up to {n_electrons + 1}"
        )
    return found


def _integer(info: dict[str, Any], keys: Sequence[str], where: str, default: int) -> int:
    """The one value under any of `keys`."""
    found: dict[str, int] = {}
    for key in keys:
        if key not in info:
            continue
        try:
            value = float(info[key])
        except (TypeError, ValueError):
            value = np.nan
        if not value.is_integer():
            raise InputError(f"{where}: {key} = {_plain(info[key])!r}: expected an integer")
        found[key] = int(value)
    if len(set(found.values())) > 1:
        said = ", ".join(f"{k} = {v}" for k, v in found.items())
        raise InputError(f"{where}: {said} contradict each other")
    return next(iter(found.values()), default)


def require_one_state(frames: Sequence[Atoms], source: str = "frames") -> tuple[int, int]:
    r"""Return the total charge and multiplicity that all structures share.

    V does not know them: molecules of different charge or spin have the same V and different
    energies, which no model of V can tell apart.

    Raises
    ------
    InputError
        Naming two frames that differ; and as `charges_and_multiplicities`.
    """
    charges, multiplicities = charges_and_multiplicities(frames, source=source)
    for name, values in (("charge", charges), ("multiplicity", multiplicities)):
        other = np.flatnonzero(values != values[0])
        if other.size:
            i = int(other[0])
            raise InputError(
                f"{source}: frame 0 has {name} {values[0]} and frame {i} has {name} {values[i]}; "
                "V does not tell them apart: fit one model for each state "
                "(state = [charge, multiplicity] chooses one)"
            )
    return int(charges[0]), int(multiplicities[0])


def in_state(
    frames: Sequence[Atoms], state: Sequence[int], source: str = "frames"
) -> tuple[list[int], str]:
    r"""Which structures have one total charge and multiplicity, and how to call them in messages.

    Raises
    ------
    InputError
        If `state` is no pair of integers, or no structure is in it; and as
        `charges_and_multiplicities`.
    """
    if (
        not isinstance(state, Sequence)
        or len(state) != 2
        or not all(isinstance(x, int | np.integer) and not isinstance(x, bool) for x in state)
    ):
        raise InputError(f"state: expected integers (charge, multiplicity), got {state!r}")
    states = np.column_stack(charges_and_multiplicities(frames, source=source))
    kept = np.flatnonzero((states == np.asarray(state)).all(axis=1))
    name = f"charge {state[0]} and multiplicity {state[1]}"
    if not kept.size:
        there = ", ".join(f"({q}, {m})" for q, m in np.unique(states, axis=0))
        raise InputError(f"{source}: expected structures with {name}, got (charge, mult.) {there}")
    if len(kept) < len(frames):
        source = f"{source} (those with {name})"
    return kept.tolist(), source


def _plain(value: Any) -> Any:
    return value.item() if isinstance(value, np.generic) else value


def require_state(frames: Sequence[Atoms], state: tuple[int, int], source: str) -> None:
    r"""Refuse structures in another (charge, multiplicity) than that of a model.

    Raises
    ------
    InputError
        Naming the first such frame.
    """
    states = np.column_stack(charges_and_multiplicities(frames, source=source))
    other = np.flatnonzero((states != np.asarray(state)).any(axis=1))
    if other.size:
        k = int(other[0])
        raise InputError(
            f"{source}, frame {k}: charge {states[k, 0]} and multiplicity {states[k, 1]}, "
            f"expected {state[0]} and {state[1]} as in the training data"
        )
