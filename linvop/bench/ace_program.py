r"""Rows of a linear ACE basis, made by the Python that has ace-jax; imports nothing of linvop.

``python ace_program.py SETTINGS.json FRAMES.npz OUT``: reads `order`, `degree`, `cutoff`,
`species`, `chunk` and `gradients`, and the arrays `numbers`, `positions` (all atoms in a row) and
`counts`; writes ``OUT.npy`` (rows, and with `gradients` those of their derivatives by
positions below), ``OUT.prior.npy`` (ace-jax's smoothness prior of each column) and ``OUT.json``
(seconds without compilation).

Molecules of a chunk are set far apart, with lone atoms up to one number of atoms, so that the
program is compiled once and not for each size.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from time import perf_counter
from typing import Any

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
    model, meta = basis.eval_pair()
    n, n_atoms = len(frames["counts"]), len(frames["numbers"])
    rows = np.zeros((n + (3 * n_atoms if settings["gradients"] else 0), len(basis.gamma)))
    given = settings["cutoff"], species[0]
    chunks = list(_chunks(frames, settings["chunk"], *given))
    _fill(rows[:n], model, meta, chunks)
    start = perf_counter()
    _fill(rows[:n], model, meta, chunks)
    if settings["gradients"]:
        # One molecule at a time: the program holds edges x functions x products at once.
        singles = list(_chunks(frames, 1, *given))
        of_atoms = rows[n:].reshape(n_atoms, 3, -1)
        made = perf_counter()
        _fill_gradients(of_atoms, model, meta, singles[:1], frames["counts"])
        start += perf_counter() - made  # that compiled
        _fill_gradients(of_atoms, model, meta, singles, frames["counts"])
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


def _fill_gradients(
    rows: np.ndarray, model: Any, meta: dict, chunks: list, counts: np.ndarray
) -> None:
    """Derivatives of the summed basis by positions, (n_atoms in all, 3, p), by those of edges."""
    import jax
    from ace_jax.eval import sparse_graph, species_indices

    first, cutoff = np.concatenate([[0], np.cumsum(counts)]), float(meta["rcut"])
    n_species = model.WB.shape[1]

    @partial(jax.jit, static_argnums=5)
    def jacobian(one: Any, rij: Any, i: Any, j: Any, centre: Any, n: int, mask: Any) -> Any:
        return one.edge_jacobian(rij, i, j, centre, n, mask)[1]

    n_pair = model.Wpair.shape[0]
    n_basis = rows.shape[2] // n_species - n_pair
    for which, numbers, positions, owner in chunks:
        cell = np.eye(3) * (np.ptp(positions, axis=0).max() + 2 * cutoff + 1.0)
        edges = sparse_graph(positions, cell, np.zeros(3, bool), cutoff)
        size = 1 << max(len(edges.senders) - 1, 0).bit_length()  # few sizes, few compilations
        padded = sparse_graph(
            positions, cell, np.zeros(3, bool), cutoff, size, np.full(3, 0.5 * cutoff)
        )
        kind = np.asarray(species_indices(meta, numbers))
        i, j = padded.senders, padded.receivers
        given = padded.rij, kind[i], kind[j], i, padded.n_nodes, padded.mask
        J = np.asarray(jacobian(model, *given))
        by = np.zeros((n_species, len(numbers), 3, J.shape[1]))
        np.add.at(by, (kind[i], j), J.swapaxes(1, 2))
        np.add.at(by, (kind[i], i), -J.swapaxes(1, 2))
        own = by[:, owner >= 0]
        atoms = slice(first[which.start], first[which.stop])
        # As ace-jax lays them out: functions of each species, then pairs of each species.
        parts = [x[..., :n_basis] for x in own] + [x[..., n_basis:] for x in own]
        rows[atoms] = np.concatenate(parts, axis=2)


if __name__ == "__main__":
    main(*sys.argv[1:])
