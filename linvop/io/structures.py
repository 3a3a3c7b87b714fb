r"""Files of structures: extended XYZ (plain or .gz), linvop's data sets, and what ASE knows.

What comes out of `read` is checked (`check_frames`) and has its labels in ASE's units where
ASE users expect them: energy, forces and dipole in a `SinglePointCalculator`, every other
property in ``atoms.info`` (per atom: ``atoms.arrays``) under its own name.
"""

from __future__ import annotations

import gzip
import io
import re
import warnings
import zlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from difflib import get_close_matches
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from linvop.conventions import PROPERTY_UNITS
from linvop.errors import InputError
from linvop.io.atomic import atomic_bytes, check_output
from linvop.io.dipoles import NUCLEAR_CHARGE
from linvop.io.frames import charges_and_multiplicities, check_frames, require_one_state
from linvop.io.labels import declared_unit, find, labels, refuse_mixed_units, unit_keys

if TYPE_CHECKING:
    from ase import Atoms

__all__ = [
    "charges_and_multiplicities",
    "check_frames",
    "check_structure_output",
    "labels",
    "read",
    "require_one_state",
    "write",
]

_IN_CALCULATOR = ("energy", "forces", "dipole")
_XYZ = (".xyz", ".extxyz")
_HDF5 = (".h5", ".hdf5")


def read(
    path: str | Path,
    *,
    keys: Mapping[str, str] | None = None,
    units: Mapping[str, str] | None = None,
    index: str | int = ":",
) -> list[Atoms]:
    r"""Read structures and bring their labels into ASE's units and places.

    Parameters
    ----------
    path : path
    keys : mapping, optional
        Property -> the key under which the file has it: ``{"energy": "energy_Ha"}``. What is
        named here or in `units` must be there in every structure.
    units : mapping, optional
        Property -> its unit in the file: ``{"energy": "Hartree"}``. Required for a known
        property under a foreign key.
    index : str or int
        Which structures, as in `ase.io.read`.

    Returns
    -------
    list of ase.Atoms

    Raises
    ------
    InputError
        Naming file, frame, and atom or key: a file that is missing or cannot be parsed, and
        all that `check_frames` and `labels` refuse.

    Examples
    --------
    >>> from ase.build import molecule
    >>> import tempfile
    >>> water = molecule("H2O")
    >>> water.info["energy_Ha"] = -76.2
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     write(f"{folder}/water.xyz", [water])
    ...     frames = read(f"{folder}/water.xyz", keys={"energy": "energy_Ha"},
    ...                   units={"energy": "Hartree"})
    >>> round(frames[0].get_potential_energy(), 3)
    -2073.508
    """
    if not isinstance(path, str | Path):
        raise InputError(f"read: expected a path, got {type(path).__name__}")
    path, keys, units = Path(path), _names("keys", keys), _names("units", units)
    _warn_of_typos([*keys, *units])
    if units and path.suffix.lower() in _HDF5:
        raise InputError(
            f"{path}: the units of a linvop data set are known; expected none, got {units}"
        )
    if not path.is_file():
        what = "expected a file, got a folder" if path.is_dir() else "no such file"
        raise InputError(f"{path}: {what}")
    frames = check_frames(_chosen(_frames_of(path), index, path), source=str(path))
    for name in dict.fromkeys([*keys, *units, *PROPERTY_UNITS]):
        required = name in keys or name in units
        _place(frames, name, keys.get(name, name), units.get(name), str(path), required)
    return frames


def _names(what: str, given: Mapping[str, str] | None) -> dict[str, str]:
    """A mapping from properties to text."""
    if given is None:
        return {}
    if not isinstance(given, Mapping) or not all(isinstance(v, str) for v in given.values()):
        raise InputError(f"{what}: expected a mapping such as {{'energy': '...'}}, got {given!r}")
    return dict(given)


def _warn_of_typos(names: Iterable[str]) -> None:
    """Any name is a property, but units are known of a few."""
    for name in dict.fromkeys(names):
        if name not in PROPERTY_UNITS:
            for near in get_close_matches(name, PROPERTY_UNITS, n=1, cutoff=0.8):
                warnings.warn(
                    f"read: {name!r} is no property whose units are known "
                    f"({', '.join(PROPERTY_UNITS)}); is {near!r} meant?",
                    stacklevel=3,
                )


def _chosen(frames: list[Atoms], index: str | int, path: Path) -> list[Atoms]:
    if index == ":":
        return frames
    from ase.io.formats import string2index

    try:
        where: Any = string2index(index) if isinstance(index, str) else index
        found = frames[where]
    except (IndexError, TypeError, ValueError):
        raise InputError(f"{path}: index {index!r} of {len(frames)} structures") from None
    return found if isinstance(found, list) else [found]


def _frames_of(path: Path) -> list[Atoms]:
    suffixes = [s.lower() for s in path.suffixes]
    if suffixes[-1:] == [".gz"] and suffixes[-2:-1] and suffixes[-2] in _XYZ:
        # All at once: ASE would seek in the compressed file, frame by frame.
        try:
            with gzip.open(path, "rb") as file:
                return _parse_xyz(file.read(), path)
        except (OSError, EOFError, zlib.error) as error:
            raise InputError(f"{path}: damaged gzip file: {error}") from error
    if suffixes[-1:] and suffixes[-1] in _XYZ:
        return _parse_xyz(path.read_bytes(), path)
    if suffixes[-1:] and suffixes[-1] in _HDF5:
        from linvop.io.dataset import Dataset

        return Dataset.open(path).frames()
    import ase.io

    try:
        found = ase.io.read(path, index=":")
    except Exception as error:  # ASE's parsers raise whatever they run into
        raise InputError(f"{path}: ASE cannot read it: {_said(error)}") from error
    return found if isinstance(found, list) else [found]


def _parse_xyz(raw: bytes, path: Path) -> list[Atoms]:
    import ase.io

    try:
        text = raw.decode()
    except UnicodeDecodeError as error:
        raise InputError(f"{path}: not a text file ({error})") from error
    frames: list[Atoms] = []
    try:
        for atoms in ase.io.iread(io.StringIO(text), index=":", format="extxyz"):
            frames.append(atoms)  # one by one, to know where it fails
    except Exception as error:
        where = _first_fault(text) or f"after frame {len(frames) - 1}: {_said(error)}"
        raise InputError(f"{path}: {where}") from error
    return frames


def _said(error: Exception) -> str:
    return f"{type(error).__name__}: {error}" if str(error) else type(error).__name__


def _xyz_blocks(text: str) -> Iterator[list[str]]:
    """Each frame's lines, the number of atoms first, as far as they can be told apart."""
    lines = text.splitlines()
    at = 0
    while at < len(lines) and lines[at].strip():
        try:
            n_atoms = int(lines[at])
        except ValueError:
            yield lines[at : at + 1]
            return
        yield lines[at : at + 2 + n_atoms]
        at += 2 + n_atoms


def _first_fault(text: str) -> str | None:
    """Where an extended XYZ text is wrong, as far as its columns tell."""
    from ase.data import atomic_numbers

    for i, (head, *rest) in enumerate(_xyz_blocks(text)):
        if not head.strip().isdigit():
            return f"frame {i}: expected the number of atoms, got {head[:40]!r}"
        expected, rows = int(head), [row.split() for row in rest[1:]]
        if len(rows) < expected:
            return f"frame {i}: expected {expected} atoms, the file ends after {len(rows)}"
        for k, row in enumerate(rows):
            where = f"frame {i}, atom {k}"
            if len(row) < 4 or len(row) != len(rows[0]):
                return f"{where}: expected {max(4, len(rows[0]))} columns, got {' '.join(row)!r}"
            species_first = "Properties=" not in rest[0] or "Properties=species:S:1" in rest[0]
            if species_first and not row[0].isdigit() and row[0] not in atomic_numbers:
                return f"{where}: unknown element {row[0]!r}"
            if species_first and not all(_is_number(x) for x in row[1:4]):
                return f"{where}: expected a position, got {' '.join(row[1:4])!r}"
            for name, first, width in _real_columns(rest[0]):
                if not all(_is_number(x) for x in row[first : first + width]):
                    got = " ".join(row[first : first + width])
                    return f"{where}: expected numbers as {name}, got {got!r}"
    return None


def _real_columns(comment: str) -> list[tuple[str, int, int]]:
    """Name, first column and width of what ``Properties=`` says to be real numbers."""
    found, first = [], 0
    said = re.search(r"Properties=([\w:]+)", comment)
    parts = said[1].split(":") if said else []
    for name, kind, width in zip(parts[::3], parts[1::3], parts[2::3], strict=False):
        if not width.isdigit():
            break
        if kind == "R":
            found.append((name, first, int(width)))
        first += int(width)
    return found


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def _place(
    frames: list[Atoms], name: str, key: str, unit: str | None, source: str, required: bool
) -> None:
    """Put the labels of one property where they belong, in ASE's unit.

    Labels that nobody asked for may be absent or odd (a placeholder in a file to predict on);
    they are converted where the file states their unit, and left alone otherwise.
    """
    having = frames
    if not required:
        at = [f"{source}: frame {i}" for i in range(len(frames))]
        having = [
            a for a, where in zip(frames, at, strict=True) if find(a, name, where) is not None
        ]
        if not any(declared_unit(a, name) for a in having):
            if name == "energy":
                _refuse_mixed(having, source)
            return
    values = labels(having, name, key=key, unit=unit, source=source)
    for atoms, value in zip(having, values, strict=True):
        _put(atoms, name, key, value)
        # It is in ASE's unit now; a second reader must not convert it again.
        for k in unit_keys(name):
            atoms.info.pop(k, None)
        if name == "dipole" and "dipole_origin" in atoms.info:
            atoms.info["dipole_origin"] = NUCLEAR_CHARGE


def _refuse_mixed(frames: list[Atoms], source: str) -> None:
    """Look for mixed units among energies as they are, if all of them are numbers."""
    try:
        energies = [float(find(atoms, "energy")) for atoms in frames]  # type: ignore[arg-type]
    except (TypeError, ValueError):
        return
    if np.isfinite(energies).all():
        refuse_mixed_units(frames, energies, source)


def _put(atoms: Atoms, name: str, key: str, value: np.ndarray) -> None:
    """Store a label in ASE's unit, in the one place where it belongs."""
    plain: Any = value if value.ndim else float(value)
    if name not in _IN_CALCULATOR:
        (atoms.arrays if key in atoms.arrays else atoms.info)[name] = plain
        return
    from ase.calculators.singlepoint import SinglePointCalculator

    atoms.info.pop(name, None)
    atoms.arrays.pop(name, None)
    results = dict(getattr(atoms.calc, "results", None) or {})
    atoms.calc = SinglePointCalculator(atoms, **{**results, name: plain})


def check_structure_output(path: str | Path, force: bool = False) -> None:
    r"""Refuse a name to which no extended XYZ may be written, as `check_output` and by its end."""
    check_output(path, force)
    name = Path(path).name.lower().removesuffix(".gz")
    if not name.endswith(_XYZ):
        raise InputError(
            f"{path}: extended XYZ is written; expected a name that ends in .xyz or .xyz.gz"
        )


def write(path: str | Path, frames: Iterable[Atoms] | Sequence[Atoms], force: bool = False) -> None:
    r"""Write structures as extended XYZ, gzipped if the name ends in .gz, whole or not at all.

    Raises
    ------
    InputError
        If `path` exists without `force`, or cannot be written.
    """
    import ase.io

    check_structure_output(path, force)
    text = io.StringIO()
    ase.io.write(text, list(frames), format="extxyz")
    content = text.getvalue().encode()
    if Path(path).suffix.lower() == ".gz":
        content = gzip.compress(content, mtime=0)
    atomic_bytes(path, content, force)
