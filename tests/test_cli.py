"""The commands, end to end on small files: what they make, print and refuse."""

from __future__ import annotations

import errno
import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import ase.io
import h5py
import numpy as np
import pytest
from ase import Atoms
from ase.build import molecule
from ase.calculators.singlepoint import SinglePointCalculator
from typer.testing import CliRunner

import linvop
from linvop.cli import app
from linvop.conventions import BOHR, HARTREE
from linvop.errors import InputError

COMMANDS = (
    "quickstart",
    "label",
    "fit",
    "scan",
    "predict",
    "evaluate",
    "export",
    "inspect",
    "locality",
    "reproduce",
    "data",
)
HEAVY = ("numpy", "scipy", "pyscf", "numba", "ase", "h5py", "matplotlib", "rich", "sympy")

CONFIG = """
[data]
train = "train.xyz"
test = "test.xyz"
[basis]
ao = "sto-3g"
kappa = 2
[targets]
energy = {}
dipole = {}
[output]
dir = "out"
"""


def run(*arguments: object):
    return CliRunner().invoke(app, [str(a) for a in arguments])


def water(rng: np.random.Generator) -> Atoms:
    """A distorted water; energy and dipole from closed formulas."""
    atoms = Atoms("OH2", [[0, 0, 0], [0.96, 0, 0], [-0.24, 0.93, 0]])
    atoms.positions += 0.05 * rng.normal(size=(3, 3))
    bonds = atoms.positions[1:] - atoms.positions[0]
    energy = -2000 + 5 * float(((np.linalg.norm(bonds, axis=1) - 0.96) ** 2).sum())
    atoms.calc = SinglePointCalculator(atoms, energy=energy, dipole=0.3 * bonds.sum(axis=0))
    return atoms


def waters(n: int, seed: int = 0) -> list[Atoms]:
    rng = np.random.default_rng(seed)
    return [water(rng) for _ in range(n)]


def write_case(folder: Path, train=None, test=None, config: str = CONFIG) -> Path:
    """Files of a fit; returns the configuration."""
    ase.io.write(folder / "train.xyz", waters(40) if train is None else train)
    ase.io.write(folder / "test.xyz", waters(10, seed=1) if test is None else test)
    (folder / "config.toml").write_text(config)
    return folder / "config.toml"


def files(folder: Path) -> dict[str, bytes]:
    """All that is in a folder, hidden files too."""
    return {str(p.relative_to(folder)): p.read_bytes() for p in folder.rglob("*") if p.is_file()}


def refused(done, *parts: str) -> str:
    """The one line of a refusal, which has all `parts` in this order."""
    assert done.exit_code == 2, done.output
    assert done.stdout == ""
    lines = [x for x in done.stderr.splitlines() if x and not x.startswith("warning:")]
    assert len(lines) == 1, done.stderr
    assert lines[0].startswith("error: ")
    assert re.search(".*".join(parts), lines[0]), lines[0]
    return lines[0]


@pytest.fixture(scope="module")
def fitted(tmp_path_factory) -> Path:
    """A folder in which `linvop fit` has run."""
    folder = tmp_path_factory.mktemp("fitted")
    done = run("fit", write_case(folder))
    assert done.exit_code == 0, done.output
    return folder


@pytest.fixture
def no_plots(monkeypatch):
    """Pictures take longer than small fits do."""
    monkeypatch.setattr("linvop.fitting.parity_figure", lambda path, rows: path.write_bytes(b"."))


# -- the application -----------------------------------------------------------------------------


@pytest.mark.parametrize("code", ["import linvop", "from linvop.cli import app", "linvop --help"])
def test_nothing_heavy_is_imported_before_a_command_runs(code):
    if code.endswith("--help"):
        code = (
            "from typer.testing import CliRunner; from linvop.cli import app; "
            "assert CliRunner().invoke(app, ['--help']).exit_code == 0"
        )
    code += f"; import sys; print(*[m for m in {HEAVY!r} if m in sys.modules])"
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert out.stdout.split() == []


def test_public_names_are_there_and_listed():
    assert set(dir(linvop)) == set(linvop.__all__)
    for name in linvop.__all__:
        assert getattr(linvop, name) is not None
        assert name == "__version__" or name in linvop.__doc__
    with pytest.raises(AttributeError, match="'nonsense'"):
        _ = linvop.nonsense


def test_version_and_python_m():
    assert run("--version").stdout.strip() == f"linvop {linvop.__version__}"
    out = subprocess.run(
        [sys.executable, "-m", "linvop", "--version"], capture_output=True, text=True, check=True
    )
    assert out.stdout.strip() == f"linvop {linvop.__version__}"


def test_help_lists_what_there_is_and_nothing_else():
    text = run("--help").stdout
    listed = re.findall(r"^  ([a-z]+) ", text.partition("Commands:")[2], flags=re.M)
    assert listed == [*COMMANDS, "bench"]


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_has_an_example(command):
    done = run(command, "--help")
    assert done.exit_code == 0
    assert re.search(rf"Example: linvop {command}\b", done.stdout)
    assert "--json" in done.stdout


# -- quickstart ----------------------------------------------------------------------------------


def test_quickstart_shows_that_shells_beat_powers(tmp_path):
    done = run("quickstart", "--dir", tmp_path / "first")
    assert done.exit_code == 0, done.output
    for word in ("energy, total", "dipole, shell", "spread", "meV", "linvop inspect"):
        assert word in done.stdout
    made = files(tmp_path / "first")
    assert set(made) == {"model.h5", "metrics.json", "parity.png"}
    errors = json.loads(made["metrics.json"])["test"]
    for target, factor in (("energy", 20), ("dipole", 10)):
        total, shell = (errors[r][target] for r in ("total", "shell"))
        assert shell["rmse"] < total["rmse"] / factor < total["std"] / factor**2
    refused(run("quickstart", "--dir", tmp_path / "first"), "model.h5 exists", "--force")
    assert files(tmp_path / "first") == made


# -- fit -----------------------------------------------------------------------------------------


def test_fit_writes_model_metrics_and_plots(fitted):
    made = files(fitted / "out")
    assert set(made) == {"model.h5", "metrics.json", "parity_energy.png", "parity_dipole.png"}
    assert all(made[name].startswith(b"\x89PNG") for name in made if name.endswith(".png"))
    metrics = json.loads(made["metrics.json"])
    for part in ("leave_one_out", "test"):
        assert {"mae", "rmse", "max", "r2", "std", "n", "unit"} <= set(metrics[part]["energy"])
    assert metrics["leave_one_out"]["energy"]["n"] == 40
    assert metrics["test"]["dipole"]["n"] == 10
    assert metrics["versions"]["linvop"] == linvop.__version__
    assert str(fitted) not in made["metrics.json"].decode()
    assert str(fitted).encode() not in made["model.h5"]


def test_leave_one_out_error_is_the_solvers(fitted):
    metrics = json.loads((fitted / "out/metrics.json").read_text())
    solver = metrics["report"]["parts"]["energy"]["lam=0 sigma=+1"]["loo_rmse"]
    assert metrics["leave_one_out"]["energy"]["rmse"] == pytest.approx(solver, rel=1e-6)


def test_json_is_all_there_is_on_stdout(fitted, tmp_path, no_plots):
    done = run("fit", write_case(tmp_path), "--json")
    found = json.loads(done.stdout)
    before = json.loads((fitted / "out/metrics.json").read_text())
    assert found["test"]["energy"]["rmse"] == pytest.approx(before["test"]["energy"]["rmse"])
    assert "warning: H has no features" in done.stderr
    assert ".py" not in done.stderr


def test_units_and_keys_give_the_same_fit(fitted, tmp_path, no_plots):
    sets = [waters(40), waters(10, seed=1)]
    for atoms in sets[0] + sets[1]:
        atoms.info["energy_Ha"] = atoms.calc.results["energy"] / HARTREE
        atoms.info["mu"] = atoms.calc.results["dipole"] / BOHR
        atoms.calc = None
    said = 'keys = { energy = "energy_Ha", dipole = "mu" }\n' + (
        'units = { energy = "Hartree", dipole = "au" }\n[basis]'
    )
    done = run("fit", write_case(tmp_path, *sets, CONFIG.replace("[basis]", said)), "--json")
    assert done.exit_code == 0, done.output
    before = json.loads((fitted / "out/metrics.json").read_text())["test"]
    after = json.loads(done.stdout)["test"]
    for name in ("energy", "dipole"):
        assert after[name]["rmse"] == pytest.approx(before[name]["rmse"], rel=1e-4)
    # A file that states its unit is converted once, whether or not the user says it too.
    for atoms in sets[0] + sets[1]:
        atoms.info["energy"] = atoms.info.pop("energy_Ha")
        atoms.info["energy_unit"] = "Hartree"
    said = said.replace('energy = "energy_Ha", ', "")
    (tmp_path / "again").mkdir()
    done = run(
        "fit", write_case(tmp_path / "again", *sets, CONFIG.replace("[basis]", said)), "--json"
    )
    assert done.exit_code == 0, done.output
    again = json.loads(done.stdout)["test"]["energy"]
    assert again["std"] == pytest.approx(before["energy"]["std"], rel=1e-6)


def test_split_keeps_copies_on_one_side_and_goes_by_its_seed(tmp_path, no_plots):
    frames = waters(30)
    copies = [frames[k].copy() for k in (0, 0, 5)]
    for copy, k in zip(copies, (0, 0, 5), strict=True):
        copy.calc = frames[k].calc
    text = CONFIG.replace('test = "test.xyz"', "n_train = 20\nseed = 3")
    config = write_case(tmp_path, frames + copies, config=text)
    first = json.loads(run("fit", config, "--json").stdout)
    assert first["n_train"] == 20
    assert first["test"]["energy"]["n"] == 10  # 30 distinct ones
    assert first["n_copies_left_out"] == 3
    again = json.loads(run("fit", config, "--json", "--force").stdout)
    assert again["test"] == first["test"]
    config.write_text(text.replace("seed = 3", "seed = 4"))
    other = json.loads(run("fit", config, "--json", "--force").stdout)
    assert other["test"] != first["test"]


def test_fit_on_a_data_set(tmp_path, no_plots):
    config = write_case(tmp_path)
    config.write_text(
        CONFIG.replace('"train.xyz"', '"shipped:water"').replace(
            'test = "test.xyz"', "n_train = 40"
        )
    )
    done = run("fit", config, "--json")
    assert done.exit_code == 0, done.output
    assert json.loads(done.stdout)["train"] == "shipped:water"


def changed(k: int, change) -> list[Atoms]:
    """Forty waters of which one is not as it should be."""
    frames = waters(40)
    calc = frames[k].calc
    change(frames[k])
    if frames[k].calc is calc:  # the labels stay, whatever became of the positions
        frames[k].calc = SinglePointCalculator(frames[k], **calc.results)
    return frames


def no_energy(atoms: Atoms) -> None:
    atoms.calc = SinglePointCalculator(atoms, dipole=np.zeros(3))
    atoms.info["e_tot"] = -1.0


def ion(atoms: Atoms) -> None:
    atoms.info.update(charge=2, dipole_origin="centre of nuclear charge")


def on_one_spot(atoms: Atoms) -> None:
    atoms.positions[2] = atoms.positions[1]


def in_hartree(atoms: Atoms) -> None:
    results = {**atoms.calc.results, "energy": atoms.calc.results["energy"] / HARTREE}
    atoms.calc = SinglePointCalculator(atoms, **results)


def constant(frames: list[Atoms]) -> list[Atoms]:
    for atoms in frames:
        atoms.calc = SinglePointCalculator(atoms, energy=-2000.0, dipole=np.ones(3))
    return frames


BAD_FRAMES = {
    "NaN position": (
        lambda: changed(3, lambda a: a.positions.__setitem__((1, 2), np.nan)),
        ("train.xyz", "frame 3", "atom 1"),
    ),
    "infinite position": (
        lambda: changed(3, lambda a: a.positions.__setitem__((2, 0), np.inf)),
        ("train.xyz", "frame 3", "atom 2"),
    ),
    "two atoms on one spot": (
        lambda: changed(5, on_one_spot),
        ("train.xyz", "frame 5", "atoms 1 and 2", "one spot"),
    ),
    "missing key": (lambda: changed(7, no_energy), ("train.xyz", "frame 7", "energy", "e_tot")),
    "mixed units": (lambda: changed(9, in_hartree), ("train.xyz", "mixed units", "frames")),
    "mixed charge": (
        lambda: changed(4, ion),
        ("train.xyz", "frame 0 has charge 0", "frame 4 has charge 2"),
    ),
    "mixed spin": (
        lambda: changed(4, lambda a: a.info.update(spin_mult=3)),
        ("train.xyz", "multiplicity 1", "frame 4 has multiplicity 3"),
    ),
    "periodic cell": (
        lambda: changed(2, lambda a: (a.set_cell([9, 9, 9]), a.set_pbc(True))),
        ("train.xyz", "frame 2", "periodic"),
    ),
    "too few": (lambda: waters(2), ("train.xyz", "expected more than .* rows", "got 2")),
    "constant targets": (
        lambda: constant(waters(40)),
        ("train.xyz", "energy is -2000", "all 40", "vary"),
    ),
}


@pytest.mark.parametrize("case", BAD_FRAMES)
def test_bad_structures_are_refused_and_nothing_is_written(tmp_path, case):
    make, parts = BAD_FRAMES[case]
    config = write_case(tmp_path, make())
    before = files(tmp_path)
    refused(run("fit", config), *parts)
    assert files(tmp_path) == before


BAD_FILES = {
    "empty": (b"", ("train.xyz", "no|empty")),
    "unknown element": (b"1\n\nXx 0 0 0\n", ("train.xyz", "frame 0, atom 0", "unknown element")),
    "not a text": (bytes(range(256)), ("train.xyz",)),
    "cut short": (b"3\n\nO 0 0 0\nH 0 0 1\n", ("train.xyz", "frame 0", "expected 3 atoms")),
}


@pytest.mark.parametrize("case", BAD_FILES)
def test_bad_files_are_refused(tmp_path, case):
    content, parts = BAD_FILES[case]
    config = write_case(tmp_path)
    (tmp_path / "train.xyz").write_bytes(content)
    refused(run("fit", config), *parts)
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("where", ["train", "test"])
def test_a_file_that_is_missing(tmp_path, where):
    config = write_case(tmp_path)
    (tmp_path / f"{where}.xyz").unlink()
    refused(run("fit", config), f"{where}.xyz: no such file")


@pytest.mark.parametrize(
    ("test", "parts"),
    [
        (lambda: changed(3, no_energy), ("test.xyz", "frame 3", "energy")),
        (lambda: [*waters(3), Atoms("NH3", np.eye(4, 3))], ("test.xyz", "frame 3, atom 0", "N ")),
        (lambda: changed(3, ion), ("test.xyz", "frame 3", "charge 2")),
    ],
)
def test_the_test_set_is_checked_before_the_fit(tmp_path, monkeypatch, test, parts):
    def work(*_, **__):
        raise AssertionError("features were evaluated")

    monkeypatch.setattr("linvop.models.property.structure_rows", work)
    refused(run("fit", write_case(tmp_path, test=test())), *parts)


def test_outputs_that_exist_are_kept_unless_forced(tmp_path, no_plots):
    config = write_case(tmp_path)
    (tmp_path / "out").mkdir()
    (tmp_path / "out/metrics.json").write_text("mine")
    before = files(tmp_path)
    refused(run("fit", config), "metrics.json exists", "--force")
    assert files(tmp_path) == before
    assert run("fit", config, "--force").exit_code == 0
    assert json.loads((tmp_path / "out/metrics.json").read_text())["n_train"] == 40


def test_running_out_of_memory_is_one_line(tmp_path, monkeypatch):
    def exhausted(*args, **kwargs):
        raise MemoryError

    config = write_case(tmp_path)
    monkeypatch.setattr("linvop.models.property.PropertyModel.fit", exhausted)
    done = run("fit", config)
    assert done.exit_code == 2
    assert done.stderr.splitlines()[-1].startswith("error: out of memory; take fewer columns")
    assert not (tmp_path / "model.h5").exists()


@pytest.mark.parametrize("stage", ["features", "plots"])
@pytest.mark.parametrize("existing", [False, True])
def test_interrupt_leaves_everything_as_it_was(tmp_path, monkeypatch, stage, existing):
    config = write_case(tmp_path)
    if existing:
        (tmp_path / "out").mkdir()
        (tmp_path / "out/model.h5").write_bytes(
            b"linvop: HDF5 from byte 512\n99999 bytes\nold, and truncated"
        )
    before = files(tmp_path)

    def interrupt(*_, **__):
        raise KeyboardInterrupt

    place = {"features": "linvop.models.property_training.structure_rows",
             "plots": "linvop.fitting.parity_figure"}  # fmt: skip
    monkeypatch.setattr(place[stage], interrupt)
    done = run("fit", config, "--force")
    assert done.exit_code == 130
    assert "nothing was written" in done.stderr
    assert files(tmp_path) == before
    assert (tmp_path / "out").exists() == existing


@pytest.mark.parametrize("files_before", [0, 1, 2])
def test_full_disk_leaves_everything_as_it_was(tmp_path, monkeypatch, files_before):
    config = write_case(tmp_path)
    before = files(tmp_path)
    left = [files_before]

    def flush(path):
        left[0] -= 1
        if left[0] < 0:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(path))

    monkeypatch.setattr("linvop.io.atomic._flush", flush)
    refused(run("fit", config), "no space left")
    assert files(tmp_path) == before


# -- files that are not what they should be ------------------------------------------------------


def damaged(content: bytes) -> bytes:
    middle = len(content) // 2
    return content[:middle] + bytes([content[middle] ^ 255]) + content[middle + 1 :]


BAD_HDF5 = {
    "damaged": (damaged, "damaged"),
    "truncated": (lambda content: content[:-100], "truncated"),
    "empty": (lambda content: b"", "empty"),
    "not HDF5": (lambda content: b"hello" * 1000, "not an HDF5 file"),
}


@pytest.mark.parametrize("case", BAD_HDF5)
@pytest.mark.parametrize("command", ["predict", "evaluate", "inspect"])
def test_bad_model_files_are_refused_by_name_and_reason(tmp_path, fitted, command, case):
    spoil, reason = BAD_HDF5[case]
    model = tmp_path / "model.h5"
    model.write_bytes(spoil((fitted / "out/model.h5").read_bytes()))
    before = files(tmp_path)
    rest = {"predict": (fitted / "test.xyz", tmp_path / "out.xyz"), "inspect": ()}
    done = run(command, model, *rest.get(command, (fitted / "test.xyz",)))
    refused(done, "model.h5", reason)
    assert files(tmp_path) == before


@pytest.mark.parametrize("command", ["evaluate", "inspect"])
def test_foreign_files_are_refused(tmp_path, fitted, command):
    path = tmp_path / "foreign.h5"
    with h5py.File(path, "w") as file:
        file["x"] = np.arange(3)
    done = run(command, path, *((fitted / "test.xyz",) if command == "evaluate" else ()))
    refused(done, "foreign.h5", "not one that linvop wrote")


def test_a_data_set_is_no_model(fitted):
    refused(run("evaluate", linvop.data.water(), fitted / "test.xyz"), "expected a model")


def test_a_newer_file_is_refused(tmp_path, fitted, monkeypatch):
    from linvop.io import model_file

    monkeypatch.setattr(model_file, "SCHEMA", 99)
    model = tmp_path / "newer.h5"
    linvop_model = linvop.load(fitted / "out/model.h5")
    linvop_model.save(model)
    monkeypatch.undo()
    refused(run("evaluate", model, fitted / "test.xyz"), "newer.h5", "schema 99", "newer linvop")
    assert run("inspect", model).exit_code == 2


@pytest.mark.parametrize("case", BAD_HDF5)
def test_bad_data_sets_are_refused(tmp_path, case):
    spoil, reason = BAD_HDF5[case]
    config = write_case(tmp_path, config=CONFIG.replace("train.xyz", "train.h5"))
    (tmp_path / "train.h5").write_bytes(spoil(linvop.data.water().read_bytes()))
    refused(run("fit", config), "train.h5", reason)


# -- predict and evaluate ------------------------------------------------------------------------


def test_predictions_are_read_back_by_ase(fitted, tmp_path):
    out = tmp_path / "predicted.xyz"
    done = run("predict", fitted / "out/model.h5", fitted / "test.xyz", out)
    assert done.exit_code == 0, done.output
    expected = linvop.load(fitted / "out/model.h5").predict(linvop.read(fitted / "test.xyz"))
    found = ase.io.read(out, ":")
    assert len(found) == len(expected) == 10
    for atoms, wanted, given in zip(found, expected, waters(10, seed=1), strict=True):
        assert atoms.get_potential_energy() == pytest.approx(wanted["energy"], rel=1e-12)
        np.testing.assert_allclose(atoms.get_dipole_moment(), wanted["dipole"], atol=1e-8)
        np.testing.assert_allclose(atoms.positions, given.positions, atol=1e-8)


def test_predict_as_json_has_every_structure(fitted, tmp_path):
    done = run(
        "predict", fitted / "out/model.h5", fitted / "test.xyz", tmp_path / "a.xyz", "--json"
    )
    assert len(json.loads(done.stdout)) == 10


def test_predictions_do_not_inherit_the_units_of_the_input(fitted, tmp_path):
    frames = waters(2)
    for atoms in frames:
        atoms.calc = None
        atoms.info.update(energy_unit="Hartree", name="mine")
        atoms.set_array("tag", np.array([3, 1, 2]))
    ase.io.write(tmp_path / "in.xyz", frames)
    out = tmp_path / "out.xyz"
    assert run("predict", fitted / "out/model.h5", tmp_path / "in.xyz", out).exit_code == 0
    for atoms, given in zip(linvop.read(out), waters(2), strict=True):
        assert atoms.get_potential_energy() == pytest.approx(given.get_potential_energy(), abs=1)
        assert atoms.info["name"] == "mine"
        assert atoms.arrays["tag"].tolist() == [3, 1, 2]


def test_of_several_states_one_is_fitted(tmp_path, no_plots):
    frames = waters(40)
    for atoms in frames[::4]:
        atoms.info.update(charge=2, dipole_origin="centre of nuclear charge")
    one = CONFIG.replace("[basis]", "state = [0, 1]\n[basis]")
    done = run("fit", write_case(tmp_path, train=frames, config=one), "--json")
    assert done.exit_code == 0, done.output
    assert json.loads(done.stdout)["n_train"] == 30
    assert linvop.load(tmp_path / "out/model.h5").state_ == (0, 1)
    none = CONFIG.replace("[basis]", "state = [5, 2]\n[basis]")
    config = write_case(tmp_path, train=frames, config=none)
    refused(run("fit", config, "--force"), "train.xyz", "charge 5 and multiplicity 2")


def test_predictions_of_other_properties_stay_in_info(tmp_path, no_plots):
    frames = waters(40)
    for atoms in frames:
        bonds = atoms.positions[1:] - atoms.positions[0]
        atoms.info["polarizability"] = np.eye(3) + bonds.T @ bonds
        atoms.info["gap"] = float(np.linalg.norm(bonds))
    text = CONFIG.replace("dipole = {}", 'polarizability = {}\ngap = { rank = 0, unit = "eV" }')
    config = write_case(tmp_path, frames, frames[:5], text)
    assert run("fit", config).exit_code == 0
    done = run("predict", tmp_path / "out/model.h5", tmp_path / "test.xyz", tmp_path / "p.xyz")
    assert done.exit_code == 0, done.output
    expected = linvop.load(tmp_path / "out/model.h5").predict(linvop.read(tmp_path / "test.xyz"))
    for atoms, wanted in zip(ase.io.read(tmp_path / "p.xyz", ":"), expected, strict=True):
        assert atoms.info["gap"] == pytest.approx(wanted["gap"])
        found = atoms.info.get("polarizability", atoms.calc.results.get("polarizability"))
        np.testing.assert_allclose(found, wanted["polarizability"], atol=1e-7)


@pytest.mark.parametrize(
    ("atoms", "parts"),
    [
        (Atoms("NH3", np.eye(4, 3)), ("frame 1, atom 0", "element N", "H, O")),
        (Atoms("OH2", [[0, 0, 0], [0, 0, np.nan], [0, 1, 0]]), ("frame 1, atom 1", "position")),
        (
            Atoms("OH2", [[0, 0, 0], [0, 0, 1], [0, 1, 0]], info={"charge": 2}),
            ("frame 1", "charge"),
        ),
        (Atoms("OH2", [[0, 0, 0], [0, 0, 1], [0, 1, 0]], cell=[9] * 3, pbc=True), ("periodic",)),
    ],
)
def test_predict_refuses_what_the_model_does_not_know(fitted, tmp_path, atoms, parts):
    ase.io.write(tmp_path / "in.xyz", [waters(1)[0], atoms], format="extxyz")
    out = tmp_path / "out.xyz"
    refused(run("predict", fitted / "out/model.h5", tmp_path / "in.xyz", out), "in.xyz", *parts)
    assert not out.exists()


def test_predict_needs_force_to_replace(fitted, tmp_path):
    out = tmp_path / "out.xyz"
    out.write_text("mine")
    arguments = ("predict", fitted / "out/model.h5", fitted / "test.xyz", out)
    refused(run(*arguments), "out.xyz exists", "--force")
    assert out.read_text() == "mine"
    assert run(*arguments, "--force").exit_code == 0
    assert out.read_text() != "mine"


def test_evaluate_agrees_with_the_fit(fitted, tmp_path):
    before = json.loads((fitted / "out/metrics.json").read_text())["test"]
    done = run("evaluate", fitted / "out/model.h5", fitted / "test.xyz", "--json")
    after = json.loads(done.stdout)
    for name in ("energy", "dipole"):
        assert after[name]["rmse"] == pytest.approx(before[name]["rmse"], rel=1e-6)
    plots = tmp_path / "plots"
    done = run("evaluate", fitted / "out/model.h5", fitted / "test.xyz", "--plot", plots)
    assert done.exit_code == 0, done.output
    assert "meV" in done.stdout
    assert set(files(plots)) == {"parity_energy.png", "parity_dipole.png"}


def test_evaluate_with_keys_and_units(fitted, tmp_path):
    frames = waters(10, seed=1)
    for atoms in frames:
        atoms.info["E"] = atoms.calc.results["energy"] / HARTREE
        atoms.calc = SinglePointCalculator(atoms, dipole=atoms.calc.results["dipole"])
    ase.io.write(tmp_path / "test.xyz", frames)
    arguments = ("evaluate", fitted / "out/model.h5", tmp_path / "test.xyz")
    refused(run(*arguments), "test.xyz", "frame 0", "energy", "E")
    refused(run(*arguments, "--key", "energy=E"), "test.xyz", "unit", "Hartree")
    refused(run(*arguments, "--key", "energy"), "--key", "energy")
    refused(run(*arguments, "--key", "enrgy=E"), "enrgy", "energy, dipole")
    done = run(*arguments, "--key", "energy=E", "--unit", "energy=Hartree", "--json")
    before = json.loads((fitted / "out/metrics.json").read_text())["test"]
    assert json.loads(done.stdout)["energy"]["rmse"] == pytest.approx(
        before["energy"]["rmse"], rel=1e-3
    )


# -- standard deviations ------------------------------------------------------------------------


@pytest.fixture(scope="module")
def sure(tmp_path_factory) -> Path:
    """A folder with a fit that keeps its covariances."""
    folder = tmp_path_factory.mktemp("sure")
    done = run("fit", write_case(folder, config=CONFIG + "[solver]\ncovariance = true\n"))
    assert done.exit_code == 0, done.output
    return folder


def test_predict_writes_standard_deviations_on_request(sure, fitted, tmp_path):
    for option in ((), ("--std",)):
        out = tmp_path / f"out{len(option)}.xyz"
        done = run("predict", sure / "out/model.h5", sure / "test.xyz", out, *option)
        assert done.exit_code == 0, done.output
        (a, *_) = ase.io.read(out, ":")
        assert ("energy_std" in a.info) == ("dipole_std" in a.info) == bool(option)
    model = linvop.load(sure / "out/model.h5")
    (expected,) = model.predict([a], std=True)
    # Positions in the file have eight digits.
    assert a.info["energy_std"] == pytest.approx(expected["energy_std"], rel=1e-2)
    np.testing.assert_allclose(a.info["dipole_std"], expected["dipole_std"], rtol=1e-2)
    assert "standard deviations" in done.stdout
    out = tmp_path / "none.xyz"
    arguments = ("predict", fitted / "out/model.h5", fitted / "test.xyz", out, "--std")
    refused(run(*arguments), "std", "covariance = true")
    assert not out.exists()


def test_evaluate_says_whether_standard_deviations_are_right(sure, tmp_path):
    arguments = ("evaluate", sure / "out/model.h5", sure / "test.xyz")
    found = json.loads(run(*arguments, "--json").stdout)
    assert set(found["energy"]["calibration"]) >= {"mean_z2", "coverage_68", "coverage_95"}
    done = run(*arguments, "--plot", tmp_path)
    assert done.exit_code == 0, done.output
    assert "mean z^2" in done.stdout
    kinds = ("parity", "reliability")
    assert set(files(tmp_path)) == {f"{k}_{t}.png" for k in kinds for t in ("energy", "dipole")}


def test_covariance_must_be_true_or_false(tmp_path):
    config = write_case(tmp_path, config=CONFIG + "[solver]\ncovariance = 1\n")
    refused(run("fit", config), "covariance", "true or false", "1")


# -- inspect -------------------------------------------------------------------------------------


def test_inspect_counts_every_column_of_a_model(fitted):
    done = run("inspect", fitted / "out/model.h5", "--json")
    found = json.loads(done.stdout)
    model = linvop.load(fitted / "out/model.h5")
    columns = sum(len(part.coefficients) for p in model.parts_.values() for part in p.values())
    assert found["kind"] == "model"
    assert sum(row["n"] for row in found["columns"]) == columns
    assert found["units"] == {"energy": "eV", "dipole": "e*Angstrom"}
    assert found["training"]["test"]["energy"]["n"] == 10
    text = run("inspect", fitted / "out/model.h5").stdout
    assert "Ridge(alpha='loo'" in text
    for word in ("Basis(ao='sto-3g'", "condition", "leave one out", "meV", "dof", "alpha"):
        assert word in text


def test_inspect_data_sets_and_structures(fitted):
    found = json.loads(run("inspect", linvop.data.water(), "--json").stdout)
    assert (found["kind"], found["n_structures"]) == ("dataset", 300)
    assert found["settings"]["xc"] == "pbe"
    found = json.loads(run("inspect", fitted / "train.xyz", "--json").stdout)
    assert (found["kind"], found["n_structures"]) == ("structures", 40)
    assert found["elements"] == {"O": 40, "H": 80}
    assert set(found["keys"]) == {"energy", "dipole"}
    refused(run("inspect", fitted / "nowhere.h5"), "nowhere.h5: no such file")


# -- label ---------------------------------------------------------------------------------------

CHEAP = ("--method", "rhf", "--ao", "sto-3g", "--workers", 1)


def test_label_resumes_after_an_interrupt(tmp_path, monkeypatch):
    from linvop.labelling import runner

    ase.io.write(tmp_path / "in.xyz", waters(3))
    out = tmp_path / "out.h5"
    calculate, calls = runner.calculate, []

    def interrupted(structure, *rest):
        calls.append(structure.source_index)
        if len(calls) == 2:
            raise KeyboardInterrupt
        return calculate(structure, *rest)

    monkeypatch.setattr(runner, "calculate", interrupted)
    done = run("label", tmp_path / "in.xyz", out, *CHEAP)
    assert done.exit_code == 130
    assert "1 of 3 structures are kept" in done.stderr
    assert not out.exists()
    done = run("label", tmp_path / "in.xyz", out, *CHEAP, "--json")
    assert done.exit_code == 0, done.output
    report = json.loads(done.stdout)
    assert (report["n_labelled"], report["n_resumed"]) == (3, 1)
    assert calls == [0, 1, 1, 2]
    assert len(linvop.Dataset.open(out)) == 3


def test_label_refuses_before_any_work(tmp_path):
    ase.io.write(tmp_path / "in.xyz", waters(2))
    out = tmp_path / "out.h5"
    into = ("label", tmp_path / "in.xyz", out)
    refused(run(*into, "--xc", "nonsense"), "xc", "nonsense")
    refused(run(*into, "--quantities", "energy,colour"), "quantities", "colour")
    refused(run(*into, "--ao", "nonsense"), "nonsense")
    refused(run("label", tmp_path / "nowhere.xyz", out), "nowhere.xyz: no such file")
    assert set(files(tmp_path)) == {"in.xyz"}
    out.write_text("mine")
    refused(run(*into, *CHEAP), "out.h5 exists", "--force")
    assert out.read_text() == "mine"


def test_inspect_counts_labels_and_does_not_add_them_up(tmp_path):
    frames = waters(3)
    for k, atoms in enumerate(frames):
        atoms.info.update(name="w", mine=1.5 if k else "text", charge=2)
    ase.io.write(tmp_path / "a.xyz", frames)
    done = run("inspect", tmp_path / "a.xyz", "--json")
    assert done.exit_code == 0, done.output
    keys = json.loads(done.stdout)["keys"]
    assert keys == {"name": 3, "mine": 3, "charge": 3, "energy": 3, "dipole": 3}


def test_units_of_a_data_set_are_known(tmp_path, no_plots):
    config = CONFIG.replace('train = "train.xyz"\ntest = "test.xyz"', 'train = "shipped:water"')
    config = config.replace("[basis]", 'n_train = 60\nunits = { energy = "Hartree" }\n[basis]')
    refused(run("fit", write_case(tmp_path, config=config)), "units", "data set", "Hartree")
    # Beside a data set, units are those of the other file.
    mixed = CONFIG.replace("train.xyz", "shipped:water")
    mixed = mixed.replace("[basis]", 'units = { energy = "Hartree" }\n[basis]')
    frames = waters(5)
    for atoms in frames:
        atoms.calc.results["energy"] /= 27.211386
    done = run("fit", write_case(tmp_path, test=frames, config=mixed), "--json")
    assert done.exit_code == 0, done.output
    assert json.loads(done.stdout)["labels"] == {"method": "rks", "xc": "pbe", "ao": "def2-svp"}
    # So are keys.
    for atoms in frames:
        atoms.info["energy_Ha"] = atoms.calc.results.pop("energy")
    mixed = mixed.replace("[basis]", 'keys = { energy = "energy_Ha" }\n[basis]')
    (tmp_path / "keys").mkdir()
    again = run("fit", write_case(tmp_path / "keys", test=frames, config=mixed), "--json")
    assert again.exit_code == 0, again.output
    assert json.loads(again.stdout)["test"] == json.loads(done.stdout)["test"]


def test_names_of_outputs_say_what_they_are(fitted, tmp_path):
    done = run("predict", fitted / "out/model.h5", fitted / "test.xyz", tmp_path / "a.h5")
    refused(done, "a.h5", "ends in .xyz")
    refused(run("label", fitted / "test.xyz", tmp_path / "a.xyz"), "a.xyz", "ends in .h5")
    assert files(tmp_path) == {}


def test_one_target_alone_can_be_evaluated(fitted, tmp_path):
    frames = waters(10, seed=1)
    for atoms in frames:
        del atoms.calc.results["dipole"]
    ase.io.write(tmp_path / "test.xyz", frames)
    arguments = ("evaluate", fitted / "out/model.h5", tmp_path / "test.xyz", "--json")
    refused(run(*arguments), "test.xyz", "dipole")
    done = run(*arguments, "--target", "energy")
    assert list(json.loads(done.stdout)) == ["energy"]
    refused(run(*arguments, "--target", "gap"), "--target gap", "energy, dipole")


def test_labels_of_another_level_are_remarked(tmp_path, no_plots):
    from linvop.labelling import label

    config = CONFIG.replace('train = "train.xyz"\ntest = "test.xyz"', 'train = "shipped:water"')
    assert run("fit", write_case(tmp_path, config=config)).exit_code == 0
    label(waters(2), tmp_path / "hf.h5", method="rhf", ao="sto-3g", workers=1)
    done = run("evaluate", tmp_path / "out/model.h5", tmp_path / "hf.h5")
    assert done.exit_code == 0
    assert (
        "its labels are rhf, sto-3g, and the model was fitted to rks, pbe, def2-svp" in done.stderr
    )


def test_results_and_unfinished_labels_can_be_looked_at(fitted, tmp_path):
    done = run("inspect", fitted / "out/metrics.json")
    assert done.exit_code == 0, done.output
    assert "leave one out" in done.output
    assert "seconds_to_fit" in done.output
    same = json.loads(run("inspect", fitted / "out/metrics.json", "--json").stdout)
    assert same == json.loads((fitted / "out/metrics.json").read_text())
    for text, said in (("{}", "other JSON"), ('{"versions": ', "not valid JSON")):
        (tmp_path / "other.json").write_text(text)
        refused(run("inspect", tmp_path / "other.json"), "other.json", said)

    parts = tmp_path / "out.h5.parts"
    parts.mkdir()
    (parts / "settings.json").write_text('{"structures": ["a", "b", "c"]}')
    (parts / "000000.npz").touch()
    (parts / "000002.json").touch()
    found = json.loads(run("inspect", parts, "--json").stdout)
    assert (found["labelled"], found["failed"], found["structures"]) == (1, 1, 3)
    (parts / "settings.json").write_text("[]")
    refused(run("inspect", parts), "out.h5.parts", "unfinished run")


def test_a_fit_with_covariances_says_how_calibrated_they_are(tmp_path, no_plots):
    config = CONFIG.replace("[output]", "[solver]\ncovariance = true\n[output]")
    done = run("fit", write_case(tmp_path, config=config), "--json")
    assert done.exit_code == 0, done.output
    sure = json.loads(done.stdout)["calibration"]
    assert set(sure) == {"energy", "dipole"}
    again = run("evaluate", tmp_path / "out/model.h5", tmp_path / "test.xyz", "--json")
    for name, found in json.loads(again.stdout).items():
        for key, value in found["calibration"].items():
            assert sure[name][key] == pytest.approx(value, rel=1e-6), key


def test_forces_from_fit_to_export(tmp_path):
    """Fitted with energies, predicted as ASE reads them, evaluated, exported."""
    frames = waters(16)
    for atoms in frames:
        atoms.calc.results["forces"] = np.zeros((3, 3))
        r = atoms.positions[1:] - atoms.positions[0]
        d = np.linalg.norm(r, axis=1)[:, None]
        atoms.calc.results["forces"][1:] = -10 * (d - 0.96) * r / d
        atoms.calc.results["forces"][0] = -atoms.calc.results["forces"][1:].sum(axis=0)
    ase.io.write(tmp_path / "train.xyz", frames[:12])
    ase.io.write(tmp_path / "test.xyz", frames[12:])
    text = CONFIG.replace("energy = {}\ndipole = {}", "energy = {}\nforces = {}")
    (tmp_path / "config.toml").write_text(text)
    assert run("fit", tmp_path / "config.toml").exit_code == 0
    out = tmp_path / "out"
    metrics = json.loads((out / "metrics.json").read_text())
    assert metrics["test"]["forces"]["n"] == 12
    assert metrics["test"]["forces"]["rmse"] < 0.3 * metrics["test"]["forces"]["std"]
    assert (out / "parity_forces.png").exists()
    result = run("predict", out / "model.h5", tmp_path / "test.xyz", tmp_path / "p.xyz")
    assert result.exit_code == 0, result.output
    predicted = linvop.read(tmp_path / "p.xyz")[0].get_forces()
    expected = linvop.load(out / "model.h5").predict(frames[12:13])[0]["forces"]
    np.testing.assert_allclose(predicted, expected, atol=1e-7)
    result = run("evaluate", out / "model.h5", tmp_path / "test.xyz", "--json")
    assert json.loads(result.stdout)["forces"]["rmse"] == pytest.approx(
        metrics["test"]["forces"]["rmse"], rel=1e-6
    )
    result = run("export", out / "model.h5", tmp_path / "m.deploy.h5", "--json")
    assert result.exit_code == 0, result.output
    assert max(json.loads(result.stdout).values()) < 1e-6
    seen = run("inspect", tmp_path / "m.deploy.h5")
    assert "exported model for H, O" in seen.output
    assert "checked when written: rotation" in seen.output
    assert json.loads(run("inspect", tmp_path / "m.deploy.h5", "--json").stdout)["species"] == [
        "H",
        "O",
    ]
    again = run("export", out / "model.h5", tmp_path / "m.deploy.h5")
    assert again.exit_code != 0
    assert "m.deploy.h5" in again.output


def test_predictions_do_not_go_over_what_they_are_of(fitted, tmp_path):
    model = fitted / "out/model.h5"
    path = tmp_path / "w.xyz"
    ase.io.write(path, molecule("H2O"))
    before = path.read_bytes(), model.read_bytes()
    refused(run("predict", model, path, path, "--force"), "another name to write to than what is")
    link = tmp_path / "same.xyz"
    os.link(path, link)
    refused(run("predict", model, path, link, "--force"), "another name")
    refused(run("export", model, model, "--force"), "another name")
    assert (path.read_bytes(), model.read_bytes()) == before


def test_files_of_another_kind_are_not_replaced(fitted, tmp_path):
    path = tmp_path / "d.h5"
    shutil.copy(linvop.data.water(), path)
    before = path.read_bytes()
    config = write_case(tmp_path)
    (tmp_path / "out").mkdir()
    shutil.copy(path, tmp_path / "out/model.h5")
    refused(run("fit", config, "--force"), "not replaced: expected a model there")
    assert (tmp_path / "out/model.h5").read_bytes() == before
    with h5py.File(path, "r+") as file:  # edited by another program: somebody's work
        file.attrs["mine"] = 1
    with pytest.raises(InputError, match="not replaced, as it may be somebody's work"):
        linvop.load(fitted / "out/model.h5").save(path, force=True)


def test_sigterm_cleans_up(tmp_path):
    """As batch systems send it: no folder of an unfinished fit is left, status 143."""
    config = write_case(tmp_path)
    code = (
        "import os, signal, sys; import linvop.fitting as f; from linvop.cli import main\n"
        "f.parity_figure = lambda *a, **k: os.kill(os.getpid(), signal.SIGTERM)\n"
        f"sys.argv = ['linvop', 'fit', {str(config)!r}]; main()"
    )
    before = files(tmp_path)
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 143, done.stderr
    assert "interrupted: nothing was written" in done.stderr
    assert files(tmp_path) == before


@pytest.mark.parametrize("test", [True, False])
def test_a_fit_by_chunks_that_leaves_nothing_out(tmp_path, test):
    """Alpha and the weight of forces by their evidence: a model, pictures, and no residuals."""
    part = "n_train = 60" if test else ""
    config = tmp_path / "c.toml"
    config.write_text(
        f'[data]\ntrain = "shipped:water"\n{part}\n[basis]\nao = "sto-3g"\nkappa = 1\n'
        "[targets]\nenergy = {}\nforces = {}\n[solver]\nchunk = 50\nalpha = "
        f'"evidence"\nforce_weight = [0.01, 0.1]\n[output]\ndir = "{tmp_path / "out"}"\n'
    )
    done = CliRunner().invoke(app, ["fit", str(config)])
    assert done.exit_code == 0, done.output
    assert "not made" in done.output
    metrics = json.loads((tmp_path / "out" / "metrics.json").read_text())
    assert metrics["leave_one_out"] == {}
    assert ("test" in metrics) == test
    assert {p.name for p in (tmp_path / "out").iterdir()} == {
        "model.h5", "metrics.json", "parity_energy.png", "parity_forces.png",
    }  # fmt: skip
