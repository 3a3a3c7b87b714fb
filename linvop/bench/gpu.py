r"""Figures of a GPU, each beside its yardstick on the same machine, in one process.

Yardsticks: one CPU core and all cores with the same structures and matrices; the GPU's own FP64
rate in batched matrix products and its memory bandwidth, both measured here; for factorisations
the library's QR of the whole matrix. Times are medians of wall time with the device waited for.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import date
from functools import partial
from time import perf_counter
from typing import TYPE_CHECKING, Any

import numpy as np

from linvop.bench.gpu_roofs import Roofs, contraction_rows, measured_roofs, roof_rows, timed
from linvop.bench.gpu_tsqr import tsqr_table
from linvop.bench.machine import describe_machine
from linvop.bench.molecules import sample
from linvop.bench.tables import Report, Table
from linvop.features.basis import Basis, ordered_species
from linvop.features.batched import Structures, bytes_needed, on_device, shares_of
from linvop.features.contractions import Contracted, SiteFeatures, contracted
from linvop.features.device_rows import adjoints, structures_of
from linvop.features.threads import available_cores, one_thread_each
from linvop.integrals import System
from linvop.kernels.dispatch import Device, as_device, describe

if TYPE_CHECKING:
    from ase import Atoms

__all__ = ["TARGETS", "measure_gpu"]

TARGETS = {"one core": 20.0, "all cores": 3.0, "difference": 1e-10}
"""Smallest accepted speed-ups of features, V excluded; largest relative difference."""

Irreps = tuple[tuple[int, int], ...]
_KINDS: dict[str, Irreps] = {"lam 0": ((0, 1),), "lam 0 and 1": ((0, 1), (1, 1))}


def measure_gpu(
    molecules: str | None = None,
    n: int = 1000,
    ao: str = "def2-svp",
    *,
    rows: int = 1_000_000,
    columns: int = 4000,
    rounds: int = 3,
    device: str | Device = "gpu",
    say: Callable[[str], None] = lambda _: None,
) -> Report:
    r"""All figures of a GPU.

    Parameters
    ----------
    molecules : str, optional
        File of structures; by default molecules are made (`linvop.bench.molecules`).
    n : int
        Number of molecules.
    ao : str
    rows, columns : int
        Of the factorisation; fewer rows where they do not fit.
    rounds : int
        Runs of which medians are taken.
    device : {"gpu"} or Device
    say : callable
        Told what is measured next.

    Raises
    ------
    InputError
        Without a GPU; for a bad file, n < 1 or an AO basis that is not known.
    """
    on = as_device(device)
    frames, what = sample(molecules, n)
    species = ordered_species(z for a in frames for z in set(a.numbers.tolist()))
    say("roofs")
    roofs = measured_roofs(on, rounds)
    tables = [Table("gpu-roofs", "What the GPU can do at most", roof_rows(roofs))]
    found: list[dict[str, Any]] = []
    for metric in ("ao", "lowdin"):
        for kind, irreps in _KINDS.items():
            say(f"features, {metric}, {kind}")
            features = Basis(ao=ao, kappa=3, metric=metric).compile(species, irreps, "structure")
            each, seconds = _matrices(features, frames)
            found += _feature_rows(on, features, each, frames, f"{metric}, {kind}", rounds)
            if metric == "ao" and kind == "lam 0":
                tables.append(_contraction_table(on, features, each, frames, roofs, rounds))
                tables.append(_potential_table(on, features, each, seconds, rounds))
    n_ao = np.mean([one.system.layout.n_ao for one in each])
    notes = [
        f"{what}; {n_ao:.0f} AOs on average; {ao}, kappa 3, shell; features summed over the atoms "
        f"of each species; V and metric excluded everywhere; {date.today().isoformat()}.",
        "'with copies' includes V to the device and results back; 'over' is that of the CPU's time "
        "over the device's without copies. Targets: "
        + ", ".join(f"{name} {value:g}" for name, value in TARGETS.items())
        + ".",
    ]
    tables.insert(1, Table("gpu-features", "Features on a GPU", found, notes))
    say("factorisation")
    tables.append(tsqr_table(on, rows, columns, roofs, rounds))
    return Report(describe_machine() | describe(on), tables)


def _matrices(features: SiteFeatures, frames: Sequence[Atoms]) -> tuple[list[Contracted], float]:
    """K, E and M of all structures on all cores, and the seconds that took."""

    def make(atoms: Atoms) -> Contracted:
        one = contracted(features.enumeration, System.from_atoms(atoms, features.enumeration.ao))
        _ = one.matrices
        return one

    start = perf_counter()
    with one_thread_each(available_cores()) as pool:
        each = list(pool.map(make, frames))
    return each, perf_counter() - start


def _batches(
    on: Device, features: SiteFeatures, each: Sequence[Contracted], frames: Sequence[Atoms]
) -> list[Structures]:
    shares = shares_of(on, features.enumeration, frames, bytes_needed(features, backwards=True))
    return [on_device(on, features.species, [each[k] for k in share]) for share in shares]


def _feature_rows(
    on: Device,
    features: SiteFeatures,
    each: Sequence[Contracted],
    frames: Sequence[Atoms],
    name: str,
    rounds: int,
) -> list[dict[str, Any]]:
    """Structure features and, of scalars, derivatives by V and S."""
    some = _batches(on, features, each, frames)
    stay = Device(on.name, on.xp, on.kernels, lambda x: x, on.free_memory, on.synchronize)

    def of_cpu(workers: int) -> list[dict]:
        with one_thread_each(workers) as pool:
            return list(pool.map(features.structure, each))

    def resident() -> None:
        for batch in some:
            for _ in structures_of(stay, features, batch):
                pass

    def copied() -> None:
        for batch in _batches(on, features, each, frames):
            for _ in structures_of(on, features, batch):
                pass

    counts = (1, available_cores())
    one, cores = (timed(_CPU, partial(of_cpu, workers), 1) for workers in counts)
    there, both = (timed(on, run, rounds) for run in (resident, copied))
    row = {
        "what": f"features, {name}",
        "columns": sum(features.n_columns(irrep) for irrep in features.irreps),
        "one core, s": one,
        "all cores, s": cores,
        "GPU, s": there,
        "with copies, s": both,
        "over one core": one / there,
        "over all cores": cores / there,
        "difference": _difference(on, features, some),
    }
    row["met"] = _met(row)
    rows = [row]
    if features.irreps == ((0, 1),):
        rows.append(_adjoint_row(on, features, some, each, name, rounds))
    return rows


def _adjoint_row(
    on: Device,
    features: SiteFeatures,
    some: Sequence[Structures],
    each: Sequence[Contracted],
    name: str,
    rounds: int,
) -> dict[str, Any]:
    """Derivatives of an energy by V and S; by positions is the CPU's in either case."""
    from linvop.features.adjoint import structure_adjoint

    gradient = {(0, 1): np.random.default_rng(0).normal(size=(1, features.n_columns((0, 1))))}

    def of_cpu(workers: int) -> list[Any]:
        with one_thread_each(workers) as pool:
            return list(pool.map(lambda one: structure_adjoint(features, one, gradient), each))

    def there() -> list[Any]:
        return [x for batch in some for x in adjoints(on, features, batch, gradient)]

    counts = (1, available_cores())
    one, cores = (timed(_CPU, partial(of_cpu, workers), 1) for workers in counts)
    seconds = timed(on, there, rounds)
    expected = {id(c): x for c, x in zip(each, of_cpu(available_cores()), strict=True)}
    order = [id(c) for batch in some for c in batch.each]
    apart = max(
        np.abs(x.by_potential - expected[k].by_potential).max()
        / np.abs(expected[k].by_potential).max()
        for k, x in zip(order, there(), strict=True)
    )
    return {
        "what": f"derivatives by V and S, {name}",
        "columns": features.n_columns((0, 1)),
        "one core, s": one,
        "all cores, s": cores,
        "GPU, s": None,
        "with copies, s": seconds,
        "over one core": one / seconds,
        "over all cores": cores / seconds,
        "difference": float(apart),
        "met": "",
    }


def _difference(on: Device, features: SiteFeatures, some: Sequence[Structures]) -> float:
    """Largest difference from the CPU, relative to the largest feature of the irrep."""
    apart, largest = (dict.fromkeys(features.irreps, 0.0) for _ in range(2))
    for batch in some:
        shapes = {irrep: (2 * irrep[0] + 1, features.n_columns(irrep)) for irrep in features.irreps}
        found = [{k: np.zeros(shape) for k, shape in shapes.items()} for _ in batch.each]
        for there, column, parts in structures_of(on, features, batch):
            for irrep, x in parts.items():
                for k, values in zip(there, x, strict=True):
                    found[k][irrep][:, column[irrep] : column[irrep] + x.shape[2]] = values
        for one, own in zip(batch.each, found, strict=True):
            for irrep, values in features.structure(one).items():
                difference = np.abs(own[irrep] - values).max(initial=0.0)
                apart[irrep] = max(apart[irrep], float(difference))
                largest[irrep] = max(largest[irrep], float(np.abs(values).max(initial=0.0)))
    return max(apart[irrep] / (largest[irrep] or 1.0) for irrep in features.irreps)


def _met(row: dict[str, Any]) -> str:
    good = row["over one core"] >= TARGETS["one core"]
    good &= row["over all cores"] >= TARGETS["all cores"]
    return "yes" if good and row["difference"] <= TARGETS["difference"] else "NO"


def _contraction_table(
    on: Device,
    features: SiteFeatures,
    each: Sequence[Contracted],
    frames: Sequence[Atoms],
    roofs: Roofs,
    rounds: int,
) -> Table:
    rows = contraction_rows(on, features, _batches(on, features, each, frames), roofs, rounds)
    notes = [
        "Roof: the longer of operations over the rate of batched matrix products and of bytes that "
        "must be read and written once over the bandwidth; target 40 % of it. V^3: of the rate of "
        "one batched product of as many matrices of their mean size; operations on own AOs only.",
    ]
    return Table("gpu-contractions", "Contractions on a GPU", rows, notes)


def _potential_table(
    on: Device,
    features: SiteFeatures,
    each: Sequence[Contracted],
    seconds: float,
    rounds: int,
) -> Table:
    """What V costs beside the features: it is made on the CPU, and copied."""
    copy = timed(on, lambda: on_device(on, features.species, each[:256]), rounds)
    rows = [
        {
            "what": "V on all cores (libcint)",
            "ms per molecule": 1e3 * seconds / len(each),
        },
        {
            "what": "put side by side and copied",
            "ms per molecule": 1e3 * copy / len(each[:256]),
        },
    ]
    return Table("gpu-potential", "V for a GPU", rows)


_CPU = as_device("cpu")
