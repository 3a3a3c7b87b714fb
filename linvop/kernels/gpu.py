r"""Kernels over batches of structures on a GPU: words, products and their adjoints in CUDA.

A row of results names a structure and its sites, or a pair of atoms; one launch makes those of all
structures for one species or pair of species. The sources in ``cuda/`` have their laws on top.

Nothing here knows which GPU library there is: arrays come from an array module `xp` with NumPy's
interface and kernels from a launcher (`linvop.kernels.dispatch`). The tests give it NumPy and the
same sources compiled for the CPU. `linvop.kernels.cpu_batches` is the same on the CPU, and says
what arguments are.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from linvop.kernels.batch import Batch
from linvop.kernels.gpu_groups import WIDE, Groups, groups_of, put_back
from linvop.kernels.launching import THREADS, Launch, Launcher
from linvop.kernels.plan import WordPlan
from linvop.kernels.product_plan import ProductPlan
from linvop.kernels.product_tables import product_tables
from linvop.kernels.word_adjoint_tables import WordAdjointTables, word_adjoint_tables
from linvop.kernels.word_tables import WordTables, word_tables

__all__ = ["GpuKernels"]

_PLAN = (
    *("tile_first", "word_head", "word_tail", "word_channel", "word_pattern", "pattern_first"),
    *("entry_i", "entry_j", "word_element", "element_place", "element_base", "element_terms"),
    *("terms_first", "term_entry", "term_value"),
)
_PRODUCTS = (
    *("element_product", "element_row", "element_place", "product_monomial", "product_first"),
    *("slot_offset", "slot_stride", "position", "row_entries", "entry_monomial", "entry_value"),
)
_PRODUCTS_BACK = (
    *("factor_first", "factor_offset", "factor_stride", "factor_width", "use_product", "use_slot"),
    *("product_shape", "product_monomial", "product_first", "product_offset", "product_stride"),
    *("slot_offset", "slot_stride", "shape_rows", "shape_width", "position", "row_entries"),
    *("entry_monomial", "entry_value"),
)
"""Tables in the order in which kernels take them."""


class GpuKernels:
    r"""`linvop.kernels.cpu_batches.CpuBatches` on a device.

    Parameters
    ----------
    xp : module
        Array module with NumPy's interface.
    launch : Launch
    wide : int
        From which mean width of channels matrix products are the library's
        (`linvop.kernels.gpu_groups`).
    """

    def __init__(self, xp: Any, launch: Launch, wide: int = WIDE) -> None:
        self.xp, self._on, self._wide = xp, Launcher(xp, launch), wide

    def site_rows(
        self, plan: WordPlan, batch: Batch, shell_start: np.ndarray, rows: np.ndarray
    ) -> Any:
        r"""Site features of one centre species, (n_rows, plan.row_size)."""
        if not len(rows) or not plan.row_size:
            return self.xp.zeros((len(rows), plan.row_size))
        groups = self.groups(plan, batch, shell_start)
        return self.site_words(plan, batch, shell_start, groups, rows)

    def groups(self, plan: WordPlan, batch: Batch, shell_start: np.ndarray) -> Groups:
        r"""Halves of the words of a species: the first part of `site_rows`."""
        return groups_of(self._on, plan, batch, shell_start, self._wide)

    def site_words(
        self,
        plan: WordPlan,
        batch: Batch,
        shell_start: np.ndarray,
        groups: Groups,
        rows: np.ndarray,
    ) -> Any:
        r"""Words from their halves: the second part of `site_rows`."""
        starts = shell_start, shell_start
        return self._words(plan, batch, groups, groups, starts, rows[:, [0, 1, 1, 2]])

    def pair_rows(
        self,
        plan: WordPlan,
        batch: Batch,
        start_i: np.ndarray,
        start_j: np.ndarray,
        pairs: np.ndarray,
    ) -> Any:
        r"""Words between two atoms, (n_pairs, plan.row_size)."""
        if not len(pairs) or not plan.row_size:
            return self.xp.zeros((len(pairs), plan.row_size))
        heads = self.groups(plan, batch, start_i)
        same = np.array_equal(start_i, start_j)
        tails = heads if same else self.groups(plan, batch, start_j)
        at = np.column_stack([pairs, np.ones(len(pairs), np.int64)])
        return self._words(plan, batch, heads, tails, (start_i, start_j), at)

    def _words(
        self,
        plan: WordPlan,
        batch: Batch,
        heads: Groups,
        tails: Groups,
        starts: tuple[np.ndarray, np.ndarray],
        at: np.ndarray,
    ) -> Any:
        """Results of rows (structure, i, j, n)."""
        on = self._on
        tables, there = on.tables(plan, "words", word_tables)
        i, j = (
            on.local(batch, starts[0], tables.widths_i),
            on.local(batch, starts[1], tables.widths_j),
        )
        out = self.xp.empty((len(at), plan.row_size))
        n_tiles = len(tables.tile_first) - 1
        arguments = [
            *(batch.local, heads.values, tails.values, out, on.int32(at)),
            *(on.channels(batch), heads.slots_there, tails.slots_there),
            *(i.base, i.start, i.step, j.base, j.start, j.step),
            *(there[name] for name in _PLAN),
            *(len(at), n_tiles, batch.n_structures, heads.slots.shape[1]),
            *(batch.channel_start.shape[1] - 1, batch.local.shape[1], batch.n_ao),
            *(heads.values.shape[2], tails.values.shape[2], i.size, j.size, plan.row_size),
        ]
        on.run("words", "words", len(at) * n_tiles, 8 * tables.shared, arguments)
        return out

    def site_rows_adjoint(
        self,
        plan: WordPlan,
        batch: Batch,
        shell_start: np.ndarray,
        rows: np.ndarray,
        gradient: Any,
    ) -> tuple[Any, Any, Any]:
        r"""Derivatives of ``<G, site_rows>`` by the three matrices."""
        by_local, by_first, by_middle = (
            self.xp.zeros(x.shape) for x in (batch.local, batch.first, batch.middle)
        )
        if len(rows) and plan.row_size:
            groups = self.groups(plan, batch, shell_start)
            given = (shell_start, _sites_of(rows), gradient, by_local)
            by_groups = self._by_groups(plan, batch, groups, *given)
            by = (by_first, by_middle)
            put_back(self._on, plan, batch, shell_start, groups, by_groups, by, self._wide)
        return by_local, by_first, by_middle

    def _by_groups(
        self,
        plan: WordPlan,
        batch: Batch,
        groups: Groups,
        shell_start: np.ndarray,
        sites: np.ndarray,
        gradient: Any,
        by_local: Any,
    ) -> Any:
        """Derivatives by the groups; those by local matrices are put where they belong."""
        on, n = self._on, len(gradient)
        tables, there = on.tables(plan, "words", word_tables)
        made, turned = on.tables(plan, "adjoint", lambda _: word_adjoint_tables(tables))
        local = on.local(batch, shell_start, tables.widths_i)
        n_entries = int(tables.word_entry[-1])
        entries = self.xp.empty((n, n_entries))
        terms = (turned[name] for name in ("entry_first", "place", "value"))
        arguments = [self.xp.ascontiguousarray(gradient), entries, *terms]
        arguments += [n, n_entries, plan.row_size]
        on.over("words_adjoint", "uncouple", n * n_entries, arguments)
        step = n_entries if n > 1 else 0
        where = on.int32(sites)
        self._by_local(entries, by_local, where, local, (tables, there), (made, turned), step)
        by_groups = self.xp.zeros(groups.values.shape)
        tasks = ("task_group", "task_channel", "task_first", "task_word", "task_role")
        of_words = ("word_head", "word_tail", "word_pattern", "word_entry")
        partners = ("partner_first", "partner_row", "partner_entry")
        n_tasks = len(made.task_group)
        arguments = [
            *(entries, groups.values, by_groups, where, on.channels(batch)),
            *(groups.slots_there, local.start, local.step),
            *(turned[name] for name in tasks),
            *(there[name] for name in of_words),
            *(turned[name] for name in partners),
            *(len(sites), n_tasks, *groups.slots.shape, batch.channel_start.shape[1] - 1),
            *(batch.n_ao, groups.values.shape[2], local.size, step),
        ]
        on.run("words_adjoint", "groups_adjoint", len(sites) * n_tasks, 0, arguments)
        return by_groups

    def _by_local(
        self,
        entries: Any,
        by_local: Any,
        sites: Any,
        local: Any,
        tables: tuple[WordTables, dict[str, Any]],
        turned: tuple[WordAdjointTables, dict[str, Any]],
        step: int,
    ) -> None:
        """Words of kappa = 1."""
        n = len(turned[0].words_of_local)
        names = ("word_channel", "word_pattern", "word_entry", "pattern_first")
        arguments = [
            *(entries, by_local, sites, turned[1]["words_of_local"]),
            *(local.base, local.start, local.step),
            *(tables[1][name] for name in (*names, "entry_i", "entry_j")),
            *(len(sites), n, by_local.shape[1], by_local.shape[2], local.size, step),
        ]
        self._on.run("words_adjoint", "local_adjoint", len(sites) * n, 0, arguments)

    def product_rows(self, plan: ProductPlan, factors: Any, row_first: np.ndarray) -> Any:
        r"""Products of site features, (n_rows, plan.row_size)."""
        n_rows = len(row_first) - 1
        if not n_rows or not plan.row_size:
            return self.xp.zeros((n_rows, plan.row_size))
        tables, there = self._on.tables(plan, "products", product_tables)
        out = self.xp.empty((n_rows, plan.row_size))
        n = len(tables.element_place)
        arguments = [
            *(self.xp.ascontiguousarray(factors), out, self._on.int32(row_first)),
            *(there[name] for name in _PRODUCTS),
            *(n_rows, n, factors.shape[1], plan.row_size, plan.position.shape[1]),
        ]
        self._on.over("products", "products", n_rows * n, arguments)
        return out

    def product_rows_adjoint(
        self, plan: ProductPlan, factors: Any, row_first: np.ndarray, gradient: Any
    ) -> Any:
        r"""Derivatives of ``<G, product_rows>`` by the factors, (n_sites, n)."""
        out = self.xp.zeros(factors.shape)
        n_sites = len(factors)
        if not n_sites or not plan.row_size:
            return out
        tables, there = self._on.tables(plan, "products", product_tables)
        row_of_site = np.repeat(np.arange(len(row_first) - 1), np.diff(row_first))
        n, step = len(tables.factor_offset), plan.row_size if len(gradient) > 1 else 0
        arguments = [
            *(self.xp.ascontiguousarray(x) for x in (factors, gradient)),
            *(out, self._on.int32(row_of_site)),
            *(there[name] for name in _PRODUCTS_BACK),
            *(n_sites, n, factors.shape[1], plan.position.shape[1], tables.widest, step),
        ]
        shared = 8 * THREADS * tables.widest
        self._on.run("products", "products_adjoint", n_sites * n, shared, arguments)
        return out


def _sites_of(rows: np.ndarray) -> np.ndarray:
    """(structure, site, row) of all sites of rows (structure, first site, number)."""
    counts = rows[:, 2]
    row = np.repeat(np.arange(len(rows)), counts)
    within = np.arange(len(row)) - np.repeat(np.cumsum(counts) - counts, counts)
    return np.column_stack([rows[row, 0], rows[row, 1] + within, row])
