r"""The external potential V, the overlap S and their like, through libcint.

With nuclei K of charge Z_K at R_K, in Hartree,

.. math::

    V_{\mu\nu} = \sum_K -Z_K \langle \mu | v(|r - R_K|) | \nu \rangle, \qquad
    v(r) = 1/r \;\; \text{or, screened,} \;\; \operatorname{erfc}(\sqrt{\zeta}\, r)/r .

The screened v is a point nucleus minus a Gaussian one of exponent zeta (Bohr^-2): every
nucleus is seen as neutral from afar, and V is short-ranged and size-consistent.

How it is made. libcint's arrays are put together from one template an element, which costs
tens of microseconds where building a PySCF molecule costs milliseconds. Nuclei enter as the
points of ``int1e_grids``: that takes about half the time of ``int1e_nuc``, agrees with it to
rounding, knows the short-ranged kernel (negative range separation) and leaves the
contribution of each nucleus apart, so that V per species of nucleus costs no more than V.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from linvop.conventions import BOHR
from linvop.errors import InputError
from linvop.orbitals.shells import AOBasis, AOLayout

if TYPE_CHECKING:
    from pyscf.gto import Mole

__all__ = [
    "System",
    "molecule",
    "overlap",
    "point_charge_potential",
    "potential",
    "uniform_field",
]

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

    def integral(self, name: str, components: int = 1, env: np.ndarray | None = None) -> np.ndarray:
        """A one-electron integral of libcint in PySCF's order, ``(components?, n_ao, n_ao)``."""
        from pyscf.gto.moleintor import getints2c

        atm, bas, own_env, ao_loc = self.libcint
        return getints2c(
            name, atm, bas, own_env if env is None else env, comp=components, hermi=1, ao_loc=ao_loc
        )


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


def overlap(system: System) -> np.ndarray:
    r"""Overlap S, (n_ao, n_ao) float64, PySCF's order."""
    return system.integral("int1e_ovlp_sph")


def _screening_exponent(screening: float | None) -> float:
    if screening is None:
        return 0.0
    if not (np.isfinite(screening) and screening > 0):
        raise InputError(f"screening: expected None or a positive exponent, got {screening!r}")
    return float(screening)


def _over_points(
    system: System, points: np.ndarray, weights: np.ndarray, screening: float | None
) -> np.ndarray:
    r"""``sum_g weights[s, g] <mu| v(|r - R_g|) |nu>``, (n_sets, n_ao, n_ao), PySCF's order."""
    zeta = _screening_exponent(screening)
    n_ao, n_sets = system.layout.n_ao, len(weights)
    out = np.zeros((n_ao * n_ao, n_sets))
    env0 = system.libcint[2]
    step = max(1, int(_POINTS_BYTES / (8 * max(n_ao, 1) ** 2)))
    for first in range(0, len(points), step):
        chunk = points[first : first + step]
        env = np.concatenate([env0, chunk.ravel()])
        # A negative range separation asks libcint for erfc(omega r)/r.
        env[_PTR_OMEGA] = -np.sqrt(zeta)
        env[_NGRIDS], env[_PTR_GRIDS] = len(chunk), env0.size
        by_point = system.integral("int1e_grids_sph", env=env)
        # The point runs fastest in memory: a plain matrix product, nothing copied.
        flat = by_point.transpose(2, 1, 0).reshape(n_ao * n_ao, len(chunk))
        out += flat @ weights[:, first : first + step].T
    return np.ascontiguousarray(out.T).reshape(n_sets, n_ao, n_ao)


def potential(
    system: System, *, screening: float | None = None, sources: Sequence[str] | None = None
) -> np.ndarray:
    r"""External potential of the system's nuclei, Hartree, PySCF's order.

    Parameters
    ----------
    system : System
    screening : float, optional
        Exponent zeta (Bohr^-2) of the Gaussian that screens each nucleus.
    sources : sequence of str, optional
        Species of nuclei: one matrix for each instead of their sum. Species that the
        structure lacks give zeros.

    Returns
    -------
    (n_ao, n_ao) or (n_sources, n_ao, n_ao) float64
    """
    charges = np.asarray(system.numbers, dtype=float)
    if sources is None:
        return _over_points(system, system.positions, -charges[None], screening)[0]
    symbols = np.asarray(system.layout.symbols)
    lost = set(symbols) - set(sources)
    if lost:
        raise InputError(f"sources {list(sources)}: the structure also has {sorted(lost)}")
    weights = np.stack([np.where(symbols == s, -charges, 0.0) for s in sources])
    return _over_points(system, system.positions, weights, screening)


def point_charge_potential(
    system: System,
    charges: np.ndarray,
    positions: np.ndarray,
    *,
    screening: float | None = None,
) -> np.ndarray:
    r"""Potential energy of an electron near extra point charges, ``-sum_g q_g v(|r - R_g|)``.

    Parameters
    ----------
    system : System
    charges : (n_points,) in units of e; a nucleus counts +Z
    positions : (n_points, 3), Bohr
    screening : float, optional
        As in `potential`.

    Returns
    -------
    (n_ao, n_ao) float64, Hartree, PySCF's order
    """
    charges = np.atleast_1d(np.asarray(charges, dtype=float))
    positions = np.atleast_2d(np.asarray(positions, dtype=float))
    if positions.shape != (len(charges), 3):
        raise InputError(
            f"point charges: expected positions of shape ({len(charges)}, 3), got {positions.shape}"
        )
    if not (np.isfinite(charges).all() and np.isfinite(positions).all()):
        raise InputError("point charges: expected finite charges and positions")
    return _over_points(system, positions, -charges[None], screening)[0]


def uniform_field(
    system: System, field: np.ndarray, origin: np.ndarray | None = None
) -> np.ndarray:
    r"""Potential energy of an electron in a uniform electric field E, ``+E . (r - origin)``.

    Parameters
    ----------
    system : System
    field : (3,) float64, Hartree / (e Bohr)
    origin : (3,) float64, Bohr, optional

    Returns
    -------
    (n_ao, n_ao) float64, Hartree, PySCF's order
    """
    field = np.asarray(field, dtype=float)
    if field.shape != (3,) or not np.isfinite(field).all():
        raise InputError(f"field: expected three finite numbers, got {field!r}")
    env = system.libcint[2].copy()
    if origin is not None:
        env[_PTR_ORIGIN : _PTR_ORIGIN + 3] = origin
    return np.tensordot(field, system.integral("int1e_r_sph", components=3, env=env), axes=1)
