r"""The light runtime: exported models from V, with NumPy and h5py alone.

An exported file (`linvop export`, docs/format.md) holds tables into which the coefficients are
folded. With the matrices K, E and M that the metric makes of V and S, and the groups
``G = E P M P ...`` of half words (rows of one atom), a number y of a structure is

.. math::

    y = \sum_i \Bigl[ b_{s_i} + \operatorname{tr} D^{(s_i)} K_{ii}
        + \sum_c \sum_{h t} \operatorname{tr} \bigl( D^{(s_i)}_{cht} G^t_{i,c} G^{h\,T}_{i,c} \bigr)
        + p^{(s_i)}(A_i) \Bigr] ,

c the channel in which words are cut, p a polynomial of couplings A of words. The cost does not
grow with the number of columns that the fit had. Backwards, the same tables give dy/dV and
dy/dS, from which forces follow with the derivative integrals of any program.

Order of AOs: that of PySCF, atom by atom, shell by shell, p shells x, y, z, others m = -l .. l.
This file needs nothing else of linvop.
"""

from __future__ import annotations

import hashlib
import io
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import h5py
import numpy as np

__all__ = ["DeployError", "Predictor"]

SCHEMA = 1
"""Newest layout that this reader knows."""

_SEAL_BYTES = 512
_MAGIC = b"linvop: HDF5 from byte 512\n"
_P_ORDER = (1, 2, 0)
"""Of x, y, z: those of m = -1, 0, 1."""

_CHECK = 1e-10
"""Agreement, relative, with what the file says about its own input."""


class DeployError(ValueError):
    """A file that cannot be used, or input that does not fit it."""


class Predictor:
    r"""An exported model.

    Parameters
    ----------
    path : str or Path
    check : bool
        Whether the results that the file holds are reproduced first.

    Attributes
    ----------
    species, metric, targets
        ``targets`` as ``{name: {"unit": str, "shape": tuple}}``.
    sources : list of {"screening": float or None, "species": str or None}
        Which V are wanted: of all nuclei or one species, by 1/r or erfc(sqrt(screening) r)/r.
    shells : {species: list of {"l", "exponents", "coefficients"}}
        The AO set: contraction coefficients of normalised primitives.
    checks : dict
        Relative errors of what was checked when the file was written.

    Raises
    ------
    DeployError
        If the file is missing, truncated, damaged, foreign or newer, or its check fails here.
    """

    def __init__(self, path: str | Path, *, check: bool = True) -> None:
        self.path = str(path)
        with h5py.File(io.BytesIO(_verified(Path(path))), "r") as file:
            _require_kind(file, self.path)
            settings = json.loads(file["settings"].asstr()[()])
            self.settings: dict[str, Any] = settings
            self.species = tuple(settings["species"])
            self.metric: str = settings["metric"]
            self.sources: list[dict[str, Any]] = settings["sources"]
            self.shells: dict[str, list[dict[str, Any]]] = settings["shells"]
            self.checks: dict[str, Any] = settings["checks"]
            self.targets = {
                t["name"]: {"unit": t["unit"], "shape": tuple(t["shape"])}
                for t in settings["targets"]
            }
            self._channels = file["channels"][()]
            self._tables = [SimpleNamespace(**_read(file["species"][s])) for s in self.species]
            if check:
                self._self_check(_read(file["check"]))

    def __repr__(self) -> str:
        return f"Predictor({self.path!r}: {', '.join(self.targets)} of {', '.join(self.species)})"

    def n_ao(self, numbers: Sequence[int]) -> int:
        """AOs of a structure with these atomic numbers."""
        return sum(_width(self._tables[k]) for k in self._kinds(numbers))

    def predict(
        self, numbers: Sequence[int], V: np.ndarray, S: np.ndarray | None = None
    ) -> dict[str, Any]:
        r"""Predictions from V.

        Parameters
        ----------
        numbers : (n_atoms,) int
            Atomic numbers.
        V : (n_sources, n_ao, n_ao) float64, Hartree; (n_ao, n_ao) if there is one
            Attraction by the nuclei, ``-sum_K Z_K <mu| v(r - R_K) |nu>``.
        S : (n_ao, n_ao) float64, of all metrics but "ao"

        Returns
        -------
        dict
            Of each target a number or an array, in its unit.

        Raises
        ------
        DeployError
            For other shapes or species, or what is not finite.
        """
        one, metric = self._start(numbers, V, S)
        y = self._forward(one, metric)
        found, first = {}, 0
        for name, target in self.targets.items():
            size = int(np.prod(target["shape"], dtype=int))
            value = y[first : first + size].reshape(target["shape"])
            found[name] = float(value) if value.ndim == 0 else value
            first += size
        return found

    def derivatives(
        self,
        numbers: Sequence[int],
        V: np.ndarray,
        S: np.ndarray | None = None,
        target: str = "energy",
        component: tuple[int, ...] = (),
    ) -> tuple[np.ndarray, np.ndarray | None]:
        r"""Derivatives of one component of a target by V and S.

        Returns
        -------
        (n_sources, n_ao, n_ao), and (n_ao, n_ao) or None for metric "ao"
            G_V and G_S, symmetric, ``dy = sum_s tr(G_V_s dV_s) + tr(G_S dS)``; in units of the
            target per Hartree, and of the target. Forces are
            ``-tr(G_V dV/dR) - tr(G_S dS/dR)``.
        """
        one, metric = self._start(numbers, V, S)
        weights = self._weights(target, component)
        by = self._backward(one, metric, weights)
        by_V, by_S = metric.backward(*by)
        back = np.argsort(one.order)
        by_V = by_V[:, back[:, None], back]
        return by_V, None if by_S is None else by_S[back[:, None], back]

    # -- the structure ---------------------------------------------------------------------

    def _kinds(self, numbers: Sequence[int]) -> np.ndarray:
        known = {int(table.number): k for k, table in enumerate(self._tables)}
        if not len(numbers):
            raise DeployError("numbers: expected at least one atom, got none")
        for atom, z in enumerate(numbers):
            if z not in known:
                expected = ", ".join(f"{n} ({s})" for n, s in zip(known, self.species, strict=True))
                raise DeployError(f"atom {atom}: atomic number {z!r}; this model knows {expected}")
        return np.asarray([known[int(z)] for z in numbers], dtype=int)

    def _structure(self, numbers: Sequence[int]) -> SimpleNamespace:
        """Channel order of the AOs, the slice of each channel, rows of each species' atoms."""
        kinds = self._kinds(numbers)
        widths = np.asarray([_width(table) for table in self._tables])
        first_ao = np.concatenate([[0], np.cumsum(widths[kinds])])[:-1]
        order, starts, rows = [], [0], []
        for k, table in enumerate(self._tables):
            atoms, within, own = first_ao[kinds == k], 0, []
            for l in table.shell_l:
                width = 2 * int(l) + 1
                components = np.asarray(_P_ORDER if l == 1 else range(width))
                order.append((atoms[:, None] + within + components).ravel())
                own.append(starts[-1] + np.arange(len(atoms) * width).reshape(len(atoms), width))
                starts.append(starts[-1] + len(atoms) * width)
                within += width
            rows.append(np.concatenate(own, axis=1))
        channel = [slice(starts[a], starts[b]) for a, b in self._channels]
        return SimpleNamespace(order=np.concatenate(order), channel=channel, rows=rows)

    def _start(
        self, numbers: Sequence[int], V: np.ndarray, S: np.ndarray | None
    ) -> tuple[SimpleNamespace, _Metric]:
        one = self._structure(numbers)
        n = len(one.order)
        V = np.asarray(V, dtype=float)
        V = V[None] if V.ndim == 2 else V
        if V.shape != (len(self.sources), n, n):
            raise DeployError(f"V: expected shape {(len(self.sources), n, n)}, got {V.shape}")
        if self.metric != "ao":
            if S is None:
                raise DeployError(f"S: metric {self.metric!r} needs the overlap, got None")
            S = np.asarray(S, dtype=float)
            if S.shape != (n, n):
                raise DeployError(f"S: expected shape {(n, n)}, got {S.shape}")
        for name, matrix in (("V", V), ("S", S)):
            if matrix is not None and not np.isfinite(matrix).all():
                raise DeployError(f"{name}: expected finite numbers")
        q = one.order
        return one, _Metric(
            self.metric, V[:, q[:, None], q], None if S is None else S[q[:, None], q]
        )

    def _weights(self, target: str, component: tuple[int, ...]) -> np.ndarray:
        """1 for that component among all numbers, 0 for the others."""
        if target not in self.targets:
            raise DeployError(f"target: expected one of {', '.join(self.targets)}, got {target!r}")
        parts = [np.zeros(t["shape"]) for t in self.targets.values()]
        chosen = parts[list(self.targets).index(target)]
        if len(component) != chosen.ndim or any(
            not 0 <= k < n for k, n in zip(component, chosen.shape, strict=True)
        ):
            raise DeployError(
                f"component: expected an index of shape {chosen.shape}, got {component}"
            )
        chosen[tuple(component)] = 1.0
        return np.concatenate([x.ravel() for x in parts])

    # -- the work --------------------------------------------------------------------------

    def _forward(self, one: SimpleNamespace, metric: _Metric) -> np.ndarray:
        K, E, M = metric.matrices
        total = np.zeros(len(self._tables[0].constants))
        for table, rows in zip(self._tables, one.rows, strict=True):
            if not len(rows):
                continue
            total += len(rows) * table.constants
            blocks = K[:, rows[:, :, None], rows[:, None, :]]
            total += np.einsum("ozxy,zixy->o", table.local, blocks)
            groups = _groups(table, one, rows, E, M)
            for cut in table.cuts.values():
                heads, tails, _ = _halves(groups, cut, one)
                summed = _contract("ohxty,tiyn->ohixn", _unfolded(cut, heads, tails), tails)
                total += np.einsum("hixn,ohixn->o", heads, summed)
            if hasattr(table, "factors"):
                A = _couplings(table.factors, one, blocks, groups)[0]
                monomials = A[:, table.factors["index"]].prod(axis=2)
                total += table.factors["coefficient"] @ monomials.sum(axis=0)
        return total

    def _backward(
        self, one: SimpleNamespace, metric: _Metric, weights: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        K, E, M = metric.matrices
        by_K, by_E, by_M = np.zeros_like(K), np.zeros_like(E), np.zeros_like(M)
        for table, rows in zip(self._tables, one.rows, strict=True):
            if not len(rows):
                continue
            blocks = K[:, rows[:, :, None], rows[:, None, :]]
            by_blocks = np.tensordot(weights, table.local, 1)[:, None] + np.zeros_like(blocks)
            groups = _groups(table, one, rows, E, M)
            by_groups = np.zeros_like(groups)
            for cut in table.cuts.values():
                heads, tails, inner = _halves(groups, cut, one)
                D = np.tensordot(weights, _unfolded(cut, heads, tails), 1)
                by_groups[cut["heads"], :, :, inner] += _contract("hxty,tiyn->hixn", D, tails)
                by_groups[cut["tails"], :, :, inner] += _contract("hxty,hixn->tiyn", D, heads)
            if hasattr(table, "factors"):
                _factors_backward(table.factors, one, blocks, groups, weights, by_blocks, by_groups)
            places = rows[:, :, None], rows[:, None, :]
            np.add.at(by_K.transpose(1, 2, 0), places, by_blocks.transpose(1, 2, 3, 0))
            for g in reversed(range(len(groups))):
                parent, source = table.group_parent[g], table.group_source[g]
                if parent < 0:
                    by_E[source][rows] += by_groups[g]
                    continue
                inner = one.channel[table.group_channel[g]]
                left, right = groups[parent][..., inner], by_groups[g]
                by_M[source][inner] += np.tensordot(left, right, axes=([0, 1], [0, 1]))
                by_groups[parent][..., inner] += right @ M[source][inner].T
        return by_K, by_E, by_M

    def _self_check(self, known: Mapping[str, np.ndarray]) -> None:
        """Compare with what the file says that its own input gives."""
        S = known.get("S")
        numbers = known["numbers"].tolist()
        predicted = self.predict(numbers, known["V"], S)
        found = [np.concatenate([np.ravel(v) for v in predicted.values()])]
        name = next(iter(self.targets))
        component = (0,) * len(self.targets[name]["shape"])
        found += [*self.derivatives(numbers, known["V"], S, name, component)]  # type: ignore[list-item]
        for what, value in zip(("values", "by_V", "by_S"), found, strict=True):
            if value is None:
                continue
            error = np.abs(value - known[what]).max()
            if not error <= _CHECK * np.abs(known[what]).max():
                raise DeployError(
                    f"{self.path}: the self-check of {what} fails on this machine: largest "
                    f"difference {error:.1e} of values up to {np.abs(known[what]).max():.1e}"
                )


class _Metric:
    """What is multiplied: K, E and M from V and S, and the way back."""

    def __init__(self, metric: str, V: np.ndarray, S: np.ndarray | None) -> None:
        self.metric, self.V = metric, V
        if metric == "ao" or S is None:
            self.matrices = V, V, V
            return
        self.s, self.U = np.linalg.eigh(S)
        if self.s[0] <= 0:
            raise DeployError(f"S: expected a positive matrix, got an eigenvalue {self.s[0]:.1e}")
        X = self.X = (self.U / np.sqrt(self.s)) @ self.U.T
        XVX = _symmetric(X @ V @ X)
        self.matrices = (V, V @ X, XVX) if metric == "overlap" else (XVX, XVX, XVX)

    def backward(
        self, by_K: np.ndarray, by_E: np.ndarray, by_M: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray | None]:
        if self.metric == "ao":
            return _symmetric(by_K + by_E + by_M), None
        V, X, U = self.V, self.X, self.U
        by_X = np.zeros_like(X)
        if self.metric == "overlap":
            middle = _symmetric(by_M)
            by_V = _symmetric(by_K + by_E @ X + X @ middle @ X)
            by_X += (V @ by_E).sum(axis=0)
        else:
            middle = _symmetric(by_K + by_E + by_M)
            by_V = X @ middle @ X
        one = (V @ X @ middle).sum(axis=0)
        root = np.sqrt(self.s)
        divided = -1 / (np.outer(root, root) * (root[:, None] + root))
        return by_V, U @ ((U.T @ _symmetric(by_X + one + one.T) @ U) * divided) @ U.T


def _groups(
    table: SimpleNamespace, one: SimpleNamespace, rows: np.ndarray, E: np.ndarray, M: np.ndarray
) -> np.ndarray:
    """Half words, (n_groups, n_sites, width, n_ao)."""
    groups = np.empty((len(table.group_parent), *rows.shape, E.shape[-1]))
    for g, (parent, channel, source) in enumerate(
        zip(table.group_parent, table.group_channel, table.group_source, strict=True)
    ):
        if parent < 0:
            groups[g] = E[source][rows]
        else:
            inner = one.channel[channel]
            groups[g] = groups[parent][..., inner] @ M[source][inner]
    return groups


def _halves(
    groups: np.ndarray, cut: Mapping[str, np.ndarray], one: SimpleNamespace
) -> tuple[np.ndarray, np.ndarray, slice]:
    """Heads and tails in the channel of a cut, (n, n_sites, width, n_inner), and the channel."""
    inner = one.channel[int(cut["channel"])]
    return groups[cut["heads"]][..., inner], groups[cut["tails"]][..., inner], inner


def _unfolded(cut: Mapping[str, np.ndarray], heads: np.ndarray, tails: np.ndarray) -> np.ndarray:
    """The table of a cut, (n_out, n_heads, width, n_tails, width)."""
    width = heads.shape[2]
    return cut["table"].reshape(-1, len(heads), width, len(tails), width)


def _couplings(
    factors: Mapping[str, np.ndarray], one: SimpleNamespace, blocks: np.ndarray, groups: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Factors of the products with a 1 behind them, (n_sites, n_factors + 1), and their words."""
    W = np.empty((len(factors["channel"]), *blocks.shape[1:]))
    for w, c, h, t in _factor_words(factors):
        own = slice(None) if h < 0 else one.channel[c]
        W[w] = blocks[c] if h < 0 else groups[h][..., own] @ groups[t][..., own].swapaxes(1, 2)
    entries = W[factors["word"], :, factors["x"], factors["y"]] * factors["value"][:, None]
    A = np.zeros((int(factors["n_factors"]) + 1, blocks.shape[1]))
    np.add.at(A, factors["element"], entries)
    A[-1] = 1.0
    return A.T, W


def _factors_backward(
    factors: Mapping[str, np.ndarray],
    one: SimpleNamespace,
    blocks: np.ndarray,
    groups: np.ndarray,
    weights: np.ndarray,
    by_blocks: np.ndarray,
    by_groups: np.ndarray,
) -> None:
    """Add derivatives through the polynomial to those by blocks and groups."""
    A, W = _couplings(factors, one, blocks, groups)
    index, value = factors["index"], weights @ factors["coefficient"]
    by_A, taken = np.zeros_like(A), A[:, index]
    for s in range(index.shape[1]):
        others = np.delete(taken, s, axis=2).prod(axis=2)
        np.add.at(by_A.T, index[:, s], (value * others).T)
    by_W = np.zeros_like(W)
    entries = by_A[:, factors["element"]].T * factors["value"][:, None]
    places = factors["word"], factors["x"], factors["y"]
    np.add.at(by_W.transpose(0, 2, 3, 1), places, entries)
    for w, c, h, t in _factor_words(factors):
        if h < 0:
            by_blocks[c] += by_W[w]
        else:
            inner = one.channel[c]
            by_groups[h][..., inner] += by_W[w] @ groups[t][..., inner]
            by_groups[t][..., inner] += by_W[w].swapaxes(1, 2) @ groups[h][..., inner]


def _factor_words(factors: Mapping[str, np.ndarray]) -> Iterator[tuple[int, int, int, int]]:
    """Number, channel (source if there are no groups), head and tail of each word."""
    rows = np.stack([factors[name] for name in ("channel", "head", "tail")], axis=1)
    return ((w, *row) for w, row in enumerate(rows.tolist()))


def _width(table: SimpleNamespace) -> int:
    """AOs of one atom."""
    return int((2 * table.shell_l + 1).sum())


def _contract(rule: str, *operands: np.ndarray) -> np.ndarray:
    return np.einsum(rule, *operands, optimize=True)


def _symmetric(A: np.ndarray) -> np.ndarray:
    return 0.5 * (A + np.swapaxes(A, -1, -2))


def _read(group: h5py.Group) -> dict[str, Any]:
    """Arrays and groups of them by name."""
    return {n: _read(x) if isinstance(x, h5py.Group) else x[()] for n, x in group.items()}


def _verified(path: Path) -> bytes:
    """The bytes of a file whose seal is right: size and SHA-256 of all but the first 512."""
    try:
        data = path.read_bytes()
    except OSError as error:
        raise DeployError(f"{path}: cannot be read: {error.strerror}") from error
    said = re.match(rb"(\d+) bytes\nsha256 ([0-9a-f]{64})\n", data[len(_MAGIC) : _SEAL_BYTES])
    if not data.startswith(_MAGIC) or said is None:
        raise DeployError(f"{path}: not a file that linvop wrote, or truncated ({len(data)} bytes)")
    if len(data) < int(said[1]):
        raise DeployError(f"{path}: truncated: expected {int(said[1])} bytes, got {len(data)}")
    if hashlib.sha256(data[_SEAL_BYTES:]).hexdigest() != said[2].decode():
        raise DeployError(f"{path}: damaged: its content does not have its checksum")
    if data[len(_MAGIC) + said.end() : _SEAL_BYTES].strip(b"\n"):
        raise DeployError(f"{path}: damaged: its seal is not one that linvop writes")
    return data


def _require_kind(file: h5py.File, path: str) -> None:
    kind, schema = file.attrs.get("kind"), int(file.attrs.get("schema", 0))
    if kind != "exported model":
        raise DeployError(f"{path}: expected an exported model (linvop export), got {kind!r}")
    if schema > SCHEMA:
        raise DeployError(
            f"{path}: schema {schema}, written by linvop {file.attrs.get('linvop')}; this reader "
            f"knows up to {SCHEMA}: a newer one is needed"
        )
