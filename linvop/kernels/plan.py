r"""A basis as flat arrays: what the kernels, and later the exported file, read.

Every word ``V^(z1) P_c1 V^(z2) ... P_c(kappa-1) V^(z_kappa)`` is cut in the middle, at the
channel c of index m = ceil(kappa / 2) (m = 1 for kappa = 2 and so on):

.. math:: W_{ii} = G^{(z_1 c_1 \cdots z_m)}_{i,c}\; \bigl[G^{(z_\kappa c_{\kappa-1}
          \cdots z_{m+1})}_{i,c}\bigr]^T,

where a *group* ``G^(z1 c1 .. zm)`` holds the rows of the site's atoms of
``V^(z1) P_c1 ... V^(zm)`` for all AOs at once. Groups are few (1 + number of channels for
kappa = 3) and made by matrix products, each from its parent; words are many and cost one
short inner product for each entry of their block. Blocks of two atoms, W_ij, have the head of i
and the tail of j.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from linvop.basis.enumeration import SiteEnumeration
from linvop.basis.pair_factors import PairFactors, Word
from linvop.basis.words import Irrep
from linvop.kernels.plan_parts import Atom, Couplings, HalfWords, Rows, offsets, padded, table
from linvop.kernels.tiles import Tiles, tiles

__all__ = ["WordPlan", "pair_word_plan", "site_plan"]


@dataclass(frozen=True)
class WordPlan(Rows):
    r"""Words of one centre species, or between two species, for some irreps, as arrays.

    Sources count ``family * n_source_names + z``. Shells count within their species.

    Attributes
    ----------
    shell_l, shell_l_j : (n_shells,)
        Angular momentum of each shell of i and of j; on site they are the same.
    group_parent, group_channel, group_source : (n_groups,)
        G = V[source][rows] where parent is -1, else G[parent] P_channel V[source].
    word_head, word_tail : (n_words,)
        Groups on either side of the cut; both -1 for kappa = 1.
    word_channel : (n_words,)
        The channel of the cut; for kappa = 1 the source.
    word_blocks : (n_words + 1,)
        Blocks of word w are ``word_blocks[w] : word_blocks[w + 1]``.
    block_a, block_b : (n_blocks,)
        Outer shells, of i and j.
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
    tiles : Tiles
        The words in the order of storage, for the compiled kernels.
    """

    shell_l: np.ndarray
    shell_l_j: np.ndarray
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
    tiles: Tiles

    @property
    def arrays(self) -> tuple[np.ndarray, ...]:
        """What the kernels read that go word by word, in their order."""
        return (
            self.shell_l,
            self.word_head,
            self.word_tail,
            self.word_channel,
            self.word_blocks,
            self.block_a,
            self.block_b,
            self.block_outputs,
            self.output_offset,
            self.output_stride,
            self.output_first,
            self.output_last,
            *self.coupling_arrays,
        )

    @cached_property
    def atoms(self) -> tuple[Atom, Atom]:
        """The AOs of i and of j."""
        return Atom.of(self.shell_l), Atom.of(self.shell_l_j)

    @cached_property
    def group_rows(self) -> list[tuple[int, int, int]]:
        """Parent, channel and source of each group."""
        columns = (self.group_parent, self.group_channel, self.group_source)
        return list(zip(*(x.tolist() for x in columns), strict=True))

    @property
    def coupling_arrays(self) -> tuple[np.ndarray, ...]:
        """The non-zeros of the couplings, in the order of the kernels."""
        return self.coupling_m1, self.coupling_m2, self.coupling_mu, self.coupling_value


def site_plan(
    enumeration: SiteEnumeration, species: str, irreps: Sequence[Irrep], target: str
) -> WordPlan:
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
    columns = [enumeration.columns(species, irrep, target) for irrep in irreps]
    return _plan(enumeration, (species, species), irreps, columns)


def pair_word_plan(factors: PairFactors, s1: str, s2: str) -> WordPlan:
    r"""Lay out all words between two species, irreps in the order of ``factors.word_irreps``."""
    irreps = factors.word_irreps(s1, s2)
    columns = [factors.words(s1, s2, irrep) for irrep in irreps]
    return _plan(factors.site, (s1, s2), irreps, columns)


def _plan(
    enumeration: SiteEnumeration,
    species: tuple[str, str],
    irreps: Sequence[Irrep],
    columns: Sequence[Sequence[Word]],
) -> WordPlan:
    first, second = (enumeration.shells[s] for s in species)
    words = _words(len(enumeration.source_names), irreps, columns)
    # Words that share the cut's channel and tail stand together: their data stays in cache.
    paths = sorted(words, key=lambda p: (len(p[0]), p[1][::-1], p[0]))
    groups, couplings = HalfWords(), Couplings()
    cuts = table([_cut(groups, *path) for path in paths], 3)
    blocks = [(block, rows) for path in paths for block, rows in words[path].items()]
    outputs = table(
        [
            (offset, stride, *couplings.add(first[a].l, second[b].l, lam))
            for (a, b), rows in blocks
            for offset, stride, lam in rows
        ],
        4,
    )
    half_words, shell_pairs = table(groups.rows, 3), table([block for block, _ in blocks], 2)
    m1, m2, mu, value = couplings.arrays()
    kappa = max((len(sources) for sources, _ in paths), default=1)
    word_blocks = offsets([len(words[path]) for path in paths])
    block_outputs = offsets([len(rows) for _, rows in blocks])
    widths = [np.asarray([2 * shell.l + 1 for shell in x], np.int64) for x in (first, second)]
    word_of = np.repeat(np.arange(len(paths)), np.diff(word_blocks))
    block_of = np.repeat(np.arange(len(blocks)), np.diff(block_outputs))
    laid_out = tiles(
        _in_storage(paths, len(enumeration.source_names)),
        cuts,
        (widths[0], widths[1]),
        np.stack([word_of, *shell_pairs]),
        np.stack([block_of, *outputs]),
        (m1, m2),
    )
    return WordPlan(
        shell_l=np.asarray([shell.l for shell in first], np.int64),
        shell_l_j=np.asarray([shell.l for shell in second], np.int64),
        group_parent=half_words[0],
        group_channel=half_words[1],
        group_source=half_words[2],
        word_head=cuts[0],
        word_tail=cuts[1],
        word_channel=cuts[2],
        word_blocks=word_blocks,
        block_a=shell_pairs[0],
        block_b=shell_pairs[1],
        block_outputs=block_outputs,
        output_offset=outputs[0],
        output_stride=outputs[1],
        output_first=outputs[2],
        output_last=outputs[3],
        coupling_m1=m1,
        coupling_m2=m2,
        coupling_mu=mu,
        coupling_value=value,
        path_sources=padded([sources for sources, _ in paths], kappa),
        path_channels=padded([channels for _, channels in paths], kappa - 1),
        tiles=laid_out,
        irreps=tuple((int(lam), int(sigma)) for lam, sigma in irreps),
        n_columns=tuple(len(c) for c in columns),
    )


_Path = tuple[tuple[int, ...], tuple[int, ...]]
_Outputs = list[tuple[int, int, int]]


def _words(
    n_names: int, irreps: Sequence[Irrep], columns: Sequence[Sequence[Word]]
) -> dict[_Path, dict[tuple[int, int], _Outputs]]:
    """``{(sources, channels): {(a, b): [(offset, stride, lam)]}}``."""
    words: dict[_Path, dict[tuple[int, int], _Outputs]] = {}
    start = 0
    for (lam, _), those in zip(irreps, columns, strict=True):
        for column, (family, sources, channels, a, b) in enumerate(those):
            path = (tuple(family * n_names + z for z in sources), channels)
            outputs = words.setdefault(path, {}).setdefault((a, b), [])
            outputs.append((start + column, len(those), lam))
        start += (2 * lam + 1) * len(those)
    return words


def _in_storage(paths: Sequence[_Path], n_names: int) -> list[int]:
    """Numbers of the paths in the order of columns: family, kappa, channels, sources."""

    def place(w: int) -> tuple:
        sources, channels = paths[w]
        return sources[0] // n_names, len(sources), channels, sources

    return sorted(range(len(paths)), key=place)


def _cut(
    groups: HalfWords, sources: tuple[int, ...], channels: tuple[int, ...]
) -> tuple[int, int, int]:
    """Head group, tail group and the channel between them."""
    if not channels:
        return -1, -1, sources[0]
    m = (len(sources) + 1) // 2
    head = groups.add(sources[:m], channels[: m - 1])
    tail = groups.add(sources[: m - 1 : -1], channels[: m - 1 : -1])
    return head, tail, channels[m - 1]
