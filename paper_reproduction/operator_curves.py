r"""Learning curves of operator models: errors of matrices, and of what follows from them.

Structures that are tested are the same for all models and sizes of a set, and training sets are
nested. Features, solver and baseline of a model are the same for both targets.
"""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from linvop.errors import InputError
from paper_reproduction.labels import labelled
from paper_reproduction.sets import (
    N_ANTHRACENES,
    N_OPERATORS,
    QUICK,
    anthracene_labels,
    level_of,
    qm7_labels,
    qm7_name,
)
from paper_reproduction.study import Setting

if TYPE_CHECKING:
    from linvop.io.dataset import Dataset

__all__ = [
    "MODELS",
    "TARGETS",
    "Contest",
    "contests",
    "final",
    "learning_curves",
    "of_density",
    "ratio",
]

TARGETS = ("fock", "density")

MODELS = ("plain powers", "shell", "products", "products on F of atoms")
"""In the order of the pictures; the first is the paper's."""

_DERIVED = {
    "levels": ("occupied orbital energies", 1e3),
    "LUMO": ("LUMO", 1e3),
    "levels of F[P]": ("occupied levels of F[P]", 1e3),
    "LUMO of F[P]": ("LUMO of F[P]", 1e3),
    "dipole": ("dipole", 1e3),
    "charges": ("lowdin charges", 1e3),
    "energy": ("energy", 1e3),
}
"""In `OperatorModel.errors`, and what makes meV, me A and me of it."""

_PLAIN: dict[str, Any] = {"kappa": 3, "resolution": "total", "metric": "ao"}
_SHELL: dict[str, Any] = {"kappa": 3, "metric": "lowdin"}


@dataclass(frozen=True)
class Contest:
    r"""One set of structures.

    Attributes
    ----------
    name : str
    data : Dataset
        With Fock and density matrices.
    order : (n,) int64
        Training structures first, the test structures last.
    sizes : tuple of int
        Of the training sets, ascending.
    n_test, n_energy : int
        Test structures, and those of them of which energies and F[P] are compared.
    ao, shell_ao : str
        Of the features; of those of "shell", where kappa = 3 in a large set is out of reach.
    degrees : (float, float, float)
        Of products: of site products, and of the pair and site factors of pair products.
    """

    name: str
    data: Dataset
    order: np.ndarray
    sizes: tuple[int, ...]
    n_test: int
    n_energy: int
    ao: str
    shell_ao: str
    degrees: tuple[float, float, float]

    def parts(self, size: int) -> tuple[Dataset, Dataset]:
        """Training and test structures."""
        if self.sizes[-1] + self.n_test > len(self.order):
            raise InputError(
                f"{self.name}: expected {self.sizes[-1]} + {self.n_test} structures, got "
                f"{len(self.order)}"
            )
        return self.data[self.order[:size]], self.data[self.order[-self.n_test :]]

    def model(self, name: str, target: str) -> Any:
        """The model of a name (`MODELS`), not fitted."""
        import linvop

        site, pair, factor = self.degrees
        products = {
            "kappa": 2,
            "metric": "overlap",
            "nu": 2,
            "max_degree": (None, site),
            "nu_pair": (1, 1),
            "pair_max_degree": (None, pair, factor),
        }
        bases = {"plain powers": _PLAIN, "shell": _SHELL}
        return linvop.OperatorModel(
            linvop.Basis(
                ao=self.shell_ao if name == "shell" else self.ao, **bases.get(name, products)
            ),
            target,
            baseline="minao" if name.endswith("F of atoms") else "none",
            orthogonal=name != "plain powers",
        )


def contests(setting: Setting) -> list[Contest]:
    r"""Water, QM7 and anthracene (``--quick``: ethylene, and HF/STO-3G for all)."""
    found = [_water(setting), _qm7(setting)]
    n, n_test = setting.pick(8, N_ANTHRACENES), setting.pick(2, 20)
    data = anthracene_labels(setting, n)
    sizes = setting.pick((4, 6), (20, 40, 80))
    more = setting.pick((2, "sto-3g", "sto-3g", (5, 4, 4)), (2, "def2-svp", "sto-3g", (6, 5, 4)))
    name = setting.pick("ethylene", "anthracene")
    return [*found, Contest(name, data, np.arange(len(data)), sizes, n_test, *more)]


def _water(setting: Setting) -> Contest:
    import linvop

    data = linvop.Dataset.open(linvop.data.water()).having("fock", "density")
    if setting.quick:
        data = labelled("water-matrices-quick", data.frames()[:20], setting, **QUICK)
    sizes = setting.pick((10, 15), (12, 25, 50, 100))
    more = setting.pick(
        (5, 2, "sto-3g", "sto-3g", (6, 5, 4)), (20, 10, "def2-svp", "def2-svp", (8, 7, 6))
    )
    return Contest("water", data, np.arange(len(data)), sizes, *more)


def _qm7(setting: Setting) -> Contest:
    data = qm7_labels(setting, setting.pick(12, N_OPERATORS))
    # Of some elements there is not one in every small training set: their blocks would be zero.
    known = [k for k in range(len(data)) if set(data[k].numbers.tolist()) <= {1, 6, 7, 8}]
    order = np.random.default_rng(2026).permutation(known)
    sizes = setting.pick((6, 9), (50, 100, 200))
    more = setting.pick(
        (3, 2, "sto-3g", "sto-3g", (4, 3, 3)), (50, 10, "def2-svp", "sto-3g", (6, 5, 4))
    )
    return Contest(qm7_name(setting), data, order, sizes, *more)


def learning_curves(contest: Contest, setting: Setting) -> dict[str, Any]:
    r"""Errors by model, target and size.

    Returns
    -------
    dict
        ``curves``: {model: {target: {quantity: [of each size]}}}, with ``matrix``, ``on site``
        and ``between`` (MAE; 1e-6 Hartree, 1e-6), what follows from them (MAE; meV,
        me Angstrom, me; None where there is none), ``failed`` and ``columns``; ``rms``:
        {target: of the test matrices' elements, 1e-6}.
    """
    out: dict[str, Any] = {
        "name": contest.name,
        "level": level_of(contest.data),
        "sizes": list(contest.sizes),
        "n_test": contest.n_test,
        "n_energy": min(contest.n_energy, contest.n_test),
        "ao": contest.ao,
        "shell_ao": contest.shell_ao,
        "rms": {},
        "curves": {},
    }
    for name in MODELS:
        out["curves"][name] = {}
        for target in TARGETS:
            rows = []
            for size in contest.sizes:
                row, out["rms"][target] = _errors(contest, name, target, size, setting)
                rows.append(row)
            out["curves"][name][target] = {key: [r[key] for r in rows] for key in rows[0]}
    return out


def _errors(
    contest: Contest, name: str, target: str, size: int, setting: Setting
) -> tuple[dict[str, Any], float]:
    train, test = contest.parts(size)
    model = contest.model(name, target)
    with warnings.catch_warnings():
        # Of blocks without features, and of kinds of pairs that few structures have: measured.
        warnings.simplefilter("ignore")
        model.fit(train)
        elements, derived = model.errors(test, energy=contest.n_energy)
    summary = elements.summary()
    row: dict[str, Any] = {
        "matrix": 1e6 * summary["all"]["mae"],
        "on site": 1e6 * _joined([v for k, v in summary.items() if k != "all" and "-" not in k]),
        "between": 1e6 * _joined([v for k, v in summary.items() if "-" in k]),
        "failed": derived.get("failed", {"n": 0})["n"],
        "columns": sum(p.report["n_columns"] for p in model.parts_.values()),
    }
    for key, (quantity, factor) in _DERIVED.items():
        value = derived.get(quantity, {}).get("mae")
        row[key] = None if value is None else factor * value
    setting.say(f"{contest.name}, {name}, {target}, {size}: MAE {row['matrix']:.3g}e-6")
    return row, 1e6 * summary["all"]["rms"]


def _joined(parts: Sequence[Mapping[str, Any]]) -> float:
    return sum(p["mae"] * p["n"] for p in parts) / sum(p["n"] for p in parts)


def of_density(quantity: str) -> str:
    """What a density target has of this: levels are those of F[P]."""
    return f"{quantity} of F[P]" if quantity in ("levels", "LUMO") else quantity


def final(one: Mapping[str, Any], model: str, target: str, quantity: str) -> float | None:
    """The error with most training structures."""
    value = one["curves"][model][target][quantity][-1]
    return None if value is None else float(value)


def ratio(one: Mapping[str, Any], model: str, quantity: str) -> float | None:
    r"""Error from density targets over that from Fock targets, most training structures.

    ``levels`` and ``LUMO``: of F[P], over those of the predicted F.
    """
    fock = final(one, model, "fock", quantity)
    density = final(one, model, "density", of_density(quantity))
    return None if not fock or density is None else density / fock
