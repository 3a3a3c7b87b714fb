r"""libcint's integrals over points, called from compiled code, one pair of shells at a time.

PySCF's drivers return all pairs of shells at all points at once; what linvop wants is their sum
with weights, which here is taken while a pair's block is in the cache: no array of
``n_ao^2 n_points``, and no Python in any loop.
"""

from __future__ import annotations

import ctypes
import itertools
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import llvmlite.binding as llvm
import numpy as np
from numba import types
from pyscf import lib
from pyscf.gto.moleintor import libcgto

from linvop.compiled import njit

__all__ = ["gradient_sums", "over_shells", "pieces", "point_integrals", "potential_sums"]

_POINTS = 2000

_INTEGRALS, _PARTS = 2e7, 16
"""From how many integrals on threads pay, and in how many parts they are then made: always as
many, so that sums do not depend on the number of threads."""

_NGRIDS, _PTR_GRIDS = 11, 12
"""Slots of ``env``, as in libcint's manual."""


def _external(name: str):
    """A function of libcint for compiled code, found by name wherever PySCF has loaded it from."""
    if not hasattr(libcgto, name):
        raise ImportError(
            f"libcint of PySCF: expected {name} in it; linvop needs PySCF 2.5 or newer"
        )
    address = ctypes.cast(getattr(libcgto, name), ctypes.c_void_p).value
    llvm.add_symbol(name, address)
    # out, dims, shls, atm, natm, bas, nbas, env, opt, cache
    pointer, number = types.intp, types.int32
    arguments = (pointer, pointer, pointer, pointer, number, pointer, number) + (pointer,) * 3
    return types.ExternalFunction(name, number(*arguments))


def pieces(n_points: int) -> list[slice]:
    """Points some at a time: the integrals over a pair of shells stay in the cache."""
    return [slice(k, min(k + _POINTS, n_points)) for k in range(0, n_points, _POINTS)]


def over_shells(work: Callable[[int, int], Any], ao_loc: np.ndarray, n_points: int) -> list[Any]:
    r"""``work(first, last)`` for all ranges of shells, on as many threads as PySCF would take."""
    n_shells, n_ao = len(ao_loc) - 1, int(ao_loc[-1])
    if float(n_ao) ** 2 * n_points < _INTEGRALS:
        return [work(0, n_shells)]
    # Half a matrix: the rows of shell i have i + 1 blocks.
    edges = np.rint(n_shells * np.sqrt(np.linspace(0.0, 1.0, _PARTS + 1))).astype(int).tolist()
    ranges = list(itertools.pairwise(edges))
    with ThreadPoolExecutor(lib.num_threads()) as pool:
        return list(pool.map(lambda part: work(*part), ranges))


_potential = _external("int1e_grids_sph")
_gradient = _external("int1e_grids_ip_sph")


@njit(nogil=True)
def point_integrals(i, j, n, at, atm, bas, env, out):
    r"""``<mu| v(|r - R_g|) |nu>`` of two shells and n points, which stand in `env` from `at` on.

    `out` gets n x n_i x n_j numbers, the points running fastest.
    """
    shells = np.zeros(4, np.int32)
    shells[0], shells[1], shells[3] = i, j, n
    env[_NGRIDS], env[_PTR_GRIDS] = n, at
    _potential(
        out.ctypes.data,
        0,
        shells.ctypes.data,
        atm.ctypes.data,
        len(atm),
        bas.ctypes.data,
        len(bas),
        env.ctypes.data,
        0,
        0,
    )


@njit(nogil=True, fastmath={"contract", "reassoc"})
def potential_sums(atm, bas, env, ao_loc, points, weights, first, last, out):
    r"""Add ``sum_g w_sg <mu| v(|r - R_g|) |nu>`` for shells mu in [first, last), nu <= mu.

    Parameters
    ----------
    atm, bas, env, ao_loc
        libcint's arrays; `env` says by its range separation what v is.
    points : (n_points, 3) float64, Bohr
    weights : (n_sets, n_points) float64
    first, last : int
    out : (n_sets, n_ao, n_ao) float64
        Both triangles; equal to the last digit.
    """
    n = len(points)
    own = _with_points(env, points)
    largest = 0
    for shell in range(len(bas)):
        largest = max(largest, ao_loc[shell + 1] - ao_loc[shell])
    block = np.empty(n * largest * largest)
    for i in range(first, last):
        n_i = ao_loc[i + 1] - ao_loc[i]
        for j in range(i + 1):
            n_j = ao_loc[j + 1] - ao_loc[j]
            point_integrals(i, j, n, len(env), atm, bas, own, block)
            for b in range(n_j):
                nu = ao_loc[j] + b
                for a in range(b if i == j else 0, n_i):
                    mu = ao_loc[i] + a
                    at = n * (a + n_i * b)
                    for s in range(len(weights)):
                        total = 0.0
                        for g in range(n):
                            total += weights[s, g] * block[at + g]
                        out[s, mu, nu] += total
                        if mu != nu:
                            out[s, nu, mu] += total


@njit(nogil=True, fastmath={"contract", "reassoc"})
def gradient_sums(atm, bas, env, ao_loc, points, weights, G, first, last, by_aos, by_points):
    r"""Add ``2 sum_nu sum_s w_sg G_s,mu nu <nabla mu| v(|r - R_g|) |nu>``, summed over mu or g.

    Parameters
    ----------
    atm, bas, env, ao_loc, points, weights
        As for `potential_sums`.
    G : (n_sets, n_ao, n_ao) float64, symmetric
    first, last : int
        Shells mu.
    by_aos : (n_ao, 3) float64
        Summed over points.
    by_points : (n_points, 3) float64
        Summed over AOs.
    """
    n = len(points)
    own = _with_points(env, points)
    largest = 0
    for shell in range(len(bas)):
        largest = max(largest, ao_loc[shell + 1] - ao_loc[shell])
    block = np.empty(3 * n * largest * largest)
    factor = np.empty(n)
    shells = np.zeros(4, np.int32)
    shells[3] = n
    for i in range(first, last):
        n_i = ao_loc[i + 1] - ao_loc[i]
        for j in range(len(bas)):
            n_j = ao_loc[j + 1] - ao_loc[j]
            shells[0], shells[1] = i, j
            _gradient(
                block.ctypes.data,
                0,
                shells.ctypes.data,
                atm.ctypes.data,
                len(atm),
                bas.ctypes.data,
                len(bas),
                own.ctypes.data,
                0,
                0,
            )
            for b in range(n_j):
                nu = ao_loc[j] + b
                for a in range(n_i):
                    mu = ao_loc[i] + a
                    factor[:] = 0.0
                    for s in range(len(weights)):
                        one = 2.0 * G[s, mu, nu]
                        for g in range(n):
                            factor[g] += one * weights[s, g]
                    for x in range(3):
                        at = n * (a + n_i * (b + n_j * x))
                        total = 0.0
                        for g in range(n):
                            value = factor[g] * block[at + g]
                            total += value
                            by_points[g, x] += value
                        by_aos[mu, x] += total


@njit(nogil=True)
def _with_points(env, points):
    """A copy of env with points at its end."""
    own = np.empty(len(env) + 3 * len(points))
    own[: len(env)] = env
    own[len(env) :] = points.ravel()
    own[_NGRIDS], own[_PTR_GRIDS] = len(points), len(env)
    return own
