r"""A fitted model as tables for `linvop.deploy`, written only if it obeys the laws.

On a random geometry of a composition that was trained on, in the reader that the file is for, the
model is checked against itself as fitted, for rotation, permutation and derivatives
(`linvop.models.export_checks`). The errors, and the input and output of the first, are kept in the
file; a reader compares its own with them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np

from linvop.conventions import BOHR
from linvop.deploy import SCHEMA, DeployError, Predictor
from linvop.errors import InputError
from linvop.features.basis import Basis
from linvop.integrals import System, overlap, potential
from linvop.io import hdf5
from linvop.io.atomic import atomic, check_output
from linvop.models.domain import TrainingDomain
from linvop.models.export_checks import OperatorChecks, PropertyChecks
from linvop.models.folding import folded
from linvop.models.folding_operators import operator_tables
from linvop.models.operator import OperatorModel
from linvop.models.property import PropertyModel
from linvop.models.stored_settings import stored_shells
from linvop.models.targets import Target
from linvop.orbitals.order import to_m_order

__all__ = ["KIND", "export_model"]

KIND = "exported model"

_TOLERANCE = {"fitted": 1e-10, "rotation": 1e-9, "permutation": 1e-9, "derivatives": 1e-6}
"""Largest relative errors; derivatives are compared with differences of fourth order."""

_PACKED = 1000
"""Arrays with more entries than this are compressed."""

_ATOMS = 7
"""Of a structure that is checked; a training composition with more is cut down."""

Arrays = Mapping[str, Any]


@dataclass(frozen=True)
class _Content:
    """What is particular to a kind of model: tables and settings."""

    species: dict[str, dict[str, Any]]
    settings: dict[str, Any]
    sites: dict[str, dict[str, Any]] = field(default_factory=dict)
    pairs: Sequence[Arrays] = ()


def export_model(
    model: PropertyModel | OperatorModel, path: str | Path, *, force: bool = False
) -> dict[str, float]:
    r"""Write a model for the light runtime.

    Returns
    -------
    dict
        Of each check its relative error (`linvop.models.export_checks`).

    Raises
    ------
    InputError
        If the file exists and ``force`` is not set, or exists and is no exported model; if the
        model is not fitted, has a reach, or fails a check: nothing is written then.
    """
    check_output(Path(path), force)
    hdf5.refuse_other_kinds(path, KIND)  # before the work
    model.report()  # refuses a model that is not fitted
    if model.basis.reach is not None:
        raise InputError(
            f"{path}: not written: V of this model has a reach of {model.basis.reach:g} Angstrom, "
            "which the light runtime cannot cut it at; it takes V as a program gives it"
        )
    content = _content(model)
    system = _random_structure(model.species_, model.domain_, model.basis, np.random.default_rng(0))
    with TemporaryDirectory(prefix=".linvop-", dir=Path(path).absolute().parent) as folder:
        draft = Path(folder) / "draft.h5"
        _write(draft, model, content, {}, {})
        checks = _checks(Predictor(draft, check=False), model)
        try:
            errors = checks.errors(system)
        except DeployError as error:
            raise InputError(f"{path}: not written: {error}") from error
        failed = [name for name, error in errors.items() if not error <= _TOLERANCE[name]]
        if failed:
            said = ", ".join(
                f"{name} {errors[name]:.1e} (expected at most {_TOLERANCE[name]:.0e})"
                for name in failed
            )
            raise InputError(
                f"{path}: not written: on a random {'-'.join(system.layout.symbols)} the model "
                f"fails the checks of {said}; its coefficients leave too few digits: take a "
                "larger alpha or fewer columns"
            )
        _write(draft, model, content, errors, checks.known(system))
        try:
            Predictor(draft)
        except DeployError as error:
            raise InputError(f"{path}: not written: {error}") from error
        with atomic(Path(path), force) as partial:
            partial.write_bytes(draft.read_bytes())
    return errors


def _content(model: PropertyModel | OperatorModel) -> _Content:
    if isinstance(model, OperatorModel):
        return _operator_content(model)
    return _property_content(model)


def _checks(
    reader: Predictor, model: PropertyModel | OperatorModel
) -> PropertyChecks | OperatorChecks:
    if isinstance(model, OperatorModel):
        return OperatorChecks(reader, model)
    return PropertyChecks(reader, model)


def _property_content(model: PropertyModel) -> _Content:
    """Folded coefficients and constants of each species."""
    features = model.basis.compile(model.species_, model.irreps, "structure")
    sizes = [int(np.prod(t.shape, dtype=int)) for t in model.targets]
    first = np.concatenate([[0], np.cumsum(sizes)])
    gradient = {
        irrep: np.zeros((first[-1], 2 * irrep[0] + 1, features.n_columns(irrep)))
        for irrep in features.irreps
    }
    constants = np.zeros((len(model.species_), first[-1]))
    for t, start, size in zip(model.targets, first, sizes, strict=False):
        rows = slice(start, start + size)
        for irrep, part in model.parts_[t.name].items():
            turn = _from_irrep(t, irrep)
            gradient[irrep][rows] = turn[:, :, None] * part.coefficients
            if irrep == (0, 1):
                constants[:, rows] += np.outer(part.constants, turn[:, 0])
    tables = folded(features, gradient)
    for s, own in zip(model.species_, constants, strict=True):
        tables[s]["constants"] = own
    targets = [{"name": t.name, "unit": t.unit, "shape": t.shape} for t in model.targets]
    return _Content(tables, {"targets": targets, "operator": None})


def _from_irrep(target: Target, irrep: tuple[int, int]) -> np.ndarray:
    """What the components of an irrep add to those of a label, (size, 2 lam + 1)."""
    width = 2 * irrep[0] + 1
    zero = {k: np.zeros((width, 2 * k[0] + 1)) for k in target.irreps}
    return target.from_irreps(zero | {irrep: np.eye(width)}).reshape(width, -1).T


def _operator_content(model: OperatorModel) -> _Content:
    """Folded coefficients of blocks, on site and between atoms."""
    on_site, sites, pairs = operator_tables(model)
    settings = {
        "target": model.target,
        "baseline": model.baseline,
        "orthogonal": model.orthogonal,
        "spin_channels": model.spin_channels_,
        "cutoff": model.basis.cutoff,
        "functional": None if model.functional_ is None else asdict(model.functional_),
        "shells": stored_shells(model.ao_, model.species_),
    }
    return _Content(on_site, {"targets": [], "operator": settings}, sites, pairs)


def _write(
    path: Path,
    model: PropertyModel | OperatorModel,
    content: _Content,
    errors: Mapping[str, float],
    known: Mapping[str, np.ndarray],
) -> None:
    from ase.data import atomic_numbers

    basis, species = model.basis, model.species_
    enumeration = basis.enumeration(species)
    names = species if enumeration.sources == "species" else (None,)
    settings = {
        "species": species,
        "state": model.state_,
        "metric": enumeration.metric,
        "bohr": BOHR,
        "sources": [
            {"screening": zeta, "species": s} for zeta in enumeration.screenings for s in names
        ],
        "shells": stored_shells(basis.ao_basis, species),
        "basis": repr(basis),
        "training": model.training_,
        "checks": errors,
        **content.settings,
    }
    with hdf5.write(path, KIND, SCHEMA, force=True) as file:
        hdf5.put_json(file, "settings", settings)
        file["channels"] = np.asarray(enumeration.channel_shells, np.int64)
        for s in species:
            group = file.create_group(f"species/{s}")
            group["number"] = np.int64(atomic_numbers[s])
            group["overlap"], group["attraction"] = _of_atom(
                basis, atomic_numbers[s], enumeration.screenings, species if names[0] else None
            )
            _put(group, content.species[s])
        for s, arrays in content.sites.items():
            _put(file.create_group(f"sites/{s}"), arrays)
        if content.pairs:
            _put(file.create_group("pairs"), {str(k): x for k, x in enumerate(content.pairs)})
        _put(file.create_group("check"), known)


def _of_atom(
    basis: Basis,
    number: int,
    screenings: Sequence[float | None],
    sources: tuple[str, ...] | None,
) -> tuple[np.ndarray, np.ndarray]:
    """S of one atom and the diagonal of V of each source; components m = -l .. l."""
    one = System((number,), np.zeros((1, 3)), basis.ao_basis)
    n = one.layout.n_ao
    V = [potential(one, screening=zeta, sources=sources) for zeta in screenings]
    diagonals = [np.diag(to_m_order(x, one.layout)) for x in np.reshape(V, (-1, n, n))]
    return to_m_order(overlap(one), one.layout), np.stack(diagonals)


def _put(group: Any, arrays: Arrays) -> None:
    """Arrays, groups of them and lists of such groups, by name."""
    for name, value in arrays.items():
        if isinstance(value, list):
            value = {str(k): x for k, x in enumerate(value)}
        if isinstance(value, Mapping):
            _put(group.create_group(name), value)
        elif np.size(value) > _PACKED:
            group.create_dataset(name, data=value, compression="gzip", shuffle=True)
        else:
            group[name] = value


def _random_structure(
    species: tuple[str, ...],
    domain: TrainingDomain | None,
    basis: Basis,
    rng: np.random.Generator,
) -> System:
    """Atoms of a training composition, each at a bond's length from one of the others.

    Of a large one some; species that are not among them are added.
    """
    from ase.data import atomic_numbers, covalent_radii
    from ase.symbols import Symbols

    formula = domain.formulas[0] if domain is not None else "".join(2 * [*species])
    numbers = rng.permutation(Symbols.fromsymbols(formula).numbers)[:_ATOMS]
    lost = [atomic_numbers[s] for s in species if atomic_numbers[s] not in numbers]
    numbers = np.concatenate([np.asarray(lost, int), numbers])
    positions = np.zeros((0, 3))
    for k, z in enumerate(numbers):
        while True:
            step = rng.normal(size=3)
            step /= np.linalg.norm(step)
            if k == 0:
                place = step
                break
            near = int(rng.integers(k))
            bond = covalent_radii[z] + covalent_radii[numbers[near]]
            place = positions[near] + rng.uniform(1.0, 1.3) * bond * step
            others = covalent_radii[numbers[:k]] + covalent_radii[z]
            if (np.linalg.norm(positions - place, axis=1) > 0.99 * others).all():
                break
        positions = np.concatenate([positions, place[None]])
    return System(tuple(int(z) for z in numbers), positions / BOHR, basis.ao_basis)
