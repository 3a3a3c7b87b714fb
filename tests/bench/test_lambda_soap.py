"""Laws of the peer of operator models: its densities are featomic's, and what it predicts turns."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest
from ase import Atoms
from scipy.spatial.transform import Rotation

import linvop
from linvop.angular.wigner import rotation_matrix
from linvop.bench.coupled_densities import power_spectrum
from linvop.bench.lambda_soap import LambdaSoapFeatures
from linvop.bench.lambda_soap_model import LambdaSoapModel
from linvop.bench.pair_densities import pair_densities
from linvop.bench.soap import SoapSettings
from linvop.bench.spectrum_turns import LambdaSoapSettings, spectrum_turns
from linvop.conventions import BOHR
from linvop.errors import InputError
from linvop.integrals import System
from linvop.models.operator_part import BlockPart
from linvop.orbitals.operator_blocks import operator_blocks
from linvop.orbitals.shells import AOBasis
from linvop.testing.operators import assert_equivariant_operator

pytest.importorskip("featomic", reason="needs featomic: pip install 'linvop[peers]'")

SMALL = SoapSettings(max_radial=2, max_angular=3)
WITH_SPECTRA = LambdaSoapSettings(SMALL, pair_cutoff=5.0, spectrum_channels=2)
SPECIES, NUMBERS = ("H", "C", "O"), (1, 6, 8)


def methanol() -> Atoms:
    """Without any symmetry."""
    x = [
        [0.0, 0.0, 0.0],
        [1.41, 0.03, -0.02],
        [1.72, 0.90, 0.11],
        [-0.37, 1.02, 0.04],
        [-0.35, -0.51, 0.91],
        [-0.39, -0.54, -0.86],
    ]
    return Atoms("COHHHH", x)


def densities(atoms: Atoms, settings: SoapSettings = SMALL):
    return pair_densities(atoms.numbers, atoms.positions / BOHR, NUMBERS, settings)


def test_densities_turn_as_linvops_irreps_do():
    R = Rotation.random(rng=np.random.default_rng(2)).as_matrix()
    turned = methanol()
    turned.positions = turned.positions @ R.T
    before, after = densities(methanol()), densities(turned)
    for l, (g, h) in enumerate(zip(before.pairs, after.pairs, strict=True)):
        expected = np.einsum("mn,ijnk->ijmk", rotation_matrix(l, R), g)
        assert np.abs(h - expected).max() < 1e-10 * np.abs(g).max(), l
        # r_ji = -r_ij
        assert np.allclose(g.transpose(1, 0, 2, 3), (-1) ** l * g, rtol=0, atol=1e-14)
    along_z = pair_densities((1, 1), np.array([[0, 0, 0], [0, 0, 1.5]]), (1,), SMALL).pairs[1]
    assert along_z[0, 1, 1, 0] > 0  # m = 0 is z, and r_ij goes from i to j
    assert np.abs(along_z[0, 1, [0, 2]]).max() < 1e-14


def test_atoms_have_the_sum_of_the_densities_of_their_pairs():
    from featomic import SphericalExpansion

    own = densities(methanol())
    for key, block in SphericalExpansion(**SMALL.hypers()).compute([methanol()]).items():
        q = NUMBERS.index(key["neighbor_type"])
        atoms = np.asarray(block.samples["atom"])
        found = own.atoms[key["o3_lambda"]][atoms][:, :, 3 * q : 3 * q + 3]
        assert np.abs(found - block.values).max() < 1e-12


@pytest.mark.parametrize("irrep", [(0, 1), (1, 1), (1, -1), (2, 1), (2, -1), (4, 1)])
def test_lambda_soap_is_that_of_featomic(irrep):
    """Inner products of all atoms and components agree: the columns differ at most by signs."""
    from featomic import SphericalExpansion
    from featomic.clebsch_gordan import EquivariantPowerSpectrum

    lam, sigma = irrep
    program = EquivariantPowerSpectrum(
        SphericalExpansion(**SMALL.hypers()), neighbor_types=list(NUMBERS)
    )
    block = program.compute([methanol()], neighbors_to_properties=True).block(
        o3_lambda=lam, o3_sigma=sigma, center_type=1
    )
    # featomic keeps (a, b) and (b, a) of l1 = l2, but l1 < l2 once
    once = np.asarray(block.properties["l_1"]) < np.asarray(block.properties["l_2"])
    theirs = block.values * np.where(once, np.sqrt(2), 1)
    hydrogens = np.flatnonzero(methanol().numbers == 1)
    ours = power_spectrum([x[hydrogens] for x in densities(methanol()).atoms], lam, sigma)
    expected = np.einsum("imp,jnp->imjn", theirs, theirs)
    found = np.einsum("imp,jnp->imjn", ours, ours)
    assert np.abs(found - expected).max() < 1e-12 * np.abs(expected).max()


def random_model(settings: LambdaSoapSettings, ao: str = "6-31g*") -> LambdaSoapModel:
    rng = np.random.default_rng(5)
    model = LambdaSoapModel(settings, baseline="none")
    model.species_, model.ao_ = SPECIES, AOBasis(ao).frozen(SPECIES)
    model.state_, model.spin_channels_, model.n_train_ = (0, 1), 1, 0
    model.training_ = {}
    model.turns_ = spectrum_turns([System.from_atoms(methanol(), "sto-3g")], SPECIES, settings)
    features = model.features()
    model.parts_ = {
        block: BlockPart(
            rng.normal(size=(features.count(block), len(shells))), np.zeros(len(shells))
        )
        for block, shells in operator_blocks(model.ao_, SPECIES).items()
    }
    return model


@pytest.mark.parametrize("settings", [LambdaSoapSettings(SMALL), WITH_SPECTRA])
@pytest.mark.filterwarnings("ignore:.*in fewer than two of the training structures")
def test_predictions_turn_and_permute_whatever_the_coefficients(settings):
    assert_equivariant_operator(random_model(settings), methanol())


def test_like_atoms_have_the_sign_of_their_exchange():
    atoms = methanol()
    swapped = atoms[[0, 1, 3, 2, 4, 5]]  # the first two H
    model = random_model(WITH_SPECTRA)
    features = model.features()
    here, there = (features.evaluate(System.from_atoms(a, "sto-3g")) for a in (atoms, swapped))
    signs = set()
    for block, (pairs, values) in here.items():
        if block.exchange and block.species_i == "H":
            k = int(np.flatnonzero((pairs == [2, 3]).all(axis=1))[0])
            assert np.allclose(there[block].values[k], block.exchange * values[k], atol=1e-14)
            assert np.abs(values[k]).max() > 1e-6, block
            signs.add(block.exchange)
    assert signs == {1, -1}


def test_columns_are_counted_before_they_are_made():
    features = random_model(WITH_SPECTRA).features()
    assert isinstance(features, LambdaSoapFeatures)
    found = features.evaluate(System.from_atoms(methanol(), "sto-3g"))
    for kind in features.kinds:
        for block, (_, values) in (
            features.of_kinds([kind]).evaluate(System.from_atoms(methanol(), "sto-3g")).items()
        ):
            assert block.kind == kind
            assert values.shape[1:] == (2 * block.lam + 1, features.count(block)), block
            assert np.array_equal(values, found[block].values)
    assert {b.kind for b in features.blocks} - {b.kind for b in found} == {
        ("C", "C", False),
        ("O", "O", False),
    }


def test_channels_hold_most_of_the_spectrum():
    atoms = methanol()
    turns = spectrum_turns([System.from_atoms(atoms, "sto-3g")], SPECIES, WITH_SPECTRA)
    hydrogens = [x[atoms.numbers == 1] for x in densities(atoms).atoms]
    rows = power_spectrum(hydrogens, 2, 1).reshape(-1, turns["H", 2, 1].shape[0])
    turn = turns["H", 2, 1]
    assert np.allclose(turn.T @ turn, np.eye(2), atol=1e-12)
    held = np.linalg.norm(rows @ turn) ** 2
    assert held == pytest.approx((np.linalg.svd(rows)[1][:2] ** 2).sum())
    assert ("H", 0, -1) not in turns  # two densities make no pseudoscalar


@pytest.mark.parametrize("target", ["fock", "density"])
def test_a_fit_beats_the_baseline_by_far(target):
    data = linvop.Dataset.open(linvop.data.water()).having(target)
    model = LambdaSoapModel(LambdaSoapSettings(SMALL), target).fit(data[:20])
    learned = [p.report for p in model.parts_.values() if p.report["learned"]]
    assert {r["n_structures"] for r in learned} == {20}
    assert "max_angular=3" in model.report()["basis"]
    found = model.score(data[100:])["all"]["mae"]
    for part in model.parts_.values():  # what is left is the baseline
        part.coefficients[:] = 0
        part.constants[:] = 0
    assert 0 < found < 0.05 * model.score(data[100:])["all"]["mae"]
    with pytest.raises(InputError, match="not saved"):
        model.save("peer.h5")


def test_threads_may_be_the_first_to_use_featomic():
    """In a process of its own: its library is loaded at first use."""
    program = (
        "import numpy as np\n"
        "from concurrent.futures import ThreadPoolExecutor\n"
        "from linvop.bench.pair_densities import pair_densities\n"
        "from linvop.bench.soap import SoapSettings\n"
        "x, small = np.diag([0.0, 1.8, 1.9]), SoapSettings(max_radial=1, max_angular=1)\n"
        "def one(k): return pair_densities((8, 1, 1), x, (1, 8), small).atoms[1].sum()\n"
        "with ThreadPoolExecutor(4) as pool: assert len(set(pool.map(one, range(8)))) == 1\n"
    )
    subprocess.run([sys.executable, "-c", program], check=True)


def test_bad_settings_are_refused():
    with pytest.raises(InputError, match="expected 0 or more, got -1"):
        spectrum_turns([], SPECIES, LambdaSoapSettings(SMALL, spectrum_channels=-1))
    with pytest.raises(InputError, match=r"expected atoms of \[1, 8\], got \[6\]"):
        pair_densities((6,), np.zeros((1, 3)), (1, 8), SMALL)
