r"""What is calculated, and how: checked once, stored with the data, compared on resuming."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from typing import Any

from linvop import __version__
from linvop.errors import InputError
from linvop.io.records import MATRICES
from linvop.observables.energy import check_functional
from linvop.orbitals.core_potentials import require_all_electrons
from linvop.orbitals.shells import AOBasis

__all__ = ["METHODS", "QUANTITIES", "Settings"]

METHODS = ("rks", "uks", "rhf", "uhf", "auto")
QUANTITIES = ("energy", "forces", "dipole", *MATRICES, "orbital_energies")


@dataclass(frozen=True, kw_only=True)
class Settings:
    r"""How structures are labelled; see `linvop.labelling.label` for each.

    Raises
    ------
    InputError
        For anything that PySCF or linvop does not know, with what was expected.
    """

    method: str = "rks"
    xc: str = "pbe"
    ao: AOBasis | str | Mapping[str, object] = "def2-svp"
    quantities: Sequence[str] = QUANTITIES
    n_matrices: int | None = None
    conv_tol: float = 1e-10
    grid_level: int = 4
    max_cycle: int = 100
    retry: bool = True

    def __post_init__(self) -> None:
        if self.method not in METHODS:
            raise InputError(f"method: expected one of {', '.join(METHODS)}, got {self.method!r}")
        unknown = [q for q in self.quantities if q not in QUANTITIES]
        if isinstance(self.quantities, str) or unknown:
            raise InputError(
                f"quantities: expected some of {', '.join(QUANTITIES)}, got {self.quantities!r}"
            )
        object.__setattr__(self, "quantities", tuple(q for q in QUANTITIES if q in self.quantities))
        object.__setattr__(self, "ao", self.basis)
        if not 0 < self.conv_tol < 1e-3:
            raise InputError(f"conv_tol: expected 0 < conv_tol < 1e-3 Hartree, got {self.conv_tol}")
        if self.grid_level not in range(10):
            raise InputError(f"grid_level: expected 0 to 9, got {self.grid_level!r}")
        if self.max_cycle < 1:
            raise InputError(f"max_cycle: expected at least 1, got {self.max_cycle!r}")
        if self.n_matrices is not None and self.n_matrices < 0:
            raise InputError(f"n_matrices: expected None or a number >= 0, got {self.n_matrices!r}")
        if self.is_dft:
            check_functional(self.xc)

    @property
    def basis(self) -> AOBasis:
        """The AO basis."""
        return self.ao if isinstance(self.ao, AOBasis) else AOBasis(self.ao)

    @property
    def is_dft(self) -> bool:
        """Whether there is a functional (and a grid)."""
        return self.method not in ("rhf", "uhf")

    @property
    def gradient_tol(self) -> float:
        r"""Largest orbital gradient, Hartree.

        PySCF's default is sqrt(conv_tol). Energies are of second order in it, but forces and
        matrices of first, so that it is never looser than 1e-6.
        """
        return min(self.conv_tol**0.5, 1e-6)

    def check_species(self, species: Sequence[str]) -> None:
        r"""Refuse elements that the AO basis lacks or gives an effective core potential."""
        require_all_electrons(self.basis, species)

    def as_dict(self) -> dict[str, Any]:
        r"""All that fixes the labels, as plain values; the shells of the AO basis apart."""
        plain: dict[str, Any] = {
            "method": self.method,
            "xc": self.xc if self.is_dft else None,
            "ao": self.basis.name,
            "quantities": list(self.quantities),
            "n_matrices": self.n_matrices,
            "conv_tol": self.conv_tol,
            "gradient_tol": self.gradient_tol,
            "max_cycle": self.max_cycle,
            "retry": self.retry,
            "pyscf": version("pyscf"),
            "linvop": __version__,
        }
        if self.is_dft:
            plain |= {"grid_level": self.grid_level, "grid_response": True}
        return plain
