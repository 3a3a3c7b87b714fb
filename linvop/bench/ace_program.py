r"""Rows of a linear ACE basis, made by the Python that has ace-jax; imports nothing of linvop.

``python ace_program.py SETTINGS.json FRAMES.npz OUT``: reads `order`, `degree`, `cutoff`,
`species` and `chunk`, and the arrays `numbers`, `positions` (all atoms in a row) and `counts`;
writes ``OUT.npy`` (rows), ``OUT.prior.npy`` (ace-jax's smoothness prior of each column) and
``OUT.json`` (seconds without compilation).

Molecules of a chunk are set far apart, with lone atoms up to one number of atoms, so that the
program is compiled once and not for each size.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from time import perf_counter

import numpy as np

HYDROGEN = 0.8
"""Angstrom; ace-jax 0.4 has a length scale for the other elements, but none for hydrogen."""


def main(settings_path: str, frames_path: str, out: str) -> None:
    """Read, make the rows twice (the first time compiles), write."""
    import jax

    jax.config.update("jax_enable_x64", True)
    from ace_jax.basis import radial_init
    from ace_jax.basis.model import build_model

    settings = json.loads(Path(settings_path).read_text())
    species = settings["species"]
    lengths = {1: HYDROGEN} | radial_init.BOND_LEN
    scale = np.array([lengths[z] for z in species])
    start = perf_counter()
    basis = build_model(
        species,
        settings["order"],
        settings["degree"],
        rcut=settings["cutoff"],
        r0=(scale[:, None] + scale) / 2,
    )
    built = perf_counter() - start
    with np.load(frames_path) as file:
        frames = dict(file)
    chunks = list(_chunks(frames, settings["chunk"], settings["cutoff"], species[0]))
    model, meta = basis.eval_pair()
    rows = np.zeros((len(frames["counts"]), len(basis.gamma)))
    _fill(rows, model, meta, chunks)
    start = perf_counter()
    _fill(rows, model, meta, chunks)
    seconds = perf_counter() - start
    np.save(f"{out}.npy", rows)
    np.save(f"{out}.prior.npy", basis.gamma)
    Path(f"{out}.json").write_text(json.dumps({"build_s": built, "rows_s": seconds}))


def _chunks(
    frames: dict[str, np.ndarray], size: int, cutoff: float, filler: int
) -> Iterator[tuple[slice, np.ndarray, np.ndarray, np.ndarray]]:
    """Frames of a chunk, and numbers, positions and frames (from 0) of its atoms, lone ones -1."""
    counts = frames["counts"]
    first = np.concatenate([[0], np.cumsum(counts)])
    for begin in range(0, len(counts), size):
        end = min(begin + size, len(counts))
        atoms = slice(first[begin], first[end])
        owner = np.repeat(np.arange(end - begin), counts[begin:end])
        positions = frames["positions"][atoms].copy()
        for k in range(end - begin):
            positions[owner == k] -= positions[owner == k].min(axis=0)
        lone = size * counts.max() - len(owner)
        sites = _grid(end - begin + lone) * (positions.max() + 1.1 * cutoff)
        yield (
            slice(begin, end),
            np.concatenate([frames["numbers"][atoms], np.full(lone, filler)]),
            np.concatenate([positions + sites[owner], sites[end - begin :]]),
            np.concatenate([owner, np.full(lone, -1)]),
        )


def _grid(n: int) -> np.ndarray:
    """The first n points of a cubic grid, (n, 3): compact, as neighbour lists like it."""
    side = next(k for k in range(1, n + 1) if k**3 >= n)
    return np.indices((side,) * 3).reshape(3, -1).T[:n]


def _fill(rows: np.ndarray, model: object, meta: dict, chunks: list) -> None:
    """The basis of every atom, summed over the atoms of a molecule, species by species."""
    from ace_jax.eval import site_descriptors

    rows[:] = 0
    for which, numbers, positions, owner in chunks:
        sites = site_descriptors(model, positions, numbers, meta=meta)
        kept = owner >= 0
        np.add.at(rows[which], owner[kept], sites[kept])


if __name__ == "__main__":
    main(*sys.argv[1:])
