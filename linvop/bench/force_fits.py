r"""Energies and forces of one molecule, fitted together, beside a peer with the same solver.

The peers are featomic's SOAP power spectrum and the basis of ace-jax (linear ACE), summed over the
atoms of each species, and their gradients by positions: linear models as linvop's, with the same
rows, weights, constants, groups that leave together and choice of alpha.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from time import perf_counter
from typing import TYPE_CHECKING, Any

import numpy as np

from linvop.bench.ace import MISSING, AceSettings, ace_rows
from linvop.bench.soap import SoapSettings, soap_gradient_rows, soap_rows
from linvop.bench.tables import Table
from linvop.errors import InputError

if TYPE_CHECKING:
    from ase import Atoms

    from linvop.models.training import TrainingSet

__all__ = ["FORCE_SETS", "ForceSet", "measure_forces"]


@dataclass(frozen=True)
class ForceSet:
    r"""A data set: where it is, how much of it is taken, what others have published.

    Attributes
    ----------
    title : str
    train : str
        Below the data folder.
    test : str or None
        Without one, the last `n_test` of a seeded shuffle of `train`.
    n_train, n_test : int
    models : {name: arguments of `Basis`}
    published : str
    ace : sequence of AceSettings
    soap : sequence of SoapSettings
    """

    title: str
    train: str
    test: str | None
    n_train: int
    n_test: int
    models: Mapping[str, Mapping[str, Any]]
    published: str
    ace: Sequence[AceSettings] = ()
    soap: Sequence[SoapSettings] = (SoapSettings(),)


_SVP = {"ao": "def2-svp", "kappa": 3, "metric": "overlap"}
_SMALL = {"ao": "6-31g", "kappa": 3, "metric": "lowdin"}

FORCE_SETS = {
    "ethanol-forces": ForceSet(
        "rMD17 ethanol, energies and forces",
        "rmd17_ethanol/train.xyz",
        "rmd17_ethanol/test.xyz",
        1000,
        1000,
        {
            "6-31G, lowdin": _SMALL,
            "def2-SVP, overlap": _SVP,
            "def2-SVP, overlap, products": {**_SVP, "nu": 3, "max_degree": (None, 6, 6)},
        },
        "Linear ACE, 1000 structures, published (Kovacs et al., JCTC 17, 7696 (2021)): 1.2 meV and "
        "7.3 meV/Angstrom.",
        (AceSettings(),),
    ),
    "aspirin-forces": ForceSet(
        "rMD17 aspirin, energies and forces",
        "rmd17_aspirin/train.xyz",
        "rmd17_aspirin/test.xyz",
        500,
        500,
        {"6-31G, lowdin": _SMALL, "def2-SVP, overlap": _SVP},
        "Linear ACE, 1000 structures, published (Kovacs et al., JCTC 17, 7696 (2021)): 6.1 meV and "
        "17.9 meV/Angstrom.",
    ),
    "3bpa-forces": ForceSet(
        "3BPA at 300 K, energies and forces",
        "3bpa/train_300K.xyz",
        None,
        450,
        50,
        {"linvop-sv, lowdin": {"ao": "linvop-sv", "kappa": 3, "metric": "lowdin"}},
        "The published test set is not part of this split: 50 of the 500 training structures. SOAP "
        "with fewer functions than elsewhere: four species make many columns.",
        soap=(SoapSettings(max_radial=4, max_angular=3),),
    ),
}
"""By the names that `linvop bench accuracy --only` knows."""


def measure_forces(
    name: str,
    folder: str | Path,
    *,
    soap: Sequence[SoapSettings] | None = None,
    ace: str | None = None,
    ace_settings: Sequence[AceSettings] | None = None,
    models: Mapping[str, Mapping[str, Any]] | None = None,
    n_train: int | None = None,
    n_test: int | None = None,
    seed: int = 0,
    say: Callable[[str], None] | None = None,
) -> Table:
    r"""Fit the peers and linvop to one of `FORCE_SETS`; fewer structures or other models if given.

    With `ace`, a Python that has ace-jax (`linvop.bench.ace.ace_python`), linear ACE too.

    Raises
    ------
    InputError
        For a missing or bad file, too few structures, or featomic missing.
    """
    of = FORCE_SETS[name]
    train, test = _split(of, Path(folder), n_train or of.n_train, n_test or of.n_test, seed)
    rows = []
    for settings in of.soap if soap is None else soap:
        if say is not None:
            say(f"{name}: {settings}")
        rows.append(_peer_row(settings, _soap_rows(settings), train, test))
    if ace is not None:
        for peer in of.ace if ace_settings is None else ace_settings:
            if say is not None:
                say(f"{name}: {peer}")
            rows.append(_peer_row(peer, _ace_rows(peer, ace), train, test))
    for model, given in (of.models if models is None else models).items():
        if say is not None:
            say(f"{name}: linvop, {model}")
        rows.append(_linvop_row(model, given, train, test))
    notes = [
        f"{len(train)} structures for training, {len(test)} for testing"
        + ("" if of.test else f", seeded random split (seed {seed})")
        + ". Errors in meV and meV/Angstrom, of forces over components.",
        "All rows: energies and forces in one fit, force weight 0.1 Angstrom^2, alpha by "
        "leave-one-structure-out. linvop: shell resolution, kappa 3.",
        *([MISSING] if ace is None and of.ace else []),
        of.published,
    ]
    return Table(name, of.title, rows, notes)


def _split(
    of: ForceSet, folder: Path, n_train: int, n_test: int, seed: int
) -> tuple[list[Atoms], list[Atoms]]:
    from linvop.io.structures import read

    frames = read(folder / of.train)
    if of.test is not None:
        train, test = frames[:n_train], read(folder / of.test)[:n_test]
    else:
        order = np.random.default_rng(seed).permutation(len(frames))
        train = [frames[k] for k in order[:n_train]]
        test = [frames[k] for k in order[len(order) - n_test :]]
        if n_train + n_test > len(frames):
            train = []
    if len(train) < n_train or len(test) < n_test:
        raise InputError(
            f"{folder / of.train}: expected {n_train} + {n_test} structures, got fewer"
        )
    return train, test


def _linvop_row(
    name: str, given: Mapping[str, Any], train: list[Atoms], test: list[Atoms]
) -> dict[str, Any]:
    from linvop.features.basis import Basis
    from linvop.models.property import PropertyModel

    start = perf_counter()
    model = PropertyModel(Basis(**given), ("energy", "forces")).fit(train)
    seconds = perf_counter() - start
    part = model.parts_["energy"][0, 1]
    found = model.score(test)
    return _row(f"linvop, {name}", len(part.coefficients), part.report, found, seconds)


RowsOf = Callable[[Sequence["Atoms"], Sequence[int]], np.ndarray]
"""Of structures and all species: rows of energies, then of dB/dR atom by atom."""


def _soap_rows(settings: SoapSettings) -> RowsOf:
    def rows(frames: Sequence[Atoms], numbers: Sequence[int]) -> np.ndarray:
        given = frames, numbers, settings
        return np.concatenate([soap_rows(*given), soap_gradient_rows(*given)])

    return rows


def _ace_rows(settings: AceSettings, python: str) -> RowsOf:
    def rows(frames: Sequence[Atoms], numbers: Sequence[int]) -> np.ndarray:
        return ace_rows(frames, numbers, settings, python, gradients=True).rows

    return rows


def _peer_row(
    settings: SoapSettings | AceSettings, rows_of: RowsOf, train: list[Atoms], test: list[Atoms]
) -> dict[str, Any]:
    from linvop.models.force_fit import FORCE_WEIGHT, fit_energies_and_forces
    from linvop.models.metrics import errors
    from linvop.models.targets import as_targets
    from linvop.models.training import atom_counts, training_set
    from linvop.regression.groups import duplicate_groups
    from linvop.regression.ridge import Ridge

    start = perf_counter()

    def labelled(frames: list[Atoms]) -> TrainingSet:
        return training_set(
            frames,
            as_targets("energy"),
            keys={},
            units={},
            weights=None,
            atom_energies=None,
            source="peer",
            forces=True,
        )

    data, unseen = labelled(train), labelled(test)
    numbers = sorted({int(z) for a in data.frames for z in a.numbers})
    rows = rows_of(data.frames, numbers)
    n_columns = rows.shape[1]
    counts = atom_counts(data.frames, data.species)
    part, _, _ = fit_energies_and_forces(
        rows,
        data,
        counts=counts,
        groups=duplicate_groups(
            [a.numbers for a in data.frames], [a.positions for a in data.frames]
        ),
        penalty=np.ones(n_columns),
        solver=Ridge(),
        force_weight=FORCE_WEIGHT,
    )
    del rows
    seconds = perf_counter() - start
    predicted, n = rows_of(unseen.frames, numbers) @ part.coefficients, len(unseen.frames)
    energies = predicted[:n] + atom_counts(unseen.frames, data.species) @ part.constants
    found = {
        "energy": errors(unseen.values["energy"], energies),
        "forces": errors(np.asarray(unseen.forces), -predicted[n:].reshape(-1, 3)),
    }
    return _row(str(settings), n_columns, part.report, found, seconds)


def _row(
    name: str,
    n_columns: int,
    report: Mapping[str, Any],
    found: Mapping[str, Mapping[str, Any]],
    seconds: float,
) -> dict[str, Any]:
    return {
        "features": name,
        "columns": n_columns,
        "energy MAE": 1e3 * found["energy"]["mae"],
        "RMSE": 1e3 * found["energy"]["rmse"],
        "force MAE": 1e3 * found["forces"]["mae"],
        "force RMSE": 1e3 * found["forces"]["rmse"],
        "dof": round(report["effective_dof"]),
        "alpha": report["alpha"],
        "fit, s": seconds,
    }
