r"""How local V, F and P of a set of molecules are, from files to files.

Two measurements (`linvop.observables.block_norms`, `linvop.observables.truncation`):

1. the norm of each block of V, F and P against the distance of its atoms, between AOs and between
   Lowdin orbitals;
2. how far properties move when the blocks of F, or of P, beyond a cutoff are dropped.

The paper (arXiv:2602.15345) takes Fock matrices for the better target of a model with a cutoff, as
they are more local than density matrices: these are the numbers behind that, on one's own data.
"""

from __future__ import annotations

import csv
from collections.abc import Mapping, Sequence
from io import StringIO
from pathlib import Path
from typing import Any

from linvop.fitting import all_or_none, check_outputs, metrics_text, versions
from linvop.io.atomic import atomic_text
from linvop.locality.measure import Progress, measured_norms, measured_truncation
from linvop.locality.settings import LocalityConfig, chosen_structures, default_cutoffs
from linvop.observables.block_norms import norms_csv
from linvop.plotting import ORBITALS, block_norm_figure, truncation_figure

__all__ = ["locality_outputs", "run_locality"]

_MEASURED = (
    "block norms: Frobenius norms of the blocks of V, F and P (of open shells the mean F and the "
    "total P) between two atoms; truncation: mean absolute changes of properties when the blocks "
    "of F or of P between atoms further apart than the cutoff are set to zero, between AOs or "
    "between Lowdin orbitals, with the whole overlap matrix kept; 'F, over known' cuts only what F "
    "adds to the core Hamiltonian with superposed atomic potentials, the default baseline of "
    "linvop.OperatorModel"
)


def locality_outputs(has_truncation: bool) -> list[str]:
    r"""Names of the files that are written."""
    norms = ["locality.json", "block_norms.csv", "block_norms.png"]
    return (
        [*norms, "truncation.csv", *(f"truncation_{o}.png" for o in ORBITALS)]
        if has_truncation
        else norms
    )


def run_locality(
    config: LocalityConfig, *, force: bool = False, progress: Progress | None = None
) -> dict[str, Any]:
    r"""Measure and write.

    Parameters
    ----------
    config : LocalityConfig
    force : bool
        Replace files that exist.
    progress : callable, optional
        Called with (stage, structures done, structures in all).

    Returns
    -------
    dict
        What locality.json holds: ``block_norms`` (binned) and ``truncation`` as lists of rows.

    Raises
    ------
    InputError
        For anything wrong with the input; nothing has been written then.
    """
    config.check()
    records, chosen, ao, settings = chosen_structures(config)
    truncates = any(r.fock is not None or r.density is not None for r in records)
    names = locality_outputs(truncates)
    check_outputs(config.output, names, force)
    cutoffs = list(config.cutoffs or default_cutoffs(records)) if truncates else []
    norms = measured_norms(records, chosen, ao, config.data, progress)
    rows = measured_truncation(records, chosen, ao, config, cutoffs, progress) if truncates else []
    result = {
        "data": config.data,
        "n_structures": len(records),
        "structures": chosen,
        "ao": settings.get("ao") or ao.name,
        "labels": {k: settings[k] for k in ("method", "xc", "ao") if settings.get(k)},
        "measured": _MEASURED,
        "functional": config.xc,
        "cutoffs": cutoffs,
        "truncation": rows,
        "block_norms": [row for one in norms for row in one.binned()],
        "versions": versions(),
    }
    s = "s" * (len(records) != 1)
    about = f"{Path(config.data).name}, {len(records)} structure{s}, {result['ao']}"
    with all_or_none(config.output, names, force) as folder:
        atomic_text(folder / "locality.json", metrics_text(result))
        atomic_text(folder / "block_norms.csv", norms_csv(norms))
        block_norm_figure(folder / "block_norms.png", norms, about)
        if truncates:
            atomic_text(folder / "truncation.csv", _csv(rows))
            for orbitals, name in ORBITALS.items():
                own = [row for row in rows if row["orbitals"] == orbitals]
                title = f"{about}\nblocks between {name} of atoms beyond a cutoff dropped"
                truncation_figure(folder / f"truncation_{orbitals}.png", own, title)
    return result


def _csv(rows: Sequence[Mapping[str, Any]]) -> str:
    text = StringIO()
    write = csv.DictWriter(text, list(rows[0]), lineterminator="\n")
    write.writeheader()
    write.writerows(rows)
    return text.getvalue()
