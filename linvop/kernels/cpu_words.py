r"""Words on the CPU, on site and between two atoms: BLAS for the groups, Numba for the words.

Work goes as `linvop.kernels.tiles` lays it out. The entries of a word are inner products, over the
channel of the cut, of rows of its head with rows of its tail. They are short, so that a tile of
them is found at once, a variable each; tails are transposed for it, rows last in memory. Words
of a group without AOs (a channel of a species that the structure lacks) are zero and not read.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from linvop.compiled import njit
from linvop.kernels.plan import WordPlan
from linvop.kernels.plan_parts import Atom
from linvop.kernels.tiles import TILE

__all__ = ["Halves", "add", "couple_words", "groups_of", "halves_of"]


@dataclass(frozen=True)
class Halves:
    r"""Half words of all atoms of one species.

    Attributes
    ----------
    aos : (n_sites, width) int64
        AOs of each atom.
    groups : (n_groups, n_sites, width, n_ao) float64
        Rows of the half words.
    empty : (n_groups,) bool
        Whether one of its channels has no AOs, so that a group is zero.
    """

    aos: np.ndarray
    groups: np.ndarray
    empty: np.ndarray

    def transposed(self, tails: np.ndarray) -> np.ndarray:
        r"""Some groups, rows last and room for whole tiles, (n_tails, n_sites, n_ao, > width)."""
        rows = self.groups[tails].swapaxes(2, 3)
        out = np.zeros((*rows.shape[:3], rows.shape[3] + TILE - 1))
        out[..., : rows.shape[3]] = rows
        return out


def halves_of(
    plan: WordPlan,
    first: np.ndarray,
    middle: np.ndarray,
    channel_start: np.ndarray,
    atom: Atom,
    shell_start: np.ndarray,
) -> Halves:
    r"""All half words of a plan and one species.

    Parameters
    ----------
    plan, first, middle, channel_start
        As for `linvop.kernels.reference.site_rows`.
    atom : Atom
        AOs of an atom of the species.
    shell_start : (n_shells + 1,) int64
        First AO of each shell of the species.
    """
    aos = atom.aos(shell_start)
    groups, empty = groups_of(plan, first, middle, channel_start, aos.ravel())
    shape = len(groups), *aos.shape, first.shape[-1]
    return Halves(aos, groups.reshape(shape), empty)


def groups_of(
    plan: WordPlan,
    first: np.ndarray,
    middle: np.ndarray,
    channel_start: np.ndarray,
    aos: np.ndarray,
) -> tuple[np.ndarray, np.ndarray]:
    r"""All groups, (n_groups, n_rows, n_ao), their rows being `aos`, and which are empty."""
    rows = plan.group_rows
    groups = np.empty((len(rows), len(aos), first.shape[-1]))
    empty = np.zeros(len(rows), bool)
    starts = channel_start.tolist()
    for g, (parent, channel, source) in enumerate(rows):
        if parent < 0:
            groups[g] = first[source][aos]
            continue
        lo, hi = starts[channel], starts[channel + 1]
        if lo == hi or empty[parent]:
            groups[g] = 0.0
            empty[g] = True
        else:
            np.matmul(groups[parent, :, lo:hi], middle[source, lo:hi], out=groups[g])
    return groups, empty


def couple_words(
    plan: WordPlan,
    local: np.ndarray,
    channel_start: np.ndarray,
    halves: tuple[Halves, Halves],
    sites: tuple[np.ndarray, np.ndarray],
    row_start: np.ndarray,
    out: np.ndarray,
) -> None:
    r"""Add irreps of all words to rows of results.

    Parameters
    ----------
    plan : WordPlan
    local : (n_sources, n_ao, n_ao) float64
    channel_start : (n_channels + 1,) int64
    halves : two of Halves
        Of the species of i and of j.
    sites : two of (n_pairs,) int64
        i and j of each pair, the same on site, counted within their species.
    row_start : (n_rows + 1,) int64
        Pairs ``row_start[r] : row_start[r + 1]`` are added up in row r.
    out : (n_rows, plan.row_size) float64
    """
    those = plan.tiles
    heads, tails = halves
    _words(
        *those.arrays,
        *plan.coupling_arrays,
        local,
        channel_start,
        heads.groups,
        heads.empty,
        heads.aos,
        tails.transposed(those.tails),
        tails.empty[those.tails],
        tails.aos,
        *sites,
        row_start,
        out,
    )


@njit(nogil=True, fastmath={"contract"}, inline="always")
def add(a, factor, b):  # pragma: no cover - compiled
    """``a += factor * b``, vectorised, which it would not be with indices that start elsewhere."""
    for k in range(len(a)):
        a[k] += factor * b[k]


@njit(nogil=True, fastmath={"contract"}, inline="always")
def _whole_tile(w, head, tail):  # pragma: no cover - compiled
    """``w + head @ tail``."""
    w0, w1, w2, w3 = w
    for k in range(len(head)):
        w0 += head[k] * tail[k, 0]
        w1 += head[k] * tail[k, 1]
        w2 += head[k] * tail[k, 2]
        w3 += head[k] * tail[k, 3]
    return w0, w1, w2, w3


# Without "reassoc": inner products are short, and vectorised along themselves would be slower.
@njit(nogil=True, fastmath={"contract"})
def _words(
    word,
    batch,
    pattern,
    tile,
    row_entry,
    n_entries,
    run,
    coupling_m1,
    coupling_m2,
    coupling_mu,
    coupling_value,
    local,
    channel_start,
    heads,
    no_head,
    aos_i,
    tails,
    no_tail,
    aos_j,
    sites_i,
    sites_j,
    row_start,
    out,
):  # pragma: no cover - compiled
    # A tile that is not whole writes beyond its end: over what comes later or is not read.
    longest = (batch[1:, 0] - batch[:-1, 0]).max()
    entries = np.zeros((n_entries + TILE - 1, longest))
    is_zero = np.ones(longest, np.bool_)
    for row in range(len(row_start) - 1):
        pairs = range(row_start[row], row_start[row + 1])
        for b in range(len(batch) - 1):
            base, any_word = batch[b, 0], False
            for w in range(base, batch[b + 1, 0]):
                h, t, c, those, n = word[w, 0], word[w, 1], word[w, 2], word[w, 3], w - base
                lo, hi = 0, 0
                if h >= 0:
                    lo, hi = channel_start[c], channel_start[c + 1]
                    if lo == hi or no_head[h] or no_tail[t]:
                        if not is_zero[n]:
                            entries[:, n] = 0.0
                            is_zero[n] = True
                        continue
                any_word, is_zero[n] = True, False
                for one in range(pattern[those], pattern[those + 1]):
                    x, y = tile[one, 0], tile[one, 1]
                    e = row_entry[x] + y
                    if h < 0:
                        for m in range(tile[one, 2]):
                            total = 0.0
                            for p in pairs:
                                total += local[c, aos_i[sites_i[p], x], aos_j[sites_j[p], y + m]]
                            entries[e + m, n] = total
                        continue
                    w0, w1, w2, w3 = 0.0, 0.0, 0.0, 0.0
                    for p in pairs:
                        of_head = heads[h, sites_i[p], x, lo:hi]
                        of_tail = tails[t, sites_j[p], lo:hi, y : y + TILE]
                        w0, w1, w2, w3 = _whole_tile((w0, w1, w2, w3), of_head, of_tail)
                    entries[e, n], entries[e + 1, n] = w0, w1
                    entries[e + 2, n], entries[e + 3, n] = w2, w3
            if not any_word:
                continue
            for r in range(batch[b, 1], batch[b + 1, 1]):
                first, length, offset, stride = run[r, 0], run[r, 1], run[r, 2], run[r, 3]
                x, y = run[r, 6], run[r, 7]
                for k in range(run[r, 4], run[r, 5]):
                    e = row_entry[x + coupling_m1[k]] + y + coupling_m2[k]
                    place = offset + stride * coupling_mu[k]
                    columns = out[row, place : place + length]
                    add(columns, coupling_value[k], entries[e, first : first + length])
