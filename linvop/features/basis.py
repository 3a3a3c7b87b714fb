r"""`Basis`: a complete description of the features, and their evaluation.

It is a value: immutable, comparable, hashable, and its repr makes it again. What it does not
hold is the list of species, which a fit freezes.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, fields
from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np

from linvop.basis.enumeration import (
    METRICS,
    RESOLUTIONS,
    SOURCES,
    TARGETS,
    Irrep,
    SiteEnumeration,
    allowed_irreps,
)
from linvop.basis.labels import Label
from linvop.basis.products import ProductEnumeration
from linvop.errors import InputError
from linvop.features.contractions import SiteFeatures, compiled
from linvop.integrals import System
from linvop.orbitals.shells import L_MAX, AOBasis, Shell, symbol_of

if TYPE_CHECKING:
    from ase import Atoms

__all__ = ["Basis", "ordered_species"]


def ordered_species(species: Iterable[str | int]) -> tuple[str, ...]:
    r"""Species without repetition, by atomic number.

    Raises
    ------
    InputError
        For an empty list or an unknown symbol.
    """
    from pyscf.data.elements import NUC

    if not isinstance(species, Iterable):
        raise InputError(f"species: expected symbols such as ['H', 'O'], got {species!r}")
    numbers = set()
    for s in species:
        if isinstance(s, str) and (s not in NUC or not NUC[s] >= 1):
            raise InputError(f"species {s!r}: expected the symbol of an element")
        numbers.add(NUC[s] if isinstance(s, str) else int(s))
    if not numbers:
        raise InputError("species: expected at least one element, got none")
    return tuple(symbol_of(z) for z in sorted(numbers))


@dataclass(frozen=True, repr=False)
class Basis:
    r"""Site features from contractions of the external potential.

    Parameters
    ----------
    ao : str, mapping or AOBasis
        Atomic orbitals in which V is written: a set that PySCF knows, or a mapping from
        symbol to a set's name or to `Shell` objects.
    kappa : int
        Largest number of factors V; 1, 2, ... kappa are all in the basis.
    nu : int
        Largest number of site features in a product, 1 to 5.
    resolution : {"shell", "species", "total"}
        Which channels between the factors are told apart. ``total`` is plain powers.
    metric : {"ao", "overlap", "lowdin"}
        What is multiplied; see `linvop.features.metric`.
    sources : {"total", "species"}
        One V, or one for each species of nuclei.
    screening : None, float or sequence of these
        Exponent zeta (Bohr^-2) that screens the nuclei (`linvop.integrals`). Of several,
        each gives a family of features of its own; None is the bare potential.
    lam_max : int
        Largest angular momentum of a feature, and of the factors of products.
    max_degree : None, float, or one of these for each nu
        Largest degree (`linvop.basis.truncation`): a number for every nu, or a sequence or a
        mapping ``{nu: degree}``. None is no limit, which products (nu > 1) do not allow.
    body_order : None or int
        Largest body order; metric ``ao`` only, others have none.

    Raises
    ------
    InputError
        For values outside these.

    Examples
    --------
    >>> basis = Basis(ao="sto-3g", kappa=2)
    >>> basis.count(["H", "O"])
    40
    >>> eval(repr(basis)) == basis
    True
    """

    ao: str | Mapping[str, object] | AOBasis
    kappa: int = 3
    nu: int = 1
    resolution: str = "shell"
    metric: str = "ao"
    sources: str = "total"
    screening: float | Sequence[float | None] | None = None
    lam_max: int = 4
    max_degree: float | Sequence[float | None] | Mapping[int, float] | None = None
    body_order: int | None = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "ao", AOBasis(self.ao))
        for name, allowed in (
            ("resolution", RESOLUTIONS),
            ("metric", METRICS),
            ("sources", SOURCES),
        ):
            if getattr(self, name) not in allowed:
                raise InputError(
                    f"{name}: expected one of {', '.join(allowed)}, got {getattr(self, name)!r}"
                )
        for name, lowest, highest in (("kappa", 1, 6), ("nu", 1, 5), ("lam_max", 0, 2 * L_MAX)):
            value = getattr(self, name)
            if isinstance(value, bool) or not isinstance(value, int | np.integer):
                raise InputError(f"{name}: expected an integer, got {value!r}")
            if not lowest <= value <= highest:
                raise InputError(f"{name}: expected {lowest} to {highest}, got {value}")
            object.__setattr__(self, name, int(value))
        object.__setattr__(self, "max_degree", _degrees(self.max_degree, self.nu))
        _check_body_order(self.body_order, self.metric)
        object.__setattr__(self, "screening", _screenings(self.screening))

    def __repr__(self) -> str:
        values = {f.name: getattr(self, f.name) for f in fields(self)}
        values["ao"] = values["ao"].spec
        if len(self.screenings) == 1:
            values["screening"] = self.screenings[0]
        if len(set(self.max_degrees)) == 1:
            values["max_degree"] = self.max_degrees[0]
        return f"Basis({', '.join(f'{k}={v!r}' for k, v in values.items())})"

    @property
    def screenings(self) -> tuple[float | None, ...]:
        """The screening of each family of features."""
        return self.screening  # type: ignore[return-value]

    @property
    def ao_basis(self) -> AOBasis:
        """The AO basis as an object."""
        return self.ao  # type: ignore[return-value]

    @property
    def max_degrees(self) -> tuple[float | None, ...]:
        """The largest degree for nu = 1, 2, ..."""
        return self.max_degree  # type: ignore[return-value]

    def enumeration(self, species: Iterable[str | int]) -> SiteEnumeration:
        """Enumeration of the columns of nu = 1 for a list of species."""
        return _enumeration(self, ordered_species(species))

    def products(self, species: Iterable[str | int]) -> ProductEnumeration | None:
        """Enumeration of the columns of nu > 1, if there are any."""
        return _products(self, ordered_species(species))

    def irreps(self, species: Iterable[str | int]) -> tuple[Irrep, ...]:
        """All (lam, sigma) that some pair of shells reaches, in order."""
        found: set[Irrep] = set()
        products = self.products(species)
        for s in ordered_species(species):
            if products is not None:
                every = ((lam, sigma) for lam in range(self.lam_max + 1) for sigma in (1, -1))
                found.update(irrep for irrep in every if products.products(s, irrep))
            shells: tuple[Shell, ...] = self.ao_basis.shells(s)
            for a in shells:
                for b in shells:
                    found.update(allowed_irreps(a.l, b.l, self.lam_max))
        return tuple(sorted(found, key=lambda irrep: (irrep[0], -irrep[1])))

    def labels(
        self,
        species: Iterable[str | int],
        *,
        target: str = "site",
        irreps: Sequence[Irrep] | None = None,
    ) -> list[Label]:
        r"""Every column by name, in storage order: species, irrep, nu, column.

        Parameters
        ----------
        species : iterable of str
        target : {"site", "structure"}
            ``structure`` leaves out columns that coincide once summed over atoms.
        irreps : sequence of (lam, sigma), optional
            Default: all.
        """
        enumeration, products = self.enumeration(species), self.products(species)
        wanted = self.irreps(species) if irreps is None else irreps
        found: list[Label] = []
        for s in enumeration.species:
            for irrep in wanted:
                found += enumeration.labels(s, irrep, target)
                found += [] if products is None else products.labels(s, irrep)
        return found

    def counts(
        self, species: Iterable[str | int], *, target: str = "site"
    ) -> dict[tuple[str, int, int], int]:
        """Number of columns of each (species, lam, sigma)."""
        enumeration, products = self.enumeration(species), self.products(species)
        return {
            (s, *irrep): len(enumeration.columns(s, irrep, target))
            + (0 if products is None else products.count(s, irrep))
            for s in enumeration.species
            for irrep in self.irreps(species)
        }

    def count(self, species: Iterable[str | int], *, target: str = "site") -> int:
        """Number of columns, before anything is evaluated."""
        return sum(self.counts(species, target=target).values())

    def compile(
        self,
        species: Iterable[str | int],
        irreps: Sequence[Irrep] | None = None,
        target: str = "site",
    ) -> SiteFeatures:
        """Plans for given species and irreps; made once and kept."""
        if target not in TARGETS:
            raise InputError(f"target: expected one of {', '.join(TARGETS)}, got {target!r}")
        wanted = self.irreps(species) if irreps is None else tuple(irreps)
        return compiled(self.enumeration(species), self.products(species), wanted, target)

    def evaluate(
        self,
        atoms: Atoms,
        species: Iterable[str | int] | None = None,
        irreps: Sequence[Irrep] | None = None,
    ) -> dict[tuple[str, int, int], np.ndarray]:
        r"""Site features of one structure.

        Parameters
        ----------
        atoms : ase.Atoms
        species : iterable of str, optional
            Species of the model; default those of `atoms`.
        irreps : sequence of (lam, sigma), optional

        Returns
        -------
        {(species, lam, sigma): (n_sites, 2 lam + 1, n_columns) float64}
            Sites in the order of the atoms; powers of Hartree.
        """
        features = self.compile(
            atoms.get_chemical_symbols() if species is None else species, irreps
        )
        return features.sites(System.from_atoms(atoms, self.ao_basis))


def _screenings(value: object) -> tuple[float | None, ...]:
    items = tuple(value) if isinstance(value, tuple | list) else (value,)
    out: list[float | None] = []
    for item in items:
        if item is None:
            out.append(None)
        elif (
            isinstance(item, int | float | np.number)
            and not isinstance(item, bool)
            and np.isfinite(item)
            and item > 0
        ):
            out.append(float(item))
        else:
            raise InputError(f"screening: expected None or positive exponents, got {item!r}")
    if not out or len(set(out)) != len(out):
        raise InputError(f"screening: expected distinct values, got {value!r}")
    return tuple(out)


def _degrees(value: object, nu: int) -> tuple[float | None, ...]:
    """One limit for each order of products."""
    items: Sequence[object]
    if isinstance(value, Mapping):
        keys = {str(k): v for k, v in value.items()}
        if not set(keys) <= {str(k) for k in range(1, nu + 1)}:
            raise InputError(f"max_degree: expected keys 1 to {nu} (nu), got {list(value)}")
        items = [keys.get(str(k)) for k in range(1, nu + 1)]
    elif isinstance(value, list | tuple):
        items = value
    else:
        items = [value] * nu
    if len(items) != nu:
        raise InputError(f"max_degree: expected {nu} values, one for each nu, got {value!r}")
    out: list[float | None] = []
    for k, item in enumerate(items, start=1):
        if item is None and k > 1:
            raise InputError(
                f"max_degree: expected a number for nu = {k}, got none: products need a limit, "
                "such as max_degree=8 or max_degree={2: 8}"
            )
        number = isinstance(item, int | float | np.number) and not isinstance(item, bool)
        if item is not None and not (number and np.isfinite(item) and item > 0):  # type: ignore
            raise InputError(f"max_degree: expected positive numbers, got {item!r}")
        out.append(None if item is None else float(item))  # type: ignore[arg-type]
    return tuple(out)


def _check_body_order(value: object, metric: str) -> None:
    if value is None:
        return
    if isinstance(value, bool) or not isinstance(value, int | np.integer) or value < 2:
        raise InputError(f"body_order: expected an integer of at least 2, got {value!r}")
    if metric != "ao":
        raise InputError(f"body_order: expected metric 'ao', got {metric!r}, which has none")


@lru_cache(maxsize=64)
def _enumeration(basis: Basis, species: tuple[str, ...]) -> SiteEnumeration:
    return SiteEnumeration(
        basis.ao_basis,
        species,
        basis.kappa,
        basis.resolution,
        basis.metric,
        basis.sources,
        basis.screenings,
        basis.lam_max,
        basis.max_degrees[0],
        basis.body_order,
    )


@lru_cache(maxsize=64)
def _products(basis: Basis, species: tuple[str, ...]) -> ProductEnumeration | None:
    limits = tuple(d for d in basis.max_degrees[1:] if d is not None)
    if not limits:
        return None
    return ProductEnumeration(_enumeration(basis, species), limits, basis.body_order)
