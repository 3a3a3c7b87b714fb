r"""Shells of atomic orbitals, the sets of them that elements carry, and their layout.

A *shell* ``(n, l)`` of an element is the 2 l + 1 functions

.. math:: \phi_{nlm}(r) = R_{nl}(r)\, r^l Y_{lm}(\hat r), \qquad
          R_{nl}(r) = \sum_p c_p N_l(\alpha_p) e^{-\alpha_p r^2},

with N_l the norm of a primitive; n counts the shells of one l as PySCF's labels do
(``2p`` is the first p shell). A general contraction counts as several shells.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache
from threading import Lock

import numpy as np

from linvop.errors import InputError
from linvop.orbitals.named_sets import own_set

__all__ = ["AOBasis", "AOLayout", "Shell", "symbol_of"]

_ONE_AT_A_TIME = Lock()

L_NAMES = "spdfghik"
L_MAX = 6
"""Largest l for which coupling tables are offered (libcint itself goes further)."""


@lru_cache(maxsize=1)
def _symbols() -> tuple[str, ...]:
    from pyscf.data.elements import ELEMENTS

    return tuple(ELEMENTS)


def symbol_of(number: int) -> str:
    r"""Chemical symbol of an atomic number."""
    symbols = _symbols()
    if not 1 <= number < len(symbols):
        raise InputError(f"atomic number {number}: expected 1 to {len(symbols) - 1}")
    return symbols[number]


@dataclass(frozen=True, slots=True)
class Shell:
    r"""One contracted shell.

    Parameters
    ----------
    l : int
        Angular momentum, 0 to 6.
    exponents : sequence of float, shape (P,)
        Gaussian exponents, Bohr^-2.
    coefficients : sequence of float, shape (P,)
        Contraction coefficients of *normalised* primitives, as basis-set files print them.
        The shell is normalised as a whole when integrals are made.
    n : int, optional
        Set by `AOBasis`: l + 1 for the first shell of this l, and so on.

    Raises
    ------
    InputError
        For an unsupported l, unequal lengths, or exponents that are not positive.
    """

    l: int
    exponents: tuple[float, ...]
    coefficients: tuple[float, ...]
    n: int = 0

    def __post_init__(self) -> None:
        object.__setattr__(self, "exponents", tuple(float(x) for x in self.exponents))
        object.__setattr__(self, "coefficients", tuple(float(x) for x in self.coefficients))
        if not 0 <= self.l <= L_MAX:
            raise InputError(f"shell with l = {self.l}: expected 0 <= l <= {L_MAX}")
        if not self.exponents or len(self.exponents) != len(self.coefficients):
            raise InputError(
                f"shell with {len(self.exponents)} exponents and {len(self.coefficients)} "
                "coefficients: expected as many of the one as of the other, at least one"
            )
        if not all(np.isfinite(x) and x > 0 for x in self.exponents):
            raise InputError(f"shell with exponents {self.exponents}: expected positive numbers")
        if not all(np.isfinite(self.coefficients)) or not any(self.coefficients):
            raise InputError(
                f"shell with coefficients {self.coefficients}: expected finite, not all zero"
            )

    @property
    def label(self) -> str:
        """Name within the element, such as ``2p``."""
        return f"{self.n}{L_NAMES[self.l]}"

    def radial(self) -> tuple[np.ndarray, np.ndarray]:
        r"""Exponents and coefficients of *bare* primitives ``e^(-a r^2)``, norm left out.

        Zero coefficients (from general contractions) are dropped, equal exponents merged.
        """
        from pyscf.gto import gto_norm

        a = np.asarray(self.exponents)
        c = np.asarray(self.coefficients) * gto_norm(self.l, a)
        exponents, where = np.unique(a, return_inverse=True)
        merged = np.bincount(where, weights=c)
        kept = merged != 0
        return exponents[kept], merged[kept]


def _as_pyscf(symbol: str, entry: object) -> list:
    """PySCF's internal format of one element's set, shells sorted by l."""
    from pyscf import gto

    own = own_set(symbol, entry) if isinstance(entry, str) else None
    if own is not None:
        raw = own
    elif isinstance(entry, str):
        try:
            with warnings.catch_warnings():
                warnings.simplefilter(
                    "ignore"
                )  # advice on where else to look; the error says enough
                raw = gto.format_basis({symbol: entry})[symbol]
        except Exception as error:  # PySCF raises KeyError, RuntimeError or its own class
            raise InputError(
                f"AO basis {entry!r} for {symbol}: PySCF cannot give it "
                f"({' '.join(str(error).split())})"
            ) from error
    elif isinstance(entry, Iterable):
        items = list(entry)
        raw = [
            [s.l, *zip(s.exponents, s.coefficients, strict=True)] if isinstance(s, Shell) else s
            for s in items
        ]
    else:
        raise InputError(
            f"AO basis of {symbol}: expected the name of a set or a sequence of Shell, "
            f"got {type(entry).__name__}"
        )
    if not raw:
        raise InputError(f"AO basis of {symbol}: expected at least one shell, got none")
    for shell in raw:
        if not isinstance(shell, list | tuple) or not isinstance(shell[0], int | np.integer):
            raise InputError(f"AO basis of {symbol}: expected Shell objects, got {shell!r}")
    return sorted(raw, key=lambda shell: shell[0])


def _unrolled(symbol: str, raw: list) -> tuple[Shell, ...]:
    """Shells in AO order, general contractions unrolled, n counted."""
    shells: list[Shell] = []
    seen: dict[int, int] = {}
    for l, *rows in raw:
        if rows and isinstance(rows[0], (int, np.integer)):
            raise InputError(
                f"AO basis of {symbol}: a spinor set (kappa = {rows[0]}) is not scalar"
            )
        table = np.array(sorted((tuple(map(float, row)) for row in rows), reverse=True))
        if table.ndim != 2 or table.shape[1] < 2:
            raise InputError(f"AO basis of {symbol}: expected rows (exponent, coefficients ...)")
        for column in table.T[1:]:
            n = l + 1 + seen.get(l, 0)
            seen[l] = seen.get(l, 0) + 1
            shells.append(Shell(l, tuple(table[:, 0]), tuple(column), n))
    _refuse_equal_shells(symbol, shells)
    return tuple(shells)


def _refuse_equal_shells(symbol: str, shells: Sequence[Shell]) -> None:
    for i, a in enumerate(shells):
        for b in shells[:i]:
            if a.l != b.l:
                continue
            (ea, ca), (eb, cb) = a.radial(), b.radial()
            if ea.shape == eb.shape and np.allclose(ea, eb, rtol=1e-12, atol=0):
                ratio = ca / cb
                if np.allclose(ratio, ratio[0], rtol=1e-10, atol=0):
                    raise InputError(
                        f"AO basis of {symbol}: shells {b.label} and {a.label} are the same "
                        "function; the overlap would be singular"
                    )


class AOBasis:
    r"""An atomic-orbital basis set: which shells each element carries.

    Parameters
    ----------
    ao : str, mapping or AOBasis
        The name of a set that PySCF knows or linvop defines (`linvop.orbitals.named_sets`), for
        every element; or a mapping from symbol to a name or to a sequence of `Shell` (PySCF's
        nested lists are taken too). Shells are sorted by l, as PySCF sorts those it reads.

    Raises
    ------
    InputError
        For an unknown set, an element that the set lacks, or two equal shells.

    Examples
    --------
    >>> [s.label for s in AOBasis("6-31g").shells("O")]
    ['1s', '2s', '3s', '2p', '3p']
    """

    def __init__(self, ao: str | Mapping[str, object] | AOBasis) -> None:
        if isinstance(ao, AOBasis):
            ao = ao.spec
        if isinstance(ao, str):
            self.spec: str | dict[str, str | tuple[Shell, ...]] = ao
        elif isinstance(ao, Mapping):
            self.spec = {
                s: entry if isinstance(entry, str) else _unrolled(s, _as_pyscf(s, entry))
                for s, entry in sorted(ao.items())
            }
        else:
            raise InputError(
                f"ao: expected a name or a mapping from symbol to shells, got {type(ao).__name__}"
            )
        self._raw: dict[str, list] = {}
        self._shells: dict[str, tuple[Shell, ...]] = {}

    def __repr__(self) -> str:
        return f"AOBasis({self.spec!r})"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, AOBasis) and self.spec == other.spec

    def __hash__(self) -> int:
        return hash(self.spec if isinstance(self.spec, str) else tuple(self.spec.items()))

    @property
    def name(self) -> str:
        """The set's name, or ``custom``."""
        return self.spec if isinstance(self.spec, str) else "custom"

    def raw(self, symbol: str) -> list:
        """PySCF's internal format for `symbol`, shells sorted by l."""
        if symbol not in self._raw:
            if isinstance(self.spec, str):
                entry: object = self.spec
            elif symbol in self.spec:
                entry = self.spec[symbol]
            else:
                raise InputError(
                    f"AO basis has no shells for {symbol}; it has some for {', '.join(self.spec)}"
                )
            # One after the other: of two threads that silence warnings at once, the one that ends
            # last leaves them silent for everybody.
            with _ONE_AT_A_TIME:
                self._raw[symbol] = _as_pyscf(symbol, entry)
        return self._raw[symbol]

    def shells(self, symbol: str) -> tuple[Shell, ...]:
        """The shells of `symbol` in AO order."""
        if symbol not in self._shells:
            self._shells[symbol] = _unrolled(symbol, self.raw(symbol))
        return self._shells[symbol]

    def frozen(self, species: Iterable[str]) -> AOBasis:
        """The same set spelled out shell by shell, for files that must outlive PySCF's data."""
        return AOBasis({s: self.shells(s) for s in species})


@dataclass(frozen=True)
class AOLayout:
    r"""Where each shell of each atom stands among the rows of an AO matrix.

    AOs run atom by atom, shell by shell, component by component, as in PySCF.

    Parameters
    ----------
    numbers : tuple of int, length n_atoms
        Atomic numbers.
    ao : AOBasis
    """

    numbers: tuple[int, ...]
    ao: AOBasis

    @cached_property
    def symbols(self) -> tuple[str, ...]:
        """Chemical symbols of the atoms."""
        return tuple(symbol_of(z) for z in self.numbers)

    @cached_property
    def shell_offsets(self) -> dict[str, np.ndarray]:
        """For each species, the first AO of each of its shells, counted from the atom's first."""
        offsets = {}
        for s in dict.fromkeys(self.symbols):
            sizes = [2 * shell.l + 1 for shell in self.ao.shells(s)]
            offsets[s] = np.concatenate([[0], np.cumsum(sizes)])
        return offsets

    @cached_property
    def atom_offsets(self) -> np.ndarray:
        """First AO of each atom; shape (n_atoms + 1,)."""
        sizes = [int(self.shell_offsets[s][-1]) for s in self.symbols]
        return np.concatenate([[0], np.cumsum(sizes, dtype=np.int64)]).astype(np.int64)

    @property
    def n_atoms(self) -> int:
        """Number of atoms."""
        return len(self.numbers)

    @property
    def n_ao(self) -> int:
        """Number of AOs."""
        return int(self.atom_offsets[-1])
