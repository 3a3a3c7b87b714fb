"""The density of states."""

from __future__ import annotations

import numpy as np
import pytest

import linvop
from linvop.errors import InputError

LEVELS = np.array([-12.0, -7.5, -7.5, 1.0])


@pytest.mark.parametrize(("shape", "reach"), [("gaussian", 10), ("lorentzian", 1e5)])
def test_integral_is_the_number_of_spin_orbitals(shape, reach):
    # Denser in the middle: sinh maps an even grid.
    E = np.sinh(np.linspace(-1, 1, 200001) * np.arcsinh(reach / 0.3)) * 0.3
    total = sum(
        np.trapezoid(
            linvop.density_of_states(LEVELS[k : k + 1], E + LEVELS[k], width=0.3, shape=shape), E
        )
        for k in range(4)
    )
    assert total == pytest.approx(8, rel=1e-5)


def test_levels_add_up_and_spins_stay_apart():
    E = np.linspace(-15, 5, 301)
    one = linvop.density_of_states(LEVELS, E)
    np.testing.assert_allclose(
        one, sum(linvop.density_of_states(LEVELS[k : k + 1], E) for k in range(4))
    )
    both = linvop.density_of_states(np.stack([LEVELS, LEVELS + 1]), E)
    assert both.shape == (2, 301)
    np.testing.assert_allclose(both[0], one / 2)
    np.testing.assert_allclose(both[1], linvop.density_of_states(LEVELS + 1, E) / 2)


def test_width_is_what_it_is_called():
    for shape, at_width in (("gaussian", np.exp(-0.5)), ("lorentzian", 0.5)):
        peak, side = linvop.density_of_states(
            np.zeros(1), np.array([0, 0.7]), width=0.7, shape=shape
        )
        assert side / peak == pytest.approx(at_width)


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"width": 0.0}, "width: expected a positive number"),
        ({"width": np.nan}, "width: expected a positive number"),
        ({"shape": "box"}, "shape: expected gaussian or lorentzian, got 'box'"),
        ({"energies": np.zeros((2, 2))}, r"energies: expected shape \(n_energies,\), got \(2, 2\)"),
        (
            {"orbital_energies": np.zeros((3, 2))},
            r"expected shape \(n_levels,\) or \(2, n_levels\)",
        ),
        ({"orbital_energies": np.array([np.inf])}, "expected finite"),
    ],
)
def test_bad_input(changed, message):
    given = {"orbital_energies": LEVELS, "energies": np.zeros(3), **changed}
    with pytest.raises(InputError, match=message):
        linvop.density_of_states(given.pop("orbital_energies"), given.pop("energies"), **given)
