r"""Kernels over batches of structures on a GPU: batched matrix products and CUDA.

Structures of a batch have one layout: every channel is as wide as in the structure that has most
atoms of its species, and what is beyond a structure's own atoms is zero. So the groups of all
structures are plain batched matrix products, and a row of results names a structure and its sites.
The CUDA sources in ``cuda/`` do the rest; each has its law on top.

Nothing here knows which GPU library there is: arrays come from an array module `xp` with NumPy's
interface and kernels from a launcher (`linvop.kernels.dispatch`). The tests give it NumPy and the
same sources compiled for the CPU. `linvop.kernels.cpu_batches` is the same on the CPU.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple, Protocol
from weakref import ref

import numpy as np

from linvop.kernels.plan import WordPlan
from linvop.kernels.product_plan import ProductPlan
from linvop.kernels.product_tables import ProductTables, product_tables
from linvop.kernels.word_adjoint_tables import word_adjoint_tables
from linvop.kernels.word_tables import WordTables, word_tables

__all__ = ["GpuKernels", "Launch"]

THREADS = 128
"""Threads of a block."""

_MOST_BLOCKS = 1 << 20


class Launch(Protocol):
    r"""Run a kernel of ``cuda/<source>.cu``."""

    def __call__(
        self,
        source: str,
        kernel: str,
        blocks: int,
        threads: int,
        shared: int,
        arguments: Sequence[Any],
    ) -> None:
        """Arguments are arrays and whole numbers (64 bits); `shared` is in bytes."""


class _Groups(NamedTuple):
    """Groups of a species that are not zero, (n_slots, n_structures, n_rows, n_ao)."""

    values: Any
    slots: np.ndarray


class _Local(NamedTuple):
    """Where local rows of a species stand: row ``start[q] + i step[q]``, first AO `base`."""

    start: Any
    step: Any
    base: int
    size: int


class GpuKernels:
    r"""`linvop.kernels.cpu_batches.CpuBatches` on a device.

    Parameters
    ----------
    xp : module
        Array module with NumPy's interface.
    launch : Launch
    """

    def __init__(self, xp: Any, launch: Launch) -> None:
        self.xp, self._launch = xp, launch
        self._kept: dict[tuple[int, str], tuple[Any, Any, dict[str, Any]]] = {}

    # -- words -----------------------------------------------------------------------------

    def site_rows(
        self,
        plan: WordPlan,
        local: Any,
        first: Any,
        middle: Any,
        channel_start: np.ndarray,
        shell_start: np.ndarray,
        rows: np.ndarray,
    ) -> Any:
        r"""Site features of one centre species; see `linvop.kernels.cpu_batches`."""
        if not len(rows) or not plan.row_size:
            return self.xp.zeros((len(rows), plan.row_size))
        groups = self._groups(plan, first, middle, channel_start, shell_start)
        at = rows[:, [0, 1, 1, 2]]
        starts = shell_start, shell_start
        return self._words(plan, local, groups, groups, channel_start, starts, at)

    def pair_rows(
        self,
        plan: WordPlan,
        local: Any,
        first: Any,
        middle: Any,
        channel_start: np.ndarray,
        start_i: np.ndarray,
        start_j: np.ndarray,
        pairs: np.ndarray,
    ) -> Any:
        r"""Words between two atoms; see `linvop.kernels.cpu_batches`."""
        if not len(pairs) or not plan.row_size:
            return self.xp.zeros((len(pairs), plan.row_size))
        heads = self._groups(plan, first, middle, channel_start, start_i)
        same = np.array_equal(start_i, start_j)
        tails = heads if same else self._groups(plan, first, middle, channel_start, start_j)
        at = np.column_stack([pairs, np.ones(len(pairs), np.int64)])
        return self._words(plan, local, heads, tails, channel_start, (start_i, start_j), at)

    def _groups(
        self,
        plan: WordPlan,
        first: Any,
        middle: Any,
        channel_start: np.ndarray,
        shell_start: np.ndarray,
    ) -> _Groups:
        """All groups, each from its parent by one batched product; those that vanish are left."""
        rows = slice(int(shell_start[0]), int(shell_start[-1]))
        slots = np.full(len(plan.group_parent), -1, np.int64)
        width = np.diff(channel_start)
        for g, (parent, channel) in enumerate(
            zip(plan.group_parent.tolist(), plan.group_channel.tolist(), strict=True)
        ):
            if parent < 0 or (slots[parent] >= 0 and width[channel]):
                slots[g] = slots.max(initial=-1) + 1
        n_structures, _, n_ao, _ = first.shape
        n_slots = int(slots.max(initial=-1)) + 1
        values = self.xp.empty((n_slots, n_structures, rows.stop - rows.start, n_ao))
        for g in np.flatnonzero(slots >= 0).tolist():
            parent, source = int(plan.group_parent[g]), int(plan.group_source[g])
            if parent < 0:
                values[slots[g]] = first[:, source, rows]
                continue
            inner = _inner(channel_start, plan.group_channel[g])
            head = values[slots[parent]][:, :, inner]
            self.xp.matmul(head, middle[:, source, inner], out=values[slots[g]])
        return _Groups(values, slots)

    def _words(
        self,
        plan: WordPlan,
        local: Any,
        heads: _Groups,
        tails: _Groups,
        channel_start: np.ndarray,
        starts: tuple[np.ndarray, np.ndarray],
        at: np.ndarray,
    ) -> Any:
        """Results of rows (structure, i, j, n)."""
        tables, on = self._word_tables(plan)
        i = self._local(starts[0], tables.widths_i)
        j = self._local(starts[1], tables.widths_j)
        n_structures, n_sources, n_ao, _ = local.shape
        out = self.xp.empty((len(at), plan.row_size))
        n_tiles = len(tables.tile_first) - 1
        names = (
            *("tile_first", "word_head", "word_tail", "word_channel", "word_pattern"),
            *("pattern_first", "entry_i", "entry_j", "word_element", "element_place"),
            *("element_base", "element_terms", "terms_first", "term_entry", "term_value"),
        )
        self._run(
            "words",
            "words",
            len(at) * n_tiles,
            8 * tables.shared,
            [
                local,
                heads.values,
                tails.values,
                out,
                self._int32(at),
                self._int32(channel_start),
                self._int32(heads.slots),
                *(i.start, i.step, j.start, j.step),
                *(on[name] for name in names),
                *(len(at), n_tiles, n_structures, n_sources, n_ao, i.base, j.base),
                *(heads.values.shape[2], tails.values.shape[2], i.size, j.size, plan.row_size),
            ],
        )
        return out

    def site_rows_adjoint(
        self,
        plan: WordPlan,
        local: Any,
        first: Any,
        middle: Any,
        channel_start: np.ndarray,
        shell_start: np.ndarray,
        rows: np.ndarray,
        gradient: Any,
    ) -> tuple[Any, Any, Any]:
        r"""Derivatives by the matrices; see `linvop.kernels.cpu_batches`."""
        xp = self.xp
        by_local, by_first, by_middle = (xp.zeros(x.shape) for x in (local, first, middle))
        if not len(rows) or not plan.row_size:
            return by_local, by_first, by_middle
        groups = self._groups(plan, first, middle, channel_start, shell_start)
        by_groups = self._by_groups(
            plan, groups, channel_start, shell_start, rows, gradient, by_local
        )
        own = slice(int(shell_start[0]), int(shell_start[-1]))
        slots = groups.slots.tolist()
        for g in reversed(np.flatnonzero(groups.slots >= 0).tolist()):
            parent, source = int(plan.group_parent[g]), int(plan.group_source[g])
            by = by_groups[slots[g]]
            if parent < 0:
                by_first[:, source, own] += by
                continue
            inner = _inner(channel_start, plan.group_channel[g])
            before = groups.values[slots[parent]][:, :, inner]
            by_middle[:, source, inner] += xp.matmul(before.transpose(0, 2, 1), by)
            there = middle[:, source, inner].transpose(0, 2, 1)
            by_groups[slots[parent]][:, :, inner] += xp.matmul(by, there)
        return by_local, by_first, by_middle

    def _by_groups(
        self,
        plan: WordPlan,
        groups: _Groups,
        channel_start: np.ndarray,
        shell_start: np.ndarray,
        rows: np.ndarray,
        gradient: Any,
        by_local: Any,
    ) -> Any:
        """Derivatives by the groups; those by local matrices are put where they belong."""
        tables, on = self._word_tables(plan)
        made, turned = self._tables(plan, "adjoint", lambda _: word_adjoint_tables(tables))
        local = self._local(shell_start, tables.widths_i)
        n_entries = int(tables.word_entry[-1])
        entries = self.xp.empty((len(gradient), n_entries))
        sizes = (len(gradient), n_entries, plan.row_size)
        terms = [turned[name] for name in ("entry_first", "place", "value")]
        blocks = -(-len(gradient) * n_entries // THREADS)
        given = self.xp.ascontiguousarray(gradient)
        self._run("words_adjoint", "uncouple", blocks, 0, [given, entries, *terms, *sizes])
        step = n_entries if len(gradient) > 1 else 0
        sites = self._int32(_sites_of(rows))
        n_structures, n_sources, n_ao, _ = by_local.shape
        by_groups = self.xp.zeros(groups.values.shape)
        if len(made.words_of_local):
            words = [turned["words_of_local"], local.start, local.step]
            names = ("word_channel", "word_pattern", "word_entry", "pattern_first")
            words += [on[name] for name in (*names, "entry_i", "entry_j")]
            n = len(made.words_of_local)
            numbers = (len(sites), n, n_sources, n_ao, local.base, step)
            arguments = [entries, by_local, sites, *words, *numbers]
            self._run("words_adjoint", "local_adjoint", len(sites) * n, 0, arguments)
        n = len(made.task_group)
        tasks = ("task_group", "task_channel", "task_first", "task_word", "task_role")
        of_words = ("word_head", "word_tail", "word_pattern", "word_entry")
        partners = ("partner_first", "partner_row", "partner_entry")
        arguments = [
            *(entries, groups.values, by_groups, sites, self._int32(channel_start)),
            *(self._int32(groups.slots), local.start, local.step),
            *(turned[name] for name in tasks),
            *(on[name] for name in of_words),
            *(turned[name] for name in partners),
            *(len(sites), n, n_structures, n_ao, groups.values.shape[2], local.size, step),
        ]
        self._run("words_adjoint", "groups_adjoint", len(sites) * n, 0, arguments)
        return by_groups

    # -- products --------------------------------------------------------------------------

    def product_rows(self, plan: ProductPlan, factors: Any, row_first: np.ndarray) -> Any:
        r"""Products of site features; see `linvop.kernels.cpu_batches`."""
        n_rows = len(row_first) - 1
        if not n_rows or not plan.row_size:
            return self.xp.zeros((n_rows, plan.row_size))
        tables, on = self._product_tables(plan)
        out = self.xp.empty((n_rows, plan.row_size))
        n_elements = len(tables.element_place)
        names = (
            *("element_product", "element_row", "element_place", "product_monomial"),
            *("product_first", "slot_offset", "slot_stride", "position", "row_entries"),
            *("entry_monomial", "entry_value"),
        )
        arguments = [
            *(self.xp.ascontiguousarray(factors), out, self._int32(row_first)),
            *(on[name] for name in names),
            *(n_rows, n_elements, factors.shape[1], plan.row_size, plan.position.shape[1]),
        ]
        self._run("products", "products", -(-n_rows * n_elements // THREADS), 0, arguments)
        return out

    def product_rows_adjoint(
        self, plan: ProductPlan, factors: Any, row_first: np.ndarray, gradient: Any
    ) -> Any:
        r"""Derivatives by the factors; see `linvop.kernels.cpu_batches`."""
        out = self.xp.zeros(factors.shape)
        n_sites = len(factors)
        if not n_sites or not plan.row_size:
            return out
        tables, on = self._product_tables(plan)
        step = plan.row_size if len(gradient) > 1 else 0
        row_of_site = np.repeat(np.arange(len(row_first) - 1), np.diff(row_first))
        names = (
            *("factor_first", "factor_offset", "factor_stride", "factor_width", "use_product"),
            *("use_slot", "product_shape", "product_monomial", "product_first"),
            *("product_offset", "product_stride", "slot_offset", "slot_stride", "shape_rows"),
            *("shape_width", "position", "row_entries", "entry_monomial", "entry_value"),
        )
        n = len(tables.factor_offset)
        given = (self.xp.ascontiguousarray(x) for x in (factors, gradient))
        arguments = [
            *(*given, out, self._int32(row_of_site)),
            *(on[name] for name in names),
            *(n_sites, n, factors.shape[1], plan.position.shape[1], tables.widest, step),
        ]
        shared = 8 * THREADS * tables.widest
        self._run("products", "products_adjoint", n_sites * n, shared, arguments)
        return out

    # -- shared ----------------------------------------------------------------------------

    def _word_tables(self, plan: WordPlan) -> tuple[WordTables, dict[str, Any]]:
        return self._tables(plan, "words", word_tables)

    def _product_tables(self, plan: ProductPlan) -> tuple[ProductTables, dict[str, Any]]:
        return self._tables(plan, "products", product_tables)

    def _tables(self, plan: Any, kind: str, make: Any) -> tuple[Any, dict[str, Any]]:
        """Tables of a plan and their copies on the device, kept as long as the plan."""
        key = id(plan), kind
        if key not in self._kept:
            made = make(plan)
            copies = {name: self.xp.asarray(x) for name, x in made.arrays.items()}
            alive = ref(plan, lambda _, kept=self._kept: kept.pop(key, None))
            self._kept[key] = (alive, made, copies)
        return self._kept[key][1:]

    def _local(self, shell_start: np.ndarray, widths: np.ndarray) -> _Local:
        base = int(shell_start[0])
        start = np.concatenate(
            [first - base + np.arange(w) for first, w in zip(shell_start, widths, strict=False)]
        )
        step = np.repeat(widths, widths)
        return _Local(self._int32(start), self._int32(step), base, int(widths.sum()))

    def _int32(self, x: np.ndarray) -> Any:
        return self.xp.asarray(np.ascontiguousarray(x, np.int32))

    def _run(
        self, source: str, kernel: str, blocks: int, shared: int, arguments: Sequence[Any]
    ) -> None:
        if blocks:
            self._launch(source, kernel, min(blocks, _MOST_BLOCKS), THREADS, shared, arguments)


def _inner(channel_start: np.ndarray, channel: int) -> slice:
    return slice(int(channel_start[channel]), int(channel_start[channel + 1]))


def _sites_of(rows: np.ndarray) -> np.ndarray:
    """(structure, site, row) of all sites of rows (structure, first site, number)."""
    counts = rows[:, 2]
    row = np.repeat(np.arange(len(rows)), counts)
    within = np.arange(len(row)) - np.repeat(np.cumsum(counts) - counts, counts)
    return np.column_stack([rows[row, 0], rows[row, 1] + within, row])
