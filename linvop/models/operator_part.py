r"""One block of an operator: the coefficients of its features, and how they are fitted.

.. math:: F^{ab;\,\lambda\mu}_{ij} = c^{ab} \cdot B_{ij}(\lambda\mu, \sigma)
          + b^{ab} \quad (b \text{ on site and for scalars only})

All targets ab of a block share the features, hence one factorisation; each has its alpha.
"""

from __future__ import annotations

from collections.abc import Mapping
from copy import copy
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from linvop.errors import InputError
from linvop.features.pairs import PairValues
from linvop.models.operator_data import OperatorFrame
from linvop.orbitals.operator_blocks import OperatorBlock
from linvop.regression.ridge import Ridge

__all__ = ["BlockPart", "assembled", "fit_block"]

_ROUNDING = 1e-13


@dataclass(frozen=True)
class BlockPart:
    r"""The fitted coefficients of one block.

    Attributes
    ----------
    coefficients : (p, t) float64
        Of each feature (`OperatorFeatures.labels`) for each target.
    constants : (t,) float64
        Zero but on site for scalars.
    report : dict
    """

    coefficients: np.ndarray
    constants: np.ndarray
    report: dict[str, Any] = field(default_factory=dict)

    def predict(self, rows: np.ndarray) -> np.ndarray:
        """Targets of features: (n, 2 lam + 1, p) to (n, 2 lam + 1, t)."""
        n, m, p = rows.shape
        flat = rows.reshape(n * m, p) @ self.coefficients
        return flat.reshape(n, m, -1) + self.constants


def assembled(
    parts: Mapping[OperatorBlock, BlockPart],
    frame: OperatorFrame,
    found: Mapping[OperatorBlock, PairValues],
    n_channels: int = 1,
) -> np.ndarray:
    r"""The matrices of one structure, (n_channels, n_ao, n_ao), from its features.

    Parameters
    ----------
    parts : {OperatorBlock: BlockPart}
    frame : OperatorFrame
    found : {block: (atoms, values)}
        Of `linvop.features.operators.OperatorFeatures.evaluate`.
    n_channels : int
        Spins.
    """
    blocks = {}
    for block, (pairs, rows) in found.items():
        part = parts[block]
        values = np.zeros((len(frame.pairs(block)), 2 * block.lam + 1, len(part.constants)))
        values[frame.rows_of(block, pairs)] = part.predict(rows)
        blocks[block] = values
    return frame.to_matrices(blocks, n_channels)


def fit_block(
    block: OperatorBlock,
    rows: np.ndarray,
    values: np.ndarray,
    *,
    structure: np.ndarray,
    penalty: np.ndarray,
    solver: Ridge,
    scale: float,
    rounding: np.ndarray | None = None,
) -> BlockPart:
    r"""Fit one block.

    Parameters
    ----------
    block : OperatorBlock
    rows : (n, 2 lam + 1, p) float64
        Features of the atoms or pairs; destroyed.
    values : (n, 2 lam + 1, t) float64
    structure : (n,) int
        Structure of each; copies of a structure have one number.
    penalty : (p,) float64
        The prior.
    solver : Ridge
        Its settings.
    scale : float
        Size of the operator's elements, next to which rounding is told from a target.
    rounding : (p,) float64, optional
        Of the features: columns that spread no more have no coefficient.

    Returns
    -------
    BlockPart
        Zero coefficients where nothing can be learned: no feature that varies, atoms in one
        structure only, or no more rows than constants. The report's ``learned`` says so.

    Raises
    ------
    InputError
        Of the solver, with the block.
    """
    n, m, p = rows.shape
    t = values.shape[2]
    scalar = block.on_site and block.lam == 0 and block.sigma == 1
    y = values.reshape(n * m, t)
    constants = np.ones((n, 1)) if scalar else None
    level = y.mean(axis=0) if scalar and n else np.zeros(t)
    # What symmetry makes zero or constant (planar molecules) is no target of a fit.
    varies = np.linalg.norm(y - level, axis=0) > _ROUNDING * scale * np.sqrt(max(n * m, 1))
    coefficients, added, residuals = np.zeros((p, t)), level.copy(), y - level
    report: dict[str, Any] = {
        "n_rows": n,
        "n_columns": p,
        "n_structures": len(np.unique(structure)),
        "learned": False,
        "rms": float(np.sqrt((y**2).mean())) if n else None,
    }
    enough = n * m > 1 + scalar  # what the solver asks for
    possible = p and varies.any() and enough and report["n_structures"] > 1
    if possible and _varies(rows, scalar, rounding):
        one = copy(solver)
        try:
            one.fit(
                rows.reshape(n * m, p),
                y[:, varies],
                penalty=penalty,
                constants=constants,
                groups=np.repeat(structure, m),
                n_components=m,
                overwrite=True,
                rounding=rounding,
            )
        except InputError as error:
            raise InputError(f"block {block}: {error}") from error
        coefficients[:, varies] = one.coef_
        if scalar:
            added[varies] = one.constants_[0]
        residuals[:, varies] = one.loo_residuals_
        report |= one.report() | {"learned": True}
    report["loo_rmse_all"] = float(np.sqrt(np.nanmean(residuals**2))) if residuals.size else None
    return BlockPart(coefficients, added, report)


def _varies(rows: np.ndarray, centred: bool, rounding: np.ndarray | None) -> bool:
    """Whether some column varies: about its mean, or about zero, by more than rounding."""
    flat = rows.reshape(-1, rows.shape[2])
    low, high = flat.min(axis=0), flat.max(axis=0)
    size = np.maximum(np.abs(low), np.abs(high))
    noise = np.zeros(len(size)) if rounding is None else 10 * rounding
    return bool(((high - low) > np.maximum(1e-10 * size, noise) if centred else size > noise).any())
