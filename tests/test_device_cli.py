"""``--device gpu``: the same files as on the CPU, and one line for what it cannot do."""

from __future__ import annotations

import ase.io
import h5py
import numpy as np
import pytest
from typer.testing import CliRunner

import linvop
from linvop.cli import app
from linvop.kernels import dispatch

CONFIG = """
[data]
train = "train.xyz"
test = "test.xyz"
[basis]
ao = "sto-3g"
kappa = 2
[targets]
energy = {}
[solver]
alpha = 1e-6
[output]
dir = "out"
"""


def run(*arguments: object):
    return CliRunner().invoke(app, [str(a) for a in arguments])


def refused(done, part: str) -> None:
    assert done.exit_code == 2, done.output
    (line,) = [x for x in done.stderr.splitlines() if x and not x.startswith("warning:")]
    assert line.startswith("error: ")
    assert part in line


@pytest.fixture
def there(gpu_device, monkeypatch):
    """A GPU, or what stands in for one."""
    monkeypatch.setattr(dispatch, "_gpu", lambda: gpu_device)
    return gpu_device


@pytest.fixture(scope="module")
def waters(tmp_path_factory):
    folder = tmp_path_factory.mktemp("waters")
    frames = linvop.Dataset.open(linvop.data.water()).frames()
    ase.io.write(folder / "train.xyz", frames[:30])
    ase.io.write(folder / "test.xyz", frames[30:36])
    return folder


@pytest.mark.filterwarnings("ignore")
def test_fit_and_predict(waters, there, monkeypatch):
    monkeypatch.setattr("linvop.fitting.parity_figure", lambda path, _: path.touch())
    found = {}
    for name in ("cpu", "gpu"):
        (waters / "config.toml").write_text(CONFIG.replace('"out"', f'"{name}"'))
        done = run("fit", waters / "config.toml", "--device", name)
        assert done.exit_code == 0, done.output
        with h5py.File(waters / name / "model.h5") as file:
            assert "device" not in str(dict(file.attrs))  # what is fitted, not where
        out = waters / f"{name}.xyz"
        given = (waters / name / "model.h5", waters / "test.xyz", out, "--device", name)
        done = run("predict", *given)
        assert done.exit_code == 0, done.output
        found[name] = [a.get_potential_energy() for a in ase.io.read(out, ":")]
    np.testing.assert_allclose(found["gpu"], found["cpu"], rtol=0, atol=1e-7)


def test_without_a_gpu(waters, monkeypatch):
    def none() -> None:
        raise linvop.InputError("device 'gpu': no CUDA device here")

    monkeypatch.setattr(dispatch, "_gpu", none)
    (waters / "config.toml").write_text(CONFIG)
    refused(run("fit", waters / "config.toml", "--device", "gpu"), "no CUDA device here")
    assert not (waters / "out").exists()
    frames = linvop.read(waters / "train.xyz")
    linvop.PropertyModel(linvop.Basis("sto-3g", kappa=1), "energy").fit(frames).save(
        waters / "small.h5", force=True
    )
    given = (waters / "small.h5", waters / "test.xyz", waters / "no.xyz")
    refused(run("predict", *given, "--device", "gpu"), "no CUDA device here")
    done = run("fit", waters / "config.toml", "--device", "tpu")
    refused(done, "device: expected 'cpu' or 'gpu', got 'tpu'")


def test_what_it_does_not_do(waters, there):
    config = waters / "config.toml"
    config.write_text(CONFIG.replace("energy = {}", "fock = {}"))
    refused(run("fit", config, "--device", "gpu"), "--device gpu: fits of operators are made on")
    config.write_text(CONFIG.replace("energy = {}", "energy = {}\nforces = {}"))
    refused(run("fit", config, "--device", "gpu"), "fits to forces are made on the CPU only")
    config.write_text(CONFIG)
    done = run("fit", config, "--device", "gpu", "--scheduler", "tcp://nowhere:1")
    refused(done, "--device gpu: not with --scheduler")
    assert not (waters / "out").exists()
