r"""Finished settings of a scan: the folder ``scan.parts``, one JSON file for each.

The name of a file is the digest of everything that its content depends on: data, labels,
exponents, settings, validation, version. What is changed has another name and is measured anew;
each file is whole or absent.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from linvop import __version__
from linvop.io.atomic import atomic_text
from linvop.io.frames import charges_and_multiplicities
from linvop.io.hdf5 import json_safe

if TYPE_CHECKING:
    from ase import Atoms

    from linvop.models.property import PropertyModel

__all__ = ["FinishedSettings", "data_digest", "setting_key"]

_SCHEMA = 1


def data_digest(frames: Sequence[Atoms], values: Mapping[str, np.ndarray], source: str) -> str:
    r"""Identify structures and their labels, to the bit and in their order."""
    digest = hashlib.sha256()
    states = np.stack(charges_and_multiplicities(frames, source=source))
    digest.update(np.asarray(states, np.int64).tobytes())
    for atoms in frames:
        digest.update(len(atoms).to_bytes(8, "little"))
        digest.update(np.asarray(atoms.numbers, np.int64).tobytes())
        digest.update(np.asarray(atoms.positions, np.float64).tobytes())
    for name, labels in sorted(values.items()):
        digest.update(f"{name} {labels.shape}".encode())
        digest.update(np.asarray(labels, np.float64).tobytes())
    return digest.hexdigest()


def setting_key(
    data: str, model: PropertyModel, species: Sequence[str], validation: Mapping[str, Any]
) -> str:
    r"""Identify what measuring `model` on `data` gives.

    The AO basis enters by its exponents: a name may come to mean something else.
    """
    basis = model.basis
    content = {
        "schema": _SCHEMA,
        "linvop": __version__,
        "data": data,
        "basis": {f.name: repr(getattr(basis, f.name)) for f in fields(basis) if f.name != "ao"},
        "shells": {s: [asdict(shell) for shell in basis.ao_basis.shells(s)] for s in species},
        "targets": [asdict(t) for t in model.targets],
        "solver": repr(model.solver),
        "kappa_cost": model.kappa_cost,
        "relevance": model.relevance,
        "atom_energies": model.atom_energies,
        "validation": dict(validation),
    }
    text = json.dumps(json_safe(content), sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:24]


class FinishedSettings:
    r"""What a scan has measured so far.

    Parameters
    ----------
    folder : Path
        Of the scan's outputs; ``scan.parts`` is made in it.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder / "scan.parts"

    def load(self, key: str) -> dict[str, Any] | None:
        """What was measured, or None if it was not or the file is damaged."""
        try:
            found = json.loads((self.folder / f"{key}.json").read_text())
        except (OSError, ValueError):
            return None
        return found if isinstance(found, dict) and found.get("key") == key else None

    def store(self, key: str, measured: Mapping[str, Any]) -> dict[str, Any]:
        """Keep what was measured; returns it as `load` will."""
        self.folder.mkdir(parents=True, exist_ok=True)
        text = json.dumps(json_safe({"key": key, **measured}), indent=1)
        atomic_text(self.folder / f"{key}.json", text, force=True)
        return json.loads(text)
