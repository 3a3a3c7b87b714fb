from __future__ import annotations

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from linvop.angular.wigner import rotation_matrix
from linvop.errors import InputError
from linvop.models.targets import Target, as_target, as_targets


def labels(rank: int, rng) -> np.ndarray:
    x = rng.normal(size=(6,) + (3,) * rank)
    return x + x.swapaxes(-1, -2) if rank == 2 else x


@pytest.mark.parametrize("rank", [0, 1, 2])
def test_to_irreps_and_back(rank):
    target = Target("x", rank=rank)
    values = labels(rank, np.random.default_rng(0))
    parts = target.to_irreps(values)
    assert tuple(parts) == target.irreps
    np.testing.assert_allclose(target.from_irreps(parts), values, atol=1e-14)
    norm = sum(np.sum(part**2) for part in parts.values())
    assert norm == pytest.approx(np.sum(values**2))


@pytest.mark.parametrize("rank", [1, 2])
def test_irreps_turn_as_they_should(rank):
    rng = np.random.default_rng(1)
    R = Rotation.random(rng=rng).as_matrix()
    values = labels(rank, rng)
    turned = values @ R.T if rank == 1 else R @ values @ R.T
    target = Target("x", rank=rank)
    a, b = target.to_irreps(values), target.to_irreps(turned)
    for (lam, sigma), part in a.items():
        np.testing.assert_allclose(b[lam, sigma], part @ rotation_matrix(lam, R).T, atol=1e-13)


def test_spherical_targets_pass_through():
    target = Target("octupole", irrep=(3, 1))
    values = np.random.default_rng(2).normal(size=(4, 7))
    np.testing.assert_array_equal(target.from_irreps(target.to_irreps(values)), values)
    assert target.shape == (7,)


def test_constants_belong_to_scalars():
    assert as_target("energy").has_constants((0, 1))
    assert as_target("polarizability").has_constants((0, 1))
    assert not as_target("polarizability").has_constants((2, 1))
    assert not Target("gap", rank=0, constants=False).has_constants((0, 1))


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Target("x"), "either rank or irrep"),
        (lambda: Target("x", rank=0, irrep=(0, 1)), "either rank or irrep"),
        (lambda: Target("x", rank=3), "rank 0, 1 or 2"),
        (lambda: Target("x", irrep=(1, 2)), "sigma"),
        (lambda: Target("energy", rank=0, unit="Hartree"), "eV"),
        (lambda: Target("x", irrep=(1.5, 1)), "irrep"),
        (lambda: Target("x", rank=True), "rank 0, 1 or 2"),
        (lambda: Target("energy", rank=1), "rank 0"),
        (lambda: Target("x", rank=0, constants=1), "true or false"),
        (lambda: as_target("fock"), "fock"),
        (lambda: as_targets(["forces"]), "expected energy with them"),
        (lambda: as_target("gap"), "rank="),
        (lambda: as_targets(["energy", "energy"]), "each once"),
        (lambda: as_targets([]), "at least one"),
    ],
)
def test_bad_targets_are_named(make, message):
    with pytest.raises(InputError, match=message):
        make()


def test_a_target_is_not_named_like_the_standard_deviation_of_another():
    taken = Target("energy_std", rank=0, unit="eV")
    with pytest.raises(InputError, match="energy_std would be taken for the standard deviation"):
        as_targets(["energy", taken])
    assert as_targets([taken])[0].name == "energy_std"
