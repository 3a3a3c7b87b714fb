r"""Operators in the minimal basis against the observables of the larger one.

Those of `paper_reproduction.effective`: made for the test structures and for a distortion, with
the levels, the density of states, gaps and dipoles that follow from them.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy.linalg import eigh

from linvop.conventions import HARTREE
from linvop.integrals import System, overlap
from linvop.orbitals.shells import AOBasis
from paper_reproduction.effective_cases import Case
from paper_reproduction.study import Setting

if TYPE_CHECKING:
    from linvop.io.dataset import Dataset

__all__ = ["BASES", "MINIMAL", "WINDOW", "measure", "overlap_of"]

MINIMAL = "sto-3g"

WINDOW = 40.0
"""eV below the highest occupied level: no cores."""

_WIDTH = 0.3
"""eV, of the Gaussians of densities of states."""

BASES: dict[str, dict[str, Any]] = {
    "plain powers": {"kappa": 3, "resolution": "total", "metric": "ao"},
    "shell": {"kappa": 3, "metric": "overlap"},
    "products": {
        "kappa": 3,
        "metric": "overlap",
        "nu": 2,
        "max_degree": (None, 5),
        "nu_pair": (1, 1),
        "pair_max_degree": (None, 5, 4),
    },
}
"""Of the features, in linvop-sv."""


_SMALL: dict[str, Any] = {"kappa": 2}
"""Instead, for ``--quick``."""


def measure(case: Case, setting: Setting) -> dict[str, Any]:
    r"""All numbers of one set.

    Returns
    -------
    dict
        ``operators``: {name: errors (RMSE; eV, e Angstrom), density of states, gaps along the
        distortion, how the fit ended}, ``spread`` of the labels about the training mean,
        ``reference`` (density of states, gaps), ``energies`` of the former, ``coordinate``.
    """
    test, n_occupied = list(case.test), _occupied(case.large)
    first = _first(case.large, n_occupied)
    span = slice(first, n_occupied + case.n_virtual)
    n = n_occupied - first
    reference = _labels(case.test, span)
    centred = reference - _labels(case.train, span).mean(axis=0)
    energies = np.linspace(reference.min() - 3.0, reference.max() + 3.0, 400)
    out: dict[str, Any] = {
        "name": case.name,
        "n_train": case.n_train,
        "n_test": len(test),
        "n_virtual": case.n_virtual,
        "n_occupied": n,
        "energies": energies.tolist(),
        "coordinate": case.coordinate.tolist(),
        "what": case.what,
        "spread": _rms_parts(centred, n),
        "reference": {
            "dos": _dos(reference, energies),
            "gaps": _gaps(_labels(case.path, span), n),
        },
        "operators": {},
    }
    for name, found in _operators(case, span, setting):
        levels, path, dipoles, more = found
        off = levels - reference
        away = [np.linalg.norm(d - r.dipole) for d, r in zip(dipoles, test, strict=True)]
        out["operators"][name] = {
            **_rms_parts(off, n),
            "scatter": _rms(off - off.mean(axis=0)),
            "dipole": _rms(np.array(away)),
            "dos": _dos(levels, energies),
            "gaps": _gaps(path, n),
            **more,
        }
        setting.say(f"{case.name}, {name}: levels {1e3 * _rms(off):.3g} meV")
    return out


def _operators(case: Case, span: slice, setting: Setting) -> Iterator[tuple[str, Any]]:
    """Levels of the test structures and of the distortion, dipoles, and what else is known."""
    import linvop
    from linvop.models.effective_start import projected_of

    small = AOBasis(MINIMAL)
    dipoles = [np.asarray(r.dipole) for r in case.minimal]
    yield (
        "minimal-basis SCF",
        (_labels(case.minimal, span), _labels(case.minimal_path, span), dipoles, {}),
    )

    def found(test: Any, path: Any, more: Any) -> Any:
        levels = [_levels(F, d, small, span) for F, d in zip(test, case.test, strict=True)]
        along = [_levels(F, d, small, span) for F, d in zip(path, case.path, strict=True)]
        dipoles = [
            linvop.analyse(r.atoms(), fock=F, ao=small).dipole
            for F, r in zip(test, case.test, strict=True)
        ]
        return np.array(levels), np.array(along), dipoles, more

    large = case.large.ao
    projected = [
        [projected_of(r, large, small) for r in d] for d in (case.train, case.test, case.path)
    ]
    yield "projected", found(projected[1], projected[2], {})
    frames = case.train.frames()
    direct = linvop.Dataset.from_arrays(
        frames,
        small,
        fock=projected[0],
        overlap=[overlap(System.from_atoms(a, small)) for a in frames],
    )
    test, path = case.test.frames(), case.path.frames()
    for name, settings in BASES.items():
        basis = linvop.Basis(ao="linvop-sv", **{**settings, **setting.pick(_SMALL, {})})
        with warnings.catch_warnings():
            # How a fit ends is measured; blocks without features are what plain powers have.
            warnings.simplefilter("ignore")
            model = linvop.OperatorModel(basis, "fock", orthogonal=True).fit(direct)
            yield f"linear, {name}", found(model.predict(test), model.predict(path), {})
            setting.say(f"{case.name}, effective, {name}: Gauss-Newton steps")
            effective = linvop.EffectiveOperatorModel(
                basis,
                MINIMAL,
                window=WINDOW,
                n_virtual=case.n_virtual,
                steps=case.steps,
            ).fit(case.train)
            more = {
                "steps": len(effective.history_) - 1,
                "stopped": effective.stopped_,
                "coefficients": effective.report()["n_coefficients"],
                "training": effective.history_[-1]["rms"],
            }
            yield (
                f"effective, {name}",
                found(effective.predict(test), effective.predict(path), more),
            )


def _occupied(data: Dataset) -> int:
    """Of closed shells, all of one molecule."""
    record = data[0]
    return (int(np.sum(record.numbers)) - record.charge) // 2


def _first(data: Dataset, n_occupied: int) -> int:
    """The lowest level within the window, in all structures."""
    energies = np.array([r.orbital_energies for r in data])
    return int((energies < energies[:, [n_occupied - 1]] - WINDOW).sum(axis=1).max())


def _labels(data: Dataset, span: slice) -> np.ndarray:
    return np.array([np.asarray(r.orbital_energies)[span] for r in data])


def _levels(F: np.ndarray, record: Any, ao: AOBasis, span: slice) -> np.ndarray:
    S = overlap(System.from_atoms(record.atoms(), ao))
    return HARTREE * eigh(F, S, eigvals_only=True)[span]


def _rms(x: np.ndarray) -> float:
    return float(np.sqrt(np.mean(np.asarray(x) ** 2)))


def _rms_parts(x: np.ndarray, n: int) -> dict[str, float]:
    """RMS over occupied levels, empty ones, all, and of the gap; eV."""
    return {
        "occupied": _rms(x[:, :n]),
        "virtual": _rms(x[:, n:]),
        "levels": _rms(x),
        "gap": _rms(x[:, n] - x[:, n - 1]),
    }


def _gaps(levels: np.ndarray, n: int) -> list[float]:
    return (levels[:, n] - levels[:, n - 1]).tolist()


def _dos(levels: np.ndarray, energies: np.ndarray) -> list[float]:
    """Of a structure, mean over all."""
    from linvop import density_of_states

    return (density_of_states(levels.ravel(), energies, width=_WIDTH) / len(levels)).tolist()


def overlap_of(first: Sequence[float], second: Sequence[float]) -> float:
    r"""Common part of two densities of states, min over max of the area; 1 if they are equal."""
    a, b = np.asarray(first), np.asarray(second)
    return float(np.minimum(a, b).sum() / np.maximum(a, b).sum())
