r"""The functional of a data set: what its energies and Fock matrices are derivatives of."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

import numpy as np

from linvop.errors import InputError
from linvop.integrals import System
from linvop.observables.energy import check_functional, check_grid_level, evaluated

__all__ = ["Functional"]

_GRID_LEVEL = 4
"""Of `linvop label`, for data that do not say theirs."""


@dataclass(frozen=True)
class Functional:
    r"""A functional and its grid.

    Attributes
    ----------
    xc : str
        PySCF's name of it, or "hf".
    grid_level : int
    """

    xc: str
    grid_level: int = _GRID_LEVEL

    @classmethod
    def of(cls, settings: Mapping[str, Any], source: str) -> Self:
        r"""What the settings of a data set say.

        Raises
        ------
        InputError
            If they do not say the functional, or name one that PySCF does not know.
        """
        xc = settings.get("xc")
        if xc is None and str(settings.get("method", "")).lower() in ("rhf", "uhf"):
            xc = "hf"
        if xc is None:
            raise InputError(
                f"{source}: expected settings with the functional of the labels, such as "
                f'{{"xc": "pbe"}}, got {", ".join(map(str, settings)) or "none"}'
            )
        if str(xc).strip().lower() != "hf":
            check_functional(xc)
        level = settings.get("grid_level", _GRID_LEVEL)
        check_grid_level(level, f"{source}: grid_level of the settings")
        return cls(str(xc), int(level))

    def fock(self, system: System, density: np.ndarray) -> np.ndarray:
        r"""F[P] of a density without spin, (n_ao, n_ao), Hartree, PySCF's order.

        Exact in rotations up to PySCF's grid, whose points do not turn with the molecule.
        """
        # Charge and spin do not enter F[P]; with an odd number of electrons PySCF wants a spin.
        state = (int(sum(system.numbers)) % 2, 1)
        return evaluated(system, density, self.xc, state, self.grid_level)[1]
