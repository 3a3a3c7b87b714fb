"""Batches on a device give the numbers of structures one by one on the CPU."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from ase import Atoms

from linvop.errors import InputError
from linvop.features.adjoint import structure_adjoint
from linvop.features.basis import Basis
from linvop.features.batched import batches, bytes_needed
from linvop.features.design import structure_rows
from linvop.features.device_rows import adjoints, pairs_of, sites_of
from linvop.integrals import System

from .conftest import AO, SPECIES, molecule

FRAMES = [
    molecule(text, np.random.default_rng(k))
    for k, text in enumerate(["HCO", "NSH", "OHH", "CC", "HHHHHHH", "SC"])
]
BASES = [
    {"kappa": 3},
    {"kappa": 2, "resolution": "species", "metric": "lowdin", "sources": "species"},
    {"kappa": 4, "resolution": "total", "metric": "overlap", "screening": (None, 0.4)},
    {"kappa": 1, "nu": 3, "max_degree": (None, 6, 6), "metric": "lowdin"},
    {"kappa": 2, "nu": 2, "max_degree": (None, 5), "metric": "overlap", "resolution": "species"},
]


def small(**settings) -> Basis:
    return Basis(AO, lam_max=2, **settings)


def close(found, expected) -> None:
    scale = np.abs(expected).max(initial=1)
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-11 * scale)


@pytest.mark.parametrize("settings", BASES, ids=str)
def test_structure_rows(gpu_device, settings):
    features = small(**settings).compile(SPECIES, ((0, 1), (1, 1), (2, -1)), "structure")
    seen = []
    expected = structure_rows(features, FRAMES)
    given = {"device": gpu_device, "progress": lambda *counts: seen.append(counts)}
    found = structure_rows(features, FRAMES, **given)
    assert found.keys() == expected.keys()
    for irrep, rows in expected.items():
        close(found[irrep], rows)
    assert seen[-1] == (len(FRAMES), len(FRAMES))


@pytest.mark.parametrize("settings", BASES, ids=str)
def test_sites_and_derivatives(gpu_device, settings):
    basis = small(**settings)
    sites = basis.compile(SPECIES, ((0, 1), (1, -1)))
    whole = basis.compile(SPECIES, ((0, 1), (1, 1)), "structure")
    rng = np.random.default_rng(0)
    gradient = {
        (lam, sigma): rng.normal(size=(2 * lam + 1, whole.n_columns((lam, sigma))))
        for lam, sigma in whole.irreps
    }
    some = batches(gpu_device, sites.enumeration, FRAMES, bytes_needed(sites))
    for chosen, batch in some:
        by_site = sites_of(gpu_device, sites, batch)
        by_matrices = adjoints(gpu_device, whole, batch, gradient)
        for k, found, turned in zip(chosen.tolist(), by_site, by_matrices, strict=True):
            system = System.from_atoms(FRAMES[k], basis.ao_basis)
            expected = sites.sites(system)
            assert found.keys() == expected.keys()
            for key, values in expected.items():
                close(found[key], values)
            back = structure_adjoint(whole, system, gradient)
            close(turned.by_potential, back.by_potential)
            close(turned.by_positions(), back.by_positions())


@pytest.mark.parametrize("exchange", [None, 1, -1])
@pytest.mark.parametrize(
    "settings",
    [
        {"kappa": 2, "cutoff": 2.5},
        {"kappa": 2, "nu_pair": (1, 1), "pair_max_degree": (None, 4, 4), "metric": "lowdin"},
    ],
    ids=str,
)
def test_pairs(gpu_device, settings, exchange):
    features = small(resolution="species", **settings).compile_pairs(
        ["H", "C", "O"], ((0, 1), (1, 1)), exchange
    )
    frames = [
        molecule(text, np.random.default_rng(k)) for k, text in enumerate(["HCO", "OHH", "CC"])
    ]
    site = features.pairs.factors.site
    for chosen, batch in batches(gpu_device, site, frames, lambda *_: 1):
        for k, found in zip(chosen.tolist(), pairs_of(gpu_device, features, batch), strict=True):
            expected = features.evaluate(System.from_atoms(frames[k], site.ao))
            assert found.keys() == expected.keys()
            for key, (atoms, values) in expected.items():
                np.testing.assert_array_equal(found[key].atoms, atoms)
                close(found[key].values, values)


def test_batches_fit_the_memory(gpu_device):
    """Every structure once, like sizes together; one that does not fit is named."""
    site = small(kappa=2).enumeration(SPECIES)
    tight = replace(gpu_device, free_memory=lambda: 200)
    found = list(batches(tight, site, FRAMES, lambda n_ao, n_atoms: n_ao))
    assert sorted(np.concatenate([chosen for chosen, _ in found])) == list(range(len(FRAMES)))
    sizes = [[one.channel_start[-1] for one in some.each] for _, some in found]
    assert all(max(own) * len(own) <= 100 for own in sizes)
    assert len(found) > 1
    every = [n for own in sizes for n in own]
    assert every == sorted(every, reverse=True)
    with pytest.raises(InputError, match="f, frame 14: 35 AOs need .* GB on the device"):
        next(batches(tight, site, FRAMES, lambda n_ao, n_atoms: 101, source="f", first=10))


def test_errors_name_the_frame(gpu_device):
    features = small(kappa=1).compile(["H", "C", "O"], target="structure")
    with pytest.raises(InputError, match=r"^train\.xyz, frame 11: species N, S"):
        structure_rows(features, FRAMES, source="train.xyz", first=10, device=gpu_device)
    near = [Atoms("HH", [[0, 0, 0], [0, 0, 1e-6]])]
    features = small(kappa=1, metric="lowdin").compile(["H"], target="structure")
    with pytest.raises(InputError, match=r"^t, frame 0: the AO basis is linearly dependent"):
        structure_rows(features, near, source="t", device=gpu_device)


def test_no_frames_no_rows(gpu_device):
    features = small(kappa=1).compile(["H"], target="structure")
    assert {len(x) for x in structure_rows(features, [], device=gpu_device).values()} == {0}
