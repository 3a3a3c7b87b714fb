r"""Linear models of energies in one table: the same split, solver, constants and groups for all.

A `Contest` holds the split. Each of its methods makes features of one kind and fits them with
`Ridge`, unpenalised constants for each species, alpha by leave-one-out, copies of a structure
leaving together.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from time import perf_counter
from typing import TYPE_CHECKING, Any

import numpy as np

from linvop.bench.ace import AceSettings, ace_rows
from linvop.bench.ace_program import HYDROGEN
from linvop.bench.soap import SoapSettings, soap_rows
from linvop.bench.tables import verdict
from linvop.conventions import unit_factor

if TYPE_CHECKING:
    from ase import Atoms

__all__ = ["Contest"]

Row = dict[str, Any]


@dataclass
class Contest:
    r"""A split, and the rows of the models fitted to it.

    Attributes
    ----------
    name : str
        For messages.
    train, test : list of ase.Atoms
        With energies.
    unit : str
        Of the table.
    targets : tuple of float
        Largest accepted MAE of the best of linvop's rows.
    say : callable, optional
        Called with the name of each fit as it begins.
    rows : list of dict
    """

    name: str
    train: list[Atoms]
    test: list[Atoms]
    unit: str
    targets: tuple[float, ...] = ()
    say: Callable[[str], None] | None = None
    rows: list[Row] = field(default_factory=list)

    @property
    def targets_note(self) -> str:
        """The targets in words."""
        if not self.targets:
            return "No targets."
        met = ", then ".join(f"{target:g} {self.unit}" for target in self.targets)
        return f"Target of the best of its rows: MAE at most {met}."

    def notes(self) -> list[str]:
        """What holds for every such table; families without rows are left out."""
        families = {
            "SOAP": "SOAP: featomic's power spectrum. Gaussian density, GTO radial basis of n + 1 "
            "functions, shifted cosine, lengths in Angstrom. Columns as featomic gives them: "
            "centre species x pairs of neighbour species x l x n1 x n2.",
            "ACE": "ACE: the basis of ace-jax with its defaults (Agnesi transform, solid "
            "harmonics, pair basis included; degree n + 1.5 l), and "
            f"{HYDROGEN:g} Angstrom for the length scale of hydrogen, which it lacks; its basis "
            "alone, not its solver. Its smoothness prior, where a row says so, is the penalty "
            "that linvop's rows have from kappa.",
        }
        return [
            "MAE and RMSE on the test set. Every model: features summed over the atoms of each "
            "species, the same Ridge at its default column scale, per-species constants, alpha by "
            "leave-one-structure-out on the training set; linvop through PropertyModel with "
            "default settings.",
            *(
                text
                for family, text in families.items()
                if any(row["model"].startswith(family) for row in self.rows)
            ),
            "Times in seconds, all cores; features: of training and test set together, the "
            "making of the basis or plan included, compilation (ace-jax) not.",
        ]

    def choices(self) -> list[str]:
        """Which settings of each peer the training set alone prefers, in words."""
        found = []
        for family in ("SOAP", "ACE"):
            own = [row for row in self.rows if row["model"].startswith(family)]
            if own:
                best = min(own, key=lambda row: row["leave-one-out RMSE"])["model"]
                found.append(
                    f"Of {len(own)} {family} settings, the leave-one-out error chooses: {best}."
                )
        return found

    def add_soap(self, settings: SoapSettings) -> None:
        r"""Fit featomic's SOAP power spectrum.

        Raises
        ------
        InputError
            If featomic is missing.
        """
        self._say(str(settings))
        start = perf_counter()
        rows = soap_rows([*self.train, *self.test], self._species, settings)
        self._fit(str(settings), rows, None, perf_counter() - start)

    def add_ace(self, settings: AceSettings, python: str) -> None:
        r"""Fit the basis of ace-jax.

        Raises
        ------
        InputError
            If ace-jax fails.
        """
        self._say(str(settings))
        ace = ace_rows([*self.train, *self.test], self._species, settings, python)
        self._fit(str(settings), ace.rows, ace.penalty, ace.seconds)

    def add_linvop(self, name: str, **basis: Any) -> None:
        r"""Fit a `PropertyModel` with default settings on ``Basis(**basis)``."""
        from linvop.features.basis import Basis
        from linvop.models.property import PropertyModel

        self._say(name)
        model = PropertyModel(Basis(**basis), targets="energy")
        made: list[float] = []

        def features_done(done: int, n: int) -> None:
            if done == n:
                made.append(perf_counter())

        start = perf_counter()
        model.fit(self.train, progress=features_done)
        fitted = perf_counter()
        predicted = model.predict_arrays(self.test)["energy"]
        features = made[0] - start + perf_counter() - fitted
        (part,) = model.report()["parts"]["energy"].values()
        row = self._row(name, predicted, part, part["n_columns"], features, fitted - made[0])
        met = [verdict(row["MAE"], target) for target in self.targets]
        self.rows.append(row | {"targets met": ", ".join(met)})

    @property
    def _species(self) -> list[int]:
        return sorted({int(z) for a in self.train for z in a.numbers})

    def _fit(
        self, name: str, rows: np.ndarray, penalty: np.ndarray | None, features: float
    ) -> None:
        from linvop.regression.groups import duplicate_groups
        from linvop.regression.ridge import Ridge

        n = len(self.train)
        start = perf_counter()
        model = Ridge().fit(
            rows[:n],
            self._labels(self.train),
            constants=self._composition(self.train),
            penalty=penalty,
            groups=duplicate_groups(
                [a.numbers for a in self.train], [a.positions for a in self.train]
            ),
            overwrite=True,
        )
        seconds = perf_counter() - start
        predicted = model.predict(rows[n:], self._composition(self.test))
        row = self._row(name, predicted, model.report(), rows.shape[1], features, seconds)
        self.rows.append(row | {"targets met": ""})

    def _composition(self, frames: Sequence[Atoms]) -> np.ndarray:
        """Atoms of each species, (n_frames, n_species)."""
        return np.stack([(a.numbers[:, None] == self._species).sum(0) for a in frames]).astype(
            float
        )

    @staticmethod
    def _labels(frames: list[Atoms]) -> np.ndarray:
        from linvop.io.structures import labels

        return np.asarray(labels(frames, "energy"))

    def _row(
        self,
        name: str,
        predicted: np.ndarray,
        report: dict[str, Any],
        columns: int,
        features: float,
        fit: float,
    ) -> Row:
        unit = unit_factor("energy", self.unit)
        error = predicted - self._labels(self.test)
        return {
            "model": name,
            "columns": columns,
            "MAE": float(np.abs(error).mean() / unit),
            "RMSE": float(np.sqrt((error**2).mean()) / unit),
            "leave-one-out RMSE": report["loo_rmse"] / unit,
            "alpha": report["alpha"],
            "dof": report["effective_dof"],
            "features, s": features,
            "features, ms per structure": 1e3 * features / (len(self.train) + len(self.test)),
            "fit, s": fit,
        }

    def _say(self, model: str) -> None:
        if self.say is not None:
            self.say(f"{self.name}, {model}")
