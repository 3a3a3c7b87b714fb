"""The light runtime: as fitted, alone, and what it refuses; the format read with h5py alone."""

from __future__ import annotations

import hashlib
import json
import subprocess
import sys
import warnings
from dataclasses import replace

import h5py
import numpy as np
import pytest

import linvop
from linvop import deploy_pyscf
from linvop.deploy import DeployError, Predictor
from linvop.errors import InputError
from linvop.integrals import System, overlap, potential
from linvop.models import export

CASES = [
    {"metric": metric, "resolution": resolution, "kappa": kappa}
    for metric in ("ao", "overlap", "lowdin")
    for resolution, kappa in (("shell", 3), ("total", 2), ("species", 1))
]
CASES += [
    {"metric": "overlap", "kappa": 2, "screening": (None, 0.3)},
    {"metric": "lowdin", "kappa": 2, "resolution": "species", "sources": "species"},
    {"metric": "lowdin", "kappa": 2, "nu": 3, "max_degree": (None, 5, 4)},
    {"metric": "ao", "kappa": 1, "nu": 2, "max_degree": (None, 5)},
]
TARGETS = ("energy", "dipole", linvop.Target("theta", rank=2))


@pytest.fixture(scope="module")
def frames():
    frames = linvop.Dataset.open(linvop.data.water()).frames()[:60]
    for atoms in frames:
        r = atoms.positions - atoms.positions[0]
        atoms.info["theta"] = r.T @ r
    return frames


def fitted(frames, **settings) -> linvop.PropertyModel:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of angles that hydrogen lacks in 6-31G
        return linvop.PropertyModel(linvop.Basis("6-31g", **settings), TARGETS).fit(frames[:50])


@pytest.fixture(scope="module")
def model(frames):
    return fitted(frames, kappa=2, metric="lowdin", nu=2, max_degree=(None, 4))


@pytest.fixture
def exported(model, tmp_path):
    path = tmp_path / "m.deploy.h5"
    model.export(path)
    return path


@pytest.mark.parametrize("settings", CASES, ids=str)
def test_deployed_is_fitted(frames, settings, tmp_path):
    model = fitted(frames, **settings)
    errors = model.export(tmp_path / "m.h5")
    assert set(errors) == {"fitted", "rotation", "permutation", "derivatives"}
    runtime, atoms = Predictor(tmp_path / "m.h5"), frames[55]
    found = deploy_pyscf.predict(runtime, atoms.numbers, atoms.positions)
    for name, expected in model.predict([atoms])[0].items():
        np.testing.assert_allclose(found[name], expected, rtol=1e-10, atol=1e-10)
    forces = deploy_pyscf.forces(runtime, atoms.numbers, atoms.positions)
    expected = -model.derivatives([atoms])[0]
    np.testing.assert_allclose(forces, expected, atol=1e-8 * np.abs(expected).max())


def test_derivatives_by_matrices_as_such(exported, frames):
    """Along random symmetric changes of V and S, whatever they come from."""
    runtime = Predictor(exported)
    system = System.from_atoms(frames[3], linvop.AOBasis("6-31g"))
    V, S = potential(system), overlap(system)
    rng, h = np.random.default_rng(0), 1e-4
    dV, dS = (x + x.T for x in rng.normal(size=(2, *V.shape)) * 0.05)
    for target, component in (("energy", ()), ("dipole", (1,)), ("theta", (0, 2))):
        G_V, G_S = runtime.derivatives(system.numbers, V, S, target, component)
        y = [
            runtime.predict(system.numbers, V + k * h * dV, S + k * h * dS)[target]
            for k in (-2, -1, 1, 2)
        ]
        slope = np.dot([1, -8, 8, -1], [np.asarray(x)[component] for x in y]) / (12 * h)
        size = np.linalg.norm(G_V) + np.linalg.norm(G_S)
        assert np.sum(G_V[0] * dV) + np.sum(G_S * dS) == pytest.approx(slope, abs=1e-6 * size)


def test_cost_does_not_grow_with_columns(frames):
    """Tables of a model with and without angles between the same words are of one size."""
    sizes = []
    for lam_max in (2, 4):
        model = fitted(frames, kappa=2, metric="lowdin", lam_max=lam_max)
        tables = export._tables(model)
        sizes.append([x["cuts"][0]["table"].shape for x in tables.values()])
    assert sizes[0] == sizes[1]


def test_alone_and_quickly(exported):
    code = (
        "import sys, time; t = time.perf_counter(); from linvop.deploy import Predictor; "
        f"Predictor({str(exported)!r}); t = time.perf_counter() - t; "
        "heavy = {'scipy', 'sympy', 'numba', 'ase', 'pyscf', 'matplotlib'} & set(sys.modules); "
        "print(t, *heavy)"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    seconds, *heavy = run.stdout.split()
    assert not heavy
    assert float(seconds) < 3  # some 0.2 on an idle machine: what is tested is the order


def test_damaged_files_are_refused(exported, tmp_path):
    data = exported.read_bytes()
    bad = tmp_path / "bad.h5"
    for what, content in (
        ("damaged", data[:2000] + bytes([data[2000] ^ 1]) + data[2001:]),
        ("damaged", data[:500] + b"x" + data[501:]),
        ("truncated", data[:-100]),
        ("truncated", data[:60]),
        ("not a file that linvop wrote", b""),
        ("damaged", data + b"\0"),
    ):
        bad.write_bytes(content)
        with pytest.raises(DeployError, match=f"bad.h5: .*{what}"):
            Predictor(bad)
    with pytest.raises(DeployError, match=r"none\.h5: cannot be read"):
        Predictor(tmp_path / "none.h5")


def resealed(path, change) -> None:
    """Change a file and seal it anew, as somebody might who knows how."""
    with h5py.File(path, "r+") as file:
        change(file)
    content = path.read_bytes()[512:]
    said = f"{len(content) + 512} bytes\nsha256 {hashlib.sha256(content).hexdigest()}\n"
    seal = b"linvop: HDF5 from byte 512\n" + said.encode()
    path.write_bytes(seal.ljust(512, b"\n") + content)


def test_newer_foreign_and_wrong_files_are_refused(exported, model, tmp_path):
    resealed(exported, lambda file: file.attrs.__setitem__("schema", 99))
    with pytest.raises(DeployError, match="schema 99.*newer"):
        Predictor(exported)
    model.export(exported, force=True)

    def spoil(file):
        file["species/O/constants"][0] += 1e-3

    resealed(exported, spoil)
    with pytest.raises(DeployError, match="self-check of values fails"):
        Predictor(exported)
    model.save(tmp_path / "m.h5")
    with pytest.raises(DeployError, match=r"expected an exported model .*got 'model'"):
        Predictor(tmp_path / "m.h5")


def test_bad_input_is_named(exported):
    runtime = Predictor(exported)
    n = runtime.n_ao([8, 1, 1])
    V, S = np.eye(n), np.eye(n)
    for given, message in (
        (([8, 1, 7], V, S), "atom 2: atomic number 7; this model knows 1 .H., 8 .O."),
        (([8, 1, 1], V[1:], S), r"V: expected shape \(1, 13, 13\)"),
        (([8, 1, 1], V, None), "S: metric 'lowdin' needs the overlap"),
        (([8, 1, 1], V * np.nan, S), "V: expected finite"),
        (([8, 1, 1], V, -S), "S: expected a positive matrix"),
    ):
        with pytest.raises(DeployError, match=message):
            runtime.predict(*given)
    with pytest.raises(DeployError, match="at least one atom"):
        runtime.predict([], np.zeros((0, 0)), np.zeros((0, 0)))
    with pytest.raises(DeployError, match="atom 0: atomic number 'O'"):
        runtime.predict(["O"], V, S)
    with pytest.raises(DeployError, match=r"positions: .*\(3, 3\), got shape \(2, 3\)"):
        deploy_pyscf.predict(runtime, [8, 1, 1], np.zeros((2, 3)))
    with pytest.raises(DeployError, match="target: expected one of energy, dipole, theta"):
        runtime.derivatives([8, 1, 1], V, S, "gap")
    with pytest.raises(DeployError, match=r"component: expected an index of shape \(3,\)"):
        runtime.derivatives([8, 1, 1], V, S, "dipole", (3,))


@pytest.mark.parametrize("name", ["fitted", "rotation", "permutation", "derivatives"])
def test_a_model_that_fails_is_not_written(model, tmp_path, monkeypatch, name):
    predict = export.Predictor.predict
    derivatives = export.Predictor.derivatives

    def spoiled(self, numbers, V, S=None):
        out = predict(self, numbers, V, S)
        if name == "fitted":
            out["energy"] += 1.0
        if name == "rotation":  # depends on where the axes point
            out["energy"] += np.abs(V[0]).sum()
        if name == "permutation":
            out["energy"] += float(numbers[0])
        return out

    def halved(self, *given):
        return tuple(0.5 * x for x in derivatives(self, *given))

    monkeypatch.setattr(export.Predictor, "predict", spoiled)
    if name == "derivatives":
        monkeypatch.setattr(export.Predictor, "derivatives", halved)
    with pytest.raises(InputError, match=f"not written: .*{name}"):
        model.export(tmp_path / "m.h5")
    assert list(tmp_path.iterdir()) == []


def test_the_format_needs_h5py_only(frames, tmp_path):
    """docs/format.md, followed by hand for kappa 2 in metric ao: y from words one by one."""
    model = fitted(frames, kappa=2, metric="ao")
    model.export(tmp_path / "m.h5")
    atoms = frames[52]
    system = System.from_atoms(atoms, linvop.AOBasis("6-31g"))
    V = potential(system)
    with h5py.File(tmp_path / "m.h5", "r") as file:
        settings = json.loads(file["settings"].asstr()[()])
        order, shell_of, atom_of = [], [], []  # channel order, AO by AO
        n_shell = 0
        first = system.layout.atom_offsets
        for s in settings["species"]:
            place = 0
            for shell in settings["shells"][s]:
                l = shell["l"]
                for a, symbol in enumerate(system.layout.symbols):
                    if symbol == s:
                        components = [1, 2, 0] if l == 1 else range(2 * l + 1)
                        order += [first[a] + place + m for m in components]
                        shell_of += [n_shell] * (2 * l + 1)
                        atom_of += [a] * (2 * l + 1)
                n_shell += 1
                place += 2 * l + 1
        V, shell_of, atom_of = V[np.ix_(order, order)], np.array(shell_of), np.array(atom_of)
        y = 0.0
        for a, symbol in enumerate(system.layout.symbols):
            group = file["species"][symbol]
            rows = np.flatnonzero(atom_of == a)
            y += group["constants"][0] + np.sum(group["local"][0, 0] * V[np.ix_(rows, rows)])
            for cut in group["cuts"].values():
                low, high = file["channels"][cut["channel"][()]]
                inner = V[rows][:, (shell_of >= low) & (shell_of < high)]
                y += np.sum(cut["table"][0] * (inner @ inner.T))  # both halves are V itself
    assert y == pytest.approx(model.predict([atoms])[0]["energy"], rel=1e-10)


def test_a_structure_without_one_of_the_species(exported, frames, model):
    atoms = frames[0][[1, 2]]
    atoms.positions[1] = atoms.positions[0] + [0.8, 0, 0]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        expected = model.predict([atoms])[0]
    runtime = Predictor(exported)
    found = deploy_pyscf.predict(runtime, atoms.numbers, atoms.positions)
    assert found["energy"] == pytest.approx(expected["energy"], rel=1e-10)
    moved = System.from_atoms(atoms, linvop.AOBasis("6-31g"))
    assert replace(moved).layout.n_ao == runtime.n_ao(atoms.numbers)
