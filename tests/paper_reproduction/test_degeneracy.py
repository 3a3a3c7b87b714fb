"""Laws of the study of degenerate pairs: bodies decide, the floor is one, and the bispectrum."""

from __future__ import annotations

import json

import numpy as np
import pytest

from linvop.sampling import random_rotation
from linvop.sampling.methane import degenerate_methanes
from paper_reproduction.degeneracy import DIFFERENT, SAME, _claims, _notes, draw
from paper_reproduction.degenerate_blocks import BLOCKS, block_rows
from paper_reproduction.degenerate_features import SOAP, bispectra, distances, families
from paper_reproduction.degenerate_fits import (
    MODELS,
    _splits,
    floor,
    floors,
    learning_curves,
    pair_errors,
)

FRAMES = degenerate_methanes(8)


@pytest.fixture(scope="module")
def made():
    return families(FRAMES, with_peers=False)


def test_bodies_say_which_features_tell_members_apart(made):
    assert {f.same for f in made} == {True, False}
    for f in made:
        d = distances(f.rows)
        assert d.max() < SAME if f.same else d.min() > DIFFERENT, f.kind


def test_bodies_say_which_blocks_tell_members_apart():
    for name, rows in block_rows(FRAMES, "def2-svp").items():
        d = distances(rows)
        assert d.max() < SAME if BLOCKS[name] else d.min() > DIFFERENT, name


def test_kinds_do_not_overlap_and_models_name_them(made):
    peers = {"SOAP power spectrum", "bispectrum"}
    known = {(f.kind, f.centre) for f in made}
    assert len(known) == len(made)
    for parts in MODELS.values():
        assert all(part in known or part[0] in peers for part in parts)


def test_blocks_and_spectrum_do_not_turn():
    turned = FRAMES[0].copy()
    turned.positions = turned.positions @ random_rotation(np.random.default_rng(3)).T
    for name, rows in block_rows([FRAMES[0], turned], "def2-svp").items():
        np.testing.assert_allclose(rows[0], rows[1], rtol=1e-8, err_msg=name)


def test_power_spectrum_is_degenerate_and_bispectrum_is_not():
    pytest.importorskip("featomic")
    of = {(f.kind, f.centre): f for f in families(FRAMES[:4], with_peers=True)}
    for (kind, centre), same in (
        (("SOAP power spectrum", "C"), True),
        (("SOAP power spectrum", "H"), False),
        (("bispectrum", "C"), False),
    ):
        d = distances(of[kind, centre].rows)
        assert d.max() < SAME if same else d.min() > 1e-3, kind


def test_bispectrum_is_invariant():
    pytest.importorskip("featomic")
    one = FRAMES[0]
    moved = one[[0, 3, 1, 4, 2]]
    moved.positions = moved.positions @ random_rotation(np.random.default_rng(0)).T * [1, 1, -1]
    a, b = bispectra([one, moved], SOAP)
    np.testing.assert_allclose(a, b, atol=1e-9 * np.abs(a).max())


def test_no_model_of_equal_features_errs_less_than_the_floor():
    rng = np.random.default_rng(0)
    energies = rng.normal(size=40)
    rows = np.repeat(rng.normal(size=(20, 3)), 2, axis=0)
    ones = np.ones(3)
    train, test = np.arange(14), np.arange(14, 20)
    least = floor(energies, test)
    half = (energies[28::2] - energies[29::2]) / 2
    np.testing.assert_allclose(least, np.sqrt(np.mean(half**2)))
    with pytest.warns(UserWarning, match="columns explain nothing"):
        assert pair_errors(rows, energies, ones, train, test) >= least
    # and the half difference itself as a feature lets it fall
    sign = np.tile([1.0, -1.0], 20)
    informed = np.stack([np.repeat((energies[::2] - energies[1::2]) / 2, 2) * sign], axis=1)
    own = informed[:, 0] + 2.0
    assert pair_errors(informed, own, np.ones(1), train, test) < 1e-6


def test_splits_never_part_a_pair_and_do_not_overlap():
    for train, test in _splits(20, 14, 6, 3):
        assert not set(train) & set(test)
        assert len(train) == 14
        assert len(test) == 6


def test_draw_and_claims_of_a_small_result_that_json_has_seen(made):
    energies = np.array([f.positions[1:, 0].sum() for f in FRAMES])
    curves = learning_curves(made, energies, [3, 5], 3, 2)
    known = {
        "features": [
            {"kind": f.kind, "centre": f.centre, "same": f.same, "distance": [1e-16, 1e-4, 1e-2]}
            for f in made
        ],
        "blocks": [
            {"kind": n, "same": same, "distance": [0.0, 1e-4, 1e-2]} for n, same in BLOCKS.items()
        ],
        "limits": [SAME, DIFFERENT],
        "sizes": [6, 10],
        "floor": floor(energies),
        "floors": floors(energies, 5, 3, 2),
        "energy differences": [1.0, 2.0],
        "energy spread": 1.0,
        "curves": curves,
    }
    known = json.loads(json.dumps(known))
    figure = draw(known)
    assert len(figure.axes) == 4
    claims = _claims(known)
    assert claims[0].verdict == "not tested"  # no SOAP here
    assert claims[2].verdict == "differs"  # these distances are not what the bodies say
    assert _notes(known)
