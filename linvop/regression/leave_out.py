r"""Leave-one-group-out residuals in closed form.

For the ridge problem with unpenalised constants, let Q2 span the complement of the
constants (`ConstantsProjection`) and ``A1 Gamma^-1 = U1 diag(s) V^T`` be the rotated,
scaled design. With ``U = Q2 U1`` the residual of the fit is ``r = (I - H) y`` with

    I - H = Q2 (I - U1 U1^T) Q2^T + U diag(d) U^T,     d = alpha / (s^2 + alpha)

and the residual of group s in the fit *without* group s is (block form of the
Sherman-Morrison-Woodbury identity)

    r_loo[s] = ((I - H)[s, s])^-1 r[s]

and, since (I - H) / sigma^2 is the inverse covariance of y under the prior that the penalty
stands for (the constants projected out), the covariance of y[s] as predicted without it is

    C_loo[s] = sigma^2 ((I - H)[s, s])^-1

A group is whatever leaves together: components and force rows of a structure, and all its
copies. Three things keep the digits that ``1 - h`` would lose when h is close to 1:

- d is positive by construction, and the first term is dropped where it is exactly zero
  (n - k0 <= p). Elsewhere its blocks are kept as roots C, ``C^T C``, never indefinite: by
  Cholesky of ``I - P0 - U U^T`` where that is well conditioned, from the reflections of the
  factorisation (coordinates in the complement of U) where leverages are large.
- The rows of a group are first turned among themselves by the orthogonal G that makes the
  block diagonal at the smallest alpha. Residuals turn with them (their norm is the same),
  and directions of very different leverage, such as the difference of two copies (1) and
  their sum (1e-12), no longer share matrix elements.
- Blocks are brought to unit diagonal before they are solved.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from linvop.errors import InputError
from linvop.features.threads import one_blas_thread
from linvop.regression.factorisation import Factorisation
from linvop.regression.projection import ConstantsProjection

__all__ = [
    "LeaveGroupsOut",
    "determined",
    "group_buckets",
    "solve_scaled",
    "weighted_blocks",
]

_CHUNK_ENTRIES = 1 << 19
"""Entries of U that are worked on at a time: 4 MB, about a cache."""

_SAFE = 1e-4
"""Smallest eigenvalue of a block of ``I - P0 - U U^T`` that is taken for what the difference gives:
its rounding, some 1e-14, is then 1e-10 of it. Reflections instead cost n p a row, more than the
factorisation where most rows of forces took them."""

_SMALL_GROUP = 6
"""Up to this size, blocks for all alphas come from one product of row products."""

_DETERMINED = 1e-10
"""A group that holds more than 1 - this of a constant leaves it undetermined."""


@dataclass
class _Bucket:
    """Groups of one size: rows (m, g), turn G (m, g, g), roots C (m, g, g), rest (m, g, t)."""

    rows: np.ndarray
    turn: np.ndarray
    root: np.ndarray | None
    rest: np.ndarray


class LeaveGroupsOut:
    r"""Closed-form leave-one-group-out residuals at any alpha.

    Parameters
    ----------
    projection : ConstantsProjection
    factorisation : Factorisation
        Of the rotated rows; its `left` is taken over and destroyed.
    y1 : (n - k0, t) float64
        Rotated targets.
    labels : (n,) int
        Group of every row.
    weights : (n,) float64
        Weights of the rows, whose square roots multiply the rows of all that was factorised.
    smallest_alpha : float
        Lower end of the alphas that will be asked for.

    Attributes
    ----------
    n_groups, n_undetermined : int
        All groups, and those without which a constant is undetermined: they are left out of
        the mean square, and their residuals are NaN.

    Raises
    ------
    InputError
        If there are fewer than two groups, or none can be left out.
    """

    def __init__(
        self,
        projection: ConstantsProjection,
        factorisation: Factorisation,
        y1: np.ndarray,
        labels: np.ndarray,
        weights: np.ndarray,
        smallest_alpha: float,
    ) -> None:
        self._s2 = factorisation.singular_values**2
        self._beta = factorisation.left.T @ y1
        self._sqrt_w = np.sqrt(weights)
        buckets = group_buckets(labels)
        self.n_groups = sum(len(rows) for rows in buckets)
        if self.n_groups < 2:
            raise InputError("leave-one-out: expected at least 2 groups of rows, got 1")
        span = projection.leverage_vectors()
        kept = [rows[determined(span[rows])] for rows in buckets]
        self.n_undetermined = self.n_groups - sum(len(rows) for rows in kept)
        if self.n_undetermined == self.n_groups:
            raise InputError(
                "leave-one-out: every group of rows is the only one that determines one of the "
                "constants; give fewer constants or more structures"
            )
        complement = factorisation.complement(y1)
        rest = _lift(projection, factorisation.from_complement(complement))
        left, factorisation.left = factorisation.left, np.zeros((0, 0))
        self._U = _lift(projection, left)
        del left
        d = smallest_alpha / (self._s2 + smallest_alpha)
        self._buckets = []
        for rows in kept:
            if len(rows):
                root = None
                if not factorisation.dual:
                    root = self._roots(rows, span, projection, factorisation)
                self._buckets.append(self._turned(rows, root, rest, d))
        self._total_weight = sum(float(weights[b.rows].sum()) for b in self._buckets)

    def mean_square(self, alphas: np.ndarray, targets: np.ndarray) -> np.ndarray:
        r"""Return the weighted mean square leave-one-out residual of each (alpha, target) pair.

        Parameters
        ----------
        alphas : (q,) float64
        targets : (q,) int
        """
        total = np.zeros(len(alphas))
        # Products of the size of a cache: threads would wait for each other more than work, and
        # on a busy machine (two cores, load 6) made the search 30 times slower.
        with one_blas_thread():
            for bucket in self._buckets:
                for _, x in self._solutions(bucket, alphas, targets):
                    total += np.einsum("qmg,qmg->q", x, x)
        return total / self._total_weight

    def residuals(self, alphas: np.ndarray) -> np.ndarray:
        """Return y minus its prediction without its group, (n, t), at one alpha a target."""
        out = np.full((len(self._sqrt_w), len(alphas)), np.nan)
        with one_blas_thread():
            for bucket in self._buckets:
                for part, x in self._solutions(bucket, alphas, np.arange(len(alphas))):
                    out[bucket.rows[part]] = np.einsum("mij,qmj->miq", bucket.turn[part], x)
        return out / self._sqrt_w[:, None]

    def variances(self, alphas: np.ndarray) -> np.ndarray:
        r"""Return the variance of each row's y as predicted without its group, (n, t).

        In units of sigma^2 / w: the diagonal of ``((I - H)[s, s])^-1``, noise included; NaN
        where a constant would be undetermined.

        Parameters
        ----------
        alphas : (t,) float64
        """
        unique, inverse = np.unique(alphas, return_inverse=True)
        out = np.full((len(self._sqrt_w), len(unique)), np.nan)
        D = unique / (self._s2[:, None] + unique)
        with one_blas_thread():
            for bucket in self._buckets:
                for part in self._chunks(bucket.rows):
                    M = self._turned_blocks(bucket, part, D)
                    diagonal = _inverse_diagonal(M, bucket.turn[part])
                    out[bucket.rows[part]] = diagonal.transpose(1, 2, 0)
        return out[:, inverse]

    def _solutions(
        self, bucket: _Bucket, alphas: np.ndarray, targets: np.ndarray
    ) -> Iterator[tuple[slice, np.ndarray]]:
        """Yield chunks of groups and their turned residuals, (q, m, g), in weighted units."""
        unique, inverse = np.unique(alphas, return_inverse=True)
        D = unique / (self._s2[:, None] + unique)
        right = D[:, inverse] * self._beta[:, targets]
        for part in self._chunks(bucket.rows):
            X = self._U[bucket.rows[part]]
            m, g, r = X.shape
            residual = (X.reshape(m * g, r) @ right).reshape(m, g, -1)
            residual += bucket.rest[part][:, :, targets]
            M = self._turned_blocks(bucket, part, D)
            yield part, solve_scaled(M, inverse, residual.transpose(2, 0, 1))

    def _turned_blocks(self, bucket: _Bucket, part: slice, D: np.ndarray) -> np.ndarray:
        """Return ``G^T (I - H)[s, s] G`` of some groups for every column of D, (u, m, g, g)."""
        M = weighted_blocks(self._U[bucket.rows[part]], D)
        if bucket.root is not None:
            M += np.matmul(bucket.root[part].transpose(0, 2, 1), bucket.root[part])
        return M

    def _chunks(self, rows: np.ndarray) -> Iterator[slice]:
        step = max(1, _CHUNK_ENTRIES // (rows.shape[1] * max(1, self._U.shape[1])))
        for start in range(0, len(rows), step):
            yield slice(start, min(len(rows), start + step))

    def _turned(
        self, rows: np.ndarray, root: np.ndarray | None, rest: np.ndarray, d: np.ndarray
    ) -> _Bucket:
        """Turn the rows of each group so that its block at the smallest alpha is diagonal."""
        m, g = rows.shape
        turn = np.ones((m, 1, 1))
        if g > 1:
            turn = np.empty((m, g, g))
            for part in self._chunks(rows):
                X = self._U[rows[part]]
                M = weighted_blocks(X, d[:, None])[0]
                if root is not None:
                    M += np.matmul(root[part].transpose(0, 2, 1), root[part])
                turn[part] = np.linalg.eigh(M)[1]
                self._U[rows[part]] = np.matmul(turn[part].transpose(0, 2, 1), X)
            root = None if root is None else np.matmul(root, turn)
        return _Bucket(rows, turn, root, np.matmul(turn.transpose(0, 2, 1), rest[rows]))

    def _roots(
        self,
        rows: np.ndarray,
        span: np.ndarray,
        projection: ConstantsProjection,
        factorisation: Factorisation,
    ) -> np.ndarray:
        """Return C with ``C^T C = (I - P0 - U U^T)[s, s]`` for each group s, (m, g, g)."""
        m, g = rows.shape
        blocks = np.empty((m, g, g))
        for part in self._chunks(rows):
            X, P = self._U[rows[part]], span[rows[part]]
            covered = np.matmul(X, X.transpose(0, 2, 1)) + np.matmul(P, P.transpose(0, 2, 1))
            blocks[part] = np.eye(g) - covered
        safe = np.linalg.eigvalsh(blocks)[:, 0] > _SAFE
        root = np.empty_like(blocks)
        root[safe] = np.linalg.cholesky(blocks[safe]).transpose(0, 2, 1)
        near_one = np.flatnonzero(~safe)
        step = max(1, 4 * _CHUNK_ENTRIES // (self._U.shape[0] * g))
        for start in range(0, len(near_one), step):
            groups = near_one[start : start + step]
            unit = np.zeros((self._U.shape[0], len(groups) * g))
            unit[rows[groups].reshape(-1), np.arange(unit.shape[1])] = 1.0
            W = factorisation.complement(projection.rotate(unit)[projection.rank :])
            W = W.reshape(len(W), len(groups), g).transpose(1, 0, 2)
            R = np.asarray(np.linalg.qr(W, mode="r"))
            root[groups] = 0.0
            root[groups, : R.shape[1]] = R
        return root


def group_buckets(labels: np.ndarray) -> list[np.ndarray]:
    """Return the rows of the groups, (m, g), one array for each group size g."""
    order = np.argsort(labels, kind="stable")
    _, starts, sizes = np.unique(labels[order], return_index=True, return_counts=True)
    return [order[starts[sizes == size][:, None] + np.arange(size)] for size in np.unique(sizes)]


def determined(span: np.ndarray) -> np.ndarray:
    """Return which groups, (m,), leave the constants determined; span : (m, g, k0)."""
    if span.shape[2] == 0:
        return np.ones(len(span), dtype=bool)
    cosines = np.linalg.svd(span, compute_uv=False)
    return cosines[:, 0] ** 2 < 1.0 - _DETERMINED


def _lift(projection: ConstantsProjection, X: np.ndarray) -> np.ndarray:
    """Return ``Q2 X``, (n, m), for X of shape (n - k0, m); X itself if there are no constants."""
    if projection.rank == 0:
        return np.ascontiguousarray(X)
    lifted = np.zeros((projection.rank + X.shape[0], X.shape[1]))
    lifted[projection.rank :] = X
    return projection.rotate_back(lifted)


def weighted_blocks(X: np.ndarray, D: np.ndarray) -> np.ndarray:
    """Return ``X diag(d) X^T`` for every column d of D, (u, m, g, g); X : (m, g, r)."""
    m, g, _ = X.shape
    M = np.empty((D.shape[1], m, g, g))
    if g <= _SMALL_GROUP:
        for i in range(g):
            for j in range(i + 1):
                M[:, :, i, j] = M[:, :, j, i] = ((X[:, i] * X[:, j]) @ D).T
        return M
    for block, d in zip(M, D.T, strict=True):
        root = X * np.sqrt(d)
        block[:] = np.matmul(root, root.transpose(0, 2, 1))
    return M


def solve_scaled(M: np.ndarray, inverse: np.ndarray, right: np.ndarray) -> np.ndarray:
    """Return ``M[inverse[q]]^-1 right[q]``, (q, m, g), after scaling M to unit diagonal."""
    if M.shape[-1] == 1:
        return right / M[inverse, :, 0]
    h = np.sqrt(np.diagonal(M, axis1=2, axis2=3))
    unit = M / (h[..., :, None] * h[..., None, :])
    x = np.empty_like(right)
    for k in range(len(M)):  # each matrix is factorised once for all targets
        own = np.flatnonzero(inverse == k)
        scaled = (right[own] / h[k]).transpose(1, 2, 0)
        x[own] = np.linalg.solve(unit[k], scaled).transpose(2, 0, 1) / h[k]
    return x


def _inverse_diagonal(M: np.ndarray, turn: np.ndarray) -> np.ndarray:
    """Return ``diag(G M^-1 G^T)``, (u, m, g), after scaling M, (u, m, g, g), to unit diagonal."""
    if M.shape[-1] == 1:
        return 1.0 / M[..., 0]
    h = np.sqrt(np.diagonal(M, axis1=2, axis2=3))
    rows = turn / h[:, :, None, :]
    columns = np.linalg.solve(M / (h[..., :, None] * h[..., None, :]), rows.swapaxes(2, 3))
    return np.einsum("umij,umji->umi", rows, columns)
