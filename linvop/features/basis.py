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

from linvop.basis import settings
from linvop.basis.enumeration import METRICS, RESOLUTIONS, SOURCES, TARGETS, SiteEnumeration
from linvop.basis.labels import Label, PairLabel
from linvop.basis.pair_factors import PairFactors
from linvop.basis.pairs import PairEnumeration
from linvop.basis.products import ProductEnumeration
from linvop.basis.words import Irrep, allowed_irreps
from linvop.errors import InputError
from linvop.features.checks import checked_atoms
from linvop.features.contractions import SiteFeatures, compiled
from linvop.features.pairs import PairFeatures, PairValues, checked_exchange, compiled_pairs
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
    r"""Features of atoms, and of pairs of atoms, from contractions of the external potential.

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
    nu_pair : (int, int)
        Largest orders of the site features of i and of j in features of pairs (i, j), 0 to 4;
        i is the lighter species, and of like species either may have the larger.
    pair_max_degree : None, float, or one of these for each number of site factors
        Largest degree of pair features, as ``max_degree`` but for 0, 1, .. nu_i + nu_j factors
        besides the word between i and j. None is no limit, for words alone.
    cutoff : None or float
        Pairs of atoms further apart (Angstrom) have no features. V itself knows no cutoff: the
        features of the pairs that are left do not change, in any metric. What an operator loses
        by it stands in the errors of its model, "beyond cutoff".
    reach : None or float
        Blocks of V between atoms further apart (Angstrom) are zero, smoothly
        (`linvop.features.reach`); metric ``ao`` only. Features of sites of large molecules then
        cost as much as their atoms, whatever their number; forces, features of pairs and operators
        take whole matrices all the same. Pairs of atoms that no word connects have no features:
        blocks of an operator are their baseline there, "beyond cutoff".

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
    nu_pair: tuple[int, int] = (0, 0)
    pair_max_degree: float | Sequence[float | None] | Mapping[int, float] | None = None
    cutoff: float | None = None
    reach: float | None = None

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
        nu_pair = settings.pair_orders(self.nu_pair)
        settings.check_body_order(self.body_order, self.metric)
        for name, checked in (
            ("max_degree", settings.degrees(self.max_degree, range(1, self.nu + 1))),
            ("screening", settings.screenings(self.screening)),
            ("nu_pair", nu_pair),
            ("pair_max_degree", _pair_degrees(self.pair_max_degree, nu_pair)),
            ("cutoff", settings.cutoff(self.cutoff)),
            ("reach", settings.reach(self.reach, self.metric)),
        ):
            object.__setattr__(self, name, checked)

    def __repr__(self) -> str:
        values = {f.name: getattr(self, f.name) for f in fields(self)}
        values["ao"] = values["ao"].spec
        if len(self.screenings) == 1:
            values["screening"] = self.screenings[0]
        for name in ("max_degree", "pair_max_degree"):
            if len(set(values[name])) == 1:
                values[name] = values[name][0]
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
        self,
        species: Iterable[str | int],
        *,
        target: str = "site",
        irreps: Sequence[Irrep] | None = None,
    ) -> dict[tuple[str, int, int], int]:
        """Number of columns of each (species, lam, sigma)."""
        enumeration, products = self.enumeration(species), self.products(species)
        wanted = self.irreps(species) if irreps is None else irreps
        return {
            (s, *irrep): len(enumeration.columns(s, irrep, target))
            + (0 if products is None else products.count(s, irrep))
            for s in enumeration.species
            for irrep in wanted
        }

    def count(
        self,
        species: Iterable[str | int],
        *,
        target: str = "site",
        irreps: Sequence[Irrep] | None = None,
    ) -> int:
        """Number of columns, before anything is evaluated."""
        return sum(self.counts(species, target=target, irreps=irreps).values())

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

        Raises
        ------
        InputError
            For anything but an ase.Atoms, and positions that are not finite.
        """
        symbols = checked_atoms(atoms).get_chemical_symbols()
        features = self.compile(symbols if species is None else species, irreps)
        return features.sites(System.from_atoms(atoms, self.ao_basis))

    def pairs(self, species: Iterable[str | int]) -> PairEnumeration:
        """Enumeration of the columns of pairs for a list of species."""
        return _pairs(self, ordered_species(species))

    def pair_labels(
        self,
        species: Iterable[str | int],
        *,
        irreps: Sequence[Irrep] | None = None,
        exchange: int | None = None,
    ) -> list[PairLabel]:
        r"""Every column of pairs by name, in storage order: species of i, of j, irrep, column.

        Parameters
        ----------
        species : iterable of str
        irreps : sequence of (lam, sigma), optional
            Default: all.
        exchange : {None, 1, -1}
            As for `evaluate_pairs`.
        """
        pairs, sign = self.pairs(species), checked_exchange(exchange)
        wanted = pairs.irreps(sign) if irreps is None else irreps
        return [
            label
            for s1, s2 in pairs.species_pairs
            for irrep in wanted
            for label in pairs.labels(s1, s2, irrep, sign)
        ]

    def pair_counts(
        self, species: Iterable[str | int], *, exchange: int | None = None
    ) -> dict[tuple[str, str, int, int], int]:
        """Number of columns of each (species of i, of j, lam, sigma)."""
        pairs = self.pairs(species)
        irreps = pairs.irreps(checked_exchange(exchange))
        return {
            (s1, s2, *irrep): pairs.count(s1, s2, irrep, exchange)
            for s1, s2 in pairs.species_pairs
            for irrep in irreps
        }

    def pair_count(self, species: Iterable[str | int], *, exchange: int | None = None) -> int:
        """Number of columns of pairs, before anything is evaluated."""
        return sum(self.pair_counts(species, exchange=exchange).values())

    @property
    def pair_cutoff(self) -> float | None:
        """Beyond it (Angstrom) no pair of atoms has features: the cutoff, or where words end.

        With a reach, kappa factors V connect atoms up to kappa times that apart.
        """
        ends = [] if self.reach is None else [self.kappa * self.reach]
        return min([*ends, *([] if self.cutoff is None else [self.cutoff])], default=None)

    def compile_pairs(
        self,
        species: Iterable[str | int],
        irreps: Sequence[Irrep] | None = None,
        exchange: int | None = None,
    ) -> PairFeatures:
        """Plans of pairs for given species and irreps; made once and kept."""
        pairs = self.pairs(species)
        sign = checked_exchange(exchange)
        wanted = pairs.irreps(sign) if irreps is None else tuple(irreps)
        return compiled_pairs(pairs, wanted, sign, self.pair_cutoff)

    def evaluate_pairs(
        self,
        atoms: Atoms,
        species: Iterable[str | int] | None = None,
        irreps: Sequence[Irrep] | None = None,
        exchange: int | None = None,
    ) -> dict[tuple[str, str, int, int], PairValues]:
        r"""Features of the pairs of atoms of one structure.

        Parameters
        ----------
        atoms : ase.Atoms
        species : iterable of str, optional
            Species of the model; default those of `atoms`.
        irreps : sequence of (lam, sigma), optional
        exchange : {None, 1, -1}
            For pairs of like species: None gives all functions for both orders of the atoms;
            a sign s the functions with B_ji = s B_ij, for i < j.

        Returns
        -------
        {(species of i, of j, lam, sigma): (atoms (n, 2), values (n, 2 lam + 1, n_columns))}
            One order of the species, the lighter first, as in `linvop.orbitals.blocks`.
        """
        symbols = checked_atoms(atoms).get_chemical_symbols()
        features = self.compile_pairs(symbols if species is None else species, irreps, exchange)
        return features.evaluate(System.from_atoms(atoms, self.ao_basis))


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
        basis.reach,
    )


@lru_cache(maxsize=64)
def _products(basis: Basis, species: tuple[str, ...]) -> ProductEnumeration | None:
    limits = tuple(d for d in basis.max_degrees[1:] if d is not None)
    if not limits:
        return None
    return ProductEnumeration(_enumeration(basis, species), limits, basis.body_order)


def _pair_degrees(value: object, nu_pair: tuple[int, int]) -> tuple[float | None, ...]:
    orders = range(sum(nu_pair) + 1)
    return settings.degrees(value, orders, name="pair_max_degree", of="number of site factors")


@lru_cache(maxsize=64)
def _pairs(basis: Basis, species: tuple[str, ...]) -> PairEnumeration:
    site = _enumeration(basis, species)
    limits = basis.pair_max_degree
    return PairEnumeration(PairFactors(site, basis.nu_pair, limits, basis.body_order))  # type: ignore[arg-type]
