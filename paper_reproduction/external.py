r"""Data that linvop does not ship: what there is, where to get it, and whether a folder has it.

Every study runs without any of it, on geometries that linvop samples itself.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from numbers import Integral, Real
from pathlib import Path
from typing import TYPE_CHECKING

from linvop.errors import InputError

if TYPE_CHECKING:
    from ase import Atoms

__all__ = ["AUTHORS", "SETS", "Found", "check_folder", "read_set"]

AUTHORS = (
    "The authors' program is github.com/curiosity54/op2op, their data doi:10.5281/zenodo.21265749. "
    "Their geometries serve as they are where they are extended XYZ with the keys above; labels "
    "that are missing are calculated."
)


@dataclass(frozen=True)
class External:
    r"""A set of structures.

    Attributes
    ----------
    files : tuple of str
        Within the folder; the first that is there is taken.
    n : int
        Structures at least.
    elements : str
        Those that may occur, with blanks between.
    keys : {property or key: key in the file}
        What every structure must have.
    units : {property: unit}
    what : str
    source : str
    used_by : str
        Studies.
    """

    files: tuple[str, ...]
    n: int
    elements: str
    keys: Mapping[str, str]
    units: Mapping[str, str]
    what: str
    source: str
    used_by: str


SETS: dict[str, External] = {
    "water": External(
        ("water_monomer/water_monomer_1000.xyz",),
        1000,
        "H O",
        {"energy": "energy_Ha", "dipole": "dipole_au"},
        {"energy": "Hartree", "dipole": "au"},
        "distorted water monomers with CCSD energies and dipoles; dup_of: an earlier copy, or -1",
        "TENSOAP, github.com/dilkins/TENSOAP, example/water_monomer (LGPL-3.0)",
        "properties, beyond",
    ),
    "water dimers": External(
        ("water_dimer_curves/water_dimers_50x20.xyz",),
        1000,
        "H O",
        {"pair": "pair", "distance": "distance"},
        {},
        "50 pairs of water at 20 separations; pair and distance (Angstrom)",
        "the monomers above, moved apart as op2op's experiments/water_dimer does",
        "long_range",
    ),
    "charged dimers": External(
        ("charged_dimers/charge_charge_130.xyz",),
        130,
        "H C N O",
        {
            "energy": "energy",
            "energy_A": "energy_A",
            "energy_B": "energy_B",
            "distance": "distance",
        },
        {"energy": "eV"},
        "10 cation-anion pairs at 13 separations, with the energies of their halves (eV)",
        "github.com/lab-cosmo/atomistic-cookbook, examples/lode-linear (BSD-3-Clause)",
        "long_range",
    ),
    "QM7": External(
        ("qm7/qm7_first1000.xyz", "qm7/qm7_7101.xyz.gz", "qm7/qm7_7101.xyz"),
        1000,
        "H C N O S",
        {"energy": "ae_pbe0_kcal"},
        {"energy": "kcal/mol"},
        "QM7 with PBE0 atomisation energies (kcal/mol); the first 1000 are used",
        "github.com/qmlcode/qmllib, tests/assets (MIT); Rupp et al., PRL 108, 058301 (2012)",
        "locality, properties, operators",
    ),
    "QM7, all": External(
        ("qm7/qm7_7101.xyz.gz", "qm7/qm7_7101.xyz"),
        7000,
        "H C N O S",
        {"energy": "ae_pbe0_kcal"},
        {"energy": "kcal/mol"},
        "the same of all molecules; without it energies end at 800 molecules",
        "github.com/qmlcode/qmllib, tests/assets (MIT); Rupp et al., PRL 108, 058301 (2012)",
        "properties",
    ),
    "acenes": External(
        ("acenes/acenes_eq.xyz",),
        1,
        "H C",
        {},
        {},
        "acenes; the first anthracene is where the relaxation begins",
        "github.com/aoterodelaroza/refdata, 20_mbcc_vie (GPL-3.0)",
        "locality, operators, effective",
    ),
}


@dataclass(frozen=True)
class Found:
    r"""One set in a folder.

    Attributes
    ----------
    name : str
    state : str
        "complete", "absent" or "wrong".
    note : str
        What was found, or is wrong.
    """

    name: str
    state: str
    note: str


def read_set(name: str, folder: Path | None) -> list[Atoms] | None:
    r"""The structures of a set; None where there is no folder, or it lacks the set.

    Raises
    ------
    InputError
        For a folder that does not exist, or a file that is not what the set says.
    """
    if folder is None:
        return None
    if not folder.is_dir():
        raise InputError(f"{folder}: expected a folder of data, found none (linvop data explains)")
    one = SETS[name]
    path = next((folder / f for f in one.files if (folder / f).is_file()), None)
    return None if path is None else _checked(path, one)


def _checked(path: Path, one: External) -> list[Atoms]:
    from linvop.io.structures import read

    properties = {k: v for k, v in one.keys.items() if k in ("energy", "dipole")}
    frames = read(path, keys=properties, units=dict(one.units))
    if len(frames) < one.n:
        raise InputError(f"{path}: expected at least {one.n} structures, got {len(frames)}")
    allowed = set(one.elements.split())
    for k, atoms in enumerate(frames):
        other = set(atoms.get_chemical_symbols()) - allowed
        if other:
            raise InputError(
                f"{path}, frame {k}: expected elements {one.elements}, got {', '.join(other)}"
            )
        for key in set(one.keys) - set(properties):
            if not isinstance(atoms.info.get(key), Real):
                raise InputError(f"{path}, frame {k}: expected the number {key!r}")
        if not isinstance(atoms.info.get("dup_of", -1), Integral):
            raise InputError(f"{path}, frame {k}: dup_of: expected the number of a frame, or -1")
        for key in properties:
            if not (key in atoms.info or (atoms.calc and key in atoms.calc.results)):
                raise InputError(f"{path}, frame {k}: expected the label {one.keys[key]!r}")
    if "distance" in one.keys and len({float(a.info["distance"]) for a in frames}) < 2:
        raise InputError(f"{path}: expected curves, got the same distance in all frames")
    if "pair" in one.keys and len({float(a.info["pair"]) for a in frames}) < 2:
        raise InputError(f"{path}: expected several pairs, got the same in all frames")
    return frames


def check_folder(folder: Path) -> list[Found]:
    r"""Look at every set of a folder.

    Raises
    ------
    InputError
        If it is no folder.
    """
    out = []
    for name, one in SETS.items():
        try:
            frames = read_set(name, folder)
        except InputError as error:
            if not folder.is_dir():
                raise
            out.append(Found(name, "wrong", str(error)))
            continue
        if frames is None:
            out.append(Found(name, "absent", f"expected {' or '.join(one.files)}"))
        else:
            out.append(Found(name, "complete", f"{len(frames)} structures"))
    return out
