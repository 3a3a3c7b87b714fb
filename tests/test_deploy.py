"""The light runtime: as fitted, alone, and what it refuses; the format read with h5py alone."""

from __future__ import annotations

import hashlib
import json
import re
import subprocess
import sys
import warnings
from dataclasses import replace
from pathlib import Path

import h5py
import numpy as np
import pytest
from ase.build import molecule

import linvop
from linvop import deploy_pyscf
from linvop.angular.real_harmonics import solid_harmonics
from linvop.deploy import DeployError, Predictor
from linvop.errors import InputError
from linvop.integrals import System, overlap, potential
from linvop.models import export, export_checks

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
    # More sources than channels: without groups a word's channel is its source.
    {
        "metric": "lowdin",
        "kappa": 1,
        "nu": 2,
        "max_degree": (None, 4),
        "resolution": "total",
        "screening": (None, 0.3),
    },
]
TARGETS = ("energy", "dipole", linvop.Target("theta", rank=2))


@pytest.fixture(scope="module")
def frames():
    frames = linvop.Dataset.open(linvop.data.water()).frames()[:60]
    rng = np.random.default_rng(0)
    for atoms in frames:
        r = atoms.positions - atoms.positions[0]
        noise = 1e-3 * rng.normal(size=(3, 3))  # nothing is fitted down to rounding
        atoms.info["theta"] = r.T @ r + noise + noise.T
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
    ends = system.layout.atom_offsets
    for a, b in zip(ends, [*ends[1:], len(S)], strict=False):
        dS[a:b, a:b] = 0.0  # the AOs of an atom are the model's
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
    """More irreps of the same words are more columns, and no larger tables of a number."""
    sizes, n_columns = [], []
    for target in (linvop.Target("theta", irrep=(0, 1)), linvop.Target("theta", rank=2)):
        if target.rank is None:
            for atoms in frames:
                atoms.info["trace"] = [np.trace(atoms.info["theta"])]
            target = linvop.Target("trace", irrep=(0, 1))
        model = linvop.PropertyModel(linvop.Basis("6-31g", kappa=2, metric="lowdin"), target)
        tables = export._content(model.fit(frames[:50])).species
        sizes.append([[cut["table"].shape[1:] for cut in x["cuts"]] for x in tables.values()])
        n_columns.append(sum(len(p.coefficients) for p in model.parts_[target.name].values()))
    assert sizes[0] == sizes[1]
    assert n_columns[1] > 1.2 * n_columns[0]


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


def test_diffuse_orbitals_and_screened_nuclei_are_no_mistake(tmp_path):
    """A neighbour in the lobe of a diffuse AO attracts it more than its own screened nucleus."""
    rng, frames = np.random.default_rng(0), []
    for name in ("LiH", "LiF") * 8:
        atoms = molecule(name)
        atoms.positions *= rng.uniform(0.9, 1.2)
        atoms.info["energy"] = float(rng.normal())
        frames.append(atoms)
    for settings in ({"screening": 4.0}, {"screening": 0.3, "sources": "species"}, {}):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            basis = linvop.Basis("def2-svp", kappa=1, **settings)
            model = linvop.PropertyModel(basis, "energy", linvop.Ridge(1e-3)).fit(frames)
            expected = model.predict(frames)
        model.export(tmp_path / "m.h5", force=True)
        runtime = Predictor(tmp_path / "m.h5")
        for atoms, one in zip(frames, expected, strict=True):
            found = deploy_pyscf.predict(runtime, atoms.numbers.astype(float), atoms.positions)
            assert found["energy"] == pytest.approx(one["energy"], rel=1e-9)


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
    with pytest.raises(DeployError, match="schema 99, written by linvop .* this reader knows 2"):
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
    system = System.from_atoms(molecule("H2O"), linvop.AOBasis("6-31g"))
    V, S = potential(system), overlap(system)
    runtime.predict([8, 1, 1], V, S)
    for given, message in (
        (([8, 1, 7], V, S), "atom 2: atomic number 7; this model knows 1 .H., 8 .O."),
        (([8, 1, 1], V[1:], S), r"V: expected real numbers of shape \(1, 13, 13\), got float64"),
        (([8, 1, 1], V, None), r"S: expected real numbers of shape \(13, 13\), got None"),
        (([8, 1, 1], V * 1j, S), "V: expected real numbers.* got complex128"),
        (([8, 1, 1], "V", S), "V: expected real numbers.* got <U1"),
        (([8, 1, 1], [[1.0], [1.0, 2.0]], S), "V: expected numbers of shape"),
        (([8, 1, 1], V + np.triu(V, 1), S), "V: expected a symmetric matrix, got differences"),
        (([8, 1, 1], V, 2 * S), "S: atom 1 has not the model's AOs: another unit, other nuclei or"),
        (([8, 1, 1], V * np.nan, S), r"V: expected finite numbers, got nan at \[0, 0, 0\]"),
        (([8, 1, 1], -V, S), "V: atom 1: on the diagonal 6.*expected -.* to -1"),
        (([8, 1, 1], 0 * V, S), "V: atom 1: on the diagonal -?0, expected"),
        (([8, 1, 1], 27.2 * V, S), "V: atom [012]: on the diagonal .*: another unit, other nuclei"),
        (([8, 1, 1], V + kinetic(system), S), "V: atom [012]: on the diagonal"),
        (([1, 8, 1], V, S), "V: atom [012]: on the diagonal"),
        ((["O", "H", "H"], V, S), "atom 0: atomic number 'O'"),
        (("OHH", V, S), "atom 0: atomic number 'OHH'"),
        (([8, [1], 1], V, S), r"atom 1: atomic number \[1\]"),
    ):
        with pytest.raises(DeployError, match=message):
            runtime.predict(*given)
    with pytest.raises(DeployError, match=r"component: expected an index of \(\), got 0"):
        runtime.derivatives([8, 1, 1], V, S, "energy", 0)
    with pytest.raises(DeployError, match="call predict instead"):
        runtime.operator([8, 1, 1], V, S)
    with pytest.raises(DeployError, match="positions: expected numbers, got 'here'"):
        deploy_pyscf.predict(runtime, [8, 1, 1], "here")
    with pytest.raises(DeployError, match="5: cannot be read"):
        Predictor(5)
    with pytest.raises(DeployError, match="at least one atom"):
        runtime.predict([], np.zeros((0, 0)), np.zeros((0, 0)))
    with pytest.raises(DeployError, match="atom 0: atomic number 'O'"):
        runtime.predict(["O"], V, S)
    with pytest.raises(DeployError, match=r"positions: .*\(3, 3\), got \(2, 3\)"):
        deploy_pyscf.predict(runtime, [8, 1, 1], np.zeros((2, 3)))
    with pytest.raises(DeployError, match=r"target: expected one of .'energy', 'dip.* got 'gap'"):
        runtime.derivatives([8, 1, 1], V, S, "gap")
    with pytest.raises(DeployError, match=r"component: expected an index of \(3,\)"):
        runtime.derivatives([8, 1, 1], V, S, "dipole", (3,))


def kinetic(system):
    return system.integral("int1e_kin_sph")


def test_atoms_in_another_order_are_noticed(exported, frames):
    runtime, system = Predictor(exported), System.from_atoms(frames[3], linvop.AOBasis("6-31g"))
    V, S = potential(system), overlap(system)
    runtime.predict([8, 1, 1], V, S)
    with pytest.raises(DeployError, match="V: atom [012]: on the diagonal"):
        runtime.predict([1, 1, 8], V, S)
    near = S.copy()
    near[:9, 9:11] = near[:9, 11:] = near[9:11, :9] = near[11:, :9] = 0.999
    with pytest.raises(DeployError, match="S: expected eigenvalues above 1e-10, got -"):
        runtime.predict([8, 1, 1], V, near)


def test_tensors_are_turned_too(frames, tmp_path, monkeypatch):
    """Spherical targets, of either parity, in the check of rotation; and it can fail."""
    for atoms in frames:
        d = atoms.positions[1:] - atoms.positions[0]
        y = solid_harmonics(2, d) * (d * d).sum(axis=1)[:, None]
        atoms.info["quadrupole"] = y.sum(axis=0)
        atoms.info["axial"] = np.cross(*d)[[1, 2, 0]] * (d[0] @ d[0] - d[1] @ d[1])
    targets = [linvop.Target("quadrupole", irrep=(2, 1)), linvop.Target("axial", irrep=(1, -1))]
    basis = linvop.Basis("def2-svp", kappa=2, metric="lowdin")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model = linvop.PropertyModel(basis, targets).fit(frames[:40])
    assert model.export(tmp_path / "m.h5")["rotation"] < 1e-9
    turned = export_checks.rotation_matrix
    monkeypatch.setattr(export_checks, "rotation_matrix", lambda l, Q: -turned(l, Q))
    with pytest.raises(InputError, match="not written: .*rotation"):
        model.export(tmp_path / "n.h5")


def test_what_stands_there_is_not_replaced_unless_it_is_one(exported, model, tmp_path):
    model.save(tmp_path / "m.h5")
    for there in (tmp_path / "m.h5", tmp_path / "notes.txt"):
        if not there.exists():
            there.write_text("mine")
        before = there.read_bytes()
        with pytest.raises(
            InputError, match=f"{there.name}: not replaced: expected an exported model there"
        ):
            model.export(there, force=True)
        assert there.read_bytes() == before
    with pytest.raises(InputError, match="exists"):
        model.export(exported)
    model.export(exported, force=True)
    before = exported.read_bytes()
    with pytest.raises(
        InputError, match="not replaced: expected a model there, or nothing, got an"
    ):
        model.save(exported, force=True)
    assert exported.read_bytes() == before
    for damaged in (before[:2000], b""):  # what is lost already may be made anew
        exported.write_bytes(damaged)
        model.export(exported, force=True)


@pytest.mark.parametrize("name", ["fitted", "rotation", "permutation", "derivatives"])
def test_a_model_that_fails_is_not_written(model, tmp_path, monkeypatch, name):
    predict = export_checks.Predictor.predict
    derivatives = export_checks.Predictor.derivatives

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

    monkeypatch.setattr(export_checks.Predictor, "predict", spoiled)
    if name == "derivatives":
        monkeypatch.setattr(export_checks.Predictor, "derivatives", halved)
    with pytest.raises(InputError, match=f"not written: .*{name}"):
        model.export(tmp_path / "m.h5")
    assert list(tmp_path.iterdir()) == []


class ByHand:
    """docs/format.md, followed word by word with h5py and loops over atoms, AOs and words."""

    def __init__(self, path, numbers, V, S):
        with h5py.File(path, "r") as file:
            self.settings = json.loads(file["settings"].asstr()[()])
            self.file = self.read(file)
        self.species = self.settings["species"]
        of_number = {int(x["number"]): s for s, x in self.file["species"].items()}
        self.symbols = [of_number[z] for z in numbers]
        order, self.shell_of, self.atom_of = self.channel_order()
        V = V.reshape(-1, *V.shape[-2:])[:, order][:, :, order]
        self.K = self.E = self.M = V
        if self.settings["metric"] != "ao":
            s, U = np.linalg.eigh(S[np.ix_(order, order)])
            X = U @ np.diag(s**-0.5) @ U.T
            self.M = np.array([X @ v @ X for v in V])
            self.K = self.E = self.M
            if self.settings["metric"] == "overlap":
                self.K, self.E = V, np.array([v @ X for v in V])

    def read(self, group):
        return {n: self.read(x) if isinstance(x, h5py.Group) else x[()] for n, x in group.items()}

    def channel_order(self):
        order, shell_of, atom_of, n_shell, first = [], [], [], 0, []
        for _ in self.symbols:
            first.append(
                sum(
                    2 * x["l"] + 1
                    for s in self.symbols[: len(first)]
                    for x in self.settings["shells"][s]
                )
            )
        for s in self.species:
            place = 0
            for shell in self.settings["shells"][s]:
                l = shell["l"]
                for a, symbol in enumerate(self.symbols):
                    if symbol == s:
                        components = [1, 2, 0] if l == 1 else range(2 * l + 1)
                        order += [first[a] + place + m for m in components]
                        shell_of += [n_shell] * (2 * l + 1)
                        atom_of += [a] * (2 * l + 1)
                n_shell, place = n_shell + 1, place + 2 * l + 1
        return order, np.array(shell_of), np.array(atom_of)

    def inner(self, channel):
        low, high = self.file["channels"][channel]
        return np.flatnonzero((self.shell_of >= low) & (self.shell_of < high))

    def groups(self, table, atom):
        rows, found = np.flatnonzero(self.atom_of == atom), []
        for parent, channel, source in zip(
            table["group_parent"], table["group_channel"], table["group_source"], strict=True
        ):
            if parent == -1:
                found.append(self.E[source][rows])
            else:
                n = self.inner(channel)
                found.append(found[parent][:, n] @ self.M[source][n])
        return found

    def numbers(self, table, i, j, more=()):
        """y of an atom (i = j) or of an ordered pair."""
        y = table["constants"].copy()
        rows, columns = (np.flatnonzero(self.atom_of == a) for a in (i, j))
        K = self.K[:, rows][:, :, columns]
        left, right = self.groups(table, i), self.groups(table, j)
        if "local" in table:
            y += np.einsum("ozxy,zxy->o", table["local"], K)
        for cut in table.get("cuts", {}).values():
            n = self.inner(cut["channel"])
            D, w = cut["table"], len(rows)
            for h, head in enumerate(cut["heads"]):
                for t, tail in enumerate(cut["tails"]):
                    part = D[:, h * w : (h + 1) * w, t * w : (t + 1) * w]
                    y += np.einsum("oxy,xn,yn->o", part, left[head][:, n], right[tail][:, n])
        if "factors" in table:
            f = table["factors"]
            A = np.zeros(f["n_couplings"])
            for e, w, x, y_, value in zip(
                f["element"], f["word"], f["x"], f["y"], f["value"], strict=True
            ):
                c, head, tail = f["channel"][w], f["head"][w], f["tail"][w]
                n = self.inner(c) if head >= 0 else None
                W = K[c][x, y_] if head < 0 else left[head][x, n] @ right[tail][y_, n]
                A[e] += value * W
            A = np.concatenate([A, *more, [1.0]])
            y += f["coefficient"] @ A[f["index"]].prod(axis=1)
        return y

    def property(self):
        return sum(self.numbers(self.file["species"][s], a, a) for a, s in enumerate(self.symbols))

    def operator(self, positions=None):
        """F = M + M^T in the AOs of the operator, of one or two spins, without the baseline."""
        settings = self.settings["operator"]
        spins, shells = settings["spin_channels"], settings["shells"]
        width = {s: sum(2 * x["l"] + 1 for x in shells[s]) for s in self.species}
        first = np.cumsum([0] + [width[s] for s in self.symbols])
        M = np.zeros((spins, first[-1], first[-1]))

        def add(y, i, j):
            M[:, first[i] : first[i + 1], first[j] : first[j + 1]] += y.reshape(
                spins, width[self.symbols[i]], width[self.symbols[j]]
            )

        def near(i, j):
            if settings["cutoff"] is None:
                return True
            return np.linalg.norm(positions[i] - positions[j]) <= settings["cutoff"]

        A = {
            a: self.numbers(self.file["sites"][s], a, a)
            for a, s in enumerate(self.symbols)
            if "sites" in self.file
        }
        for a, s in enumerate(self.symbols):
            add(self.numbers(self.file["species"][s], a, a), a, a)
        for table in self.file["pairs"].values():
            for i, s in enumerate(self.symbols):
                for j, t in enumerate(self.symbols):
                    if (
                        i != j
                        and near(i, j)
                        and (s, t) == (table["first"].decode(), table["second"].decode())
                    ):
                        add(self.numbers(table, i, j, [A[i], A[j]] if A else []), i, j)
        F = M + M.swapaxes(1, 2)
        return F[0] if spins == 1 else F


@pytest.mark.parametrize(
    "settings",
    [
        {"metric": "ao", "kappa": 2},
        {"metric": "overlap", "kappa": 3},
        {"metric": "lowdin", "kappa": 3, "resolution": "species"},
        {"metric": "lowdin", "kappa": 2, "nu": 2, "max_degree": (None, 5)},
        {"metric": "overlap", "kappa": 2, "sources": "species", "screening": (None, 0.3)},
    ],
    ids=str,
)
def test_the_format_needs_h5py_only(frames, settings, tmp_path):
    model = fitted(frames, **settings)
    model.export(tmp_path / "m.h5")
    atoms = frames[52]
    V, S = deploy_pyscf.matrices(Predictor(tmp_path / "m.h5"), atoms.numbers, atoms.positions)
    y = ByHand(tmp_path / "m.h5", atoms.numbers, V, S).property()
    expected = model.predict([atoms])[0]
    flat = np.concatenate([np.ravel(expected[t.name]) for t in model.targets])
    np.testing.assert_allclose(y, flat, rtol=1e-10, atol=1e-10)


OPERATORS = [
    {"target": target, "baseline": baseline, "orthogonal": orthogonal}
    for target, baselines in (
        ("fock", ("none", "core", "sap", "minao")),
        ("density", ("none", "atoms", "minao")),
    )
    for baseline, orthogonal in zip(baselines, (True, False, True, False), strict=False)
]


@pytest.mark.parametrize("settings", OPERATORS, ids=str)
def test_deployed_operators(settings, tmp_path):
    """As fitted, baseline included; the format by hand and the reader agree without it."""
    data = linvop.Dataset.open(linvop.data.water())
    basis = linvop.Basis(
        "6-31g",
        kappa=2,
        metric="lowdin" if settings["orthogonal"] else "overlap",
        nu_pair=(1, 1) if settings["orthogonal"] else (0, 0),
        pair_max_degree=(None, 4.0, 4.0) if settings["orthogonal"] else None,
        cutoff=1.2 if settings["baseline"] == "core" else None,
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model = linvop.OperatorModel(basis, **settings).fit(data[:20])
    errors = model.export(tmp_path / "m.h5")
    assert set(errors) == {"fitted", "rotation", "permutation"}
    runtime, atoms = Predictor(tmp_path / "m.h5"), data.frames()[55]
    found = deploy_pyscf.operator(runtime, atoms.numbers, atoms.positions)
    np.testing.assert_allclose(found, model.predict(atoms), rtol=0, atol=1e-10)
    np.testing.assert_array_equal(found, found.T)
    V, S = deploy_pyscf.matrices(runtime, atoms.numbers, atoms.positions)
    with pytest.raises(DeployError, match="call operator instead"):
        runtime.predict(atoms.numbers, V, S)
    with pytest.raises(DeployError, match="a model of an operator, which has no forces"):
        deploy_pyscf.forces(runtime, atoms.numbers, atoms.positions)
    if settings["baseline"] != "none":
        with pytest.raises(
            DeployError, match=f"the model corrects '{settings['baseline']}', got No"
        ):
            runtime.operator(atoms.numbers, V, S)
    if settings["orthogonal"]:
        with pytest.raises(DeployError, match="overlap: expected real .* got None"):
            runtime.operator(atoms.numbers, V, S, baseline=0)
        S_op = overlap(System.from_atoms(atoms, model.ao_))
        s, U = np.linalg.eigh(S_op)
        T = U @ np.diag(s ** (0.5 if settings["target"] == "fock" else -0.5)) @ U.T
        by_hand = T @ ByHand(tmp_path / "m.h5", atoms.numbers, V, S).operator() @ T
        np.testing.assert_allclose(
            runtime.operator(atoms.numbers, V, S, baseline=0, overlap=S_op), by_hand, atol=1e-10
        )
    elif basis.cutoff is not None:
        with pytest.raises(DeployError, match="positions: expected real .* got None"):
            runtime.operator(atoms.numbers, V, S, baseline=0)
        given = {"baseline": 0, "positions": atoms.positions}
        by_hand = ByHand(tmp_path / "m.h5", atoms.numbers, V, S).operator(atoms.positions)
        np.testing.assert_allclose(
            runtime.operator(atoms.numbers, V, S, **given), by_hand, atol=1e-10
        )
    else:
        given = {"baseline": np.zeros((3, 3))}
        with pytest.raises(DeployError, match=r"baseline: .*\(24, 24\), got float64 of \(3, 3\)"):
            runtime.operator(atoms.numbers, V, S, **given)


@pytest.mark.parametrize("check", ["fitted", "rotation", "permutation"])
def test_an_operator_that_fails_is_not_written(tmp_path, monkeypatch, check):
    data = linvop.Dataset.open(linvop.data.water())
    basis = linvop.Basis("6-31g", kappa=1, metric="overlap")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model = linvop.OperatorModel(basis, baseline="none").fit(data[:10])
    operator = export_checks.Predictor.operator

    def spoiled(self, numbers, V, S=None, **more):
        F = operator(self, numbers, V, S, **more)
        if check == "fitted":
            return F + 1e-3 * np.eye(len(F))
        if check == "rotation":  # depends on where the axes point
            return F * (1 + 1e-3 * np.abs(V).sum())
        return F * (1 + 1e-3 * float(numbers[0]))

    monkeypatch.setattr(export_checks.Predictor, "operator", spoiled)
    with pytest.raises(InputError, match=f"not written: .*{check}"):
        model.export(tmp_path / "m.h5")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("target", ["fock", "density"])
@pytest.mark.parametrize(("method", "charge"), [("uhf", 0), ("rhf", -1)])
def test_open_shells_and_ions(method, charge, target, tmp_path):
    """Two spins, and electrons that are not those of the nuclei, with the minao baseline."""
    rng, frames = np.random.default_rng(1), []
    for _ in range(5):
        atoms = molecule("NH2")
        atoms.positions += 0.05 * rng.normal(size=atoms.positions.shape)
        atoms.info |= {"charge": charge}
        frames.append(atoms)
    linvop.label(frames, tmp_path / "d.h5", method=method, ao="sto-3g", workers=1)
    data = linvop.Dataset.open(tmp_path / "d.h5")
    basis = linvop.Basis("6-31g", kappa=1, metric="lowdin")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model = linvop.OperatorModel(basis, target, baseline="minao", orthogonal=True).fit(data[:4])
        model.export(tmp_path / "m.h5")
        atoms = data.frames()[4]
        expected = model.predict(atoms)
    runtime = Predictor(tmp_path / "m.h5")
    assert expected.ndim == (3 if method == "uhf" else 2)
    found = deploy_pyscf.operator(runtime, atoms.numbers, atoms.positions)
    np.testing.assert_allclose(found, expected, atol=1e-9)
    if target == "density":  # of n_alpha and n_beta electrons, within what is learned
        S = overlap(System.from_atoms(atoms, model.ao_))
        n = np.atleast_1d(np.einsum("...mn,mn->...", found, S))
        assert n == pytest.approx([5, 4] if method == "uhf" else [10], abs=0.05)
    V, S = deploy_pyscf.matrices(runtime, atoms.numbers, atoms.positions)
    S_op = overlap(System.from_atoms(atoms, model.ao_))
    s, U = np.linalg.eigh(S_op)
    T = U @ np.diag(s ** (0.5 if target == "fock" else -0.5)) @ U.T
    by_hand = T @ ByHand(tmp_path / "m.h5", atoms.numbers, V, S).operator() @ T
    bare = runtime.operator(atoms.numbers, V, S, baseline=0, overlap=S_op)
    np.testing.assert_allclose(bare, by_hand, atol=1e-10)


def test_operators_of_larger_molecules(tmp_path):
    """Pairs of like and unlike atoms in either order, several at once, products of both atoms."""
    water = linvop.Dataset.open(linvop.data.water())
    basis = linvop.Basis(
        "6-31g", kappa=2, metric="lowdin", nu_pair=(2, 1), pair_max_degree=(None, 5.0, 6.0, 5.0)
    )
    model = linvop.OperatorModel(basis, baseline="none").fit(water[:12])
    # Blocks that waters have not: coefficients of any values obey the laws.
    rng = np.random.default_rng(0)
    for block, part in model.parts_.items():
        model.parts_[block] = replace(
            part, coefficients=1e-3 * rng.normal(size=part.coefficients.shape)
        )
    model.domain_ = replace(model.domain_, formulas=["H5O3"])
    assert max(model.export(tmp_path / "m.h5").values()) < 1e-9
    atoms = molecule("H2O") + molecule("H2O")
    atoms.positions[3:] += [0.4, 0.3, 2.9]
    found = deploy_pyscf.operator(Predictor(tmp_path / "m.h5"), atoms.numbers, atoms.positions)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        expected = model.predict(atoms)
    assert np.abs(expected).max() > 0.1
    np.testing.assert_allclose(found, expected, atol=1e-10 * np.abs(expected).max())


def test_a_structure_without_one_of_the_species(exported, frames, model):
    atoms = frames[0][[1, 2]]
    atoms.positions[1] = atoms.positions[0] + [0.8, 0, 0]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        expected = model.predict([atoms])[0]
    runtime = Predictor(exported)
    found = deploy_pyscf.predict(runtime, atoms.numbers, atoms.positions)
    assert found["energy"] == pytest.approx(expected["energy"], rel=1e-10)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        forces = -model.derivatives([atoms])[0]
    np.testing.assert_allclose(
        deploy_pyscf.forces(runtime, atoms.numbers, atoms.positions), forces, atol=1e-8
    )
    assert runtime.n_ao(atoms.numbers) == 4  # two functions of each hydrogen


def test_the_page_of_ones_own_program(tmp_path, monkeypatch):
    """V, S and forces by PySCF as docs/format.md writes them."""
    page = (Path(__file__).parents[1] / "docs/format.md").read_text()
    (block,) = re.findall(r"^```python\n(.*?)^```", page, flags=re.M | re.S)
    monkeypatch.chdir(tmp_path)
    linvop.load(Path(__file__).parents[1] / "fits/water/model.h5").export("water.deploy.h5")
    here: dict = {}
    exec(block, here)
    expected = deploy_pyscf.forces(here["model"], here["numbers"], here["positions"])
    np.testing.assert_allclose(here["forces"], expected, atol=1e-9)
