"""Laws of V between neighbours: its derivatives, and how far its products reach."""

from __future__ import annotations

import json

import numpy as np
import pytest

from linvop.conventions import BOHR
from linvop.errors import InputError
from linvop.integrals import System, potential, potential_motion
from linvop.sampling import alkane, polyene
from paper_reproduction import message_passing
from paper_reproduction.cut_potential import (
    front,
    layer,
    layer_sensitivity,
    neighbours,
    potential_and_motion,
    sensitivity,
)
from paper_reproduction.message_claims import exponent
from paper_reproduction.study import Setting

CUT = 2.0 / BOHR


def moved(system: System, atom: int, axis: int, step: float) -> System:
    positions = system.positions.copy()
    positions[atom, axis] += step
    return System(system.numbers, positions, system.ao)


@pytest.mark.parametrize("screening", [None, 0.3])
def test_nothing_cut_is_the_potential_and_its_motion(screening):
    system = System.from_atoms(polyene(4), "sto-3g")
    V, dV = potential_and_motion(system, np.arange(3), screening=screening)
    np.testing.assert_allclose(V, potential(system, screening=screening), atol=1e-12)
    expected = potential_motion(system, [0, 1, 2], screening=screening)[:, :, 0]
    np.testing.assert_allclose(dV, expected, atol=1e-12)


@pytest.mark.parametrize("nuclei", ["both", "either"])
def test_derivatives_of_cut_v_are_finite_differences(nuclei):
    system = System.from_atoms(alkane(3), "sto-3g")
    near = neighbours(system.positions, CUT)
    _, dV = potential_and_motion(system, np.array([3]), near, nuclei=nuclei)
    for axis in range(3):
        up, down = (
            potential_and_motion(moved(system, 3, axis, h), np.array([3]), near, nuclei=nuclei)[0]
            for h in (1e-4, -1e-4)
        )
        np.testing.assert_allclose(dV[0, axis], (up - down) / 2e-4, atol=1e-6)


@pytest.mark.parametrize("chain", [alkane, polyene])
def test_bonded_carbons_are_neighbours_and_no_others(chain):
    atoms = chain(6)
    near = neighbours(atoms.positions, 2.0)[np.ix_(atoms.numbers == 6, atoms.numbers == 6)]
    k = np.arange(6)
    np.testing.assert_array_equal(near, abs(k[:, None] - k) <= 1)


@pytest.mark.parametrize("chain", [alkane, polyene])
@pytest.mark.parametrize(
    ("nuclei", "site_law", "row_law"),
    [
        ("both", lambda kappa: (kappa + 1) // 2, lambda kappa: kappa),
        ("either", lambda kappa: kappa // 2 + 1, lambda kappa: kappa + 1),
    ],
)
def test_products_reach_as_the_law_says_and_exactly_no_further(chain, nuclei, site_law, row_law):
    atoms = chain(8)
    system = System.from_atoms(atoms, "sto-3g")
    carbons = np.flatnonzero(atoms.numbers == 6)
    near = neighbours(system.positions, CUT)
    V, dV = potential_and_motion(system, carbons, near, nuclei=nuclei)
    for values, law in zip(sensitivity(V, dV, slice(0, 5), 6), (site_law, row_law), strict=True):
        for kappa, row in enumerate(values, start=1):
            reach = law(kappa)
            assert (row[: reach + 1] > 1e-10 * row.max()).all()
            assert (row[reach + 1 :] == 0.0).all()
        assert front(values) == [min(law(kappa), 7) for kappa in range(1, 7)]


def test_layers_reach_one_neighbour_each_and_are_differentiated():
    atoms = alkane(6)
    x, carbons = atoms.positions / BOHR, np.flatnonzero(atoms.numbers == 6)
    A, dA = layer(x, carbons, CUT)
    values = layer_sensitivity(A, dA, 0, 4)
    assert front(values) == [1, 2, 3, 4]
    numeric = []
    for axis in range(3):
        h = []
        for step in (1e-5, -1e-5):
            y = x.copy()
            y[carbons[2], axis] += step
            B = layer(y, carbons, CUT)[0]
            h.append((np.linalg.matrix_power(B, 3) @ np.ones(len(B)))[0])
        numeric.append((h[0] - h[1]) / 2e-5)
    assert values[2, 2] == pytest.approx(np.linalg.norm(numeric), rel=1e-6)


def test_an_exponent_is_found():
    R = np.linspace(1, 10, 12)
    assert exponent(R.tolist(), (3.0 / R**2).tolist()) == pytest.approx(2.0)


def test_other_nuclei_are_refused():
    system = System.from_atoms(alkane(1), "sto-3g")
    with pytest.raises(InputError, match="both or either"):
        potential_and_motion(system, np.array([0]), nuclei="none")


def test_the_study_holds_and_draws_from_json():
    measured = message_passing.run(Setting(quick=True))
    assert {c.verdict for c in measured.claims} == {"agrees"}
    numbers = json.loads(json.dumps(measured.numbers))
    figure = message_passing.draw(numbers)
    assert len(figure.axes) == 9  # eight panels and the colours
    # A front that falls short is noticed.
    numbers["molecules"]["alkane"]["front"]["cut rows"][2] -= 1
    assert message_passing.claims(numbers)[0].verdict == "differs"
