r"""The compiled kernel equals its definition."""

from __future__ import annotations

from typing import TYPE_CHECKING

from linvop.features.basis import Basis, ordered_species
from linvop.integrals import System
from linvop.kernels import cpu, reference
from linvop.testing.yardstick import compare

if TYPE_CHECKING:
    from ase import Atoms

__all__ = ["assert_kernels_agree"]


def assert_kernels_agree(basis: Basis, atoms: Atoms, *, tolerance: float = 1e-10) -> None:
    r"""Assert that the Numba kernel gives what the NumPy definition gives, site by site.

    Raises
    ------
    AssertionError
        With the target, the column and the largest error.
    """
    species = ordered_species(atoms.get_chemical_symbols())
    system = System.from_atoms(atoms, basis.ao_basis)
    for target in ("site", "structure"):
        features = basis.compile(species, target=target)
        wanted = features.sites(system, reference)
        found = features.sites(system, cpu)
        compare(basis, species, found, wanted, f"kernels, {target}", tolerance, target)
