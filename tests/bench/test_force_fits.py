"""The contest of energies and forces: gradients of the peer, and a table from a small file."""

from __future__ import annotations

import sys

import numpy as np
import pytest
from ase.build import molecule
from ase.calculators.emt import EMT
from ase.calculators.singlepoint import SinglePointCalculator
from ase.io import write

from linvop.bench.force_fits import measure_forces
from linvop.errors import InputError

pytest.importorskip("featomic")
from linvop.bench.ace import AceSettings
from linvop.bench.soap import SoapSettings, soap_gradient_rows, soap_rows

SMALL = SoapSettings(max_radial=2, max_angular=2)


def frames(n: int) -> list:
    rng, out = np.random.default_rng(0), []
    for _ in range(n):
        atoms = molecule("CH3OH")
        atoms.positions += 0.05 * rng.normal(size=(6, 3))
        atoms.calc = EMT()
        energy, forces = atoms.get_potential_energy(), atoms.get_forces()
        atoms.calc = SinglePointCalculator(atoms, energy=energy, forces=forces)
        out.append(atoms)
    return out


def test_gradients_of_the_peer():
    one, step = frames(2), 1e-4
    found = soap_gradient_rows(one, (1, 6, 8), SMALL)
    for atom, x in ((0, 2), (7, 0)):
        rows = []
        for k in (-1, 1):
            moved = [a.copy() for a in one]
            moved[atom // 6].positions[atom % 6, x] += k * step
            rows.append(soap_rows(moved, (1, 6, 8), SMALL).sum(axis=0))
        slope = (rows[1] - rows[0]) / (2 * step)
        scale = np.abs(found[3 * atom + x]).max()
        np.testing.assert_allclose(found[3 * atom + x], slope, atol=1e-5 * scale)


def test_a_table(tmp_path):
    (tmp_path / "rmd17_ethanol").mkdir()
    both = frames(24)
    write(tmp_path / "rmd17_ethanol/train.xyz", both[:16])
    write(tmp_path / "rmd17_ethanol/test.xyz", both[16:])
    given = {
        "soap": [SMALL],
        "models": {"small": {"ao": "sto-3g", "kappa": 2, "metric": "lowdin"}},
        "n_test": 8,
    }
    table = measure_forces("ethanol-forces", tmp_path, n_train=16, **given)
    spread = 1e3 * np.std(np.concatenate([a.get_forces() for a in both]))
    assert [row["features"].split(",")[0] for row in table.rows] == ["SOAP", "linvop"]
    assert all(0 < row["force RMSE"] < 0.5 * spread for row in table.rows)
    with pytest.raises(InputError, match=r"train\.xyz: expected 17 \+ 8 structures"):
        measure_forces("ethanol-forces", tmp_path, n_train=17, **given)


def test_linear_ace_in_the_table(tmp_path):
    pytest.importorskip("ace_jax", reason="needs ace-jax: pip install 'linvop[ace]'")
    (tmp_path / "rmd17_ethanol").mkdir()
    both = frames(20)
    write(tmp_path / "rmd17_ethanol/train.xyz", both[:12])
    write(tmp_path / "rmd17_ethanol/test.xyz", both[12:])
    table = measure_forces(
        "ethanol-forces",
        tmp_path,
        soap=(),
        models={},
        n_train=12,
        n_test=8,
        ace=sys.executable,
        ace_settings=[AceSettings(order=2, degree=6)],
    )
    spread = 1e3 * np.std(np.concatenate([a.get_forces() for a in both]))
    assert table.rows[0]["features"].startswith("ACE, order 2")
    assert 0 < table.rows[0]["force RMSE"] < 0.5 * spread
