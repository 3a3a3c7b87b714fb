r"""Atoms that carry AOs, as libcint wants them.

libcint's arrays are put together from one template an element, which costs tens of microseconds
where building a PySCF molecule costs milliseconds.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from linvop.conventions import BOHR
from linvop.errors import InputError
from linvop.orbitals.shells import AOBasis, AOLayout

if TYPE_CHECKING:
    from pyscf.gto import Mole

__all__ = ["System", "checked_exponent", "element_template", "molecule", "over_points"]

# Slots of libcint's arrays, as in its manual.
_CHARGE_OF, _PTR_COORD, _ATM_SLOTS = 0, 1, 6
_ATOM_OF, _ANG_OF, _NCTR_OF, _PTR_EXP, _PTR_COEFF, _BAS_SLOTS = 0, 1, 3, 5, 6, 8
_PTR_ORIGIN, _PTR_OMEGA, _NGRIDS, _PTR_GRIDS, _PTR_ENV_START = 1, 8, 11, 12, 20

_POINTS_BYTES = 64e6
"""Largest block of integrals over points held at once."""


@dataclass(frozen=True)
class _Template:
    """One element's rows of ``bas`` (pointers counted from 0) and its part of ``env``."""

    bas: np.ndarray
    env: np.ndarray


_TEMPLATES: dict[tuple[AOBasis, str], _Template] = {}


def _template(ao: AOBasis, symbol: str) -> _Template:
    key = (ao, symbol)
    if key not in _TEMPLATES:
        from pyscf.gto import make_bas_env

        ao.shells(symbol)  # checks the set
        bas, env = make_bas_env(ao.raw(symbol))
        _TEMPLATES[key] = _Template(bas, env)
    return _TEMPLATES[key]


def element_template(ao: AOBasis, symbol: str) -> tuple[np.ndarray, np.ndarray]:
    """An element's rows of libcint's ``bas``, pointers counted from 0, and its part of ``env``."""
    found = _template(ao, symbol)
    return found.bas, found.env


@dataclass(frozen=True)
class System:
    r"""Atoms that carry AOs, as libcint wants them.

    Parameters
    ----------
    numbers : tuple of int, length n_atoms
    positions : (n_atoms, 3) float64, Bohr
    ao : AOBasis
    """

    numbers: tuple[int, ...]
    positions: np.ndarray
    ao: AOBasis

    @classmethod
    def from_atoms(cls, atoms, ao: AOBasis | str) -> System:
        """From an `ase.Atoms` (positions in Angstrom)."""
        return cls(
            tuple(int(z) for z in atoms.numbers),
            np.ascontiguousarray(atoms.positions / BOHR),
            ao if isinstance(ao, AOBasis) else AOBasis(ao),
        )

    @cached_property
    def layout(self) -> AOLayout:
        """Where the AOs stand."""
        return AOLayout(self.numbers, self.ao)

    @cached_property
    def libcint(self) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
        """The arrays atm, bas, env and the first AO of each row of bas."""
        symbols = self.layout.symbols
        env = [np.zeros(_PTR_ENV_START), self.positions.ravel()]
        size = _PTR_ENV_START + self.positions.size
        shifted: dict[str, np.ndarray] = {}
        for s in dict.fromkeys(symbols):
            template = _template(self.ao, s)
            bas = template.bas.copy()
            bas[:, [_PTR_EXP, _PTR_COEFF]] += size
            shifted[s] = bas
            env.append(template.env)
            size += template.env.size
        atm = np.zeros((len(symbols), _ATM_SLOTS), np.int32)
        atm[:, _CHARGE_OF] = self.numbers
        atm[:, _PTR_COORD] = _PTR_ENV_START + 3 * np.arange(len(symbols))
        rows = [shifted[s] for s in symbols]
        bas = np.concatenate(rows)
        bas[:, _ATOM_OF] = np.repeat(np.arange(len(symbols)), [len(r) for r in rows])
        widths = (2 * bas[:, _ANG_OF] + 1) * bas[:, _NCTR_OF]
        ao_loc = np.concatenate([[0], np.cumsum(widths)]).astype(np.int32)
        return atm, bas, np.concatenate(env), ao_loc

    def integral(
        self,
        name: str,
        components: int = 1,
        env: np.ndarray | None = None,
        *,
        symmetric: bool = True,
    ) -> np.ndarray:
        """A one-electron integral of libcint in PySCF's order, ``(components?, n_ao, n_ao)``."""
        from pyscf.gto.moleintor import getints2c

        atm, bas, own_env, ao_loc = self.libcint
        return getints2c(
            name,
            atm,
            bas,
            own_env if env is None else env,
            comp=components,
            hermi=int(symmetric),
            ao_loc=ao_loc,
        )

    def env_screened(self, screening: float | None) -> np.ndarray:
        """``env`` for ``v(r) = erfc(sqrt(screening) r) / r``, or 1/r of None."""
        env = self.libcint[2].copy()
        # A negative range separation asks libcint for erfc(omega r)/r.
        env[_PTR_OMEGA] = -np.sqrt(checked_exponent(screening))
        return env

    def env_about(self, origin: np.ndarray) -> np.ndarray:
        """``env`` with another origin (Bohr) of multipole operators."""
        env = self.libcint[2].copy()
        env[_PTR_ORIGIN : _PTR_ORIGIN + 3] = origin
        return env


def molecule(system: System, charge: int = 0, multiplicity: int | None = None) -> Mole:
    r"""PySCF's own object for a system, where its methods are wanted and not only integrals.

    Parameters
    ----------
    system : System
    charge : int
    multiplicity : int, optional
        2 S + 1; default the lowest that the number of electrons allows.
    """
    from pyscf import gto

    symbols = system.layout.symbols
    lowest = 1 + (sum(system.numbers) - charge) % 2
    return gto.M(
        atom=list(zip(symbols, system.positions.tolist(), strict=True)),
        basis={s: system.ao.raw(s) for s in dict.fromkeys(symbols)},
        unit="Bohr",
        charge=charge,
        spin=(lowest if multiplicity is None else multiplicity) - 1,
        verbose=0,
    )


def checked_exponent(screening: float | None) -> float:
    r"""The exponent zeta of a screening; 0 of None.

    Raises
    ------
    InputError
    """
    if screening is None:
        return 0.0
    if not (np.isfinite(screening) and screening > 0):
        raise InputError(f"screening: expected None or a positive exponent, got {screening!r}")
    return float(screening)


def over_points(
    system: System,
    name: str,
    components: int,
    points: np.ndarray,
    screening: float | None,
) -> Iterator[tuple[slice, np.ndarray]]:
    r"""Integrals with ``v(|r - R_g|)``, points g in pieces that fit into memory.

    Parameters
    ----------
    system : System
    name : {"int1e_grids_sph", "int1e_grids_ip_sph"}
    components : int
        1, or 3 of derivatives.
    points : (n_points, 3) float64, Bohr
    screening : float, optional
        Exponent zeta of ``v(r) = erfc(sqrt(zeta) r) / r``.

    Yields
    ------
    (slice, (components, n_ao, n_ao, n_piece) float64)
        Which points, and ``[c, nu, mu, g]`` in PySCF's order as libcint leaves it: no copy.
    """
    n_ao = system.layout.n_ao
    own_env = system.env_screened(screening)
    step = max(1, int(_POINTS_BYTES / (8 * components * max(n_ao, 1) ** 2)))
    for first in range(0, len(points), step):
        piece = points[first : first + step]
        env = np.concatenate([own_env, piece.ravel()])
        env[_NGRIDS], env[_PTR_GRIDS] = len(piece), own_env.size
        found = system.integral(name, components, env, symmetric=components == 1)
        found = found.reshape(components, len(piece), n_ao, n_ao)
        yield slice(first, first + len(piece)), found.transpose(0, 3, 2, 1)
