"""Predicted operators as starting guesses of the SCF."""

from __future__ import annotations

import copy
import warnings
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pytest
from ase import Atoms
from pyscf import dft, gto, scf

import linvop
from linvop.conventions import HARTREE
from linvop.errors import InputError
from linvop.integrals import System, molecule, overlap
from linvop.models.functional import Functional
from linvop.scf import GuessWarning

WATER = Atoms("OH2", [[0.0, 0.1, 0.0], [0.1, 0.0, 1.02], [0.93, 0.3, -0.25]])
AO = "6-31g"

KINDS = {
    "RHF": (scf.RHF, 0, 1),
    "RKS": (dft.RKS, 0, 1),
    "UHF": (scf.UHF, 1, 2),
    "UKS": (dft.UKS, 1, 2),
}


@dataclass
class Known:
    """A model that has learned one matrix by heart; duck-typed as an OperatorModel."""

    matrix: np.ndarray
    target: str = "fock"
    state_: tuple[int, int] = (0, 1)
    ao: Any = None
    functional_: Functional | None = None

    def __post_init__(self) -> None:
        self.ao = linvop.AOBasis(AO) if self.ao is None else self.ao

    def predict(self, atoms: Atoms) -> np.ndarray:
        return self.matrix


def mean_field(kind: str, **changes) -> Any:
    make, charge, multiplicity = KINDS[kind]
    mf = make(molecule(System.from_atoms(WATER, AO), charge, multiplicity))
    if "KS" in kind:
        mf.xc, mf.grids.level = "pbe", 1
    mf.chkfile = None
    mf.set(**changes)
    return mf


@pytest.fixture(scope="module")
def converged() -> dict[str, Any]:
    found = {}
    for kind in KINDS:
        mf = mean_field(kind, conv_tol=1e-12, conv_tol_grad=1e-8)
        mf.kernel()
        assert mf.converged
        found[kind] = mf
    return found


def known(mf: Any, target: str, noise: float = 0.0) -> Known:
    matrix = np.asarray(mf.get_fock() if target == "fock" else mf.make_rdm1())
    off = noise * np.random.default_rng(0).normal(size=matrix.shape)
    return Known(matrix + off + np.swapaxes(off, -1, -2), target, (mf.mol.charge, mf.mol.spin + 1))


def assert_determinant(P: np.ndarray, mf: Any) -> None:
    S = mf.get_ovlp()
    per_orbital = 2 if P.ndim == 2 else 1
    np.testing.assert_allclose(P @ S @ P, per_orbital * P, atol=1e-10)
    electrons = np.sum(P * S, axis=(-1, -2))
    np.testing.assert_allclose(
        electrons, mf.mol.nelectron if P.ndim == 2 else mf.mol.nelec, atol=1e-10
    )


@pytest.mark.parametrize("target", ["fock", "density"])
@pytest.mark.parametrize("kind", KINDS)
def test_perfect_prediction_leaves_nothing_to_do(converged, kind, target):
    mf = mean_field(kind)
    model = known(converged[kind], target)
    with warnings.catch_warnings():
        warnings.simplefilter("error", GuessWarning)
        dm0 = linvop.initial_guess(mf, model)
    assert dm0.shape == np.shape(converged[kind].make_rdm1())
    assert_determinant(dm0, mf)
    ours, minao = linvop.compare_guesses(mf, model, names=["minao"])
    assert (ours.guess, minao.guess) == ("linvop", "minao")
    assert ours.converged
    assert minao.converged
    assert ours.iterations <= 2 < minao.iterations
    assert ours.energy == pytest.approx(converged[kind].e_tot * HARTREE, abs=1e-6)
    assert minao.energy == pytest.approx(ours.energy, abs=1e-4)


@pytest.mark.parametrize("target", ["fock", "density"])
def test_noisy_prediction_is_purified_and_still_saves_cycles(converged, target):
    mf = mean_field("RHF")
    model = known(converged["RHF"], target, noise=1e-4)
    assert_determinant(linvop.initial_guess(mf, model), mf)
    ours, *others = linvop.compare_guesses(mf, model)
    assert [r.guess for r in others] == ["minao", "atom", "huckel"]
    assert ours.iterations < min(r.iterations for r in others)


def test_iterations_are_those_that_pyscf_counts(converged):
    mf = mean_field("RHF")
    *_, minao = linvop.compare_guesses(mf, known(converged["RHF"], "fock"), names=("minao",))
    mf.init_guess = "minao"
    mf.kernel()
    assert minao.iterations == mf.cycles
    assert minao.energy == pytest.approx(mf.e_tot * HARTREE, abs=1e-8)


def test_integrals_that_do_not_fit_into_memory_are_made_each_cycle(converged):
    """PySCF's direct SCF, which it takes for large molecules and in processes that hold much."""
    model = known(converged["RHF"], "fock")
    held, direct = (linvop.compare_guesses(_with(memory), model) for memory in (4000, 0))
    for one, other in zip(held, direct, strict=True):
        assert one.iterations == other.iterations
        assert other.energy == pytest.approx(one.energy, abs=1e-6)


def _with(memory: int):
    mf = mean_field("RHF")
    mf.max_memory = memory
    return mf


def test_mean_field_is_left_as_it_was(converged):
    mf = mean_field("RKS")
    before = copy.copy(mf.__dict__)
    linvop.compare_guesses(mf, known(converged["RKS"], "fock"), names=("minao",))
    for name in ("converged", "e_tot", "mo_coeff", "callback", "chkfile", "init_guess"):
        assert mf.__dict__.get(name) is before.get(name), name


@pytest.mark.parametrize("target", ["fock", "density"])
def test_closed_shell_model_serves_spin_channels_and_back(converged, target):
    closed = known(converged["RHF"], target)
    unrestricted = scf.UHF(converged["RHF"].mol)
    dm0 = linvop.initial_guess(unrestricted, closed)
    assert dm0.shape == (2, 13, 13)
    np.testing.assert_allclose(dm0.sum(axis=0), converged["RHF"].make_rdm1(), atol=1e-6)
    two = np.stack([closed.matrix] * 2) / (2 if target == "density" else 1)
    back = linvop.initial_guess(mean_field("RHF"), Known(two, target))
    np.testing.assert_allclose(back, converged["RHF"].make_rdm1(), atol=1e-6)


def test_what_a_guess_took_beforehand_is_counted(converged):
    mf = mean_field("RHF")
    model = known(converged["RHF"], "fock", noise=1e-3)
    on_f_of_atoms = replace(model, functional_=Functional("hf"))
    taken = {
        (check, m is model): linvop.compare_guesses(mf, m, names=("minao",), check=check)
        for check in (True, False)
        for m in (model, on_f_of_atoms)
    }
    beforehand = {key: ours.beforehand for key, (ours, _) in taken.items()}
    assert beforehand == {(True, True): 2, (True, False): 3, (False, True): 0, (False, False): 1}
    assert len({ours.iterations for ours, _ in taken.values()}) == 1
    assert {minao.beforehand for _, minao in taken.values()} == {0}


def test_second_order_solvers_are_counted_too(converged):
    mf = mean_field("RHF").newton()
    ours, minao = linvop.compare_guesses(mf, known(converged["RHF"], "fock"), names=("minao",))
    assert 0 < ours.iterations < minao.iterations


def rubbish(kind: str) -> np.ndarray:
    """Symmetric, but of nothing."""
    shape = (2, 13, 13) if kind.startswith("U") else (13, 13)
    A = np.random.default_rng(3).normal(size=shape)
    return A + np.swapaxes(A, -1, -2)


@pytest.mark.parametrize("kind", KINDS)
def test_worse_than_pyscf_s_guess_falls_back_with_both_figures(kind):
    mf = mean_field(kind)
    model = Known(rubbish(kind), "fock", KINDS[kind][1:])
    number = r"[0-9.e+-]+"
    with pytest.warns(
        GuessWarning,
        match=rf"'minao' guess: \|FPS - SPF\| is {number} Hartree .* and {number} for its own",
    ):
        dm0 = linvop.initial_guess(mf, model)
    np.testing.assert_allclose(dm0, mf.get_init_guess(mf.mol, "minao"), atol=1e-12)
    with warnings.catch_warnings():
        warnings.simplefilter("error", GuessWarning)
        unchecked = linvop.initial_guess(mf, model, check=False)
    assert np.abs(unchecked - dm0).max() > 0.1


@pytest.mark.parametrize("scale", [0.5, np.nan])
def test_density_of_other_electrons_falls_back(converged, scale):
    mf = mean_field("RHF", init_guess="atom")
    model = Known(scale * converged["RHF"].make_rdm1(), "density")
    for check in (True, False):
        with pytest.warns(GuessWarning, match="'atom' guess: the model's prediction is unusable"):
            dm0 = linvop.initial_guess(mf, model, check=check)
        np.testing.assert_allclose(dm0, mf.get_init_guess(mf.mol, "atom"), atol=1e-12)


def built(**changes) -> gto.Mole:
    given = {"atom": list(zip("OHH", WATER.positions, strict=True)), "basis": AO, "verbose": 0}
    return gto.M(**(given | changes))


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: scf.ROHF(built()), "expected PySCF's RHF, UHF, RKS or UKS, got ROHF"),
        (lambda: scf.RHF(built(charge=1, spin=1)), "RKS or UKS, got ROHF"),
        (lambda: scf.GHF(built()), "RKS or UKS, got GHF"),
        (lambda: "RHF", "RKS or UKS, got str"),
        (lambda: scf.RHF(built(cart=True)), "spherical AOs"),
        (lambda: scf.RHF(built(ecp={"O": "ccecp"})), "effective core potential"),
        (
            lambda: scf.RHF(built(atom=[("ghost-O", (0, 0, 3)), *built().atom])),
            "expected nuclei on all atoms, atom 0 is a ghost",
        ),
        (lambda: scf.RHF(built(charge=2)), "charge 2 and multiplicity 1, .* fitted to charge 0"),
        (lambda: scf.UHF(built(spin=2)), "charge 0 and multiplicity 3"),
        (lambda: scf.RHF(built(basis="def2-svp")), "'def2-svp' has 24 AOs .* the model 13"),
        (lambda: scf.RHF(built(basis="4-31g")), "'4-31g' is not the model's; int1e_ovlp"),
    ],
)
def test_mean_fields_that_the_model_cannot_serve(make, message):
    with pytest.raises(InputError, match=f"mf: .*{message}"):
        linvop.initial_guess(make(), Known(np.eye(13)))


def test_periodic_mean_fields_are_refused():
    pytest.importorskip("pyscf.pbc")
    from pyscf.pbc import gto as pbc_gto
    from pyscf.pbc import scf as pbc_scf

    cell = pbc_gto.M(a=np.eye(3) * 4, atom="He 0 0 0", basis="sto-3g", verbose=0)
    with pytest.raises(InputError, match="expected a molecule, got the periodic"):
        linvop.initial_guess(pbc_scf.RHF(cell), Known(np.eye(1)))


def test_lone_atom_of_another_size_is_another_basis():
    """Overlaps on one centre do not change with the scale of the shells; kinetic energies do."""
    aos = {"He": [linvop.Shell(0, (1.0,), (1.0,))]}
    mf = scf.RHF(gto.M(atom="He", basis={"He": [[0, (1.3, 1.0)]]}, verbose=0))
    model = Known(np.eye(1), ao=linvop.AOBasis(aos))
    np.testing.assert_allclose(mf.get_ovlp(), overlap(System.from_atoms(Atoms("He"), model.ao)))
    with pytest.raises(InputError, match="int1e_kin differs"):
        linvop.initial_guess(mf, model)


def test_names_must_be_guesses_of_pyscf(converged):
    model = known(converged["RHF"], "fock")
    for names in (["minoa"], "minao", ["atom", "chkfile"]):
        with pytest.raises(InputError, match="names: expected some of minao, atom"):
            linvop.compare_guesses(mean_field("RHF"), model, names=names)


@pytest.mark.filterwarnings("ignore:.*blocks have no features")
@pytest.mark.parametrize("target", ["fock", "density"])
def test_fitted_model_saves_a_third_of_the_cycles(target):
    """40 shipped waters, PBE/def2-SVP; of more structures and with products it is more."""
    data = linvop.Dataset.open(linvop.data.water()).having(target)
    basis = linvop.Basis(ao="def2-svp", kappa=2, resolution="shell", metric="lowdin")
    model = linvop.OperatorModel(basis, target).fit(data[:40])
    for record in data[100:102]:
        mf = dft.RKS(molecule(System.from_atoms(record.atoms(), model.ao)), xc="pbe")
        mf.grids.level = 1
        ours, minao = linvop.compare_guesses(mf, model, names=("minao",))
        assert ours.iterations <= 2 / 3 * minao.iterations
        assert ours.energy == pytest.approx(minao.energy, abs=1e-4)


def test_model_that_is_not_fitted_is_refused():
    model = linvop.OperatorModel(linvop.Basis(ao="sto-3g", kappa=1))
    with pytest.raises(InputError, match="not fitted"):
        linvop.initial_guess(mean_field("RHF"), model)


def test_models_of_other_kinds_and_paths(tmp_path):
    """An effective model serves mean fields in its own small basis; properties are no operator."""
    data = linvop.Dataset.open(linvop.data.water()).having("fock")[:6]
    basis = linvop.Basis(ao="sto-3g", kappa=1)
    properties = linvop.PropertyModel(basis, targets=("energy",)).fit(data.frames())
    properties.save(tmp_path / "p.h5")
    expected = "model: expected an OperatorModel or an EffectiveOperatorModel, .*, got"
    small = scf.RHF(built(basis="sto-3g"))
    for model, got in (
        (properties, "PropertyModel"),
        (tmp_path / "p.h5", "p.h5 with a PropertyModel"),
        (np.eye(7), "ndarray"),
        (None, "NoneType"),
    ):
        with pytest.raises(InputError, match=f"{expected}.*{got}"):
            linvop.initial_guess(small, model)
        with pytest.raises(InputError, match=f"{expected}.*{got}"):
            linvop.compare_guesses(small, model, names=("minao",))
    effective = linvop.EffectiveOperatorModel(basis, ao="sto-3g", n_virtual=0)
    with pytest.raises(InputError, match="not fitted"):
        linvop.initial_guess(small, effective)
    with pytest.raises(InputError, match="no such file"):
        linvop.initial_guess(small, tmp_path / "none.h5")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # six structures, and few steps
        effective.fit(data)
        own = linvop.initial_guess(small, effective.operator_, check=False)
        effective.save(tmp_path / "e.h5")
        for model in (effective, tmp_path / "e.h5", str(tmp_path / "e.h5")):
            P = linvop.initial_guess(small, model, check=False)
            np.testing.assert_allclose(P, own, atol=1e-12)
    with pytest.raises(InputError, match="mf: its AO basis '6-31g' has 13 AOs here, .* model 7"):
        linvop.initial_guess(scf.RHF(built()), effective)
