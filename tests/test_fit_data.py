"""What `linvop fit` makes of its files: splits, frame numbers, copies, free atoms."""

from __future__ import annotations

import json
from pathlib import Path

import ase.io
import numpy as np
import pytest
from ase import Atoms
from ase.calculators.singlepoint import SinglePointCalculator
from typer.testing import CliRunner

import linvop
from linvop.cli import app
from linvop.models.property_training import lone_atoms
from linvop.models.property_values import values_of_rows
from linvop.regression import streamed_lots, streamed_ridge

CONFIG = """
[data]
train = "train.xyz"
{data}
[basis]
ao = "sto-3g"
kappa = 1
[targets]
energy = {{}}
[solver]
{solver}
[output]
dir = "{out}"
"""

SPLIT = "n_train = 20"


@pytest.fixture(autouse=True)
def no_plots(monkeypatch):
    """Pictures take longer than small fits do."""
    monkeypatch.setattr("linvop.fitting.parity_figure", lambda path, rows: path.write_bytes(b"."))


def waters(n: int, seed: int = 0) -> list[Atoms]:
    rng = np.random.default_rng(seed)
    out = []
    for _ in range(n):
        atoms = Atoms("OH2", [[0, 0, 0], [0.96, 0, 0], [-0.24, 0.93, 0]])
        atoms.positions += 0.05 * rng.normal(size=(3, 3))
        bonds = np.linalg.norm(atoms.positions[1:] - atoms.positions[0], axis=1)
        energy = -2000 + 5 * float(((bonds - 0.96) ** 2).sum())
        atoms.calc = SinglePointCalculator(atoms, energy=energy)
        out.append(atoms)
    return out


def free_atoms() -> list[Atoms]:
    """H and O in their ground states."""
    out = []
    for symbol, energy, multiplicity in (("H", -13.0, 2), ("O", -1970.0, 3)):
        atoms = Atoms(symbol, info={"multiplicity": multiplicity})
        atoms.calc = SinglePointCalculator(atoms, energy=energy)
        out.append(atoms)
    return out


def fit(
    folder: Path,
    train,
    data: str = "",
    test=None,
    *options: str,
    out: str = "out",
    solver: str = "",
):
    ase.io.write(folder / "train.xyz", train)
    if test is not None:
        ase.io.write(folder / "test.xyz", test)
        data += '\ntest = "test.xyz"'
    (folder / "c.toml").write_text(CONFIG.format(data=data, out=out, solver=solver))
    return CliRunner().invoke(app, ["fit", str(folder / "c.toml"), "--force", *options])


# -- numbers of frames ---------------------------------------------------------------------------


def one_line(done) -> str:
    assert done.exit_code == 2, done.output
    (line,) = [x for x in done.stderr.splitlines() if x.startswith("error: ")]
    return line


@pytest.mark.parametrize("seed", range(4))
def test_a_split_names_frames_of_the_file(tmp_path, seed):
    frames = waters(30)
    frames[7].info["charge"] = 2
    line = one_line(fit(tmp_path, frames, f"{SPLIT}\nseed = {seed}"))
    assert "frame 7" in line, line


def test_an_element_of_the_test_part_alone_is_named_with_its_frame(tmp_path):
    frames = waters(30)
    ammonia = Atoms("NH3", np.eye(4, 3))
    ammonia.calc = SinglePointCalculator(ammonia, energy=-1500.0)
    frames[7] = ammonia
    seen = set()
    for seed in range(8):
        done = fit(tmp_path, frames, f"{SPLIT}\nseed = {seed}")
        if done.exit_code:
            line = one_line(done)
            assert "train.xyz: frame 7, atom 0: element N is not among" in line
            assert line.endswith("(in the test part of the split)")
        seen.add(done.exit_code)
    assert seen == {0, 2}


def test_far_structures_of_the_test_part_are_named_with_their_frame(tmp_path):
    frames = waters(30)
    frames[7].positions *= 2
    for seed in range(8):
        done = fit(tmp_path, frames, f"{SPLIT}\nseed = {seed}")
        assert done.exit_code == 0, done.output
        if "extrapolates" in done.stderr:
            assert "train.xyz: frame 7: " in done.stderr
            assert "(in the test part of the split)" in done.stderr
            return
    pytest.fail("never in the test part")


def test_frames_are_counted_before_free_atoms_and_other_states_are_set_apart(tmp_path):
    frames = [*free_atoms(), *waters(30)]
    frames[9].info["charge"] = 2
    assert "frame 2 has charge 0 and frame 9 has charge 2" in one_line(fit(tmp_path, frames))
    frames[9].info["charge"] = 0.5
    assert "frame 9: charge = 0.5" in one_line(fit(tmp_path, frames, "state = [0, 1]"))


def test_too_large_a_training_part_is_said_with_file_and_key(tmp_path):
    line = one_line(fit(tmp_path, waters(30), "n_train = 31"))
    assert "[data] n_train = 31: expected fewer than the 30 distinct structures of " in line
    assert line.endswith("train.xyz")


# -- copies --------------------------------------------------------------------------------------


def test_test_structures_that_are_copies_of_training_structures_are_counted(tmp_path):
    frames = waters(30)
    test = [*frames[:4], *waters(6, seed=1)]
    turned = test[0].copy()
    turned.rotate(40, "z")
    turned.calc = SinglePointCalculator(turned, **test[0].calc.results)
    test[0] = turned
    done = fit(tmp_path, frames, "", test, "--json")
    assert done.exit_code == 0, done.output
    assert json.loads(done.stdout)["n_test_copies_of_train"] == 4
    assert "test.xyz: 4 of 10 test structures are copies of training structures" in done.stderr
    done = fit(tmp_path, frames, "", waters(6, seed=1))
    assert "copies" not in done.output


def test_a_training_data_set_is_compared_too(tmp_path):
    frames = linvop.Dataset.open(linvop.data.water()).frames()[:5]
    ase.io.write(tmp_path / "test.xyz", frames)
    text = CONFIG.format(data='test = "test.xyz"', out="out", solver="")
    (tmp_path / "c.toml").write_text(text.replace("train.xyz", "shipped:water"))
    done = CliRunner().invoke(app, ["fit", str(tmp_path / "c.toml")])
    assert done.exit_code == 0, done.output
    assert "5 of 5 test structures are copies of training structures" in done.stderr


def test_copies_in_the_training_file_are_counted(tmp_path):
    frames = waters(20)
    done = fit(tmp_path, [*frames, *frames[:5]])
    assert done.exit_code == 0, done.output
    assert "25 structures, 20 distinct: copies are left out together" in done.stdout
    assert "distinct" not in fit(tmp_path, frames).stdout


# -- free atoms ----------------------------------------------------------------------------------


@pytest.mark.parametrize("data", ["", SPLIT, "state = [0, 1]", SPLIT + "\nstate = [0, 1]"])
def test_free_atoms_are_used_and_said_with_a_split_too(tmp_path, data):
    h, o = free_atoms()
    done = fit(tmp_path, [*waters(15), h, *waters(15, seed=1), o], data)
    assert done.exit_code == 0, done.output
    assert "free atoms H, O of the training file give the constants" in done.stdout.replace(
        "\n", " "
    )
    model = linvop.load(tmp_path / "out/model.h5")
    rows = {(0, 1): lone_atoms(model.basis, model.species_)[:, None]}
    alone = values_of_rows(model.targets, model.parts_, rows, np.eye(2))["energy"]
    np.testing.assert_allclose(alone, [-13.0, -1970.0], rtol=1e-10)
    assert model.n_train_ == (20 if SPLIT in data else 30)
    content = json.loads((tmp_path / "out/metrics.json").read_text())
    assert content["free_atoms"] == ["H", "O"]
    if SPLIT in data:
        assert content["test"]["energy"]["n"] == 10
    assert "free atoms" not in fit(tmp_path, waters(30), data).stdout


def test_a_killed_fit_by_chunks_goes_on(tmp_path, monkeypatch):
    """Ctrl-C in the second pass: its state is kept, said, used, and removed."""
    solver = "alpha_bounds = [1e-10, 1.0]\nchunk = 7\n"
    made, limit, rows = [0], [6], streamed_lots.RowFactor.add

    def add(self, block):
        made[0] += 1
        if made[0] > limit[0]:
            raise KeyboardInterrupt
        return rows(self, block)

    monkeypatch.setattr(streamed_lots.RowFactor, "add", add)
    monkeypatch.setattr(streamed_ridge.Checkpoint, "is_due", lambda self: True)
    stopped = fit(tmp_path, waters(60), solver=solver)
    assert stopped.exit_code == 130, stopped.output
    assert "run the same command again to go on" in " ".join(stopped.output.split())
    assert [p.name for p in (tmp_path / "out").iterdir()] == ["fit.parts"]
    made[0], limit[0] = 0, 10**9
    done = fit(tmp_path, waters(60), solver=solver)
    assert done.exit_code == 0, done.output
    assert made[0] == 3  # of nine
    assert not (tmp_path / "out/fit.parts").exists()


# -- the output folder ---------------------------------------------------------------------------


def test_a_folder_that_cannot_be_made_is_refused_before_any_work(tmp_path, monkeypatch):
    def work(*_, **__):
        raise AssertionError("structures were read")

    monkeypatch.setattr("linvop.fit_data.read", work)
    monkeypatch.setattr(
        "linvop.io.atomic.TemporaryFile",
        lambda dir: (_ for _ in ()).throw(OSError(30, "Read-only file system")),
    )
    line = one_line(fit(tmp_path, waters(3), out="new/folder"))
    assert "no file can be made in the folder" in line
    assert "Read-only file system" in line
