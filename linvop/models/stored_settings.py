r"""Basis and solver as plain values in the files of models, and back."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, fields
from inspect import signature
from typing import Any

import numpy as np

from linvop.errors import FileFormatError
from linvop.features.basis import Basis
from linvop.orbitals.shells import AOBasis, Shell
from linvop.regression.ridge import Ridge

__all__ = ["basis_of", "shells_of", "solver_of", "stored_basis", "stored_shells", "stored_solver"]

Shells = dict[str, tuple[Shell, ...]]


def stored_basis(basis: Basis, species: Sequence[str]) -> dict[str, Any]:
    r"""``{"basis": its parameters, "shells": the exponents of its AOs}``."""
    return {
        "basis": {
            **{f.name: getattr(basis, f.name) for f in fields(basis)},
            "ao": basis.ao_basis.spec if isinstance(basis.ao_basis.spec, str) else None,
        },
        "shells": stored_shells(basis.ao_basis, species),
    }


def stored_shells(ao: AOBasis, species: Sequence[str]) -> dict[str, list[dict[str, Any]]]:
    """The shells of some species, spelled out."""
    return {s: [asdict(shell) for shell in ao.shells(s)] for s in species}


def shells_of(stored: Mapping[str, Sequence[Mapping[str, Any]]]) -> Shells:
    """The inverse of `stored_shells`."""
    return {s: tuple(Shell(**shell) for shell in shells) for s, shells in stored.items()}


def basis_of(settings: Mapping[str, Any], species: Sequence[str]) -> Basis:
    r"""The inverse of `stored_basis`.

    The AO set has its name if PySCF still means the same by it, else its shells spelled out.
    """
    shells = shells_of(settings["shells"])
    name = settings["basis"]["ao"]
    ao: str | Shells = shells
    if name is not None:
        known = AOBasis(name)
        if all(_same_shells(known.shells(s), shells[s]) for s in species):
            ao = name
    return Basis(**{**settings["basis"], "ao": ao})


def _same_shells(a: tuple[Shell, ...], b: tuple[Shell, ...]) -> bool:
    return len(a) == len(b) and all(
        x.l == y.l
        and len(x.exponents) == len(y.exponents)
        and np.allclose(x.exponents, y.exponents, rtol=1e-13, atol=0)
        and np.allclose(x.coefficients, y.coefficients, rtol=1e-13, atol=0)
        for x, y in zip(a, b, strict=True)
    )


def stored_solver(solver: Ridge) -> dict[str, Any]:
    """Parameters of the solver; those of later versions only where they say something."""
    return {
        "alpha": solver.alpha,
        "column_scale": solver.column_scale,
        "alpha_bounds": solver.alpha_bounds,
        "refine": solver.refine,
        "covariance": solver.covariance,
        "prune": solver.prune,
        **({"rarity": solver.rarity} if solver.rarity else {}),
    }


def solver_of(settings: Mapping[str, Any], source: object) -> Ridge:
    r"""The inverse of `stored_solver`.

    Raises
    ------
    FileFormatError
        For parameters that this version does not have.
    """
    known = signature(Ridge).parameters
    new = [key for key in settings if key not in known]
    if new:
        raise FileFormatError(
            f"{source}: its solver has {', '.join(new)}: the file is newer than this version of "
            "linvop"
        )
    return Ridge(**settings)
