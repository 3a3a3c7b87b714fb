r"""Many structures: in parallel, resumable, whole or not at all."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from linvop.errors import ConvergenceError, InputError
from linvop.features.threads import available_cores
from linvop.io.atomic import check_output
from linvop.io.frames import charges_and_multiplicities, check_frames
from linvop.io.hdf5 import refuse_other_kinds
from linvop.io.record_file import write_records
from linvop.io.records import Record
from linvop.labelling import workers as pool
from linvop.labelling.calculation import calculate
from linvop.labelling.checkpoints import Checkpoints
from linvop.labelling.settings import QUANTITIES, Settings
from linvop.orbitals.shells import AOBasis, symbol_of

if TYPE_CHECKING:
    from ase import Atoms

__all__ = ["LabelReport", "label"]


@dataclass(frozen=True)
class LabelReport:
    r"""What `label` did.

    Attributes
    ----------
    path : Path
        The data set; open it with `linvop.Dataset.open`.
    n_structures, n_labelled, n_resumed : int
        In the input; with labels; of those already done by an earlier run.
    failed : tuple of (index, reason)
        Structures left out.
    seconds : float
        Wall time of this run.
    settings : dict
    """

    path: Path
    n_structures: int
    n_labelled: int
    n_resumed: int
    failed: tuple[tuple[int, str], ...]
    seconds: float
    settings: dict[str, Any]


def label(
    structures: str | Path | Iterable[Atoms],
    out: str | Path,
    *,
    method: str = "rks",
    xc: str = "pbe",
    ao: str | AOBasis | Mapping[str, object] = "def2-svp",
    quantities: Sequence[str] = QUANTITIES,
    n_matrices: int | None = None,
    conv_tol: float = 1e-10,
    grid_level: int = 4,
    max_cycle: int = 100,
    retry: bool = True,
    workers: int | None = None,
    force: bool = False,
    progress: Callable[[int, int], None] | None = None,
) -> LabelReport:
    r"""Calculate reference labels with PySCF and write them as a data set.

    Every finished structure is kept in ``OUT.parts`` at once. A run that was interrupted or
    killed goes on from there when it is started again with the same structures and settings;
    the folder goes when the result is written.

    Parameters
    ----------
    structures : path or iterable of ase.Atoms
        Charge and multiplicity from their ``info`` (`linvop.io.frames`).
    out : path
        An HDF5 file, .h5 (`linvop.io.dataset`); structures stand in it in the order of the input.
    method : {"rks", "uks", "rhf", "uhf", "auto"}
        "auto" is rks for singlets and uks for all others.
    xc : str
        Functional, as PySCF names it; ignored by rhf and uhf.
    ao : str, AOBasis or mapping
        All-electron AO basis.
    quantities : sequence of str
        Out of energy (always there), forces, dipole, fock, density, overlap, orbital_energies.
    n_matrices : int, optional
        Keep Fock, density and overlap for the first `n_matrices` structures only.
    conv_tol : float
        Of the SCF energy, Hartree; the orbital gradient goes below min(sqrt(conv_tol), 1e-6).
    grid_level : int
        PySCF's, 0 to 9. Turning a water molecule moves its PBE energy by 0.3 microhartree on
        level 3 and by 0.06 on level 4.
    max_cycle : int
        SCF cycles of each attempt.
    retry : bool
        Whether an SCF that does not converge is tried by other means (`labelling.calculation`).
    workers : int, optional
        Processes, by default one for each core; each uses its share of the cores as threads.
    force : bool
        Replace an existing `out`, and discard an unfinished run of another kind.
    progress : callable, optional
        Called with (structures done, all) at the start and after each.

    Returns
    -------
    LabelReport
        Structures whose SCF does not converge are in ``failed`` and have no labels.

    Raises
    ------
    InputError
        Before any work: bad structures or settings, an existing `out` without `force`, an
        unfinished run that differs. Later: a full disk.
    ConvergenceError
        If no structure at all could be labelled.
    KeyboardInterrupt
        On Ctrl-C, after the workers have been stopped; the message says how to go on.
    """
    started = time.monotonic()
    out = check_output(out, force)
    if out.suffix.lower() not in (".h5", ".hdf5"):
        raise InputError(f"{out}: a data set is HDF5; expected a name that ends in .h5")
    refuse_other_kinds(out, "dataset")
    settings = Settings(
        method=method,
        xc=xc,
        ao=ao,
        quantities=quantities,
        n_matrices=n_matrices,
        conv_tol=conv_tol,
        grid_level=grid_level,
        max_cycle=max_cycle,
        retry=retry,
    )
    todo = _structures(structures, settings)
    species = list(dict.fromkeys(symbol_of(int(z)) for s in todo for z in s.numbers))
    settings.check_species(species)
    if workers is not None and workers < 1:
        raise InputError(f"workers: expected at least 1, got {workers}")
    parts = Checkpoints(out)
    shells = {s: settings.basis.raw(s) for s in species}
    try:
        parts.begin(settings.as_dict() | {"shells": shells}, todo, force)
        n_resumed, failed = _run(todo, settings, parts, workers, progress)
        n_labelled = len(todo) - len(failed)
        if not n_labelled:
            index, reason = next(iter(failed.items()))
            raise ConvergenceError(
                f"no structure could be labelled, nothing was written; structure {index}: {reason}"
            )
        kept = (parts.load(s.source_index) for s in todo if s.source_index not in failed)
        listed = [{"index": i, "reason": reason} for i, reason in sorted(failed.items())]
        write_records(
            out, _all_there(kept, parts), settings.basis, settings.as_dict(), listed, force
        )
        parts.remove()
    finally:
        parts.release()
    return LabelReport(
        path=out,
        n_structures=len(todo),
        n_labelled=n_labelled,
        n_resumed=n_resumed,
        failed=tuple(sorted(failed.items())),
        seconds=time.monotonic() - started,
        settings=settings.as_dict(),
    )


def _structures(structures: str | Path | Iterable[Atoms], settings: Settings) -> list[Record]:
    """The input as records without labels, all of them fit for the method."""
    source = "frames"
    if isinstance(structures, str | Path):
        from linvop.io.structures import read

        source = str(structures)
        frames = read(structures)
    else:
        frames = check_frames(structures)
    charges, multiplicities = charges_and_multiplicities(frames, source=source)
    if settings.method in ("rks", "rhf"):
        for i, multiplicity in enumerate(multiplicities):
            if multiplicity != 1:
                raise InputError(
                    f"{source}: frame {i} has multiplicity {multiplicity}; {settings.method} is "
                    "for singlets: use auto, uks or uhf, or state the charge it has"
                )
    return [
        Record(
            numbers=atoms.numbers.copy(),
            positions=atoms.positions.copy(),
            charge=int(charges[i]),
            multiplicity=int(multiplicities[i]),
            source_index=i,
        )
        for i, atoms in enumerate(frames)
    ]


def _run(
    todo: list[Record],
    settings: Settings,
    parts: Checkpoints,
    workers: int | None,
    progress: Callable[[int, int], None] | None,
) -> tuple[int, dict[int, str]]:
    """Label what is not done yet; how many were, and which structures failed."""
    failed = {s.source_index: parts.failure(s.source_index) for s in todo}
    failures = {i: reason for i, reason in failed.items() if reason is not None}
    left = [
        s for s in todo if s.source_index not in failures and parts.load(s.source_index) is None
    ]
    done = n_resumed = len(todo) - len(left)
    report = progress or (lambda done, total: None)
    report(done, len(todo))
    if not left:
        return n_resumed, failures
    n_workers = min(workers or available_cores(), len(left))
    threads = max(1, available_cores() // n_workers)
    work = partial(_label_one, settings=settings, parts=parts)
    try:
        with closing(pool.run(work, left, workers=n_workers, threads=threads)) as outcomes:
            for structure, reason in outcomes:
                if reason is not None:
                    failures[structure.source_index] = str(reason)
                done += 1
                report(done, len(todo))
    except KeyboardInterrupt:
        raise KeyboardInterrupt(
            f"{done} of {len(todo)} structures are kept in {parts.folder}: "
            "start the same command again to go on from there"
        ) from None
    return n_resumed, failures


def _label_one(structure: Record, settings: Settings, parts: Checkpoints) -> str | None:
    """Label a structure and keep it; None, or the reason why it has no labels."""
    n = settings.n_matrices
    matrices = n is None or structure.source_index < n
    try:
        record = calculate(structure, settings, matrices)
    except ConvergenceError as error:
        parts.store_failure(structure.source_index, str(error))
        return str(error)
    parts.store(record)
    return None


def _all_there(records: Iterable[Record | None], parts: Checkpoints) -> Iterable[Record]:
    for record in records:
        if record is None:
            raise InputError(f"{parts.folder}: a checkpoint was lost while the run was on")
        yield record
