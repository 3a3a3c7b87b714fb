r"""A fitted property model as tables for `linvop.deploy`, written only if it obeys the laws.

On a random geometry of a composition that was trained on, in the reader that the file is for:

- *fitted*: the same numbers as `PropertyModel.predict`,
- *rotation*: a turned, reflected and shifted structure has turned and reflected labels,
- *permutation*: atoms in another order change nothing,
- *derivatives*: dy/dV and dy/dS, contracted with those of V and S, are the slope of y.

The errors, relative to the largest value or slope, and the input and output of the first are kept
in the file; a reader compares its own with them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np

from linvop.conventions import BOHR
from linvop.deploy import SCHEMA, DeployError, Predictor
from linvop.errors import InputError
from linvop.integrals import System, overlap, overlap_gradient, potential, potential_gradient
from linvop.io import hdf5
from linvop.io.atomic import atomic, check_output
from linvop.models.folding import folded
from linvop.models.property import PropertyModel
from linvop.models.property_values import values_of_rows
from linvop.models.stored_settings import stored_shells
from linvop.models.targets import Target

__all__ = ["KIND", "export_property_model"]

KIND = "exported model"

_TOLERANCE = {"fitted": 1e-10, "rotation": 1e-9, "permutation": 1e-9, "derivatives": 1e-6}
"""Largest relative errors; derivatives are compared with differences of fourth order."""

_PACKED = 1000
"""Arrays with more entries than this are compressed."""

_STEP = 1e-3
_ATOMS = 12
"""Of a structure that is checked; a training composition with more is cut down."""


def export_property_model(
    model: PropertyModel, path: str | Path, *, force: bool = False
) -> dict[str, Any]:
    r"""Write a model for the light runtime.

    Returns
    -------
    dict
        Of each check its relative error.

    Raises
    ------
    InputError
        If the file exists and ``force`` is not set, the model is not fitted, or it fails a
        check: nothing is written then.
    """
    check_output(Path(path), force)
    model.report()  # refuses a model that is not fitted
    system = _random_structure(model, np.random.default_rng(0))
    tables = _tables(model)
    with TemporaryDirectory(prefix=".linvop-", dir=Path(path).absolute().parent) as folder:
        draft = Path(folder) / "draft.h5"
        _write(draft, model, tables, system, {}, {})
        reader = _Reader(Predictor(draft, check=False), model)
        errors = reader.errors(system)
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
        _write(draft, model, tables, system, errors, reader.known(system))
        try:
            Predictor(draft)
        except DeployError as error:
            raise InputError(f"{path}: not written: {error}") from error
        with atomic(Path(path), force) as partial:
            partial.write_bytes(draft.read_bytes())
    return errors


def _tables(model: PropertyModel) -> dict[str, dict[str, Any]]:
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
            if t.has_constants(irrep):
                constants[:, rows] += np.outer(part.constants, turn[:, 0])
    tables = folded(features, gradient)
    for s, own in zip(model.species_, constants, strict=True):
        tables[s]["constants"] = own
    return tables


def _from_irrep(target: Target, irrep: tuple[int, int]) -> np.ndarray:
    """What the components of an irrep add to those of a label, (size, 2 lam + 1)."""
    width = 2 * irrep[0] + 1
    zero = {k: np.zeros((width, 2 * k[0] + 1)) for k in target.irreps}
    return target.from_irreps(zero | {irrep: np.eye(width)}).reshape(width, -1).T


def _write(
    path: Path,
    model: PropertyModel,
    tables: Mapping[str, Mapping[str, Any]],
    system: System,
    errors: Mapping[str, float],
    known: Mapping[str, np.ndarray],
) -> None:
    from ase.data import atomic_numbers

    basis = model.basis
    enumeration = basis.compile(model.species_, model.irreps, "structure").enumeration
    names = model.species_ if enumeration.sources == "species" else (None,)
    settings = {
        "species": model.species_,
        "state": model.state_,
        "metric": enumeration.metric,
        "bohr": BOHR,
        "sources": [
            {"screening": zeta, "species": s} for zeta in enumeration.screenings for s in names
        ],
        "shells": stored_shells(basis.ao_basis, model.species_),
        "targets": [{"name": t.name, "unit": t.unit, "shape": t.shape} for t in model.targets],
        "basis": repr(basis),
        "training": model.training_,
        "checks": errors,
    }
    with hdf5.write(path, KIND, SCHEMA, force=True) as file:
        hdf5.put_json(file, "settings", settings)
        file["channels"] = np.asarray(enumeration.channel_shells, np.int64)
        for s, arrays in tables.items():
            group = file.create_group(f"species/{s}")
            group["number"] = np.int64(atomic_numbers[s])
            _put(group, {"cuts": [], **arrays})
        _put(file.create_group("check"), known)


def _put(group: Any, arrays: Mapping[str, Any]) -> None:
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


class _Reader:
    """A model in the reader and the same model as it was fitted."""

    def __init__(self, predictor: Predictor, model: PropertyModel) -> None:
        self.predictor, self.model = predictor, model
        self.screenings = tuple(dict.fromkeys(x["screening"] for x in predictor.sources))
        by_species = predictor.sources[0]["species"] is not None
        self.sources = model.species_ if by_species else None

    def matrices(self, system: System) -> tuple[np.ndarray, np.ndarray | None]:
        parts = [
            potential(system, screening=zeta, sources=self.sources) for zeta in self.screenings
        ]
        n = system.layout.n_ao
        S = None if self.predictor.metric == "ao" else overlap(system)
        return np.reshape(parts, (-1, n, n)), S

    def values(self, system: System) -> dict[str, np.ndarray]:
        found = self.predictor.predict(system.numbers, *self.matrices(system))
        return {name: np.asarray(value) for name, value in found.items()}

    def known(self, system: System) -> dict[str, np.ndarray]:
        """What the file holds for readers to compare with."""
        V, S = self.matrices(system)
        target = self.model.targets[0]
        component = (0,) * len(target.shape)
        by_V, by_S = self.predictor.derivatives(system.numbers, V, S, target.name, component)
        values = np.concatenate([x.ravel() for x in self.values(system).values()])
        numbers = np.asarray(system.numbers)
        found = {"numbers": numbers, "V": V, "S": S, "values": values}
        found |= {"by_V": by_V, "by_S": by_S}
        return {name: value for name, value in found.items() if value is not None}

    def errors(self, system: System) -> dict[str, float]:
        rng = np.random.default_rng(1)
        here = self.values(system)
        Q = np.linalg.qr(rng.normal(size=(3, 3)))[0]
        Q *= -np.sign(np.linalg.det(Q))  # turned and reflected
        moved = replace(system, positions=system.positions @ Q.T + rng.normal(size=3))
        order = rng.permutation(len(system.numbers))
        shuffled = System(
            tuple(system.numbers[k] for k in order), system.positions[order], system.ao
        )
        return {
            "fitted": _largest(here, self._fitted(system), here),
            "rotation": _largest(self._turned(here, Q), self.values(moved), here),
            "permutation": _largest(here, self.values(shuffled), here),
            "derivatives": self._slopes(system, rng),
        }

    def _fitted(self, system: System) -> dict[str, np.ndarray]:
        from linvop.features.contractions import contracted

        features = self.model._features()
        rows = features.structure(contracted(features.enumeration, system))
        symbols = np.asarray(system.layout.symbols)
        counts = np.asarray([[np.sum(symbols == s) for s in self.model.species_]], dtype=float)
        given = {irrep: row[None] for irrep, row in rows.items()}
        return {
            n: v[0]
            for n, v in values_of_rows(self.model.targets, self.model.parts_, given, counts).items()
        }

    def _turned(self, values: Mapping[str, np.ndarray], Q: np.ndarray) -> dict[str, np.ndarray]:
        """Labels of the moved structure; those of spherical tensors are left out."""
        found = {}
        for t in self.model.targets:
            x = values[t.name]
            if t.irrep is None:
                found[t.name] = (x, Q @ x, Q @ x @ Q.T)[t.rank or 0] if t.rank else x
        return found

    def _slopes(self, system: System, rng: np.random.Generator) -> float:
        """Largest error of a slope along a random displacement, relative to the gradient's norm."""
        direction = rng.normal(size=system.positions.shape)
        direction /= np.linalg.norm(direction)
        numbers, worst = system.numbers, 0.0
        along = [
            self.values(replace(system, positions=system.positions + k * _STEP * direction))
            for k in (-2, -1, 1, 2)
        ]
        for t in self.model.targets:
            for component in np.ndindex(t.shape):
                G, G_S = self.predictor.derivatives(
                    numbers, *self.matrices(system), t.name, component
                )
                by = np.zeros_like(system.positions)
                per_screening = G.reshape(len(self.screenings), -1, *G.shape[1:])
                for zeta, one in zip(self.screenings, per_screening, strict=True):
                    own = one[0] if self.sources is None else one
                    by += potential_gradient(system, own, screening=zeta, sources=self.sources)
                if G_S is not None:
                    by += overlap_gradient(system, G_S)
                y = [float(x[t.name][component]) for x in along]
                slope = np.dot([1, -8, 8, -1], y) / (12 * _STEP)
                norm = max(float(np.linalg.norm(by)), np.finfo(float).tiny)
                worst = max(worst, float(abs(np.sum(by * direction) - slope)) / norm)
        return float(worst)


def _largest(
    a: Mapping[str, np.ndarray], b: Mapping[str, np.ndarray], scale: Mapping[str, np.ndarray]
) -> float:
    """Largest difference of what both have, relative to the largest value of its target."""
    both = set(a) & set(b)
    relative = [
        np.abs(a[n] - b[n]).max() / max(float(np.abs(scale[n]).max()), np.finfo(float).tiny)
        for n in both
    ]
    return float(max(relative, default=0.0))


def _random_structure(model: PropertyModel, rng: np.random.Generator) -> System:
    """Atoms of a training composition, each at a bond's length from one of the others."""
    from ase import Atoms
    from ase.data import covalent_radii
    from ase.symbols import Symbols

    domain = model.domain_
    formula = domain.formulas[0] if domain is not None else "".join(2 * [*model.species_])
    numbers = Symbols.fromsymbols(formula).numbers
    lost = Atoms("".join(model.species_)).numbers
    numbers = np.concatenate([lost, rng.permutation(numbers)])[: max(_ATOMS, len(lost))]
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
    return System(tuple(int(z) for z in numbers), positions / BOHR, model.basis.ao_basis)
