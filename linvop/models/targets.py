r"""What a property model can learn: scalars, vectors, rank-2 and spherical tensors.

A target is stored in Cartesian form where it has one and learned irrep by irrep. The one map
between the two is, with components in m order (y, z, x),

.. math:: T_{1} = (T_y, T_z, T_x), \qquad
          T_{\lambda\mu} = \sum_{m m'} C^{\lambda\mu}_{1m,1m'} T_{m m'} \quad (\lambda = 0, 2),

orthogonal, so that squared errors of the irreps add up to the squared Frobenius error.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from linvop.angular.tables import coupling_table
from linvop.basis.words import Irrep
from linvop.conventions import M_FROM_CARTESIAN, PROPERTY_UNITS
from linvop.errors import InputError

__all__ = ["FORCES", "Target", "as_target", "as_targets"]

_M_FROM_CARTESIAN = np.array(M_FROM_CARTESIAN)


@dataclass(frozen=True)
class Target:
    r"""A property of a structure.

    Parameters
    ----------
    name : str
        Under which labels are found and predictions returned.
    rank : int, optional
        Cartesian rank: 0 a scalar, 1 a vector, 2 a symmetric 3 x 3 tensor.
    irrep : (lam, sigma), optional
        A spherical tensor of 2 lam + 1 components in m order, instead of `rank`.
    unit : str
        Of labels and predictions; known properties have ASE's unit.
    constants : bool, optional
        Whether each species adds a constant (a free atom's value). Default: scalars yes. It
        concerns the lam = 0, sigma = +1 part only.

    Examples
    --------
    >>> Target("polarizability", rank=2).irreps
    ((0, 1), (2, 1))
    """

    name: str
    rank: int | None = None
    irrep: Irrep | None = None
    unit: str = ""
    constants: bool = True

    def __post_init__(self) -> None:
        if not isinstance(self.name, str) or not self.name:
            raise InputError(f"target: expected a name, got {self.name!r}")
        if (self.rank is None) == (self.irrep is None):
            got = "neither" if self.rank is None else "both"
            raise InputError(f"target {self.name!r}: expected either rank or irrep, got {got}")
        if not isinstance(self.unit, str) or not isinstance(self.constants, bool):
            raise InputError(
                f"target {self.name!r}: expected a text as unit and true or false as constants, "
                f"got {self.unit!r} and {self.constants!r}"
            )
        if self.rank is not None and (isinstance(self.rank, bool) or self.rank not in (0, 1, 2)):
            raise InputError(f"target {self.name!r}: expected rank 0, 1 or 2, got {self.rank!r}")
        if self.irrep is not None:
            whole = all(type(x) is int or isinstance(x, np.integer) for x in self.irrep)
            lam, sigma = self.irrep if whole and len(self.irrep) == 2 else (-1, 0)
            if lam < 0 or sigma not in (1, -1):
                raise InputError(
                    f"target {self.name!r}: expected an irrep (lam >= 0, sigma = +-1), "
                    f"got {self.irrep!r}"
                )
            object.__setattr__(self, "irrep", (int(lam), int(sigma)))
        ranks = {"energy": 0, "dipole": 1, "forces": 1, "polarizability": 2}
        if self.name in ranks and self.rank != ranks[self.name]:
            raise InputError(f"target {self.name!r}: expected rank {ranks[self.name]}")
        known = PROPERTY_UNITS.get(self.name)
        if known and self.unit and self.unit != known:
            raise InputError(
                f"target {self.name!r}: its unit is {known}; labels in others are converted "
                "when they are read"
            )
        if known:
            object.__setattr__(self, "unit", known)

    @property
    def irreps(self) -> tuple[Irrep, ...]:
        """The (lam, sigma) of its parts."""
        if self.irrep is not None:
            return (self.irrep,)
        return (((0, 1),), ((1, 1),), ((0, 1), (2, 1)))[self.rank or 0]

    @property
    def shape(self) -> tuple[int, ...]:
        """Of one label."""
        if self.irrep is not None:
            return (2 * self.irrep[0] + 1,)
        return ((), (3,), (3, 3))[self.rank or 0]

    def has_constants(self, irrep: Irrep) -> bool:
        """Whether per-species constants belong to this part."""
        return self.constants and irrep == (0, 1)

    def to_irreps(self, labels: np.ndarray) -> dict[Irrep, np.ndarray]:
        r"""Labels (n, *shape) as {irrep: (n, 2 lam + 1)}."""
        if self.rank is None or self.rank == 0:
            return {self.irreps[0]: labels.reshape(len(labels), -1)}
        q = _M_FROM_CARTESIAN
        if self.rank == 1:
            return {(1, 1): labels[:, q]}
        tensor = labels[:, q[:, None], q]
        return {
            irrep: np.einsum("nab,abm->nm", tensor, coupling_table(1, 1, irrep[0]))
            for irrep in self.irreps
        }

    def from_irreps(self, parts: Mapping[Irrep, np.ndarray]) -> np.ndarray:
        r"""The inverse of `to_irreps`, (n, *shape)."""
        if self.rank is None or self.rank == 0:
            part = parts[self.irreps[0]]
            return part.reshape(len(part), *self.shape)
        back = np.argsort(_M_FROM_CARTESIAN)
        if self.rank == 1:
            return parts[1, 1][:, back]
        tensor = sum(
            np.einsum("nm,abm->nab", part, coupling_table(1, 1, lam))
            for (lam, _), part in parts.items()
        )
        return np.asarray(tensor)[:, back[:, None], back]

    def variances(self, covariances: Mapping[Irrep, np.ndarray]) -> np.ndarray:
        r"""Variance of each component of a label, (n, *shape).

        The map to Cartesian form is linear, and the irreps are fitted apart: their errors are
        taken as independent.

        Parameters
        ----------
        covariances : {irrep: (n, 2 lam + 1, 2 lam + 1) float64}
        """
        n = len(next(iter(covariances.values())))
        zero = {irrep: np.zeros((n, 2 * irrep[0] + 1)) for irrep in self.irreps}
        total = np.zeros((n, *self.shape))
        for irrep, C in covariances.items():
            # Of scalars the variance can be infinite (undetermined constants).
            root = np.ones_like(C) if irrep[0] == 0 else np.linalg.cholesky(C)
            scale = C[:, 0, 0] if irrep[0] == 0 else np.ones(n)
            for column in np.moveaxis(root, 2, 0):
                square = self.from_irreps({**zero, irrep: column}) ** 2
                factor = np.broadcast_to(scale.reshape(n, *(1,) * len(self.shape)), square.shape)
                total += np.multiply(square, factor, where=square > 0, out=np.zeros_like(square))
        return total


_KNOWN = {
    "forces": Target("forces", rank=1, constants=False),
    "energy": Target("energy", rank=0),
    "dipole": Target("dipole", rank=1),
    "polarizability": Target("polarizability", rank=2),
}


_DERIVED = {"std": "standard deviation", "derivatives": "derivatives"}
"""What predictions of a target are called besides: <target>_std, <target>_derivatives."""

FORCES = _KNOWN["forces"]
"""Of each atom: minus the derivatives of the energy, fitted together with it."""


def as_target(target: str | Target) -> Target:
    r"""A `Target` by name, or itself.

    Raises
    ------
    InputError
        For names whose rank linvop cannot know, and for targets this version cannot learn.
    """
    if isinstance(target, Target):
        return target
    if target in _KNOWN:
        return _KNOWN[target]
    if target in ("fock", "density"):
        raise InputError(
            f"target {target!r}: is one of linvop.OperatorModel, not of a property model"
        )
    raise InputError(
        f"target {target!r}: expected {', '.join(_KNOWN)} (fock, density and effective are fitted "
        "alone); for others state their rank "
        f"(linvop.Target({target!r}, rank=0), in a TOML file {target} = {{ rank = 0 }})"
    )


def as_targets(targets: Sequence[str | Target] | str | Target) -> tuple[Target, ...]:
    r"""Targets by name or as objects, without repetition.

    Raises
    ------
    InputError
        For none, one twice, or one named like what is derived from another.
    """
    if not isinstance(targets, str | Target | Sequence):
        raise InputError(f"targets: expected names or Target objects, got {targets!r}")
    items = [targets] if isinstance(targets, str | Target) else list(targets)
    out = tuple(as_target(t) for t in items)
    names = [t.name for t in out]
    if not out or len(set(names)) != len(names):
        raise InputError(f"targets: expected at least one, each once, got {names}")
    if "forces" in names and "energy" not in names:
        raise InputError("targets: forces are derivatives of the energy; expected energy with them")
    derived = {f"{name}_{kind}": (name, said) for name in names for kind, said in _DERIVED.items()}
    if "energy" in names:
        derived["forces_std"] = "forces", _DERIVED["std"]
    for name in names:
        if name in derived:
            of, said = derived[name]
            raise InputError(
                f"targets: {name} would be taken for the {said} of {of}; expected another name"
            )
    return out
