from __future__ import annotations

import numpy as np
import pytest

from linvop.angular.tables import coupling_table
from linvop.kernels import reference
from linvop.orbitals.blocks import couple
from linvop.orbitals.shells import AOBasis, AOLayout

from .conftest import AO, Problem, problem


def value(one: Problem, irrep, column, site: int) -> np.ndarray:
    """The defining formula with sums over every orbital written as one einsum a factor."""
    family, sources, channels, a, b = column
    z = [family * len(one.enumeration.source_names) + k for k in sources]
    la, lb = (one.enumeration.shells["C"][k].l for k in (a, b))
    i = one.shell_start[a] + site * (2 * la + 1)
    j = one.shell_start[b] + site * (2 * lb + 1)
    if len(z) == 1:
        block = one.local[z[0]][i : i + 2 * la + 1, j : j + 2 * lb + 1]
    else:
        block = one.first[z[0]][i : i + 2 * la + 1]
        for k, c in enumerate(channels, start=1):
            inner = slice(one.channel_start[c], one.channel_start[c + 1])
            if k < len(channels):
                block = np.einsum("ap,pq->aq", block[:, inner], one.middle[z[k]][inner])
            else:
                last = one.first[z[k]][j : j + 2 * lb + 1]
                block = np.einsum("ap,bp->ab", block[:, inner], last[:, inner])
    return np.einsum("ab,abm->m", block, coupling_table(la, lb, irrep[0]))


def test_words_are_what_the_formula_says(of_each_resolution):
    one = of_each_resolution
    rows = one.rows(reference.site_rows, range(3), 3)
    for irrep, values in one.plan.split(rows).items():
        columns = one.enumeration.columns("C", irrep, "site")
        for k in np.random.default_rng(0).permutation(len(columns))[:40]:
            for site in range(3):
                expected = value(one, irrep, columns[k], site)
                np.testing.assert_allclose(values[site, :, k], expected, rtol=1e-11, atol=1e-10)


@pytest.mark.parametrize("kappa", [1, 2, 3])
def test_total_words_are_the_irreps_of_powers(kappa):
    """By another road: V^kappa as a matrix, then `couple`."""
    layout = AOLayout((6, 6, 6), AOBasis(AO))
    V = np.random.default_rng(1).normal(size=(layout.n_ao, layout.n_ao))
    V += V.T
    starts = layout.shell_offsets["C"]
    gathered = np.concatenate(
        [
            layout.atom_offsets[k] + np.arange(starts[a], starts[a + 1])
            for a in range(3)
            for k in range(3)
        ]
    )
    channel = V[np.ix_(gathered, gathered)][None]
    one = problem("total", sources="total", n_atoms=(0, 3))
    both = np.concatenate([channel, channel])
    rows = reference.site_rows(
        one.plan, both, both, both, one.channel_start, one.shell_start, np.arange(3), 3
    )
    irreps = couple(np.linalg.matrix_power(V, kappa), layout)
    for irrep, values in one.plan.split(rows).items():
        columns = one.enumeration.columns("C", irrep, "site")
        key = [x for x in irreps.values if x.on_site and (x.lam, x.sigma) == irrep]
        for k, (_, sources, _, a, b) in enumerate(columns):
            if len(sources) == kappa:
                where = irreps.shell_pairs[key[0]].tolist().index([a, b])
                expected = irreps.values[key[0]][:, :, where]
                np.testing.assert_allclose(values[:, :, k], expected, atol=1e-9)


def test_rows_are_sums_over_their_sites(of_each_resolution):
    one = of_each_resolution
    apart = one.rows(reference.site_rows, range(3), 3)
    together = one.rows(reference.site_rows, [0, 0, 2], 4)
    np.testing.assert_allclose(together[0], apart[0] + apart[1], atol=1e-10)
    np.testing.assert_allclose(together[2], apart[2], atol=1e-12)
    assert not together[[1, 3]].any()
