r"""A basis as flat arrays: what the kernels, and later the exported file, read.

Every word ``V^(z1) P_c1 V^(z2) ... P_c(kappa-1) V^(z_kappa)`` is cut in the middle, at the
channel c of index m = ceil(kappa / 2) (m = 1 for kappa = 2 and so on):

.. math:: W_{ii} = G^{(z_1 c_1 \cdots z_m)}_{i,c}\; \bigl[G^{(z_\kappa c_{\kappa-1}
          \cdots z_{m+1})}_{i,c}\bigr]^T,

where a *group* ``G^(z1 c1 .. zm)`` holds the rows of the site's atoms of
``V^(z1) P_c1 ... V^(zm)`` for all AOs at once. Groups are few (1 + number of channels for
kappa = 3) and made by matrix products, each from its parent; words are many and cost one
short inner product for each entry of their block.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from linvop.angular.tables import sparse_coupling
from linvop.basis.enumeration import Irrep, SiteEnumeration

__all__ = ["Rows", "SitePlan", "site_plan"]


@dataclass(frozen=True)
class Rows:
    r"""Layout of a row of results: irrep by irrep, (2 lam + 1, n_columns).

    Attributes
    ----------
    irreps : tuple of (lam, sigma)
    n_columns : tuple of int
        Columns of each irrep.
    """

    irreps: tuple[Irrep, ...]
    n_columns: tuple[int, ...]

    @property
    def row_size(self) -> int:
        """Numbers in one row of results."""
        sizes = zip(self.irreps, self.n_columns, strict=True)
        return sum((2 * lam + 1) * n for (lam, _), n in sizes)

    def split(self, rows: np.ndarray) -> dict[Irrep, np.ndarray]:
        """Views of ``rows`` (n, row_size) as {irrep: (n, 2 lam + 1, n_columns)}."""
        views, start = {}, 0
        for (lam, sigma), n in zip(self.irreps, self.n_columns, strict=True):
            stop = start + (2 * lam + 1) * n
            views[lam, sigma] = rows[:, start:stop].reshape(len(rows), 2 * lam + 1, n)
            start = stop
        return views


@dataclass(frozen=True)
class SitePlan(Rows):
    r"""Site features of one centre species, for some irreps, as arrays.

    Sources count ``family * n_source_names + z``. Shells count within the centre species.

    Attributes
    ----------
    shell_l : (n_shells,)
        Angular momentum of each shell of the centre.
    group_parent, group_channel, group_source : (n_groups,)
        G = V[source][rows] where parent is -1, else G[parent] P_channel V[source].
    word_head, word_tail : (n_words,)
        Groups on either side of the cut; both -1 for kappa = 1.
    word_channel : (n_words,)
        The channel of the cut; for kappa = 1 the source.
    word_blocks : (n_words + 1,)
        Blocks of word w are ``word_blocks[w] : word_blocks[w + 1]``.
    block_a, block_b : (n_blocks,)
        Outer shells.
    block_outputs : (n_blocks + 1,)
        Outputs of a block.
    output_offset, output_stride : (n_outputs,)
        Component mu of an output is element ``offset + mu * stride`` of a row of results.
    output_first, output_last : (n_outputs,)
        Range of the coupling's non-zeros in the arrays below.
    coupling_m1, coupling_m2, coupling_mu, coupling_value : (n_nonzeros,)
        Sparse real Clebsch-Gordan coefficients.
    path_sources : (n_words, kappa) int, padded with -1
    path_channels : (n_words, kappa - 1) int, padded with -1
        The words spelled out, for the reference.
    """

    shell_l: np.ndarray
    group_parent: np.ndarray
    group_channel: np.ndarray
    group_source: np.ndarray
    word_head: np.ndarray
    word_tail: np.ndarray
    word_channel: np.ndarray
    word_blocks: np.ndarray
    block_a: np.ndarray
    block_b: np.ndarray
    block_outputs: np.ndarray
    output_offset: np.ndarray
    output_stride: np.ndarray
    output_first: np.ndarray
    output_last: np.ndarray
    coupling_m1: np.ndarray
    coupling_m2: np.ndarray
    coupling_mu: np.ndarray
    coupling_value: np.ndarray
    path_sources: np.ndarray
    path_channels: np.ndarray


class _Groups:
    """The tree of half words, each once."""

    def __init__(self) -> None:
        self.index: dict[tuple, int] = {}
        self.rows: list[tuple[int, int, int]] = []

    def add(self, sources: tuple[int, ...], channels: tuple[int, ...]) -> int:
        """Group ``V^(z1) P_c1 ... P_c(m-1) V^(zm)``; parents come first."""
        key = (sources, channels)
        if key not in self.index:
            if channels:
                parent = self.add(sources[:-1], channels[:-1])
                row = (parent, channels[-1], sources[-1])
            else:
                row = (-1, -1, sources[0])
            self.index[key] = len(self.rows)
            self.rows.append(row)
        return self.index[key]


class _Couplings:
    """Concatenated sparse couplings, each once."""

    def __init__(self) -> None:
        self.ranges: dict[tuple[int, int, int], tuple[int, int]] = {}
        self.parts: list[tuple[np.ndarray, ...]] = []
        self.size = 0

    def add(self, l1: int, l2: int, lam: int) -> tuple[int, int]:
        key = (l1, l2, lam)
        if key not in self.ranges:
            part = sparse_coupling(l1, l2, lam)
            self.parts.append(part)
            self.ranges[key] = (self.size, self.size + len(part[0]))
            self.size += len(part[0])
        return self.ranges[key]

    def arrays(self) -> list[np.ndarray]:
        if not self.parts:
            return [np.zeros(0, np.int64)] * 3 + [np.zeros(0)]
        return [np.concatenate(column) for column in zip(*self.parts, strict=True)]


def site_plan(
    enumeration: SiteEnumeration, species: str, irreps: Sequence[Irrep], target: str
) -> SitePlan:
    r"""Lay out the site features of one centre species.

    Parameters
    ----------
    enumeration : SiteEnumeration
    species : str
        Of the centre.
    irreps : sequence of (lam, sigma)
        Which irreps are wanted; several share the work.
    target : {"site", "structure"}
    """
    shells = enumeration.shells[species]
    words, n_columns = _words(enumeration, species, irreps, target)
    # Words that share the cut's channel and tail stand together: their data stays in cache.
    paths = sorted(words, key=lambda p: (len(p[0]), p[1][::-1], p[0]))
    groups, couplings = _Groups(), _Couplings()
    cuts = _table([_cut(groups, *path) for path in paths], 3)
    blocks = [(block, rows) for path in paths for block, rows in words[path].items()]
    outputs = _table(
        [
            (offset, stride, *couplings.add(shells[a].l, shells[b].l, lam))
            for (a, b), rows in blocks
            for offset, stride, lam in rows
        ],
        4,
    )
    half_words, shell_pairs = _table(groups.rows, 3), _table([block for block, _ in blocks], 2)
    m1, m2, mu, value = couplings.arrays()
    kappa = max((len(sources) for sources, _ in paths), default=1)
    return SitePlan(
        shell_l=np.asarray([shell.l for shell in shells], np.int64),
        group_parent=half_words[0],
        group_channel=half_words[1],
        group_source=half_words[2],
        word_head=cuts[0],
        word_tail=cuts[1],
        word_channel=cuts[2],
        word_blocks=_offsets([len(words[path]) for path in paths]),
        block_a=shell_pairs[0],
        block_b=shell_pairs[1],
        block_outputs=_offsets([len(rows) for _, rows in blocks]),
        output_offset=outputs[0],
        output_stride=outputs[1],
        output_first=outputs[2],
        output_last=outputs[3],
        coupling_m1=m1,
        coupling_m2=m2,
        coupling_mu=mu,
        coupling_value=value,
        path_sources=_padded([sources for sources, _ in paths], kappa),
        path_channels=_padded([channels for _, channels in paths], kappa - 1),
        irreps=tuple((int(lam), int(sigma)) for lam, sigma in irreps),
        n_columns=n_columns,
    )


_Path = tuple[tuple[int, ...], tuple[int, ...]]
_Outputs = list[tuple[int, int, int]]


def _words(
    enumeration: SiteEnumeration, species: str, irreps: Sequence[Irrep], target: str
) -> tuple[dict[_Path, dict[tuple[int, int], _Outputs]], tuple[int, ...]]:
    """``{(sources, channels): {(a, b): [(offset, stride, lam)]}}`` and columns of each irrep."""
    n_names = len(enumeration.source_names)
    words: dict[_Path, dict[tuple[int, int], _Outputs]] = {}
    n_columns, start = [], 0
    for lam, sigma in irreps:
        columns = enumeration.columns(species, (lam, sigma), target)
        for column, (family, sources, channels, a, b) in enumerate(columns):
            path = (tuple(family * n_names + z for z in sources), channels)
            outputs = words.setdefault(path, {}).setdefault((a, b), [])
            outputs.append((start + column, len(columns), lam))
        n_columns.append(len(columns))
        start += (2 * lam + 1) * len(columns)
    return words, tuple(n_columns)


def _table(rows: Sequence[tuple[int, ...]], width: int) -> np.ndarray:
    """Rows of integers as (width, n_rows), each column adjacent in memory."""
    return np.ascontiguousarray(np.asarray(rows, np.int64).reshape(-1, width).T)


def _offsets(counts: Sequence[int]) -> np.ndarray:
    return np.concatenate([[0], np.cumsum(counts)]).astype(np.int64)


def _padded(rows: Sequence[tuple[int, ...]], width: int) -> np.ndarray:
    padded = [row + (-1,) * (width - len(row)) for row in rows]
    return np.asarray(padded, np.int64).reshape(len(rows), width)


def _cut(
    groups: _Groups, sources: tuple[int, ...], channels: tuple[int, ...]
) -> tuple[int, int, int]:
    """Head group, tail group and the channel between them."""
    if not channels:
        return -1, -1, sources[0]
    m = (len(sources) + 1) // 2
    head = groups.add(sources[:m], channels[: m - 1])
    tail = groups.add(sources[: m - 1 : -1], channels[: m - 1 : -1])
    return head, tail, channels[m - 1]
