r"""What a molecule's properties lose when the blocks of F or P between far atoms are dropped.

.. math:: M^{r_c}_{ij} = M_{ij} \;\text{ if } |R_i - R_j| \le r_c, \text{ else } 0,

between AOs, or between Lowdin orbitals and then brought back. S is never truncated.

``F``             the truncated Fock matrix is diagonalised, F C = S C eps, and filled by aufbau:
                  orbital energies of F, the rest of its density. Between AOs this is a harsh
                  cut: adding a constant, F + c S, changes no property, but what is cut then.
``F, over known`` F_0 + (F - F_0)^rc: only what is to be learned on top of a known F_0 is cut.
``P, purified``   the truncated density is made idempotent with the right number of electrons again
                  (`linvop.observables.density.purified`).
``P, as it is``   the truncated density itself. It has other electrons than the molecule between
                  AOs, tr(P S), as the overlap of the dropped pairs is lost; not between Lowdin
                  orbitals, where the trace is on site.

Changes are taken from the properties of the whole matrix: they are what a model with this cutoff
and no other error would err. Energies and, for P, orbital energies need a functional: E[P], F[P].
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from linvop.conventions import BOHR, HARTREE
from linvop.errors import InputError
from linvop.integrals import System, overlap
from linvop.io.frames import state_of
from linvop.observables.analysis import analyse
from linvop.observables.density import purified
from linvop.observables.energy import evaluated
from linvop.observables.lowdin import square_roots
from linvop.observables.moments import dipole
from linvop.observables.populations import lowdin_charges
from linvop.orbitals.shells import AOBasis

if TYPE_CHECKING:
    from ase import Atoms

    from linvop.observables.result import Observables

__all__ = ["SERIES", "UNITS", "Truncation", "beyond", "truncated"]

UNITS = {
    "occupied orbital energies": "eV",
    "HOMO": "eV",
    "LUMO": "eV",
    "dipole": "e*Angstrom",
    "lowdin charges": "e",
    "energy": "eV",
    "electrons": "e",
    "dropped norm": "",
}
"""Of what changes. The last is |M - M^rc|_F / |M|_F between the orbitals of the truncation."""

SERIES = ("F", "F, over known", "P, purified", "P, as it is")
"""What is looked at after a truncation."""

Changes = dict[str, np.ndarray]
Series = dict[str, Changes | None]
"""By name of the series; None where the truncated matrix has no properties."""


def beyond(system: System, cutoff: float) -> np.ndarray:
    r"""Which elements stand between atoms further apart than a cutoff (Angstrom), (n_ao, n_ao).

    The rule is that of the features of pairs: at the cutoff itself they are kept.
    """
    x = system.positions
    far = np.linalg.norm(x[:, None] - x, axis=2) > cutoff / BOHR
    sizes = np.diff(system.layout.atom_offsets)
    return far.repeat(sizes, axis=0).repeat(sizes, axis=1)


def truncated(
    matrix: np.ndarray,
    far: np.ndarray,
    to: np.ndarray | None = None,
    back: np.ndarray | None = None,
) -> np.ndarray:
    r"""A matrix (..., n_ao, n_ao) without the elements `far`, symmetric if it was.

    Parameters
    ----------
    matrix : (..., n_ao, n_ao)
    far : (n_ao, n_ao) bool
        Of `beyond`.
    to, back : (n_ao, n_ao), optional
        ``back (to M to without far) back``: between other orbitals, back = to^-1.
    """
    if to is None or back is None:
        return np.where(far, 0.0, matrix)
    out = back @ np.where(far, 0.0, to @ matrix @ to) @ back
    return 0.5 * (out + np.swapaxes(out, -1, -2))


@dataclass(frozen=True, eq=False)
class Truncation:
    r"""One structure's matrices, to be truncated at any cutoff.

    Attributes
    ----------
    atoms : ase.Atoms
        Charge and multiplicity in ``info``.
    ao : AOBasis
    fock, density : (n_ao, n_ao) or (2, n_ao, n_ao) float64, or None
        PySCF's AO order; at least one of them.
    known : (n_ao, n_ao) float64 or None
        Part of the Fock matrix (of each spin) that is never cut in ``F, over known``.
    xc : str or None
        Adds energies, and orbital energies of P.
    orthogonal : bool
        Truncate between Lowdin orbitals.
    """

    atoms: Atoms
    ao: AOBasis
    fock: np.ndarray | None = None
    density: np.ndarray | None = None
    known: np.ndarray | None = None
    xc: str | None = None
    orthogonal: bool = False

    def changes(self, cutoffs: list[float]) -> dict[float, Series]:
        r"""How far properties move at each cutoff.

        Returns
        -------
        {cutoff: {series: {quantity: (n,) changes} or None}}
            Quantities and units: `UNITS`. Of the dipole the norm of its change; of orbital
            energies, charges and the rest predicted minus whole, one for each level or atom.

        Raises
        ------
        InputError
            As `linvop.analyse`, for the whole matrices.
        """
        system = System.from_atoms(self.atoms, self.ao)
        S = overlap(system)
        roots = square_roots(S)
        done: list[Callable[[np.ndarray], Series]] = []
        if self.fock is not None:
            done.append(self._of_fock(self.fock, roots))
        if self.density is not None:
            done.append(self._of_density(self.density, system, S, roots))
        out: dict[float, Series] = {}
        for cutoff in cutoffs:
            far = beyond(system, cutoff)
            out[cutoff] = {name: found for one in done for name, found in one(far).items()}
        return out

    def _of_fock(
        self, fock: np.ndarray, roots: tuple[np.ndarray, np.ndarray]
    ) -> Callable[[np.ndarray], Series]:
        whole = analyse(self.atoms, fock=fock, ao=self.ao, xc=self.xc)
        root, inverse = roots if self.orthogonal else (None, None)

        def after(cut: np.ndarray) -> Changes | None:
            try:
                found = analyse(self.atoms, fock=cut, ao=self.ao, xc=self.xc)
            except InputError:  # no gap: nothing follows from it
                return None
            return {**_moved(found, whole), "dropped norm": _dropped(fock, cut, inverse)}

        def at(far: np.ndarray) -> Series:
            found = {"F": after(truncated(fock, far, inverse, root))}
            if self.known is not None:
                rest = truncated(fock - self.known, far, inverse, root)
                found["F, over known"] = after(self.known + rest)
            return found

        return at

    def _of_density(
        self,
        density: np.ndarray,
        system: System,
        S: np.ndarray,
        roots: tuple[np.ndarray, np.ndarray],
    ) -> Callable[[np.ndarray], Series]:
        asked = {"ao": self.ao, "xc": self.xc, "purification": None}
        whole = analyse(self.atoms, density=density, **asked)  # type: ignore[arg-type]
        state = state_of(self.atoms, None, None)
        root, inverse = roots if self.orthogonal else (None, None)

        def at(far: np.ndarray) -> Series:
            cut = truncated(density, far, root, inverse)
            total = cut if cut.ndim == 2 else cut.sum(axis=0)
            raw = {
                "dipole": _norm(dipole(system, total) - whole.dipole),
                "lowdin charges": lowdin_charges(total, roots[0], system.layout)
                - whole.lowdin_charges,
                "electrons": np.atleast_1d(np.sum((cut - density) * S)),
                "dropped norm": _dropped(density, cut, root),
            }
            if self.xc is not None and whole.energy is not None:
                energy = evaluated(system, cut, self.xc, state, 4)[0] * HARTREE
                raw["energy"] = np.atleast_1d(energy - whole.energy)
            try:
                mended = _purified(cut, roots, _electrons(system, state))
                found = analyse(self.atoms, density=mended, **asked)  # type: ignore[arg-type]
            except InputError:  # occupations that do not tell which orbitals are occupied
                return {"P, purified": None, "P, as it is": raw}
            return {"P, purified": _moved(found, whole), "P, as it is": raw}

        return at


def _electrons(system: System, state: tuple[int, int]) -> tuple[int, int]:
    """Of each spin."""
    n, unpaired = sum(system.numbers) - state[0], state[1] - 1
    return (n + unpaired) // 2, (n - unpaired) // 2


def _purified(
    density: np.ndarray, roots: tuple[np.ndarray, np.ndarray], electrons: tuple[int, int]
) -> np.ndarray:
    """Idempotent with the right electrons; of closed shells twice that of one spin."""
    if density.ndim == 2:
        return 2 * purified(density / 2, *roots, electrons[0], "projection", "density")
    spins = zip(density, electrons, strict=True)
    return np.stack([purified(P, *roots, n, "projection", "density") for P, n in spins])


def _moved(found: Observables, whole: Observables) -> Changes:
    """Changes of everything that both have."""
    changes = {
        "dipole": _norm(found.dipole - whole.dipole),
        "lowdin charges": found.lowdin_charges - whole.lowdin_charges,
    }
    if found.orbital_energies is not None and whole.orbital_energies is not None:
        occupied = np.asarray(whole.occupations) > 0
        levels = (found.orbital_energies - whole.orbital_energies)[occupied]
        changes["occupied orbital energies"] = levels
        changes["HOMO"] = np.ravel(np.subtract(found.homo, whole.homo))  # type: ignore[arg-type]
        changes["LUMO"] = np.ravel(np.subtract(found.lumo, whole.lumo))  # type: ignore[arg-type]
    if found.energy is not None and whole.energy is not None:
        changes["energy"] = np.atleast_1d(found.energy - whole.energy)
    return changes


def _norm(vector: np.ndarray) -> np.ndarray:
    return np.atleast_1d(np.linalg.norm(vector))


def _dropped(whole: np.ndarray, cut: np.ndarray, to: np.ndarray | None) -> np.ndarray:
    if to is not None:
        whole, cut = to @ whole @ to, to @ cut @ to
    return np.atleast_1d(np.linalg.norm(whole - cut) / np.linalg.norm(whole))
