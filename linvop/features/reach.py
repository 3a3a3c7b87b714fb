r"""How far V reaches: blocks of atoms further apart are zero.

.. math:: V_{ij} \to f(R_{ij})\, V_{ij}, \qquad
          f = 1 - 10 x^3 + 15 x^4 - 6 x^5, \quad x = \frac{R - 0.8\,c}{0.2\,c}

between 0.8 c and the reach c, 1 before and 0 beyond: two times differentiable. V_ii keeps all
nuclei.
A word of kappa factors then sees atoms at most kappa / 2 times c away through its factors, and is
made of that neighbourhood alone (`linvop.features.neighbourhoods`); f adds no body.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.spatial.distance import cdist

from linvop.conventions import BOHR
from linvop.integrals import System

__all__ = ["Reach", "switch"]

_INNER = 0.8
"""Where f begins to fall, of the reach."""


def switch(R: np.ndarray, reach: float) -> tuple[np.ndarray, np.ndarray]:
    r"""F and df/dR at distances in units of the reach's."""
    width = (1.0 - _INNER) * reach
    x = np.clip((np.asarray(R) - _INNER * reach) / width, 0.0, 1.0)
    f = 1.0 - x**3 * (10.0 - 15.0 * x + 6.0 * x**2)
    return f, -30.0 * x**2 * (1.0 - x) ** 2 / width


@dataclass(frozen=True)
class Reach:
    r"""f of all pairs of atoms of one structure.

    Attributes
    ----------
    f, slope : (n_atoms, n_atoms) float64
        f and df/dR, R in Bohr.
    units : (n_atoms, n_atoms, 3) float64
        ``(R_i - R_j) / R_ij``; zero for i = j.
    atom : (n_ao,) int64
        Atom of each AO, PySCF's order.
    """

    f: np.ndarray
    slope: np.ndarray
    units: np.ndarray
    atom: np.ndarray

    @classmethod
    def of(cls, system: System, reach: float) -> Reach:
        """From a reach in Angstrom."""
        r = system.positions
        R = cdist(r, r)
        f, slope = switch(R, reach / BOHR)
        units = (r[:, None] - r) / np.where(R > 0.0, R, 1.0)[..., None]
        widths = np.diff(system.layout.atom_offsets)
        return cls(f, slope, units, np.repeat(np.arange(len(r)), widths))

    @property
    def of_aos(self) -> np.ndarray:
        """F of all pairs of AOs, (n_ao, n_ao)."""
        return self.f[np.ix_(self.atom, self.atom)]

    def by_positions(self, G: np.ndarray, V: np.ndarray) -> np.ndarray:
        r"""``sum tr(G (df/dR) V)``: what the cut itself adds to a gradient.

        Parameters
        ----------
        G : (.., n_ao, n_ao) float64, symmetric
            Derivatives by f V.
        V : (.., n_ao, n_ao) float64
            Without f.

        Returns
        -------
        (n_atoms, 3) float64
        """
        n_ao = len(self.atom)
        product = (G * V).reshape(-1, n_ao, n_ao).sum(axis=0)
        starts = np.flatnonzero(np.diff(self.atom, prepend=-1))
        pairs = np.add.reduceat(np.add.reduceat(product, starts, axis=0), starts, axis=1)
        return 2.0 * np.einsum("ij,ijx->ix", pairs * self.slope, self.units)

    def motion(self, atom: int, V: np.ndarray) -> np.ndarray:
        r"""``(df / dR_atom) V``, (3, .., n_ao, n_ao)."""
        change = np.zeros((3, *self.f.shape))
        along = (self.slope[atom][:, None] * self.units[atom]).T  # (3, n_atoms)
        change[:, atom, :] = along
        change[:, :, atom] = along
        factor = change[:, self.atom[:, None], self.atom]
        return factor.reshape(3, *(1,) * (V.ndim - 2), *factor.shape[1:]) * V
