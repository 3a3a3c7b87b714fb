"""Contests: linvop's fit is PropertyModel's, and the peers' rows are what they claim to be."""

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

import linvop
from linvop.errors import InputError
from linvop.sampling import sample_water
from paper_reproduction.contests import (
    Contest,
    column_count,
    lambda_soap_design,
    linvop_designs,
    soap_design,
)


@pytest.fixture(scope="module")
def waters():
    return linvop.Dataset.open(linvop.data.water()).frames()[:60]


@pytest.fixture(scope="module")
def contest(waters):
    from linvop.io.structures import labels

    return Contest(waters, {t: labels(waters, t) for t in ("energy", "dipole")})


@pytest.mark.parametrize("more", [{}, {"metric": "lowdin", "nu": 2, "max_degree": (None, 4)}])
def test_the_fit_is_that_of_a_property_model(waters, contest, more):
    basis = linvop.Basis(ao="sto-3g", kappa=2, **more)
    train, test = np.arange(40), np.arange(40, 60)
    model = linvop.PropertyModel(basis, targets=("energy", "dipole")).fit(waters[:40])
    expected = model.predict_arrays(waters[40:])
    designs = linvop_designs(basis, waters, ("energy", "dipole"))
    for target, design in designs.items():
        assert design.n_columns == column_count(basis, ["H", "O"], target)
        fit = contest.fit(design, target, train, test)
        scale = np.abs(expected[target]).max()
        assert np.abs(fit.predicted[test] - expected[target]).max() < 1e-9 * scale
        part = model.report()["parts"][target]
        (one,) = part.values()
        assert fit.report["alpha"] == pytest.approx(one["alpha"], rel=1e-6)
        error = fit.predicted[test] - contest.labels[target][test]
        norm = np.linalg.norm(error.reshape(20, -1), axis=1)
        assert fit.rmse == pytest.approx(np.sqrt((norm**2).mean()))


def test_a_copy_of_a_test_structure_changes_nothing_but_leaves_with_its_like(waters):
    from linvop.io.structures import labels

    doubled = [*waters[:30], *waters[:30]]
    one = Contest(doubled, {"energy": labels(doubled, "energy")})
    design = linvop_designs(linvop.Basis(ao="sto-3g", kappa=2), doubled, ("energy",))["energy"]
    once = one.fit(design, "energy", np.arange(30), np.arange(30, 60))
    twice = one.fit(design, "energy", np.arange(60), np.arange(30, 60))
    # Were copies left out alone, their likes would give them away.
    assert twice.left_out > 0.3 * once.left_out


def test_lambda_soap_is_a_vector_and_soap_a_scalar():
    pytest.importorskip("featomic")
    frames = sample_water(4)
    turn = Rotation.from_rotvec([0.3, -1.0, 0.5]).as_matrix()
    turned = [a.copy() for a in frames]
    for a in turned:
        a.positions = a.positions @ turn.T
    soap = [soap_design(x).rows for x in (frames, turned)]
    assert np.abs(soap[0] - soap[1]).max() < 1e-10 * np.abs(soap[0]).max()
    order = [1, 2, 0]  # y, z, x are m = -1, 0, 1
    D = turn[np.ix_(order, order)]
    rows = [lambda_soap_design(x).rows for x in (frames, turned)]
    assert np.abs(rows[1] - np.einsum("mk,nkp->nmp", D, rows[0])).max() < 1e-8 * rows[0].max()
    assert rows[0].shape == (4, 3, 2 * 4 * 14**2)


def test_lambda_soap_is_that_of_the_own_densities():
    pytest.importorskip("featomic")
    from linvop.bench.coupled_densities import power_spectrum
    from linvop.bench.pair_densities import pair_densities
    from linvop.bench.soap import SoapSettings
    from linvop.conventions import BOHR

    frames = sample_water(3)
    rows = lambda_soap_design(frames).rows
    own = []
    for a in frames:
        rho = pair_densities(a.numbers, a.positions / BOHR, [1, 8], SoapSettings()).atoms
        B = power_spectrum(rho, 1, 1)
        own.append(np.concatenate([B[a.numbers == z].sum(axis=0) for z in (1, 8)], axis=1))
    grams = [np.einsum("imp,jnp->imjn", x, x) for x in (rows, np.stack(own))]
    np.testing.assert_allclose(2 * grams[0], grams[1], rtol=1e-9, atol=1e-9 * grams[1].max())


def test_labels_of_another_number_are_refused(waters):
    with pytest.raises(InputError, match="expected 60 labels, got 3"):
        Contest(waters, {"energy": np.zeros(3)})
