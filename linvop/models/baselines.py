r"""What an operator model corrects: a cheap operator that is known in closed form.

==========  =====================================================================
``none``    nothing
``core``    T + V, the core Hamiltonian (Fock matrices)
``sap``     T + V + superposition of atomic potentials (Fock matrices): the potential of the
            nuclei screened by their atoms' electrons; Lehtola, J. Chem. Theory Comput. 15,
            1593 (2019), in the Gaussian fit of Lehtola, Visscher and Engel, J. Chem. Phys.
            152, 144105 (2020), as PySCF has it
``atoms``   superposition of atomic densities, block by block; of two spin channels each is half of
            it. For Fock matrices F of that density
``minao``   F of the density of PySCF's default guess (atoms in a minimal basis, projected); for
            density matrices that which fills the orbitals of this F
==========  =====================================================================

F of superposed densities (as in the functional of J. Harris, Phys. Rev. B 31, 1770 (1985)) takes
one evaluation of the functional, as one SCF iteration does, and leaves the response of the density
alone. It pays most between atoms and across molecules: bonds and their conjugation are in the
orbitals of F, and the rest is of shorter range (docs/operators.md). Filled orbitals need a gap.
PySCF's grid does not turn with the molecule, so these are equivariant to its accuracy only.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np

from linvop.errors import InputError
from linvop.integrals import System, molecule, overlap
from linvop.models.functional import Functional
from linvop.models.recent import RecentArrays
from linvop.observables.density import aufbau_density
from linvop.observables.lowdin import square_roots
from linvop.observables.orbitals import orbitals
from linvop.orbitals.shells import AOBasis

__all__ = ["BASELINES", "baseline", "checked_baseline", "density_baseline", "needs_functional"]

BASELINES = {
    "fock": ("none", "core", "sap", "atoms", "minao"),
    "density": ("none", "atoms", "minao"),
}
"""By target."""


def needs_functional(name: str, target: str) -> bool:
    """Whether a baseline takes the functional of the labels."""
    return name == "minao" or (target == "fock" and name == "atoms")


_SAP = "sapgraspsmall"
_BLOCK_BYTES = 16e6
"""Of three-centre integrals held at once."""

_FOCK_OF_ATOMS = RecentArrays(256e6)


def checked_baseline(name: str | None, target: str) -> str:
    r"""Return the name; `InputError` for one that the target does not have."""
    allowed = BASELINES[target]
    if name not in allowed:
        raise InputError(
            f"baseline: expected one of {', '.join(allowed)} for {target}, got {name!r}"
        )
    return name


def baseline(name: str, system: System, functional: Functional | None = None) -> np.ndarray | None:
    r"""The baseline of one structure.

    Parameters
    ----------
    name : str
    system : System
        In the AO basis of the operator.
    functional : Functional, optional
        For Fock matrices of superposed densities; without it ``atoms`` are the densities.

    Returns
    -------
    (n_ao, n_ao) float64, PySCF's order; Hartree but for densities; None for ``none``
    """
    if name == "none":
        return None
    if functional is not None and name in ("atoms", "minao"):
        return _fock_of_atoms(name, system, functional)
    if name == "atoms":
        return _atomic_densities(system)
    core = system.integral("int1e_kin_sph") + system.integral("int1e_nuc_sph")
    return core if name == "core" else core + _atomic_potentials(system)


def density_baseline(
    name: str,
    system: System,
    functional: Functional | None,
    state: tuple[int, int],
    n_channels: int,
) -> np.ndarray | None:
    r"""The baseline of a density matrix, of each spin channel.

    Parameters
    ----------
    name, system, functional
        As of `baseline`.
    state : (int, int)
        Charge and multiplicity.
    n_channels : int
        1: both spins together; 2: (alpha, beta).

    Returns
    -------
    (n_channels, n_ao, n_ao) float64, PySCF's order; None for ``none``

    Raises
    ------
    GapError
        For orbitals that are to be filled and have no gap.
    """
    known = baseline(name, system, functional)
    if known is None:
        return None
    if name != "minao":
        return np.stack([known / n_channels] * n_channels)
    n, unpaired = sum(system.numbers) - state[0], state[1] - 1
    inverse_root = square_roots(overlap(system))[1]
    filled = ((n + unpaired) // 2, (n - unpaired) // 2)[:n_channels]
    where = "baseline minao, F of superposed atoms"
    found = [orbitals(known, inverse_root, n_filled, where) for n_filled in filled]
    return np.stack([aufbau_density(c.coefficients, c.n_occupied) for c in found]) * (
        3 - n_channels
    )


def _fock_of_atoms(name: str, system: System, functional: Functional) -> np.ndarray:
    def make() -> np.ndarray:
        density = _atomic_densities(system) if name == "atoms" else _projected_density(system)
        return functional.fock(system, density)

    key = (name, functional, system.ao, system.numbers, system.positions.tobytes())
    return _FOCK_OF_ATOMS.get(key, make)


def _atomic_potentials(system: System) -> np.ndarray:
    r"""``sum_A (mu nu | rho_A)`` of the atoms' electron densities, each a sum of s Gaussians.

    So many atoms at once as `_BLOCK_BYTES` holds: all integrals together would be n_ao^2 n_atoms.
    libcint's arrays are put together here, which takes less time than PySCF's molecules would.
    """
    from pyscf.gto.moleintor import getints3c, make_cintopt
    from pyscf.lib import unpack_tril

    atm, bas, env, _ = system.libcint
    symbols, n_ao, n_bas = system.layout.symbols, system.layout.n_ao, len(bas)
    clouds, start, tables = {}, len(env), [env]
    for s in dict.fromkeys(symbols):
        table = _sap(s)
        n = table.shape[1]
        # libcint's row of a shell: atom, l, primitives, contractions, kappa, and two pointers
        clouds[s] = (0, n, 1, 0, start, start + n, 0)
        start += table.size
        tables.append(table.ravel())
    rows = [(k, *clouds[s]) for k, s in enumerate(symbols)]
    everything = atm, np.concatenate([bas, np.array(rows, np.int32)]), np.concatenate(tables)
    prepared = make_cintopt(*everything, "int3c2e_sph")
    step = max(1, int(_BLOCK_BYTES // (4 * n_ao * (n_ao + 1))))
    out = np.zeros(n_ao * (n_ao + 1) // 2)
    for first in range(n_bas, n_bas + len(symbols), step):
        last = min(first + step, n_bas + len(symbols))
        shells = (0, n_bas, 0, n_bas, first, last)
        # No name for the block: the next one would be made while it is still held.
        out += getints3c("int3c2e_sph", *everything, shells, aosym="s2ij", cintopt=prepared).sum(
            axis=-1
        )
    # The electrons' charge is negative in the tables, and so is that of what feels it.
    return -unpack_tril(out)


@lru_cache(maxsize=128)
def _sap(symbol: str) -> np.ndarray:
    """Exponents of an atom's Gaussians, and factors of libcint's s functions, (2, n)."""
    from pyscf.gto.basis import load
    from pyscf.gto.mole import gaussian_int

    exponents, charges = np.asarray(load(_SAP, symbol)[0][1:], dtype=float).T
    # s functions of libcint have the factor 1 / (2 sqrt pi), the table Gaussians of charge 1
    return np.stack([exponents, charges / (2 * np.sqrt(np.pi) * gaussian_int(2, exponents))])


def _atomic_densities(system: System) -> np.ndarray:
    from scipy.linalg import block_diag

    return block_diag(*(_atomic_density(system.ao, s) for s in system.layout.symbols))


def _projected_density(system: System) -> np.ndarray:
    from pyscf.scf.hf import init_guess_by_minao

    return np.asarray(init_guess_by_minao(molecule(system)))


@lru_cache(maxsize=512)
def _atomic_density(ao: AOBasis, symbol: str) -> np.ndarray:
    """Spherically averaged density of a free atom, (n_ao of the atom,) squared."""
    from pyscf.scf.hf import init_guess_by_atom

    one = System((_number(symbol),), np.zeros((1, 3)), ao)
    return np.asarray(init_guess_by_atom(molecule(one)))


def _number(symbol: str) -> int:
    from pyscf.data.elements import charge

    return int(charge(symbol))
