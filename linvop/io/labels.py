r"""Labels of structures: where they are, and in which unit.

A label of a property is looked for under its key in ``atoms.info``, ``atoms.arrays`` and the
results of ``atoms.calc``: since ASE 3.23 its extended-XYZ reader moves ``energy``, ``forces``,
``dipole`` and their like into a `SinglePointCalculator`. No calculation is ever started.

Units. A label under the property's own name is in ASE's unit (`PROPERTY_UNITS`) unless the
file or the caller says otherwise; under any other key its unit must be said. A file says it by
``info["<key>_unit"]`` or ``info["<key>_units"]`` (key or property name).
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise, permutations
from typing import TYPE_CHECKING, Any

import numpy as np

from linvop.conventions import PROPERTY_UNITS, UNITS, unit_factor
from linvop.errors import InputError
from linvop.io.dipoles import dipole_about_nuclear_charge
from linvop.io.frames import charges_and_multiplicities

if TYPE_CHECKING:
    from ase import Atoms

__all__ = ["declared_unit", "find", "labels", "refuse_mixed_units", "unit_keys"]

_STRUCTURE = ("numbers", "positions")
_UNIT_ENDS = ("unit", "units")
_RATIO_TOLERANCE = 0.01
_TIGHT = 1.1
_LEAST_PER_ATOM = 0.3
_LEAST_HARTREE = 0.3
"""Of an atom, in any molecule: what is less is no total energy. The first holds in any unit."""


def labels(
    frames: Sequence[Atoms],
    name: str,
    *,
    key: str | None = None,
    unit: str | None = None,
    source: str = "frames",
) -> list[np.ndarray]:
    r"""Labels of property `name`, one array for each structure, in ASE's unit.

    Parameters
    ----------
    frames : sequence of ase.Atoms
    name : str
        The property: "energy" (shape ()), "forces" (n_atoms, 3), "dipole" (3,), moved to the
        centre of nuclear charge (`linvop.io.dipoles`), "polarizability" (3, 3), or any other
        of any shape, whose values are taken as they are.
    key : str, optional
        Under which it is found, by default `name`.
    unit : str, optional
        What it is in (`linvop.conventions.UNITS`).
    source : str
        The file's name, for messages.

    Raises
    ------
    InputError
        Naming source, frame and key: a label that is missing (the keys that exist are listed),
        not a number, not finite, of a wrong shape, not symmetric, found twice with different
        values, or left over from other positions; a unit that is unknown, undeclared for a
        foreign key, or contradicted by the file; total energies in mixed units; the dipole of
        a charged molecule about an origin that is not said.
    """
    key = key or name
    raws = [find(atoms, key, f"{source}: frame {i}") for i, atoms in enumerate(frames)]
    # Where no frame has it, that is what is wrong, and not that its unit is not said.
    factor = 1.0 if all(raw is None for raw in raws) else _factor(frames, name, key, unit, source)
    found = []
    for i, (atoms, raw) in enumerate(zip(frames, raws, strict=True)):
        where = f"{source}: frame {i}"
        if raw is None:
            have = ", ".join(_keys(atoms)) or "none"
            raise InputError(f"{where}: no label {key!r} for {name}; there are: {have}")
        found.append(_shaped(raw, name, len(atoms), f"{where}: {key}"))
    if name == "energy":
        refuse_mixed_units(frames, [float(e) for e in found], source)
    if factor != 1.0:
        found = [factor * x for x in found]
    if name == "dipole":
        charges, _ = charges_and_multiplicities(frames, source=source)
        found = [
            dipole_about_nuclear_charge(atoms, x, int(q), f"{source}: frame {i}: {key}")
            for i, (atoms, x, q) in enumerate(zip(frames, found, charges, strict=True))
        ]
    return found


def find(atoms: Atoms, key: str, where: str = "structure") -> Any | None:
    r"""Return what `atoms` has under `key`, or None.

    Raises
    ------
    InputError
        If it is there twice with different values, or if the calculator's results belong to
        other positions.
    """
    places = {"info": atoms.info, "arrays": atoms.arrays, "calculator": _results(atoms)}
    values = {place: d[key] for place, d in places.items() if d.get(key) is not None}
    if "calculator" in values:
        check = getattr(atoms.calc, "check_state", None)
        if check is not None and {"positions", "numbers"} & set(check(atoms)):
            raise InputError(
                f"{where}: {key} comes from a calculator whose results are for other positions "
                "or elements; remove atoms.calc or calculate again"
            )
    if not values:
        return None
    first, *others = values.values()
    for other in others:
        if np.shape(first) != np.shape(other) or not np.array_equal(first, other):
            raise InputError(f"{where}: {key} is in {' and in '.join(values)}, and they differ")
    return first


def _results(atoms: Atoms) -> dict[str, Any]:
    return getattr(atoms.calc, "results", None) or {}


def _keys(atoms: Atoms) -> list[str]:
    arrays = [k for k in atoms.arrays if k not in _STRUCTURE]
    results = [k for k, v in _results(atoms).items() if v is not None]
    return sorted({*atoms.info, *arrays, *results})


def _shaped(raw: Any, name: str, n_atoms: int, where: str) -> np.ndarray:
    """One label as float64 of its shape."""
    try:
        if np.asarray(raw).dtype.kind not in "fiu":
            raise TypeError
        value = np.asarray(raw, dtype=float)
    except (TypeError, ValueError):
        raise InputError(f"{where}: expected numbers, got {raw!r}") from None
    shape = {"energy": (), "forces": (n_atoms, 3), "dipole": (3,), "polarizability": (3, 3)}.get(
        name, value.shape
    )
    if value.shape != shape:
        flat = {"energy": (1,), "polarizability": (9,)}.get(name)
        if value.shape != flat:
            raise InputError(f"{where}: expected shape {shape}, got {value.shape}")
        value = value.reshape(shape)
    if not np.isfinite(value).all():
        atom = ""
        if value.ndim == 2 and len(value) == n_atoms and name != "polarizability":
            atom = f", atom {int(np.argmin(np.isfinite(value).all(axis=1)))}"
        raise InputError(f"{where}{atom}: expected finite numbers, got {_first_bad(value)}")
    if name == "polarizability":
        off = np.abs(value - value.T).max()
        if off > 1e-3 * np.abs(value).max():
            raise InputError(f"{where}: expected a symmetric 3 x 3 tensor; it is off by {off:.3g}")
    return value


def _first_bad(value: np.ndarray) -> float:
    return float(value[~np.isfinite(value)][0])


def unit_keys(name: str, key: str | None = None) -> tuple[str, ...]:
    r"""The keys of ``info`` under which a file may say the unit of a label."""
    return tuple(f"{k}_{end}" for k in dict.fromkeys((key or name, name)) for end in _UNIT_ENDS)


def declared_unit(atoms: Atoms, name: str, key: str | None = None) -> str | None:
    r"""Return the unit that a structure's ``info`` states for a label, or None."""
    for k in unit_keys(name, key):
        if k in atoms.info:
            return str(atoms.info[k])
    return None


def _factor(frames: Sequence[Atoms], name: str, key: str, unit: str | None, source: str) -> float:
    """ASE's unit over the label's, after all that file and caller say of it."""
    stated = [declared_unit(atoms, name, key) for atoms in frames]
    if len(set(stated)) > 1:
        i = next(i for i, u in enumerate(stated) if u != stated[0])
        raise InputError(
            f"{source}: the unit of {key} is stated as {stated[0] or 'nothing'} in frame 0 and as "
            f"{stated[i] or 'nothing'} in frame {i}"
        )
    in_file = stated[0] if stated else None
    if name not in PROPERTY_UNITS:
        if unit and in_file and unit != in_file:
            raise InputError(f"{source}: {key} is declared in {unit}; the file says {in_file}")
        return 1.0
    if unit is None and in_file is None:
        if key != name:
            raise InputError(
                f"{source}: {key!r} is taken as {name}, so its unit must be said; "
                f"known: {', '.join(UNITS[PROPERTY_UNITS[name]])}"
            )
        return 1.0
    try:
        factors = [unit_factor(name, u) for u in (unit, in_file) if u]
    except InputError as error:
        raise InputError(f"{source}: {error}") from None
    if not np.isclose(factors[0], factors[-1], rtol=1e-6):
        raise InputError(f"{source}: {key} is declared in {unit}; the file says {in_file}")
    return factors[0]


def refuse_mixed_units(
    frames: Sequence[Atoms], energies: Sequence[float], source: str = "frames"
) -> None:
    r"""Refuse total energies of which some seem to be in another unit.

    Total energies of one formula differ by far less than any two units of energy do. So those
    of each formula are sorted and split where neighbours differ by more than 10 %; clusters
    that are tight (within 10 %) and whose medians stand in the ratio of two units (27.21,
    23.06, 627.5, 4.184, 1000, ...), to within 1 %, are an error. Energies below 0.3 per atom, or
    of both signs, cannot be total energies in any unit and are left alone, as are those below
    0.3 Hartree per atom in the unit that the ratio suggests.

    Raises
    ------
    InputError
        Naming two frames and the two units that the ratio suggests.
    """
    by_formula: dict[tuple[int, ...], list[int]] = {}
    for i, atoms in enumerate(frames):
        by_formula.setdefault(tuple(sorted(atoms.numbers.tolist())), []).append(i)
    for formula, members in by_formula.items():
        values = np.array([energies[i] for i in members])
        if np.ptp(np.sign(values)) or np.abs(values).min() < _LEAST_PER_ATOM * len(formula):
            continue
        order = np.argsort(np.abs(values))
        size = np.abs(values)[order]
        groups = np.split(order, np.flatnonzero(size[1:] > _TIGHT * size[:-1]) + 1)
        for a, b in pairwise(groups):
            _refuse_ratio(members, values, a, b, source, _LEAST_HARTREE * len(formula))


def _refuse_ratio(
    members: list[int],
    values: np.ndarray,
    a: np.ndarray,
    b: np.ndarray,
    source: str,
    least_hartree: float,
) -> None:
    """The part of `refuse_mixed_units` for two neighbouring clusters, a below b."""
    small, large = np.abs(values[a]), np.abs(values[b])
    if small.max() > _TIGHT * small.min() or large.max() > _TIGHT * large.min():
        return
    ratio = np.median(large) / np.median(small)
    factors = UNITS[PROPERTY_UNITS["energy"]]
    least = least_hartree * factors["Hartree"]
    for coarse, fine in permutations(factors, 2):
        expected = factors[coarse] / factors[fine]
        if small.min() * factors[coarse] < least:
            continue  # no total energies in that unit either
        if expected > 1.5 and abs(ratio / expected - 1) < _RATIO_TOLERANCE:
            i, j = members[a[0]], members[b[0]]
            raise InputError(
                f"{source}: mixed units: frames {i} and {j} have the same formula and energies "
                f"{values[a[0]]:.6g} and {values[b[0]]:.6g}, a ratio of {ratio:.4g}: "
                f"{coarse} and {fine}?"
            )
