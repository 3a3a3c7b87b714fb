r"""Features of many structures on a device, and derivatives by their matrices.

The same numbers as `linvop.features.contractions`, `linvop.features.pairs` and
`linvop.features.adjoint`, for all structures of a batch (`linvop.features.batched`) at once.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from linvop.basis.words import Irrep
from linvop.features.adjoint import MatrixGradient, matrix_gradient
from linvop.features.batched import Structures, batches, bytes_needed
from linvop.features.contractions import SiteFeatures
from linvop.features.pairs import PairFeatures, PairValues
from linvop.kernels.dispatch import Device
from linvop.kernels.plan_parts import Rows

if TYPE_CHECKING:
    from ase import Atoms

__all__ = ["adjoints", "pairs_of", "sites_of", "structure_rows_on", "structures_of"]

Progress = Callable[[int, int], None]


def structure_rows_on(
    device: Device,
    features: SiteFeatures,
    frames: Sequence[Atoms],
    *,
    workers: int | None = None,
    progress: Progress | None = None,
    source: str = "frames",
    first: int = 0,
    then: Callable[[np.ndarray, Structures], None] | None = None,
) -> dict[Irrep, np.ndarray]:
    r"""Structure features of many frames; see `linvop.features.design.structure_rows`.

    `then` is called with the numbers of the frames of each batch and the batch, for derivatives by
    the matrices that are there already.
    """
    n = len(frames)
    rows = {
        irrep: np.zeros((n, 2 * irrep[0] + 1, features.n_columns(irrep)))
        for irrep in features.irreps
    }
    done = 0
    needed = bytes_needed(features, backwards=then is not None)
    given = (device, features.enumeration, frames, needed)
    for chosen, some in batches(*given, workers=workers, source=source, first=first):
        for there, column, values in structures_of(device, features, some):
            for irrep, x in values.items():
                width = slice(column[irrep], column[irrep] + x.shape[2])
                rows[irrep][chosen[there], :, width] = x
        if then is not None:
            then(chosen, some)
        done += len(chosen)
        if progress is not None:
            progress(done, n)
    return rows


def structures_of(
    device: Device, features: SiteFeatures, some: Structures
) -> Iterator[tuple[np.ndarray, dict[Irrep, int], dict[Irrep, np.ndarray]]]:
    r"""Structure features of a batch, species by species.

    Yields
    ------
    (n,) int64, {irrep: int}, {irrep: (n, 2 lam + 1, n_columns) float64}
        Which structures, and of which columns the features are: from where on, and they.
    """
    column = dict.fromkeys(features.irreps, 0)
    for s in features.species:
        if s not in features.plans:
            continue
        sums = some.sums(s)
        for layout, found in _rows(device, features, some, s, sums):
            parts = layout.split(device.to_host(found))
            yield sums[:, 0], dict(column), parts
            for irrep, x in parts.items():
                column[irrep] += x.shape[2]


def sites_of(
    device: Device, features: SiteFeatures, some: Structures
) -> list[dict[tuple[str, int, int], np.ndarray]]:
    r"""Site features of each structure, as `SiteFeatures.sites`."""
    found: list[dict[tuple[str, int, int], np.ndarray]] = [{} for _ in some.each]
    for s in features.species:
        if s not in features.plans:
            continue
        rows = some.sites(s)
        parts = [
            layout.split(device.to_host(x)) for layout, x in _rows(device, features, some, s, rows)
        ]
        ends = np.cumsum(some.n_sites[s])[:-1]
        for irrep in features.irreps:
            whole = np.concatenate([part[irrep] for part in parts], axis=2)
            for own, values in zip(found, np.split(whole, ends), strict=True):
                own[s, *irrep] = values
    return found


def _rows(
    device: Device, features: SiteFeatures, some: Structures, species: str, rows: np.ndarray
) -> Iterator[tuple[Rows, Any]]:
    """Words, then products, of the rows of a species, on the device."""
    kernels, start = device.kernels, some.shell_start[species]
    plan = features.plans[species]
    yield plan, kernels.site_rows(plan, some.batch, start, rows)
    if species in features.product_plans:
        plans = features.product_plans[species]
        A = kernels.site_rows(plans.factors, some.batch, start, some.sites(species))
        yield plans.products, kernels.product_rows(plans.products, A, _first(rows))


def _first(rows: np.ndarray) -> np.ndarray:
    """Where the sites of each row start among those of all."""
    return np.concatenate([[0], np.cumsum(rows[:, 2])])


def adjoints(
    device: Device,
    features: SiteFeatures,
    some: Structures,
    gradient: Mapping[Irrep, np.ndarray],
) -> list[MatrixGradient]:
    r"""From ``{irrep: (2 lam + 1, p)}``, one for all structures, derivatives by their matrices.

    As `linvop.features.adjoint.structure_adjoint` for each structure.
    """
    xp, kernels, batch = device.xp, device.kernels, some.batch
    by = [xp.zeros(x.shape) for x in (batch.local, batch.first, batch.middle)]
    column = dict.fromkeys(features.irreps, 0)

    def of(layout: Rows) -> Any:
        """The part of the gradient that belongs to the next columns, (1, row_size)."""
        parts = {}
        for irrep, n in zip(layout.irreps, layout.n_columns, strict=True):
            if irrep in gradient:
                parts[irrep] = gradient[irrep][None, :, column[irrep] : column[irrep] + n]
            column[irrep] += n
        return xp.asarray(layout.joined(parts, 1))

    for s in features.species:
        if s not in features.plans:
            continue
        start, sums, sites = some.shell_start[s], some.sums(s), some.sites(s)
        plan = features.plans[s]
        _add(by, kernels.site_rows_adjoint(plan, batch, start, sums, of(plan)))
        if s in features.product_plans:
            plans = features.product_plans[s]
            G = of(plans.products)
            A = kernels.site_rows(plans.factors, batch, start, sites)
            by_A = kernels.product_rows_adjoint(plans.products, A, _first(sums), G)
            _add(by, kernels.site_rows_adjoint(plans.factors, batch, start, sites, by_A))
    K, E, M = (device.to_host(x) for x in by)
    found = []
    for b, one in enumerate(some.each):
        own = slice(0, int(one.channel_start[-1]))
        parts = tuple(x[b][:, own, own] for x in (K, E, M))
        found.append(matrix_gradient(features.enumeration, one, parts))
    return found


def _add(totals: list[Any], parts: Sequence[Any]) -> None:
    for total, part in zip(totals, parts, strict=True):
        total += part


def pairs_of(
    device: Device, features: PairFeatures, some: Structures
) -> list[dict[tuple[str, str, int, int], PairValues]]:
    r"""Features of the pairs of each structure, as `PairFeatures.evaluate`."""
    found: list[dict[tuple[str, str, int, int], PairValues]] = [{} for _ in some.each]
    A, first = _site_factors(device, features, some)
    for (s1, s2), plan in features.plans.items():
        both = features.exchange is not None and s1 == s2
        numbers, atoms = [], []
        for one in some.each:
            n, a = features.pairs_of(one, s1, s2)
            numbers.append(n)
            atoms.append(a)
        counts = np.asarray([len(n) for n in numbers], np.int64)
        pairs = np.column_stack(
            [np.repeat(np.arange(len(counts)), counts), np.concatenate(numbers)]
        )
        if both:  # either order, one after the other: they are summed
            pairs = np.stack([pairs, pairs[:, [0, 2, 1]]], axis=1).reshape(-1, 3)
        starts = some.shell_start[s1], some.shell_start[s2]
        words = device.kernels.pair_rows(plan.words, some.batch, *starts, pairs)
        if both:
            words[1::2] *= features.exchange
        own = (first[s][pairs[:, 0]] + pairs[:, k] for k, s in ((1, s1), (2, s2)))
        rows = device.xp.concatenate(
            [words, *(A[s][device.xp.asarray(k)] for s, k in zip((s1, s2), own, strict=True))],
            axis=1,
        )
        step = 2 if both else 1
        B = device.kernels.product_rows(plan.products, rows, np.arange(0, len(pairs) + 1, step))
        values = device.to_host(B) * plan.scale if both else device.to_host(B)
        ends = np.cumsum(counts)[:-1]
        for irrep, part in plan.products.split(values).items():
            for where, a, x in zip(found, atoms, np.split(part, ends), strict=True):
                where[s1, s2, *irrep] = PairValues(a, x)
    return found


def _site_factors(
    device: Device, features: PairFeatures, some: Structures
) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
    """A of all sites of each species on the device, and where those of a structure start."""
    A: dict[str, Any] = {}
    for s, n in some.n_sites.items():
        if features.sites is None:
            A[s] = device.xp.zeros((int(n.sum()), 0))
            continue
        parts: dict[Irrep, list[Any]] = {irrep: [] for irrep in features.sites.irreps}
        for layout, x in _rows(device, features.sites, some, s, some.sites(s)):
            for irrep, values in layout.split(x).items():
                parts[irrep].append(values)
        whole = (device.xp.concatenate(values, axis=2) for values in parts.values())
        flat = [x.reshape(len(x), x.shape[1] * x.shape[2]) for x in whole]
        A[s] = device.xp.concatenate(flat, axis=1)
    first = {s: np.cumsum(n) - n for s, n in some.n_sites.items()}
    return A, first
