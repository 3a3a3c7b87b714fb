r"""The light runtime: exported models from V, with NumPy and h5py alone.

An exported file (`linvop export`, docs/format.md) holds tables into which the coefficients are
folded. With the matrices K, E and M that the metric makes of V and S, and the groups
``G = E P M P ...`` of half words (rows of one atom), numbers y of an atom (i = j) or a pair are

.. math::

    y_{ij} = b + \operatorname{tr} D K_{ij} + \sum_c \sum_{h t} \operatorname{tr} \bigl(
        D_{cht} G^t_{j,c} G^{h\,T}_{i,c} \bigr) + p(A_{ij}) ,

c the channel in which words are cut, p a polynomial of couplings A of words. A property is the sum
of those of the atoms, an operator the matrix of such blocks and its transpose. The cost does not
grow with the number of columns that the fit had. Backwards, the same tables give dy/dV and dy/dS
of a property, from which forces follow with the derivative integrals of any program.

Order of AOs: that of PySCF, atom by atom, shell by shell, p shells x, y, z, others m = -l .. l.
Nothing is said of structures unlike the training data, nor how sure a prediction is: for that take
the fitted model. This file needs nothing else of linvop.
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

SCHEMA = 2
"""The layout that this reader knows."""

_SEAL_BYTES = 512
_MAGIC = b"linvop: HDF5 from byte 512\n"
_P_ORDER = (1, 2, 0)
"""Of x, y, z: those of m = -1, 0, 1."""

_CHECK = 1e-10
"""Agreement, relative, with what the file says about its own input."""

_SYMMETRIC, _SAME_AOS, _SMALLEST = 1e-8, 1e-3, 1e-10
_OWN, _TINY = 0.999, 1e-9
_AOS = "another unit, other nuclei or AOs than the model's, or another order of them"
_PAIRS = 64
"""Pairs worked on at a time."""

Array = np.ndarray
Space = SimpleNamespace
Arrays = Mapping[str, Array]


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
    species, metric, state
        `state` is charge and multiplicity of the training data.
    targets : {name: {"unit": str, "shape": tuple}}
        Properties; empty for an operator.
    operator_settings : dict or None
        ``target`` ("fock", "density"), ``baseline`` that is to be added, ``orthogonal``,
        ``spin_channels``, ``cutoff`` (Angstrom or None), ``shells`` (its AO set).
    sources : list of {"screening": float or None, "species": str or None}
        Which V are wanted: of all nuclei or one species, by 1/r or erfc(sqrt(screening) r)/r.
    shells : {species: list of {"l", "exponents", "coefficients"}}
        The AO set of V: contraction coefficients of normalised primitives.
    checks : dict
        Relative errors of what was checked when the file was written.

    Raises
    ------
    DeployError
        If the file is missing, truncated, damaged, foreign or newer, or its check fails here.
    """

    def __init__(self, path: str | Path, *, check: bool = True) -> None:
        self.path = str(path)
        with h5py.File(io.BytesIO(_verified(path)), "r") as file:
            _require_kind(file, self.path)
            settings = self.settings = json.loads(file["settings"].asstr()[()])
            self.species, self.state = tuple(settings["species"]), tuple(settings["state"])
            self.metric, self.sources = settings["metric"], settings["sources"]
            self.shells, self.checks = settings["shells"], settings["checks"]
            self.operator_settings: dict[str, Any] | None = settings["operator"]
            self.targets = {
                t["name"]: {"unit": t["unit"], "shape": tuple(t["shape"])}
                for t in settings["targets"]
            }
            self._channels = file["channels"][()]
            self._tables, self._sites = (
                [SimpleNamespace(**_read(file[room][s])) for s in self.species if room in file]
                for room in ("species", "sites")
            )
            self._pairs = [SimpleNamespace(**_read(x)) for x in file.get("pairs", {}).values()]
            if check:
                self._self_check(_read(file["check"]))

    def __repr__(self) -> str:
        what = self.targets or [self.settings["operator"]["target"]]
        return f"Predictor({self.path!r}: {', '.join(what)} of {', '.join(self.species)})"

    def n_ao(self, numbers: Sequence[int]) -> int:
        """AOs of V of a structure with these atomic numbers."""
        return sum(_width(self._tables[k]) for k in self._kinds(numbers))

    def predict(self, numbers: Sequence[int], V: Array, S: Array | None = None) -> dict[str, Any]:
        r"""Properties from V.

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
            For a model of an operator; other shapes or species; matrices that are not real,
            finite and symmetric; a V that does not attract as these nuclei do, an S of other atoms.
            The order of components within a shell cannot be seen: compare your V and S of the
            file's own example (docs/format.md, `check`).
        """
        if not self.targets:
            raise DeployError(f"{self.path}: a model of an operator: call operator instead")
        one, metric = self._start(numbers, V, S)
        pieces = zip(self._tables, one.rows, strict=True)
        y = np.sum([self._values(t, one, r, r, metric).sum(axis=0) for t, r in pieces], axis=0)
        ends = np.cumsum([np.prod(t["shape"], dtype=int) for t in self.targets.values()])
        parts = zip(self.targets.items(), np.split(y, ends), strict=False)
        return {n: x.reshape(t["shape"]) if t["shape"] else float(x[0]) for (n, t), x in parts}

    def derivatives(
        self,
        numbers: Sequence[int],
        V: Array,
        S: Array | None = None,
        target: str = "energy",
        component: tuple[int, ...] = (),
    ) -> tuple[Array, Array | None]:
        r"""Derivatives of one component of a property by V and S.

        Returns
        -------
        (n_sources, n_ao, n_ao), and (n_ao, n_ao) or None for metric "ao"
            G_V and G_S, symmetric, ``dy = sum_s tr(G_V_s dV_s) + tr(G_S dS)``; in units of the
            target per Hartree, and of the target. Forces are
            ``-tr(G_V dV/dR) - tr(G_S dS/dR)``.
        """
        weights = self._weights(target, component)
        one, metric = self._start(numbers, V, S)
        by = [np.zeros_like(x) for x in metric.matrices]
        for table, rows in zip(self._tables, one.rows, strict=True):
            _backward(table, one, rows, metric, weights, *by)
        by_V, by_S = metric.backward(*by)
        back = np.argsort(one.order)
        by_S = None if by_S is None else by_S[back[:, None], back]
        return by_V[:, back[:, None], back], by_S

    def operator(
        self,
        numbers: Sequence[int],
        V: Array,
        S: Array | None = None,
        *,
        baseline: Array | float | None = None,
        overlap: Array | None = None,
        positions: Array | None = None,
    ) -> Array:
        r"""A Fock or density matrix from V.

        Parameters
        ----------
        numbers, V, S
            As for `predict`.
        baseline : (n, n) or (spin_channels, n, n) float64
            What the model corrects (`operator_settings`), in the AOs of the operator; 0 for the
            correction alone.
        overlap : (n, n) float64
            Of the AOs of the operator, if the model is ``orthogonal``.
        positions : (n_atoms, 3) float64, Angstrom
            If the model has a cutoff.

        Returns
        -------
        (n, n) float64, or (2, n, n) of open shells
            Hartree, but for densities.

        Raises
        ------
        DeployError
            As `predict`, and for what the model needs and is not given.
        """
        settings = self.operator_settings
        if settings is None:
            raise DeployError(f"{self.path}: a model of properties: call predict instead")
        if baseline is None and settings["baseline"] != "none":
            raise DeployError(f"baseline: the model corrects {settings['baseline']!r}, got None")
        one, metric = self._start(numbers, V, S)
        near = ~np.eye(len(one.kinds), dtype=bool)
        if settings["cutoff"] is not None:
            R = _array("positions", positions, (len(one.kinds), 3))
            near &= np.linalg.norm(R[:, None] - R, axis=2) <= settings["cutoff"]
        shells = (settings["shells"][s] for s in self.species)
        widths = np.asarray([sum(2 * shell["l"] + 1 for shell in own) for own in shells])
        ends = np.cumsum(widths[one.kinds])
        n, first, channels = int(ends[-1]), ends - widths[one.kinds], settings["spin_channels"]
        out = np.zeros((channels, n, n))

        def add(values: Array, i: Array, j: Array) -> None:
            rows, columns = (first[k][:, None] + np.arange(widths[one.kinds[k[0]]]) for k in (i, j))
            values = values.reshape(len(i), channels, rows.shape[1], columns.shape[1])
            out[:, rows[:, :, None], columns[:, None, :]] += values.swapaxes(0, 1)

        for table, rows, atoms in zip(self._tables, one.rows, one.atoms, strict=True):
            if len(atoms):
                add(self._values(table, one, rows, rows, metric), atoms, atoms)
        sites = zip(self._sites, one.rows, strict=False)  # none without products of pairs
        A = [self._values(t, one, r, r, metric) for t, r in sites]
        for table in self._pairs:
            s, t = (self.species.index(x.decode()) for x in (table.first, table.second))
            chosen = np.argwhere(near[one.atoms[s]][:, one.atoms[t]])
            for first_pair in range(0, len(chosen), _PAIRS):
                i, j = chosen[first_pair : first_pair + _PAIRS].T
                more = [A[s][i], A[t][j]] if A else []
                values = self._values(table, one, one.rows[s][i], one.rows[t][j], metric, more)
                add(values, one.atoms[s][i], one.atoms[t][j])
        out += out.swapaxes(1, 2)
        if settings["orthogonal"]:
            inverse_root, root, *_ = _roots(_matrix("overlap", overlap, (n, n)))
            T = root if settings["target"] == "fock" else inverse_root
            out = _symmetric(T @ out @ T)
        if baseline is not None and not (np.isscalar(baseline) and baseline == 0):
            shape = (n, n) if np.ndim(baseline) == 2 else out.shape
            out = out + _matrix("baseline", baseline, shape)
        return out if channels > 1 else out[0]

    # -- the structure ---------------------------------------------------------------------

    def _kinds(self, numbers: Sequence[int]) -> Array:
        known = {int(table.number): k for k, table in enumerate(self._tables)}
        z = list(np.atleast_1d(np.asarray(numbers, dtype=object)))
        if not z:
            raise DeployError("numbers: expected at least one atom, got none")
        for atom, x in enumerate(z):
            if not isinstance(x, int | float | np.number) or x not in known:
                expected = ", ".join(f"{n} ({s})" for n, s in zip(known, self.species, strict=True))
                raise DeployError(f"atom {atom}: atomic number {x!r}; this model knows {expected}")
        return np.asarray([known[int(x)] for x in z])

    def _structure(self, numbers: Sequence[int]) -> Space:
        """Channel order of the AOs, the slice of each channel, rows of each species' atoms."""
        kinds = self._kinds(numbers)
        widths = np.asarray([_width(table) for table in self._tables])
        first_ao = np.cumsum(widths[kinds]) - widths[kinds]
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
        return SimpleNamespace(
            kinds=kinds,
            order=np.concatenate(order),
            channel=[slice(starts[a], starts[b]) for a, b in self._channels],
            rows=rows,
            atoms=[np.flatnonzero(kinds == k) for k in range(len(widths))],
        )

    def _start(self, numbers: Sequence[int], V: Array, S: Array | None) -> tuple[Space, _Metric]:
        one = self._structure(numbers)
        n, q = len(one.order), one.order
        V = _matrix("V", V, (len(self.sources), n, n))[:, q[:, None], q]
        S = None if S is None and self.metric == "ao" else _matrix("S", S, (n, n))[q[:, None], q]
        charge = float(np.sum(numbers))
        bare = np.reshape([x["screening"] is None for x in self.sources], (-1, 1, 1))
        for table, rows, atoms in zip(self._tables, one.rows, one.atoms, strict=True):
            own, got = table.attraction[:, None], V[:, rows, rows]
            low = (1 + 2 * (charge / table.number - 1)) * own
            bad = np.argwhere((got > _OWN * own + _TINY) | ((got < low) & bare & (own < 0)))
            if len(bad):
                z, k, x = bad[0]
                said = f"{got[z, k, x]:.3g}, expected {low[z, 0, x]:.3g} to {own[z, 0, x]:.3g}"
                raise DeployError(f"V: atom {atoms[k]}: on the diagonal {said}: {_AOS}")
            of_atoms = table.overlap if S is None else S[rows[:, :, None], rows[:, None, :]]
            bad = np.argwhere(np.abs(of_atoms - table.overlap) > _SAME_AOS)
            if len(bad):
                raise DeployError(f"S: atom {atoms[bad[0][0]]} has not the model's AOs: {_AOS}")
        return one, _Metric(self.metric, V, None if self.metric == "ao" else S)

    def _weights(self, target: str, component: tuple[int, ...]) -> Array:
        """1 for that component among all numbers, 0 for the others."""
        if target not in self.targets:
            known = list(self.targets) or "none, as of an operator"
            raise DeployError(f"target: expected one of {known}, got {target!r}")
        parts = [np.zeros(t["shape"]) for t in self.targets.values()]
        chosen = parts[list(self.targets).index(target)]
        if np.ndim(component) != 1 or component not in np.ndindex(chosen.shape):
            raise DeployError(f"component: expected an index of {chosen.shape}, got {component!r}")
        chosen[tuple(map(int, component))] = 1.0
        return np.concatenate([x.ravel() for x in parts])

    # -- the work --------------------------------------------------------------------------

    @staticmethod
    def _values(
        table: Space, one: Space, i: Array, j: Array, metric: _Metric, more: Sequence[Array] = ()
    ) -> Array:
        """Numbers of atoms or pairs with AOs i and j, (n, n_out); `more` are further factors."""
        n = len(i)
        y = np.tile(table.constants, (n, 1))
        blocks = metric.matrices[0][:, i[:, :, None], j[:, None, :]]
        left = _groups(table, one, i, metric)
        right = left if i is j else _groups(table, one, j, metric)
        if hasattr(table, "local"):
            y += np.einsum("ozxy,zixy->io", table.local, blocks)
        for cut in getattr(table, "cuts", {}).values():
            heads, tails, _ = _halves(cut, one, left, right)
            W = (heads @ tails.swapaxes(1, 2)).reshape(n, heads.shape[1] * tails.shape[1])
            y += W @ cut["table"].reshape(y.shape[1], -1).T
        if hasattr(table, "factors"):
            A = _couplings(table.factors, one, blocks, left, right)[0]
            A = np.concatenate([A, *more, np.ones((n, 1))], axis=1)
            y += _monomials(A, table.factors["index"]) @ table.factors["coefficient"].T
        return y

    def _self_check(self, known: Arrays) -> None:
        """Compare with what the file says that its own input gives."""
        numbers, V, S = known["numbers"].tolist(), known["V"], known.get("S")
        if self.operator_settings is not None:
            more = {name: known.get(name) for name in ("overlap", "positions")}
            found = {"values": self.operator(numbers, V, S, baseline=0, **more).ravel()}
        else:
            values = self.predict(numbers, V, S)
            found = {"values": np.concatenate([np.ravel(x) for x in values.values()])}
            name = next(iter(self.targets))
            by = self.derivatives(numbers, V, S, name, (0,) * len(self.targets[name]["shape"]))
            found |= {k: x for k, x in zip(("by_V", "by_S"), by, strict=True) if x is not None}
        for what, value in found.items():
            error, size = np.abs(value - known[what]).max(), np.abs(known[what]).max()
            if not error <= _CHECK * size:
                said = f"differences up to {error:.1e} of values up to {size:.1e}"
                raise DeployError(f"{self.path}: the self-check of {what} fails here: {said}")


class _Metric:
    r"""What is multiplied, and the way back.

    With ``X = S^-1/2``, K, E and M are V, V and V ("ao"), V, V X and X V X ("overlap"), or three
    times X V X ("lowdin").
    """

    def __init__(self, metric: str, V: Array, S: Array | None) -> None:
        self.metric, self.V, self.matrices = metric, V, (V, V, V)
        if S is not None:
            X, _, self.s, self.U = _roots(S)
            XVX = _symmetric(X @ V @ X)
            self.X, self.matrices = X, (V, V @ X, XVX) if metric == "overlap" else 3 * (XVX,)

    def backward(self, by_K: Array, by_E: Array, by_M: Array) -> tuple[Array, Array | None]:
        r"""Derivatives by V and S from those by K, E and M.

        ``dX`` of ``dS`` is, between eigenvectors of S,
        ``-dS_ab / (sqrt(s_a s_b) (sqrt s_a + sqrt s_b))``, and ``dy = tr(by_X dX)`` with
        ``by_X = sum_z [V by_E + V X M' + M' X V]``, M' the symmetric part of what stands by X V X.
        """
        if self.metric == "ao":
            return _symmetric(by_K + by_E + by_M), None
        V, X, U, root = self.V, self.X, self.U, np.sqrt(self.s)
        by_X = np.zeros_like(X)
        if self.metric == "overlap":
            middle = _symmetric(by_M)
            by_V = _symmetric(by_K + by_E @ X + X @ middle @ X)
            by_X += (V @ by_E).sum(axis=0)
        else:
            middle = _symmetric(by_K + by_E + by_M)
            by_V = X @ middle @ X
        half = (V @ X @ middle).sum(axis=0)
        divided = -1 / (np.outer(root, root) * (root[:, None] + root))
        return by_V, U @ ((U.T @ _symmetric(by_X + half + half.T) @ U) * divided) @ U.T


def _backward(
    table: Space,
    one: Space,
    rows: Array,
    metric: _Metric,
    weights: Array,
    by_K: Array,
    by_E: Array,
    by_M: Array,
) -> None:
    """Add derivatives of ``weights . y`` of all atoms of a species by K, E and M."""
    M = metric.matrices[2]
    blocks = metric.matrices[0][:, rows[:, :, None], rows[:, None, :]]
    by_blocks = np.tensordot(weights, table.local, 1)[:, None] + np.zeros_like(blocks)
    groups = _groups(table, one, rows, metric)
    by_groups = np.zeros_like(groups)
    for cut in table.cuts.values():
        heads, tails, inner = _halves(cut, one, groups, groups)
        D = np.tensordot(weights, cut["table"], 1)
        for to, by in ((cut["heads"], D @ tails), (cut["tails"], D.T @ heads)):
            by = by.reshape(len(rows), len(to), rows.shape[1], by.shape[-1]).swapaxes(0, 1)
            by_groups[to, :, :, inner] += by
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


def _groups(table: Space, one: Space, rows: Array, metric: _Metric) -> Array:
    """Half words, (n_groups, n, width, n_ao)."""
    _, E, M = metric.matrices
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


def _halves(cut: Arrays, one: Space, left: Array, right: Array) -> tuple[Array, Array, slice]:
    """Heads and tails in the channel of a cut, (n, n_heads width, n_inner), and the channel."""
    inner = one.channel[int(cut["channel"])]
    chosen = left[cut["heads"]][..., inner], right[cut["tails"]][..., inner]
    heads, tails = (
        x.swapaxes(0, 1).reshape(x.shape[1], x.shape[0] * x.shape[2], x.shape[3]) for x in chosen
    )
    return heads, tails, inner


def _couplings(
    factors: Arrays, one: Space, blocks: Array, left: Array, right: Array
) -> tuple[Array, Array]:
    """Couplings of words, (n, n_couplings), and the words."""
    W = np.empty((len(factors["channel"]), *blocks.shape[1:]))
    for w, c, h, t in _factor_words(factors):
        own = slice(None) if h < 0 else one.channel[c]  # without groups c is a source
        W[w] = blocks[c] if h < 0 else left[h][..., own] @ right[t][..., own].swapaxes(1, 2)
    entries = W[factors["word"], :, factors["x"], factors["y"]] * factors["value"][:, None]
    A = np.zeros((int(factors["n_couplings"]), blocks.shape[1]))
    np.add.at(A, factors["element"], entries)
    return A.T, W


def _monomials(A: Array, index: Array) -> Array:
    """Products of columns of A, (n, n_monomials)."""
    out = A[:, index[:, 0]]
    for chosen in index.T[1:]:
        out *= A[:, chosen]
    return out


def _factors_backward(
    factors: Arrays,
    one: Space,
    blocks: Array,
    groups: Array,
    weights: Array,
    by_blocks: Array,
    by_groups: Array,
) -> None:
    """Add derivatives through the polynomial to those by blocks and groups."""
    A, W = _couplings(factors, one, blocks, groups, groups)
    A = np.concatenate([A, np.ones((len(A), 1))], axis=1)
    index, value = factors["index"], weights @ factors["coefficient"]
    by_A = np.zeros_like(A)
    for s in range(index.shape[1]):
        others = _monomials(A, np.delete(index, s, axis=1))
        np.add.at(by_A.T, index[:, s], (value * others).T)
    by_W = np.zeros_like(W)
    entries = by_A[:, factors["element"]].T * factors["value"][:, None]
    np.add.at(by_W.transpose(0, 2, 3, 1), (factors["word"], factors["x"], factors["y"]), entries)
    for w, c, h, t in _factor_words(factors):
        if h < 0:
            by_blocks[c] += by_W[w]
        else:
            inner = one.channel[c]
            by_groups[h][..., inner] += by_W[w] @ groups[t][..., inner]
            by_groups[t][..., inner] += by_W[w].swapaxes(1, 2) @ groups[h][..., inner]


def _factor_words(factors: Arrays) -> Iterator[tuple[int, int, int, int]]:
    """Number, channel (source if there are no groups), head and tail of each word."""
    columns = (factors[name].tolist() for name in ("channel", "head", "tail"))
    return ((w, *row) for w, row in enumerate(zip(*columns, strict=True)))


def _width(table: Space) -> int:
    """AOs of V of one atom."""
    return int((2 * table.shell_l + 1).sum())


def _roots(S: Array) -> tuple[Array, Array, Array, Array]:
    """``S^-1/2``, ``S^1/2``, eigenvalues and eigenvectors."""
    s, U = np.linalg.eigh(S)
    if s[0] < _SMALLEST:
        raise DeployError(f"S: expected eigenvalues above {_SMALLEST:.0e}, got {s[0]:.1e}")
    return (U / np.sqrt(s)) @ U.T, (U * np.sqrt(s)) @ U.T, s, U


def _symmetric(A: Array) -> Array:
    return 0.5 * (A + np.swapaxes(A, -1, -2))


def _array(name: str, values: Any, shape: tuple[int, ...]) -> Array:
    """Real finite numbers of that shape as float64, or `DeployError`."""
    try:
        found = np.asarray(values)
    except ValueError as error:  # rows of different length
        raise DeployError(f"{name}: expected numbers of shape {shape}, got {error}") from error
    found = found[None] if (1, *found.shape) == shape else found
    if found.dtype.kind not in "iuf" or found.shape != shape:
        got = "None" if values is None else f"{found.dtype} of {found.shape}"
        raise DeployError(f"{name}: expected real numbers of shape {shape}, got {got}")
    if not np.isfinite(found).all():
        place = np.argwhere(~np.isfinite(found))[0].tolist()
        raise DeployError(f"{name}: expected finite numbers, got {found[*place]} at {place}")
    return found.astype(float)


def _matrix(name: str, values: Any, shape: tuple[int, ...]) -> Array:
    """The same for symmetric matrices, made exactly so."""
    found = _array(name, values, shape)
    off = np.abs(found - found.swapaxes(-1, -2)).max()
    if off > _SYMMETRIC * max(np.abs(found).max(), 1.0):
        raise DeployError(f"{name}: expected a symmetric matrix, got differences up to {off:.1e}")
    return _symmetric(found)


def _read(group: h5py.Group) -> dict[str, Any]:
    """Arrays and groups of them by name."""
    return {n: _read(x) if isinstance(x, h5py.Group) else x[()] for n, x in group.items()}


def _verified(path: str | Path) -> bytes:
    """The bytes of a file whose seal is right: size and SHA-256 of all but the first 512."""
    try:
        data = Path(path).read_bytes()
    except (OSError, TypeError) as error:
        said = getattr(error, "strerror", None) or error
        raise DeployError(f"{path}: cannot be read: {said}") from error
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
    if schema != SCHEMA:
        by = f"schema {schema}, written by linvop {file.attrs.get('linvop')}"
        raise DeployError(f"{path}: {by}; this reader knows {SCHEMA}: export again, or update it")
