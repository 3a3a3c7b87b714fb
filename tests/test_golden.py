r"""V, V^2, V^3 and their irreps against those of the paper's authors' own program.

`../shared/golden` (README there) holds them for seven molecules in two AO bases. Its convention
is brought to ours here and nowhere else:

- block types: 0 is on site (i = j), 2 is two atoms of different elements, +-1 two atoms of one
  element combined as ``(B_ij[a b] +- B_ji[a b]) / sqrt 2`` with the *same* shells a, b;
- same-element blocks keep shell pairs with n_a < n_b, or n_a = n_b and l_a <= l_b;
- every ordered pair of atoms is listed (``tri1``: i < j, Z_i < Z_j, exact zeros dropped).

Real couplings and the m order agree and need no change.
"""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest

from linvop.conventions import BOHR
from linvop.integrals import System, overlap, potential
from linvop.orbitals.blocks import BlockKey, Irreps, couple
from linvop.orbitals.order import to_m_order
from linvop.orbitals.shells import AOBasis, AOLayout

GOLDEN = Path(__file__).resolve().parents[1].parent / "shared" / "golden"
FILES = sorted(p for p in GOLDEN.glob("*_*.npz") if p.stem != "cg_real")
WATERS = [p for p in FILES if "water" in p.stem]
if not FILES:
    pytest.skip("no ../shared/golden beside the repository", allow_module_level=True)

TOLERANCE = 1e-12
KEY = re.compile(r"bt([+-]\d)_(\w+)-(\w+)_L(\d)_par([+-]\d)")


@pytest.fixture(scope="module", params=FILES, ids=lambda p: p.stem)
def golden(request):
    """One file's arrays, and linvop's system for the same molecule and AO basis."""
    arrays = dict(np.load(request.param))
    ao = AOBasis(request.param.stem.split("_")[0])
    system = System(tuple(arrays["numbers"].tolist()), arrays["coords_bohr"], ao)
    return arrays, system


def matching(A: np.ndarray, B: np.ndarray) -> float:
    """Largest difference relative to the largest entry."""
    assert A.shape == B.shape
    return float(np.abs(A - B).max() / np.abs(B).max())


class Lookup:
    """``<M_ij; a b; lam sigma>`` by atoms and by (n, l) of the shells, for all ordered pairs."""

    def __init__(self, matrix: np.ndarray, layout: AOLayout) -> None:
        self.irreps: Irreps = couple(matrix, layout, symmetric=False)
        self.symbols = layout.symbols
        self.shells = {
            s: {(a.n, a.l): k for k, a in enumerate(layout.ao.shells(s))} for s in set(self.symbols)
        }
        self.row = {
            kind: {tuple(pair): k for k, pair in enumerate(pairs.tolist())}
            for kind, pairs in self.irreps.pairs.items()
        }
        self.column = {
            key: {tuple(pair): k for k, pair in enumerate(pairs.tolist())}
            for key, pairs in self.irreps.shell_pairs.items()
        }

    def __call__(self, i: int, j: int, orbitals: np.ndarray, lam: int, sigma: int) -> np.ndarray:
        """(2 lam + 1, n_orbitals) of the ordered pair i, j; orbitals are (n1, l1, n2, l2)."""
        s, t = self.symbols[i], self.symbols[j]
        key = BlockKey(s, t, i == j, lam, sigma)
        shells = [
            (self.shells[s][n1, l1], self.shells[t][n2, l2]) for n1, l1, n2, l2 in orbitals.tolist()
        ]
        columns = [self.column[key][pair] for pair in shells]
        return self.irreps.values[key][self.row[s, t, i == j][i, j]][:, columns]


def in_golden_convention(
    lookup: Lookup, key: str, pairs: np.ndarray, orbitals: np.ndarray
) -> np.ndarray:
    """The block of one golden key, (n_pairs, 2 lam + 1, n_orbitals)."""
    block_type, s, t, lam, sigma = KEY.fullmatch(key).groups()
    kind, irrep = int(block_type), (int(lam), int(sigma))
    out = []
    for i, j in pairs.tolist():
        assert (lookup.symbols[i], lookup.symbols[j]) == (s, t)
        value = lookup(i, j, orbitals, *irrep)
        if abs(kind) == 1:
            value = (value + kind * lookup(j, i, orbitals, *irrep)) / np.sqrt(2)
        out.append(value)
    return np.stack(out)


def compare(arrays: dict, name: str, prefix: str, lookup: Lookup) -> float:
    """Largest difference of all keys of one power, relative to its largest entry."""
    worst, largest = 0.0, 0.0
    keys = [k.split("/", 1)[1] for k in arrays if k.startswith(f"{name}/")]
    assert keys
    for key in keys:
        expected = arrays[f"{name}/{key}"]
        pairs, orbitals = arrays[f"{prefix}pairs/{key}"], arrays[f"{prefix}orbitals/{key}"]
        found = in_golden_convention(lookup, key, pairs, orbitals)
        assert found.shape == expected.shape, key
        worst = max(worst, np.abs(found - expected).max())
        largest = max(largest, np.abs(expected).max())
    return worst / largest


def test_all_files_are_there():
    assert len(FILES) == 14
    assert len({p.stem.split("_", 1)[1] for p in FILES}) == 7


def test_matrices(golden):
    arrays, system = golden
    assert matching(potential(system), arrays["V_pyscf"]) < TOLERANCE
    assert matching(overlap(system), arrays["S_pyscf"]) < TOLERANCE
    assert matching(to_m_order(potential(system), system.layout), arrays["V"]) < TOLERANCE
    assert np.allclose(arrays["positions_ang"] / BOHR, arrays["coords_bohr"], rtol=1e-14)


def test_shells_are_named_alike(golden):
    arrays, system = golden
    layout = system.layout
    named = [
        f"{atom} {s} {shell.label}"
        for atom, s in enumerate(layout.symbols)
        for shell in layout.ao.shells(s)
        for _ in range(2 * shell.l + 1)
    ]
    expected = [re.match(r"\d+ \w+ \d+[a-z]", str(label)).group() for label in arrays["ao_labels"]]
    assert named == expected


@pytest.mark.parametrize("power", [1, 2, 3])
def test_irreps_of_powers(golden, power):
    arrays, system = golden
    V = to_m_order(potential(system), system.layout)
    lookup = Lookup(np.linalg.matrix_power(V, power), system.layout)
    assert compare(arrays, f"V{power}", "", lookup) < TOLERANCE


def test_golden_blocks_have_the_norm_of_v(golden):
    """What their convention lists twice or leaves out is understood: the norms add up."""
    arrays, system = golden
    V = to_m_order(potential(system), system.layout)
    total = 0.0
    for key in [k.split("/", 1)[1] for k in arrays if k.startswith("V1/")]:
        values, orbitals = arrays[f"V1/{key}"], arrays[f"orbitals/{key}"]
        kind, s, t, _, _ = KEY.fullmatch(key).groups()
        # Of like elements only half of the shell pairs are listed; of unlike ones all are.
        twice = (orbitals[:, :2] != orbitals[:, 2:]).any(axis=1) if s == t else False
        # (B+, B-) of a pair of like atoms is listed for (i, j) and again for (j, i).
        weight = np.where(twice, 2.0, 1.0) * (0.5 if abs(int(kind)) == 1 else 1.0)
        total += (values**2 * weight).sum()
    assert total == pytest.approx((V**2).sum(), rel=1e-12)


@pytest.mark.parametrize("golden", WATERS, indirect=True, ids=lambda p: p.stem)
def test_unordered_pairs_of_water(golden):
    arrays, system = golden
    V = to_m_order(potential(system), system.layout)
    assert compare(arrays, "tri1", "tri_", Lookup(V, system.layout)) < TOLERANCE
