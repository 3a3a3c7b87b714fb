r"""What ``linvop inspect`` shows of a file of structures."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ase import Atoms

__all__ = ["structure_content"]


def structure_content(path: Path) -> dict[str, Any]:
    r"""Sizes, elements, the shortest distance, and the ranges of all numbers in a file.

    Raises
    ------
    InputError
        For what `linvop.read` refuses.
    """
    from linvop.io.structures import charges_and_multiplicities, read

    frames = read(path)
    charges, multiplicities = charges_and_multiplicities(frames, source=str(path))
    sizes = [len(a) for a in frames]
    found = [_values(a) for a in frames]
    keys = Counter(key for values in found for key in values)
    return {
        "kind": "structures",
        "n_structures": len(frames),
        "elements": dict(Counter(s for a in frames for s in a.get_chemical_symbols())),
        "atoms_per_structure": [min(sizes), max(sizes)],
        "shortest_distance": _shortest(frames),
        "charges": sorted({int(q) for q in charges}),
        "multiplicities": sorted({int(m) for m in multiplicities}),
        "keys": dict(sorted(keys.items())),
        "ranges": _ranges(found, sorted(keys)),
    }


def _values(atoms: Atoms) -> dict[str, Any]:
    """All that a structure carries besides its atoms."""
    arrays = {k: v for k, v in atoms.arrays.items() if k not in ("numbers", "positions")}
    return {**atoms.info, **arrays, **({} if atoms.calc is None else atoms.calc.results)}


def _shortest(frames: Sequence[Atoms]) -> dict[str, Any] | None:
    """The two atoms of a file that are closest."""
    import numpy as np
    from scipy.spatial.distance import cdist

    best = None
    for k, atoms in enumerate(frames):
        r = cdist(atoms.positions, atoms.positions)
        np.fill_diagonal(r, np.inf)
        i, j = np.unravel_index(np.argmin(r), r.shape)
        if np.isfinite(r[i, j]) and (best is None or r[i, j] < best["Angstrom"]):
            best = {
                "Angstrom": round(float(r[i, j]), 4),
                "atoms": f"{atoms.symbols[i]} {i} and {atoms.symbols[j]} {j} of frame {k}",
            }
    return best


def _ranges(found: Sequence[dict[str, Any]], keys: Sequence[str]) -> dict[str, dict[str, Any]]:
    """Lowest and highest number under each key, and structures with one that is not finite."""
    import numpy as np

    out: dict[str, dict[str, Any]] = {}
    for key in keys:
        values = [np.asarray(v[key]) for v in found if key in v]
        if not all(v.dtype.kind in "iuf" for v in values):
            continue
        bad = [k for k, v in enumerate(found) if key in v and not np.isfinite(v[key]).all()]
        finite = np.concatenate([v[np.isfinite(v)].ravel() for v in values])
        out[key] = (
            {} if not finite.size else {"from": float(finite.min()), "to": float(finite.max())}
        )
        if bad:
            out[key] |= {"not_finite": len(bad), "first_not_finite": f"frame {bad[0]}"}
    return out
