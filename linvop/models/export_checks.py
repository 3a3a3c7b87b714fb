r"""An exported model in the reader that it is for, beside the same model as it was fitted.

- *fitted*: the same numbers,
- *rotation*: a turned, reflected and shifted structure has turned and reflected labels,
- *permutation*: atoms in another order change nothing (an operator is permuted),
- *derivatives*: dy/dV and dy/dS of properties, contracted with those of V and S, are the slope of
  y along a displacement, from differences of fourth order.

All errors are relative: to the largest number without constants of species, to the gradient's norm.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from linvop.angular.wigner import rotation_matrix
from linvop.deploy import Predictor
from linvop.features.contractions import contracted
from linvop.integrals import System, overlap, overlap_gradient, potential, potential_gradient
from linvop.models.operator import OperatorModel
from linvop.models.operator_data import OperatorFrame
from linvop.models.operator_part import assembled
from linvop.models.property import PropertyModel
from linvop.models.property_values import values_of_rows
from linvop.models.targets import Target
from linvop.orbitals.order import from_m_order, to_m_order

__all__ = ["OperatorChecks", "PropertyChecks", "moved", "shuffled"]

Values = Mapping[str, np.ndarray]

_STEP = 1e-3


def moved(system: System, rng: np.random.Generator) -> tuple[System, np.ndarray]:
    """The structure turned, reflected and shifted, and the improper rotation."""
    Q = np.linalg.qr(rng.normal(size=(3, 3)))[0]
    Q *= -np.sign(np.linalg.det(Q))
    return replace(system, positions=system.positions @ Q.T + rng.normal(size=3)), Q


def shuffled(system: System, rng: np.random.Generator) -> tuple[System, np.ndarray]:
    """The structure with its atoms in another order, and the order."""
    order = rng.permutation(len(system.numbers))
    numbers = tuple(system.numbers[k] for k in order)
    return System(numbers, system.positions[order], system.ao), order


def _matrices(predictor: Predictor, system: System) -> tuple[np.ndarray, np.ndarray | None]:
    """V of the reader's sources and, if its metric wants it, S."""
    screenings, sources = _sources(predictor)
    parts = [potential(system, screening=zeta, sources=sources) for zeta in screenings]
    n = system.layout.n_ao
    S = None if predictor.metric == "ao" else overlap(system)
    return np.reshape(parts, (-1, n, n)), S


def _sources(predictor: Predictor) -> tuple[tuple[float | None, ...], tuple[str, ...] | None]:
    """Its screenings, and its species of nuclei if they are apart."""
    screenings = tuple(dict.fromkeys(x["screening"] for x in predictor.sources))
    by_species = predictor.sources[0]["species"] is not None
    return screenings, predictor.species if by_species else None


class PropertyChecks:
    """Of a model of properties."""

    def __init__(self, predictor: Predictor, model: PropertyModel) -> None:
        self.predictor, self.model = predictor, model

    def known(self, system: System) -> dict[str, np.ndarray]:
        """What the file holds for readers to compare with."""
        V, S = _matrices(self.predictor, system)
        target = self.model.targets[0]
        component = (0,) * len(target.shape)
        by_V, by_S = self.predictor.derivatives(system.numbers, V, S, target.name, component)
        values = np.concatenate([x.ravel() for x in self._values(system).values()])
        numbers = np.asarray(system.numbers)
        found = {"numbers": numbers, "V": V, "S": S, "values": values}
        found |= {"by_V": by_V, "by_S": by_S}
        return {name: value for name, value in found.items() if value is not None}

    def errors(self, system: System) -> dict[str, float]:
        """Of each check the largest relative error."""
        rng = np.random.default_rng(1)
        here, (turned, Q) = self._values(system), moved(system, rng)
        scale = {name: x - self._constants(system)[name] for name, x in here.items()}
        expected = {t.name: _turned(t, here[t.name], Q) for t in self.model.targets}
        return {
            "fitted": _largest(here, self._fitted(system), scale),
            "rotation": _largest(expected, self._values(turned), scale),
            "permutation": _largest(here, self._values(shuffled(system, rng)[0]), scale),
            "derivatives": self._slopes(system, rng),
        }

    def _values(self, system: System) -> dict[str, np.ndarray]:
        found = self.predictor.predict(system.numbers, *_matrices(self.predictor, system))
        return {name: np.asarray(value) for name, value in found.items()}

    def _counts(self, system: System) -> np.ndarray:
        symbols = np.asarray(system.layout.symbols)
        return np.asarray([[np.sum(symbols == s) for s in self.model.species_]], dtype=float)

    def _fitted(self, system: System) -> dict[str, np.ndarray]:
        model = self.model
        features = model.basis.compile(model.species_, model.irreps, "structure")
        rows = features.structure(contracted(features.enumeration, system))
        return self._of_rows({irrep: row[None] for irrep, row in rows.items()}, system)

    def _constants(self, system: System) -> dict[str, np.ndarray]:
        """What constants of species add up to."""
        sizes = {
            irrep: len(part.coefficients)
            for parts in self.model.parts_.values()
            for irrep, part in parts.items()
        }
        rows = {(lam, s): np.zeros((1, 2 * lam + 1, p)) for (lam, s), p in sizes.items()}
        return self._of_rows(rows, system)

    def _of_rows(self, rows: Mapping[Any, np.ndarray], system: System) -> dict[str, np.ndarray]:
        of = self.model.targets, self.model.parts_
        found = values_of_rows(*of, rows, self._counts(system))
        return {name: value[0] for name, value in found.items()}

    def _slopes(self, system: System, rng: np.random.Generator) -> float:
        """Largest error of a slope along a random displacement, relative to the gradient's norm."""
        direction = rng.normal(size=system.positions.shape)
        direction /= np.linalg.norm(direction)
        along = [
            self._values(replace(system, positions=system.positions + k * _STEP * direction))
            for k in (-2, -1, 1, 2)
        ]
        worst = 0.0
        for t in self.model.targets:
            for component in np.ndindex(t.shape):
                by = self._gradient(system, t.name, component)
                y = [float(x[t.name][component]) for x in along]
                slope = np.dot([1, -8, 8, -1], y) / (12 * _STEP)
                norm = max(float(np.linalg.norm(by)), np.finfo(float).tiny)
                worst = max(worst, float(abs(np.sum(by * direction) - slope)) / norm)
        return worst

    def _gradient(self, system: System, name: str, component: tuple[int, ...]) -> np.ndarray:
        """By positions, from the reader's derivatives by V and S, (n_atoms, 3) per Bohr."""
        screenings, sources = _sources(self.predictor)
        G, G_S = self.predictor.derivatives(
            system.numbers, *_matrices(self.predictor, system), name, component
        )
        by = np.zeros_like(system.positions)
        per_screening = G.reshape(len(screenings), -1, *G.shape[1:])
        for zeta, one in zip(screenings, per_screening, strict=True):
            own = one[0] if sources is None else one
            by += potential_gradient(system, own, screening=zeta, sources=sources)
        return by if G_S is None else by + overlap_gradient(system, G_S)


class OperatorChecks:
    """Of a model of an operator; what is compared is what it adds to its baseline."""

    def __init__(self, predictor: Predictor, model: OperatorModel) -> None:
        self.predictor, self.model = predictor, model

    def known(self, system: System) -> dict[str, np.ndarray]:
        """What the file holds for readers to compare with."""
        V, S = _matrices(self.predictor, system)
        found = {"numbers": np.asarray(system.numbers), "V": V, "S": S, **self._more(system)}
        found["values"] = self._values(system).ravel()
        return {name: value for name, value in found.items() if value is not None}

    def errors(self, system: System) -> dict[str, float]:
        """Of each check the largest relative error."""
        rng = np.random.default_rng(1)
        here, (turned, Q), (other, order) = (
            self._values(system),
            moved(system, rng),
            shuffled(system, rng),
        )
        checks = {
            "fitted": self._fitted(system) - here,
            "rotation": self._values(turned) - self._turned(system, here, Q),
            "permutation": self._values(other) - self._shuffled(system, here, order),
        }
        size = max(float(np.abs(here).max()), np.finfo(float).tiny)
        return {name: float(np.abs(error).max()) / size for name, error in checks.items()}

    def _own(self, system: System) -> System:
        """The structure in the AOs of the operator."""
        return replace(system, ao=self.model.ao_)

    def _more(self, system: System) -> dict[str, np.ndarray]:
        found = {}
        if self.model.orthogonal:
            found["overlap"] = overlap(self._own(system))
        if self.model.basis.cutoff is not None:
            found["positions"] = system.positions * self.predictor.settings["bohr"]
        return found

    def _values(self, system: System) -> np.ndarray:
        V, S = _matrices(self.predictor, system)
        found = self.predictor.operator(system.numbers, V, S, baseline=0, **self._more(system))
        return found.reshape(self.model.spin_channels_, *found.shape[-2:])

    def _fitted(self, system: System) -> np.ndarray:
        model = self.model
        frame = OperatorFrame(
            self._own(system), model.target, "none", model.orthogonal, None, model.state_
        )
        found = model.features().evaluate(system)
        return assembled(model.parts_, frame, found, model.spin_channels_)

    def _turned(self, system: System, matrices: np.ndarray, Q: np.ndarray) -> np.ndarray:
        layout = self._own(system).layout
        D = np.zeros((layout.n_ao, layout.n_ao))
        start = 0
        for s in layout.symbols:
            for shell in self.model.ao_.shells(s):
                stop = start + 2 * shell.l + 1
                D[start:stop, start:stop] = rotation_matrix(shell.l, Q)
                start = stop
        turned = [D @ to_m_order(one, layout) @ D.T for one in matrices]
        return np.stack([from_m_order(one, layout) for one in turned])

    def _shuffled(self, system: System, matrices: np.ndarray, order: np.ndarray) -> np.ndarray:
        layout = self._own(system).layout
        ends = [*layout.atom_offsets[1 : layout.n_atoms], layout.n_ao]
        aos = [np.arange(a, b) for a, b in zip(layout.atom_offsets, ends, strict=False)]
        places = np.concatenate([aos[k] for k in order])
        return matrices[:, places[:, None], places]


def _turned(target: Target, value: np.ndarray, Q: np.ndarray) -> np.ndarray:
    """A label of the moved structure."""
    if target.irrep is not None:
        lam, sigma = target.irrep
        parity = float(np.linalg.det(Q)) if sigma == -1 else 1.0
        return parity * rotation_matrix(lam, Q) @ value
    return (value, Q @ value, Q @ value @ Q.T)[target.rank] if target.rank else value


def _largest(a: Values, b: Values, scale: Values) -> float:
    """Largest difference relative to the largest value of its target."""
    tiny = np.finfo(float).tiny
    relative: Sequence[float] = [
        float(np.abs(a[n] - b[n]).max()) / max(float(np.abs(scale[n]).max()), tiny) for n in a
    ]
    return max(relative)
