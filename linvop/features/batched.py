r"""Many structures on a device: V on the CPU's cores, one copy a batch, and kernels for all of it.

V, S and what a metric makes of them are made by libcint and LAPACK, a structure a thread, while the
device works on the batch before: an eigenvalue problem of a hundred AOs costs about what its V
does, and so is the same number as on the CPU, with the same refusals.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from linvop.basis.enumeration import SiteEnumeration
from linvop.errors import InputError
from linvop.features.contractions import Contracted, SiteFeatures, contracted
from linvop.features.threads import available_cores, one_thread_each
from linvop.integrals import System
from linvop.kernels.batch import Batch
from linvop.kernels.dispatch import Device
from linvop.orbitals.shells import symbol_of

if TYPE_CHECKING:
    from ase import Atoms

__all__ = ["Structures", "batches", "bytes_needed", "on_device", "shares_of"]

_MOST = 256
"""Structures in a batch: enough for a GPU, and few enough that the CPU makes others meanwhile."""

_SHARE = 0.5
"""Of the free memory that a batch may take."""


@dataclass(frozen=True, eq=False)
class Structures:
    r"""Structures of a batch.

    Attributes
    ----------
    each : sequence of Contracted
    batch : Batch
        Their K, E and M on the device.
    shell_start : {species: (n_structures, n_shells + 1) int64}
    n_sites : {species: (n_structures,) int64}
    """

    each: Sequence[Contracted]
    batch: Batch
    shell_start: dict[str, np.ndarray]
    n_sites: dict[str, np.ndarray]

    def sums(self, species: str) -> np.ndarray:
        """A row for each structure that has the species: (structure, first site, number)."""
        n = self.n_sites[species]
        there = np.flatnonzero(n)
        return np.column_stack([there, np.zeros_like(there), n[there]])

    def sites(self, species: str) -> np.ndarray:
        """A row for each site of the species."""
        n = self.n_sites[species]
        structure = np.repeat(np.arange(len(n)), n)
        site = np.arange(len(structure)) - np.repeat(np.cumsum(n) - n, n)
        return np.column_stack([structure, site, np.ones_like(site)])


def on_device(device: Device, species: Sequence[str], each: Sequence[Contracted]) -> Structures:
    r"""Bring structures to a device, side by side."""
    channels = np.stack([one.channel_start for one in each])
    n_ao = int(channels[:, -1].max())
    copies: dict[tuple[int, ...], Any] = {}
    matrices = []
    for k in range(3):
        alike = tuple(id(one.matrices[k]) for one in each)
        if alike not in copies:  # in most metrics two or three of them are one
            there = np.zeros((len(each), len(each[0].matrices[k]), n_ao, n_ao))
            for own, one in zip(there, each, strict=True):
                n = one.channel_start[-1]
                own[:, :n, :n] = one.matrices[k]
            copies[alike] = device.xp.asarray(there)
        matrices.append(copies[alike])
    starts = {s: np.stack([one.shell_start[s] for one in each]) for s in species}
    counts = {
        s: np.asarray([len(one.order.sites[k]) for one in each], np.int64)
        for k, s in enumerate(species)
    }
    return Structures(each, Batch(matrices[0], matrices[1], matrices[2], channels), starts, counts)


def bytes_needed(features: SiteFeatures, *, backwards: bool = False) -> Callable[[int, int], int]:
    r"""Memory of the device for a structure with some AOs and atoms, for `batches`."""
    plans = [*features.plans.values(), *(p.factors for p in features.product_plans.values())]
    n_groups = max((len(plan.group_parent) for plan in plans), default=0)
    sources = len(features.enumeration.screenings) * (
        len(features.species) if features.enumeration.sources == "species" else 1
    )
    by_site = max((plan.row_size for plan in plans), default=0) + max(
        (p.products.row_size for p in features.product_plans.values()), default=0
    )
    times = 2 if backwards else 1

    def needed(n_ao: int, n_atoms: int) -> int:
        squares = 3 * sources + n_groups
        # Entries of words are up to twice the elements that they couple to.
        rows = by_site * (n_atoms if features.target == "site" or features.product_plans else 1)
        return 8 * times * (squares * n_ao**2 + (1 + times) * rows)

    return needed


def batches(
    device: Device,
    enumeration: SiteEnumeration,
    frames: Sequence[Atoms],
    needed: Callable[[int, int], int],
    *,
    workers: int | None = None,
    source: str = "frames",
    first: int = 0,
) -> Iterator[tuple[np.ndarray, Structures]]:
    r"""Structures in batches that fit on the device, of like size, large ones first.

    Parameters
    ----------
    device : Device
    enumeration : SiteEnumeration
    frames : sequence of ase.Atoms
    needed : callable
        Bytes of a structure by its numbers of AOs and of atoms.
    workers : int, optional
        Threads that make the matrices; default one for each core.
    source, first : str, int
        For messages.

    Yields
    ------
    (n,) int64, Structures
        Numbers of the frames, and the structures.

    Raises
    ------
    InputError
        Naming the frame, if one cannot be evaluated or is too large for the device.
    """

    def make(index: int) -> Contracted:
        try:
            one = contracted(enumeration, System.from_atoms(frames[index], enumeration.ao))
            _ = one.matrices  # here, in the thread
        except InputError as error:
            raise InputError(f"{source}, frame {first + index}: {error}") from error
        return one

    def start(pool: ThreadPoolExecutor, chosen: np.ndarray) -> list[Future[Contracted]]:
        return [pool.submit(make, k) for k in chosen.tolist()]

    shares = shares_of(device, enumeration, frames, needed, source, first)
    with one_thread_each(workers or available_cores()) as pool:
        ahead = start(pool, shares[0]) if shares else []
        for k, chosen in enumerate(shares):
            futures = ahead
            ahead = start(pool, shares[k + 1]) if k + 1 < len(shares) else []
            each = [future.result() for future in futures]
            yield chosen, on_device(device, enumeration.species, each)


def shares_of(
    device: Device,
    enumeration: SiteEnumeration,
    frames: Sequence[Atoms],
    needed: Callable[[int, int], int],
    source: str = "frames",
    first: int = 0,
) -> list[np.ndarray]:
    r"""Which frames are together in a batch; see `batches`."""
    ao = enumeration.ao
    size = {
        int(z): sum(2 * shell.l + 1 for shell in ao.shells(symbol_of(int(z))))
        for z in {int(z) for a in frames for z in a.numbers}
    }
    n_ao = np.asarray([sum(size[z] for z in a.numbers.tolist()) for a in frames], np.int64)
    order = np.argsort(-n_ao, kind="stable")
    room = int(_SHARE * device.free_memory())
    shares: list[list[int]] = []
    limit = 0
    for k in order.tolist():
        if not shares or len(shares[-1]) >= limit:
            each = needed(int(n_ao[k]), len(frames[k]))
            if each > room:
                raise InputError(
                    f"{source}, frame {first + k}: {n_ao[k]} AOs need {each / 1e9:.2g} GB on the "
                    f"device, which has room for {room / 1e9:.2g}"
                )
            limit = min(_MOST, room // max(each, 1))
            shares.append([])
        shares[-1].append(k)
    return [np.asarray(share, np.int64) for share in shares]
