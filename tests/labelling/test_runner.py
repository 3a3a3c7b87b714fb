"""Laws of a labelling run: order, failures, checkpoints, kills."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from ase import Atoms

from linvop.errors import ConvergenceError, InputError
from linvop.io.dataset import Dataset
from linvop.io.structures import write
from linvop.labelling import label, runner
from linvop.sampling import sample_water

FAST = {"ao": "sto-3g", "method": "rhf"}


def hydrogens(n: int) -> list[Atoms]:
    return [Atoms("H2", [[0, 0, 0], [0, 0, 0.7 + 0.02 * k]]) for k in range(n)]


def same(a: Dataset, b: Dataset) -> None:
    assert len(a) == len(b)
    for x, y in zip(a, b, strict=True):
        assert x.arrays().keys() == y.arrays().keys()
        for name, value in x.arrays().items():
            np.testing.assert_allclose(value, y.arrays()[name], rtol=0, atol=1e-9, err_msg=name)


def test_output_follows_the_input_and_the_folder_goes(tmp_path):
    frames = hydrogens(3) + sample_water(2)
    seen = []
    out = tmp_path / "h2.h5"
    report = label(frames, out, **FAST, workers=1, n_matrices=2, progress=lambda *x: seen.append(x))
    data = Dataset.open(out)
    assert (report.n_structures, report.n_labelled, report.failed) == (5, 5, ())
    assert seen == [(k, 5) for k in range(6)]
    assert [p.name for p in tmp_path.iterdir()] == ["h2.h5"]
    assert [r.source_index for r in data] == [0, 1, 2, 3, 4]
    for atoms, record in zip(frames, data, strict=True):
        np.testing.assert_array_equal(atoms.numbers, record.numbers)
        np.testing.assert_array_equal(atoms.positions, record.positions)
    assert [r.fock is not None for r in data] == [True, True, False, False, False]
    assert all(r.forces is not None and r.orbital_energies is not None for r in data)
    assert data.settings["method"] == "rhf"
    assert data.settings["ao"] == "sto-3g"


def test_processes_give_what_one_process_gives(tmp_path):
    frames = hydrogens(4)
    label(frames, tmp_path / "one.h5", **FAST, workers=1)
    label(frames, tmp_path / "two.h5", **FAST, workers=2)
    same(Dataset.open(tmp_path / "one.h5"), Dataset.open(tmp_path / "two.h5"))


def fails_for(*indices: int):
    def calculate(structure, settings, matrices=True):
        if structure.source_index in indices:
            raise ConvergenceError("SCF not converged")
        return original(structure, settings, matrices)

    original = runner.calculate
    return calculate


def test_what_does_not_converge_is_listed_and_left_out(tmp_path, monkeypatch):
    monkeypatch.setattr(runner, "calculate", fails_for(1))
    report = label(hydrogens(3), tmp_path / "h2.h5", **FAST, workers=1)
    data = Dataset.open(tmp_path / "h2.h5")
    assert report.failed == ((1, "SCF not converged"),)
    assert data.failed == [{"index": 1, "reason": "SCF not converged"}]
    assert [r.source_index for r in data] == [0, 2]


def test_nothing_is_written_when_nothing_converges(tmp_path):
    out = tmp_path / "h2.h5"
    with pytest.raises(ConvergenceError, match="structure 0: SCF not converged in 1 cycles"):
        label(sample_water(2), out, **FAST, max_cycle=1, retry=False, workers=1)
    assert not out.exists()


def interrupt_after(n: int):
    def progress(done: int, total: int) -> None:
        if done == n:
            raise KeyboardInterrupt

    return progress


@pytest.mark.parametrize("workers", [1, 2])
def test_interrupted_runs_go_on(tmp_path, workers):
    frames, out = hydrogens(5), tmp_path / "h2.h5"
    with pytest.raises(KeyboardInterrupt, match="start the same command again"):
        label(frames, out, **FAST, workers=workers, progress=interrupt_after(2))
    assert not out.exists()
    assert (tmp_path / "h2.h5.parts").is_dir()
    report = label(frames, out, **FAST, workers=1)
    assert 2 <= report.n_resumed <= 4
    assert not (tmp_path / "h2.h5.parts").exists()
    label(frames, tmp_path / "whole.h5", **FAST, workers=1)
    same(Dataset.open(out), Dataset.open(tmp_path / "whole.h5"))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"ao": "6-31g"}, 'ao is "sto-3g" there and "6-31g" now'),
        ({"conv_tol": 1e-9}, "conv_tol is 1e-10 there and 1e-09 now"),
        ({"structures": hydrogens(2)}, "3 structures there and 2 now"),
        ({"structures": [*hydrogens(2), Atoms("He")]}, "structure 2 is another one"),
    ],
)
def test_another_run_does_not_go_on(tmp_path, change, message):
    out = tmp_path / "h2.h5"
    with pytest.raises(KeyboardInterrupt):
        label(hydrogens(3), out, **FAST, workers=1, progress=interrupt_after(1))
    other = {"structures": hydrogens(3), **FAST, **change}
    structures = other.pop("structures")
    with pytest.raises(InputError, match=message):
        label(structures, out, **other, workers=1)
    report = label(structures, out, **other, workers=1, force=True)
    assert report.n_resumed == 0


def test_a_folder_of_somebody_else_is_never_deleted(tmp_path):
    mine = tmp_path / "h2.h5.parts" / "thesis.tex"
    mine.parent.mkdir()
    mine.write_text("ten years")
    with pytest.raises(InputError, match=r"h2\.h5\.parts: linvop needs this name"):
        label(hydrogens(1), tmp_path / "h2.h5", **FAST, workers=1, force=True)
    assert mine.read_text() == "ten years"


def test_a_damaged_checkpoint_is_made_again(tmp_path):
    out = tmp_path / "h2.h5"
    with pytest.raises(KeyboardInterrupt):
        label(hydrogens(3), out, **FAST, workers=1, progress=interrupt_after(2))
    part = tmp_path / "h2.h5.parts" / "000000.npz"
    part.write_bytes(part.read_bytes()[:200])
    report = label(hydrogens(3), out, **FAST, workers=1)
    assert (report.n_resumed, report.n_labelled) == (1, 3)


def test_a_killed_run_goes_on(tmp_path):
    """SIGKILL to the run itself while its workers are busy."""
    frames, out = sample_water(8), tmp_path / "water.h5"
    write(tmp_path / "water.xyz", frames)
    job = {"structures": str(tmp_path / "water.xyz"), "out": str(out), **FAST, "workers": 2}
    code = "import json, sys; from linvop.labelling import label; label(**json.loads(sys.argv[1]))"
    root = str(Path(__file__).parents[2])
    process = subprocess.Popen(
        [sys.executable, "-c", code, json.dumps(job)],
        env={**os.environ, "PYTHONPATH": root},
    )
    folder = tmp_path / "water.h5.parts"
    try:
        until = time.monotonic() + 60
        while len(list(folder.glob("[0-9]*.npz"))) < 2:
            assert process.poll() is None
            assert time.monotonic() < until
            time.sleep(0.01)
    finally:
        process.send_signal(signal.SIGKILL)
        process.wait()
    assert not out.exists()
    report = label(job["structures"], out, **FAST, workers=1)
    assert 2 <= report.n_resumed <= 8
    whole = tmp_path / "whole.h5"
    label(job["structures"], whole, **FAST, workers=1)
    same(Dataset.open(out), Dataset.open(whole))


def test_refusals_come_before_any_work(tmp_path):
    out = tmp_path / "h2.h5"
    out.write_text("mine")
    with pytest.raises(InputError, match=r"h2\.h5 exists; --force"):
        label(hydrogens(1), out, **FAST)
    assert out.read_text() == "mine"
    radical = Atoms("OH", [[0, 0, 0], [0, 0, 0.97]])
    with pytest.raises(InputError, match="frame 1 has multiplicity 2; rhf is for singlets"):
        label([*hydrogens(1), radical], tmp_path / "new.h5", **FAST)
    with pytest.raises(InputError, match="workers: expected at least 1"):
        label(hydrogens(1), tmp_path / "new.h5", **FAST, workers=0)
    assert [p.name for p in tmp_path.iterdir()] == ["h2.h5"]


def test_two_runs_into_one_output_are_refused(tmp_path):
    pytest.importorskip("fcntl")
    inner = []

    def second(done: int, total: int) -> None:
        if done == 1:
            for force in (False, True):
                with pytest.raises(InputError, match=r"a\.h5\.parts: another run is labelling"):
                    label(hydrogens(3 + force), tmp_path / "a.h5", **FAST, workers=1, force=force)
                inner.append(force)

    label(hydrogens(3), tmp_path / "a.h5", **FAST, workers=1, progress=second)
    assert inner == [False, True]
    assert len(Dataset.open(tmp_path / "a.h5")) == 3
    assert [p.name for p in tmp_path.iterdir()] == ["a.h5"]
