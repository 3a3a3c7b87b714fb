r"""Orthonormal coordinates for the change of an operator, block by block.

The elements of a block's target t in all structures change linearly with its coefficients c and,
on site and for scalars, with a constant b. In units of the prior, D = [B / gamma, 1],

.. math:: \delta F_t = \varsigma_t\, D\, \zeta_t = \varsigma_t\, U s\, w_t, \qquad
          D = U s V^T, \quad w = V^T \zeta,

with the size of the target sigma_t. What of zeta lies outside the rows of D changes nothing, so
that |zeta| = |w| at the minimum of any penalised problem; and the change of the matrices of all
structures is

.. math:: |\delta F|^2 = \sum_{t k} n_t\, \varsigma_t^2 s_k^2\, w_{tk}^2

(n_t = 2 for what stands twice in a symmetric matrix). A column without spread, beside the constant
where there is one, is no direction of its own and gets no coefficient.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from linvop.models.operator_part import BlockPart
from linvop.regression.factorisation import Factorisation
from linvop.regression.scaling import column_scales

__all__ = ["BlockDesign", "block_design"]


@dataclass(frozen=True, eq=False)
class BlockDesign:
    r"""Coordinates w of one block, (n_targets, n_directions).

    Attributes
    ----------
    rows : list of (n_pairs, 2 lam + 1, n_directions) float64
        U s of each structure; empty where a structure lacks the block.
    metric : (n_targets, n_directions) float64
        ``n_t sigma_t^2 s_k^2``: weights of w^2 in the change of all matrices.
    sizes : (n_targets,) float64
        sigma_t.
    """

    rows: list[np.ndarray]
    metric: np.ndarray
    sizes: np.ndarray
    _factorisation: Factorisation
    _gamma: np.ndarray
    _active: np.ndarray

    @property
    def shape(self) -> tuple[int, int]:
        """Of w."""
        return self.metric.shape

    def change(self, k: int, w: np.ndarray) -> np.ndarray:
        """By how much the block's elements of structure k change, (n_pairs, 2 lam + 1, t)."""
        return (self.rows[k] @ w.T) * self.sizes

    def derivatives(self, k: int, G: np.ndarray) -> np.ndarray:
        r"""Derivatives by w of values with derivatives G by the elements.

        Parameters
        ----------
        G : (n_values, n_pairs, 2 lam + 1, t) float64

        Returns
        -------
        (n_values, t, n_directions) float64
        """
        return np.tensordot(G, self.rows[k], axes=([1, 2], [0, 1])) * self.sizes[:, None]

    def moved(self, part: BlockPart, w: np.ndarray) -> BlockPart:
        """Coefficients and constants after a change; the report counts the rows."""
        p = len(self._active)
        zeta = self._factorisation.right_times(np.asfortranarray(w.T)) * self.sizes
        coefficients = part.coefficients.copy()
        n_active = int(self._active.sum())
        coefficients[self._active] += zeta[:n_active] / self._gamma[:, None]
        constants = part.constants + (zeta[n_active] if len(zeta) > n_active else 0.0)
        report = {
            "n_rows": sum(len(rows) for rows in self.rows),
            "n_columns": p,
            "n_structures": sum(len(rows) > 0 for rows in self.rows),
            "n_constant_columns": p - n_active,
            "learned": True,
        }
        return BlockPart(coefficients, constants, report)


def block_design(
    features: Sequence[np.ndarray],
    penalty: np.ndarray,
    sizes: np.ndarray,
    multiplicity: np.ndarray,
    constant: bool,
) -> BlockDesign | None:
    r"""Factorise the features of one block.

    Parameters
    ----------
    features : sequence of (n_pairs, 2 lam + 1, p) float64
        Of each structure.
    penalty : (p,) float64
        Prior of the labels; times the root of each column's spread it is gamma.
    sizes, multiplicity : (t,) float64
        sigma_t and n_t.
    constant : bool
        Whether the targets have constants.

    Returns
    -------
    BlockDesign, or None where nothing can change
    """
    # Sizes in full: blocks that no feature reaches have no columns, which -1 cannot divide by.
    flat = np.concatenate([x.reshape(x.shape[0] * x.shape[1], x.shape[2]) for x in features])
    if not len(flat) or not len(sizes):
        return None
    active, gamma = np.zeros(len(penalty), dtype=bool), np.zeros(0)
    if flat.shape[1]:
        scales = column_scales(flat, np.ones(len(flat)), power=0.5, centred=constant)
        active, gamma = scales.active, penalty[scales.active] * scales.scale[scales.active]
    D = np.empty((len(flat), int(active.sum()) + constant))
    D[:, : len(gamma)] = flat[:, active] / gamma
    if constant:
        D[:, -1] = 1.0
    if not D.shape[1]:
        return None
    factorisation = Factorisation(D)
    s = factorisation.singular_values
    moved = factorisation.left * s
    factorisation.left = np.zeros((0, 0))
    ends = np.cumsum([x.shape[0] * x.shape[1] for x in features])[:-1]
    rows = [
        part.reshape(*x.shape[:2], len(s))
        for part, x in zip(np.split(moved, ends), features, strict=True)
    ]
    metric = (multiplicity * sizes**2)[:, None] * s**2
    return BlockDesign(rows, metric, sizes, factorisation, gamma, active)
