r"""Design rows of many structures, on all cores or on a GPU.

The rows are written into one array for each irrep; nothing else grows with their number.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from linvop.basis.words import Irrep
from linvop.errors import InputError
from linvop.features.contractions import SiteFeatures
from linvop.features.device_rows import structure_rows_on
from linvop.features.neighbourhoods import LARGE
from linvop.features.threads import available_cores, one_thread_each
from linvop.integrals import System
from linvop.kernels.dispatch import Device, as_device

if TYPE_CHECKING:
    from ase import Atoms

__all__ = ["structure_rows"]

Progress = Callable[[int, int], None]
"""Called with (structures done, structures in all)."""


def structure_rows(
    features: SiteFeatures,
    frames: Sequence[Atoms],
    *,
    workers: int | None = None,
    progress: Progress | None = None,
    source: str = "frames",
    first: int = 0,
    device: str | Device = "cpu",
) -> dict[Irrep, np.ndarray]:
    r"""Structure features of many frames.

    Parameters
    ----------
    features : SiteFeatures
        Compiled with ``target="structure"``.
    frames : sequence of ase.Atoms
        Already checked (`linvop.io.structures.check_frames`).
    workers : int, optional
        Threads; default one for each core.
    progress : callable, optional
    source, first : str, int
        For messages: where the frames are from, and the number of the first.
    device : {"cpu", "gpu"} or Device
        Where features are made; V comes from the CPU in either case.

    Returns
    -------
    {(lam, sigma): (n_frames, 2 lam + 1, p) float64, C order}

    Raises
    ------
    InputError
        Naming the frame, if a structure cannot be evaluated; for a GPU that is not there.
    """
    on = as_device(device)
    if on.name != "cpu":
        labels: dict[str, Any] = {"source": source, "first": first}
        given = {"workers": workers, "progress": progress, **labels}
        return structure_rows_on(on, features, frames, **given)
    n = len(frames)
    rows = {
        irrep: np.empty((n, 2 * irrep[0] + 1, features.n_columns(irrep)))
        for irrep in features.irreps
    }
    ao = features.enumeration.ao

    def evaluate(index: int) -> None:
        try:
            values = features.structure(System.from_atoms(frames[index], ao))
        except InputError as error:
            raise InputError(f"{source}, frame {first + index}: {error}") from error
        for irrep, value in values.items():
            rows[irrep][index] = value

    workers = workers or available_cores()
    if n < workers and any(len(a) >= LARGE for a in frames) and features.enumeration.reach:
        for index in range(n):  # each of them on all cores
            evaluate(index)
            if progress is not None:
                progress(index + 1, n)
        return rows
    with one_thread_each(workers) as pool:
        for done, _ in enumerate(pool.map(evaluate, range(n)), start=1):
            if progress is not None:
                progress(done, n)
    return rows
