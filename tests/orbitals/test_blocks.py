from __future__ import annotations

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from linvop.angular.tables import coupling_table
from linvop.angular.wigner import rotation_matrix
from linvop.errors import InputError
from linvop.integrals import System, potential
from linvop.orbitals.blocks import couple, uncouple
from linvop.orbitals.order import to_m_order
from linvop.orbitals.shells import AOBasis, AOLayout, Shell

AO = AOBasis(
    {
        "H": (Shell(0, (1.0,), (1.0,)), Shell(1, (0.8,), (1.0,))),
        "C": tuple(Shell(l, (0.6 + 0.1 * l,), (1.0,)) for l in range(4)),
        "O": (Shell(0, (1.5,), (1.0,)), Shell(4, (1.0,), (1.0,)), Shell(1, (0.7,), (1.0,))),
    }
)
NUMBERS = (6, 1, 8, 1, 6, 8)
LAYOUT = AOLayout(NUMBERS, AO)


def matrix(symmetric: bool) -> np.ndarray:
    M = np.random.default_rng(2).normal(size=(LAYOUT.n_ao, LAYOUT.n_ao))
    return M + M.T if symmetric else M


@pytest.mark.parametrize("symmetric", [True, False])
def test_nothing_is_lost(symmetric):
    M = matrix(symmetric)
    irreps = couple(M, LAYOUT, symmetric=symmetric)
    np.testing.assert_allclose(uncouple(irreps), M, atol=1e-13)
    n = LAYOUT.n_ao
    stored = sum(v.size for v in irreps.values.values())
    assert stored == (n * (n + 1) // 2 if symmetric else n * n)


@pytest.mark.parametrize("symmetric", [True, False])
def test_irreps_are_what_the_formula_says(symmetric):
    M = matrix(symmetric)
    irreps = couple(M, LAYOUT, symmetric=symmetric)
    for key, values in irreps.values.items():
        pairs = irreps.pairs[key.species_i, key.species_j, key.on_site]
        for p, (i, j) in enumerate(pairs):
            assert (i == j) == key.on_site
            for c, (a, b) in enumerate(irreps.shell_pairs[key]):
                si, sj = AO.shells(key.species_i)[a], AO.shells(key.species_j)[b]
                x = LAYOUT.atom_offsets[i] + LAYOUT.shell_offsets[key.species_i][a]
                y = LAYOUT.atom_offsets[j] + LAYOUT.shell_offsets[key.species_j][b]
                block = M[x : x + 2 * si.l + 1, y : y + 2 * sj.l + 1]
                C = coupling_table(si.l, sj.l, key.lam)
                assert key.sigma == (-1) ** (si.l + sj.l + key.lam)
                expected = np.einsum("ab,abm->m", block, C)
                np.testing.assert_allclose(values[p, :, c], expected, atol=1e-13)


@pytest.mark.parametrize("improper", [False, True])
def test_irreps_of_v_turn(improper):
    rng = np.random.default_rng(5)
    positions = rng.uniform(-2.5, 2.5, (6, 3))
    R = Rotation.random(rng=rng).as_matrix()
    sign = -1 if improper else 1

    def irreps(r):
        system = System(NUMBERS, r, AO)
        return couple(to_m_order(potential(system), system.layout), system.layout).values

    a, b = irreps(positions), irreps(sign * positions @ R.T)
    scale = max(np.abs(v).max() for v in a.values())
    for key, values in a.items():
        parity = key.sigma * (-1) ** key.lam if improper else 1
        expected = parity * np.einsum("mn,pnc->pmc", rotation_matrix(key.lam, R), values)
        np.testing.assert_allclose(b[key], expected, atol=1e-11 * scale)


def test_shapes_are_checked():
    with pytest.raises(InputError, match="expected shape"):
        couple(np.zeros((3, 3)), LAYOUT)
