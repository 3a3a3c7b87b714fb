"""Structures that the training data do not determine, and those unlike them, are named."""

from __future__ import annotations

import json
import warnings
from pathlib import Path

import numpy as np
import pytest
from ase import Atoms
from ase.build import molecule

from linvop.features.basis import Basis
from linvop.io import model_file
from linvop.io.structures import read
from linvop.models.domain import (
    ExtrapolationWarning,
    TrainingDomain,
    training_domain,
    warn_outside,
)
from linvop.models.loading import load
from linvop.models.property import PropertyModel
from linvop.models.training import atom_counts

SHARED = Path(__file__).parents[2] / ".." / "shared" / "data"
BASIS = Basis("sto-3g", kappa=2)

pytestmark = [
    pytest.mark.filterwarnings("ignore:H has no features"),
    pytest.mark.filterwarnings("ignore::linvop.regression.ridge.RegularisationWarning"),
]


@pytest.fixture(scope="module")
def model(waters):
    return PropertyModel(BASIS, ("energy", "dipole")).fit(waters[:80])


def domain_of(frames: list[Atoms]) -> TrainingDomain:
    symbols = sorted(
        {s for a in frames for s in a.get_chemical_symbols()}, key=["H", "C", "O"].index
    )
    return training_domain(frames, atom_counts(frames, symbols))


def said(domain, frames, constants=(), symbols=("H", "O")) -> list[str]:
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        warn_outside(domain, frames, atom_counts(frames, symbols), "x.xyz", constants)
    assert all(w.category is ExtrapolationWarning for w in caught)
    return [str(w.message) for w in caught]


# -- compositions --------------------------------------------------------------------------------


def test_combinations_of_the_compositions_trained_on_are_determined(waters):
    domain = domain_of(waters[:5])
    counts = np.array([[2, 1], [4, 2], [200, 100], [2, 0], [0, 1], [2, 2], [201, 100]])
    assert domain.determined(counts).tolist() == [True, True, True, False, False, False, False]
    assert domain_of([*waters[:5], molecule("H2")]).determined(counts).all()
    assert domain_of([molecule("CH4"), molecule("CH3OH")]).determined(
        np.array([[4, 1, 0], [4, 1, 1], [0, 0, 1], [8, 2, 1], [2, 0, 1]])
    ).tolist() == [True, True, True, True, False]


def test_what_is_undetermined_is_named_with_its_composition_and_number(waters):
    domain = domain_of(waters[:5])
    frames = [*waters[:5], molecule("H2"), molecule("H2O2")]
    first, second = said(domain, frames, ["energy", "gap"])
    assert first == (
        "x.xyz: frame 5: composition H2 is no combination of those trained on (H2O): its energy "
        "and gap is undetermined (2 of 7 structures)"
    )
    assert second.startswith("x.xyz: frame 5: H atom 0 has")
    # Without constants nothing is undetermined, but these are far away.
    assert said(domain, frames) == [second]


def test_a_model_warns_after_a_file_too_and_one_of_an_old_version_does_not(model, waters, tmp_path):
    model.save(tmp_path / "m.h5")
    for m in (model, load(tmp_path / "m.h5")):
        with pytest.warns(ExtrapolationWarning, match="^y: frame 1: composition H2 .*its energy "):
            m.predict([waters[0], molecule("H2")], source="y")
    text, parts, directions = model_file.read(tmp_path / "m.h5")
    settings = json.loads(text)
    del settings["domain"]
    model_file.write(tmp_path / "old.h5", json.dumps(settings), parts, directions)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        load(tmp_path / "old.h5").predict([molecule("H2")])


def test_given_free_atoms_determine_every_composition(waters):
    free = PropertyModel(BASIS, "energy", atom_energies={"H": -13.0, "O": -2000.0}).fit(waters[:20])
    with pytest.warns(ExtrapolationWarning) as caught:
        free.predict([molecule("H2")])
    (line,) = [str(w.message) for w in caught]
    assert "composition" not in line
    assert "the model extrapolates" in line


# -- surroundings --------------------------------------------------------------------------------


def scaled(atoms: Atoms, factor: float) -> Atoms:
    return Atoms(atoms.numbers, factor * atoms.positions)


def test_far_structures_are_named_and_near_ones_are_not(model, waters):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        model.predict(waters[80:])
    dimer = waters[0] + Atoms("OH2", waters[1].positions + 2.5)
    cases = {
        "atom . has its nearest neighbour at 1.*trained on 0.*to .*Angstrom": scaled(
            waters[80], 1 / 0.529
        ),
        "has its nearest neighbour at 0.5": scaled(waters[80], 0.529),
        "O atom 0 has a potential of the other nuclei of": dimer,
    }
    for match, atoms in cases.items():
        with pytest.warns(ExtrapolationWarning, match="^test: frame 1: .*" + match) as caught:
            model.predict([waters[80], atoms, waters[81]], source="test")
        (line,) = [str(w.message) for w in caught]
        assert line.endswith(": the model extrapolates (1 of 3 structures)")


def test_a_range_is_widened_by_itself():
    # H2 at 0.8 to 1.25 Angstrom, 20 structures: m = 2. So r up to 1.25 (1.25 / 0.8)^2 = 3.05,
    # and 1/r up to 1.25 + 2 (1.25 - 0.8) = 2.15.
    domain = domain_of([Atoms("H2", [[0, 0, 0], [0, 0, d]]) for d in np.linspace(0.8, 1.25, 20)])
    for d, out in ((3.0, False), (3.1, True), (1 / 2.1, False), (1 / 2.2, True)):
        assert bool(said(domain, [Atoms("H2", [[0, 0, 0], [0, 0, d]])], (), ["H"])) is out


def test_far_apart_molecules_and_lone_atoms(waters):
    domain = domain_of(waters[:80])
    apart = waters[0] + Atoms("OH2", waters[1].positions + 40)
    assert domain.outside(apart) is None
    assert domain.outside(Atoms("O")).startswith("O atom 0 has no neighbour, trained on 0.")
    with_atoms = domain_of([*waters[:80], Atoms("O"), Atoms("H")])
    assert with_atoms.outside(Atoms("O")) is None
    assert with_atoms.outside(Atoms("O2", [[0, 0, 0], [0, 0, 0.3]])) is not None


@pytest.mark.parametrize(
    ("file", "n_train"),
    [
        ("water_monomer/water_monomer_1000.xyz", 50),
        ("rmd17_ethanol/train.xyz", 50),
        ("qm7/qm7_first1000.xyz", 500),
    ],
)
def test_no_false_alarm_on_random_splits(file, n_train):
    if not (SHARED / file).is_file():
        pytest.skip(f"no {SHARED / file}")
    import ase.io

    frames = ase.io.read(SHARED / file, ":")
    order = np.random.default_rng(0).permutation(len(frames))
    train = [frames[k] for k in order[:n_train]]
    domain = TrainingDomain(
        **json.loads(json.dumps(training_domain(train, counts_of(train)).stored()))
    )
    assert [k for k in order[n_train:] if domain.outside(frames[k])] == []


def counts_of(frames: list[Atoms]) -> np.ndarray:
    z = sorted({int(z) for a in frames for z in a.numbers})
    return np.array([[np.sum(a.numbers == x) for x in z] for a in frames], dtype=float)


def test_no_false_alarm_on_the_shipped_waters():
    from linvop import data

    frames = read(data.water())
    for seed in range(3):
        order = np.random.default_rng(seed).permutation(len(frames))
        train = [frames[k] for k in order[:20]]
        domain = training_domain(train, counts_of(train))
        assert [k for k in order if domain.outside(frames[k])] == []
